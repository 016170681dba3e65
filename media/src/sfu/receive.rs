//! What has arrived of one publisher SSRC: duplicates, gaps, reception figures.

use std::time::{Duration, Instant};

use super::nack::{self, Nacks};
use crate::rtp::rtcp_write::Block;
use crate::rtp::seq::{FIRST_TURN, extend16};

/// Packets back from the highest in which duplicates are recognised and repairs accepted.
const WINDOW: u64 = 2048;
/// Media time between two packets that is believed.
const MAX_SPAN: Duration = Duration::from_secs(60);

/// How a packet came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    Media,
    Retransmission,
    /// From the redundancy of a later packet.
    Redundancy,
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
    /// Absent where NACK was not negotiated.
    nacks: Option<Nacks>,
    first: u64,
    highest: u64,
    /// Timestamp of the highest.
    timestamp: u32,
    seen: [u64; (WINDOW / 64) as usize],
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
    /// `nack`: within which limits lost packets are asked for again.
    pub fn new(now: Instant, clock_rate: u32, nack: Option<nack::Policy>) -> Receiver {
        Receiver {
            clock_rate,
            nacks: nack.map(Nacks::new),
            first: 0,
            highest: 0,
            timestamp: 0,
            seen: [0; (WINDOW / 64) as usize],
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
            self.timestamp = timestamp;
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
            self.advance(now, number, timestamp);
        } else {
            if number + WINDOW <= self.highest {
                return None;
            }
            let known = self.bit(number);
            if let Some(nacks) = &mut self.nacks {
                match (known, via) {
                    (false, _) => nacks.filled(now, number, via),
                    (true, Via::Retransmission) => nacks.needless(),
                    (true, _) => {}
                }
            }
            if known {
                return None;
            }
        }
        self.set(number, true);
        if via == Via::Media {
            self.count(now, timestamp);
        }
        Some(number)
    }

    fn advance(&mut self, now: Instant, number: u64, timestamp: u32) {
        for seq in self.highest + 1..number.min(self.highest + 1 + WINDOW) {
            self.set(seq, false);
        }
        if number - self.highest > WINDOW {
            self.seen = [0; (WINDOW / 64) as usize];
        }
        if let Some(nacks) = &mut self.nacks
            && number > self.highest + 1
        {
            let ticks = timestamp.wrapping_sub(self.timestamp);
            // A timestamp that goes back says nothing of the time between.
            let ticks = if ticks < 1 << 31 { ticks } else { 0 };
            let span = Duration::from_micros(
                u64::from(ticks) * 1_000_000 / u64::from(self.clock_rate.max(1)),
            );
            nacks.jumped(now, self.highest + 1..number, span.min(MAX_SPAN));
        }
        self.highest = number;
        self.timestamp = timestamp;
    }

    fn count(&mut self, now: Instant, timestamp: u32) {
        self.received += 1;
        if let Some(nacks) = &mut self.nacks {
            nacks.received();
        }
        let elapsed = now.saturating_duration_since(self.base).as_micros();
        let arrival = (elapsed * u128::from(self.clock_rate) / 1_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(last) = self.transit {
            let change = u64::from((transit.wrapping_sub(last) as i32).unsigned_abs());
            self.jitter = (self.jitter + change).saturating_sub((self.jitter + 8) >> 4);
        }
        self.transit = Some(transit);
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
        self.nacks.as_ref()?.due()
    }

    /// Appends, ascending, the numbers to ask for now; `rtt` is the publisher's round trip if it is
    /// known. True: something is lost for good, and only a key frame helps.
    pub fn poll_nacks(&mut self, now: Instant, rtt: Option<Duration>, out: &mut Vec<u64>) -> bool {
        let oldest = (self.highest + 1).saturating_sub(WINDOW);
        self.nacks.as_mut().is_some_and(|nacks| nacks.poll(now, oldest, rtt, out))
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
        let mut receiver = Receiver::new(t0, 90_000, Some(nack::VIDEO));
        receiver.accept(t0, 10, 0, Via::Media);
        receiver.accept(t0, 12, 0, Via::Media);
        let mut asked = Vec::new();
        assert!(!receiver.poll_nacks(t0, None, &mut asked) && asked.is_empty(), "patience first");
        let mut lost = false;
        for at in 0..3_000 {
            lost |= receiver.poll_nacks(t0 + ms(at), None, &mut asked);
        }
        assert!(lost && !asked.is_empty() && asked.len() <= usize::from(nack::VIDEO.tries));
        assert!(asked.iter().all(|seq| *seq == FIRST_TURN + 11));
        assert_eq!(receiver.nack_due(), None);
    }

    #[test]
    fn a_repaired_packet_is_taken_once_and_not_asked_for_again() {
        let t0 = crate::testing::origin();
        let mut receiver = Receiver::new(t0, 90_000, Some(nack::VIDEO));
        receiver.accept(t0, 65_535, 0, Via::Media);
        receiver.accept(t0, 1, 0, Via::Media);
        let mut asked = Vec::new();
        receiver.poll_nacks(t0 + ms(20), None, &mut asked);
        assert_eq!(asked, [FIRST_TURN + 65_536]);
        assert_eq!(receiver.accept(t0, 0, 0, Via::Retransmission), Some(FIRST_TURN + 65_536));
        assert_eq!(receiver.accept(t0, 0, 0, Via::Retransmission), None);
        assert_eq!(receiver.accept(t0, 0, 0, Via::Media), None);
        assert_eq!(receiver.nack_due(), None);
    }

    #[test]
    fn the_report_counts_what_did_not_come() {
        let t0 = crate::testing::origin();
        let mut receiver = Receiver::new(t0, 90_000, None);
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
            let mut receiver = Receiver::new(t0, 90_000, Some(nack::VIDEO));
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
        }
    }
}
