//! The one publisher of the benchmark: what it sends and when, the same for floor and server.
//!
//! VP8 at 30 frames a second in bursts of packets of about 1,180 bytes (1.5 Mbit/s) and Opus at 50
//! packets a second. libwebrtc splits a frame into sizes that differ by at most one byte, smaller
//! ones first; so a frame is two runs of equal size, not one.

use std::time::Duration;

pub const VIDEO_FRAMES_PER_SECOND: u64 = 30;
pub const AUDIO_PACKETS_PER_SECOND: u64 = 50;
const VIDEO_PAYLOAD: usize = 1_180;
const AUDIO_PAYLOAD: usize = 80;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Video,
    Audio,
}

/// Packets that leave together at `at` after the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Burst {
    pub at: Duration,
    pub kind: Kind,
    /// Index of the frame or audio packet, from 0.
    pub index: u64,
    /// RTP payload sizes in bytes.
    pub payloads: Vec<usize>,
}

/// All bursts of `length`, in the order of their times.
pub fn schedule(length: Duration) -> Vec<Burst> {
    let count = |per_second: u64| (length.as_micros() as u64 * per_second) / 1_000_000;
    let video = (0..count(VIDEO_FRAMES_PER_SECOND)).map(|index| Burst {
        at: Duration::from_micros(index * 1_000_000 / VIDEO_FRAMES_PER_SECOND),
        kind: Kind::Video,
        index,
        payloads: frame(index),
    });
    // Half a packet later, as two clocks seldom tick together.
    let audio = (0..count(AUDIO_PACKETS_PER_SECOND)).map(|index| Burst {
        at: Duration::from_micros(index * 1_000_000 / AUDIO_PACKETS_PER_SECOND + 7_000),
        kind: Kind::Audio,
        index,
        payloads: vec![AUDIO_PAYLOAD],
    });
    let mut bursts: Vec<Burst> = video.chain(audio).collect();
    bursts.sort_by_key(|burst| burst.at);
    bursts
}

/// How much later than the first one a publisher begins: frames of many do not come together.
pub fn phase(publisher: usize, of: usize) -> Duration {
    Duration::from_millis(33) * publisher as u32 / of.max(1) as u32
}

/// Five packets, every third frame six: 1.51 Mbit/s of payload.
fn frame(index: u64) -> Vec<usize> {
    let packets = if index % 3 == 2 { 6 } else { 5 };
    (0..packets).map(|packet| VIDEO_PAYLOAD + usize::from(packet * 2 >= packets)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_traffic_has_the_stated_rate() {
        let second = schedule(Duration::from_secs(1));
        let video: usize = second
            .iter()
            .filter(|burst| burst.kind == Kind::Video)
            .flat_map(|burst| &burst.payloads)
            .sum();
        assert!((1_480_000..1_540_000).contains(&(video * 8)), "{} bit/s", video * 8);
        assert_eq!(second.iter().filter(|burst| burst.kind == Kind::Audio).count(), 50);
        assert!(second.is_sorted_by_key(|burst| burst.at));
    }

    #[test]
    fn a_frame_is_two_runs_of_equal_size() {
        for index in 0..3 {
            let sizes = frame(index);
            let changes = sizes.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert_eq!(changes, 1);
            assert!(sizes.is_sorted());
        }
    }
}
