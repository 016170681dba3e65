//! Ways to peers that are not the shard's UDP port: streams (ICE-TCP) and relays (TURN).
//!
//! A way is served by a task of the async runtime. It tells the shard of itself and hands over
//! what it receives through [`ShardLink`] (one bounded queue a shard; a task whose shard is behind
//! waits and stops reading), and the shard's thread gives what it wants sent to the way's
//! [`LinkSink`], which takes it or drops it but never waits.

mod ice_tcp;
mod outbox;
mod table;
#[cfg(test)]
mod tests;

use std::time::Instant;

use media::shard::Run;
use media::transport::{Remote, Via};
use tokio::sync::mpsc;

use crate::wake::Waker;

pub(crate) use ice_tcp::serve as serve_ice_tcp;
pub use ice_tcp::{IceTcpEnd, IceTcpTimes};
pub(crate) use outbox::Outbox;
pub(crate) use table::{LinkTable, batch};

/// Messages that wait for one shard. One holds what one read of a stream brought.
pub(crate) const QUEUE: usize = 256;

/// What a sink made of a run, in datagrams and bytes of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub datagrams: u64,
    pub bytes: u64,
    pub dropped_video: u64,
    pub dropped_other: u64,
}

/// Where a shard's thread puts datagrams of one way. Dropped when the way is no longer wanted:
/// the shard has begun anew or has ended.
pub(crate) trait LinkSink: Send {
    /// Takes the datagrams of a run (`data.chunks(run.segment)`) or drops them. Must not wait.
    fn send(&mut self, run: &Run, data: &[u8]) -> Taken;
}

/// Datagrams of one remote, end to end, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub src: Remote,
    pub data: Vec<u8>,
    pub lengths: Vec<u16>,
    /// When the stream was read: the shard may come to it later.
    pub at: Instant,
}

impl Arrived {
    pub fn new(src: Remote) -> Self {
        Self { src, data: Vec::new(), lengths: Vec::new(), at: Instant::now() }
    }

    /// Longer than a datagram can be: left out.
    pub fn push(&mut self, datagram: &[u8]) {
        let Ok(length) = u16::try_from(datagram.len()) else { return };
        self.data.extend_from_slice(datagram);
        self.lengths.push(length);
    }
}

pub(crate) enum LinkMessage {
    /// Comes before anything else of this way.
    Open {
        via: Via,
        sink: Box<dyn LinkSink>,
    },
    Arrived(Arrived),
    /// Nothing more comes from there; the core forgets it.
    Closed(Remote),
}

/// The way into one shard.
#[derive(Clone)]
pub(crate) struct ShardLink {
    pub queue: mpsc::Sender<LinkMessage>,
    pub waker: Waker,
}

/// The shard has ended.
#[derive(Debug)]
pub(crate) struct ShardGone;

impl ShardLink {
    /// Waits for room in the queue, in turn with all others.
    pub async fn send(&self, message: LinkMessage) -> Result<(), ShardGone> {
        self.queue.send(message).await.map_err(|_| ShardGone)?;
        self.waker.wake();
        Ok(())
    }
}
