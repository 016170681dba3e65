//! The sequence, timestamp and picture numbers of one receive slot.
//!
//! A slot shows many tracks and layers over its life but is one RTP stream to its receiver: each
//! change of source begins an *epoch* with new offsets, chosen so that the stream goes on without
//! a gap. What was sent under which number is remembered for retransmission, and guarantees that
//! a number is never used twice (an SRTP index must not seal two contents).

use std::time::{Duration, Instant};

use crate::rtp::seq::extend32;
use crate::rtp::vp8;

/// Deliberate skips of an epoch that reordered packets can still be placed around.
const STEPS: usize = 8;
/// Epochs whose packets can be sent again.
const EPOCHS: usize = 4;

/// Times that one packet is sent again.
const RESENDS: u8 = 10;

#[derive(Debug, Clone, Copy, Default)]
struct Sent {
    /// Low 32 bits of the outgoing and incoming numbers; outgoing 0 means empty.
    out: u32,
    input: u32,
    /// Milliseconds since the slot began.
    at: u32,
    epoch: u16,
    /// Times it was sent again.
    again: u8,
}

/// From which source, and by which offsets, an epoch was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch<S> {
    pub source: S,
    pub timestamp_offset: u32,
    pub picture_offset: u16,
    pub tl0_offset: u8,
}

/// The packet at which an epoch begins.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// Its extended sequence number.
    pub input: u64,
    /// Its own timestamp.
    pub timestamp: u32,
    /// Its outgoing timestamp if the sources share a clock; otherwise the time since the last
    /// packet is added.
    pub aligned: Option<u32>,
    /// Hz.
    pub clock_rate: u32,
    pub descriptor: &'a vp8::Descriptor,
}

pub struct Rewriter<S> {
    base: Instant,
    sent: Box<[Sent]>,
    last_out: u64,
    last_timestamp: u32,
    last_at: Instant,
    picture: u16,
    tl0: u8,
    started: bool,
    epochs: [Option<Epoch<S>>; EPOCHS],
    epoch: u16,
    /// (first input number, output − input), ascending; the last one is in force.
    steps: [(u64, i64); STEPS],
    step_count: usize,
    highest_in: u64,
}

impl<S: Copy + PartialEq> Rewriter<S> {
    /// `first` is the first sequence number sent; below 2^15, so that an early loss cannot be
    /// mistaken for a turn (RFC 3711 §3.3.1).
    pub fn new(now: Instant, first: u16, first_timestamp: u32, history: usize) -> Rewriter<S> {
        Rewriter {
            base: now,
            sent: vec![Sent::default(); history.next_power_of_two()].into(),
            last_out: u64::from(first & 0x7fff),
            last_timestamp: first_timestamp,
            last_at: now,
            picture: 0,
            tl0: 0,
            started: false,
            epochs: [None; EPOCHS],
            epoch: 0,
            steps: [(0, 0); STEPS],
            step_count: 0,
            highest_in: 0,
        }
    }

    pub fn current(&self) -> Option<&Epoch<S>> {
        self.epochs[usize::from(self.epoch) % EPOCHS].as_ref()
    }

    /// Makes everything sent so far unrepeatable: its packets could not be built the same again.
    pub fn forget(&mut self) {
        self.epochs = [None; EPOCHS];
        self.step_count = 0;
    }

    pub fn last_timestamp(&self) -> u32 {
        self.last_timestamp
    }

    /// Begins an epoch at a packet.
    pub fn switch(&mut self, now: Instant, source: S, start: &Start<'_>) {
        let Start { input, timestamp, aligned, clock_rate, descriptor } = *start;
        let elapsed = now.saturating_duration_since(self.last_at).min(Duration::from_secs(3600));
        let ticks = (elapsed.as_micros() as u64 * u64::from(clock_rate) / 1_000_000) as u32;
        let out = match aligned {
            // Ahead of what was sent, and not by more than the clocks can have drifted.
            Some(wanted)
                if wanted.wrapping_sub(self.last_timestamp).wrapping_sub(1) < 3 * clock_rate =>
            {
                wanted
            }
            _ => self.last_timestamp.wrapping_add(ticks.max(1)),
        };
        let (mut picture_offset, mut tl0_offset) = (0, 0);
        if self.started {
            if let Some(id) = descriptor.picture_id {
                picture_offset = self.picture.wrapping_add(1).wrapping_sub(id.value) & 0x7fff;
            }
            if let Some((_, value)) = descriptor.tl0_pic_idx {
                tl0_offset = self.tl0.wrapping_add(1).wrapping_sub(value);
            }
        }
        self.started = true;
        self.epoch = self.epoch.wrapping_add(1);
        self.epochs[usize::from(self.epoch) % EPOCHS] = Some(Epoch {
            source,
            timestamp_offset: out.wrapping_sub(timestamp),
            picture_offset,
            tl0_offset,
        });
        self.steps[0] = (input, (self.last_out + 1) as i64 - input as i64);
        self.step_count = 1;
        self.highest_in = input - 1;
    }

