//! The way to one subscriber: numbers for what leaves, and what its feedback says of it.

use std::time::Instant;

use super::slot::Slot;
use crate::bwe::estimator::Estimator;
use crate::rtp::ext::ExtKind;

/// Header, extensions and tag of a packet: what it has beside its payload, about.
pub const OVERHEAD: usize = 44;

/// State of a peer that is sent something; nothing for one that only publishes.
#[derive(Default)]
pub struct Downlink {
    estimator: Option<Box<Estimator>>,
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
        self.estimator.get_or_insert_with(|| Box::new(Estimator::new(now)));
    }

    #[expect(dead_code, reason = "read by the allocator, next")]
    pub fn estimator(&self) -> Option<&Estimator> {
        self.estimator.as_deref()
    }

    pub fn estimator_mut(&mut self) -> Option<&mut Estimator> {
        self.estimator.as_deref_mut()
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
        let Some(estimator) = &mut self.estimator else {
            return Stamp { number: None, time: None, repeatable };
        };
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
}
