//! The sound: every voice decoded, put where its time stamps say, added up and limited.

use crate::error::{Doing, WorkerError};
use crate::speaker::BLOCK_US;
use crate::tracks::TrackFile;
use ffmpeg::format::sample::Type as Layout;
use ffmpeg::format::{self, Sample};
use ffmpeg_next as ffmpeg;
use media::api::Source;
use std::collections::VecDeque;
use std::path::PathBuf;

pub const RATE: i64 = 48_000;
/// Samples of one block at a time.
pub const BLOCK: usize = (RATE * BLOCK_US / 1_000_000) as usize;

/// Clocks creep: a voice this far from its place (in samples) is moved in a quiet moment, and one
/// further off at once.
const CREEP: i64 = 240;
const OFF: i64 = 1_920;
const QUIET: f32 = 0.01;
/// Place of a queue that never held anything.
const NOWHERE: i64 = i64::MIN / 4;
/// Before the official start, so that the decoder has settled when it counts.
const PREROLL_US: i64 = 200_000;

/// Sample index of a session time, counted from `origin_us`.
pub fn sample_at(us: i64, origin_us: i64) -> i64 {
    ((us - origin_us) * RATE).div_euclid(1_000_000)
}

/// One audio track, decoded as it is needed.
struct Voice {
    owner: u128,
    speaks: bool,
    path: PathBuf,
    start_us: i64,
    end_us: i64,
    opened: Option<Opened>,
    over: bool,
    /// Decoded and not yet mixed; the first is at `queue_at`.
    queue: VecDeque<[f32; 2]>,
    queue_at: i64,
    /// Decoded and far behind the queue: an hour of silence is not kept in memory.
    later: Option<(i64, Vec<[f32; 2]>)>,
}

struct Opened {
    input: format::context::Input,
    decoder: ffmpeg::decoder::Audio,
    time_base: ffmpeg::Rational,
}

/// Adds up all voices, block after block.
pub struct Mixer {
    voices: Vec<Voice>,
    origin_us: i64,
    at: i64,
}

/// One mixed block.
pub struct Mixed {
    pub left: Vec<f32>,
    pub right: Vec<f32>,
    /// Mean square of each microphone heard in it.
    pub energies: Vec<(u128, f32)>,
}

impl Mixer {
    /// Mixes from `origin_us` (session time).
    pub fn new(tracks: &[TrackFile], origin_us: i64) -> Mixer {
        let voices = tracks.iter().filter(|t| t.source.is_audio()).map(|t| Voice {
            owner: t.owner,
            speaks: t.source == Source::Microphone,
            path: t.path.clone(),
            start_us: t.start_us,
            end_us: t.end_us,
            opened: None,
            over: false,
            queue: VecDeque::new(),
            queue_at: NOWHERE,
            later: None,
        });
        Mixer { voices: voices.collect(), origin_us, at: 0 }
    }

    /// Session time up to which has been mixed.
    pub fn mixed_us(&self) -> i64 {
        self.origin_us + self.at * 1_000_000 / RATE
    }

    /// The next [`BLOCK`] samples.
    pub fn next(&mut self) -> Result<Mixed, WorkerError> {
        let (from, to) = (self.at, self.at + BLOCK as i64);
        self.at = to;
        let mut mixed =
            Mixed { left: vec![0.0; BLOCK], right: vec![0.0; BLOCK], energies: Vec::new() };
        for voice in &mut self.voices {
            voice.fill(to, self.origin_us)?;
            let mut energy = 0.0;
            voice.drain(from, to, |at, [l, r]| {
                mixed.left[at] += l;
                mixed.right[at] += r;
                energy += 0.5 * (l * l + r * r);
            });
            if voice.speaks && energy > 0.0 {
                mixed.energies.push((voice.owner, energy / BLOCK as f32));
            }
        }
        self.voices.retain(Voice::goes_on);
        mixed.left.iter_mut().chain(&mut mixed.right).for_each(|s| *s = limit(*s));
        Ok(mixed)
    }
}

