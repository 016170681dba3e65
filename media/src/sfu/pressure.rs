//! A shard that cannot keep up sends less of each picture before anything is lost by chance.
//!
//! Past its ceiling a server that goes on as before drops packets wherever a buffer happens to be
//! full: sound as well as pictures, and every loss is asked for again. Instead the best layers go
//! first, for all; sound is never touched. Level by level, each given the time to have its effect; what that
//! was too much goes back to as many viewers as there is room for.

use std::time::{Duration, Instant};

use super::layer::{Layer, MAX_TEMPORAL};
use crate::shard::Shard;

/// What a shard's thread did since it last said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Share of the time in which it was not waiting, in thousandths.
    pub busy_permille: u16,
    /// Datagrams that the kernel dropped because nobody fetched them in time.
    pub missed: u64,
}

/// What everybody is sent at most, by level.
const CAPS: [Layer; 5] = [
    Layer::HIGHEST,
    Layer { spatial: 1, temporal: MAX_TEMPORAL as u8 - 1 },
    Layer { spatial: 0, temporal: MAX_TEMPORAL as u8 - 1 },
    Layer { spatial: 0, temporal: 1 },
    Layer { spatial: 0, temporal: 0 },
];
/// Viewers fall into so many parts; a level is given back part by part.
const PARTS: u16 = 16;
/// Busier than this a shard has no room for the next burst.
const TOO_BUSY: u16 = 930;
/// As much as is given back may make it so busy,
const FULL: u16 = 890;
/// where each part costs by this factor more than it seems to, in percent.
const CAUTION: u32 = 120;
/// A level raised shows its effect within: the key frames of lower layers must come first.
const EFFECT: Duration = Duration::from_millis(1_500);
/// So long after a change the load is looked at before something is given back.
const LOOK: Duration = Duration::from_millis(3_500);
/// by so many reports.
const ENOUGH: u32 = 3;
/// Too busy within this after something was given back: that was too much.
const REGRET: Duration = Duration::from_secs(6);
/// It is tried again after this, and after twice as long each time.
const WAIT: Duration = Duration::from_secs(10);
const MAX_WAIT: Duration = Duration::from_secs(160);

/// What was given back last.
#[derive(Debug, Clone, Copy)]
struct Given {
    at: Instant,
    parts: u16,
    /// How busy the shard was before.
    before: u32,
}

/// How much is held back: a level is taken from all viewers at once, for a shard that drowns needs
/// help now, and how much that was too much shows only then. It is given back to as many of them as
/// there is room for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pressure {
    /// Sixteenths of levels.
    held: u16,
    changed: Option<Instant>,
    /// Sum and number of reports since the last change had its effect.
    seen: (u32, u32),
    given: Option<Given>,
    /// What a part of this level has been seen to cost, in thousandths.
    cost: Option<u32>,
    wait: Option<Duration>,
    not_before: Option<Instant>,
}

impl Pressure {
    /// Levels held back, from everybody or from some; 0: none.
    pub fn level(&self) -> u8 {
        self.held.div_ceil(PARTS) as u8
    }

    /// What a viewer is sent at most. `viewer`: any number of it that stays.
    pub fn cap(&self, viewer: u64) -> Layer {
        // Consecutive numbers are spread over the parts.
        let part = (viewer.wrapping_mul(7) % u64::from(PARTS)) as u16;
        let level = (self.held / PARTS) + u16::from(part < self.held % PARTS);
        CAPS[usize::from(level).min(CAPS.len() - 1)]
    }

    /// True when what is held back changed.
    pub fn observe(&mut self, now: Instant, load: Load) -> bool {
        let settled = self.since(self.changed, now) >= EFFECT;
        if load.busy_permille > TOO_BUSY || load.missed > 0 {
            self.seen = (0, 0);
            return self.take(now, settled);
        }
        if settled {
            self.seen = (self.seen.0 + u32::from(load.busy_permille), self.seen.1 + 1);
        }
        self.give(now)
    }

    fn since(&self, at: Option<Instant>, now: Instant) -> Duration {
        at.map_or(Duration::MAX, |at| now.saturating_duration_since(at))
    }

