//! One microphone by its audio levels (RFC 6464): does it speak, how loud, since when.
//!
//! What counts as speech is relative to the microphone's own noise: a fan or an open window raises
//! its floor within seconds and is no voice, a soft voice in a quiet room is one.

use std::time::{Duration, Instant};

/// Loudness is 127 − level: 127 is full scale, 0 silence. Below −60 dBov nobody speaks.
const SPEECH: f32 = 67.0;
/// Speech stands out from the noise by so many dB.
const ABOVE_NOISE: f32 = 9.0;
/// The floor lies between these: digital silence is no measure, nor is an orchestra noise.
const QUIETEST: f32 = 45.0;
const NOISIEST: f32 = 85.0;
/// How fast the floor rises to what is there all the time, in dB a second.
const RISE: f32 = 1.5;
/// A pause longer than this begins a new word.
const PAUSE: Duration = Duration::from_millis(300);
/// Taken for packets without the extension: as loud as somebody who speaks.
const UNMEASURED: u8 = 40;
/// Opus packets up to this size are silence (RFC 7587 §3.1.3).
const DTX_LEN: usize = 3;

/// The level of a packet that carries none.
pub fn assumed_level(payload_len: usize) -> u8 {
    if payload_len <= DTX_LEN { 127 } else { UNMEASURED }
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Voice {
    floor: Option<f32>,
    loudness: f32,
    heard: Option<Instant>,
    /// Last packet of speech.
    pub spoke: Option<Instant>,
    /// First packet of the present word or sentence.
    pub onset: Option<Instant>,
    /// Who chairs or shares goes before others.
    pub priority: bool,
}

impl Voice {
    /// Takes the level of one packet (0 loudest, 127 silent); true when it is speech.
    #[inline]
    pub fn heard(&mut self, now: Instant, level: u8, measured: bool) -> bool {
        let loudness = 127.0 - f32::from(level.min(127));
        let since = self.heard.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let floor = self.floor.unwrap_or_else(|| loudness.min(SPEECH));
        let floor = match loudness < floor {
            true => floor + (loudness - floor) * 0.3,
            false => (floor + RISE * since.as_secs_f32().min(1.0)).min(loudness),
        };
        let floor = floor.clamp(QUIETEST, NOISIEST);
        self.floor = Some(floor);
        self.heard = Some(now);
        let speaks = loudness >= SPEECH && (!measured || loudness >= floor + ABOVE_NOISE);
        if speaks {
            let paused = self.silence(now).is_none_or(|silence| silence > PAUSE);
            if paused {
                self.onset = Some(now);
            }
            let weight = if self.spoke.is_none() { 1.0 } else { 0.1 };
            self.loudness += (loudness - self.loudness) * weight;
            self.spoke = Some(now);
        }
        speaks
    }

    /// The microphone was switched off: what it said is over.
    pub fn muted(&mut self) {
        *self = Voice { floor: self.floor, priority: self.priority, ..Voice::default() };
    }

    /// Of its speech, smoothed over some words; pauses do not count.
    pub fn loudness(&self) -> f32 {
        self.loudness
    }

    /// How long it has been silent; None if it never spoke.
    pub fn silence(&self, now: Instant) -> Option<Duration> {
        Some(now.saturating_duration_since(self.spoke?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// Feeds levels every 20 ms; how many were speech.
    fn run(voice: &mut Voice, from: u64, levels: impl Iterator<Item = u8>) -> usize {
        let t0 = ORIGIN.with(|origin| *origin);
        levels
            .enumerate()
            .filter(|(at, level)| voice.heard(t0 + ms(from + 20 * *at as u64), *level, true))
            .count()
    }

    thread_local!(static ORIGIN: Instant = crate::testing::origin());

    #[test]
    fn a_steady_noise_is_no_voice_and_a_voice_above_it_is_one() {
        let mut fan = Voice::default();
        run(&mut fan, 0, (0..1_000).map(|_| 52));
        assert_eq!(run(&mut fan, 20_000, (0..500).map(|_| 52)), 0, "a fan");
        assert_eq!(run(&mut fan, 30_000, (0..50).map(|_| 35)), 50, "somebody beside it");
        let mut soft = Voice::default();
        run(&mut soft, 0, (0..100).map(|_| 80));
        assert_eq!(run(&mut soft, 2_000, std::iter::once(58)), 1, "its very first packet");
    }

    #[test]
    fn a_long_speech_stays_speech() {
        let mut voice = Voice::default();
        // Syllables with gaps between, for five minutes.
        let speech = (0..15_000).map(|at| if at % 15 < 12 { 22 } else { 65 });
        let spoken = run(&mut voice, 0, speech);
        assert!(spoken >= 11_900, "{spoken} of 12,000");
    }

    #[test]
    fn a_word_begins_after_a_pause() {
        let t0 = ORIGIN.with(|origin| *origin);
        let mut voice = Voice::default();
        run(&mut voice, 0, (0..10).map(|_| 20));
        assert_eq!(voice.onset, Some(t0));
        run(&mut voice, 200, (0..10).map(|_| 100));
        run(&mut voice, 400, (0..10).map(|_| 20));
        assert_eq!(voice.onset, Some(t0), "a gap between syllables");
        run(&mut voice, 600, (0..20).map(|_| 100));
        run(&mut voice, 1_000, (0..10).map(|_| 20));
        assert_eq!(voice.onset, Some(t0 + ms(1_000)));
        voice.muted();
        assert_eq!((voice.spoke, voice.onset), (None, None));
    }
}
