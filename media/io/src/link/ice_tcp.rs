//! ICE over TCP: we are the passive side (RFC 6544), datagrams are framed by RFC 4571.
//!
//! The first datagram has to be a STUN check; its ufrag names the shard. Until the core has
//! answered a check with success the connection has a deadline and may say little; after that it
//! lives as long as something comes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use media::shard::{Class, Run};
use media::transport::rfc4571::{Deframer, head};
use media::transport::{IceCredentials, Packet, Remote, Via, classify, stun_local_ufrag};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, split};
use tokio::time::{Instant, timeout_at};

use super::{Arrived, LinkMessage, LinkSink, Outbox, ShardLink, Taken};

/// Taken from the stream in one read.
const READ: usize = 16 << 10;
/// Datagrams of a peer that has not authenticated itself: checks, repeated a few times.
const MAX_UNKNOWN: usize = 64;

/// How long a connection may do nothing.
#[derive(Debug, Clone, Copy)]
pub struct IceTcpTimes {
    /// From accept to the first check that the core answered with success.
    pub authenticate: Duration,
    /// Without a byte from an authenticated peer. Browsers check an idle pair every 25 s.
    pub idle: Duration,
}

impl Default for IceTcpTimes {
    fn default() -> Self {
        Self { authenticate: Duration::from_secs(10), idle: Duration::from_secs(60) }
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IceTcpEnd {
    /// By the peer, or broken, or it took nothing any more.
    Closed,
    /// Its first datagram was no check for one of our shards, or it was no RFC 4571.
    NotIce,
    /// Nobody that we know within the time, or too much said before.
    NotAuthenticated,
    Idle,
    /// The shard began anew or ended.
    ShardGone,
}

/// The shard's end of a connection.
struct TcpSink {
    outbox: Arc<Outbox>,
    authenticated: Arc<AtomicBool>,
}

impl LinkSink for TcpSink {
    fn send(&mut self, run: &Run, data: &[u8]) -> Taken {
        let mut taken = Taken::default();
        for datagram in data.chunks(usize::from(run.segment).max(1)) {
            if run.class == Class::Control && datagram.starts_with(&BINDING_SUCCESS) {
                self.authenticated.store(true, Relaxed);
            }
            if self.outbox.push(run.class, &[&head(datagram.len()), datagram]) {
                taken.datagrams += 1;
                taken.bytes += datagram.len() as u64;
            } else if run.class == Class::Video {
                taken.dropped_video += 1;
            } else {
                taken.dropped_other += 1;
            }
        }
        self.outbox.wake();
        taken
    }
}

/// STUN message type (RFC 8489 section 5).
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];

impl Drop for TcpSink {
    fn drop(&mut self) {
        self.outbox.close();
    }
}

/// Serves a connection until it ends. `place` is given back as soon as the peer is known to us.
pub(crate) async fn serve(
    shards: &[ShardLink],
    id: u32,
    stream: impl AsyncRead + AsyncWrite,
    peer: SocketAddr,
    times: IceTcpTimes,
    place: impl Send,
) -> IceTcpEnd {
    let (mut reader, mut writer) = split(stream);
    let via = Via::Tcp(id);
    let remote = Remote { addr: peer, via };
    let deadline = Instant::now() + times.authenticate;
    let (mut deframer, mut buffer) = (Deframer::default(), Vec::with_capacity(READ));
    let mut first = Arrived::new(remote);
    while first.lengths.is_empty() {
        match timeout_at(deadline, reader.read_buf(&mut buffer)).await {
            Err(_) => return IceTcpEnd::NotAuthenticated,
            Ok(Err(_) | Ok(0)) => return IceTcpEnd::Closed,
            Ok(Ok(_)) => {}
        }
        if deframer.push(&buffer, |datagram| first.push(datagram)).is_err() {
            return IceTcpEnd::NotIce;
        }
        buffer.clear();
    }
    let Some(shard) = shard_of(&first, shards) else { return IceTcpEnd::NotIce };

    let outbox = Outbox::new();
    let authenticated = Arc::new(AtomicBool::new(false));
    let sink = TcpSink { outbox: Arc::clone(&outbox), authenticated: Arc::clone(&authenticated) };
    if shard.send(LinkMessage::Open { via, sink: Box::new(sink) }).await.is_err() {
        return IceTcpEnd::ShardGone;
    }
    let mut place = Some(place);
    let reading = async {
        let mut said = 0;
        let mut arrived = first;
        let mut deadline = deadline;
        loop {
            said += arrived.lengths.len();
            if said > MAX_UNKNOWN && !authenticated.load(Relaxed) {
                return IceTcpEnd::NotAuthenticated;
            }
            if !arrived.lengths.is_empty()
                && shard.send(LinkMessage::Arrived(arrived)).await.is_err()
            {
                return IceTcpEnd::ShardGone;
            }
            buffer.clear();
            let read = timeout_at(deadline, reader.read_buf(&mut buffer)).await;
            let known = authenticated.load(Relaxed);
            match read {
                Err(_) if known && place.is_none() => return IceTcpEnd::Idle,
                // Authenticated since the last byte: from now on the other deadline counts.
                Err(_) if known => {}
                Err(_) => return IceTcpEnd::NotAuthenticated,
                Ok(Err(_) | Ok(0)) => return IceTcpEnd::Closed,
                Ok(Ok(_)) => {}
            }
            if known {
                place = None;
                deadline = Instant::now() + times.idle;
            }
            arrived = Arrived::new(remote);
            if deframer.push(&buffer, |datagram| arrived.push(datagram)).is_err() {
                return IceTcpEnd::NotIce;
            }
        }
    };
    let writing = async {
        match outbox.write_to(&mut writer).await {
            Ok(()) => IceTcpEnd::ShardGone,
            Err(_) => IceTcpEnd::Closed,
        }
    };
    let end = tokio::select! {
        end = reading => end,
        end = writing => end,
    };
    let _ = shard.send(LinkMessage::Closed(remote)).await;
    end
}

/// The shard that the first datagram, a STUN check, is for.
fn shard_of<'a>(first: &Arrived, shards: &'a [ShardLink]) -> Option<&'a ShardLink> {
    let check = first.data.get(..usize::from(*first.lengths.first()?))?;
    if classify(check) != Packet::Stun {
        return None;
    }
    let index = IceCredentials::shard_of(stun_local_ufrag(check)?)?;
    shards.get(usize::from(index))
}
