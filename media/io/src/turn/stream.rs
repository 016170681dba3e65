//! TURN over a stream (TLS, or TCP): one client, one allocation, one task.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use media::shard::{Class, Run};
use media::transport::{Remote, Via};
use media::turn::{Association, Frame, Outcome, Server, SharedCounters, Transport, next_frame};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, split};
use tokio::time::timeout_at;

use crate::link::{Arrived, LinkMessage, LinkSink, Outbox, ShardLink, Taken};

/// Taken from the stream in one read.
const READ: usize = 16 << 10;
/// Answers to a client that has no allocation: a challenge and a few mistakes.
const MAX_UNPROVEN: u32 = 16;

/// How long a connection may do nothing.
#[derive(Debug, Clone, Copy)]
pub struct TurnTimes {
    /// Without an allocation: from accept, or from its end. With one, its lifetime bounds the
    /// connection: a client that waits with a spare relay says nothing for minutes.
    pub unallocated: Duration,
}

impl Default for TurnTimes {
    fn default() -> Self {
        Self { unallocated: Duration::from_secs(10) }
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnEnd {
    /// By the client, or broken, or it took nothing any more.
    Closed,
    /// Its bytes are not TURN.
    NotTurn,
    /// No allocation within the time, or its time was over.
    Idle,
    /// Too many requests without an allocation.
    Guessing,
    /// A shard began anew or ended.
    ShardGone,
    /// TURN is not offered.
    Off,
}

/// What the task and the shards' threads share of one client. The lock is held for one message.
struct Shared {
    server: Arc<Server>,
    association: Mutex<Association>,
    outbox: Arc<Outbox>,
}

impl Shared {
    fn association(&self) -> MutexGuard<'_, Association> {
        self.association.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn count(&self, counter: impl Fn(&SharedCounters) -> &AtomicU64) {
        counter(self.server.shared_counters()).fetch_add(1, Relaxed);
    }
}

/// A shard's end of one way: the allocation as seen by one address of the shard.
struct TurnSink {
    shared: Arc<Shared>,
    remote: Remote,
    message: Vec<u8>,
    gone: Arc<AtomicBool>,
}

impl LinkSink for TurnSink {
    fn send(&mut self, run: &Run, data: &[u8]) -> Taken {
        let mut taken = Taken::default();
        let now = Instant::now();
        let mut association = self.shared.association();
        for datagram in data.chunks(usize::from(run.segment).max(1)) {
            self.message.clear();
            let server = &self.shared.server;
            if !association.to_client(server, now, self.remote, datagram, &mut self.message) {
                // Counted by TURN, with its reason.
                continue;
            }
            if self.shared.outbox.push(run.class, &[&self.message]) {
                taken.datagrams += 1;
                taken.bytes += datagram.len() as u64;
            } else if run.class == Class::Video {
                taken.dropped_video += 1;
                self.shared.count(|counters| &counters.drop_queue_video);
            } else {
                taken.dropped_other += 1;
                self.shared.count(|counters| &counters.drop_queue_other);
            }
        }
        drop(association);
        self.shared.outbox.wake();
        taken
    }
}

impl Drop for TurnSink {
    fn drop(&mut self) {
        self.gone.store(true, Relaxed);
    }
}

/// A way that a shard has been told of.
struct Way {
    shard: usize,
    remote: Remote,
    gone: Arc<AtomicBool>,
}

/// Ends the allocation and tells the shards, however the task ends.
struct Ways<'a> {
    shards: &'a [ShardLink],
    shared: Arc<Shared>,
    open: HashMap<Via, Way>,
}

impl Ways<'_> {
    /// Hands data to its shard, which first hears of a new way.
    async fn deliver(&mut self, shard: usize, arrived: Arrived) -> Result<(), TurnEnd> {
        let link = self.shards.get(shard).ok_or(TurnEnd::ShardGone)?;
        let remote = arrived.src;
        let is_open = self.open.get(&remote.via).is_some_and(|way| !way.gone.load(Relaxed));
        if !is_open {
            let gone = Arc::new(AtomicBool::new(false));
            let sink = TurnSink {
                shared: Arc::clone(&self.shared),
                remote,
                message: Vec::new(),
                gone: Arc::clone(&gone),
            };
            let open = LinkMessage::Open { via: remote.via, sink: Box::new(sink) };
            link.send(open).await.map_err(|_| TurnEnd::ShardGone)?;
            self.open.insert(remote.via, Way { shard, remote, gone });
        }
        link.send(LinkMessage::Arrived(arrived)).await.map_err(|_| TurnEnd::ShardGone)
    }

