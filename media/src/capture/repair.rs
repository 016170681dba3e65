//! Undoes what the network did to a stream of packets: wrapped counters, changed order, losses.

use std::collections::BTreeMap;

/// Extends a counter of `BITS` bits to 64: each value is taken as the one nearest to the highest
/// seen (RFC 3711 §3.3.1 does the same for sequence numbers).
#[derive(Debug, Clone, Default)]
pub struct Unwrapper<const BITS: u32> {
    highest: Option<i64>,
}

/// For RTP sequence numbers.
pub type SeqUnwrapper = Unwrapper<16>;
/// For RTP timestamps.
pub type TimestampUnwrapper = Unwrapper<32>;

impl<const BITS: u32> Unwrapper<BITS> {
    const SPAN: i64 = 1 << BITS;

    /// Extends `value` and learns from it.
    pub fn unwrap(&mut self, value: u32) -> i64 {
        let extended = self.peek(value).unwrap_or(i64::from(value));
        self.highest = Some(self.highest.map_or(extended, |h| h.max(extended)));
        extended
    }

    /// Extends `value` without learning from it; `None` before the first value.
    pub fn peek(&self, value: u32) -> Option<i64> {
        let highest = self.highest?;
        let ahead = (i64::from(value) - highest).rem_euclid(Self::SPAN);
        Some(if ahead >= Self::SPAN / 2 { highest + ahead - Self::SPAN } else { highest + ahead })
    }
}

/// What comes out of [`Reorder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<T> {
    Packet {
        seq: i64,
        item: T,
    },
    /// So many packets never came; those after them follow.
    Lost(u64),
}

/// Hands packets out by extended sequence number. A hole is declared lost once a packet `horizon`
/// numbers after it has come; what arrives later than that, and duplicates, are dropped.
#[derive(Debug)]
pub struct Reorder<T> {
    horizon: i64,
    next: Option<i64>,
    held: BTreeMap<i64, T>,
    draining: bool,
    late: u64,
}

/// Packets held before the first is handed out, so that a shuffled beginning comes out sorted.
const START_HOLD: usize = 32;

impl<T> Reorder<T> {
    pub fn new(horizon: u32) -> Reorder<T> {
        Reorder {
            horizon: i64::from(horizon.max(1)),
            next: None,
            held: BTreeMap::new(),
            draining: false,
            late: 0,
        }
    }

    pub fn push(&mut self, seq: i64, item: T) {
        if self.next.is_some_and(|next| seq < next) || self.held.contains_key(&seq) {
            self.late += 1;
        } else {
            self.held.insert(seq, item);
        }
    }

    /// Duplicates and packets that came after their place was given up.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Let [`Reorder::pop`] hand out all that is held; afterwards any packet starts anew, so that
    /// the hole of a known gap does not count as loss.
    pub fn finish(&mut self) {
        self.draining = true;
    }

    /// The next step in order; call until `None` after each push.
    pub fn pop(&mut self) -> Option<Step<T>> {
        let Some((&first, _)) = self.held.first_key_value() else {
            if self.draining {
                self.draining = false;
                self.next = None;
            }
            return None;
        };
        let newest = self.held.last_key_value().map_or(first, |(&seq, _)| seq);
        let next = match self.next {
            Some(next) => next,
            None if self.draining
                || self.held.len() >= START_HOLD
                || newest - first >= self.horizon =>
            {
                first
            }
            None => return None,
        };
        if first == next {
            let item = self.held.remove(&first)?;
            self.next = Some(next + 1);
            return Some(Step::Packet { seq: first, item });
        }
        if self.draining || newest - next >= self.horizon {
            self.next = Some(first);
            return Some(Step::Lost((first - next) as u64));
        }
        None
    }
}
