//! Probing: a short burst above the estimate shows whether the link carries more.
//!
//! Clusters begin when more is wanted than is estimated: at the start, each few seconds, and at
//! once after one that succeeded (so that 300 kbit/s become 2 Mbit/s in three steps). The burst is
//! what is sent anyway, filled up with retransmissions or padding.

use super::history::Sent;

/// A cluster lasts at least this (µs), longer where arrival times are blurred by jitter, and has at
/// least so many packets.
const DURATION: u64 = 25_000;
const PER_JITTER: u64 = 4;
const MAX_DURATION: u64 = 200_000;
const PACKETS: u32 = 8;
/// It is given up when it could not be sent within this, or has no answer after it.
const TIMEOUT: u64 = 1_500_000;
/// First and longest interval between clusters.
const SOON: u64 = 2_000_000;
const LATE: u64 = 5_000_000;
/// Step of a cluster over the estimate.
const STEP: u64 = 2;
/// Share of a cluster's packets that must arrive.
const ARRIVED: f64 = 0.75;
/// Time beyond a round trip after which a packet will not come any more, µs.
const OVERDUE: u64 = 250_000;
/// More than is wanted is not asked for.
const ENOUGH: f64 = 1.3;

/// A cluster under way.
#[derive(Debug, Clone, Copy)]
struct Cluster {
    id: u8,
    rate: u64,
    begun: u64,
    /// When its latest packet was sent.
    last: u64,
    /// Bytes it must have.
    whole: u64,
    /// All its bytes have been sent.
    complete: bool,
    packets: u32,
    bytes: u64,
    answers: Answers,
}

#[derive(Debug, Clone, Copy, Default)]
struct Answers {
    packets: u32,
    bytes: u64,
    last_size: u64,
    sent: (i64, i64),
    /// Arrival of the first packet reported.
    origin: i64,
    /// Sums for a line through (bytes before, arrival).
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
}

#[derive(Debug, Clone, Default)]
pub struct Prober {
    last_id: u8,
    cluster: Option<Cluster>,
    next: Option<u64>,
    interval: u64,
    /// Clusters begun and those that raised the estimate.
    pub begun: u32,
}

impl Prober {
    /// Begins a cluster if it is time. `estimate` and `wanted` in bit/s.
    /// `jitter`: mean change of delay between groups, µs.
    pub fn poll(&mut self, now: u64, (estimate, wanted): (u64, u64), calm: bool, jitter: u64) {
        if let Some(cluster) = &self.cluster
            && now.saturating_sub(cluster.begun) > TIMEOUT
        {
            self.end(now, false);
        }
        let next = *self.next.get_or_insert(now);
        if self.cluster.is_some() || now < next || !wants(estimate, wanted) {
            return;
        }
        if !calm {
            // Due again only then: who waits for it would ask in vain until it is calm.
            self.next = Some(now + SOON);
            return;
        }
        self.begin(now, estimate, wanted, jitter);
    }

    fn begin(&mut self, now: u64, estimate: u64, wanted: u64, jitter: u64) {
        self.last_id = self.last_id % 250 + 1;
        self.begun += 1;
        let rate = (estimate * STEP).min((wanted as f64 * ENOUGH * 1.2) as u64);
        self.cluster = Some(Cluster {
            id: self.last_id,
            rate,
            begun: now,
            last: now,
            whole: rate * (DURATION + PER_JITTER * jitter).min(MAX_DURATION) / 8_000_000,
            complete: false,
            packets: 0,
            bytes: 0,
            answers: Answers::default(),
        });
    }

    /// Time (µs) when [`Prober::poll`] is wanted.
    pub fn due(&self, estimate: u64, wanted: u64) -> Option<u64> {
        match &self.cluster {
            Some(cluster) => Some(cluster.begun + TIMEOUT + 1),
            None => self.next.filter(|_| wants(estimate, wanted)),
        }
    }

    /// The mark of packets sent now; 0 outside of clusters.
    #[inline]
    pub fn mark(&mut self, now: u64, size: usize) -> u8 {
        let Some(cluster) = self.cluster.as_mut().filter(|cluster| !cluster.complete) else {
            return 0;
        };
        cluster.last = now;
        cluster.packets += 1;
        cluster.bytes += size as u64;
        cluster.complete = cluster.packets >= PACKETS && cluster.bytes >= cluster.whole;
        cluster.id
    }

    /// Is a cluster being sent?
    pub fn is_sending(&self) -> bool {
        self.cluster.is_some_and(|cluster| !cluster.complete)
    }

    /// How many bytes the cluster is behind its rate, and the size that its packets should have.
    pub fn behind(&self, now: u64) -> Option<(u64, usize)> {
        let cluster = self.cluster.filter(|cluster| !cluster.complete)?;
        let size = (cluster.whole / u64::from(PACKETS)).clamp(200, 1_200);
        let wanted = cluster.rate * now.saturating_sub(cluster.begun) / 8_000_000 + size;
        (wanted > cluster.bytes).then(|| (wanted - cluster.bytes, size as usize))
    }

    /// A packet of a cluster was received.
    pub fn received(&mut self, sent: &Sent, arrival: i64) {
        if let Some(cluster) = self.cluster.as_mut().filter(|cluster| cluster.id == sent.cluster) {
            cluster.answers.take(sent, arrival);
        }
    }

