//! Many subscribers that join for real and then only count.
//!
//! Each keeps its str0m peer alive (consent checks, reports), but media goes past it: all decrypt
//! their first pictures, to see whose they are, and a few samples everything, to see how long each
//! packet took. Loss and the ends of frames are read from the clear headers by all.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use harness::client::{Client, Happened};

use crate::publisher;
use crate::sendlog::{Completion, FRAME_TICKS, SendLog};
use crate::sink::{self, Sink};
use crate::stream::Stream;

/// A subscriber that decrypts everything, of so many: spread over the order of joining, which is
/// that of sending.
const SAMPLE: usize = 4;

/// A subscriber with its answer, not necessarily connected yet.
pub struct Joining {
    pub client: Client,
    pub server: SocketAddr,
    /// When its offer was made.
    pub begun: Instant,
    pub sampled: bool,
}

struct Subscriber {
    client: Client,
    server: SocketAddr,
    begun: Instant,
    sampled: bool,
    streams: Vec<Stream>,
    /// Pictures whose publisher is not known yet.
    unknown: usize,
}

pub struct Subscribers {
    all: Vec<Subscriber>,
    incoming: Receiver<Joining>,
    pictures: usize,
    sink: Sink,
    logs: Vec<Arc<SendLog>>,
    /// One for each publisher whose audience is known.
    completion: Vec<Completion>,
}

/// Times of the measured window.
#[derive(Debug, Default)]
pub struct Delays {
    /// From the sending of a packet to its arrival at a sampled subscriber's socket.
    pub packets: Vec<Duration>,
    /// From the sending of a frame's first packet to the last arrival of its last packet.
    pub frames: Vec<Duration>,
    /// From the offer of a subscriber to its first media; of all, not of the window.
    pub joins: Vec<Duration>,
    /// Packets sent to subscribers since the window began, by their numbers, and those that came.
    pub expected: u64,
    pub received: u64,
}

/// What the subscribers saw.
#[derive(Debug, Default)]
pub struct Seen {
    pub media_packets: AtomicU64,
    /// Subscribers that have media.
    pub watching: AtomicUsize,
    /// Delays and losses are taken from when this is set.
    pub measuring: AtomicBool,
}

/// Which of `count` subscribers are samples.
pub fn is_sample(index: usize, count: usize) -> bool {
    let last = count.saturating_sub(1);
    (0..SAMPLE).any(|sample| last * sample / (SAMPLE - 1) == index)
}

impl Subscribers {
    /// `pictures` each; `audience` is how many receive each publisher, if all of theirs do.
    pub fn new(
        incoming: Receiver<Joining>,
        pictures: usize,
        audience: Option<usize>,
        logs: Vec<Arc<SendLog>>,
    ) -> io::Result<Self> {
        let completion = match audience {
            Some(readers) => logs.iter().map(|_| Completion::new(readers)).collect(),
            None => Vec::new(),
        };
        let sink = Sink::new(Vec::new())?;
        Ok(Self { all: Vec::new(), incoming, pictures, sink, logs, completion })
    }

    /// Receives until `stop`.
    pub fn run(mut self, seen: &Seen, stop: &AtomicBool) -> io::Result<Delays> {
        let mut delays = Delays::default();
        let mut next_ticks = Instant::now();
        let mut measured = false;
        while !stop.load(Relaxed) {
            let measuring = seen.measuring.load(Relaxed);
            if measuring && !std::mem::replace(&mut measured, true) {
                let streams = self.all.iter_mut().flat_map(|one| &mut one.streams);
                streams.for_each(Stream::begin);
            }
            self.read(seen, measuring, &mut delays)?;
            if Instant::now() >= next_ticks {
                next_ticks = Instant::now() + Duration::from_millis(10);
                self.welcome()?;
                self.tick();
            }
        }
        for stream in self.all.iter().flat_map(|one| &one.streams) {
            let (expected, received) = stream.expected_and_received();
            delays.expected += expected;
            delays.received += received;
        }
        Ok(delays)
    }

