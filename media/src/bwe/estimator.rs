//! How much can be sent to one subscriber.
//!
//! Delay-based and loss-based estimates of the GCC family on transport-wide feedback, with probing
//! by clusters. Peers without it are estimated from REMB and receiver reports. It is told the time,
//! counts bytes and gives numbers; sending is others' work. The algorithm: `docs/ALLOCATION.md`.

use std::time::{Duration, Instant};

use super::aimd::{Aimd, MIN_RATE};
use super::feedback::Feedback;
use super::history::History;
use super::loss::Loss;
use super::pacer::{self, Pacer};
use super::probe::Prober;
use super::rate::Rate;
use super::trendline::{Trendline, Usage};

/// Taken for true until there is evidence, bit/s. A capacity below it shows within half a second,
/// one above it is probed for at once.
pub const START: u64 = 2_000_000;
/// Without any feedback on this many packets for this long, the way there is taken to be worse
/// than known.
const SILENT_PACKETS: u64 = 20;
const SILENCE: u64 = 1_500_000;
/// Evidence of congestion that lasts so long is sure, if no gap in it is longer than the other, µs.
const SURE: u64 = 1_000_000;
const LAPSE: u64 = 1_500_000;
/// Less comes than this share of what is sent: the way is full.
const CHOKED: f64 = 0.8;
/// What is sent, repeats included, may exceed the estimate by this while there is no congestion.
const REPEATS: f64 = 1.5;
/// A queue made by a probe has gone this long after it, µs.
const AFTERMATH: u64 = 150_000;
/// Between two looks at a cluster that is being sent: what timers can keep to.
const TICK: u64 = 2_000;

pub struct Estimator {
    base: Instant,
    history: History,
    trend: Trendline,
    sending: Rate,
    arriving: Rate,
    aimd: Aimd,
    loss: Loss,
    prober: Prober,
    pacer: Pacer,
    /// Reference time of the last feedback, unwrapped.
    reference: i64,
    /// Smoothed, µs.
    round_trip: u64,
    heard: Option<Heard>,
    remb: Option<u64>,
    /// A receiver report was heeded: loss is known without feedback.
    reported: bool,
    /// Bit/s that would satisfy all wishes.
    wanted: u64,
    /// Packets sent until then say nothing of the queue: a probe was under way.
    probed_until: u64,
    /// First and last evidence that less comes than is sent (µs).
    pressed: Option<(u64, u64)>,
}

/// At the last feedback.
#[derive(Debug, Clone, Copy)]
struct Heard {
    /// Packets numbered by then.
    count: u64,
    /// When the first one after it was sent, µs.
    first: Option<u64>,
}

impl Estimator {
    pub fn new(now: Instant) -> Estimator {
        Estimator {
            base: now,
            history: History::default(),
            trend: Trendline::default(),
            sending: Rate::default(),
            arriving: Rate::default(),
            aimd: Aimd::new(START),
            loss: Loss::default(),
            prober: Prober::default(),
            pacer: Pacer::default(),
            reference: 0,
            round_trip: 100_000,
            heard: None,
            remb: None,
            reported: false,
            wanted: 0,
            probed_until: 0,
            pressed: None,
        }
    }

