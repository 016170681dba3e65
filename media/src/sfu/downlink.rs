//! The way to one subscriber: numbers for what leaves, what its feedback says of it, and what has
//! to wait.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::backoff::{Backoff, Decided};
use super::slot::Slot;
use crate::bwe::estimator::Estimator;
use crate::bwe::rate::Rate;
use crate::rtp::ext::ExtKind;

/// Header, extensions and tag of a packet: what it has beside its payload, about.
pub const OVERHEAD: usize = 44;
/// Packets that wait for the pacer; what is beyond is dropped: a second of 3 Mbit/s.
const QUEUE: usize = 320;

/// State of a peer that is sent something; nothing for one that only publishes.
#[derive(Default)]
pub struct Downlink {
    way: Option<Box<Way>>,
}

struct Way {
    estimator: Estimator,
    base: Instant,
    sound: Rate,
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    /// The packet of a picture sent last, to be repeated by probes.
    latest: Option<(u16, u16)>,
    divided: Option<Instant>,
    /// Claims have changed: divide at once.
    dirty: bool,
    backoff: Backoff,
}

/// A packet of a picture that has its number and waits; its bytes are in the cache of its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    pub slot: u16,
    pub sequence: u16,
    size: u16,
}

/// What an outgoing packet says of its sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Transport-wide number, if negotiated.
    pub number: Option<u16>,
    /// Absolute send time (24 bits, 2^-18 s), where the receiver estimates by it.
    pub time: Option<u32>,
    /// The packet must be the same bytes if it is sent again.
    pub repeatable: bool,
}

impl Downlink {
    /// Makes the state, with the first receive slot.
    pub fn open(&mut self, now: Instant) {
        self.way.get_or_insert_with(|| {
            Box::new(Way {
                estimator: Estimator::new(now),
                base: now,
                sound: Rate::default(),
                // Whole at once: the packet path allocates nothing, also when it has to wait.
                queue: VecDeque::with_capacity(QUEUE),
                queued_bytes: 0,
                latest: None,
                divided: None,
                dirty: false,
                backoff: Backoff::default(),
            })
        });
    }

    pub fn estimator(&self) -> Option<&Estimator> {
        self.way.as_ref().map(|way| &way.estimator)
    }

    pub fn estimator_mut(&mut self) -> Option<&mut Estimator> {
        self.way.as_mut().map(|way| &mut way.estimator)
    }

    /// Bit/s that can be sent; None while nothing is known.
    pub fn estimate(&self) -> Option<u64> {
        self.estimator()?.estimate()
    }

    /// Counts a packet of a slot and stamps it. `again`: it is the very packet that was sent under
    /// this sequence number before.
    #[inline]
    pub fn stamp(
        &mut self,
        now: Instant,
        slot: &mut Slot,
        sequence: u64,
        payload: usize,
        again: bool,
    ) -> Stamp {
        let repeatable = !slot.has_rtx();
        let size = payload + OVERHEAD;
        let Some(way) = &mut self.way else {
            return Stamp { number: None, time: None, repeatable };
        };
        if slot.audio {
            let at = now.saturating_duration_since(way.base).as_micros() as u64;
            way.sound.add(at, size as u32);
        }
        let estimator = &mut way.estimator;
        if slot.ids.get(ExtKind::TransportCc).is_none() {
            estimator.sent_unnumbered(now, size);
            let wanted = slot.ids.get(ExtKind::AbsSendTime).is_some() && !repeatable;
            let time = wanted.then(|| estimator.send_time(now));
            return Stamp { number: None, time, repeatable };
        }
        let number = if again {
            estimator.sent_unnumbered(now, size);
            slot.number(sequence)
        } else {
            let number = estimator.sent(now, size);
            if repeatable {
                slot.set_number(sequence, number);
            }
            number
        };
        Stamp { number: Some(number), time: None, repeatable }
    }

    /// May a picture's packet be sent again? See [`Estimator::may_repeat`].
    pub fn may_repeat(&mut self, now: Instant, old: bool) -> bool {
        self.estimator_mut().is_none_or(|estimator| estimator.may_repeat(now, old))
    }

    /// Must a packet of a picture wait? It does behind others, or when the pacer says so.
    #[inline]
    pub fn must_wait(&mut self, now: Instant) -> bool {
        let Some(way) = &mut self.way else { return false };
        !way.queue.is_empty() || !way.estimator.is_free(now, 0)
    }