    fn change(&mut self, now: Instant, held: u16) -> bool {
        let level = |held: u16| held.div_ceil(PARTS);
        if level(held) != level(self.held) {
            self.cost = None;
        }
        let changed = std::mem::replace(&mut self.held, held) != held;
        (self.changed, self.seen) = (Some(now), (0, 0));
        changed
    }

    /// It is too busy: what was given back a moment ago is taken again, or the rest of a level.
    fn take(&mut self, now: Instant, settled: bool) -> bool {
        let recent = |given: &mut Given| now.saturating_duration_since(given.at) < REGRET;
        if let Some(given) = self.given.take_if(recent) {
            let wait = self.wait.map_or(WAIT, |wait| (wait * 2).min(MAX_WAIT));
            (self.wait, self.not_before) = (Some(wait), Some(now + wait));
            let changed = self.change(now, self.held + given.parts);
            // At least so much: how far beyond its limit the shard was is not known.
            let cost = 1_000u32.saturating_sub(given.before) / u32::from(given.parts);
            self.cost = Some(self.cost.unwrap_or(0).max(cost * CAUTION / 100));
            return changed;
        }
        let next = (self.held / PARTS + 1) * PARTS;
        if !settled || usize::from(next / PARTS) >= CAPS.len() {
            return false;
        }
        self.change(now, next)
    }

    /// It is not too busy: half of the parts that it seems to have room for. What they cost shows
    /// before the next.
    fn give(&mut self, now: Instant) -> bool {
        let looked = self.seen.1 >= ENOUGH && self.since(self.changed, now) >= LOOK;
        if self.held == 0 || !looked || self.not_before.is_some_and(|at| now < at) {
            return false;
        }
        let busy = self.seen.0 / self.seen.1;
        if let Some(given) = self.given.take() {
            self.cost = Some(busy.saturating_sub(given.before) / u32::from(given.parts));
            self.wait = None;
        }
        // Of a level that was taken because nothing was left all parts cost the rest at least.
        let rest = 1_000u32.saturating_sub(busy) / u32::from(PARTS);
        let cost = (self.cost.unwrap_or(rest) * CAUTION / 100).max(2);
        let room = (u32::from(FULL).saturating_sub(busy) / cost).min(u32::from(PARTS)) as u16;
        // Beyond the bounds of a level parts cost something else.
        let whole = (self.held - 1) / PARTS * PARTS;
        let parts = room.div_ceil(2).min(self.held - whole);
        if parts == 0 {
            return false;
        }
        let changed = self.change(now, self.held - parts);
        self.given = Some(Given { at: now, parts, before: busy });
        changed
    }
}

impl Shard {
    /// What the thread of this shard had to do; every half second or so.
    pub fn report_load(&mut self, now: Instant, load: Load) {
        self.now = Some(now);
        if !self.pressure.observe(now, load) {
            return;
        }
        let keys: Vec<_> = self.tracks.keys().collect();
        for key in keys {
            let Some(track) = self.tracks.get_mut(key).filter(|track| !track.is_audio()) else {
                continue;
            };
            // As after a change of size: all wishes are worked out anew.
            track.resized = true;
            self.review(key);
        }
    }

