//! The composed file: H.264 and AAC in MP4, and the poster.

use crate::canvas::Canvas;
use crate::error::{Doing, WorkerError};
use crate::ff;
use crate::files::Part;
use crate::job::Job;
use ffmpeg::format::sample::Type as Layout;
use ffmpeg::format::{Pixel, Sample};
use ffmpeg::software::scaling;
use ffmpeg_next as ffmpeg;
use std::path::Path;

/// Seconds between key frames: what a seek in the page waits for at most.
const GOP_SECONDS: u32 = 2;
const AUDIO_BITS: usize = 96_000;

pub struct Mp4Writer {
    output: ffmpeg::format::context::Output,
    part: Part,
    video: ffmpeg::encoder::Video,
    audio: ffmpeg::encoder::Audio,
    video_base: ffmpeg::Rational,
    audio_base: ffmpeg::Rational,
    frames: i64,
    samples: i64,
    /// Mixed and not yet a whole AAC frame.
    pending: [Vec<f32>; 2],
}

impl Mp4Writer {
    pub fn create(path: &Path, job: &Job) -> Result<Mp4Writer, WorkerError> {
        let part = Part::create(path)?;
        let mut output =
            ffmpeg::format::output_as(part.path(), "mp4").doing("opening the recording")?;
        let fps = job.mp4.fps as i32;
        let video = open_video(job)?;
        let audio = open_audio()?;
        output.add_stream_with(&video).doing("adding the picture")?.set_time_base((1, fps));
        output.add_stream_with(&audio).doing("adding the sound")?.set_time_base((1, 48_000));
        if let Some(mut stream) = output.stream_mut(0) {
            stream.set_avg_frame_rate((fps, 1));
        }
        describe(&mut output, job)?;
        let mut options = ffmpeg::Dictionary::new();
        options.set("movflags", "+faststart");
        output.write_header_with(options).doing("beginning the recording")?;
        let base = |index: usize| output.stream(index).map(|s| s.time_base());
        let video_base = base(0).unwrap_or((1, fps).into());
        let audio_base = base(1).unwrap_or((1, 48_000).into());
        Ok(Mp4Writer {
            output,
            part,
            video,
            audio,
            video_base,
            audio_base,
            frames: 0,
            samples: 0,
            pending: [Vec::new(), Vec::new()],
        })
    }

    /// The next picture.
    pub fn picture(&mut self, canvas: &Canvas) -> Result<(), WorkerError> {
        // The encoder keeps frames for its look-ahead, so each is its own.
        let mut frame = copy_frame(canvas);
        frame.set_pts(Some(self.frames));
        self.frames += 1;
        self.video.send_frame(&frame).doing("encoding the picture")?;
        self.drain_video()
    }

    /// The next samples of the sound.
    pub fn sound(&mut self, left: &[f32], right: &[f32]) -> Result<(), WorkerError> {
        self.pending[0].extend_from_slice(left);
        self.pending[1].extend_from_slice(right);
        let size = (self.audio.frame_size() as usize).max(1);
        let mut at = 0;
        while self.pending[0].len() - at >= size {
            self.send_sound(at..at + size)?;
            at += size;
        }
        self.pending.iter_mut().for_each(|channel| drop(channel.drain(..at)));
        Ok(())
    }

    fn send_sound(&mut self, range: std::ops::Range<usize>) -> Result<(), WorkerError> {
        let mut frame = ffmpeg::frame::Audio::new(
            Sample::F32(Layout::Planar),
            range.len(),
            ffmpeg::ChannelLayout::STEREO,
        );
        frame.set_rate(48_000);
        frame.set_pts(Some(self.samples));
        self.samples += range.len() as i64;
        for (index, channel) in self.pending.iter().enumerate() {
            frame.plane_mut::<f32>(index).copy_from_slice(&channel[range.clone()]);
        }
        self.audio.send_frame(&frame).doing("encoding the sound")?;
        self.drain_audio()
    }

    fn drain_video(&mut self) -> Result<(), WorkerError> {
        let base = self.video.time_base();
        let mut packet = ffmpeg::Packet::empty();
        while self.video.receive_packet(&mut packet).is_ok() {
            packet.set_stream(0);
            // The last one's duration is what makes the file exactly as long as it should be.
            packet.set_duration(1);
            packet.rescale_ts(base, self.video_base);
            packet.write_interleaved(&mut self.output).doing("writing the recording")?;
        }
        Ok(())
    }

    fn drain_audio(&mut self) -> Result<(), WorkerError> {
        let mut packet = ffmpeg::Packet::empty();
        while self.audio.receive_packet(&mut packet).is_ok() {
            packet.set_stream(1);
            packet.rescale_ts((1, 48_000), self.audio_base);
            packet.write_interleaved(&mut self.output).doing("writing the recording")?;
        }
        Ok(())
    }

    /// Ends the file and makes it durable; returns its size in bytes.
    pub fn finish(mut self) -> Result<u64, WorkerError> {
        if !self.pending[0].is_empty() {
            self.send_sound(0..self.pending[0].len())?;
        }
        self.audio.send_eof().doing("ending the sound")?;
        self.drain_audio()?;
        self.video.send_eof().doing("ending the picture")?;
        self.drain_video()?;
        self.output.write_trailer().doing("ending the recording")?;
        ff::flush(&mut self.output).doing("ending the recording")?;
        drop(self.output);
        Ok(self.part.commit()?)
    }
}

