//! What has arrived of one publisher SSRC: duplicates, gaps to ask for again, reception figures.

use std::time::{Duration, Instant};

use crate::rtp::rtcp_write::Block;
use crate::rtp::seq::{FIRST_TURN, extend16};

/// Packets back from the highest in which duplicates are recognised and repairs accepted.
const WINDOW: u64 = 2048;
/// Gaps asked for at a time; a larger hole is not repaired but ended by a key frame.
const MAX_MISSING: usize = 256;
/// A retransmission later than this is of no use to a live decoder.
const GIVE_UP: Duration = Duration::from_secs(1);
const MAX_TRIES: u8 = 10;
/// Reordering on the way is given this long before a gap counts as loss.
const PATIENCE: Duration = Duration::from_millis(10);
const MIN_SPACING: Duration = Duration::from_millis(20);
const MAX_SPACING: Duration = Duration::from_millis(400);

/// How a packet came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    Media,
    Retransmission,
    /// From the redundancy of a later packet.
    Redundancy,
}

#[derive(Debug, Clone, Copy)]
struct Missing {
    seq: u64,
    tries: u8,
    next: Instant,
    first: Instant,
}

/// A sender report as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    pub ntp: u64,
    pub rtp: u32,
    pub at: Instant,
}

pub struct Receiver {
    clock_rate: u32,
    nack: bool,
    first: u64,
    highest: u64,
    seen: [u64; (WINDOW / 64) as usize],
    missing: Vec<Missing>,
    overflow: bool,
    /// Smoothed time from a NACK to its retransmission.
    repair_time: Duration,
    received: u64,
    prior_expected: u64,
    prior_received: u64,
    /// RFC 3550 §A.8, in ticks × 16.
    jitter: u64,
    transit: Option<u32>,
    base: Instant,
    pub report: Option<Report>,
}

impl Receiver {
    pub fn new(now: Instant, clock_rate: u32, nack: bool) -> Receiver {
        Receiver {
            clock_rate,
            nack,
            first: 0,
            highest: 0,
            seen: [0; (WINDOW / 64) as usize],
            missing: Vec::with_capacity(MAX_MISSING),
            overflow: false,
            repair_time: Duration::from_millis(100),
            received: 0,
            prior_expected: 0,
            prior_received: 0,
            jitter: 0,
            transit: None,
            base: now,
            report: None,
        }
    }

    /// Highest extended sequence number, 0 before the first packet.
    pub fn highest(&self) -> u64 {
        self.highest
    }

    /// Was this number received? False outside the window.
    pub fn has(&self, seq: u64) -> bool {
        seq <= self.highest && seq + WINDOW > self.highest && self.bit(seq)
    }

    fn bit(&self, seq: u64) -> bool {
        self.seen[(seq % WINDOW / 64) as usize] >> (seq % 64) & 1 != 0
    }

    fn set(&mut self, seq: u64, on: bool) {
        let word = &mut self.seen[(seq % WINDOW / 64) as usize];
        *word = *word & !(1 << (seq % 64)) | u64::from(on) << (seq % 64);
    }

    /// The extended number of a packet seen for the first time; None for duplicates and for what
    /// is too old to matter.
    pub fn accept(&mut self, now: Instant, seq: u16, timestamp: u32, via: Via) -> Option<u64> {
        if self.highest == 0 {
            if via != Via::Media {
                return None;
            }
            let number = FIRST_TURN + u64::from(seq);
            self.first = number;
            self.highest = number;
            self.set(number, true);
            self.count(now, timestamp);
            return Some(number);
        }
        let number = extend16(self.highest, seq);
        if number > self.highest {
            if via != Via::Media {
                // A repair cannot lead: it would make gaps of what is only on its way.
                return None;
            }
            self.advance(now, number);
        } else {
            if number + WINDOW <= self.highest || self.bit(number) {
                return None;
            }
            if let Some(at) = self.missing.iter().position(|gap| gap.seq == number) {
                let gap = self.missing.remove(at);
                if via == Via::Retransmission && gap.tries == 1 {
                    let took = now.saturating_duration_since(gap.next - self.spacing());
                    self.repair_time = (self.repair_time * 7 + took.min(MAX_SPACING)) / 8;
                }
            }
        }
        self.set(number, true);
        if via == Via::Media {
            self.count(now, timestamp);
        }
        Some(number)
    }

    fn advance(&mut self, now: Instant, number: u64) {
        let gap = number - self.highest - 1;
        for seq in self.highest + 1..number.min(self.highest + 1 + WINDOW) {
            self.set(seq, false);
        }
        if gap >= WINDOW {
            self.seen = [0; (WINDOW / 64) as usize];
        }
        if self.nack && gap > 0 {
            if gap as usize > MAX_MISSING - self.missing.len() {
                self.missing.clear();
                self.overflow = true;
            } else {
                self.missing.extend((self.highest + 1..number).map(|seq| Missing {
                    seq,
                    tries: 0,
                    next: now + PATIENCE,
                    first: now,
                }));
            }
        }
        self.highest = number;
    }