    async fn close(mut self) {
        self.shared.association().close(&self.shared.server);
        for (_, way) in self.open.drain() {
            if let Some(link) = self.shards.get(way.shard) {
                let _ = link.send(LinkMessage::Closed(way.remote)).await;
            }
        }
    }
}

/// Serves a connection until it ends. `place` is given back once the client has an allocation,
/// whose number is bounded otherwise.
pub(crate) async fn serve(
    server: &Arc<Server>,
    shards: &[ShardLink],
    stream: impl AsyncRead + AsyncWrite,
    client: SocketAddr,
    times: TurnTimes,
    place: impl Send,
) -> TurnEnd {
    let (mut reader, mut writer) = split(stream);
    let outbox = Outbox::new();
    let shared = Arc::new(Shared {
        server: Arc::clone(server),
        association: Mutex::new(Association::new(client, Transport::Stream)),
        outbox: Arc::clone(&outbox),
    });
    shared.count(|counters| &counters.streams);
    let mut ways = Ways { shards, shared: Arc::clone(&shared), open: HashMap::new() };
    let reading = read(&mut reader, &shared, &mut ways, times, place);
    let writing = async {
        let _ = outbox.write_to(&mut writer).await;
        TurnEnd::Closed
    };
    let end = tokio::select! {
        end = reading => end,
        end = writing => end,
    };
    match end {
        TurnEnd::NotTurn => shared.count(|counters| &counters.streams_invalid),
        TurnEnd::Idle => shared.count(|counters| &counters.streams_idle),
        TurnEnd::Guessing => shared.count(|counters| &counters.streams_guessing),
        TurnEnd::Closed | TurnEnd::ShardGone | TurnEnd::Off => {}
    }
    ways.close().await;
    end
}

async fn read(
    reader: &mut (impl AsyncRead + Unpin),
    shared: &Arc<Shared>,
    ways: &mut Ways<'_>,
    times: TurnTimes,
    place: impl Send,
) -> TurnEnd {
    let mut place = Some(place);
    let mut buffer: Vec<u8> = Vec::with_capacity(READ);
    let mut answer = Vec::new();
    let mut unproven = 0;
    let mut unallocated_until = Instant::now() + times.unallocated;
    loop {
        let now = Instant::now();
        let expires = shared.association().expires();
        let read =
            timeout_at(expires.unwrap_or(unallocated_until).into(), reader.read_buf(&mut buffer));
        match read.await {
            // It may have been refreshed since by what was read before: look again.
            Err(_) if expires.is_some_and(|at| at > now) => {}
            Err(_) => return TurnEnd::Idle,
            Ok(Err(_) | Ok(0)) => return TurnEnd::Closed,
            Ok(Ok(_)) => {}
        }
        let mut from = 0;
        let mut arrived: Option<(usize, Arrived)> = None;
        loop {
            let (len, total) = match next_frame(&buffer[from..]) {
                Frame::Complete { len, total } => (len, total),
                Frame::Incomplete(_) => break,
                Frame::Invalid => return TurnEnd::NotTurn,
            };
            let message = &buffer[from..from + len];
            from += total;
            answer.clear();
            let now = Instant::now();
            let (outcome, live) = {
                let mut association = shared.association();
                let outcome = association.handle(&shared.server, now, message, &mut answer);
                (outcome, association.is_live(now))
            };
            if live {
                drop(place.take());
                unproven = 0;
                unallocated_until = now + times.unallocated;
            }
            match outcome {
                Outcome::Answer { .. } => {
                    if !shared.outbox.push(Class::Control, &[&answer]) {
                        shared.count(|counters| &counters.drop_queue_other);
                    }
                    shared.outbox.wake();
                }
                Outcome::Relay { shard, remote, data } => {
                    let data = &message[data];
                    match &mut arrived {
                        Some((_, batch)) if batch.src == remote => batch.push(data),
                        _ => {
                            let mut next = Arrived::new(remote);
                            next.push(data);
                            if let Some((shard, batch)) = arrived.replace((shard, next))
                                && let Err(end) = ways.deliver(shard, batch).await
                            {
                                return end;
                            }
                        }
                    }
                }
                Outcome::Nothing | Outcome::Dropped => {}
            }
            if !live {
                unproven += 1;
                if unproven > MAX_UNPROVEN {
                    return TurnEnd::Guessing;
                }
            }
        }
        buffer.drain(..from);
        if let Some((shard, batch)) = arrived
            && let Err(end) = ways.deliver(shard, batch).await
        {
            return end;
        }
    }
}
