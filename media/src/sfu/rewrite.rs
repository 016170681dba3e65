//! The sequence, timestamp and picture numbers of one receive slot.
//!
//! A slot shows many tracks and layers over its life but is one RTP stream to its receiver: each
//! change of source begins an *epoch* with new offsets, chosen so that the stream goes on without
//! a gap. Frames of layers that the slot does not want are left out without a gap as well. What was
//! sent under which number is remembered for retransmission, and guarantees that a number is never
//! used twice (an SRTP index must not seal two contents).

use std::time::{Duration, Instant};

use crate::rtp::seq::extend32;
use crate::rtp::vp8::{Descriptor, PictureId};

/// Runs of packets left out that reordered ones can still be placed around: two seconds of a
/// camera without its highest temporal layer.
const STEPS: usize = 16;
/// Epochs whose packets can be sent again.
const EPOCHS: usize = 4;
/// In [`Sent::mark`].
const FILLER: u16 = 0x8000;
const MARKER: u16 = 0x4000;
/// How often it was sent again, counted in these bits.
const AGAIN: u16 = 0x3c00;
const ONCE_MORE: u16 = 0x0400;
const EPOCH: u16 = 0x03ff;
/// Times that one packet is sent again.
const RESENDS: u16 = 10;

#[derive(Debug, Clone, Copy, Default)]
struct Sent {
    /// Low 32 bits of the outgoing and incoming numbers; outgoing 0 means empty.
    out: u32,
    input: u32,
    /// Milliseconds since the slot began.
    at: u32,
    /// The epoch's number, and how the packet differed from what came.
    mark: u16,
    /// What was added to its picture id.
    picture: u16,
}

/// From which source, and by which offsets, an epoch was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch<S> {
    pub source: S,
    pub timestamp_offset: u32,
    pub tl0_offset: u8,
    /// For the frame numbers of dependency descriptors.
    pub frame_offset: u16,
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
    pub descriptor: &'a Descriptor,
    /// Of its dependency descriptor.
    pub frame: Option<u16>,
}

/// The place of a packet in the outgoing stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Extended sequence number.
    pub sequence: u64,
    /// To be added to its picture id.
    pub picture: u16,
    /// It belongs to a frame that was left out; its number was kept for it, because nobody could
    /// know. Padding has to take the number.
    pub filler: bool,
}

/// A packet to be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again<S> {
    /// Low bits of the input number.
    pub input: u32,
    pub epoch: Epoch<S>,
    pub picture: u16,
    pub filler: bool,
    pub marker: bool,
}

/// From which input number on which offsets hold.
#[derive(Debug, Clone, Copy, Default)]
struct Step {
    from: u64,
    /// Output − input.
    offset: i64,
    picture: u16,
    /// Made by leaving out the packets before `from`, the first of which had this picture id.
    left_out: bool,
    removed: Option<PictureId>,
}

/// What was sent last, for the next switch.
#[derive(Debug, Clone, Copy)]
struct Last {
    sequence: u64,
    timestamp: u32,
    at: Instant,
    picture: u16,
    tl0: u8,
    frame: u16,
}

pub struct Rewriter<S> {
    base: Instant,
    sent: Box<[Sent]>,
    last: Last,
    started: bool,
    epochs: [Option<Epoch<S>>; EPOCHS],
    epoch: u16,
    /// Ascending; the last one is in force.
    steps: [Step; STEPS],
    step_count: usize,
    highest_in: u64,
    /// The picture left out last: its other packets are of the same picture.
    out_picture: Option<u16>,
}

fn distance(id: PictureId, from: u16) -> u16 {
    id.value.wrapping_sub(from) & if id.long { 0x7fff } else { 0x7f }
}

/// Is `id` the picture `first` or a later one?
fn is_from(id: PictureId, first: PictureId) -> bool {
    distance(id, first.value) < if id.long { 0x4000 } else { 0x40 }
}