    fn count(&mut self, now: Instant, timestamp: u32) {
        self.received += 1;
        let elapsed = now.saturating_duration_since(self.base).as_micros();
        let arrival = (elapsed * u128::from(self.clock_rate) / 1_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(last) = self.transit {
            let change = u64::from((transit.wrapping_sub(last) as i32).unsigned_abs());
            self.jitter = (self.jitter + change).saturating_sub((self.jitter + 8) >> 4);
        }
        self.transit = Some(transit);
    }

    fn spacing(&self) -> Duration {
        (self.repair_time * 5 / 4 + PATIENCE).clamp(MIN_SPACING, MAX_SPACING)
    }

    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub fn jitter(&self) -> Duration {
        let micros = (self.jitter >> 4) * 1_000_000 / u64::from(self.clock_rate.max(1));
        Duration::from_micros(micros)
    }

    /// Packets that should have come of this SSRC, and those that came without being asked for
    /// again.
    pub fn expected_and_received(&self) -> (u64, u64) {
        let expected = if self.highest == 0 { 0 } else { self.highest + 1 - self.first };
        (expected, self.received)
    }

    /// When [`Receiver::poll_nacks`] is wanted.
    pub fn nack_due(&self) -> Option<Instant> {
        self.missing.iter().map(|gap| gap.next).min()
    }

    /// Appends, ascending, the numbers to ask for now. True: something is lost for good, and only
    /// a key frame helps.
    pub fn poll_nacks(&mut self, now: Instant, out: &mut Vec<u64>) -> bool {
        let spacing = self.spacing();
        let highest = self.highest;
        let mut lost = std::mem::take(&mut self.overflow);
        self.missing.retain_mut(|gap| {
            if gap.next > now {
                return true;
            }
            let old = now.saturating_duration_since(gap.first) >= GIVE_UP;
            if gap.tries >= MAX_TRIES || old || gap.seq + WINDOW <= highest {
                lost = true;
                return false;
            }
            gap.tries += 1;
            gap.next = now + spacing;
            out.push(gap.seq);
            true
        });
        lost
    }

    /// A report block for the time since the last one (RFC 3550 §A.3).
    pub fn block(&mut self, now: Instant, ssrc: u32) -> Block {
        let expected = self.highest + 1 - self.first;
        let expected_now = expected - self.prior_expected;
        let received_now = self.received - self.prior_received;
        self.prior_expected = expected;
        self.prior_received = self.received;
        let lost_now = expected_now.saturating_sub(received_now);
        let (last_sr, delay) = self.report.map_or((0, 0), |report| {
            let since = now.saturating_duration_since(report.at).as_micros();
            ((report.ntp >> 16) as u32, (since * 65_536 / 1_000_000) as u32)
        });
        Block {
            ssrc,
            fraction_lost: (lost_now * 256).checked_div(expected_now).unwrap_or(0).min(255) as u8,
            lost: (expected as i64 - self.received as i64).clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest: (self.highest - FIRST_TURN) as u32,
            jitter: (self.jitter >> 4) as u32,
            last_sr,
            delay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_gap_is_asked_for_a_bounded_number_of_times() {
        let t0 = crate::testing::origin();
        let mut receiver = Receiver::new(t0, 90_000, true);
        receiver.accept(t0, 10, 0, Via::Media);
        receiver.accept(t0, 12, 0, Via::Media);
        let mut asked = Vec::new();
        assert!(!receiver.poll_nacks(t0, &mut asked) && asked.is_empty(), "patience first");
        let mut lost = false;
        for at in 0..3_000 {
            lost |= receiver.poll_nacks(t0 + ms(at), &mut asked);
        }
        assert!(lost && !asked.is_empty() && asked.len() <= usize::from(MAX_TRIES));
        assert!(asked.iter().all(|seq| *seq == FIRST_TURN + 11));
        assert_eq!(receiver.nack_due(), None);
    }

    #[test]
    fn a_repaired_packet_is_taken_once_and_not_asked_for_again() {
        let t0 = crate::testing::origin();
        let mut receiver = Receiver::new(t0, 90_000, true);
        receiver.accept(t0, 65_535, 0, Via::Media);
        receiver.accept(t0, 1, 0, Via::Media);
        let mut asked = Vec::new();
        receiver.poll_nacks(t0 + ms(20), &mut asked);
        assert_eq!(asked, [FIRST_TURN + 65_536]);
        assert_eq!(receiver.accept(t0, 0, 0, Via::Retransmission), Some(FIRST_TURN + 65_536));
        assert_eq!(receiver.accept(t0, 0, 0, Via::Retransmission), None);
        assert_eq!(receiver.accept(t0, 0, 0, Via::Media), None);
        assert_eq!(receiver.nack_due(), None);
    }

    #[test]
    fn the_report_counts_what_did_not_come() {
        let t0 = crate::testing::origin();
        let mut receiver = Receiver::new(t0, 90_000, false);
        for seq in (0..100).filter(|seq| seq % 4 != 3) {
            receiver.accept(t0, seq, 0, Via::Media);
        }
        let block = receiver.block(t0, 7);
        assert_eq!((block.lost, block.highest), (24, 98));
        assert_eq!(block.fraction_lost, (24 * 256 / 99) as u8);
    }

    proptest! {
        #[test]
        fn each_number_is_accepted_at_most_once(
            start: u16, order in proptest::collection::vec(-40i32..60, 1..400),
        ) {
            let t0 = crate::testing::origin();
            let mut receiver = Receiver::new(t0, 90_000, true);
            let mut at = i32::from(start);
            let mut accepted = std::collections::HashSet::new();
            for step in order {
                at += step;
                if let Some(number) = receiver.accept(t0, at as u16, 0, Via::Media) {
                    prop_assert!(accepted.insert(number));
                    prop_assert_eq!(number as u16, at as u16);
                    prop_assert!(receiver.has(number));
                }
            }
            prop_assert!(receiver.missing.len() <= MAX_MISSING);
        }
    }
}
