//! The one publisher: joins by real ICE and DTLS and sends the bursts of [`crate::traffic`].
//!
//! Packets leave one by one, as a browser's do, and the time at which each is given to the kernel
//! is kept in the [`SendLog`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use harness::client::{Client, Happened};
use str0m::format::Codec;
use str0m::media::{Mid, Pt};
use str0m::rtp::RtpWrite;

use crate::clock;
use crate::sendlog::{FRAME_TICKS, SendLog, Tag};
use crate::traffic::{self, Burst, Kind};

/// Where the tag stands in a video payload: after the VP8 descriptor and the largest frame header.
const TAG: usize = DESCRIPTOR + 10;
const DESCRIPTOR: usize = 6;
/// Temporal layers of four frames in a row, where there are any.
const TEMPORAL: [u8; 4] = [0, 2, 1, 2];

pub struct Publisher {
    client: Client,
    video: Stream,
    audio: Stream,
    keyframe: bool,
    frame: u32,
    number: u8,
    layered: bool,
    log: Arc<SendLog>,
    datagrams: Vec<(SocketAddr, Vec<u8>)>,
}

struct Stream {
    mid: Mid,
    payload_type: Pt,
    sequence: u64,
}

impl Publisher {
    /// `client` has joined with these m-lines; `number` tells it from other publishers. Layered:
    /// in three temporal layers.
    pub fn new(
        client: Client,
        (audio, video): (Mid, Mid),
        number: u8,
        layered: bool,
        log: Arc<SendLog>,
    ) -> io::Result<Self> {
        let stream = |codec, mid| {
            let payload_type =
                client.payload_type(codec).ok_or_else(|| io::Error::other("no such codec"))?;
            Ok::<_, io::Error>(Stream { mid, payload_type, sequence: 1_000 })
        };
        Ok(Self {
            video: stream(Codec::Vp8, video)?,
            audio: stream(Codec::Opus, audio)?,
            client,
            keyframe: true,
            frame: 0,
            number,
            layered,
            log,
            datagrams: Vec::new(),
        })
    }

    /// Sends until `stop`, `phase` later than others; `sent` counts media packets.
    pub fn run(mut self, phase: Duration, stop: &AtomicBool, sent: &AtomicU64) -> io::Result<()> {
        let second = traffic::schedule(Duration::from_secs(3));
        let start = Instant::now() + phase;
        for round in 0u32.. {
            for burst in &second {
                if stop.load(Relaxed) {
                    return Ok(());
                }
                let offset = Duration::from_secs(3) * round;
                self.listen_until(start + offset + burst.at)?;
                self.send(burst, offset + burst.at)?;
                sent.fetch_add(burst.payloads.len() as u64, Relaxed);
            }
        }
        Ok(())
    }

    /// Takes in feedback until the next burst is due.
    fn listen_until(&mut self, at: Instant) -> io::Result<()> {
        let keyframe = &mut self.keyframe;
        let wanted = |happened| *keyframe |= matches!(happened, Happened::KeyframeWanted(_));
        // The socket's timer is coarse: the last stretch is slept precisely.
        let left = at.saturating_duration_since(Instant::now());
        if left > Duration::from_millis(5) {
            self.client.step(left - Duration::from_millis(5), wanted)?;
        }
        clock::wait_until(at);
        Ok(())
    }

