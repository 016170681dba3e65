//! Which voices a large room hears: the loudest few, without cutting anybody short.
//!
//! Up to [`Selection::limit`] voices are chosen. Whoever speaks first after a pause is chosen with
//! the very packet in which speech is found, in the place of the one that has been silent longest.
//! A chosen voice that spoke within [`HOLD`] keeps its place, so that no pause between words costs
//! it the next one. Only when all places are held by people who talk at the same time must a
//! newcomer be clearly louder, for [`CONTEST`], and wait for a breath of the quietest. Silence
//! changes nothing: the last few stay chosen.

use std::time::{Duration, Instant};

use super::voice::Voice;

/// Who spoke within this time keeps the place.
pub const HOLD: Duration = Duration::from_secs(2);
/// A place changes hands at most this often.
pub const DWELL: Duration = Duration::from_secs(1);
/// How long a newcomer must have spoken to displace one who speaks.
const CONTEST: Duration = Duration::from_millis(400);
/// By how much it must be louder, in dB.
const MARGIN: f32 = 6.0;
/// Silence that counts as the end of a word.
const BREATH: Duration = Duration::from_millis(120);
/// After this, a newcomer does not wait for a breath.
const LONG_CONTEST: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy)]
struct Chosen<K> {
    key: K,
    since: Instant,
    voice: Voice,
}

pub struct Selection<K> {
    limit: usize,
    chosen: Vec<Chosen<K>>,
}

/// A voice comes in, perhaps in the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swap<K> {
    pub comes: K,
    pub goes: Option<K>,
}

impl<K: Copy + PartialEq> Selection<K> {
    pub fn new(limit: usize) -> Selection<K> {
        Selection { limit, chosen: Vec::with_capacity(limit) }
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    pub fn chosen(&self) -> impl Iterator<Item = K> + '_ {
        self.chosen.iter().map(|chosen| chosen.key)
    }

    pub fn contains(&self, key: K) -> bool {
        self.chosen.iter().any(|chosen| chosen.key == key)
    }

    /// Takes what is known of a chosen voice.
    #[inline]
    pub fn update(&mut self, key: K, voice: &Voice) {
        if let Some(chosen) = self.chosen.iter_mut().find(|chosen| chosen.key == key) {
            chosen.voice = *voice;
        }
    }

    /// Somebody who is not chosen speaks now. `kept` is never displaced (the dominant speaker).
    pub fn speaks(
        &mut self,
        now: Instant,
        key: K,
        voice: &Voice,
        kept: Option<K>,
    ) -> Option<Swap<K>> {
        if self.limit == 0 || self.contains(key) {
            return None;
        }
        let place = Chosen { key, since: now, voice: *voice };
        if self.chosen.len() < self.limit {
            self.chosen.push(place);
            return Some(Swap { comes: key, goes: None });
        }
        let at = self.gives_way(now, voice, kept)?;
        let goes = std::mem::replace(&mut self.chosen[at], place).key;
        Some(Swap { comes: key, goes: Some(goes) })
    }

    fn gives_way(&self, now: Instant, voice: &Voice, kept: Option<K>) -> Option<usize> {
        let places = || {
            let open = self.chosen.iter().enumerate().filter(|(_, chosen)| {
                kept != Some(chosen.key) && now.saturating_duration_since(chosen.since) >= DWELL
            });
            open.map(|(at, chosen)| (at, chosen.voice))
        };
        // The one that has been silent longest, those without priority first.
        let silent = places().filter(|(_, voice)| voice.silence(now).is_none_or(|s| s > HOLD));
        let longest = silent.min_by_key(|(_, voice)| (voice.priority, voice.spoke));
        if let Some((at, _)) = longest {
            return Some(at);
        }
        let rivals = places().filter(|(_, rival)| !rival.priority);
        let (at, quietest) =
            rivals.min_by(|(_, a), (_, b)| a.loudness().total_cmp(&b.loudness()))?;
        let spoken = voice.onset.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let breath = quietest.silence(now).is_none_or(|silence| silence >= BREATH);
        let louder = voice.loudness() >= quietest.loudness() + MARGIN;
        let wins =
            voice.priority || (louder && spoken >= CONTEST && (breath || spoken >= LONG_CONTEST));
        wins.then_some(at)
    }

    /// Puts voices in at once, as far as there is room: when a room becomes large.
    pub fn fill(&mut self, now: Instant, voices: impl Iterator<Item = (K, Voice)>) {
        for (key, voice) in voices {
            if self.chosen.len() >= self.limit {
                return;
            }
            if !self.contains(key) {
                self.chosen.push(Chosen { key, since: now, voice });
            }
        }
    }

    pub fn remove(&mut self, key: K) {
        self.chosen.retain(|chosen| chosen.key != key);
    }

