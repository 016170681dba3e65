//! The dominant speaker of a room, from the audio-level header extension (RFC 6464).
//!
//! Levels are smoothed; who is louder than the present speaker for half a second becomes the
//! speaker. In silence the last speaker stays.

use std::time::{Duration, Instant};

/// How long a new speaker must lead.
const LEAD: Duration = Duration::from_millis(500);
/// Loudness (127 − dBov level) below which somebody does not speak: −55 dBov.
const SPEECH: f32 = 72.0;
/// By how much a challenger must be louder.
const MARGIN: f32 = 3.0;
/// A voice that is not heard of for this long is silent.
const STALE: Duration = Duration::from_millis(300);

struct Voice<K> {
    key: K,
    loudness: f32,
    at: Instant,
}

pub struct Speaker<K> {
    voices: Vec<Voice<K>>,
    current: Option<K>,
    challenger: Option<(K, Instant)>,
}

impl<K> Default for Speaker<K> {
    fn default() -> Speaker<K> {
        Speaker { voices: Vec::new(), current: None, challenger: None }
    }
}

impl<K: Copy + PartialEq> Speaker<K> {
    pub fn current(&self) -> Option<K> {
        self.current
    }

    /// Takes the level of one packet (0 loudest, 127 silent). True when the speaker changed.
    pub fn heard(&mut self, now: Instant, key: K, level: u8) -> bool {
        let loudness = 127.0 - f32::from(level.min(127));
        let at = match self.voices.iter().position(|voice| voice.key == key) {
            Some(at) => at,
            None => {
                self.voices.push(Voice { key, loudness: 0.0, at: now });
                self.voices.len() - 1
            }
        };
        let voice = &mut self.voices[at];
        // Quick up, slow down: pauses between words do not end a speech.
        let weight = if loudness > voice.loudness { 0.25 } else { 0.05 };
        voice.loudness += (loudness - voice.loudness) * weight;
        voice.at = now;
        let (mine, current) = (voice.loudness, self.current);
        if current == Some(key) || mine < SPEECH {
            if self.challenger.is_some_and(|(other, _)| other == key) {
                self.challenger = None;
            }
            return false;
        }
        let leads = self.voices.iter().all(|other| {
            other.key == key
                || now.saturating_duration_since(other.at) > STALE
                || mine > other.loudness + if current == Some(other.key) { MARGIN } else { 0.0 }
        });
        match self.challenger {
            Some((other, since)) if other == key => {
                if !leads {
                    self.challenger = None;
                } else if now.saturating_duration_since(since) >= LEAD {
                    self.challenger = None;
                    self.current = Some(key);
                    return true;
                }
            }
            _ if leads => self.challenger = Some((key, now)),
            _ => {}
        }
        false
    }

    /// Forgets a voice. True when it was the speaker.
    pub fn remove(&mut self, key: K) -> bool {
        self.voices.retain(|voice| voice.key != key);
        if self.challenger.is_some_and(|(other, _)| other == key) {
            self.challenger = None;
        }
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

    /// Feeds both voices every 20 ms; returns the speaker after `ms`.
    fn run(speaker: &mut Speaker<char>, from: u64, ms: u64, a: u8, b: u8) -> Option<char> {
        let t0 = ORIGIN.with(|origin| *origin);
        for at in (from..from + ms).step_by(20) {
            let now = t0 + Duration::from_millis(at);
            speaker.heard(now, 'a', a);
            speaker.heard(now, 'b', b);
        }
        speaker.current()
    }

    thread_local!(static ORIGIN: Instant = crate::testing::origin());

    #[test]
    fn the_louder_takes_over_after_half_a_second_and_silence_keeps_the_last() {
        let mut speaker = Speaker::default();
        assert_eq!(run(&mut speaker, 0, 400, 20, 127), None);
        assert_eq!(run(&mut speaker, 400, 400, 20, 127), Some('a'));
        assert_eq!(run(&mut speaker, 800, 3_000, 127, 127), Some('a'), "silence");
        assert_eq!(run(&mut speaker, 3_800, 300, 127, 10), Some('a'), "a cough");
        assert_eq!(run(&mut speaker, 4_100, 2_000, 127, 127), Some('a'));
        assert_eq!(run(&mut speaker, 6_100, 1_500, 127, 20), Some('b'));
        assert!(speaker.remove('b') && speaker.current().is_none());
    }
}
