//! Which layers their publisher is to send: those that somebody wants.
//!
//! A layer that is wanted is switched on at once; one that nobody wants any more is switched off
//! after a while, so that a window being dragged does not start and stop encoders.

use std::time::{Duration, Instant};

use super::layer::MAX_SPATIAL;

/// A layer that nobody wants stays on for so long.
const HOLD: Duration = Duration::from_secs(2);

pub type Active = [bool; MAX_SPATIAL];

/// What the publisher of a track was told.
#[derive(Debug, Clone, Copy)]
pub struct Publishing {
    told: Active,
    wanted: Active,
    lower_at: Option<Instant>,
}

impl Default for Publishing {
    /// A new track sends what it has.
    fn default() -> Publishing {
        let all = [true; MAX_SPATIAL];
        Publishing { told: all, wanted: all, lower_at: None }
    }
}

impl Publishing {
    /// When [`Publishing::poll`] is wanted.
    pub fn due(&self) -> Option<Instant> {
        self.lower_at
    }

    /// States what is wanted now; what has to be told to the publisher, if anything.
    pub fn want(&mut self, now: Instant, wanted: Active) -> Option<Active> {
        self.wanted = wanted;
        let on = std::array::from_fn(|at| self.told[at] || wanted[at]);
        if on == wanted {
            self.lower_at = None;
        } else if self.lower_at.is_none() {
            self.lower_at = Some(now + HOLD);
        }
        (on != std::mem::replace(&mut self.told, on)).then_some(on)
    }

    /// Switches off what nobody has wanted for a while.
    pub fn poll(&mut self, now: Instant) -> Option<Active> {
        self.lower_at.filter(|at| *at <= now)?;
        self.lower_at = None;
        let before = std::mem::replace(&mut self.told, self.wanted);
        (before != self.told).then_some(self.told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_go_off_after_a_while_and_on_at_once() {
        let t0 = crate::testing::origin();
        let at = |ms| t0 + Duration::from_millis(ms);
        let mut publishing = Publishing::default();
        assert_eq!(publishing.want(at(0), [true, false, false]), None);
        assert_eq!(publishing.want(at(1_000), [true, false, false]), None);
        assert_eq!(publishing.poll(at(1_999)), None);
        assert_eq!(publishing.poll(at(2_000)), Some([true, false, false]));
        assert_eq!(publishing.due(), None);
        assert_eq!(publishing.want(at(3_000), [true, true, false]), Some([true, true, false]));
        assert_eq!(publishing.want(at(3_100), [true, false, false]), None);
        assert_eq!(publishing.want(at(3_200), [true, true, false]), None, "wanted again in time");
        assert_eq!((publishing.due(), publishing.poll(at(9_000))), (None, None));
    }

    #[test]
    fn one_layer_goes_on_while_another_waits_to_go_off() {
        let t0 = crate::testing::origin();
        let mut publishing = Publishing::default();
        publishing.want(t0, [true, false, false]);
        publishing.poll(t0 + HOLD);
        publishing.want(t0 + HOLD, [false, false, true]);
        assert_eq!(publishing.told, [true, false, true]);
        assert_eq!(publishing.poll(t0 + 2 * HOLD), Some([false, false, true]));
    }
}