    pub fn clear(&mut self) {
        self.chosen.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// A room of microphones that all send a packet each 20 ms.
    struct Microphones {
        t0: Instant,
        at: u64,
        voices: Vec<Voice>,
        selection: Selection<usize>,
        swaps: Vec<(u64, Swap<usize>)>,
    }

    impl Microphones {
        fn new(count: usize, limit: usize) -> Microphones {
            let t0 = crate::testing::origin();
            let mut room = Microphones {
                t0,
                at: 0,
                voices: vec![Voice::default(); count],
                selection: Selection::new(limit),
                swaps: Vec::new(),
            };
            room.run(1_000, |_, _| 85);
            room
        }

        fn run(&mut self, duration: u64, mut level: impl FnMut(u64, usize) -> u8) {
            let until = self.at + duration;
            while self.at < until {
                let now = self.t0 + ms(self.at);
                for index in 0..self.voices.len() {
                    let voice = &mut self.voices[index];
                    let speaks = voice.heard(now, level(self.at, index), true);
                    if self.selection.contains(index) {
                        self.selection.update(index, voice);
                    } else if speaks
                        && let Some(swap) = self.selection.speaks(now, index, voice, None)
                    {
                        self.swaps.push((self.at, swap));
                    }
                }
                self.at += 20;
            }
        }
    }

    #[test]
    fn a_new_voice_is_chosen_with_its_first_packet() {
        let mut room = Microphones::new(500, 5);
        for speaker in [7, 400, 33, 250, 8, 99, 450] {
            let from = room.at;
            room.run(2_500, |_, index| if index == speaker { 25 } else { 85 });
            let (at, swap) = *room.swaps.last().unwrap();
            assert_eq!((at, swap.comes), (from, speaker));
            assert!(room.selection.contains(speaker));
        }
        assert_eq!(room.swaps.len(), 7);
        assert_eq!(room.swaps[5].1.goes, Some(7), "silent longest");
    }

    #[test]
    fn pauses_between_words_cost_nobody_the_place() {
        let mut room = Microphones::new(40, 3);
        let talks = |at: u64, index: usize| match index {
            // Three in a conversation, a second of words each with pauses up to 1.8 s.
            0..3 => (at + index as u64 * 900) % 2_800 < 1_000,
            // Others cough for a moment.
            10..30 => at % 5_000 == index as u64 * 60,
            _ => false,
        };
        room.run(60_000, |at, index| if talks(at, index) { 25 } else { 85 });
        let during: Vec<_> = room.swaps.iter().filter(|(at, _)| *at > 5_000).collect();
        assert!(during.is_empty(), "{during:?}");
    }

    #[test]
    fn a_crowd_does_not_flutter_and_the_clearly_louder_gets_through() {
        let mut room = Microphones::new(100, 5);
        // Everybody talks at the same time, about as loud as the others.
        let level = |at: u64, index: usize| {
            if (at / 100 + index as u64 * 7).is_multiple_of(9) {
                80
            } else {
                28 + (index % 4) as u8
            }
        };
        room.run(20_000, level);
        let flutter = room.swaps.iter().filter(|(at, _)| *at > 3_000).count();
        assert_eq!(flutter, 0);
        let from = room.at;
        room.run(3_000, |at, index| if index == 70 { 12 } else { level(at, index) });
        let (at, _) = *room.swaps.iter().find(|(_, swap)| swap.comes == 70).expect("heard");
        assert!(at - from <= 800, "after {} ms", at - from);
    }

    #[test]
    fn the_chair_needs_no_contest_and_is_not_displaced() {
        let mut room = Microphones::new(40, 3);
        room.voices[20].priority = true;
        let crowd = |index: usize| if index < 10 { 15 } else { 85 };
        room.run(5_000, |_, index| crowd(index));
        assert!(!room.selection.contains(20));
        let from = room.at;
        room.run(1_000, |_, index| if index == 20 { 30 } else { crowd(index) });
        let (at, _) = *room.swaps.iter().find(|(_, swap)| swap.comes == 20).expect("heard");
        assert_eq!(at, from, "with the first packet, though softer than all others");
        room.run(20_000, |_, index| if index == 20 { 30 } else { crowd(index) });
        assert!(room.selection.contains(20));
    }

    proptest! {
        #[test]
        fn places_are_bounded_and_change_hands_slowly(
            limit in 1usize..6,
            levels in proptest::collection::vec(proptest::collection::vec(5u8..127, 12), 10..150),
        ) {
            let mut room = Microphones::new(12, limit);
            for packet in &levels {
                room.run(20 * 8, |_, index| packet[index]);
            }
            let spent = room.at;
            let mut held = std::collections::HashMap::new();
            let mut inside = std::collections::HashSet::new();
            for (at, swap) in &room.swaps {
                prop_assert!(inside.insert(swap.comes), "twice");
                if let Some(goes) = swap.goes {
                    prop_assert!(inside.remove(&goes));
                    prop_assert!(at - held[&goes] >= 1_000);
                }
                held.insert(swap.comes, *at);
                prop_assert!(inside.len() <= limit);
            }
            prop_assert!(room.swaps.len() as u64 <= limit as u64 * (2 + spent / 1_000));
            let chosen: std::collections::HashSet<usize> = room.selection.chosen().collect();
            prop_assert_eq!(chosen, inside);
        }
    }
}