    /// After a feedback: the rate that the cluster has proven (bit/s), once all its packets have
    /// come or those that have not are overdue. `round_trip` in µs.
    pub fn answer(
        &mut self,
        now: u64,
        round_trip: u64,
        (estimate, wanted): (u64, u64),
    ) -> Option<u64> {
        let cluster = self.cluster.filter(|cluster| cluster.complete)?;
        let overdue = cluster.last + round_trip + OVERDUE < now;
        if cluster.answers.packets < cluster.packets && !overdue {
            return None;
        }
        let (rate, tried) = (cluster.answers.rate(cluster.packets), cluster.rate);
        let success = rate.is_some_and(|rate| rate > estimate);
        self.end(now, success);
        let rate = rate.filter(|_| success)?;
        if rate as f64 > 0.7 * tried as f64 && wants(rate, wanted) {
            self.next = Some(now);
        }
        Some(rate)
    }

    fn end(&mut self, now: u64, success: bool) {
        self.cluster = None;
        self.interval = if success { SOON } else { (self.interval * 3 / 2).clamp(SOON, LATE) };
        self.next = Some(now + self.interval);
    }

    /// Gives up what is under way: the link is overused. The next cluster waits.
    pub fn abort(&mut self, now: u64) {
        if self.cluster.is_some() {
            self.end(now, false);
        }
        self.next = self.next.map(|next| next.max(now + SOON));
    }
}

/// Would a probe tell something worth knowing?
fn wants(estimate: u64, wanted: u64) -> bool {
    (estimate as f64) < ENOUGH * wanted as f64
}

impl Answers {
    fn take(&mut self, sent: &Sent, arrival: i64) {
        let (at, size) = (sent.at as i64, u64::from(sent.size));
        if self.packets == 0 {
            (self.sent, self.origin) = ((at, at), arrival);
        }
        if at >= self.sent.1 {
            self.sent.1 = at;
            self.last_size = size;
        }
        let (x, y) = (self.bytes as f64, (arrival - self.origin) as f64);
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.xy += x * y;
        self.packets += 1;
        self.bytes += size;
    }

    /// The lower of the rates at which it was sent and at which it came. The latter by a line
    /// through all arrivals: the first and the last one alone may be anywhere on a jittery way.
    fn rate(&self, packets: u32) -> Option<u64> {
        if f64::from(self.packets) < ARRIVED * f64::from(packets) {
            return None;
        }
        let time = u64::try_from(self.sent.1 - self.sent.0).ok().filter(|time| *time > 0)?;
        let sent = ((self.bytes - self.last_size) * 8_000_000 / time) as f64;
        let count = f64::from(self.packets);
        let (spread, together) =
            (self.xx - self.x * self.x / count, self.xy - self.x * self.y / count);
        // All at once: as fast as it was sent, for what can be told.
        let came = if together > 0.0 { 8e6 * spread / together } else { sent };
        // Slower than sent: that is the capacity, and a little less leaves the queue to drain.
        let rate = if came < 0.9 * sent { 0.95 * came } else { came.min(sent) };
        Some(rate as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends one cluster through a link of `capacity` bit/s; gives what it proves.
    fn probe(
        prober: &mut Prober,
        now: &mut u64,
        figures: (u64, u64),
        capacity: u64,
    ) -> Option<u64> {
        prober.poll(*now, figures, true, 0);
        let (mut free, mut proven) = (0, None);
        let mut sent = Vec::new();
        while let Some((behind, size)) =
            prober.behind(*now).or(prober.is_sending().then_some((0, 0)))
        {
            for _ in 0..behind.div_ceil(size.max(1) as u64) {
                let cluster = prober.mark(*now, size);
                free = u64::max(free, *now) + size as u64 * 8_000_000 / capacity;
                let packet = Sent { number: 0, at: *now, size: size as u16, cluster };
                sent.push((packet, free + 20_000));
            }
            *now += 1_000;
        }
        *now += 100_000;
        for (packet, arrival) in sent {
            prober.received(&packet, arrival as i64);
            let told = prober.answer(*now, 40_000, figures);
            proven = proven.or(told);
        }
        proven
    }

    #[test]
    fn a_probe_doubles_until_the_link_or_the_wish_ends() {
        let mut prober = Prober::default();
        let (mut now, mut estimate) = (0, 300_000);
        let mut steps = 0;
        while let Some(rate) = probe(&mut prober, &mut now, (estimate, 2_000_000), 10_000_000) {
            assert!(rate > estimate);
            estimate = rate;
            steps += 1;
        }
        assert!(estimate > 2_000_000 && estimate < 4_000_000, "{estimate}");
        assert!(steps <= 5 && now < 1_000_000, "{steps} steps");
        assert_eq!(prober.due(estimate, 2_000_000), None, "enough is known");
    }

    #[test]
    fn a_full_link_proves_nothing_and_is_asked_less_often() {
        let mut prober = Prober::default();
        let mut now = 0;
        assert_eq!(probe(&mut prober, &mut now, (300_000, 2_000_000), 300_000), None);
        let mut waits = Vec::new();
        for _ in 0..4 {
            let due = prober.due(300_000, 2_000_000).unwrap();
            waits.push(due - now);
            now = due;
            assert_eq!(probe(&mut prober, &mut now, (300_000, 2_000_000), 300_000), None);
        }
        assert!(waits.windows(2).all(|w| w[0] <= w[1]) && waits[3] <= LATE, "{waits:?}");
    }
}
