//! Which packets of a publisher are asked for again, when, and when no more.
//!
//! A gap is first given the time that reordering takes on this path ([`Nacks::patience`], learned
//! from packets that came late by themselves). Then it is asked for, and again each time an answer
//! should long have come (learned from answers; a retransmission of what is already there means
//! that we asked too early). It ends when the packet comes, when an answer could no longer come in
//! time, or after a number of tries. Whatever the loss pattern, not more packets are asked for
//! than were received, but for a fixed burst: a storm cannot feed itself.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::receive::Via;

/// Limits of one kind of media.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Gaps held at a time.
    pub missing: usize,
    pub tries: u8,
    /// Age of a packet at which a retransmission is of no use to a live decoder.
    pub give_up: Duration,
    /// Requests that may be ahead of what was received.
    pub burst: u32,
    /// Longest frame interval that a gap is taken for: what is between may also be silence (DTX).
    pub frame: Duration,
    /// A packet is of use without the ones before it.
    pub alone: bool,
}

pub const VIDEO: Policy = Policy {
    missing: 256,
    tries: 10,
    give_up: Duration::from_secs(1),
    burst: 256,
    frame: Duration::from_millis(500),
    alone: false,
};
pub const AUDIO: Policy = Policy {
    missing: 32,
    tries: 8,
    give_up: Duration::from_millis(400),
    burst: 64,
    frame: Duration::from_millis(60),
    alone: true,
};

/// Least time that reordering is given.
const MIN_PATIENCE: Duration = Duration::from_millis(10);
const MAX_PATIENCE: Duration = Duration::from_millis(120);
const MIN_SPACING: Duration = Duration::from_millis(20);
const MAX_SPACING: Duration = Duration::from_millis(400);
/// Taken for the time to an answer before one came and without a measured round trip.
const FIRST_GUESS: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy)]
struct Missing {
    seq: u64,
    tries: u8,
    /// When it should have come.
    born: Instant,
    /// When its absence was seen.
    seen: Instant,
    asked: Instant,
    next: Instant,
}

pub struct Nacks {
    policy: Policy,
    /// Ascending by `seq`.
    missing: Vec<Missing>,
    /// Something was given up that only a key frame makes good.
    lost: bool,
    /// Requests that may be made now.
    budget: u32,
    /// Smoothed time from a request to its answer.
    answer_time: Option<Duration>,
    /// How late packets come by themselves: quickly up, slowly down.
    lateness: Duration,
}

impl Nacks {
    pub fn new(policy: Policy) -> Nacks {
        Nacks {
            policy,
            missing: Vec::with_capacity(policy.missing.min(64)),
            lost: false,
            budget: policy.burst,
            answer_time: None,
            lateness: Duration::ZERO,
        }
    }

    /// A new packet came.
    #[inline]
    pub fn received(&mut self) {
        self.budget = (self.budget + 1).min(self.policy.burst);
    }

    /// The numbers of `range` were jumped over by a packet whose media time is `span` after that
    /// of the packet before the gap.
    pub fn jumped(&mut self, now: Instant, range: Range<u64>, span: Duration) {
        let count = range.end - range.start;
        let frame = (span / u32::try_from(count + 1).unwrap_or(u32::MAX)).min(self.policy.frame);
        // What is too old when it is first missed is not asked for at all.
        let fresh = match frame.as_micros() as u64 {
            0 => count,
            frame => count.min(self.policy.give_up.as_micros() as u64 / frame),
        };
        let room = (self.policy.missing - self.missing.len()) as u64;
        if !self.policy.alone && (fresh < count || fresh > room) {
            // A hole that retransmissions do not fill: what is after it needs a key frame anyway.
            self.missing.clear();
            self.lost = true;
            return;
        }
        let fresh = fresh.min(self.policy.missing as u64);
        let over = (fresh.saturating_sub(room)) as usize;
        self.missing.drain(..over);
        let from = range.end - fresh;
        let patience = self.patience();
        self.missing.extend((from..range.end).map(|seq| {
            let age = frame * u32::try_from(range.end - seq).unwrap_or(u32::MAX);
            Missing {
                seq,
                tries: 0,
                born: now.checked_sub(age).unwrap_or(now),
                seen: now,
                asked: now,
                next: now + patience,
            }
        }));
    }

