//! Why a job fails, by what its owner can do about it.

use crate::job::ErrorCode;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum WorkerError {
    /// Nothing will come of trying again.
    #[error("invalid job: {0}")]
    InvalidJob(String),
    #[error("no space left on the disk")]
    NoSpace,
    #[error("reading or writing failed: {0}")]
    Io(std::io::Error),
    #[error("{doing}: {error}")]
    Media { doing: &'static str, error: ffmpeg_next::Error },
    #[error("cancelled")]
    Cancelled,
}

impl WorkerError {
    pub fn code(&self) -> ErrorCode {
        match self {
            WorkerError::InvalidJob(_) => ErrorCode::InvalidJob,
            WorkerError::NoSpace => ErrorCode::NoSpace,
            WorkerError::Io(_) => ErrorCode::Io,
            WorkerError::Media { .. } => ErrorCode::Media,
            WorkerError::Cancelled => ErrorCode::Cancelled,
        }
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> i32 {
        match self {
            WorkerError::InvalidJob(_) => 2,
            WorkerError::Cancelled => 3,
            _ => 1,
        }
    }
}

impl From<std::io::Error> for WorkerError {
    fn from(error: std::io::Error) -> WorkerError {
        match error.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => WorkerError::NoSpace,
            _ => WorkerError::Io(error),
        }
    }
}

/// Says what was being done when FFmpeg failed.
pub trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, WorkerError>;
}

impl<T> Doing<T> for Result<T, ffmpeg_next::Error> {
    fn doing(self, doing: &'static str) -> Result<T, WorkerError> {
        self.map_err(|error| match error {
            ffmpeg_next::Error::Other { errno: libc::ENOSPC | libc::EDQUOT } => {
                WorkerError::NoSpace
            }
            error => WorkerError::Media { doing, error },
        })
    }
}