    fn read(&mut self, seen: &Seen, measuring: bool, delays: &mut Delays) -> io::Result<()> {
        let Self { all, sink, logs, completion, .. } = self;
        let (mut media, mut began) = (0, 0);
        sink.wait(Duration::from_millis(5), |received| {
            let one = &mut all[received.socket];
            if let Some(header) = Header::read(received.data) {
                media += 1;
                let at = one.streams.iter().position(|stream| stream.ssrc == header.ssrc);
                let at = at.unwrap_or_else(|| {
                    if one.streams.is_empty() {
                        began += 1;
                        delays.joins.push(one.begun.elapsed());
                    }
                    one.streams.push(Stream::new(header.ssrc, header.sequence));
                    one.streams.len() - 1
                });
                let stream = &mut one.streams[at];
                stream.arrived(header.sequence);
                if let (Some((publisher, offset)), Some(at)) = (stream.origin, received.stamp)
                    && header.ends_frame(received.data.len())
                    && let Some(completion) = completion.get_mut(usize::from(publisher))
                {
                    let frame = header.timestamp.wrapping_sub(offset) / FRAME_TICKS;
                    let out = completion.arrived(&logs[usize::from(publisher)], frame, at);
                    delays.frames.extend(out.filter(|_| measuring));
                }
                if !one.sampled && one.unknown == 0 {
                    return;
                }
            }
            let Subscriber { client, server, streams, unknown, .. } = one;
            let take = |happened| {
                let Happened::Packet(packet) = happened else { return };
                let Some(tag) = publisher::tag(&packet.payload) else { return };
                let ssrc = *packet.header.ssrc;
                if let Some(stream) = streams.iter_mut().find(|stream| stream.ssrc == ssrc) {
                    let ours = tag.frame.wrapping_mul(FRAME_TICKS);
                    let offset = packet.header.timestamp.wrapping_sub(ours);
                    if stream.origin.replace((tag.publisher, offset)).is_none() {
                        *unknown = unknown.saturating_sub(1);
                    }
                }
                if let (Some(log), Some(at)) =
                    (logs.get(usize::from(tag.publisher)), received.stamp)
                    && let Some(sent) = log.packet(tag.sequence)
                    && measuring
                {
                    delays.packets.push(at.saturating_sub(sent));
                }
            };
            // One that fails is missed by whoever waits for all to have media.
            let _ = client
                .feed(Instant::now(), *server, received.data)
                .and_then(|()| flush(client, take));
        })?;
        seen.media_packets.fetch_add(media, Relaxed);
        seen.watching.fetch_add(began, Relaxed);
        Ok(())
    }

    /// Takes in those who have joined since.
    fn welcome(&mut self) -> io::Result<()> {
        while let Ok(Joining { mut client, server, begun, sampled }) = self.incoming.try_recv() {
            sink::stamp_arrivals(client.socket())?;
            self.sink.add(client.socket().try_clone()?)?;
            client.tick(Instant::now())?;
            flush(&mut client, |_| {})?;
            let unknown = self.pictures;
            let streams = Vec::new();
            self.all.push(Subscriber { client, server, begun, sampled, streams, unknown });
        }
        Ok(())
    }

    fn tick(&mut self) {
        let now = Instant::now();
        for one in self.all.iter_mut().filter(|one| one.client.timeout() <= now) {
            let _ = one.client.tick(now).and_then(|()| flush(&mut one.client, |_| {}));
        }
    }
}

fn flush(client: &mut Client, happened: impl FnMut(Happened)) -> io::Result<()> {
    let socket = Arc::clone(client.socket());
    client.drain(|to, data| drop(socket.send_to(data, to)), happened)
}

/// The clear part of a media packet.
struct Header {
    marker: bool,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
}

impl Header {
    /// RTP, told from RTCP (RFC 5761 §4), STUN and DTLS (RFC 7983).
    fn read(data: &[u8]) -> Option<Header> {
        let &[first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3, ..] = data else {
            return None;
        };
        if !(128..192).contains(&first) || (192..224).contains(&second) {
            return None;
        }
        Some(Header {
            marker: second & 0x80 != 0,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        })
    }

    /// The last packet of a picture (RFC 7741 §4.1: the marker bit); sound is smaller.
    fn ends_frame(&self, len: usize) -> bool {
        self.marker && len > 500
    }
}
