//! One video track, decoded as far as the picture needs it.

use crate::audio::rescale_us;
use crate::canvas::Canvas;
use crate::error::{Doing, WorkerError};
use crate::scene::Rect;
use crate::tracks::TrackFile;
use ffmpeg::format::{self, Pixel};
use ffmpeg::software::scaling;
use ffmpeg_next as ffmpeg;
use std::path::PathBuf;

/// Decodes forward only. A track that nobody saw for a while is taken up at the last key frame
/// before the wanted time; what lies between is read past, not decoded.
pub struct Video {
    path: PathBuf,
    start_us: i64,
    keys_us: Vec<i64>,
    opened: Option<Opened>,
    over: bool,
    next: Option<(i64, ffmpeg::Packet)>,
    picture: ffmpeg::frame::Video,
    picture_us: Option<i64>,
}

struct Opened {
    input: format::context::Input,
    decoder: ffmpeg::decoder::Video,
    spare: ffmpeg::frame::Video,
    time_base: ffmpeg::Rational,
}

impl Video {
    pub fn new(track: &TrackFile) -> Video {
        Video {
            path: track.path.clone(),
            start_us: track.start_us,
            keys_us: track.keys_us.clone(),
            opened: None,
            over: false,
            next: None,
            picture: ffmpeg::frame::Video::empty(),
            picture_us: None,
        }
    }

    /// Session time of the picture that [`Video::advance`] left, if any.
    pub fn picture_us(&self) -> Option<i64> {
        self.picture_us
    }

    pub fn picture(&self) -> &ffmpeg::frame::Video {
        &self.picture
    }

    /// Goes to the last picture at or before `at_us`; says whether it is another than before.
    pub fn advance(&mut self, at_us: i64) -> Result<bool, WorkerError> {
        if self.over || at_us < self.start_us {
            return Ok(false);
        }
        if self.opened.is_none() {
            self.opened = Some(Opened::open(&self.path)?);
        }
        let Some(opened) = &mut self.opened else { return Ok(false) };
        let key = self.keys_us.partition_point(|&k| k <= at_us).checked_sub(1);
        let skip_to_us = key.map_or(i64::MIN, |k| self.keys_us[k]);
        let mut changed = false;
        loop {
            if self.next.is_none() {
                let mut packet = ffmpeg::Packet::empty();
                match packet.read(&mut opened.input) {
                    Ok(()) => {
                        let pts = packet.pts().unwrap_or(0);
                        let us = self.start_us + rescale_us(pts, opened.time_base);
                        self.next = Some((us, packet));
                    }
                    Err(ffmpeg::Error::Eof) => {
                        self.over = true;
                        return Ok(changed);
                    }
                    Err(error) => return Err(error).doing("reading a picture"),
                }
            }
            match self.next.take() {
                Some((us, packet)) if us <= at_us => {
                    if us < skip_to_us {
                        continue;
                    }
                    // A frame that does not decode leaves the one before.
                    if opened.decoder.send_packet(&packet).is_ok() {
                        // Asking for a frame empties what it is given, also when there is none.
                        while opened.decoder.receive_frame(&mut opened.spare).is_ok() {
                            std::mem::swap(&mut self.picture, &mut opened.spare);
                            self.picture_us = Some(us);
                            changed = true;
                        }
                    }
                }
                later => {
                    self.next = later;
                    return Ok(changed);
                }
            }
        }
    }
}

impl Opened {
    fn open(path: &std::path::Path) -> Result<Opened, WorkerError> {
        let input = format::input(path).doing("opening a picture")?;
        let (parameters, time_base) = input
            .stream(0)
            .map(|s| (s.parameters(), s.time_base()))
            .ok_or(ffmpeg::Error::StreamNotFound)
            .doing("opening a picture")?;
        let mut context =
            ffmpeg::codec::Context::from_parameters(parameters).doing("opening a decoder")?;
        // More threads would only delay frames; the encoder uses the processors.
        context.set_threading(ffmpeg::threading::Config::count(1));
        let decoder = context.decoder().video().doing("opening a decoder")?;
        Ok(Opened { input, decoder, spare: ffmpeg::frame::Video::empty(), time_base })
    }
}

/// Scales pictures into tiles; one for each tile, kept while sizes stay.
#[derive(Default)]
pub struct Scaler {
    context: Option<(scaling::Context, Key)>,
    scaled: Option<ffmpeg::frame::Video>,
}

type Key = (Pixel, u32, u32, u32, u32);

impl Scaler {
    /// Draws `picture` into `rect`, its shape kept; returns where it lies.
    pub fn draw(
        &mut self,
        picture: &ffmpeg::frame::Video,
        rect: Rect,
        canvas: &mut Canvas,
    ) -> Result<Rect, WorkerError> {
        let place = rect.fit(picture.width(), picture.height());
        let key: Key = (picture.format(), picture.width(), picture.height(), place.w, place.h);
        if self.context.as_ref().is_none_or(|(_, k)| *k != key) {
            let context = scaling::Context::get(
                key.0,
                key.1,
                key.2,
                Pixel::YUV420P,
                place.w,
                place.h,
                scaling::Flags::BILINEAR,
            )
            .doing("scaling a picture")?;
            self.context = Some((context, key));
            self.scaled = Some(ffmpeg::frame::Video::new(Pixel::YUV420P, place.w, place.h));
        }
        if let (Some((context, _)), Some(scaled)) = (&mut self.context, &mut self.scaled) {
            context.run(picture, scaled).doing("scaling a picture")?;
            let scaled = &*scaled;
            canvas.blit(place, |plane| (scaled.data(plane), scaled.stride(plane)));
        }
        Ok(place)
    }
}
