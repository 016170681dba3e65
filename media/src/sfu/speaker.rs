//! The dominant speaker of a room, after Volfin and Cohen, "Dominant speaker identification for
//! multipoint videoconferencing" (2012), from audio levels (RFC 6464).
//!
//! Speech activity is looked at over three times at once: the present 20 ms, the last 100 ms and
//! the last second. Each is a count of active parts out of all parts; its score is the logarithm of
//! the likelihood ratio between "speaks" (active parts are exponentially distributed towards many)
//! and "does not" (binomial). Somebody becomes dominant who beats the present speaker at all three
//! and has spoken for about half a second. A cough is long in none of the times, a pause between
//! words is short in the longest; in silence the last speaker stays.

use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(20);
/// Loudness steps of one tick, of about 10 dB.
const STEPS: u8 = 12;
const STEP: u8 = 10;
/// Ticks in the medium time, and medium times in the long one.
const MEDIUM: usize = 5;
const LONG: usize = 10;
const HISTORY: usize = MEDIUM * LONG;
/// A tick is active above this step, a medium time with more active ticks than this.
const ACTIVE_STEP: u8 = 5;
const ACTIVE_TICKS: u8 = 3;
/// Medium times in which a new speaker must have been active.
const SUSTAINED: u8 = 4;
/// Differences of scores by which the present speaker must be beaten.
const BEATS: [f32; 3] = [3.0, 2.0, 0.0];
/// Rates of the exponential distributions of the three times.
const RATES: [f32; 3] = [0.78, 24.0, 47.0];
const DECISION: Duration = Duration::from_millis(200);
/// A packet speaks for the time since the last one, up to this (60 ms frames).
const LONGEST_FRAME: u64 = 3;

struct Voice<K> {
    key: K,
    /// Steps by tick, modulo the length.
    steps: [u8; HISTORY],
    /// Newest tick written.
    tick: u64,
}

impl<K> Voice<K> {
    /// Makes `tick` the newest; ticks without a packet are silent.
    fn advance(&mut self, tick: u64) {
        let silent = tick.saturating_sub(self.tick).min(HISTORY as u64);
        for at in 0..silent {
            self.steps[((tick - at) % HISTORY as u64) as usize] = 0;
        }
        self.tick = self.tick.max(tick);
    }

    /// Active parts in the short, medium and long time.
    fn activity(&self, tick: u64) -> [u8; 3] {
        // Silent since its last packet.
        let newest = |back: usize| {
            let at = tick.checked_sub(back as u64)?;
            let known = at <= self.tick && at + HISTORY as u64 > self.tick;
            known.then(|| self.steps[(at % HISTORY as u64) as usize])
        };
        let step = |back: usize| newest(back).unwrap_or(0);
        let ticks = |part: usize| {
            let parts = part * MEDIUM..(part + 1) * MEDIUM;
            parts.filter(|back| step(*back) > ACTIVE_STEP).count() as u8
        };
        let long = (0..LONG).filter(|part| ticks(*part) > ACTIVE_TICKS).count() as u8;
        // A short breath, or a packet that is late, is not the end.
        let short = (0..MEDIUM).map(step).max().unwrap_or(0);
        [short, ticks(0), long]
    }
}

fn ln_choose(n: u8, k: u8) -> f32 {
    (1..=k).map(|i| (f32::from(n - k + i) / f32::from(i)).ln()).sum()
}

/// Logarithm of the score of `active` parts out of `parts`.
fn score(active: u8, parts: u8, rate: f32) -> f32 {
    let (k, n) = (f32::from(active), f32::from(parts));
    let ratio = ln_choose(parts, active) + n * 0.5f32.ln() - rate.ln() + rate * k;
    ratio.max(1e-10).ln()
}

fn scores(activity: [u8; 3]) -> [f32; 3] {
    let parts = [STEPS, MEDIUM as u8, LONG as u8];
    std::array::from_fn(|time| score(activity[time].min(parts[time]), parts[time], RATES[time]))
}

pub struct Speaker<K> {
    voices: Vec<Voice<K>>,
    current: Option<K>,
    origin: Option<Instant>,
    decided: Option<Instant>,
}

impl<K> Default for Speaker<K> {
    fn default() -> Speaker<K> {
        Speaker { voices: Vec::new(), current: None, origin: None, decided: None }
    }
}

impl<K: Copy + PartialEq> Speaker<K> {
    pub fn current(&self) -> Option<K> {
        self.current
    }

    /// Takes the level of one packet (0 loudest, 127 silent). `speech`: it is not only noise.
    /// True when the speaker changed.
    pub fn heard(&mut self, now: Instant, key: K, level: u8, speech: bool) -> bool {
        let origin = *self.origin.get_or_insert(now);
        // From one history up, so that there is a past to look at.
        let elapsed = now.saturating_duration_since(origin).as_micros() / TICK.as_micros();
        let tick = elapsed as u64 + HISTORY as u64;
        let at = match self.voices.iter().position(|voice| voice.key == key) {
            Some(at) => at,
            None => {
                self.voices.push(Voice { key, steps: [0; HISTORY], tick: tick - 1 });
                self.voices.len() - 1
            }
        };
        let step = if speech { ((127 - level.min(127)) / STEP).min(STEPS) } else { 0 };
        let voice = &mut self.voices[at];
        let frame = tick.saturating_sub(voice.tick);
        let covered = if frame <= LONGEST_FRAME { frame.max(1) } else { 1 };
        voice.advance(tick);
        for back in 0..covered {
            let place = &mut voice.steps[((tick - back) % HISTORY as u64) as usize];
            *place = (*place).max(step);
        }
        let due = self.decided.is_none_or(|at| now.saturating_duration_since(at) >= DECISION);
        due && self.decide(now, tick)
    }

