//! Writes one Matroska file a track: frames as they were captured, on the track's own time line.
//!
//! Matroska holds VP8 and Opus as well as the others, and with clusters of a second a file cut
//! short stays playable.

use crate::control::Control;
use crate::depacket::{av1_sequence_header, h264_parameter_sets, vp8_size};
use crate::error::{Doing, WorkerError};
use crate::ff::{self, StreamShape};
use crate::files::Part;
use crate::frames::{Frame, Frames};
use crate::job::{Line, Stage, TrackLine};
use crate::scan::{TrackCapture, scan_session, total_bytes};
use ffmpeg_next as ffmpeg;
use media::api::{Codec, Source};
use std::path::{Path, PathBuf};

/// Share of the whole job in its progress, permille.
const SPAN: (u32, u32) = (0, 150);

/// A written track, as the composition needs it. Times are session µs.
pub struct TrackFile {
    pub owner: u128,
    pub source: Source,
    pub path: PathBuf,
    /// Of the file's zero.
    pub start_us: i64,
    /// When the track was last alive.
    pub end_us: i64,
    /// Key frames, in order.
    pub keys_us: Vec<i64>,
}

/// Writes all tracks of a session; those in which nothing can be decoded get no file.
pub fn write_tracks(
    capture_dir: &Path,
    tracks_dir: &Path,
    control: &Control,
) -> Result<Vec<TrackFile>, WorkerError> {
    // Every segment is read twice: for the clocks, then for the frames.
    let total = 2 * total_bytes(capture_dir);
    let mut done = 0;
    let mut read = |bytes: u64| {
        done += bytes;
        control.progress(Stage::Tracks, SPAN, done, total);
        control.check()
    };
    let captures = scan_session(capture_dir, &mut read)?;
    let mut files = Vec::new();
    for capture in &captures {
        files.extend(write_track(capture, tracks_dir, control, &mut read)?);
    }
    Ok(files)
}

fn write_track(
    capture: &TrackCapture,
    tracks_dir: &Path,
    control: &Control,
    mut read: impl FnMut(u64) -> Result<(), WorkerError>,
) -> Result<Option<TrackFile>, WorkerError> {
    let extension = if capture.source().is_audio() { "mka" } else { "mkv" };
    let path = tracks_dir.join(format!("{}.{extension}", capture.name));
    let mut frames = Frames::new(capture);
    let mut ready = Vec::new();
    let mut writer: Option<Writer> = None;
    capture.for_each(
        |stamped| {
            frames.push(stamped, &mut ready);
            write_all(capture, &path, &mut writer, &mut ready)
        },
        &mut read,
    )?;
    frames.finish(&mut ready);
    write_all(capture, &path, &mut writer, &mut ready)?;
    let Some(writer) = writer else { return Ok(None) };
    let done = writer.finish()?;
    let last_us = capture.last_us as i64;
    control.line(&Line::Track(TrackLine {
        track: capture.name.clone(),
        owner: uuid_text(capture.header.owner.0),
        source: capture.source().name().into(),
        codec: capture.codec().name().into(),
        file: path.clone(),
        start_us: done.start_us.max(0) as u64,
        end_us: done.end_us.max(0) as u64,
        frames: done.frames,
        lost_packets: frames.lost,
        unreadable_bytes: capture.unreadable,
    }));
    Ok(Some(TrackFile {
        owner: capture.header.owner.0,
        source: capture.source(),
        path,
        start_us: done.start_us,
        end_us: done.end_us.max(last_us),
        keys_us: done.keys_us,
    }))
}

fn write_all(
    capture: &TrackCapture,
    path: &Path,
    writer: &mut Option<Writer>,
    ready: &mut Vec<Frame>,
) -> Result<(), WorkerError> {
    for frame in ready.drain(..) {
        if writer.is_none() {
            *writer = Writer::create(path, capture.codec(), &frame)?;
        }
        if let Some(writer) = writer.as_mut() {
            writer.write(&frame)?;
        }
    }
    Ok(())
}

/// A Matroska file being written.
struct Writer {
    output: ffmpeg::format::context::Output,
    part: Part,
    time_base: ffmpeg::Rational,
    last_pts: Option<i64>,
    start_us: i64,
    end_us: i64,
    frames: u64,
    video: bool,
    keys_us: Vec<i64>,
}

struct Written {
    start_us: i64,
    end_us: i64,
    frames: u64,
    keys_us: Vec<i64>,
}

