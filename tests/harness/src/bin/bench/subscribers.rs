//! Many subscribers that join for real and then only count.
//!
//! Each keeps its str0m peer alive (consent checks, reports), but media goes past it: only a few
//! samples decrypt what they get, to see that it is the publisher's and how long it took.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use harness::client::{Client, Happened};

use crate::publisher;
use crate::sink::{self, Sink};

/// Decrypting subscribers, spread over the order of joining, which is that of sending.
const SAMPLES: usize = 4;

pub struct Subscribers {
    clients: Vec<Client>,
    sampled: Vec<bool>,
    server: SocketAddr,
    sink: Sink,
}

/// What the subscribers saw.
#[derive(Debug, Default)]
pub struct Seen {
    pub media_packets: AtomicU64,
    /// All have media.
    pub everybody: AtomicBool,
    /// Delays are taken while this is set.
    pub measuring: AtomicBool,
}

impl Subscribers {
    /// `clients` have answers, but need not be connected yet.
    pub fn new(clients: Vec<Client>, server: SocketAddr) -> io::Result<Self> {
        let last = clients.len().saturating_sub(1);
        let mut sampled = vec![false; clients.len()];
        for sample in 0..SAMPLES {
            if let Some(flag) = sampled.get_mut(last * sample / (SAMPLES - 1)) {
                *flag = true;
            }
        }
        let sockets =
            clients.iter().map(|client| client.socket().try_clone()).collect::<Result<_, _>>()?;
        for (client, _) in clients.iter().zip(&sampled).filter(|(_, sampled)| **sampled) {
            sink::stamp_arrivals(client.socket())?;
        }
        Ok(Self { clients, sampled, server, sink: Sink::new(sockets)? })
    }

    /// Receives until `stop`; gives the delays of sampled video packets, from the begin of the
    /// publisher's burst to the arrival at the subscriber's socket.
    pub fn run(mut self, seen: &Seen, stop: &AtomicBool) -> io::Result<Vec<Duration>> {
        let mut delays = Vec::new();
        let mut has_media = vec![false; self.clients.len()];
        let mut missing = self.clients.len();
        let mut next_ticks = Instant::now();
        while !stop.load(Relaxed) {
            let Self { clients, sampled, server, sink } = &mut self;
            let mut media = 0;
            let mut failure = None;
            sink.wait(Duration::from_millis(5), |received| {
                let index = received.socket;
                if is_media(received.data) {
                    media += 1;
                    if !std::mem::replace(&mut has_media[index], true) {
                        missing -= 1;
                    }
                    if !sampled[index] {
                        return;
                    }
                }
                let client = &mut clients[index];
                let take = |happened| {
                    if let (Happened::Packet(packet), Some(stamp)) = (happened, received.stamp)
                        && seen.measuring.load(Relaxed)
                        && packet.payload.len() > 500
                        && let Some(begun) = publisher::begun(&packet.payload)
                    {
                        delays.push(stamp.saturating_sub(begun));
                    }
                };
                let fed = client
                    .feed(Instant::now(), *server, received.data)
                    .and_then(|()| flush(client, take));
                if let Err(error) = fed {
                    failure = Some(error);
                }
            })?;
            if let Some(error) = failure {
                return Err(error);
            }
            seen.media_packets.fetch_add(media, Relaxed);
            seen.everybody.store(missing == 0, Relaxed);
            if Instant::now() >= next_ticks {
                next_ticks = Instant::now() + Duration::from_millis(10);
                self.tick()?;
            }
        }
        Ok(delays)
    }

    fn tick(&mut self) -> io::Result<()> {
        let now = Instant::now();
        for client in self.clients.iter_mut().filter(|client| client.timeout() <= now) {
            client.tick(now)?;
            flush(client, |_| {})?;
        }
        Ok(())
    }
}

fn flush(client: &mut Client, happened: impl FnMut(Happened)) -> io::Result<()> {
    let socket = Arc::clone(client.socket());
    client.drain(|to, data| drop(socket.send_to(data, to)), happened)
}

/// RTP, told from RTCP (RFC 5761 §4), STUN and DTLS (RFC 7983).
fn is_media(data: &[u8]) -> bool {
    matches!(data, [first, second, ..] if (128..192).contains(first) && !(192..224).contains(second))
}
