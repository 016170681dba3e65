//! When each packet of a publisher left, for those who see it arrive in the same process.
//!
//! A payload cannot carry this time: it is sealed before the packet's turn to leave has come. So
//! it carries its numbers, and the times stand here.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Frames remembered; half a minute and more.
const FRAMES: usize = 1_024;
/// RTP clock ticks of a frame at 30 frames a second.
pub const FRAME_TICKS: u32 = 3_000;

/// Wall times in nanoseconds; 0 is never.
pub struct SendLog {
    by_sequence: Box<[AtomicU64]>,
    frames: Box<[AtomicU64]>,
}

/// What a video payload says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    pub publisher: u8,
    pub frame: u32,
    pub sequence: u16,
}

impl Tag {
    pub const LEN: usize = 8;
    const MAGIC: u8 = 0xa7;

    pub fn bytes(self) -> [u8; Tag::LEN] {
        let (f, s) = (self.frame.to_be_bytes(), self.sequence.to_be_bytes());
        [Tag::MAGIC, self.publisher, f[0], f[1], f[2], f[3], s[0], s[1]]
    }

    pub fn read(bytes: &[u8]) -> Option<Tag> {
        let &[Tag::MAGIC, publisher, f0, f1, f2, f3, s0, s1] = bytes else { return None };
        let frame = u32::from_be_bytes([f0, f1, f2, f3]);
        Some(Tag { publisher, frame, sequence: u16::from_be_bytes([s0, s1]) })
    }
}

impl Default for SendLog {
    fn default() -> Self {
        let times = |count: usize| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self { by_sequence: times(1 << 16), frames: times(FRAMES) }
    }
}

impl SendLog {
    pub fn sent(&self, sequence: u16, at: Duration) {
        self.by_sequence[usize::from(sequence)].store(at.as_nanos() as u64, Relaxed);
    }

    /// The first packet of a frame is about to leave.
    pub fn began(&self, frame: u32, at: Duration) {
        self.frames[frame as usize % FRAMES].store(at.as_nanos() as u64, Relaxed);
    }

    pub fn packet(&self, sequence: u16) -> Option<Duration> {
        time(&self.by_sequence[usize::from(sequence)])
    }

    pub fn frame(&self, frame: u32) -> Option<Duration> {
        time(&self.frames[frame as usize % FRAMES])
    }
}

fn time(at: &AtomicU64) -> Option<Duration> {
    Some(Duration::from_nanos(at.load(Relaxed))).filter(|at| !at.is_zero())
}

/// Waits for the last copy of each frame: it is the arrival of the frame's end at whom it reaches
/// last.
pub struct Completion {
    readers: usize,
    /// Frame, arrivals of its last packet, latest of them.
    open: Vec<(u32, usize, Duration)>,
}

impl Completion {
    pub fn new(readers: usize) -> Self {
        Self { readers, open: vec![(u32::MAX, 0, Duration::ZERO); FRAMES] }
    }

    /// One reader has all of `frame`; the time from its first sending when that was the last one.
    pub fn arrived(&mut self, log: &SendLog, frame: u32, at: Duration) -> Option<Duration> {
        let entry = &mut self.open[frame as usize % FRAMES];
        if entry.0 != frame {
            *entry = (frame, 0, Duration::ZERO);
        }
        entry.1 += 1;
        entry.2 = entry.2.max(at);
        if entry.1 != self.readers {
            return None;
        }
        Some(entry.2.saturating_sub(log.frame(frame)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_as_written() {
        let tag = Tag { publisher: 3, frame: 70_001, sequence: 65_535 };
        assert_eq!(Tag::read(&tag.bytes()), Some(tag));
        assert_eq!(Tag::read(&[0x5a; Tag::LEN]), None);
    }

    #[test]
    fn a_frame_is_out_when_the_last_reader_has_its_end() {
        let log = SendLog::default();
        let ms = Duration::from_millis;
        log.began(5, ms(100));
        let mut completion = Completion::new(2);
        assert_eq!(completion.arrived(&log, 5, ms(104)), None);
        assert_eq!(completion.arrived(&log, 5, ms(103)), Some(ms(4)));
        assert_eq!(completion.arrived(&log, 6, ms(140)), None, "another frame");
    }
}