    /// How many steps of quality are held back because the shard has too much to do; 0: none.
    pub fn pressure(&self) -> u8 {
        self.pressure.level()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HALF: Duration = Duration::from_millis(500);

    fn busy(busy_permille: u16) -> Load {
        Load { busy_permille, missed: 0 }
    }

    /// A lecture on a shard that can do `1.0`: what all viewers together ask of it in full, and what
    /// each level leaves of that. A change takes a second until it shows.
    struct Lecture {
        pressure: Pressure,
        now: Instant,
        /// Held back by the last reports.
        held: Vec<u16>,
        changes: u32,
    }

    const LEFT: [f64; 5] = [1.0, 0.37, 0.13, 0.1, 0.06];

    impl Lecture {
        fn new() -> Lecture {
            let now = crate::testing::origin();
            Lecture { pressure: Pressure::default(), now, held: vec![0; 2], changes: 0 }
        }

        /// Share of what the shard can do that it does, on average over the last half.
        fn run(&mut self, demand: f64, seconds: u32) -> f64 {
            let mut done = Vec::new();
            for _ in 0..2 * seconds {
                self.now += HALF;
                let held = f64::from(self.held[self.held.len() - 2]) / f64::from(PARTS);
                let (level, part) = (held as usize, held.fract());
                let next = LEFT.get(level + 1).copied().unwrap_or(LEFT[4]);
                let asked = demand * (LEFT[level] + part * (next - LEFT[level]));
                let load = Load {
                    busy_permille: (asked * 1_000.0).min(1_000.0) as u16,
                    missed: u64::from(asked > 1.1),
                };
                self.changes += u32::from(self.pressure.observe(self.now, load));
                self.held.push(self.pressure.held);
                // What it cannot do is lost by chance, and repaired for more.
                done.push(if asked > 1.0 { 0.5 } else { asked });
            }
            let half = done.len() / 2;
            done[half..].iter().sum::<f64>() / (done.len() - half) as f64
        }
    }

    #[test]
    fn past_the_ceiling_a_shard_goes_on_doing_what_it_can() {
        for percent in [105, 120, 150, 200, 250, 400, 700] {
            let mut lecture = Lecture::new();
            let done = lecture.run(f64::from(percent) / 100.0, 120);
            assert!(done >= 0.8, "{done:.2} of what it can at a demand of {percent} %");
            assert!(lecture.changes <= 12, "{} changes at {percent} %", lecture.changes);
        }
    }

    #[test]
    fn a_drowning_shard_is_helped_at_once_and_everything_comes_back_when_it_is_over() {
        let mut lecture = Lecture::new();
        lecture.run(5.0, 2);
        assert_eq!(lecture.pressure.held % PARTS, 0, "whole levels first");
        lecture.run(5.0, 3);
        assert_eq!(lecture.pressure.level(), 2, "two levels within five seconds");
        lecture.run(0.5, 60);
        assert_eq!(lecture.pressure.held, 0);
    }

    #[test]
    fn what_is_given_back_in_vain_is_tried_ever_more_seldom() {
        let mut pressure = Pressure::default();
        let mut now = crate::testing::origin();
        let mut tries = 0;
        for _ in 0..1_200 {
            now += HALF;
            let before = pressure.held;
            // Whatever is given back is too much.
            let load = busy(if pressure.held >= PARTS { 600 } else { 990 });
            pressure.observe(now, load);
            tries += u32::from(pressure.held < before);
        }
        assert!((1..=8).contains(&tries), "{tries} in ten minutes");
    }

    #[test]
    fn missed_datagrams_count_however_idle_the_thread_was() {
        let mut pressure = Pressure::default();
        let load = Load { busy_permille: 100, missed: 3 };
        assert!(pressure.observe(crate::testing::origin(), load));
        assert_eq!(pressure.cap(5), Layer { spatial: 1, temporal: 3 });
    }

    #[test]
    fn a_part_is_its_share_of_any_viewers_in_a_row() {
        let pressure = Pressure { held: PARTS + 4, ..Pressure::default() };
        let lower = (100..116).filter(|n| pressure.cap(*n) == CAPS[2]).count();
        assert_eq!(lower, 4);
        assert!((100..116).all(|n| [CAPS[1], CAPS[2]].contains(&pressure.cap(n))));
    }

    proptest! {
        /// Whatever is reported, no level is taken twice within the time that a change needs, and
        /// nothing is given back sooner after a change than it is looked at.
        #[test]
        fn it_never_flaps(reports in proptest::collection::vec((0u16..1000, 0u64..2), 1..200)) {
            let mut now = crate::testing::origin();
            let mut pressure = Pressure::default();
            let mut last: Option<(Instant, u16)> = None;
            for (busy_permille, missed) in reports {
                now += HALF;
                let before = pressure.held;
                let changed = pressure.observe(now, Load { busy_permille, missed });
                prop_assert_eq!(changed, before != pressure.held);
                prop_assert!(before.abs_diff(pressure.held) <= PARTS);
                prop_assert!(usize::from(pressure.held) < CAPS.len() * usize::from(PARTS));
                if changed {
                    if let Some((at, was)) = last {
                        let undone = pressure.held == was;
                        let wait = if pressure.held < before { LOOK } else { EFFECT };
                        prop_assert!(now - at >= wait || undone);
                    }
                    last = Some((now, before));
                }
            }
        }
    }
}
