//! Capture: every packet of a recorded track, on disk within two seconds, at no cost to the room.
//!
//! The shard's tap copies packets into preallocated blocks ([`tap`]) and hands full or old blocks to
//! the one writer thread ([`writer`]), which appends to segment files ([`track`]) through the file
//! layer ([`files`]) and makes them durable each second. When the disk is slow, blocks run out,
//! packets are dropped and counted, and the track says so by a gap record. When the disk is full
//! or fails, the room goes on, the status tells the problem, and the writer tries again every few
//! seconds with a new segment. The format is `media::capture`'s.

pub mod files;
pub(crate) mod tap;
mod track;
pub(crate) mod writer;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Instant;

/// Where a room's capture goes and how its times count.
#[derive(Debug, Clone)]
pub struct CaptureTarget {
    /// The session's folder; each track gets a folder of its own in it.
    pub dir: PathBuf,
    /// This instant is `origin_mono_us` on the session's time line (µs since its opening).
    pub origin: Instant,
    pub origin_mono_us: i64,
}

impl CaptureTarget {
    fn session_us(&self, at: Instant) -> i64 {
        let micros =
            |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        let offset = match at.checked_duration_since(self.origin) {
            Some(after) => micros(after),
            None => -micros(self.origin.duration_since(at)),
        };
        self.origin_mono_us.saturating_add(offset)
    }
}

/// How a room's capture stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CaptureStatus {
    /// Everything that arrived up to here (session time, µs) is on disk; `None` before the first
    /// sync.
    pub safe_mono_us: Option<i64>,
    pub problem: Option<CaptureProblem>,
    /// Written in this capture.
    pub bytes: u64,
}

/// What keeps the capture from being complete now. The room is not affected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureProblem {
    /// No space left, or over quota.
    DiskFull,
    /// Any other failure of the file system, by its kind.
    Storage(std::io::ErrorKind),
    /// The disk is too slow: packets were dropped in the last second.
    TooSlow,
    /// A bug: the writer failed and was started again.
    WriterFailed,
}
