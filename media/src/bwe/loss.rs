//! Loss-based rate. Loss below a tenth is no reason to send less (draft-ietf-rmcat-gcc-02 §6);
//! above it the rate goes down, unless going down has been seen not to help: then the loss is the
//! link's own (radio, somebody else's traffic), and sending less would only starve the viewer.

use super::history::Change;

/// Packets and time (µs) under one judgement: many in the shorter time, or few in the longer.
const PACKETS: u32 = 40;
const FEW: u32 = 15;
const SHORT: u64 = 200_000;
const TIME: u64 = 500_000;
/// Of packets sent within less no rate is known, µs.
const SPAN: u64 = 100_000;
/// Above this share the rate is cut; below the lower one it grows.
const HIGH: f64 = 0.10;
const LOW: f64 = 0.02;
/// Loss as high as this is answered at once with what gets through.
const EXTREME: f64 = 0.4;
/// A cut was a test if what is sent fell by this much, and has an answer after this time (µs).
const FELL: f64 = 0.85;
const ANSWER: u64 = 1_200_000;
/// Growth after a cut must be shown by traffic: not above this times what arrives, plus a little.
/// More is proven by probes.
const AHEAD: f64 = 1.5;
const AHEAD_MORE: f64 = 10_000.0;
/// Weight of a judgement in the steady share: loss that never stops counts, however few packets each
/// judgement has.
const STEADY: f64 = 0.15;
/// How much more than its own a link may lose before the rate is cut again.
const MARGIN: f64 = 0.05;

#[derive(Debug, Clone, Copy)]
struct Test {
    at: u64,
    /// Sent and got through, bit/s.
    sent: f64,
    through: f64,
}

#[derive(Debug, Clone, Default)]
pub struct Loss {
    received: u32,
    lost: u32,
    /// Reported lost by the last feedback and the one before: they may only have been overtaken.
    doubtful: [u32; 2],
    since: Option<u64>,
    /// Bytes reported on and those of them that came, and when the first and last were sent (µs).
    bytes: u64,
    came: u64,
    sent: Option<(u64, u64)>,
    limit: Option<f64>,
    /// Loss of the link itself.
    own: f64,
    share: f64,
    /// Mean and squared error of the mean of the last few judgements.
    steady: (f64, f64),
    test: Option<Test>,
    /// The last judgement found too much: one burst, or a way that was gone, is no congestion.
    suspected: bool,
    /// When the last one cut.
    cut: Option<u64>,
    /// The limit before the cuts that are being tested.
    before: Option<f64>,
}

impl Loss {
    /// A packet that was sent at this time (µs) is reported on for the first time, or again because
    /// it was only late.
    pub fn report(&mut self, change: Change, at: u64, size: u16) {
        match change {
            Change::Received => self.received += 1,
            // Counts once two more feedbacks have not told otherwise.
            Change::Lost => self.doubtful[0] += 1,
            Change::Found => {
                let [last, before] = &mut self.doubtful;
                let counted = [before, last, &mut self.lost].into_iter().find(|count| **count > 0);
                if let Some(count) = counted {
                    *count -= 1;
                }
                self.received += 1;
            }
        }
        if change != Change::Found {
            self.bytes += u64::from(size);
            let (first, last) = self.sent.unwrap_or((at, at));
            self.sent = Some((first.min(at), last.max(at)));
        }
        if change != Change::Lost {
            self.came += u64::from(size);
        }
    }

    /// Another feedback comes.
    pub fn next_feedback(&mut self) {
        self.lost += std::mem::take(&mut self.doubtful[1]);
        self.doubtful.swap(0, 1);
    }

    /// Most that may be sent; None without reason to limit.
    pub fn limit(&self) -> Option<u64> {
        self.limit.map(|rate| rate as u64)
    }

    /// Time (µs) of the last judgement that sent less.
    pub fn cut(&self) -> Option<u64> {
        self.cut
    }

    /// Share of packets lost lately, 0..1.
    pub fn share(&self) -> f64 {
        self.share
    }

    /// A probe has shown that so much gets through.
    pub fn proven(&mut self, rate: u64) {
        if let Some(limit) = &mut self.limit {
            *limit = limit.max(rate as f64);
        }
    }

