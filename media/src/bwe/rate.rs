//! Bits per second over the last half second.

/// Length of a bucket, µs, and how many there are.
const BUCKET: u64 = 50_000;
const BUCKETS: usize = 10;
/// Buckets of the newest part.
const NEWEST: usize = 4;

/// Bytes by time, in a ring of buckets. Time may arrive out of order by less than the window.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rate {
    bytes: [u32; BUCKETS],
    /// Number of the newest bucket and of the first ever.
    newest: u64,
    first: Option<u64>,
}

impl Rate {
    #[inline]
    pub fn add(&mut self, at: u64, bytes: u32) {
        let bucket = at / BUCKET;
        if self.first.is_none() {
            self.first = Some(bucket);
            self.newest = bucket;
        }
        self.advance(bucket);
        if bucket + BUCKETS as u64 > self.newest {
            let place = &mut self.bytes[bucket as usize % BUCKETS];
            *place = place.saturating_add(bytes);
        }
    }

    fn advance(&mut self, bucket: u64) {
        if bucket <= self.newest {
            return;
        }
        let steps = (bucket - self.newest).min(BUCKETS as u64);
        for step in 0..steps {
            self.bytes[(bucket - step) as usize % BUCKETS] = 0;
        }
        self.newest = bucket;
    }

    /// [`Rate::at`] the latest time that was told.
    pub fn latest(&mut self) -> Option<u64> {
        self.at(self.newest * BUCKET)
    }

    /// The higher of the rates over the whole window and over its newest part: what a full link
    /// carries when little was sent just before.
    pub fn most(&mut self) -> Option<u64> {
        let whole = self.latest()?;
        let newest = (1..=NEWEST as u64).map(|back| {
            let bucket = self.newest.saturating_sub(back);
            u64::from(self.bytes[bucket as usize % BUCKETS])
        });
        Some(whole.max(newest.sum::<u64>() * 8 * 1_000_000 / (NEWEST as u64 * BUCKET)))
    }

    /// Bits per second over the full buckets before `at`; None before 150 ms are measured.
    pub fn at(&mut self, at: u64) -> Option<u64> {
        let bucket = at / BUCKET;
        self.advance(bucket);
        // The newest bucket is still filling.
        let full = (self.newest - self.first?).min(BUCKETS as u64 - 1);
        if full < 3 {
            return None;
        }
        let open = self.bytes[self.newest as usize % BUCKETS];
        let sum: u64 = self.bytes.iter().map(|bytes| u64::from(*bytes)).sum();
        Some((sum - u64::from(open)) * 8 * 1_000_000 / (full * BUCKET))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_has_its_rate_and_a_step_is_seen_within_half_a_second() {
        let mut rate = Rate::default();
        assert_eq!(rate.at(0), None);
        // 1,250 bytes each 10 ms: 1 Mbit/s.
        for at in 0..100u64 {
            rate.add(5_000_000 + at * 10_000, 1_250);
        }
        assert_eq!(rate.at(6_000_000), Some(1_000_000));
        for at in 100..150u64 {
            rate.add(5_000_000 + at * 10_000, 125);
        }
        assert_eq!(rate.at(6_500_000), Some(100_000));
        assert_eq!(rate.at(60_000_000), Some(0), "silence");
    }

    #[test]
    fn what_has_just_begun_counts_with_the_rate_that_it_has() {
        let mut rate = Rate::default();
        for at in 0..100u64 {
            rate.add(at * 10_000, if at < 75 { 125 } else { 1_250 });
        }
        assert!(rate.latest().unwrap() < 600_000);
        assert_eq!(rate.most(), Some(1_000_000));
    }
}