    /// Lets a packet wait. False: the queue is full, and it is dropped.
    pub fn push(&mut self, slot: usize, sequence: u64, payload: usize) -> bool {
        let Some(way) = self.way.as_mut().filter(|way| way.queue.len() < QUEUE) else {
            return false;
        };
        let size = (payload + OVERHEAD).min(usize::from(u16::MAX)) as u16;
        way.queue.push_back(Queued { slot: slot as u16, sequence: sequence as u16, size });
        way.queued_bytes += usize::from(size);
        true
    }

    /// The packet whose turn it is, if it may leave now.
    pub fn pop(&mut self, now: Instant) -> Option<Queued> {
        let way = self.way.as_mut()?;
        if way.queue.is_empty() || !way.estimator.is_free(now, way.queued_bytes) {
            return None;
        }
        let queued = way.queue.pop_front()?;
        way.queued_bytes -= usize::from(queued.size);
        Some(queued)
    }

    /// Takes out what waits of a slot; gives their sequence numbers to `dropped`.
    pub fn forget(&mut self, slot: usize, mut dropped: impl FnMut(u16)) {
        let Some(way) = &mut self.way else { return };
        way.queue.retain(|queued| {
            let keep = usize::from(queued.slot) != slot;
            if !keep {
                way.queued_bytes -= usize::from(queued.size);
                dropped(queued.sequence);
            }
            keep
        });
    }

    pub fn is_waiting(&self) -> bool {
        self.way.as_ref().is_some_and(|way| !way.queue.is_empty())
    }

    /// A packet of a picture has left under this number of its slot.
    #[inline]
    pub fn note_latest(&mut self, slot: usize, sequence: u64) {
        if let Some(way) = &mut self.way {
            way.latest = Some((slot as u16, sequence as u16));
        }
    }

    /// What a probe may repeat.
    pub fn latest(&self) -> Option<(usize, u16)> {
        let (slot, sequence) = self.way.as_ref()?.latest?;
        Some((usize::from(slot), sequence))
    }

    pub fn poll(&mut self, now: Instant) {
        if let Some(way) = &mut self.way {
            way.estimator.poll(now);
        }
    }

    /// When something is to be sent or decided.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let way = self.way.as_ref()?;
        let queue = (!way.queue.is_empty()).then(|| way.estimator.free_at(way.queued_bytes));
        [queue, way.estimator.due(now)].into_iter().flatten().min()
    }

    /// Claims have changed.
    pub fn touch_claims(&mut self) {
        if let Some(way) = &mut self.way {
            way.dirty = true;
        }
    }

    /// Is it time to divide again? Never before anything is known.
    pub fn division_due(&self, now: Instant, interval: Duration) -> bool {
        let Some(way) = &self.way else { return false };
        let late = way.divided.is_none_or(|at| now.saturating_duration_since(at) >= interval);
        way.estimator.estimate().is_some() && (way.dirty || late)
    }

    /// Notes a division and what it would take to grant all; gives what there is.
    pub fn divide(&mut self, now: Instant, wanted: u64) -> Option<u64> {
        let way = self.way.as_mut()?;
        way.divided = Some(now);
        way.dirty = false;
        way.estimator.set_wanted(wanted);
        way.estimator.estimate()
    }

    /// Bit/s of sound sent of late.
    pub fn sound(&mut self, now: Instant) -> u64 {
        let Some(way) = &mut self.way else { return 0 };
        let at = now.saturating_duration_since(way.base).as_micros() as u64;
        way.sound.at(at).unwrap_or(0)
    }

    /// May a picture be paused, or not be begun? Not on an estimate that is only likely.
    pub fn may_pause(&self, now: Instant) -> bool {
        self.way.as_ref().is_some_and(|way| way.backoff.is_scarce() || way.estimator.is_sure(now))
    }

    /// Notes what a division changed.
    pub fn decided(&mut self, now: Instant, decided: Decided) {
        let estimate = self.estimate().unwrap_or(0);
        if let Some(way) = &mut self.way {
            way.backoff.decided(now, estimate, decided);
        }
    }

    /// May something be raised, and may something that is paused come again?
    pub fn may_raise(&self, now: Instant) -> (bool, bool) {
        let estimate = self.estimate().unwrap_or(0);
        self.way.as_ref().map_or((true, true), |way| {
            (way.backoff.may_raise(now, estimate), way.backoff.may_resume(now))
        })
    }
}
