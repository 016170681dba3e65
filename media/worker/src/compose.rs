//! One recording of exactly the official time: picture after picture on a canvas, all voices mixed.
//!
//! Our own loop rather than a filter graph: people come late, change size, pause and leave, and
//! each is one line here and a rebuilt graph there.

use crate::audio::{BLOCK, Mixer};
use crate::canvas::{BACKGROUND, BLACK, Canvas, TILE};
use crate::control::Control;
use crate::error::WorkerError;
use crate::job::{Job, Stage};
use crate::output::{Mp4Writer, write_poster};
use crate::scene::{Content, Director, Live, Rect, Tile};
use crate::speaker::SpeakerPicker;
use crate::text;
use crate::tracks::TrackFile;
use crate::video::{Scaler, Video};
use media::api::Source;
use std::collections::HashMap;
use std::path::Path;

/// The sound runs ahead of the picture by this much, so that a change of speaker is known when
/// its first word is shown.
const AHEAD_US: i64 = 1_500_000;
/// A camera that sends nothing for so long shows no one any more. A screen may well stand still.
const STALE_US: i64 = 5_000_000;
/// Share of the whole job in its progress, permille.
const SPAN: (u32, u32) = (150, 980);

/// Composes `out` and `poster`; returns duration in µs and size in bytes.
pub fn compose(
    job: &Job,
    tracks: &[TrackFile],
    (out, poster): (&Path, &Path),
    control: &Control,
) -> Result<(u64, u64), WorkerError> {
    let (start_us, end_us) = (job.official.start_us as i64, job.official.end_us as i64);
    let fps = i64::from(job.mp4.fps);
    let frames = ((end_us - start_us) * fps + 500_000).div_euclid(1_000_000).max(1);
    let samples = ((end_us - start_us) * 48).div_euclid(1_000);
    let mut writer = Mp4Writer::create(out, job)?;
    let mut picture = Picture::new(job, tracks);
    let mut mixer = Mixer::new(tracks, start_us);
    let mut picker = SpeakerPicker::default();
    let mut poster_done = false;
    let mut sent = 0;
    for frame in 0..frames {
        control.check()?;
        let at_us = start_us + frame * 1_000_000 / fps;
        while sent < samples && mixer.mixed_us() <= at_us + AHEAD_US {
            let from_us = mixer.mixed_us();
            let mut mixed = mixer.next()?;
            silence_gaps(job, from_us, &mut [&mut mixed.left, &mut mixed.right]);
            picker.block(from_us, &mixed.energies);
            let take = BLOCK.min((samples - sent) as usize);
            writer.sound(&mixed.left[..take], &mixed.right[..take])?;
            sent += take as i64;
        }
        let speaker = picker.at(at_us);
        picture.draw(at_us, 500_000 / fps, speaker)?;
        writer.picture(&picture.canvas)?;
        // A poster shows somebody, a little into the meeting.
        let ripe = picture.shows_video && frame >= frames / 20;
        if !poster_done && (ripe || frame + 1 == frames) {
            write_poster(poster, &picture.canvas)?;
            poster_done = true;
        }
        control.progress(Stage::Compose, SPAN, frame as u64 + 1, frames as u64);
    }
    control.progress(Stage::Finish, (SPAN.1, 1000), 0, 1);
    let bytes = writer.finish()?;
    Ok(((frames * 1_000_000 / fps) as u64, bytes))
}

/// Makes the pauses of the block that begins at `from_us` silent.
fn silence_gaps(job: &Job, from_us: i64, channels: &mut [&mut Vec<f32>; 2]) {
    for gap in &job.gaps {
        let place = |us: u64| {
            let samples = (us as i64).saturating_sub(from_us).saturating_mul(48) / 1_000;
            samples.clamp(0, BLOCK as i64) as usize
        };
        for channel in channels.iter_mut() {
            channel[place(gap.from_us)..place(gap.to_us).max(place(gap.from_us))].fill(0.0);
        }
    }
}

/// A video track and when it is alive.
struct Shown {
    owner: u128,
    source: Source,
    start_us: i64,
    end_us: i64,
    video: Video,
    stale: bool,
}

/// The canvas and what is on it.
struct Picture<'a> {
    job: &'a Job,
    canvas: Canvas,
    shown: Vec<Shown>,
    /// Microphones: (owner, start, end).
    mics: Vec<(u128, i64, i64)>,
    director: Director,
    /// What is drawn now, and where the picture in it lies.
    tiles: Vec<(Tile, Option<Rect>)>,
    in_gap: bool,
    scalers: Vec<Scaler>,
    names: HashMap<u128, (&'a str, &'a str)>,
    text: text::Writer,
    coverage: HashMap<(Option<u128>, u32, u32), Vec<u8>>,
    shows_video: bool,
}