/// Leaves what is quiet alone and bends the rest towards full scale, so that many voices at once
/// do not crack.
fn limit(sample: f32) -> f32 {
    const KNEE: f32 = 0.7;
    let size = sample.abs();
    if size <= KNEE {
        return sample;
    }
    (KNEE + (1.0 - KNEE) * ((size - KNEE) / (1.0 - KNEE)).tanh()).copysign(sample)
}

impl Voice {
    fn goes_on(&self) -> bool {
        !self.over || !self.queue.is_empty() || self.later.is_some()
    }

    /// Decodes until the queue reaches `to` or the track is over.
    fn fill(&mut self, to: i64, origin_us: i64) -> Result<(), WorkerError> {
        if let Some((at, samples)) = self.later.take_if(|(at, _)| *at < to) {
            self.append(at, samples);
        }
        if self.over || sample_at(self.start_us, origin_us) >= to {
            return Ok(());
        }
        if self.end_us < origin_us {
            self.over = true;
            return Ok(());
        }
        if self.opened.is_none() {
            self.opened = Some(Opened::open(&self.path)?);
        }
        let Some(mut opened) = self.opened.take() else { return Ok(()) };
        while self.later.is_none() && self.queue_at + (self.queue.len() as i64) < to {
            let mut packet = ffmpeg::Packet::empty();
            match packet.read(&mut opened.input) {
                Ok(()) => {}
                Err(ffmpeg::Error::Eof) => {
                    self.over = true;
                    return Ok(());
                }
                Err(error) => return Err(error).doing("reading a voice"),
            }
            let pts = packet.pts().unwrap_or(0);
            let at_us = self.start_us + rescale_us(pts, opened.time_base);
            if at_us < origin_us - PREROLL_US {
                continue;
            }
            // A frame that does not decode is a hole like any other.
            if opened.decoder.send_packet(&packet).is_err() {
                continue;
            }
            let mut frame = ffmpeg::frame::Audio::empty();
            let mut at = sample_at(at_us, origin_us);
            while opened.decoder.receive_frame(&mut frame).is_ok() {
                let samples = stereo(&frame);
                let len = samples.len() as i64;
                self.place(at, samples);
                at += len;
            }
        }
        self.opened = Some(opened);
        Ok(())
    }

    /// Puts decoded samples where they belong, or aside when that is far ahead.
    fn place(&mut self, at: i64, samples: Vec<[f32; 2]>) {
        let end = self.queue_at + self.queue.len() as i64;
        match &mut self.later {
            Some((_, waiting)) => waiting.extend(samples),
            None if self.queue_at > NOWHERE && at - end > BLOCK as i64 => {
                self.later = Some((at, samples));
            }
            None => self.append(at, samples),
        }
    }

    fn append(&mut self, at: i64, samples: Vec<[f32; 2]>) {
        if self.queue.is_empty() && at > self.queue_at {
            self.queue_at = at;
        }
        let end = self.queue_at + self.queue.len() as i64;
        let off = at - end;
        let quiet = || samples.iter().all(|s| s[0].abs() < QUIET && s[1].abs() < QUIET);
        if off.abs() <= CREEP || (off.abs() <= OFF && !quiet()) {
            self.queue.extend(samples);
        } else if off > 0 {
            self.queue.extend(std::iter::repeat_n([0.0; 2], off as usize));
            self.queue.extend(samples);
        } else {
            self.queue.extend(samples.into_iter().skip(off.unsigned_abs() as usize));
        }
    }

    /// Takes what lies in `from..to`; `each` is told the place in the block.
    fn drain(&mut self, from: i64, to: i64, mut each: impl FnMut(usize, [f32; 2])) {
        while self.queue_at < to {
            let Some(sample) = self.queue.pop_front() else { break };
            if self.queue_at >= from {
                each((self.queue_at - from) as usize, sample);
            }
            self.queue_at += 1;
        }
        if self.queue.is_empty() {
            self.queue_at = self.queue_at.max(to);
        }
    }
}

impl Opened {
    fn open(path: &std::path::Path) -> Result<Opened, WorkerError> {
        let input = format::input(path).doing("opening a voice")?;
        let (parameters, time_base) = input
            .stream(0)
            .map(|s| (s.parameters(), s.time_base()))
            .ok_or(ffmpeg::Error::StreamNotFound)
            .doing("opening a voice")?;
        let decoder = ffmpeg::codec::Context::from_parameters(parameters)
            .and_then(|context| context.decoder().audio())
            .doing("opening a voice's decoder")?;
        Ok(Opened { input, decoder, time_base })
    }
}

