//! Delay-based rate: multiplicative decrease on overuse, increase otherwise
//! (draft-ietf-rmcat-gcc-02 §5.5).

use super::trendline::Usage;

/// Share of the measured throughput that is kept on overuse.
const BETA: f64 = 0.85;
/// Growth a second while the link's capacity is unknown.
const GROWTH: f64 = 1.08;
/// An increase must be shown by traffic: not above this times what arrives, plus a little.
const AHEAD: f64 = 1.5;
const AHEAD_MORE: f64 = 10_000.0;
pub const MIN_RATE: u64 = 30_000;
pub const MAX_RATE: u64 = 100_000_000;

/// Throughput seen at overuses: what the link can carry (kbit/s, mean and variance).
#[derive(Debug, Clone, Copy, Default)]
struct Capacity {
    mean: Option<f64>,
    variance: f64,
}

impl Capacity {
    fn seen(&mut self, bits: f64) {
        const WEIGHT: f64 = 0.05;
        let sample = bits / 1000.0;
        let mean = match self.mean {
            None => sample,
            Some(mean) => mean + WEIGHT * (sample - mean),
        };
        self.mean = Some(mean);
        let norm = mean.max(1.0);
        let error = mean - sample;
        self.variance =
            ((1.0 - WEIGHT) * self.variance + WEIGHT * error * error / norm).clamp(0.4, 2.5);
    }

    fn bounds(&self) -> Option<(f64, f64)> {
        let mean = self.mean?;
        let spread = 3.0 * (self.variance * mean).sqrt();
        Some(((mean - spread).max(0.0) * 1000.0, (mean + spread) * 1000.0))
    }
}

#[derive(Debug, Clone)]
pub struct Aimd {
    rate: f64,
    capacity: Capacity,
    changed: u64,
    decreased: Option<u64>,
}

impl Aimd {
    pub fn new(start: u64) -> Aimd {
        Aimd { rate: start as f64, capacity: Capacity::default(), changed: 0, decreased: None }
    }

    pub fn rate(&self) -> u64 {
        self.rate as u64
    }

    /// Time (µs) of the last decrease.
    pub fn decreased(&self) -> Option<u64> {
        self.decreased
    }

    /// A rate proven by a probe.
    pub fn raise(&mut self, now: u64, rate: u64) {
        if rate as f64 > self.rate {
            self.rate = (rate as f64).min(MAX_RATE as f64);
            self.changed = now;
            // What was taken for the capacity is not.
            if self.capacity.bounds().is_some_and(|(_, high)| self.rate > high) {
                self.capacity = Capacity::default();
            }
        }
    }

    /// Lowers the rate whatever the delay says.
    pub fn lower(&mut self, now: u64, rate: u64) {
        if (rate as f64) < self.rate {
            self.rate = (rate as f64).max(MIN_RATE as f64);
            self.changed = now;
            self.decreased = Some(now);
        }
    }

    /// `arriving`: throughput in bit/s if known; `round_trip` in µs.
    pub fn update(&mut self, now: u64, usage: Usage, arriving: Option<u64>, round_trip: u64) {
        let Some(arriving) = arriving.map(|rate| rate as f64) else { return };
        let elapsed = now.saturating_sub(self.changed);
        match usage {
            Usage::Over => {
                let pause = round_trip.clamp(10_000, 200_000);
                let far_off = arriving < self.rate / 2.0;
                let since = self.decreased.map_or(u64::MAX, |at| now.saturating_sub(at));
                if since < pause && !(far_off && since >= 50_000) {
                    return;
                }
                if self.capacity.bounds().is_some_and(|(low, _)| arriving < low) {
                    self.capacity = Capacity::default();
                }
                self.capacity.seen(arriving);
                self.lower(now, (BETA * arriving) as u64);
                self.changed = now;
                self.decreased = Some(now);
            }
            // The queue drains: wait until it has.
            Usage::Under => self.changed = now,
            Usage::Normal => {
                if self.capacity.bounds().is_some_and(|(_, high)| arriving > high) {
                    self.capacity = Capacity::default();
                }
                let seconds = elapsed.min(1_000_000) as f64 / 1e6;
                let next = match self.capacity.mean {
                    Some(_) => self.rate + seconds * self.near_step(round_trip),
                    None => self.rate * GROWTH.powf(seconds) + 1_000.0 * seconds,
                };
                let most = AHEAD * arriving + AHEAD_MORE;
                self.rate = next.min(most.max(self.rate)).clamp(MIN_RATE as f64, MAX_RATE as f64);
                self.changed = now;
            }
        }
    }

    /// Bits per second a second when the capacity is near: one packet each response time.
    fn near_step(&self, round_trip: u64) -> f64 {
        let frame = self.rate / 30.0;
        let packets = (frame / (1200.0 * 8.0)).ceil().max(1.0);
        let response = (round_trip + 100_000) as f64 / 1e6;
        (frame / packets / response).max(4_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn overuse_cuts_below_what_arrives_and_growth_stays_near_what_is_shown() {
        let mut aimd = Aimd::new(2_000_000);
        aimd.update(SECOND, Usage::Normal, Some(400_000), 50_000);
        assert_eq!(aimd.rate(), 2_000_000, "not sending is no reason to cut");
        aimd.update(2 * SECOND, Usage::Over, Some(400_000), 50_000);
        assert_eq!(aimd.rate(), 340_000);
        for step in 1..600 {
            aimd.update(2 * SECOND + step * 100_000, Usage::Normal, Some(400_000), 50_000);
        }
        assert_eq!(aimd.rate(), 610_000, "no traffic shows more");
    }

    #[test]
    fn repeated_overuse_is_one_event_within_a_round_trip() {
        let mut aimd = Aimd::new(1_000_000);
        aimd.update(SECOND, Usage::Over, Some(900_000), 100_000);
        let first = aimd.rate();
        aimd.update(SECOND + 20_000, Usage::Over, Some(600_000), 100_000);
        assert_eq!(aimd.rate(), first);
        aimd.update(SECOND + 120_000, Usage::Over, Some(600_000), 100_000);
        assert_eq!(aimd.rate(), 510_000);
    }
}