fn open_video(job: &Job) -> Result<ffmpeg::encoder::Video, WorkerError> {
    let codec = ffmpeg::encoder::find_by_name("libx264")
        .ok_or(ffmpeg::Error::EncoderNotFound)
        .doing("finding the H.264 encoder")?;
    let mut context = ffmpeg::codec::Context::new_with_codec(codec);
    ff::tag_bt601(&mut context);
    // Without the second flag x264 opens its groups of pictures, and players that seek to a cut
    // meet references that they never decoded.
    context.set_flags(ffmpeg::codec::Flags::GLOBAL_HEADER | ffmpeg::codec::Flags::CLOSED_GOP);
    let mut encoder = context.encoder().video().doing("opening the H.264 encoder")?;
    let fps = job.mp4.fps as i32;
    encoder.set_width(job.mp4.width);
    encoder.set_height(job.mp4.height);
    encoder.set_format(Pixel::YUV420P);
    encoder.set_time_base((1, fps));
    encoder.set_frame_rate(Some((fps, 1)));
    encoder.set_gop(GOP_SECONDS * job.mp4.fps);
    let mut options = ffmpeg::Dictionary::new();
    options.set("preset", &job.mp4.preset);
    options.set("crf", "23");
    encoder.open_as_with(codec, options).doing("opening the H.264 encoder")
}

fn open_audio() -> Result<ffmpeg::encoder::Audio, WorkerError> {
    let codec = ffmpeg::encoder::find(ffmpeg::codec::Id::AAC)
        .ok_or(ffmpeg::Error::EncoderNotFound)
        .doing("finding the AAC encoder")?;
    let mut context = ffmpeg::codec::Context::new_with_codec(codec);
    context.set_flags(ffmpeg::codec::Flags::GLOBAL_HEADER);
    let mut encoder = context.encoder().audio().doing("opening the AAC encoder")?;
    encoder.set_rate(48_000);
    encoder.set_channel_layout(ffmpeg::ChannelLayout::STEREO);
    encoder.set_format(Sample::F32(Layout::Planar));
    encoder.set_bit_rate(AUDIO_BITS);
    encoder.set_time_base((1, 48_000));
    encoder.open_as(codec).doing("opening the AAC encoder")
}

/// Title, date and chapters.
fn describe(output: &mut ffmpeg::format::context::Output, job: &Job) -> Result<(), WorkerError> {
    let mut about = ffmpeg::Dictionary::new();
    about.set("title", &job.title);
    about.set("comment", &job.session);
    if let Some(created) = &job.created {
        about.set("creation_time", created);
    }
    output.set_metadata(about);
    let (start, end) = (job.official.start_us, job.official.end_us);
    let mut marks: Vec<(u64, &str)> = job
        .chapters
        .iter()
        .filter(|c| c.at_us < end)
        .map(|c| (c.at_us.saturating_sub(start) / 1000, c.title.as_str()))
        .collect();
    marks.sort_by_key(|(at, _)| *at);
    // A player's list should begin at the beginning.
    if marks.first().is_some_and(|(at, _)| *at > 0) {
        marks.insert(0, (0, &job.title));
    }
    for (index, &(at, title)) in marks.iter().enumerate() {
        let until = marks.get(index + 1).map_or((end - start) / 1000, |(next, _)| *next);
        if until > at {
            output
                .add_chapter(index as i64, (1, 1000), at as i64, until as i64, title)
                .doing("adding a chapter")?;
        }
    }
    Ok(())
}

fn copy_frame(canvas: &Canvas) -> ffmpeg::frame::Video {
    let mut frame = ffmpeg::frame::Video::new(Pixel::YUV420P, canvas.width, canvas.height);
    for index in 0..3 {
        let (bytes, width) = canvas.plane(index);
        let stride = frame.stride(index);
        let target = frame.data_mut(index);
        for (line, row) in bytes.chunks_exact(width).enumerate() {
            target[line * stride..line * stride + width].copy_from_slice(row);
        }
    }
    frame
}

/// Writes one picture as JPEG.
pub fn write_poster(path: &Path, canvas: &Canvas) -> Result<(), WorkerError> {
    let codec = ffmpeg::encoder::find(ffmpeg::codec::Id::MJPEG)
        .ok_or(ffmpeg::Error::EncoderNotFound)
        .doing("finding the JPEG encoder")?;
    let (w, h) = (canvas.width, canvas.height);
    let context = ffmpeg::codec::Context::new_with_codec(codec);
    let mut encoder = context.encoder().video().doing("opening the JPEG encoder")?;
    encoder.set_width(w);
    encoder.set_height(h);
    encoder.set_format(Pixel::YUVJ420P);
    encoder.set_time_base((1, 25));
    let mut encoder = encoder.open_as(codec).doing("opening the JPEG encoder")?;
    let flags = scaling::Flags::BILINEAR;
    let mut scaler = scaling::Context::get(Pixel::YUV420P, w, h, Pixel::YUVJ420P, w, h, flags)
        .doing("making the poster")?;
    let mut full = ffmpeg::frame::Video::new(Pixel::YUVJ420P, w, h);
    scaler.run(&copy_frame(canvas), &mut full).doing("making the poster")?;
    full.set_pts(Some(0));
    encoder.send_frame(&full).doing("making the poster")?;
    encoder.send_eof().doing("making the poster")?;
    let mut packet = ffmpeg::Packet::empty();
    encoder.receive_packet(&mut packet).doing("making the poster")?;
    let part = Part::create(path)?;
    std::fs::write(part.path(), packet.data().unwrap_or_default())?;
    part.commit()?;
    Ok(())
}
