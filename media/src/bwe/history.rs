//! What was sent under which transport-wide number, in eight bytes a packet.

use crate::rtp::seq::{FIRST_TURN, extend16};

/// Packets remembered at first and at most: 1.2 s of a lecture, 2 s of a wall of pictures.
const SMALL: usize = 256;
const LARGE: usize = 2048;
/// A packet nobody has reported on within this will not be (µs).
const PATIENCE: u32 = 1_000_000;

/// A packet as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub number: u64,
    /// Microseconds of the clock that [`History::push`] was told.
    pub at: u64,
    /// Bytes of the datagram.
    pub size: u16,
    /// Probe that it is part of; 0 for none.
    pub cluster: u8,
}

/// What a report on a packet changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Received,
    Lost,
    /// Reported lost before; it had only been overtaken.
    Found,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Empty,
    Unreported,
    Lost,
    Received,
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// Low bits of the time.
    at: u32,
    size: u16,
    cluster: u8,
    state: State,
}

/// A ring over the latest numbers. It is made with the first packet, and grows (twice the places,
/// three times at most) only while feedback comes later than it turns.
#[derive(Default)]
pub struct History {
    ring: Box<[Entry]>,
    next: u64,
    reported: bool,
}

impl History {
    /// Notes a packet; returns the number to send it under.
    #[inline]
    pub fn push(&mut self, now: u64, size: usize, cluster: u8) -> u16 {
        if self.ring.is_empty() {
            self.ring = vec![Entry::default(); SMALL].into();
            self.next = FIRST_TURN;
        }
        let place = self.next as usize & (self.ring.len() - 1);
        let oldest = self.ring[place];
        let young = (now as u32).wrapping_sub(oldest.at) < PATIENCE;
        if oldest.state == State::Unreported && self.reported && young && self.ring.len() < LARGE {
            self.grow();
        }
        let place = self.next as usize & (self.ring.len() - 1);
        let size = size.min(usize::from(u16::MAX)) as u16;
        self.ring[place] = Entry { at: now as u32, size, cluster, state: State::Unreported };
        let number = self.next as u16;
        self.next += 1;
        number
    }

    fn grow(&mut self) {
        let old = &self.ring;
        let mut ring = vec![Entry::default(); old.len() * 2];
        let mask = ring.len() - 1;
        for number in self.next.saturating_sub(old.len() as u64)..self.next {
            ring[number as usize & mask] = old[number as usize & (old.len() - 1)];
        }
        self.ring = ring.into();
    }

    /// Takes a report on a number; None when it is unknown, too old, or says nothing new.
    pub fn report(&mut self, now: u64, number: u16, received: bool) -> Option<(Sent, Change)> {
        if self.ring.is_empty() {
            return None;
        }
        self.reported = true;
        let number = extend16(self.next - 1, number);
        let known = number < self.next && number + self.ring.len() as u64 >= self.next;
        let place = number as usize & (self.ring.len() - 1);
        let entry = self.ring.get_mut(place).filter(|_| known)?;
        let change = match (entry.state, received) {
            (State::Unreported, true) => Change::Received,
            (State::Unreported, false) => Change::Lost,
            (State::Lost, true) => Change::Found,
            _ => return None,
        };
        entry.state = if received { State::Received } else { State::Lost };
        let at = now - u64::from((now as u32).wrapping_sub(entry.at));
        Some((Sent { number, at, size: entry.size, cluster: entry.cluster }, change))
    }

    /// Packets numbered so far.
    pub fn count(&self) -> u64 {
        self.next.saturating_sub(FIRST_TURN)
    }

    /// Bytes of memory in use.
    pub fn memory(&self) -> usize {
        std::mem::size_of_val(&*self.ring)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn eight_bytes_a_packet() {
        assert_eq!(size_of::<Entry>(), 8);
        let mut history = History::default();
        assert_eq!(history.memory(), 0, "nothing before the first packet");
        (0..10_000).for_each(|at| _ = history.push(at * 100, 1200, 0));
        assert_eq!(history.memory(), 8 * SMALL, "who never reports costs no more");
    }

    #[test]
    fn it_grows_while_feedback_is_late_and_forgets_nothing_then() {
        let mut history = History::default();
        history.push(0, 100, 0);
        history.report(1, 0, true).unwrap();
        // 600 packets in half a second, none reported yet.
        let numbers: Vec<u16> = (0..600).map(|at| history.push(at * 800, 50, 3)).collect();
        for (at, number) in (0..).zip(numbers) {
            let (sent, change) = history.report(600_000, number, true).unwrap();
            assert_eq!((sent.at, sent.cluster, change), (at * 800, 3, Change::Received));
        }
        (0..100_000).for_each(|at| _ = history.push(500_000 + at, 50, 0));
        assert_eq!(history.memory(), 8 * LARGE, "and has an end");
    }

    proptest! {
        /// Each packet is received or lost once, lost ones may be found once; numbers turn.
        #[test]
        fn reports_in_any_order_count_once(
            skip in 0u32..70_000, reports in proptest::collection::vec((0u64..300, any::<bool>()), 0..600),
        ) {
            let mut history = History::default();
            (0..skip).for_each(|_| _ = history.push(0, 1, 0));
            let first = history.count();
            let numbers: Vec<u16> = (0..300).map(|at| history.push(at, 9, 0)).collect();
            let mut seen = std::collections::HashMap::new();
            for (index, received) in reports {
                let change = history.report(1_000, numbers[index as usize], received);
                let Some((sent, change)) = change else { continue };
                prop_assert_eq!(sent.number - FIRST_TURN, first + index);
                prop_assert_eq!(sent.at, index);
                let before = seen.insert(index, change);
                let next = matches!(
                    (before, change),
                    (None, Change::Received | Change::Lost) | (Some(Change::Lost), Change::Found)
                );
                prop_assert!(next, "{before:?} {change:?}");
            }
        }
    }
}
