//! How fast video may leave: a leaky bucket above the estimate, with room for a frame.

/// Bursts this long at the pacing rate leave at once, µs: a frame is one GSO run wherever the
/// estimate is far above the need.
const BURST: u64 = 40_000;
/// Pacing rate over estimate: frames are uneven, and a queue must drain.
const FACTOR: f64 = 2.5;
/// No packet waits longer than this if the rate can help it, µs.
const LONGEST: u64 = 500_000;

/// Bytes sent and not yet drained.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pacer {
    debt: f64,
    at: u64,
}

/// Bits per second at which packets leave.
pub fn rate(estimate: u64, queued: usize) -> f64 {
    (estimate as f64 * FACTOR).max(queued as f64 * 8e6 / LONGEST as f64)
}

impl Pacer {
    /// May something that can wait leave now?
    #[inline]
    pub fn is_free(&mut self, now: u64, rate: f64) -> bool {
        self.drain(now, rate);
        self.debt < rate * (BURST as f64 / 8e6)
    }

    #[inline]
    fn drain(&mut self, now: u64, rate: f64) {
        let elapsed = now.saturating_sub(self.at) as f64;
        self.at = now;
        // What was sent before the rate fell is not atoned for in full.
        let most = rate * (LONGEST as f64 / 8e6);
        self.debt = (self.debt.min(most) - elapsed * rate / 8e6).max(0.0);
    }

    /// Everything that leaves is counted, also what does not wait.
    #[inline]
    pub fn sent(&mut self, bytes: usize) {
        self.debt += bytes as f64;
    }

    /// When the next packet may leave, µs.
    pub fn free_at(&self, rate: f64) -> u64 {
        let over = self.debt - rate * (BURST as f64 / 8e6);
        // A little later than exact, so that it is free then.
        self.at + (over.max(0.0) * 8e6 / rate) as u64 + 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_leaves_at_once_where_there_is_plenty_and_spread_where_there_is_not() {
        let send = |estimate: u64, packets: usize| {
            let mut pacer = Pacer::default();
            let mut now = 1_000_000;
            let mut times = Vec::new();
            for left in (1..=packets).rev() {
                let rate = rate(estimate, left * 1200);
                if !pacer.is_free(now, rate) {
                    now = pacer.free_at(rate);
                    assert!(pacer.is_free(now, rate));
                }
                pacer.sent(1200);
                times.push(now - 1_000_000);
            }
            times
        };
        assert!(send(3_000_000, 30).iter().all(|at| *at == 0), "36 kB of key frame");
        let spread = send(300_000, 12);
        // 3,750 bytes at once, then 750 kbit/s.
        assert_eq!(spread.iter().filter(|at| **at == 0).count(), 4);
        assert!((90_000..130_000).contains(spread.last().unwrap()), "{spread:?}");
        // What cannot leave in time at that rate leaves faster.
        assert!(*send(50_000, 40).last().unwrap() < 2_000_000);
    }
}
