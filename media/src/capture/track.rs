//! Puts the segments of one track in order.

use super::segment::{HeaderError, SegmentHeader};
use thiserror::Error;

/// Why a file in a track's folder is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Rejected {
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("belongs to another track")]
    OtherTrack,
    #[error("a segment with this number was there already")]
    Duplicate,
}

/// Segments to read, first to last, and those left out. `T` is the caller's handle (a path).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderedSegments<T> {
    pub segments: Vec<(T, SegmentHeader)>,
    pub rejected: Vec<(T, Rejected)>,
}

/// Sorts by number. The first good header (in the given order) says which track it is:
/// a segment of another session, track, owner, source or codec is rejected, and so is a second one
/// with the same number.
pub fn order_segments<T>(
    found: impl IntoIterator<Item = (T, Result<SegmentHeader, HeaderError>)>,
) -> OrderedSegments<T> {
    let mut segments: Vec<(T, SegmentHeader)> = Vec::new();
    let mut rejected = Vec::new();
    for (handle, header) in found {
        let header = match header {
            Ok(header) => header,
            Err(error) => {
                rejected.push((handle, Rejected::Header(error)));
                continue;
            }
        };
        if segments.first().is_some_and(|(_, first)| !same_track(first, &header)) {
            rejected.push((handle, Rejected::OtherTrack));
        } else if segments.iter().any(|(_, h)| h.number == header.number) {
            rejected.push((handle, Rejected::Duplicate));
        } else {
            segments.push((handle, header));
        }
    }
    segments.sort_by_key(|(_, h)| (h.number, h.start_us));
    OrderedSegments { segments, rejected }
}

fn same_track(a: &SegmentHeader, b: &SegmentHeader) -> bool {
    let key = |h: &SegmentHeader| (h.session, h.track, h.owner, h.source, h.codec, h.clock_rate);
    key(a) == key(b)
}
