//! Who speaks, from how loud each voice is. Pure.

use std::collections::{BTreeMap, VecDeque};

/// Loudness is judged in blocks of this length.
pub const BLOCK_US: i64 = 100_000;
/// About −46 dBFS: quieter is silence.
const SILENCE: f32 = 2.5e-5;
/// A voice must lead for this many blocks; fewer when the last speaker is silent.
const LEAD_BLOCKS: u32 = 5;
const LEAD_BLOCKS_SILENT: u32 = 3;
/// No change sooner after the last.
const HOLD_US: i64 = 1_000_000;

/// Told the loudness ahead of the picture, it dates each change back to where the voice began.
#[derive(Debug, Default)]
pub struct SpeakerPicker {
    levels: BTreeMap<u128, f32>,
    current: Option<u128>,
    challenger: Option<(u128, u32)>,
    changed_us: Option<i64>,
    /// Decided and not yet asked for: (from, who).
    ahead: VecDeque<(i64, u128)>,
    shown: Option<u128>,
}

impl SpeakerPicker {
    /// The block that begins at `at_us`: mean square (full scale 1) of each voice heard in it.
    pub fn block(&mut self, at_us: i64, energies: &[(u128, f32)]) {
        for level in self.levels.values_mut() {
            *level *= 0.6;
        }
        for &(owner, energy) in energies {
            *self.levels.entry(owner).or_default() += 0.4 * energy;
        }
        self.levels.retain(|_, level| *level > 1e-9);
        let loudest = self.levels.iter().max_by(|a, b| a.1.total_cmp(b.1));
        let Some((&owner, _)) = loudest.filter(|(_, level)| **level > SILENCE) else {
            self.challenger = None;
            return;
        };
        if self.current == Some(owner) {
            self.challenger = None;
            return;
        }
        let blocks = match self.challenger {
            Some((who, n)) if who == owner => n + 1,
            _ => 1,
        };
        self.challenger = Some((owner, blocks));
        let current = self.current.and_then(|c| self.levels.get(&c)).copied().unwrap_or(0.0);
        let needed = if current > SILENCE { LEAD_BLOCKS } else { LEAD_BLOCKS_SILENT };
        let free_us = self.changed_us.map_or(i64::MIN, |at| at + HOLD_US);
        if blocks >= needed && at_us >= free_us {
            let from_us = (at_us - i64::from(blocks - 1) * BLOCK_US).max(free_us);
            self.ahead.push_back((from_us, owner));
            self.changed_us = Some(from_us);
            self.current = Some(owner);
            self.challenger = None;
        }
    }

    /// Who speaks at `at_us`, or spoke last; to be asked in order of time.
    pub fn at(&mut self, at_us: i64) -> Option<u128> {
        while let Some((_, owner)) = self.ahead.pop_front_if(|(from_us, _)| *from_us <= at_us) {
            self.shown = Some(owner);
        }
        self.shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(energies: impl Fn(i64) -> Vec<(u128, f32)>, blocks: i64) -> Vec<Option<u128>> {
        let mut picker = SpeakerPicker::default();
        for n in 0..blocks {
            picker.block(n * BLOCK_US, &energies(n));
        }
        (0..blocks).map(|n| picker.at(n * BLOCK_US)).collect()
    }

    #[test]
    fn a_change_is_dated_back_to_where_the_voice_began() {
        let shown =
            timeline(|n| if n < 20 { vec![(1, 0.1)] } else { vec![(1, 0.0), (2, 0.1)] }, 40);
        assert_eq!(shown[0], Some(1));
        assert_eq!(shown[19], Some(1));
        assert!(shown[24] == Some(2), "{shown:?}");
    }

    #[test]
    fn a_cough_changes_nothing_and_two_at_once_do_not_flicker() {
        let cough = timeline(|n| vec![(1, 0.05), (2, if n % 20 == 10 { 0.08 } else { 0.0 })], 60);
        assert!(cough.iter().all(|s| *s == Some(1)));
        let both = timeline(|n| vec![(1, 0.05), (2, 0.05 + 0.01 * ((n % 7) as f32 - 3.0))], 200);
        let changes = both.windows(2).filter(|w| w[0] != w[1]).count();
        assert!(changes <= 20, "{changes}");
    }

    #[test]
    fn silence_keeps_the_last_speaker_and_nobody_means_none() {
        let shown = timeline(|n| if n < 10 { vec![(7, 0.1)] } else { vec![(8, 1e-6)] }, 50);
        assert!(shown.iter().all(|s| *s == Some(7)));
        assert!(timeline(|_| vec![], 5).iter().all(Option::is_none));
    }
}