    /// Judges when enough was reported. `rate`: the estimate in force; `sent` and `arriving`:
    /// what is sent now and what comes, bit/s.
    pub fn update(&mut self, now: u64, rate: u64, sent: u64, arriving: u64) {
        let since = *self.since.get_or_insert(now);
        let count = self.received + self.lost;
        let elapsed = now.saturating_sub(since);
        let enough = count >= PACKETS && elapsed >= SHORT || count >= FEW && elapsed >= TIME;
        if !enough {
            return;
        }
        let share = f64::from(self.lost) / f64::from(count);
        self.share += 0.5 * (share - self.share);
        self.since = Some(now);
        (self.received, self.lost) = (0, 0);
        // The rates of those very packets, not of what has been sent since. Of a full queue small
        // ones find a place where large ones do not, so that bytes say more than packets.
        let span = self.sent.take().map_or(0, |(first, last)| last - first);
        let (bytes, came) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.came));
        let (sent, through) = match span {
            SPAN.. => (bytes * 8_000_000 / span, came.min(bytes) * 8_000_000 / span),
            _ => (sent, (sent as f64 * (1.0 - share)) as u64),
        };
        self.judge(now, (share, count), rate, (sent, through), arriving);
    }

    /// Loss as a receiver report tells it, for peers without transport-wide feedback.
    pub fn reported(&mut self, now: u64, share: f64, rate: u64, sent: u64) {
        self.share += 0.5 * (share - self.share);
        let arriving = (sent as f64 * (1.0 - share)) as u64;
        self.judge(now, (share, 2 * PACKETS), rate, (sent, arriving), arriving);
    }

    fn judge(
        &mut self,
        now: u64,
        (share, count): (f64, u32),
        rate: u64,
        (sent, through): (u64, u64),
        arriving: u64,
    ) {
        let through = through as f64;
        // The link may get better; slowly, so that a lucky second does not count.
        self.own -= 0.05 * (self.own - share).max(0.0);
        if let Some(test) = self.test
            && now.saturating_sub(test.at) >= ANSWER
        {
            let ratio = sent as f64 / test.sent.max(1.0);
            // A full link carries what it can whatever is sent; one that loses by itself carries
            // its share of it.
            let proportional = through / test.through.max(1.0) < (1.0 + ratio) / 2.0;
            if ratio < FELL && proportional && share > LOW {
                self.own = self.own.max(self.share.min(share));
                self.limit = self.before.take();
                self.test = None;
                return;
            }
            if ratio < FELL || share < LOW {
                (self.test, self.before) = (None, None);
            }
        }
        let own = self.own;
        // Few packets say little: twice the standard error is not held against the link.
        let error = (share * (1.0 - share) / f64::from(count.max(1))).sqrt();
        let bar = HIGH.max(own + MARGIN);
        self.steady.0 += STEADY * (share - self.steady.0);
        self.steady.1 = (1.0 - STEADY).powi(2) * self.steady.1 + (STEADY * error).powi(2);
        let steady = self.steady.0 - 3.0 * self.steady.1.sqrt() > bar;
        let high = share - 2.0 * error > bar || steady && share > bar;
        if std::mem::replace(&mut self.suspected, high) && high {
            self.cut = Some(now);
            if self.test.is_none() {
                self.test = Some(Test { at: now, sent: sent as f64, through });
                self.before = self.limit;
            }
            // Never below what gets through.
            let mut next = (1.0 - 0.5 * (share - own)) * rate as f64;
            if share - own > EXTREME {
                next = next.min(1.1 * arriving as f64);
            }
            self.limit = Some(next.max(0.95 * arriving as f64));
        } else if share < LOW + own
            && let Some(limit) = &mut self.limit
        {
            let most = AHEAD * arriving as f64 + AHEAD_MORE;
            *limit = (*limit * 1.08 + 1_000.0).min(most.max(*limit));
            if *limit > 1.5 * rate as f64 {
                self.limit = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half-second windows of 50 packets at the rate that the limit allows.
    fn run(loss: &mut Loss, from: u64, windows: u64, lost: impl Fn(u64) -> f64) -> u64 {
        let mut rate = 2_000_000;
        for window in from..from + windows {
            let now = window * 500_000;
            let share = lost(rate);
            for packet in 0..50 {
                let lost = f64::from(packet) < share * 50.0;
                let (at, size) = (now + packet as u64 * 10_000, (rate / 8 / 100) as u16);
                loss.report(if lost { Change::Lost } else { Change::Received }, at, size);
            }
            loss.next_feedback();
            loss.next_feedback();
            loss.update(now, rate, rate, (rate as f64 * (1.0 - share)) as u64);
            rate = loss.limit().unwrap_or(2_000_000).min(2_000_000);
        }
        rate
    }

    #[test]
    fn what_a_policer_drops_is_not_sent() {
        let mut loss = Loss::default();
        let policer = |rate: u64| (1.0 - 400_000.0 / rate as f64).max(0.0);
        let rate = run(&mut loss, 0, 20, policer);
        assert!((350_000..520_000).contains(&rate), "{rate}");
        // And grows again when it goes.
        let rate = run(&mut loss, 20, 50, |_| 0.0);
        assert_eq!(rate, 2_000_000);
    }

    #[test]
    fn a_link_that_loses_by_itself_is_not_starved() {
        for own in [0.1, 0.2, 0.3] {
            let mut loss = Loss::default();
            let rate = run(&mut loss, 0, 60, |_| own);
            assert!(rate > 1_500_000, "{rate} at {own}");
            // What comes on top of it is answered.
            let policer = |rate: u64| own + (1.0 - own) * (1.0 - 300_000.0 / rate as f64).max(0.0);
            let rate = run(&mut loss, 60, 20, policer);
            assert!(rate < 600_000, "{rate} at {own}");
        }
    }
}
