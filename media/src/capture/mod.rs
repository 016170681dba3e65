//! The capture: an append-only log of every packet of a recorded track, as it was received.
//!
//! Everything that can be watched later (Matroska per track, the MP4, HLS) is made from this log
//! and can be made again, so the log keeps facts only: packets with their arrival times, the sender
//! reports that tie RTP time to the sender's clock, and marks where something is missing. The
//! byte layout is in `docs/CAPTURE.md`.
//!
//! - `segment`: the header of a segment file and the encoder of records.
//! - `reader`: reads what a crash, a full disk or a bad sector left of a segment.
//! - `track`: puts the segments of one track in order.
//! - `repair`: unwraps and reorders what the network shuffled, and counts what it lost.
//! - `timing`: from RTP time to session time.

mod reader;
pub mod repair;
mod segment;
pub mod timing;
mod track;

#[cfg(test)]
mod tests;

pub use reader::{ReadReport, SegmentReader, Stamped};
pub use segment::{
    EncodeError, GapReason, HEADER_LEN, HeaderError, MAX_PAYLOAD, RECORD_OVERHEAD, Record,
    SegmentEncoder, SegmentHeader, VERSION,
};
pub use track::{OrderedSegments, Rejected, order_segments};