    /// The outgoing number of packet `input` of the current epoch; None when it is from before
    /// the epoch, a duplicate, or too old. Sending is remembered.
    pub fn pass(&mut self, now: Instant, input: u64) -> Option<u64> {
        let steps = &self.steps[..self.step_count];
        let at = steps.iter().rposition(|(from, _)| *from <= input)?;
        if steps.get(at + 1).is_some_and(|(next, _)| *next == input + 1) {
            // Skipped: its number was given to the packet after it.
            return None;
        }
        let offset = steps[at].1;
        let out = input.wrapping_add_signed(offset);
        if out + self.sent.len() as u64 <= self.last_out {
            return None;
        }
        let mask = self.sent.len() - 1;
        let entry = &mut self.sent[out as usize & mask];
        if entry.out == out as u32 && entry.out != 0 {
            return None;
        }
        let at = now.saturating_duration_since(self.base).as_millis() as u32;
        *entry = Sent { out: out as u32, input: input as u32, at, epoch: self.epoch, again: 0 };
        self.highest_in = self.highest_in.max(input);
        self.last_out = self.last_out.max(out);
        Some(out)
    }

    /// Notes the numbers of a packet that was passed, for the next switch.
    pub fn note(&mut self, now: Instant, timestamp: u32, picture: Option<u16>, tl0: Option<u8>) {
        if timestamp.wrapping_sub(self.last_timestamp) < 1 << 31 {
            self.last_timestamp = timestamp;
            self.last_at = now;
            self.picture = picture.unwrap_or(self.picture);
            self.tl0 = tl0.unwrap_or(self.tl0);
        }
    }

    /// Leaves out `input` (padding) without leaving a gap, if it is the newest.
    pub fn skip(&mut self, input: u64) {
        if self.step_count == 0 || input <= self.highest_in {
            return;
        }
        self.highest_in = input;
        let offset = self.steps[self.step_count - 1].1;
        if self.step_count == STEPS {
            self.steps.rotate_left(1);
            self.step_count -= 1;
        }
        self.steps[self.step_count] = (input + 1, offset - 1);
        self.step_count += 1;
    }

    /// For a NACKed number: the low bits of the input number and its epoch, if it was sent and
    /// not within `pause`; the resending is remembered.
    pub fn resend(&mut self, now: Instant, out: u16, pause: Duration) -> Option<(u32, Epoch<S>)> {
        let number = crate::rtp::seq::extend16(self.last_out, out);
        let mask = self.sent.len() - 1;
        let entry = &mut self.sent[number as usize & mask];
        if entry.out != number as u32 || entry.out == 0 {
            return None;
        }
        let at = now.saturating_duration_since(self.base).as_millis() as u32;
        if entry.again >= RESENDS || at.wrapping_sub(entry.at) < pause.as_millis() as u32 {
            return None;
        }
        if self.epoch.wrapping_sub(entry.epoch) >= EPOCHS as u16 {
            return None;
        }
        let epoch = self.epochs[usize::from(entry.epoch) % EPOCHS]?;
        entry.at = at;
        entry.again += 1;
        Some((entry.input, epoch))
    }

    /// The roll-over counter that belongs to a NACKed number.
    pub fn extended(&self, out: u16) -> u64 {
        crate::rtp::seq::extend16(self.last_out, out)
    }
}

