//! The FFmpeg child process: makes files to watch out of a capture.
//!
//! It is a process of its own so that a codec's crash, memory or time never touch a meeting. It
//! reads a [`Job`], writes one Matroska file a track (packets as they came, nothing transcoded),
//! then composes one MP4 of exactly the official span, and reports by JSON [`Line`]s on stdout.
//! This crate is the only code that names ffmpeg-next.
//!
//! The way through: `scan` reads the capture and solves its clocks, `frames` and `depacket` make
//! frames of packets, `tracks` writes them; `compose` asks `audio` for sound, `speaker` for who
//! speaks, `scene` for who is where, `video` for pictures, draws on `canvas` and hands all to
//! `output`.

mod audio;
mod canvas;
mod compose;
mod control;
mod depacket;
mod error;
mod ff;
mod files;
mod frames;
pub mod health;
mod job;
mod output;
mod scan;
mod scene;
mod speaker;
mod text;
mod tracks;
mod video;

pub use job::{
    Chapter, ErrorCode, Gap, JOB_VERSION, Job, Line, Mp4, Participant, Span, Stage, TrackLine,
};

use control::Control;
use error::WorkerError;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Largest job that is read: thousands of participants fit.
const MAX_JOB_BYTES: u64 = 8 * 1024 * 1024;
const PRESETS: [&str; 8] =
    ["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower"];

/// Runs one job, read from the file `job` or, for `-`, from the first line of stdin; returns the
/// process's exit code: 0 done, 1 failed (try again), 2 invalid job (do not), 3 cancelled by
/// SIGTERM, SIGINT or the line `cancel` on stdin.
///
/// Meant for a process of its own: it lowers the process's priority, takes its signals, and owns
/// its stdin and stdout.
pub fn run(job: &Path) -> i32 {
    control::be_nice();
    control::listen_for_signals();
    match read_job(job).and_then(|job| work(&job)) {
        Ok(()) => 0,
        Err(error) => {
            let (code, message) = (error.code(), error.to_string());
            control::write_line(&Line::Error { code, message });
            error.exit_code()
        }
    }
}

fn read_job(path: &Path) -> Result<Job, WorkerError> {
    let mut stdin = BufReader::new(std::io::stdin());
    let text = if path == Path::new("-") {
        let mut line = String::new();
        std::io::Read::take(&mut stdin, MAX_JOB_BYTES).read_line(&mut line)?;
        line
    } else {
        std::fs::read_to_string(path)?
    };
    control::listen_on_stdin(stdin);
    let job: Job =
        serde_json::from_str(&text).map_err(|e| WorkerError::InvalidJob(e.to_string()))?;
    check_job(&job).map_err(|why| WorkerError::InvalidJob(why.into()))?;
    Ok(job)
}

fn check_job(job: &Job) -> Result<(), &'static str> {
    let mp4 = &job.mp4;
    let even = |n: u32| n.is_multiple_of(2);
    match () {
        () if job.version != JOB_VERSION => Err("unknown version"),
        () if job.official.end_us <= job.official.start_us => Err("the official time is empty"),
        () if job.official.end_us > i64::MAX as u64 / 1_000_000 => Err("times are out of range"),
        () if !(160..=3840).contains(&mp4.width) || !even(mp4.width) => Err("width"),
        () if !(90..=2160).contains(&mp4.height) || !even(mp4.height) => Err("height"),
        () if !(1..=60).contains(&mp4.fps) => Err("fps"),
        () if !PRESETS.contains(&mp4.preset.as_str()) => Err("preset"),
        () => Ok(()),
    }
}

fn work(job: &Job) -> Result<(), WorkerError> {
    use error::Doing;
    ffmpeg_next::init().doing("starting FFmpeg")?;
    // Damaged media is expected here and reported in our own lines.
    ffmpeg_next::util::log::set_level(ffmpeg_next::util::log::Level::Fatal);
    files::remove_parts(&job.tracks_dir);
    files::remove_parts(&job.out_dir);
    let control = Control::start();
    let tracks = tracks::write_tracks(&job.capture_dir, &job.tracks_dir, &control)?;
    let (file, poster) = (job.out_dir.join("recording.mp4"), job.out_dir.join("poster.jpg"));
    let (duration_us, bytes) = compose::compose(job, &tracks, (&file, &poster), &control)?;
    control.progress(Stage::Finish, (1000, 1000), 1, 1);
    control.line(&Line::Done { file, poster, duration_us, bytes });
    Ok(())
}

/// A UUID's number, hyphens or not.
fn parse_uuid(text: &str) -> Option<u128> {
    let hex: String = text.chars().filter(|c| *c != '-').collect();
    (hex.len() == 32).then(|| u128::from_str_radix(&hex, 16).ok()).flatten()
}