    /// A packet from before the newest came for the first time.
    pub fn filled(&mut self, now: Instant, seq: u64, via: Via) {
        let Ok(at) = self.missing.binary_search_by_key(&seq, |gap| gap.seq) else { return };
        let gap = self.missing.remove(at);
        let waited = now.saturating_duration_since(gap.seen);
        let answered = now.saturating_duration_since(gap.asked);
        // Without a stream of their own, retransmissions look like the packet itself.
        let own_accord = via == Via::Media && (gap.tries == 0 || answered * 2 < self.answer());
        if own_accord {
            if waited > self.lateness {
                self.lateness = waited.min(MAX_PATIENCE);
            } else {
                self.lateness -= self.lateness / 32;
            }
        } else if via != Via::Redundancy && gap.tries == 1 {
            let sample = answered.min(MAX_SPACING);
            self.answer_time = Some(self.answer_time.map_or(sample, |old| (old * 7 + sample) / 8));
            self.lateness -= self.lateness / 32;
        }
    }

    /// A retransmission came of what was there already: asked for too early or too often.
    pub fn needless(&mut self) {
        let answer = self.answer();
        self.answer_time = Some((answer + answer / 8).min(MAX_SPACING));
    }

    fn answer(&self) -> Duration {
        self.answer_time.unwrap_or(FIRST_GUESS)
    }

    /// How long a gap waits before it is asked for.
    pub fn patience(&self) -> Duration {
        (self.lateness * 5 / 4).clamp(MIN_PATIENCE, MAX_PATIENCE)
    }

    /// When [`Nacks::poll`] is wanted.
    pub fn due(&self) -> Option<Instant> {
        self.missing.iter().map(|gap| gap.next).min()
    }

    /// Appends, ascending, the numbers to ask for now; `oldest` is the first that would still be
    /// accepted, `rtt` the measured round trip if there is one. True: something is lost for good.
    pub fn poll(
        &mut self,
        now: Instant,
        oldest: u64,
        rtt: Option<Duration>,
        out: &mut Vec<u64>,
    ) -> bool {
        let answer = self.answer_time.or(rtt).unwrap_or(FIRST_GUESS).min(MAX_SPACING);
        let spacing = (answer * 5 / 4 + MIN_PATIENCE).clamp(MIN_SPACING, MAX_SPACING);
        let Nacks { policy, missing, lost, budget, .. } = self;
        missing.retain_mut(|gap| {
            if gap.next > now {
                return true;
            }
            let age = now.saturating_duration_since(gap.born);
            // The first request is worth a try even if the answer may be late.
            let hopeless = match gap.tries {
                0 => age >= policy.give_up,
                _ => age + answer / 2 >= policy.give_up,
            };
            if hopeless || gap.tries >= policy.tries || gap.seq < oldest {
                *lost = true;
                return false;
            }
            gap.next = now + spacing;
            if *budget > 0 {
                *budget -= 1;
                gap.tries += 1;
                gap.asked = now;
                out.push(gap.seq);
            }
            true
        });
        std::mem::take(lost)
    }

    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.missing.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// Polls every millisecond; returns (when, what).
    fn poll(nacks: &mut Nacks, t0: Instant, from: u64, to: u64) -> Vec<(u64, u64)> {
        let mut asked = Vec::new();
        for at in from..to {
            let mut out = Vec::new();
            nacks.poll(t0 + ms(at), 0, None, &mut out);
            asked.extend(out.into_iter().map(|seq| (at, seq)));
        }
        asked
    }

    #[test]
    fn answers_teach_when_to_ask_again() {
        let t0 = crate::testing::origin();
        let mut nacks = Nacks::new(VIDEO);
        for round in 0..40u64 {
            let at = round * 500;
            nacks.jumped(t0 + ms(at), round * 10..round * 10 + 1, ms(4));
            assert_eq!(poll(&mut nacks, t0, at, at + 11).len(), 1);
            nacks.filled(t0 + ms(at + 10 + 40), round * 10, Via::Retransmission);
        }
        nacks.jumped(t0 + ms(30_000), 1000..1001, ms(4));
        let asked: Vec<u64> =
            poll(&mut nacks, t0, 30_000, 30_400).iter().map(|(at, _)| *at).collect();
        let between: Vec<u64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(between.iter().all(|ms| (50..75).contains(ms)), "answers take 40 ms: {between:?}");
        // Retransmissions of what is there already slow it down.
        (0..20).for_each(|_| nacks.needless());
        nacks.jumped(t0 + ms(40_000), 2000..2001, ms(4));
        let slower = poll(&mut nacks, t0, 40_000, 40_400);
        assert!(slower.len() < asked.len() / 2, "{} then {}", asked.len(), slower.len());
    }