/// Stereo samples of a decoded frame; a format no Opus decoder gives counts as silence.
fn stereo(frame: &ffmpeg::frame::Audio) -> Vec<[f32; 2]> {
    let n = frame.samples();
    match (frame.format(), frame.channels()) {
        (Sample::F32(Layout::Planar), 1) => frame.plane::<f32>(0).iter().map(|&s| [s, s]).collect(),
        (Sample::F32(Layout::Planar), _) => {
            let (left, right) = (frame.plane::<f32>(0), frame.plane::<f32>(1));
            left.iter().zip(right).map(|(&l, &r)| [l, r]).collect()
        }
        (Sample::F32(Layout::Packed), 2) => {
            frame.plane::<(f32, f32)>(0).iter().map(|&(l, r)| [l, r]).collect()
        }
        (Sample::I16(Layout::Packed), 2) => {
            let scaled = |s: i16| f32::from(s) / 32_768.0;
            frame.plane::<(i16, i16)>(0).iter().map(|&(l, r)| [scaled(l), scaled(r)]).collect()
        }
        _ => vec![[0.0; 2]; n],
    }
}

/// A time stamp in µs.
pub fn rescale_us(pts: i64, time_base: ffmpeg::Rational) -> i64 {
    let (num, den) = (i128::from(time_base.numerator()), i128::from(time_base.denominator()));
    (i128::from(pts) * 1_000_000 * num / den.max(1)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limiter_keeps_order_and_never_leaves_full_scale() {
        let mut last = -2.0;
        for n in -4000..=4000 {
            let x = n as f32 / 500.0;
            let y = limit(x);
            assert!(y.abs() <= 1.0 && y >= last, "{x} -> {y}");
            assert!(x.abs() > 0.7 || y == x);
            last = y;
        }
    }

    fn voice() -> Voice {
        Voice {
            owner: 1,
            speaks: true,
            path: PathBuf::new(),
            start_us: 0,
            end_us: 0,
            opened: None,
            over: false,
            queue: VecDeque::new(),
            queue_at: NOWHERE,
            later: None,
        }
    }

    #[test]
    fn samples_lie_where_their_time_says_across_holes_overlaps_and_creep() {
        let mut v = voice();
        v.place(-480, vec![[0.5; 2]; 960]);
        v.place(480, vec![[0.6; 2]; 960]);
        // 100 samples early: creep, let be. 4000 late: a hole.
        v.place(1340, vec![[0.7; 2]; 960]);
        v.place(6400, vec![[0.8; 2]; 960]);
        let mut out = vec![0.0; 9_600];
        v.drain(0, 4_800, |at, s| out[at] = s[0]);
        v.drain(4_800, 9_600, |at, s| out[4_800 + at] = s[0]);
        let runs: Vec<(f32, usize)> =
            out.chunk_by(|a, b| a == b).map(|c| (c[0], c.len())).collect();
        let late = 9_600 - 6_400 - 960;
        assert_eq!(
            runs,
            [(0.5, 480), (0.6, 960), (0.7, 960), (0.0, 4_000), (0.8, 960), (0.0, late)]
        );
    }

    #[test]
    fn an_hour_of_silence_is_waited_out_not_stored() {
        let mut v = voice();
        v.place(0, vec![[0.5; 2]; 960]);
        let hour = 3_600 * RATE;
        v.place(hour + 100, vec![[0.6; 2]; 960]);
        assert!(v.queue.len() == 960 && v.goes_on());
        v.drain(0, 4_800, |_, _| ());
        v.drain(4_800, hour, |_, _| panic!("silence"));
        let mut heard = Vec::new();
        v.over = true;
        let _ = v.fill(hour + 4_800, 0);
        v.drain(hour, hour + 4_800, |at, s| heard.push((at, s[0])));
        let loud: Vec<usize> = heard.iter().filter(|(_, s)| *s > 0.5).map(|(at, _)| *at).collect();
        assert_eq!((loud.first(), loud.len()), (Some(&100), 960));
        assert!(!v.goes_on());
    }
}
