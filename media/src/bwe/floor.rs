//! The least one-way delay of late. Jitter moves single packets and the lines through them; only a
//! queue, or another way, moves the floor.

/// Length of a bucket of arrival time, µs, and how many count as late and as before.
const BUCKET: i64 = 50_000;
const RECENT: usize = 5;
const BEFORE: usize = 40;
const BUCKETS: usize = RECENT + BEFORE;
/// So many of the recent ones must have something, or they reach further back.
const FILLED: usize = 3;

/// Least and greatest delays (ms, of two clocks) by arrival time.
#[derive(Debug, Clone, Copy)]
pub struct Floor {
    delays: [(f32, f32); BUCKETS],
    newest: i64,
}

const EMPTY: (f32, f32) = (f32::INFINITY, f32::NEG_INFINITY);

impl Default for Floor {
    fn default() -> Floor {
        Floor { delays: [EMPTY; BUCKETS], newest: i64::MIN / BUCKET }
    }
}

impl Floor {
    /// Takes a packet; they may arrive in any order.
    #[inline]
    pub fn add(&mut self, arrival: i64, delay: f32) {
        let bucket = arrival.div_euclid(BUCKET);
        let steps = bucket.saturating_sub(self.newest);
        for step in 0..steps.min(BUCKETS as i64) {
            self.delays[(bucket - step).rem_euclid(BUCKETS as i64) as usize] = EMPTY;
        }
        self.newest = self.newest.max(bucket);
        if steps > -(BUCKETS as i64) {
            let (least, most) = &mut self.delays[bucket.rem_euclid(BUCKETS as i64) as usize];
            (*least, *most) = (least.min(delay), most.max(delay));
        }
    }

    /// From the newest on.
    fn buckets(&self) -> impl Iterator<Item = (f32, f32)> + '_ {
        let back = |at: i64| self.delays[(self.newest - at).rem_euclid(BUCKETS as i64) as usize];
        (0..BUCKETS as i64).map(back)
    }

    /// How many buckets are recent.
    fn recent(&self) -> usize {
        let mut filled = 0;
        let enough = self.buckets().position(|(least, _)| {
            filled += usize::from(least.is_finite());
            filled == FILLED
        });
        enough.map_or(BUCKETS, |at| RECENT.max(at + 1))
    }

    /// The least delay of late; None without any.
    pub fn level(&self) -> Option<f32> {
        let least = least(self.buckets().take(self.recent()));
        least.is_finite().then_some(least)
    }

    /// How far the delays of late lie apart: what a level is uncertain by is a part of it.
    pub fn width(&self) -> f32 {
        let most = self.buckets().take(self.recent()).map(|(_, most)| most);
        let most = most.fold(f32::NEG_INFINITY, f32::max);
        self.level().map_or(0.0, |level| most - level)
    }

    /// By how much it is above the one before; None without both.
    pub fn rise(&self) -> Option<f32> {
        let rise = self.level()? - least(self.buckets().skip(self.recent()));
        rise.is_finite().then_some(rise)
    }

    /// What was before is not compared with any more.
    pub fn forget(&mut self) {
        for at in self.recent() as i64..BUCKETS as i64 {
            self.delays[(self.newest - at).rem_euclid(BUCKETS as i64) as usize] = EMPTY;
        }
    }
}

fn least(buckets: impl Iterator<Item = (f32, f32)>) -> f32 {
    buckets.fold(f32::INFINITY, |before, (least, _)| before.min(least))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet each 10 ms; its delay in ms by its number.
    fn floor(packets: i64, delay: impl Fn(i64) -> f32) -> Floor {
        let mut floor = Floor::default();
        for at in 0..packets {
            let delay = delay(at);
            floor.add(at * 10_000 + (delay * 1000.0) as i64, delay);
        }
        floor
    }

    #[test]
    fn jitter_leaves_the_floor_and_a_queue_lifts_it() {
        let jitter = floor(400, |at| 100.0 + (at * 37 % 101) as f32);
        assert!(jitter.rise().unwrap().abs() < 10.0, "{jitter:?}");
        assert!((60.0..101.0).contains(&jitter.width()));
        let queue = floor(400, |at| 100.0 + (at - 350).max(0) as f32);
        assert!(queue.rise().unwrap() > 20.0);
    }

    #[test]
    fn a_step_is_forgotten() {
        let mut step = floor(400, |at| if at < 350 { 100.0 } else { 160.0 });
        assert_eq!(step.rise(), Some(60.0));
        step.forget();
        assert_eq!((step.rise(), step.level()), (None, Some(160.0)));
    }

    #[test]
    fn nothing_is_known_of_nothing_and_old_packets_do_not_count() {
        let mut empty = Floor::default();
        assert_eq!((empty.level(), empty.rise()), (None, None));
        empty.add(100_000_000, 5.0);
        empty.add(10_000, 1.0);
        assert_eq!(empty.level(), Some(5.0));
    }
}
