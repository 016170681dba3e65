//! 发言: who spoke when, for the minutes.
//!
//! The shard names the loudest voice whenever it changes, also for a cough. A turn is what is
//! left after two thresholds: a voice that is loudest for less than [`HOLD_US`] interrupts nobody,
//! and silence (nobody is loudest) of less than that is a breath. So at most one event in
//! [`HOLD_US`] is written, whatever the shard says.

use super::effect::Now;
use super::state::RoomState;
use crate::domain::PersonId;
use crate::journal::{Actor, Event as JournalEvent};

/// Shorter is an interjection or a breath: 3 s.
pub const HOLD_US: i64 = 3_000_000;

/// Whose turn it is, and who has been loudest since.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns {
    /// Person, beginning, and since when somebody else or nobody has been louder.
    turn: Option<(PersonId, i64, Option<i64>)>,
    /// The loudest now, since when; differs from the turn until it has held.
    voice: (Option<PersonId>, i64),
}

/// A finished turn.
pub(super) type Turn = (PersonId, i64, i64);

impl Turns {
    /// The loudest voice changed.
    pub fn heard(&mut self, voice: Option<PersonId>, mono_us: i64) -> Option<Turn> {
        let done = self.settle(mono_us);
        if self.voice.0 != voice {
            if let Some((person, _, until)) = &mut self.turn {
                if Some(*person) == voice {
                    *until = None;
                } else if Some(*person) == self.voice.0 {
                    *until = Some(mono_us);
                }
            }
            self.voice = (voice, mono_us);
        }
        done
    }

    /// Time went on.
    pub fn settle(&mut self, mono_us: i64) -> Option<Turn> {
        let (voice, since) = self.voice;
        if self.turn.map(|(person, ..)| person) == voice || mono_us - since < HOLD_US {
            return None;
        }
        let before = self.turn.take();
        self.turn = voice.map(|person| (person, since, None));
        before.and_then(|(person, from, until)| long(person, from, until.unwrap_or(since)))
    }

    /// 休会, 散会, or the room is left alone: whoever speaks has spoken.
    pub fn end(&mut self, mono_us: i64) -> Vec<Turn> {
        let mut out: Vec<Turn> = self.settle(mono_us).into_iter().collect();
        let last = self.turn.take();
        out.extend(last.and_then(|(who, from, until)| long(who, from, until.unwrap_or(mono_us))));
        self.voice = (None, mono_us);
        out
    }
}

fn long(person: PersonId, from: i64, to: i64) -> Option<Turn> {
    (to - from >= HOLD_US).then_some((person, from, to))
}

impl RoomState {
    pub(super) fn voice_heard(&mut self, voice: Option<PersonId>, now: Now) {
        let done = self.turns.heard(voice, now.mono_us);
        self.spoken(done, now);
    }

    /// Called with every change and at least with every checkpoint.
    pub(super) fn settle_turns(&mut self, now: Now) {
        let done = self.turns.settle(now.mono_us);
        self.spoken(done, now);
    }

    pub(super) fn end_turns(&mut self, now: Now) {
        let done = self.turns.end(now.mono_us);
        self.spoken(done, now);
    }

    fn spoken(&mut self, turns: impl IntoIterator<Item = Turn>, now: Now) {
        // What is said before 宣布开会 is not part of the meeting.
        let Some(from) = self.declared_open_mono_us else { return };
        for (person, from_mono_us, to_mono_us) in turns {
            let from_mono_us = from_mono_us.max(from);
            if to_mono_us > from_mono_us {
                let spoke = JournalEvent::Spoke { person, from_mono_us, to_mono_us };
                self.journal(Actor::System, spoke, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const S: i64 = 1_000_000;

    fn who(n: u128) -> PersonId {
        Uuid::from_u128(n).into()
    }

    /// Voices at seconds, then the end.
    fn turns(voices: &[(i64, u128)], end: i64) -> Vec<(u128, i64, i64)> {
        let mut turns = Turns::default();
        let mut out = Vec::new();
        for (at, n) in voices {
            out.extend(turns.heard((*n > 0).then(|| who(*n)), at * S));
        }
        out.extend(turns.end(end * S));
        let n = |person: PersonId| person.as_uuid().as_u128();
        out.into_iter().map(|(p, from, to)| (n(p), from / S, to / S)).collect()
    }

    #[test]
    fn a_cough_ends_nobodys_turn_and_is_none() {
        assert_eq!(turns(&[(0, 1), (10, 2), (12, 1), (20, 2)], 30), [(1, 0, 20), (2, 20, 30)]);
    }

    #[test]
    fn a_breath_is_no_end_and_a_silence_is() {
        assert_eq!(
            turns(&[(0, 1), (5, 0), (7, 1), (10, 0), (15, 1)], 20),
            [(1, 0, 10), (1, 15, 20)]
        );
    }

    #[test]
    fn short_words_leave_no_turn() {
        assert_eq!(turns(&[(0, 1), (2, 0)], 30), []);
        assert_eq!(turns(&[(0, 1), (4, 2), (6, 0)], 30), [(1, 0, 4)]);
    }

    proptest! {
        #[test]
        fn turns_follow_each_other_and_are_bounded(
            voices in prop::collection::vec((0..5_000_000_i64, 0..4_u128), 0..60)
        ) {
            let (mut turns, mut now, mut out) = (Turns::default(), 0, Vec::new());
            for (later, n) in voices {
                now += later;
                out.extend(turns.heard((n > 0).then(|| who(n)), now));
            }
            out.extend(turns.end(now));
            prop_assert!(out.iter().all(|(_, from, to)| to - from >= HOLD_US && *to <= now));
            prop_assert!(out.windows(2).all(|w| w[0].2 <= w[1].1));
            prop_assert!(out.len() as i64 <= now / HOLD_US + 1);
        }
    }
}
