//! What waits to be written to one stream: bounded, and video gives way first.
//!
//! The shard's thread puts framed datagrams in, the stream's task writes them out. Both hold the
//! lock for a copy or a swap of buffers. What is urgent (control and sound) overtakes video at the
//! next boundary of a datagram: streams of media carry datagrams, which may change places.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use media::shard::Class;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Video that may wait, in bytes: a key frame of a shared screen fits. Twice of it, when the task
/// has just taken the buffer.
pub(crate) const MAX_VIDEO: usize = 256 << 10;
/// Control and sound that may wait, in bytes: seconds of sound.
pub(crate) const MAX_URGENT: usize = 64 << 10;
/// Written in one go before what is urgent is looked at again.
const SLICE: usize = 16 << 10;
/// Of an idle stream's buffer, so much is kept for the next datagrams.
const KEPT: usize = 64 << 10;
/// A stream that takes nothing for so long is dead.
const STALLED: Duration = Duration::from_secs(15);

#[derive(Default)]
struct Waiting {
    urgent: Vec<u8>,
    video: Vec<u8>,
    /// Where the datagrams in `video` end.
    ends: Vec<usize>,
}

#[derive(Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    ready: Notify,
    closed: AtomicBool,
}

impl Outbox {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Puts one framed datagram in, whole or not at all: false when there is no room.
    pub fn push(&self, class: Class, parts: &[&[u8]]) -> bool {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        {
            let mut waiting = self.lock();
            let Waiting { urgent, video, ends } = &mut *waiting;
            let (queue, limit) = match class {
                Class::Video => (video, MAX_VIDEO),
                Class::Control | Class::Audio => (urgent, MAX_URGENT),
            };
            if queue.len() + len > limit {
                return false;
            }
            for part in parts {
                queue.extend_from_slice(part);
            }
            if class == Class::Video {
                ends.push(queue.len());
            }
        }
        true
    }

    /// After one or several [`Outbox::push`].
    pub fn wake(&self) {
        self.ready.notify_one();
    }

    /// Nothing more comes: [`Outbox::write_to`] ends.
    pub fn close(&self) {
        self.closed.store(true, Relaxed);
        self.ready.notify_one();
    }

    /// Writes until [`Outbox::close`], which is no error.
    ///
    /// # Errors
    /// Of the stream; `TimedOut` when it took nothing for 15 s.
    pub async fn write_to(&self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let (mut urgent, mut video) = (Vec::new(), Vec::new());
        let (mut ends, mut next, mut written) = (Vec::new(), 0, 0);
        loop {
            if urgent.is_empty() {
                std::mem::swap(&mut urgent, &mut self.lock().urgent);
            }
            if !urgent.is_empty() {
                write(stream, &urgent).await?;
                urgent.clear();
            }
            if written == video.len() {
                video.clear();
                ends.clear();
                (next, written) = (0, 0);
                let mut waiting = self.lock();
                std::mem::swap(&mut video, &mut waiting.video);
                std::mem::swap(&mut ends, &mut waiting.ends);
            }
            if written < video.len() {
                let mut end = written;
                while end - written < SLICE && next < ends.len() {
                    end = ends[next];
                    next += 1;
                }
                write(stream, &video[written..end]).await?;
                written = end;
                continue;
            }
            if self.is_empty() {
                flush(stream).await?;
                if self.closed.load(Relaxed) {
                    return Ok(());
                }
                if video.capacity() > KEPT {
                    (video, ends) = (Vec::new(), Vec::new());
                    (next, written) = (0, 0);
                }
                self.ready.notified().await;
            }
        }
    }

    fn is_empty(&self) -> bool {
        let waiting = self.lock();
        waiting.urgent.is_empty() && waiting.video.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match timeout(STALLED, stream.write(rest)).await {
            Ok(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(Ok(written)) => rest = &rest[written..],
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
    Ok(())
}

async fn flush(stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    match timeout(STALLED, stream.flush()).await {
        Ok(flushed) => flushed,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