impl<'a> Picture<'a> {
    fn new(job: &'a Job, tracks: &[TrackFile]) -> Picture<'a> {
        let shown = tracks.iter().filter(|t| !t.source.is_audio()).map(|t| Shown {
            owner: t.owner,
            source: t.source,
            start_us: t.start_us,
            end_us: t.end_us,
            video: Video::new(t),
            stale: false,
        });
        let mics = tracks.iter().filter(|t| t.source == Source::Microphone);
        let names = job
            .participants
            .iter()
            .filter_map(|p| Some((crate::parse_uuid(&p.id)?, (p.name.as_str(), p.role.as_str()))));
        Picture {
            job,
            canvas: Canvas::new(job.mp4.width, job.mp4.height),
            shown: shown.collect(),
            mics: mics.map(|t| (t.owner, t.start_us, t.end_us)).collect(),
            director: Director::default(),
            tiles: Vec::new(),
            in_gap: false,
            scalers: Vec::new(),
            names: names.collect(),
            text: text::Writer::new(),
            coverage: HashMap::new(),
            shows_video: false,
        }
    }

    /// Draws what belongs at `at_us`; of each track the frame nearest in time.
    fn draw(&mut self, at_us: i64, half_us: i64, speaker: Option<u128>) -> Result<(), WorkerError> {
        let in_gap =
            self.job.gaps.iter().any(|g| (g.from_us as i64..g.to_us as i64).contains(&at_us));
        if in_gap {
            if !self.in_gap {
                self.canvas.fill(self.canvas.full(), BLACK);
                self.tiles.clear();
            }
            self.in_gap = true;
            self.shows_video = false;
            return Ok(());
        }
        let was_gap = std::mem::replace(&mut self.in_gap, false);
        let live = self.live(at_us, half_us);
        let screen = self.screen(at_us, half_us);
        let size = (self.canvas.width, self.canvas.height);
        let wanted = self.director.scene(size, &live, screen, speaker);
        let same = !was_gap
            && wanted.len() == self.tiles.len()
            && wanted.iter().zip(&self.tiles).all(|(a, (b, _))| a == b);
        if !same {
            self.canvas.fill(self.canvas.full(), BACKGROUND);
            self.tiles = wanted.into_iter().map(|tile| (tile, None)).collect();
            self.scalers.resize_with(self.tiles.len().max(self.scalers.len()), Scaler::default);
        }
        self.shows_video = false;
        for index in 0..self.tiles.len() {
            self.draw_tile(index, !same, at_us + half_us, at_us)?;
        }
        Ok(())
    }

    fn draw_tile(
        &mut self,
        index: usize,
        fresh: bool,
        until_us: i64,
        at_us: i64,
    ) -> Result<(), WorkerError> {
        let (tile, place) = self.tiles[index];
        match tile.content {
            Content::Video(track) => {
                let shown = &mut self.shown[track];
                let changed = shown.video.advance(until_us)?;
                let picture_us = shown.video.picture_us();
                shown.stale = shown.source == Source::Camera
                    && picture_us.is_some_and(|us| at_us - us > STALE_US);
                self.shows_video |= picture_us.is_some();
                if picture_us.is_some() && (changed || fresh) {
                    let picture = shown.video.picture();
                    let fits = tile.rect.fit(picture.width(), picture.height());
                    if place.is_some_and(|place| place != fits) {
                        self.canvas.fill(tile.rect, BACKGROUND);
                    }
                    let drawn = self.scalers[index].draw(picture, tile.rect, &mut self.canvas)?;
                    self.tiles[index].1 = Some(drawn);
                }
            }
            Content::Name(_) | Content::Title if fresh => self.draw_words(tile),
            Content::Name(_) | Content::Title => {}
        }
        Ok(())
    }

    fn draw_words(&mut self, tile: Tile) {
        let inner = Rect {
            x: tile.rect.x + 2,
            y: tile.rect.y + 2,
            w: tile.rect.w.saturating_sub(4).max(2),
            h: tile.rect.h.saturating_sub(4).max(2),
        };
        let owner = match tile.content {
            Content::Name(owner) => Some(owner),
            _ => None,
        };
        let (first, second) = match owner {
            Some(owner) => self.names.get(&owner).copied().unwrap_or(("", "")),
            None => (self.job.title.as_str(), ""),
        };
        let text = &self.text;
        let coverage = self
            .coverage
            .entry((owner, inner.w, inner.h))
            .or_insert_with(|| text.tile(inner.w, inner.h, &[first, second]));
        self.canvas.fill(inner, TILE);
        self.canvas.lighten(inner, coverage);
    }

    /// Who has something alive, in order of first coming.
    fn live(&mut self, at_us: i64, half_us: i64) -> Vec<Live> {
        let alive = |start: i64, end: i64| start <= at_us + half_us && at_us < end;
        let mut live: Vec<(i64, Live)> = Vec::new();
        for (index, shown) in self.shown.iter_mut().enumerate() {
            if shown.source != Source::Camera || !alive(shown.start_us, shown.end_us) {
                continue;
            }
            // Only what is shown is decoded, so staleness of the others is not known: they count.
            let camera = (!shown.stale || resumes(shown, at_us)).then_some(index);
            match live.iter_mut().find(|(_, l)| l.owner == shown.owner) {
                // The newer of two devices.
                Some((_, person)) => person.camera = camera.or(person.camera),
                None => live.push((shown.start_us, Live { owner: shown.owner, camera })),
            }
        }
        for &(owner, start, end) in &self.mics {
            if alive(start, end) && !live.iter().any(|(_, l)| l.owner == owner) {
                live.push((start, Live { owner, camera: None }));
            }
        }
        live.sort_by_key(|(start, l)| (*start, l.owner));
        live.into_iter().map(|(_, l)| l).collect()
    }

    /// The screen shared last.
    fn screen(&self, at_us: i64, half_us: i64) -> Option<(usize, u128)> {
        self.shown
            .iter()
            .enumerate()
            .filter(|(_, s)| s.source == Source::Screen)
            .filter(|(_, s)| s.start_us <= at_us + half_us && at_us < s.end_us)
            .max_by_key(|(_, s)| s.start_us)
            .map(|(index, s)| (index, s.owner))
    }
}

/// Whether a camera that had stopped sends again.
fn resumes(shown: &mut Shown, at_us: i64) -> bool {
    let changed = shown.video.advance(at_us).unwrap_or(false);
    shown.stale = !changed;
    changed
}
