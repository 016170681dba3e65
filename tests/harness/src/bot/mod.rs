//! A participant without a browser: publishes generated Opus and VP8, receives into slots, counts.
//!
//! It runs on [`crate::client::Client`] and blocks its caller for a bounded time: give each bot a
//! thread. Link loss is made here, on media datagrams only, with a seed, so that a run can be
//! repeated.

mod bridge;
mod generate;
mod link;
mod stats;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use signaling::message::{Offer, Publication, Source};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid};

use crate::client::{Client, Happened};
use bridge::Bridge;
use generate::{Camera, Microphone};
use link::Link;
pub use stats::{BotStats, Received, Stream};

const DATAGRAM: usize = 2_048;

/// How a bot reaches the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Over {
    #[default]
    Udp,
    /// UDP of IPv6, on loopback.
    Udp6,
    /// ICE-TCP alone.
    Tcp,
}

/// What a bot does.
#[derive(Debug, Clone)]
pub struct BotConfig {
    pub microphone: bool,
    pub camera: bool,
    /// Receive slots offered at first.
    pub audio_slots: u32,
    pub video_slots: u32,
    /// Bits per second of the camera.
    pub video_bitrate: u32,
    /// Frames per second of the camera.
    pub frame_rate: u32,
    /// Media datagrams lost on the way to and from the server, 0.0..1.0.
    pub loss_up: f64,
    pub loss_down: f64,
    /// Of the loss; also the number that marks what the bot sends (its low 32 bits).
    pub seed: u64,
    pub over: Over,
}

impl Default for BotConfig {
    /// Publishes 500 kbit/s at 15 frames a second, receives one of each, loses nothing.
    fn default() -> Self {
        Self {
            microphone: true,
            camera: true,
            audio_slots: 1,
            video_slots: 1,
            video_bitrate: 500_000,
            frame_rate: 15,
            loss_up: 0.0,
            loss_down: 0.0,
            seed: 1,
            over: Over::Udp,
        }
    }
}

/// One participant's media.
pub struct Bot {
    id: u32,
    client: Client,
    microphone: Option<(Mid, Microphone)>,
    camera: Option<(Mid, Camera)>,
    up: Link,
    down: Link,
    stats: BotStats,
    /// From the answers: which SSRC the server sends on which m-line.
    slots: HashMap<u32, String>,
    connected: bool,
    over: Over,
    bridge: Option<Bridge>,
}

impl Bot {
    /// Makes the offer and lets `exchange` carry it to the server and bring the answer back.
    ///
    /// # Errors
    /// Those of the socket, of `exchange`, and an answer that cannot be read.
    pub fn join(
        config: &BotConfig,
        exchange: impl FnOnce(&Offer) -> io::Result<String>,
    ) -> io::Result<Self> {
        let mut client = match config.over {
            Over::Udp | Over::Tcp => Client::on_loopback()?,
            Over::Udp6 => Client::new(Arc::new(UdpSocket::bind("[::1]:0")?))?,
        };
        let mut media = Vec::new();
        let mut sources = Vec::new();
        for (wanted, kind, source) in [
            (config.microphone, MediaKind::Audio, Source::Microphone),
            (config.camera, MediaKind::Video, Source::Camera),
        ] {
            if wanted {
                media.push((kind, Direction::SendOnly));
                sources.push(source);
            }
        }
        media.extend(slots(config.audio_slots, config.video_slots));
        let (sdp, mids) = client.offer(&media)?;
        let mut bot = Self {
            id: config.seed as u32,
            client,
            microphone: None,
            camera: None,
            up: Link::new(config.loss_up, config.seed),
            down: Link::new(config.loss_down, config.seed ^ 0x5eed),
            stats: BotStats::default(),
            slots: HashMap::new(),
            connected: false,
            over: config.over,
            bridge: None,
        };
        let publications = sources
            .iter()
            .zip(&mids)
            .map(|(source, mid)| Publication { mid: mid.to_string(), source: *source })
            .collect();
        bot.take_answer(&exchange(&Offer { sdp, publications })?)?;
        for (source, mid) in sources.into_iter().zip(mids) {
            match source {
                Source::Microphone => {
                    let pt = bot.payload_type(Codec::Opus)?;
                    bot.microphone = Some((mid, Microphone::new(pt, bot.id)));
                }
                _ => {
                    let pt = bot.payload_type(Codec::Vp8)?;
                    let camera = Camera::new(pt, bot.id, config.video_bitrate, config.frame_rate);
                    bot.camera = Some((mid, camera));
                }
            }
        }
        Ok(bot)
    }

    /// Offers more slots on the same connection.
    ///
    /// # Errors
    /// As [`Bot::join`].
    pub fn add_slots(
        &mut self,
        audio: u32,
        video: u32,
        exchange: impl FnOnce(&Offer) -> io::Result<String>,
    ) -> io::Result<()> {
        let (sdp, _) = self.client.offer(&slots(audio, video))?;
        let named = |mid: &Mid, source| Publication { mid: mid.to_string(), source };
        let publications = self
            .microphone
            .iter()
            .map(|(mid, _)| named(mid, Source::Microphone))
            .chain(self.camera.iter().map(|(mid, _)| named(mid, Source::Camera)))
            .collect();
        self.take_answer(&exchange(&Offer { sdp, publications })?)
    }