    fn decide(&mut self, now: Instant, tick: u64) -> bool {
        self.decided = Some(now);
        let of = |key: K| self.voices.iter().find(|voice| voice.key == key);
        let present = self.current.and_then(of).map_or([0; 3], |voice| voice.activity(tick));
        let present = scores(present);
        let mut best: Option<(f32, K)> = None;
        for voice in &self.voices {
            if self.current == Some(voice.key) {
                continue;
            }
            let activity = voice.activity(tick);
            if activity[2] < SUSTAINED {
                continue;
            }
            let mine = scores(activity);
            let beats = (0..3).all(|time| mine[time] - present[time] > BEATS[time]);
            let margin = mine[1] - present[1];
            if beats && best.is_none_or(|(other, _)| margin > other) {
                best = Some((margin, voice.key));
            }
        }
        if let Some((_, key)) = best {
            self.current = Some(key);
        }
        best.is_some()
    }

    /// Forgets a voice. True when it was the speaker.
    pub fn remove(&mut self, key: K) -> bool {
        self.voices.retain(|voice| voice.key != key);
        let was = self.current == Some(key);
        if was {
            self.current = None;
        }
        was
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Room {
        t0: Instant,
        at: u64,
        speaker: Speaker<char>,
        /// (when, who became the speaker)
        changes: Vec<(u64, char)>,
    }

    impl Room {
        fn new() -> Room {
            let t0 = crate::testing::origin();
            Room { t0, at: 0, speaker: Speaker::default(), changes: Vec::new() }
        }

        /// Feeds all voices every `frame` ms; below −60 dBov is no speech.
        fn run(&mut self, duration: u64, frame: u64, mut level: impl FnMut(u64, char) -> u8) {
            let until = self.at + duration;
            while self.at < until {
                let now = self.t0 + Duration::from_millis(self.at);
                for key in ['a', 'b', 'c'] {
                    let level = level(self.at, key);
                    if self.speaker.heard(now, key, level, level < 60) {
                        self.changes.push((self.at, self.speaker.current().unwrap()));
                    }
                }
                self.at += frame;
            }
        }
    }

    fn only(who: char) -> impl Fn(u64, char) -> u8 {
        move |_, key| if key == who { 20 } else { 90 }
    }

    #[test]
    fn who_speaks_on_takes_over_within_a_second_and_silence_keeps_the_last() {
        for frame in [10, 20, 60] {
            let mut room = Room::new();
            room.run(300, frame, only('a'));
            assert_eq!(room.speaker.current(), None, "too short to tell");
            room.run(700, frame, only('a'));
            assert_eq!(room.speaker.current(), Some('a'), "frames of {frame} ms");
            room.run(3_000, frame, only('-'));
            assert_eq!(room.speaker.current(), Some('a'), "silence");
            room.run(300, frame, only('b'));
            room.run(2_000, frame, only('-'));
            assert_eq!(room.speaker.current(), Some('a'), "a cough");
            let from = room.at;
            room.run(1_500, frame, only('b'));
            assert_eq!(room.speaker.current(), Some('b'));
            assert!(room.changes.last().unwrap().0 - from <= 1_000);
        }
    }

    #[test]
    fn two_who_talk_at_once_do_not_flutter() {
        let mut room = Room::new();
        room.run(2_000, 20, only('a'));
        // 'b' interrupts, somewhat louder, both with gaps between words.
        room.run(10_000, 20, |at, key| match key {
            'a' if at / 100 % 6 != 0 => 24,
            'b' if at / 100 % 7 != 0 => 18,
            _ => 90,
        });
        assert!(room.changes.len() <= 3, "{:?}", room.changes);
        room.run(3_000, 20, only('b'));
        assert_eq!(room.speaker.current(), Some('b'), "'a' gave in");
    }

    #[test]
    fn a_conversation_is_followed() {
        let mut room = Room::new();
        let turns = ['a', 'b', 'c', 'a', 'c', 'b'];
        for who in turns {
            room.run(4_000, 20, |at, key| if key == who && at % 700 < 550 { 25 } else { 85 });
            assert_eq!(room.speaker.current(), Some(who));
        }
        assert_eq!(room.changes.len(), turns.len());
    }

    #[test]
    fn one_whose_packets_cease_is_silent() {
        let mut room = Room::new();
        room.run(2_000, 20, only('a'));
        let t0 = room.t0;
        for at in (2_000..4_000).step_by(20) {
            room.speaker.heard(t0 + Duration::from_millis(at), 'b', 25, true);
        }
        assert_eq!(room.speaker.current(), Some('b'));
        assert!(room.speaker.remove('b') && room.speaker.current().is_none());
    }
}
