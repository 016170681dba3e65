//! Many subscribers that join for real and then only count.
//!
//! Each keeps its str0m peer alive (consent checks, reports), but media goes past it: all decrypt
//! their first picture, to see that it is the publisher's, and a few samples everything, to see
//! how long each packet took. The end of a frame is read from the clear header by all.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use harness::client::{Client, Happened};

use crate::publisher;
use crate::sendlog::{Completion, FRAME_TICKS, SendLog};
use crate::sink::{self, Sink};

/// Decrypting subscribers, spread over the order of joining, which is that of sending.
const SAMPLES: usize = 4;

pub struct Subscribers {
    clients: Vec<Client>,
    sampled: Vec<bool>,
    /// What each one's RTP timestamps are ahead of the publisher's, once known.
    offsets: Vec<Option<u32>>,
    server: SocketAddr,
    sink: Sink,
    log: Arc<SendLog>,
}

/// Times of the measured window.
#[derive(Debug, Default)]
pub struct Delays {
    /// From the sending of a packet to its arrival at a sampled subscriber's socket.
    pub packets: Vec<Duration>,
    /// From the sending of a frame's first packet to the last arrival of its last packet.
    pub frames: Vec<Duration>,
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
    pub fn new(clients: Vec<Client>, server: SocketAddr, log: Arc<SendLog>) -> io::Result<Self> {
        let last = clients.len().saturating_sub(1);
        let mut sampled = vec![false; clients.len()];
        for sample in 0..SAMPLES {
            if let Some(flag) = sampled.get_mut(last * sample / (SAMPLES - 1)) {
                *flag = true;
            }
        }
        let sockets =
            clients.iter().map(|client| client.socket().try_clone()).collect::<Result<_, _>>()?;
        for client in &clients {
            sink::stamp_arrivals(client.socket())?;
        }
        let offsets = vec![None; clients.len()];
        Ok(Self { clients, sampled, offsets, server, sink: Sink::new(sockets)?, log })
    }

    /// Receives until `stop`.
    pub fn run(mut self, seen: &Seen, stop: &AtomicBool) -> io::Result<Delays> {
        let mut delays = Delays::default();
        let mut completion = Completion::new(self.clients.len());
        let mut has_media = vec![false; self.clients.len()];
        let mut missing = self.clients.len();
        let mut next_ticks = Instant::now();
        while !stop.load(Relaxed) {
            let Self { clients, sampled, offsets, server, sink, log } = &mut self;
            let mut media = 0;
            let mut failure = None;
            let measuring = seen.measuring.load(Relaxed);
            sink.wait(Duration::from_millis(5), |received| {
                let index = received.socket;
                if is_media(received.data) {
                    media += 1;
                    if !std::mem::replace(&mut has_media[index], true) {
                        missing -= 1;
                    }
                    if let (Some(offset), Some(at)) = (offsets[index], received.stamp)
                        && let Some(timestamp) = end_of_frame(received.data)
                    {
                        let frame = timestamp.wrapping_sub(offset) / FRAME_TICKS;
                        let out = completion.arrived(log, frame, at);
                        delays.frames.extend(out.filter(|_| measuring));
                    }
                    if !sampled[index] && offsets[index].is_some() {
                        return;
                    }
                }
                let client = &mut clients[index];
                let take = |happened| {
                    let Happened::Packet(packet) = happened else { return };
                    let Some(tag) = publisher::tag(&packet.payload) else { return };
                    let ours = tag.frame.wrapping_mul(FRAME_TICKS);
                    offsets[index] = Some(packet.header.timestamp.wrapping_sub(ours));
                    if let (Some(sent), Some(at)) = (log.packet(tag.sequence), received.stamp)
                        && measuring
                    {
                        delays.packets.push(at.saturating_sub(sent));
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

/// The RTP timestamp of a video packet that ends a frame (RFC 7741 §4.1: the marker bit).
fn end_of_frame(data: &[u8]) -> Option<u32> {
    let &[_, second, _, _, t0, t1, t2, t3, ..] = data else { return None };
    let video = data.len() > 500 && second & 0x80 != 0;
    video.then(|| u32::from_be_bytes([t0, t1, t2, t3]))
}