    fn payload_type(&self, codec: Codec) -> io::Result<str0m::media::Pt> {
        let found = self.client.payload_type(codec);
        found.ok_or_else(|| io::Error::other("the answer has no such codec"))
    }

    fn take_answer(&mut self, sdp: &str) -> io::Result<()> {
        if self.over == Over::Tcp && self.bridge.is_none() {
            self.bridge = Some(Bridge::open(sdp, self.client.address())?);
        }
        match &self.bridge {
            Some(bridge) => self.client.answer(&bridge.instead_of_candidates(sdp))?,
            None => self.client.answer(sdp)?,
        }
        self.stats.learn_payload_types(sdp);
        for section in sdp.split("\r\nm=").skip(1) {
            let value = |key: &str| section.lines().find_map(|l| l.strip_prefix(key));
            let ssrc = value("a=ssrc:").and_then(|l| l.split(' ').next()?.parse().ok());
            if let (Some(mid), Some(ssrc)) = (value("a=mid:"), ssrc) {
                self.slots.insert(ssrc, mid.to_owned());
            }
        }
        Ok(())
    }

    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// What marks its packets ([`crate::mark::Mark`]).
    pub fn id(&self) -> u32 {
        self.id
    }

    pub fn stats(&self) -> &BotStats {
        &self.stats
    }

    /// Runs for `limit`.
    ///
    /// # Errors
    /// Those of the socket and of the WebRTC stack.
    pub fn run(&mut self, limit: Duration) -> io::Result<()> {
        self.run_until(limit, |_| false).map(drop)
    }

    /// Runs until `done` says so or `limit` has passed; says whether it was done.
    ///
    /// # Errors
    /// As [`Bot::run`].
    pub fn run_until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&Bot) -> bool,
    ) -> io::Result<bool> {
        let deadline = Instant::now() + limit;
        loop {
            self.step(deadline)?;
            if done(self) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
        }
    }

    /// Sends what is due, then waits for datagrams until something is due again.
    fn step(&mut self, deadline: Instant) -> io::Result<()> {
        self.publish(Instant::now());
        if Instant::now() >= self.client.timeout() {
            self.client.tick(Instant::now())?;
        }
        self.flush()?;
        let due = [
            Some(deadline),
            Some(self.client.timeout()),
            self.microphone.as_ref().and_then(|(_, m)| m.due()),
            self.camera.as_ref().and_then(|(_, c)| c.due()),
        ];
        let next = due.into_iter().flatten().min().unwrap_or(deadline);
        let wait = next.saturating_duration_since(Instant::now());
        let socket = self.client.socket().clone();
        socket.set_nonblocking(false)?;
        // A zero timeout would mean "for ever" to the socket.
        socket.set_read_timeout(Some(
            wait.clamp(Duration::from_micros(100), Duration::from_millis(20)),
        ))?;
        let mut data = [0; DATAGRAM];
        let mut received = socket.recv_from(&mut data);
        socket.set_nonblocking(true)?;
        while let Ok((len, source)) = received {
            self.arrive(source, &data[..len])?;
            received = socket.recv_from(&mut data);
        }
        Ok(())
    }

    fn publish(&mut self, now: Instant) {
        if !self.connected {
            return;
        }
        if let Some((mid, microphone)) = &mut self.microphone {
            while let Some(packet) = microphone.next(now) {
                self.stats.sent(Source::Microphone, now);
                self.client.write(*mid, packet);
            }
        }
        if let Some((mid, camera)) = &mut self.camera {
            while let Some(packet) = camera.next(now) {
                self.stats.sent(Source::Camera, now);
                self.client.write(*mid, packet);
            }
            self.stats.sent_key_frames = camera.key_frames();
        }
    }

    fn arrive(&mut self, source: SocketAddr, data: &[u8]) -> io::Result<()> {
        let now = Instant::now();
        self.stats.comes_down(data);
        if self.down.loses(data) {
            self.stats.lost_down(now, data);
            return Ok(());
        }
        self.client.feed(now, source, data)?;
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        let socket = self.client.socket().clone();
        let (up, slots) = (&mut self.up, &self.slots);
        let stats = std::cell::RefCell::new(&mut self.stats);
        let (connected, camera) = (&mut self.connected, &mut self.camera);
        self.client.drain(
            |to, data| {
                stats.borrow_mut().goes_up(data);
                if up.loses(data) {
                    stats.borrow_mut().lost_up(data);
                } else {
                    // A full socket buffer loses the datagram, as a network does.
                    drop(socket.send_to(data, to));
                }
            },
            |happened| match happened {
                Happened::Connected => *connected = true,
                Happened::Disconnected => *connected = false,
                Happened::KeyframeWanted(_) => {
                    if let Some((_, camera)) = camera {
                        camera.want_key_frame();
                    }
                }
                Happened::Packet(packet) => stats.borrow_mut().received(&packet, slots),
            },
        )
    }
}

/// Recvonly m-lines.
fn slots(audio: u32, video: u32) -> Vec<(MediaKind, Direction)> {
    let of = |kind, count| (0..count).map(move |_| (kind, Direction::RecvOnly));
    of(MediaKind::Audio, audio).chain(of(MediaKind::Video, video)).collect()
}
