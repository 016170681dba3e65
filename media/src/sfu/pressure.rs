//! A shard that cannot keep up sends less of each picture before anything is lost by chance.
//!
//! Past its ceiling a server that goes on as before drops packets wherever a buffer happens to be
//! full: sound as well as pictures, and every loss is asked for again. Instead the best layers go
//! first, for all; sound is never touched. Level by level, each given the time to have its effect.

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

/// Nothing is held back.
const NONE: u8 = 0;
/// What everybody is sent at most, by level.
const CAPS: [Layer; 5] = [
    Layer::HIGHEST,
    Layer { spatial: 1, temporal: MAX_TEMPORAL as u8 - 1 },
    Layer { spatial: 0, temporal: MAX_TEMPORAL as u8 - 1 },
    Layer { spatial: 0, temporal: 1 },
    Layer { spatial: 0, temporal: 0 },
];
/// Busier than this a shard has no room for the next burst.
const TOO_BUSY: u16 = 920;
/// Less busy than this it could do what the next level brings back: about twice as much.
const CALM: u16 = 420;
/// A level raised shows its effect within: the key frames of lower layers must come first.
const EFFECT: Duration = Duration::from_millis(1_500);
/// Calm for so long before a level is given back.
const CALM_FOR: Duration = Duration::from_secs(10);

/// How much is held back.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pressure {
    level: u8,
    raised: Option<Instant>,
    calm_since: Option<Instant>,
}

impl Pressure {
    /// 0: nothing is held back.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// What everybody is sent at most.
    pub fn cap(&self) -> Layer {
        CAPS[usize::from(self.level)]
    }

    /// True when the level changed.
    pub fn observe(&mut self, now: Instant, load: Load) -> bool {
        let since = |at: Option<Instant>| at.map(|at| now.saturating_duration_since(at));
        let over = load.busy_permille > TOO_BUSY || load.missed > 0;
        if over {
            self.calm_since = None;
            let settled = since(self.raised).is_none_or(|since| since >= EFFECT);
            let raise = settled && usize::from(self.level) + 1 < CAPS.len();
            if raise {
                self.level += 1;
                self.raised = Some(now);
            }
            return raise;
        }
        if load.busy_permille > CALM || self.level == NONE {
            self.calm_since = None;
            return false;
        }
        self.calm_since.get_or_insert(now);
        let lower = since(self.calm_since).is_some_and(|since| since >= CALM_FOR);
        if lower {
            self.level -= 1;
            self.calm_since = Some(now);
        }
        lower
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

    #[test]
    fn levels_go_one_by_one_and_come_back_when_it_has_been_calm() {
        let mut now = crate::testing::origin();
        let mut pressure = Pressure::default();
        let mut levels = Vec::new();
        for step in 0..60 {
            now += HALF;
            pressure.observe(now, busy(if step < 8 { 990 } else { 300 }));
            levels.push(pressure.level());
        }
        assert_eq!(levels[..8], [1, 1, 1, 2, 2, 2, 3, 3]);
        assert_eq!(levels[27], 3, "not before ten seconds of calm");
        assert_eq!((levels[28], levels[48]), (2, 1));
    }

    #[test]
    fn missed_datagrams_count_however_idle_the_thread_was() {
        let mut pressure = Pressure::default();
        let load = Load { busy_permille: 100, missed: 3 };
        assert!(pressure.observe(crate::testing::origin(), load));
        assert_eq!(pressure.cap(), Layer { spatial: 1, temporal: 3 });
    }

    proptest! {
        /// Whatever is reported, the level changes by one at most and not twice within the time
        /// that a change needs.
        #[test]
        fn it_never_flaps(reports in proptest::collection::vec((0u16..1000, 0u64..2), 1..200)) {
            let mut now = crate::testing::origin();
            let mut pressure = Pressure::default();
            let mut last: Option<(Instant, u8)> = None;
            for (busy_permille, missed) in reports {
                now += HALF;
                let before = pressure.level();
                let changed = pressure.observe(now, Load { busy_permille, missed });
                prop_assert_eq!(changed, before != pressure.level());
                prop_assert!(before.abs_diff(pressure.level()) <= 1);
                if changed {
                    if let Some((at, level)) = last && pressure.level() > level {
                        prop_assert!(now - at >= EFFECT);
                    }
                    if pressure.level() > before {
                        last = Some((now, pressure.level()));
                    } else {
                        last = None;
                    }
                }
            }
        }
    }
}
