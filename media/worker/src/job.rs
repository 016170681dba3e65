//! What the server asks of a worker, and the lines the worker answers: JSON both ways, versioned.
//!
//! The job is one JSON object, in a file or on the first line of stdin. Times are session µs, the
//! time line of the capture's arrivals.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Version of [`Job`].
pub const JOB_VERSION: u32 = 1;

/// Render one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// [`JOB_VERSION`].
    pub version: u32,
    /// The session's id (UUID), for the files' metadata.
    pub session: String,
    /// Holds one folder a track (docs/CAPTURE.md).
    pub capture_dir: PathBuf,
    /// Receives one `.mkv` or `.mka` a track.
    pub tracks_dir: PathBuf,
    /// Receives `recording.mp4` and `poster.jpg`.
    pub out_dir: PathBuf,
    pub title: String,
    /// 宣布开会 … 散会.
    pub official: Span,
    /// Pauses: black and silent, kept in full.
    #[serde(default)]
    pub gaps: Vec<Gap>,
    #[serde(default)]
    pub participants: Vec<Participant>,
    #[serde(default)]
    pub chapters: Vec<Chapter>,
    #[serde(default)]
    pub mp4: Mp4,
    /// RFC 3339 time of the official start, written as `creation_time`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub start_us: u64,
    pub end_us: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub from_us: u64,
    pub to_us: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// UUID; the capture's owner id.
    pub id: String,
    /// As drawn on a tile without picture.
    pub name: String,
    #[serde(default)]
    pub role: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chapter {
    pub at_us: u64,
    pub title: String,
}

/// Form of the composed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mp4 {
    /// Even, 160 to 3840.
    pub width: u32,
    /// Even, 90 to 2160.
    pub height: u32,
    /// 1 to 60.
    pub fps: u32,
    /// An x264 preset: `ultrafast` to `veryslow`.
    pub preset: String,
}

impl Default for Mp4 {
    fn default() -> Mp4 {
        Mp4 { width: 1280, height: 720, fps: 25, preset: "veryfast".into() }
    }
}

/// One line on the worker's stdout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    /// At least once a second of work; `permille` is of the whole job and never falls.
    Progress { stage: Stage, permille: u32 },
    /// A track's file is complete.
    Track(TrackLine),
    /// The job is done; `file` and `poster` are in place and durable.
    Done { file: PathBuf, poster: PathBuf, duration_us: u64, bytes: u64 },
    /// The job failed or was cancelled; nothing partial is left behind.
    Error { code: ErrorCode, message: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Tracks,
    Compose,
    Finish,
}

/// One track's file and what its capture was like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackLine {
    /// Folder name in the capture.
    pub track: String,
    /// Owner (UUID).
    pub owner: String,
    /// As in the capture: `microphone`, `camera`, `screen`, `screen_audio`.
    pub source: String,
    pub codec: String,
    pub file: PathBuf,
    /// Session time of the file's zero.
    pub start_us: u64,
    /// Session time of the end of its last frame.
    pub end_us: u64,
    pub frames: u64,
    /// RTP packets that never came.
    pub lost_packets: u64,
    /// Capture bytes that could not be read (torn tail and damage).
    pub unreadable_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The job cannot be read or asks for the impossible: do not retry.
    InvalidJob,
    /// The disk is full.
    NoSpace,
    /// Reading or writing failed.
    Io,
    /// A codec or container failed.
    Media,
    Cancelled,
}
