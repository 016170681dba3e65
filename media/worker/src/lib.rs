//! The FFmpeg child process: makes files to watch out of a capture.
//!
//! It is a process of its own so that a codec's crash, memory or time never touch a meeting. It
//! reads a [`Job`], writes one Matroska file a track (packets as they came, nothing transcoded),
//! then composes one MP4 of exactly the official span, and reports by JSON [`Line`]s on stdout.
//! This crate is the only code that names ffmpeg-next.

mod job;

pub use job::{
    Chapter, ErrorCode, Gap, JOB_VERSION, Job, Line, Mp4, Participant, Span, Stage, TrackLine,
};
