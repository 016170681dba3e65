//! Replay window and rollover counter of one synchronisation source (RFC 3711 sections 3.3).

use super::SrtpError;

/// Packets behind the newest that are still told apart.
pub(super) const WINDOW: u64 = 128;

/// Which indices were seen; bit 0 of `seen` is `highest`.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplayWindow {
    highest: u64,
    seen: u128,
}

impl ReplayWindow {
    /// A window whose first authenticated packet has `index`.
    pub(super) fn starting_at(index: u64) -> Self {
        Self { highest: index, seen: 1 }
    }

    /// Whether `index` is new, to be asked before the costly authentication.
    #[inline]
    pub(super) fn check(&self, index: u64) -> Result<(), SrtpError> {
        if index > self.highest {
            return Ok(());
        }
        let behind = self.highest - index;
        if behind >= WINDOW || self.seen >> behind & 1 == 1 {
            return Err(SrtpError::Replayed);
        }
        Ok(())
    }

    /// Marks an authenticated packet.
    #[inline]
    pub(super) fn accept(&mut self, index: u64) {
        if index > self.highest {
            let step = index - self.highest;
            self.seen = if step >= WINDOW { 0 } else { self.seen << step };
            self.seen |= 1;
            self.highest = index;
        } else if self.highest - index < WINDOW {
            self.seen |= 1 << (self.highest - index);
        }
    }

    /// The index that `seq` most likely means: the one nearest to the highest authenticated
    /// (RFC 3711 section 3.3.1 and appendix A). `None` when the 48-bit counter would pass its end.
    #[inline]
    pub(super) fn estimate(&self, seq: u16) -> Option<u64> {
        let roc = self.highest >> 16;
        let newest = self.highest as u16;
        let roc = if newest < 0x8000 {
            // Only a packet from before the first wrap has no lower counter to belong to.
            if i32::from(seq) - i32::from(newest) > 0x8000 && roc > 0 { roc - 1 } else { roc }
        } else if i32::from(newest) - 0x8000 > i32::from(seq) {
            roc + 1
        } else {
            roc
        };
        (roc <= u64::from(u32::MAX)).then_some(roc << 16 | u64::from(seq))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counter_follows_the_sequence_number_over_its_wrap() {
        let mut window = ReplayWindow::starting_at(65_534);
        assert_eq!(window.estimate(65_535), Some(65_535));
        assert_eq!(window.estimate(0), Some(65_536));
        assert_eq!(window.estimate(3), Some(65_539));
        window.accept(65_536);
        assert_eq!(window.estimate(65_535), Some(65_535), "late packet of the old round");
        assert_eq!(window.estimate(1), Some(65_537));
    }

    #[test]
    fn first_round_has_none_before_it() {
        let window = ReplayWindow::starting_at(10);
        assert_eq!(window.estimate(65_000), Some(65_000));
    }

    #[test]
    fn counter_ends_at_48_bits() {
        let window = ReplayWindow::starting_at((1 << 48) - 1);
        assert_eq!(window.estimate(0), None);
        assert_eq!(window.estimate(65_534), Some((1 << 48) - 2));
    }

    #[test]
    fn a_big_step_clears_the_window() {
        let mut window = ReplayWindow::starting_at(5);
        window.accept(5 + WINDOW);
        assert_eq!(window.check(5), Err(SrtpError::Replayed), "too old");
        assert_eq!(window.check(6), Ok(()));
    }

    proptest! {
        /// Against a set of all accepted indices: nothing is accepted twice, nothing new within
        /// the window is refused.
        #[test]
        fn window_equals_a_set(steps in prop::collection::vec(-200i64..200, 1..400)) {
            let mut seen = HashSet::from([1_000u64]);
            let mut highest = 1_000u64;
            let mut window = ReplayWindow::starting_at(1_000);
            for step in steps {
                let index = highest.saturating_add_signed(step);
                let fresh = !seen.contains(&index) && index + WINDOW > highest;
                prop_assert_eq!(window.check(index).is_ok(), fresh);
                if fresh {
                    window.accept(index);
                    seen.insert(index);
                    highest = highest.max(index);
                }
            }
        }

        /// Any packet less than half a round from the newest is placed right.
        #[test]
        fn nearest_index_is_estimated(highest in 40_000u64..1 << 40, offset in -32_000i64..32_000) {
            let index = highest.saturating_add_signed(offset);
            prop_assert_eq!(ReplayWindow::starting_at(highest).estimate(index as u16), Some(index));
        }
    }
}