/// The full input number behind its low bits.
pub fn full_input(highest: u64, low: u32) -> u64 {
    extend32(highest, low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NONE: vp8::Descriptor =
        vp8::Descriptor { key_frame: false, start: false, picture_id: None, tl0_pic_idx: None };

    fn picture(value: u16, tl0: u8) -> vp8::Descriptor {
        vp8::Descriptor {
            picture_id: Some(vp8::PictureId { at: 2, value, long: true }),
            tl0_pic_idx: Some((4, tl0)),
            ..NONE
        }
    }

    fn start(input: u64, timestamp: u32, descriptor: &vp8::Descriptor) -> Start<'_> {
        Start { input, timestamp, aligned: None, clock_rate: 90_000, descriptor }
    }

    #[test]
    fn a_switch_continues_time_and_pictures() {
        let t0 = crate::testing::origin();
        let mut slot = Rewriter::new(t0, 5, 1000, 64);
        slot.switch(t0, 'a', &start(70_000, 500, &picture(40, 9)));
        assert_eq!(slot.pass(t0, 70_000), Some(6));
        slot.note(t0, 1001, Some(40), Some(9));
        let later = t0 + Duration::from_millis(100);
        slot.switch(later, 'b', &start(66_000, 77, &picture(0x7ffe, 1)));
        let epoch = *slot.current().unwrap();
        assert_eq!(slot.pass(later, 66_000), Some(7));
        assert_eq!(77u32.wrapping_add(epoch.timestamp_offset), 1001 + 9000);
        assert_eq!(0x7ffeu16.wrapping_add(epoch.picture_offset) & 0x7fff, 41);
        assert_eq!(1u8.wrapping_add(epoch.tl0_offset), 10);
        assert_eq!(slot.pass(later, 65_999), None, "from before the switch");
    }

    #[test]
    fn a_packet_is_sent_again_once_in_a_pause_from_its_own_epoch() {
        let t0 = crate::testing::origin();
        let ms = Duration::from_millis;
        let mut slot = Rewriter::new(t0, 0, 0, 64);
        slot.switch(t0, 'a', &start(65_636, 0, &NONE));
        slot.pass(t0, 65_636);
        slot.switch(t0, 'b', &start(80_000, 0, &NONE));
        slot.pass(t0, 80_000);
        assert_eq!(slot.resend(t0 + ms(10), 1, ms(50)), None, "just sent");
        let (input, epoch) = slot.resend(t0 + ms(60), 1, ms(50)).unwrap();
        assert_eq!((input, epoch.source), (65_636, 'a'));
        assert_eq!(slot.resend(t0 + ms(80), 1, ms(50)), None);
        assert_eq!(slot.resend(t0 + ms(80), 3, ms(50)), None, "never sent");
    }

    #[derive(Debug, Clone)]
    enum Step {
        Next(u64),
        Skip,
        Late(u64),
        Switch(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => Just(Step::Next(1)),
            1 => (2u64..5).prop_map(Step::Next),
            1 => Just(Step::Skip),
            1 => (1u64..20).prop_map(Step::Late),
            1 => (0u64..1 << 20).prop_map(Step::Switch),
        ];
        proptest::collection::vec(step, 1..400)
    }

    proptest! {
        /// Outputs never repeat; contiguous input stays contiguous across skips and switches.
        #[test]
        fn numbers_are_unique_and_gapless(first: u16, steps in steps()) {
            let t0 = crate::testing::origin();
            let mut slot = Rewriter::new(t0, first, 0, 512);
            let mut at = 100_000u64;
            let mut used = std::collections::HashSet::new();
            slot.switch(t0, 0, &start(at, 0, &NONE));
            let mut last = slot.pass(t0, at).unwrap();
            used.insert(last);
            for step in steps {
                let (out, expected) = match step {
                    Step::Next(by) => {
                        at += by;
                        (slot.pass(t0, at), Some(last + by))
                    }
                    Step::Skip => {
                        at += 1;
                        slot.skip(at);
                        continue;
                    }
                    Step::Late(back) => (slot.pass(t0, at - back), None),
                    Step::Switch(to) => {
                        at = (1 << 16) + to;
                        slot.switch(t0, 1, &start(at, 0, &NONE));
                        (slot.pass(t0, at), Some(last + 1))
                    }
                };
                if let Some(expected) = expected {
                    prop_assert_eq!(out, Some(expected));
                    last = expected;
                }
                if let Some(out) = out {
                    prop_assert!(used.insert(out) , "number {} twice", out);
                }
            }
        }
    }
}
