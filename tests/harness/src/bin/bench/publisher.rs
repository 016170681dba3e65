//! The one publisher: joins by real ICE and DTLS and sends the bursts of [`crate::traffic`].
//!
//! A burst leaves in one sendmmsg of single datagrams, and each payload carries the wall time at
//! which the burst was begun.

use std::io;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use harness::client::{Client, Happened};
use str0m::format::Codec;
use str0m::media::{Mid, Pt};
use str0m::rtp::RtpWrite;

use crate::clock;
use crate::gso::{Run, Sender, v4};
use crate::traffic::{self, Burst, Kind};

/// Where the time stands in a video payload: after the VP8 descriptor and the largest frame header.
const STAMP: usize = 14;
const DESCRIPTOR: usize = 4;

pub struct Publisher {
    client: Client,
    video: Stream,
    audio: Stream,
    keyframe: bool,
    sender: Sender,
    bytes: Vec<u8>,
    runs: Vec<Run>,
}

struct Stream {
    mid: Mid,
    payload_type: Pt,
    sequence: u64,
}

impl Publisher {
    /// `client` has joined with these m-lines.
    pub fn new(client: Client, audio: Mid, video: Mid) -> io::Result<Self> {
        let stream = |codec, mid| {
            let payload_type =
                client.payload_type(codec).ok_or_else(|| io::Error::other("no such codec"))?;
            Ok::<_, io::Error>(Stream { mid, payload_type, sequence: 1_000 })
        };
        Ok(Self {
            video: stream(Codec::Vp8, video)?,
            audio: stream(Codec::Opus, audio)?,
            sender: Sender::new(UdpSocket::try_clone(client.socket())?),
            client,
            keyframe: true,
            bytes: Vec::new(),
            runs: Vec::new(),
        })
    }

    /// Sends until `stop`; `sent` counts media packets.
    pub fn run(mut self, stop: &AtomicBool, sent: &AtomicU64) -> io::Result<()> {
        let second = traffic::schedule(Duration::from_secs(3));
        let start = Instant::now();
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
        let begun = clock::wall().as_nanos() as u64;
        let now = Instant::now();
        let last = burst.payloads.len() - 1;
        let key = burst.kind == Kind::Video && std::mem::take(&mut self.keyframe);
        for (index, &size) in burst.payloads.iter().enumerate() {
            let (stream, ticks, payload) = match burst.kind {
                Kind::Video => (
                    &mut self.video,
                    time.as_micros() * 9 / 100,
                    vp8(size, burst.index as u16, index == 0, key, begun),
                ),
                Kind::Audio => (&mut self.audio, time.as_micros() * 48 / 1_000, opus(size)),
            };
            stream.sequence += 1;
            let packet = RtpWrite::new(
                stream.payload_type,
                stream.sequence.into(),
                ticks as u32,
                now,
                payload,
            );
            let packet = packet.marker(burst.kind == Kind::Video && index == last).nackable(true);
            let mid = stream.mid;
            self.client.write(mid, packet);
        }
        let Self { client, bytes, runs, keyframe, .. } = self;
        bytes.clear();
        runs.clear();
        client.tick(now)?;
        client.drain(
            |destination, data| {
                let run = Run {
                    destination: v4(destination),
                    start: bytes.len(),
                    len: data.len(),
                    segment: data.len() as u16,
                };
                bytes.extend_from_slice(data);
                runs.push(run);
            },
            |happened| *keyframe |= matches!(happened, Happened::KeyframeWanted(_)),
        )?;
        self.sender.send(&self.bytes, &self.runs)
    }
}

/// A VP8 payload (RFC 7741): descriptor with a 15-bit picture id, frame header, time, filling.
fn vp8(size: usize, picture: u16, first: bool, key: bool, begun: u64) -> Vec<u8> {
    let mut payload = vec![0x5a; size];
    payload[0] = if first { 0x90 } else { 0x80 };
    payload[1] = 0x80;
    payload[2..4].copy_from_slice(&(picture | 0x8000).to_be_bytes());
    if first {
        // Frame tag (RFC 6386 §9.1): bit 0 says inter frame; then start code and 640×360.
        payload[DESCRIPTOR..STAMP].copy_from_slice(&[
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
    payload[STAMP..STAMP + 8].copy_from_slice(&begun.to_be_bytes());
    payload
}

fn opus(size: usize) -> Vec<u8> {
    let mut payload = vec![0x5a; size];
    // One CELT frame of 20 ms, full band (RFC 6716 §3.1).
    payload[0] = 0xf8;
    payload
}

/// The wall time at which the burst of this video payload was begun.
pub fn begun(payload: &[u8]) -> Option<Duration> {
    let stamp = payload.get(STAMP..STAMP + 8)?;
    Some(Duration::from_nanos(u64::from_be_bytes(stamp.try_into().ok()?)))
}
