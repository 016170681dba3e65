//! Generated media: packets with the right shape, not pictures or sounds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use str0m::media::Pt;
use str0m::rtp::{ExtensionValues, RtpWrite, SeqNo};

use crate::mark::Mark;

/// VP8 payload bytes per packet, below any sensible MTU with its overhead.
const MAX_PAYLOAD: usize = 1_100;
const AUDIO_INTERVAL: Duration = Duration::from_millis(20);
const AUDIO_TICKS: u32 = 960;
/// A key frame is that many times larger than the others.
const KEY_FACTOR: usize = 4;

/// 20 ms of Opus each 20 ms.
pub(super) struct Microphone {
    pt: Pt,
    bot: u32,
    seq: u64,
    due: Option<Instant>,
}

impl Microphone {
    pub(super) fn new(pt: Pt, bot: u32) -> Self {
        Self { pt, bot, seq: 1, due: None }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn next(&mut self, now: Instant) -> Option<RtpWrite> {
        let due = *self.due.get_or_insert(now);
        if now < due {
            return None;
        }
        self.due = Some(due + AUDIO_INTERVAL);
        let seq = self.seq;
        self.seq += 1;
        // TOC: configuration 15 (hybrid, fullband, 20 ms), mono, one frame (RFC 6716 section 3.1).
        let mut payload = vec![0x55; 80];
        payload[0] = 15 << 3;
        Mark { bot: self.bot, number: seq as u32 }.write(&mut payload);
        let level = ExtensionValues {
            audio_level: Some(-20),
            voice_activity: Some(true),
            ..ExtensionValues::default()
        };
        let time = (seq as u32).wrapping_mul(AUDIO_TICKS);
        Some(
            RtpWrite::new(self.pt, SeqNo::from(seq), time, due, payload)
                .marker(seq == 1)
                .ext_vals(level),
        )
    }
}

/// VP8 frames of even size, a key frame first and whenever one is wanted.
pub(super) struct Camera {
    pt: Pt,
    bot: u32,
    frame_bytes: usize,
    interval: Duration,
    seq: u64,
    frame: u64,
    due: Option<Instant>,
    key_wanted: bool,
    key_frames: u64,
    queue: VecDeque<RtpWrite>,
}

impl Camera {
    pub(super) fn new(pt: Pt, bot: u32, bits_per_second: u32, frame_rate: u32) -> Self {
        let frame_rate = frame_rate.max(1);
        Self {
            pt,
            bot,
            frame_bytes: (bits_per_second / 8 / frame_rate).max(32) as usize,
            interval: Duration::from_secs(1) / frame_rate,
            seq: 1,
            frame: 0,
            due: None,
            key_wanted: true,
            key_frames: 0,
            queue: VecDeque::new(),
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn want_key_frame(&mut self) {
        self.key_wanted = true;
    }

    pub(super) fn key_frames(&self) -> u64 {
        self.key_frames
    }

    pub(super) fn next(&mut self, now: Instant) -> Option<RtpWrite> {
        let due = *self.due.get_or_insert(now);
        if self.queue.is_empty() && now >= due {
            self.due = Some(due + self.interval);
            self.make_frame(due);
        }
        self.queue.pop_front()
    }

    fn make_frame(&mut self, at: Instant) {
        let key = std::mem::take(&mut self.key_wanted);
        self.key_frames += u64::from(key);
        let len = self.frame_bytes * if key { KEY_FACTOR } else { 1 };
        let frame = vp8_frame(key, len);
        let picture = (self.frame & 0x7fff) as u16;
        let ticks = self.interval.as_micros() as u64 * 90 / 1_000;
        let time = (self.frame * ticks) as u32;
        self.frame += 1;
        let count = frame.len().div_ceil(MAX_PAYLOAD);
        for (i, part) in frame.chunks(frame.len().div_ceil(count)).enumerate() {
            let mut payload = vp8_descriptor(i == 0, picture).to_vec();
            payload.extend_from_slice(part);
            Mark { bot: self.bot, number: self.seq as u32 }.write(&mut payload);
            let packet = RtpWrite::new(self.pt, SeqNo::from(self.seq), time, at, payload)
                .marker(i + 1 == count)
                .nackable(true);
            self.seq += 1;
            self.queue.push_back(packet);
        }
    }
}

/// Extended, with a 15-bit picture id (RFC 7741 section 4.2).
fn vp8_descriptor(first: bool, picture: u16) -> [u8; 4] {
    let [high, low] = picture.to_be_bytes();
    [if first { 0x90 } else { 0x80 }, 0x80, 0x80 | high, low]
}

/// A frame header of 640 by 360 (RFC 6386 section 9.1) and filler.
fn vp8_frame(key: bool, len: usize) -> Vec<u8> {
    let mut frame = vec![0xaa; len.max(10)];
    // Shown, version 0; the inverse key-frame bit comes lowest.
    frame[..3].copy_from_slice(&[0x10 | u8::from(!key), 0x02, 0]);
    if key {
        frame[3..10].copy_from_slice(&[0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]);
    }
    frame
}

/// Whether a VP8 payload begins a key frame; `None` if it begins no frame.
pub(super) fn begins_key_frame(payload: &[u8]) -> Option<bool> {
    let (&first, mut rest) = payload.split_first()?;
    let begins = first & 0x10 != 0 && first & 0x07 == 0;
    if first & 0x80 != 0 {
        let (&extensions, after) = rest.split_first()?;
        rest = after;
        if extensions & 0x80 != 0 {
            let long = rest.first()? & 0x80 != 0;
            rest = rest.get(if long { 2 } else { 1 }..)?;
        }
        if extensions & 0x40 != 0 {
            rest = rest.get(1..)?;
        }
        if extensions & 0x30 != 0 {
            rest = rest.get(1..)?;
        }
    }
    let header = rest.first()?;
    begins.then_some(header & 1 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_frames_are_told_apart() {
        let of = |first, key| {
            let mut payload = vp8_descriptor(first, 0x1234).to_vec();
            payload.extend(vp8_frame(key, 50));
            begins_key_frame(&payload)
        };
        assert_eq!(of(true, true), Some(true));
        assert_eq!(of(true, false), Some(false));
        assert_eq!(of(false, true), None);
        assert_eq!(begins_key_frame(&[0x90, 0x80]), None);
    }

    #[test]
    fn an_independent_parser_reads_the_descriptor() {
        let mut payload = vp8_descriptor(true, 300).to_vec();
        payload.extend(vp8_frame(true, 50));
        let descriptor = str0m::rtp::Vp8Descriptor::parse(&payload).unwrap();
        assert_eq!(descriptor.picture_id(), Some(300));
    }

    #[test]
    fn a_camera_keeps_its_rate_and_answers_wishes_for_key_frames() {
        let start = Instant::now();
        let mut camera = Camera::new(Pt::from(96), 1, 1_500_000, 30);
        let mut packets = 0;
        for ms in 0..1_000 {
            if ms == 500 {
                camera.want_key_frame();
            }
            while camera.next(start + Duration::from_millis(ms)).is_some() {
                packets += 1;
            }
        }
        assert_eq!(camera.key_frames(), 2);
        assert!((170..240).contains(&packets), "{packets}");
    }
}
