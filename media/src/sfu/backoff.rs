//! When a division may give more: not while the estimate still falls, one paused picture at a time,
//! and ever more seldom where giving more was a mistake each time. Pure; see `docs/ALLOCATION.md`.

use std::time::{Duration, Instant};

/// The estimate is still falling, or the queue still draining.
const CALM: Duration = Duration::from_secs(2);
const MAX_CALM: Duration = Duration::from_secs(64);
/// A raise undone within this was a mistake: the next one waits twice as long.
const REGRET: Duration = Duration::from_secs(8);
/// Between two pictures that come again: what the first one costs shows within it.
const APART: Duration = Duration::from_millis(600);
/// An estimate this much above that of a mistake (in tenths) is another link: it need not wait.
const BETTER: u64 = 15;

/// What a division changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decided {
    pub lowered: bool,
    pub raised: bool,
    /// Something that was paused comes again.
    pub resumed: bool,
    /// Something is paused now.
    pub paused: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    lowered: Option<Instant>,
    /// When, and on which estimate (bit/s).
    raised: Option<(Instant, u64)>,
    resumed: Option<Instant>,
    /// After something was lowered nothing is raised for this long,
    calm: Duration,
    /// unless the estimate is far above this one, on which a raise was a mistake.
    mistake: Option<u64>,
    scarce: bool,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff {
            lowered: None,
            raised: None,
            resumed: None,
            calm: CALM,
            mistake: None,
            scarce: false,
        }
    }
}

impl Backoff {
    /// Notes what was decided on an estimate.
    pub fn decided(&mut self, now: Instant, estimate: u64, decided: Decided) {
        self.scarce = decided.paused;
        if decided.lowered {
            let since = |at: Instant| now.saturating_duration_since(at);
            let regret = self.raised.filter(|(at, _)| since(*at) < REGRET);
            // Several steps down in a row are one event.
            if self.lowered.is_none_or(|at| since(at) >= self.calm) {
                self.calm = if regret.is_some() { (self.calm * 2).min(MAX_CALM) } else { CALM };
            }
            if let Some((_, estimate)) = regret {
                self.mistake = Some(estimate);
            } else if self.calm == CALM {
                self.mistake = None;
            }
            self.lowered = Some(now);
        }
        if decided.raised {
            self.raised = Some((now, estimate));
        }
        if decided.resumed {
            self.resumed = Some(now);
        }
    }

    /// May something be raised?
    pub fn may_raise(&self, now: Instant, estimate: u64) -> bool {
        let Some(at) = self.lowered else { return true };
        let since = now.saturating_duration_since(at);
        let better = self.mistake.is_some_and(|mistake| estimate > mistake * BETTER / 10);
        since >= self.calm || better && since >= CALM
    }

    /// May another picture come again that is paused?
    pub fn may_resume(&self, now: Instant) -> bool {
        self.resumed.is_none_or(|at| now.saturating_duration_since(at) >= APART)
    }

    /// Something is paused: the estimate was sure then, and holds until all fits.
    pub fn is_scarce(&self) -> bool {
        self.scarce
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: Decided = Decided { lowered: false, raised: true, resumed: true, paused: false };
    const DOWN: Decided = Decided { lowered: true, raised: false, resumed: false, paused: true };

    /// Raises as soon as it may, each time in vain for two seconds; when that was.
    fn mistakes(backoff: &mut Backoff, from: Instant, seconds: u64, estimate: u64) -> Vec<u64> {
        let (mut raised, mut times) = (None::<u64>, Vec::new());
        for ms in (0..seconds * 1_000).step_by(200) {
            let now = from + Duration::from_millis(ms);
            match raised {
                Some(at) if ms - at >= 2_000 => {
                    backoff.decided(now, estimate / 2, DOWN);
                    raised = None;
                }
                None if backoff.may_raise(now, estimate) && backoff.may_resume(now) => {
                    backoff.decided(now, estimate, UP);
                    (raised, _) = (Some(ms), times.push(ms / 1_000));
                }
                _ => {}
            }
        }
        times
    }

    #[test]
    fn who_is_mistaken_again_and_again_tries_ever_more_seldom() {
        let t0 = crate::testing::origin();
        let mut backoff = Backoff::default();
        backoff.decided(t0, 500_000, DOWN);
        let times = mistakes(&mut backoff, t0, 300, 1_000_000);
        assert_eq!(times, [2, 8, 18, 36, 70, 136, 202, 268]);
    }

    #[test]
    fn a_link_that_became_better_need_not_wait() {
        let t0 = crate::testing::origin();
        let mut backoff = Backoff::default();
        backoff.decided(t0, 500_000, DOWN);
        mistakes(&mut backoff, t0, 60, 1_000_000);
        let now = t0 + Duration::from_secs(60);
        assert!(!backoff.may_raise(now, 1_400_000));
        assert!(backoff.may_raise(now, 1_600_000));
    }

    #[test]
    fn what_is_paused_comes_again_one_after_the_other() {
        let t0 = crate::testing::origin();
        let mut backoff = Backoff::default();
        assert!(backoff.may_resume(t0));
        backoff.decided(t0, 1, UP);
        assert!(!backoff.may_resume(t0 + APART / 2));
        assert!(backoff.may_resume(t0 + APART) && backoff.may_raise(t0, 1));
    }
}