impl Writer {
    /// Begins the file with its first frame; `None` if the frame does not say what a container
    /// must know (a damaged key frame).
    fn create(path: &Path, codec: Codec, first: &Frame) -> Result<Option<Writer>, WorkerError> {
        let Some((id, size, channels, extradata)) = shape(codec, first) else { return Ok(None) };
        let part = Part::create(path)?;
        let mut output =
            ffmpeg::format::output_as(part.path(), "matroska").doing("opening a track's file")?;
        let shape = StreamShape { id, size, channels, extradata: &extradata };
        let mut stream =
            output.add_stream(ffmpeg::codec::Id::None).doing("adding a track's stream")?;
        stream.set_parameters(ff::parameters(&shape));
        stream.set_time_base((1, 1_000));
        ff::clear_codec_tag(&mut output, 0);
        let mut options = ffmpeg::Dictionary::new();
        options.set("cluster_time_limit", "1000");
        output.write_header_with(options).doing("beginning a track's file")?;
        let time_base = output.stream(0).map_or((1, 1_000).into(), |s| s.time_base());
        Ok(Some(Writer {
            output,
            part,
            time_base,
            last_pts: None,
            start_us: first.at_us,
            end_us: first.at_us,
            frames: 0,
            video: channels == 0,
            keys_us: Vec::new(),
        }))
    }

    fn write(&mut self, frame: &Frame) -> Result<(), WorkerError> {
        // A clock that was set back must not make time run backwards in the file.
        let wanted = (frame.at_us - self.start_us + 500).div_euclid(1000);
        let pts = self.last_pts.map_or(wanted.max(0), |last| wanted.max(last + 1));
        self.last_pts = Some(pts);
        let at_us = self.start_us + pts * 1000;
        if self.video && frame.key {
            self.keys_us.push(at_us);
        }
        let lasts = if self.video { 40_000 } else { frame.duration_us };
        self.end_us = self.end_us.max(at_us + lasts);
        self.frames += 1;
        let mut packet = ffmpeg::Packet::copy(&frame.data);
        packet.set_stream(0);
        packet.set_pts(Some(pts));
        packet.set_dts(Some(pts));
        packet.set_duration(frame.duration_us / 1000);
        if frame.key {
            packet.set_flags(ffmpeg::codec::packet::Flags::KEY);
        }
        packet.rescale_ts((1, 1_000), self.time_base);
        packet.write_interleaved(&mut self.output).doing("writing a track").map(drop)
    }

    fn finish(mut self) -> Result<Written, WorkerError> {
        self.output.write_trailer().doing("ending a track's file")?;
        ff::flush(&mut self.output).doing("ending a track's file")?;
        drop(self.output);
        self.part.commit()?;
        Ok(Written {
            start_us: self.start_us,
            end_us: self.end_us,
            frames: self.frames,
            keys_us: self.keys_us,
        })
    }
}

type Shape = (ffmpeg::codec::Id, (u32, u32), i32, Vec<u8>);

fn shape(codec: Codec, first: &Frame) -> Option<Shape> {
    use ffmpeg::codec::Id;
    let data = &first.data;
    Some(match codec {
        Codec::Opus => (Id::OPUS, (0, 0), 2, opus_head()),
        Codec::Vp8 => (Id::VP8, vp8_size(data)?, 0, Vec::new()),
        Codec::Vp9 => (Id::VP9, decoded_size(Id::VP9, data)?, 0, Vec::new()),
        Codec::H264 => {
            let sets = h264_parameter_sets(data);
            (Id::H264, decoded_size(Id::H264, data)?, 0, (!sets.is_empty()).then_some(sets)?)
        }
        Codec::Av1 => {
            let header = av1_sequence_header(data);
            (Id::AV1, decoded_size(Id::AV1, data)?, 0, (!header.is_empty()).then_some(header)?)
        }
    })
}

/// RFC 7845 §5.1: two channels (a decoder makes them of mono too), no pre-skip, no gain.
fn opus_head() -> Vec<u8> {
    let mut head = b"OpusHead\x01\x02".to_vec();
    head.extend_from_slice(&0u16.to_le_bytes());
    head.extend_from_slice(&48_000u32.to_le_bytes());
    head.extend_from_slice(&[0, 0, 0]);
    head
}

/// The size of a key frame whose header is not as plain as VP8's: decode it. Of spatial layers the
/// last picture is the highest.
fn decoded_size(id: ffmpeg::codec::Id, data: &[u8]) -> Option<(u32, u32)> {
    let codec = ffmpeg::decoder::find(id)?;
    let context = ffmpeg::codec::Context::new_with_codec(codec);
    let mut decoder = context.decoder().video().ok()?;
    decoder.send_packet(&ffmpeg::Packet::copy(data)).ok()?;
    decoder.send_eof().ok()?;
    let (mut frame, mut size) = (ffmpeg::frame::Video::empty(), None);
    while decoder.receive_frame(&mut frame).is_ok() {
        size = Some((frame.width(), frame.height()));
    }
    size.filter(|(width, height)| *width > 0 && *height > 0)
}

fn uuid_text(id: u128) -> String {
    let hex = format!("{id:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