    fn send(&mut self, burst: &Burst, time: Duration) -> io::Result<()> {
        let now = Instant::now();
        let last = burst.payloads.len() - 1;
        let key = burst.kind == Kind::Video && std::mem::take(&mut self.keyframe);
        let frame = self.frame;
        self.frame += u32::from(burst.kind == Kind::Video);
        for (index, &size) in burst.payloads.iter().enumerate() {
            let (stream, ticks, payload) = match burst.kind {
                Kind::Video => {
                    let sequence = (self.video.sequence + 1) as u16;
                    let tag = Tag { publisher: self.number, frame, sequence };
                    let temporal = match self.layered && !key {
                        true => TEMPORAL[frame as usize % TEMPORAL.len()],
                        false => 0,
                    };
                    let base = if self.layered { frame / TEMPORAL.len() as u32 } else { frame };
                    let picture = Picture { number: frame as u16, base: base as u8, temporal, key };
                    let payload = vp8(size, picture, index == 0, tag);
                    (&mut self.video, frame.wrapping_mul(FRAME_TICKS), payload)
                }
                Kind::Audio => {
                    let ticks = time.as_micros() * 48 / 1_000;
                    (&mut self.audio, ticks as u32, opus(size))
                }
            };
            stream.sequence += 1;
            let packet =
                RtpWrite::new(stream.payload_type, stream.sequence.into(), ticks, now, payload);
            let packet = packet.marker(burst.kind == Kind::Video && index == last).nackable(true);
            let mid = stream.mid;
            self.client.write(mid, packet);
        }
        let Self { client, datagrams, keyframe, .. } = self;
        client.tick(now)?;
        // All are sealed before the first leaves: sealing is no part of anybody's delay.
        client.drain(
            |destination, data| datagrams.push((destination, data.to_vec())),
            |happened| *keyframe |= matches!(happened, Happened::KeyframeWanted(_)),
        )?;
        let mut first = burst.kind == Kind::Video;
        for (destination, data) in self.datagrams.drain(..) {
            if let Some(sequence) = media_sequence(&data, self.video.payload_type) {
                let at = clock::wall();
                self.log.sent(sequence, at);
                if std::mem::take(&mut first) {
                    self.log.began(frame, at);
                }
            }
            // A full socket buffer loses the datagram, as a network does.
            let _ = self.client.socket().send_to(&data, destination);
        }
        Ok(())
    }
}

/// The sequence number of an RTP packet of this payload type (RFC 3550 §5.1; sealing leaves the
/// header readable).
fn media_sequence(datagram: &[u8], payload_type: Pt) -> Option<u16> {
    let &[version, second, high, low, ..] = datagram else { return None };
    let media = version >> 6 == 2 && second & 0x7f == *payload_type;
    media.then(|| u16::from_be_bytes([high, low]))
}

struct Picture {
    number: u16,
    /// Of the base frame that it is built on.
    base: u8,
    temporal: u8,
    key: bool,
}

/// A VP8 payload (RFC 7741): descriptor with a 15-bit picture id, the number of the last base
/// frame and the temporal layer, frame header, tag, filling.
fn vp8(size: usize, picture: Picture, first: bool, tag: Tag) -> Vec<u8> {
    let Picture { number, base, temporal, key } = picture;
    let mut payload = vec![0x5a; size];
    payload[0] = if first { 0x90 } else { 0x80 };
    payload[1] = 0xe0;
    payload[2..4].copy_from_slice(&(number | 0x8000).to_be_bytes());
    payload[4] = base;
    // Each is built on base frames only.
    payload[5] = temporal << 6 | 0x20;
    if first {
        // Frame tag (RFC 6386 §9.1): bit 0 says inter frame; then start code and 640×360.
        payload[DESCRIPTOR..TAG].copy_from_slice(&[
            u8::from(!key),
            0,
            0,
            0x9d,
            0x01,
            0x2a,
            0x80,
            0x02,
            0x68,
            0x01,
        ]);
    }
    payload[TAG..TAG + Tag::LEN].copy_from_slice(&tag.bytes());
    payload
}

fn opus(size: usize) -> Vec<u8> {
    let mut payload = vec![0x5a; size];
    // One CELT frame of 20 ms, full band (RFC 6716 §3.1).
    payload[0] = 0xf8;
    payload
}

/// The tag of a video payload of the benchmark.
pub fn tag(payload: &[u8]) -> Option<Tag> {
    Tag::read(payload.get(TAG..TAG + Tag::LEN)?)
}