    #[test]
    fn late_packets_teach_patience_and_loss_unlearns_it() {
        let t0 = crate::testing::origin();
        let mut nacks = Nacks::new(VIDEO);
        assert_eq!(nacks.patience(), MIN_PATIENCE);
        nacks.jumped(t0, 5..6, ms(4));
        nacks.filled(t0 + ms(40), 5, Via::Media);
        assert_eq!(nacks.patience(), ms(50));
        nacks.jumped(t0 + ms(100), 9..10, ms(4));
        assert!(poll(&mut nacks, t0, 100, 149).is_empty(), "it may be only late");
        for round in 0..100u64 {
            let at = 1_000 + round * 300;
            nacks.jumped(t0 + ms(at), 100 + round * 2..101 + round * 2, ms(4));
            poll(&mut nacks, t0, at, at + 60);
            nacks.filled(t0 + ms(at + 120), 100 + round * 2, Via::Retransmission);
        }
        assert_eq!(nacks.patience(), MIN_PATIENCE);
    }

    #[test]
    fn audio_that_would_come_too_late_is_not_asked_for() {
        let t0 = crate::testing::origin();
        let mut nacks = Nacks::new(AUDIO);
        // Two seconds dark: only the last 400 ms are worth asking for.
        nacks.jumped(t0, 1000..1100, ms(2_020));
        let mut out = Vec::new();
        nacks.poll(t0 + ms(10), 0, None, &mut out);
        assert_eq!((out[0], out.len()), (1081, 19), "20 ms frames, 10 ms of patience");
        let later = poll(&mut nacks, t0, 11, 2_000);
        assert!(later.iter().all(|(at, _)| *at < 400), "nothing older than 400 ms is asked for");
        assert_eq!(nacks.held(), 0);
    }

    #[test]
    fn a_packet_lost_after_silence_is_not_taken_for_old() {
        let t0 = crate::testing::origin();
        let mut nacks = Nacks::new(AUDIO);
        // DTX: 30 s of silence, then a word whose first packet is lost.
        nacks.jumped(t0, 50..51, ms(30_000));
        assert_eq!(poll(&mut nacks, t0, 0, 20), [(10, 50)]);
    }

    #[test]
    fn a_dark_time_of_video_ends_with_a_key_frame_not_with_a_flood() {
        let t0 = crate::testing::origin();
        let mut nacks = Nacks::new(VIDEO);
        nacks.jumped(t0, 1000..1600, ms(2_000));
        let mut out = Vec::new();
        assert!(nacks.poll(t0 + ms(10), 0, None, &mut out), "a key frame is wanted");
        assert!(out.is_empty(), "which makes up for all of it");
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// Packets in a row, of which this many are jumped over first.
        Gap(u64),
        Received(u8),
        Fill(u8, bool),
        Wait(u16),
        Needless,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (1u64..900).prop_map(Step::Gap),
            (1u64..4).prop_map(Step::Gap),
            any::<u8>().prop_map(Step::Received),
            (any::<u8>(), any::<bool>()).prop_map(|(at, rtx)| Step::Fill(at, rtx)),
            (1u16..60).prop_map(Step::Wait),
            Just(Step::Needless),
        ];
        proptest::collection::vec(step, 1..80)
    }

    proptest! {
        /// No storm under any loss pattern.
        #[test]
        fn never_more_is_asked_for_than_came(audio: bool, steps in steps()) {
            let t0 = crate::testing::origin();
            let policy = if audio { AUDIO } else { VIDEO };
            let mut nacks = Nacks::new(policy);
            let (mut at, mut highest, mut received, mut asked) = (0, 1_000u64, 0u64, 0u64);
            let mut tries = std::collections::HashMap::new();
            for step in steps {
                match step {
                    Step::Gap(count) => {
                        nacks.jumped(t0 + ms(at), highest + 1..highest + 1 + count, ms(count * 4));
                        highest += count + 1;
                    }
                    Step::Received(count) => {
                        (0..count).for_each(|_| nacks.received());
                        received += u64::from(count);
                    }
                    Step::Fill(back, rtx) => {
                        let via = if rtx { Via::Retransmission } else { Via::Media };
                        nacks.filled(t0 + ms(at), highest.saturating_sub(u64::from(back)), via);
                    }
                    Step::Wait(time) => {
                        for _ in 0..time {
                            at += 7;
                            let mut out = Vec::new();
                            nacks.poll(t0 + ms(at), highest.saturating_sub(2048), None, &mut out);
                            asked += out.len() as u64;
                            prop_assert!(out.windows(2).all(|pair| pair[0] < pair[1]));
                            for seq in out {
                                *tries.entry(seq).or_insert(0u8) += 1;
                            }
                        }
                    }
                    Step::Needless => nacks.needless(),
                }
                prop_assert!(nacks.held() <= policy.missing);
                prop_assert!(asked <= received + u64::from(policy.burst));
            }
            prop_assert!(tries.values().all(|tries| *tries <= policy.tries));
        }
    }
}