    #[inline]
    fn micros(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.base).as_micros() as u64
    }

    /// Bit/s of RTP datagrams; None while nothing is known, and nothing is limited.
    pub fn estimate(&self) -> Option<u64> {
        let delay = self.heard.map(|_| self.aimd.rate());
        let unheard = self.heard.is_none();
        let remb = self.remb.filter(|_| unheard);
        let loss = self.loss.limit().filter(|_| !unheard || self.reported);
        let known = [delay, remb, loss].into_iter().flatten().min();
        known.map(|rate| rate.max(MIN_RATE))
    }

    /// Bit/s that would satisfy all wishes: more need not be known.
    pub fn set_wanted(&mut self, wanted: u64) {
        self.wanted = wanted;
    }

    pub fn wanted(&self) -> u64 {
        self.wanted
    }

    /// Share of our packets lost lately, 0..1.
    pub fn loss(&self) -> f64 {
        self.loss.share()
    }

    /// Bit/s sent, all kinds of packets.
    pub fn sending(&mut self, now: Instant) -> u64 {
        let now = self.micros(now);
        self.sending.at(now).unwrap_or(0)
    }

    /// Notes a packet that leaves with a transport-wide number; returns the number.
    #[inline]
    pub fn sent(&mut self, now: Instant, size: usize) -> u16 {
        let now = self.micros(now);
        self.count(now, size);
        if let Some(heard) = &mut self.heard {
            heard.first.get_or_insert(now);
        }
        let cluster = self.prober.mark(now, size);
        if cluster != 0 {
            self.probed_until = now + AFTERMATH;
        }
        self.history.push(now, size, cluster)
    }

    /// Notes a packet that leaves without a number.
    #[inline]
    pub fn sent_unnumbered(&mut self, now: Instant, size: usize) {
        let now = self.micros(now);
        self.count(now, size);
    }

    #[inline]
    fn count(&mut self, now: u64, size: usize) {
        self.sending.add(now, size as u32);
        self.pacer.sent(size);
    }

    /// Absolute send time: seconds in 6.18 fixed point, of any epoch.
    pub fn send_time(&self, now: Instant) -> u32 {
        ((self.micros(now) << 18) / 1_000_000) as u32 & 0xff_ffff
    }

    /// May video leave now, with so many bytes waiting already?
    #[inline]
    pub fn is_free(&mut self, now: Instant, queued: usize) -> bool {
        let Some(estimate) = self.estimate() else { return true };
        let now = self.micros(now);
        self.pacer.is_free(now, pacer::rate(estimate, queued))
    }

    /// May a picture's packet be sent again? Not where that is more than can be taken: what a full
    /// link lost would fill it again. `old`: it belongs to a layer that was given up.
    pub fn may_repeat(&mut self, now: Instant, old: bool) -> bool {
        let Some(estimate) = self.estimate() else { return true };
        let now = self.micros(now);
        let full = self.pressed.is_some_and(|(_, last)| last + LAPSE > now);
        let most = if full { estimate as f64 } else { REPEATS * estimate as f64 };
        let sent = self.sending.at(now).unwrap_or(0);
        !(full && old) && sent as f64 <= most
    }

    /// When video may leave.
    pub fn free_at(&self, queued: usize) -> Instant {
        let at = self.estimate().map_or(0, |e| self.pacer.free_at(pacer::rate(e, queued)));
        self.base + Duration::from_micros(at)
    }

    /// Takes a feedback packet.
    pub fn feedback(&mut self, now: Instant, feedback: &Feedback<'_>) {
        let at = self.micros(now);
        let reference = feedback.reference(self.reference);
        self.reference = reference;
        self.loss.next_feedback();
        let (mut usage, mut any) = (None, false);
        for status in feedback.statuses() {
            let received = status.arrival.is_some();
            let Some((sent, change)) = self.history.report(at, status.number, received) else {
                continue;
            };
            any = true;
            let arrival = status.arrival.map(|offset| reference + offset);
            self.loss.report(change, sent.at, sent.size);
            if let Some(arrival) = arrival {
                // Any constant keeps the receiver's clock above zero.
                self.arriving.add((arrival + (1 << 40)) as u64, u32::from(sent.size));
                let took = at.saturating_sub(sent.at).min(2_000_000);
                self.round_trip = (self.round_trip * 15 + took) / 16;
                if sent.cluster != 0 {
                    self.prober.received(&sent, arrival);
                }
                let quiet = sent.cluster == 0 && sent.at > self.probed_until;
                if (quiet || sent.at + AFTERMATH < self.probed_until)
                    && self.trend.packet(sent.at as i64, arrival)
                    && usage != Some(Usage::Over)
                {
                    usage = Some(self.trend.usage());
                }
            }
        }
        if !any {
            return;
        }
        self.heard = Some(Heard { count: self.history.count(), first: None });
        let figures = (self.estimate().unwrap_or(START), self.wanted);
        let proven = self.prober.answer(at, self.round_trip, figures);
        self.judge(at, usage.unwrap_or(self.trend.usage()), proven);
    }

    fn judge(&mut self, at: u64, usage: Usage, proven: Option<u64>) {
        let arriving = self.arriving.latest();
        let sent = self.sending.at(at).unwrap_or(0);
        let choked = arriving.is_some_and(|rate| (rate as f64) < CHOKED * sent as f64);
        // What is not confirmed is neither answered nor made worse.
        let usage = match usage {
            Usage::Over if !self.trend.confirms(choked) => Usage::Under,
            usage => usage,
        };
        if let Some(rate) = proven {
            self.aimd.raise(at, rate);
            self.loss.proven(rate);
        } else {
            // What is cut to is what a full link carries, also when it has filled just now.
            let carried = if usage == Usage::Over { self.arriving.most() } else { arriving };
            self.aimd.update(at, usage, carried, self.round_trip);
        }
        if usage == Usage::Over {
            self.prober.abort(at);
            self.press(at);
        }
        let rate = self.estimate().unwrap_or(START);
        self.loss.update(at, rate, sent, self.arriving.most().unwrap_or(0));
        if self.loss.cut() == Some(at) {
            self.press(at);
        }
    }

    /// There is evidence that less comes than is sent.
    fn press(&mut self, at: u64) {
        let first =
            self.pressed.filter(|(_, last)| last + LAPSE > at).map_or(at, |(first, _)| first);
        self.pressed = Some((first, at));
    }

    /// Is it sure, and not only likely, that the estimate cannot be exceeded now?
    pub fn is_sure(&self, now: Instant) -> bool {
        let now = self.micros(now);
        self.pressed.is_some_and(|(first, last)| last + LAPSE > now && last - first >= SURE)
    }

    /// Receiver estimated maximum bitrate, bit/s; heeded while there is no feedback.
    pub fn remb(&mut self, rate: u64) {
        self.remb = Some(rate.max(MIN_RATE));
    }

    /// Loss of a stream as a receiver report tells it (1/256); heeded while there is no feedback.
    pub fn receiver_report(&mut self, now: Instant, fraction_lost: u8) {
        if self.heard.is_some() {
            return;
        }
        let at = self.micros(now);
        let sent = self.sending.at(at).unwrap_or(0);
        let rate = self.estimate().unwrap_or(sent.max(MIN_RATE));
        self.reported = true;
        self.loss.reported(at, f64::from(fraction_lost) / 256.0, rate, sent);
    }

    /// Begins clusters and notes silence.
    pub fn poll(&mut self, now: Instant) {
        let at = self.micros(now);
        let Some(heard) = &mut self.heard else { return };
        let silent = heard.first.is_some_and(|first| at.saturating_sub(first) > SILENCE);
        if silent && self.history.count() > heard.count + SILENT_PACKETS {
            *heard = Heard { count: self.history.count(), first: None };
            self.aimd.lower(at, self.aimd.rate() / 2);
            self.prober.abort(at);
            return;
        }
        let calm = self.trend.usage() != Usage::Over;
        let estimate = self.estimate().unwrap_or(START);
        self.prober.poll(at, (estimate, self.wanted), calm, self.trend.jitter());
    }

    /// When [`Estimator::poll`] or [`Estimator::padding`] is wanted.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        self.heard?;
        if self.prober.is_sending() {
            return Some(now + Duration::from_micros(TICK));
        }
        let due = self.prober.due(self.estimate().unwrap_or(START), self.wanted)?;
        Some(self.base + Duration::from_micros(due))
    }

    /// How many bytes a probe is short of now, and of what size its packets should be.
    pub fn padding(&self, now: Instant) -> Option<(u64, usize)> {
        self.prober.behind(self.micros(now))
    }

    /// Clusters begun so far.
    pub fn probes(&self) -> u32 {
        self.prober.begun
    }

    /// Bytes of memory in use.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.history.memory()
    }
}