impl<S: Copy + PartialEq> Rewriter<S> {
    /// `first` is the first sequence number sent; below 2^15, so that an early loss cannot be
    /// mistaken for a turn (RFC 3711 §3.3.1).
    pub fn new(now: Instant, first: u16, first_timestamp: u32, history: usize) -> Rewriter<S> {
        Rewriter {
            base: now,
            sent: vec![Sent::default(); history.next_power_of_two()].into(),
            last: Last {
                sequence: u64::from(first & 0x7fff),
                timestamp: first_timestamp,
                at: now,
                picture: 0,
                tl0: 0,
                frame: 0,
            },
            started: false,
            epochs: [None; EPOCHS],
            epoch: 0,
            steps: [Step::default(); STEPS],
            step_count: 0,
            highest_in: 0,
            out_picture: None,
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
        self.last.timestamp
    }

    /// Begins an epoch at a packet.
    pub fn switch(&mut self, now: Instant, source: S, start: &Start<'_>) {
        let Start { input, timestamp, aligned, clock_rate, descriptor, frame } = *start;
        let elapsed = now.saturating_duration_since(self.last.at).min(Duration::from_secs(3600));
        let ticks = (elapsed.as_micros() as u64 * u64::from(clock_rate) / 1_000_000) as u32;
        let out = match aligned {
            // Ahead of what was sent, and not by more than the clocks can have drifted.
            Some(wanted)
                if wanted.wrapping_sub(self.last.timestamp).wrapping_sub(1) < 3 * clock_rate =>
            {
                wanted
            }
            _ => self.last.timestamp.wrapping_add(ticks.max(1)),
        };
        let (mut picture, mut tl0_offset, mut frame_offset) = (0, 0, 0);
        if self.started {
            if let Some(id) = descriptor.picture_id {
                picture = self.last.picture.wrapping_add(1).wrapping_sub(id.value) & 0x7fff;
            }
            if let Some((_, value)) = descriptor.tl0_pic_idx {
                tl0_offset = self.last.tl0.wrapping_add(1).wrapping_sub(value);
            }
            if let Some(number) = frame {
                frame_offset = self.last.frame.wrapping_add(1).wrapping_sub(number);
            }
        }
        self.started = true;
        self.epoch = self.epoch.wrapping_add(1) & EPOCH;
        self.epochs[usize::from(self.epoch) % EPOCHS] = Some(Epoch {
            source,
            timestamp_offset: out.wrapping_sub(timestamp),
            tl0_offset,
            frame_offset,
        });
        let offset = (self.last.sequence + 1) as i64 - input as i64;
        self.steps[0] = Step { from: input, offset, picture, ..Step::default() };
        self.step_count = 1;
        self.highest_in = input - 1;
        self.out_picture = None;
    }

    /// Nothing after this packet of the epoch has been passed or left out yet.
    #[inline]
    pub fn is_newest(&self, input: u64) -> bool {
        input > self.highest_in
    }

    /// The place of packet `input` of the current epoch; None when it is from before the epoch, a
    /// duplicate, or too old. Sending is remembered. `wanted` is false for a packet that comes late
    /// and is of a layer that the slot does not show.
    pub fn pass(
        &mut self,
        now: Instant,
        input: u64,
        picture: Option<PictureId>,
        wanted: bool,
    ) -> Option<Place> {
        let steps = &self.steps[..self.step_count];
        let at = steps.iter().rposition(|step| step.from <= input)?;
        let step = steps[at];
        let mut filler = false;
        if let Some(next) = steps.get(at + 1) {
            // The run before `next` was left out: those numbers belong to the packets after it.
            let run = (step.offset - next.offset) as u64;
            if input >= next.from - run {
                return None;
            }
            // A picture whose later packets were left out has no number any more.
            filler = picture.zip(next.removed).is_some_and(|(id, first)| is_from(id, first));
        }
        // Without picture ids an unwanted packet is nothing but a hole to fill.
        filler |= !wanted && picture.is_none();
        let out = input.wrapping_add_signed(step.offset);
        if out + self.sent.len() as u64 <= self.last.sequence {
            return None;
        }
        let mask = self.sent.len() - 1;
        let entry = &mut self.sent[out as usize & mask];
        if entry.out == out as u32 && entry.out != 0 {
            return None;
        }
        let at = now.saturating_duration_since(self.base).as_millis() as u32;
        let mark = self.epoch | if filler { FILLER } else { 0 };
        *entry = Sent { out: out as u32, input: input as u32, at, mark, picture: step.picture };
        if input > self.highest_in {
            self.highest_in = input;
            self.out_picture = None;
        }
        self.last.sequence = self.last.sequence.max(out);
        Some(Place { sequence: out, picture: step.picture, filler })
    }

    /// The packet just passed was given a marker bit that it did not have.
    pub fn marked(&mut self, sequence: u64) {
        let mask = self.sent.len() - 1;
        self.sent[sequence as usize & mask].mark |= MARKER;
    }

    /// Notes the numbers of a packet that was passed, for the next switch. `picture` and `frame`
    /// are as they went out.
    pub fn note(
        &mut self,
        now: Instant,
        timestamp: u32,
        picture: Option<u16>,
        tl0: Option<u8>,
        frame: Option<u16>,
    ) {
        if timestamp.wrapping_sub(self.last.timestamp) < 1 << 31 {
            self.last.timestamp = timestamp;
            self.last.at = now;
            self.last.picture = picture.unwrap_or(self.last.picture);
            self.last.tl0 = tl0.unwrap_or(self.last.tl0);
            self.last.frame = frame.unwrap_or(self.last.frame);
        }
    }

    /// Leaves out `input` without leaving a gap, if it is the newest: padding, or a packet of a
    /// layer that the slot does not show (`picture` is its picture's id).
    pub fn leave_out(&mut self, input: u64, picture: Option<PictureId>) {
        if self.step_count == 0 || input <= self.highest_in {
            return;
        }
        self.highest_in = input;
        let value = picture.map(|id| id.value);
        let another = value.is_some() && value != self.out_picture;
        self.out_picture = value.or(self.out_picture);
        let last = self.steps[self.step_count - 1];
        let next = Step {
            from: input + 1,
            offset: last.offset - 1,
            picture: last.picture.wrapping_sub(u16::from(another)) & 0x7fff,
            left_out: true,
            removed: picture.filter(|_| another),
        };
        if last.left_out && last.from == input {
            let removed = last.removed.or(next.removed);
            self.steps[self.step_count - 1] = Step { removed, ..next };
            return;
        }
        if self.step_count == STEPS {
            self.steps.rotate_left(1);
            self.step_count -= 1;
        }
        self.steps[self.step_count] = next;
        self.step_count += 1;
    }

    /// For a NACKed number: what was sent under it, if not within `pause`; the resending is
    /// remembered.
    pub fn resend(&mut self, now: Instant, out: u16, pause: Duration) -> Option<Again<S>> {
        let number = self.extended(out);
        let mask = self.sent.len() - 1;
        let entry = &mut self.sent[number as usize & mask];
        if entry.out != number as u32 || entry.out == 0 {
            return None;
        }
        let at = now.saturating_duration_since(self.base).as_millis() as u32;
        let spent = entry.mark & AGAIN >= RESENDS * ONCE_MORE;
        if spent || at.wrapping_sub(entry.at) < pause.as_millis() as u32 {
            return None;
        }
        let of = entry.mark & EPOCH;
        if self.epoch.wrapping_sub(of) & EPOCH >= EPOCHS as u16 {
            return None;
        }
        let epoch = self.epochs[usize::from(of) % EPOCHS]?;
        entry.at = at;
        entry.mark += ONCE_MORE;
        let (filler, marker) = (entry.mark & FILLER != 0, entry.mark & MARKER != 0);
        Some(Again { input: entry.input, epoch, picture: entry.picture, filler, marker })
    }

    /// What a number was given to, if it can still be built.
    pub fn recall(&self, out: u16) -> Option<Again<S>> {
        let number = self.extended(out);
        let entry = self.sent[number as usize & (self.sent.len() - 1)];
        let of = entry.mark & EPOCH;
        let known = entry.out == number as u32 && entry.out != 0;
        if !known || self.epoch.wrapping_sub(of) & EPOCH >= EPOCHS as u16 {
            return None;
        }
        let epoch = self.epochs[usize::from(of) % EPOCHS]?;
        let (filler, marker) = (entry.mark & FILLER != 0, entry.mark & MARKER != 0);
        Some(Again { input: entry.input, epoch, picture: entry.picture, filler, marker })
    }

    /// Forgets a number that was given but not sent: it cannot be asked for.
    pub fn withdraw(&mut self, out: u16) {
        let number = self.extended(out);
        let mask = self.sent.len() - 1;
        let entry = &mut self.sent[number as usize & mask];
        if entry.out == number as u32 {
            // Another than the number, so that it is still known to be taken.
            entry.mark = entry.mark & !EPOCH | self.epoch.wrapping_sub(EPOCHS as u16) & EPOCH;
        }
    }

    /// The roll-over counter that belongs to a NACKed number.
    pub fn extended(&self, out: u16) -> u64 {
        crate::rtp::seq::extend16(self.last.sequence, out)
    }
}

/// The full input number behind its low bits.
pub fn full_input(highest: u64, low: u32) -> u64 {
    extend32(highest, low)
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
mod tests;
