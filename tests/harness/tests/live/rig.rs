//! A media server, clients in it, and bounded waits for what happens.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use harness::client::{Client, Happened};
use media::api::{Assignment, Event, OfferRequest, OwnerId, PeerId, RoomId, Source, Watch};
use media_io::{Media, MediaConfig};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::rtp::RtpWrite;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

pub const ROOM: RoomId = RoomId(0x1234);
/// For anything that must happen.
pub const SOON: Duration = Duration::from_secs(15);

pub struct Rig {
    pub runtime: Runtime,
    pub media: Media,
    pub events: mpsc::Receiver<Event>,
}

impl Rig {
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut MediaConfig)) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut config = MediaConfig::new(vec![address], vec![Ipv4Addr::LOCALHOST.into()]);
        change(&mut config);
        let media = Media::start(config).unwrap();
        let events = runtime.block_on(media.open_room(ROOM)).unwrap();
        Self { runtime, media, events }
    }

    pub fn port(&self) -> SocketAddr {
        self.media.addresses()[0]
    }

    /// Joins with these m-lines; the client is not connected yet.
    pub fn join(
        &self,
        peer: u128,
        media: &[(MediaKind, Direction)],
        sources: &[Source],
    ) -> (Client, Vec<Mid>, Vec<Assignment>) {
        let mut client = Client::on_loopback().unwrap();
        let (sdp, mids) = client.offer(media).unwrap();
        let publications =
            mids.iter().zip(sources).map(|(mid, &source)| (mid.to_string(), source)).collect();
        let request = OfferRequest { publications, ..self.request(peer, sdp) };
        let answer = self.runtime.block_on(self.media.offer(request)).unwrap();
        client.answer(&answer.sdp).unwrap();
        (client, mids, answer.assignments)
    }

    /// An offer that publishes nothing.
    pub fn request(&self, peer: u128, sdp: String) -> OfferRequest {
        OfferRequest {
            room: ROOM,
            peer: PeerId(peer),
            owner: OwnerId(peer),
            sdp,
            publications: Vec::new(),
            may_publish: true,
            may_capture: true,
            watch: Watch::Everyone,
        }
    }

    /// A camera of a connected client.
    pub fn camera(&self, client: Client, mid: Mid) -> Camera {
        Camera { client, mid, next: 0, keyframe: true, only_keyframes: false, sent: Vec::new() }
    }

    /// A connected publisher of a camera.
    pub fn publisher(&self, peer: u128) -> Camera {
        let video = [(MediaKind::Video, Direction::SendOnly)];
        let (mut client, mids, _) = self.join(peer, &video, &[Source::Camera]);
        assert!(client.run_until(SOON, |_| {}, Client::is_connected).unwrap(), "connected");
        self.camera(client, mids[0])
    }

    /// A connected receiver of one video.
    pub fn subscriber(&self, peer: u128) -> Client {
        let (mut client, ..) = self.join(peer, &[(MediaKind::Video, Direction::RecvOnly)], &[]);
        assert!(client.run_until(SOON, |_| {}, Client::is_connected).unwrap(), "connected");
        client
    }

    /// The first event that `wanted` accepts.
    pub fn event(&mut self, mut wanted: impl FnMut(&Event) -> bool) -> Event {
        let events = &mut self.events;
        let find = async {
            loop {
                let event = events.recv().await.expect("the room is open");
                if wanted(&event) {
                    return event;
                }
            }
        };
        let found = self.runtime.block_on(async { tokio::time::timeout(SOON, find).await });
        found.expect("the event came in time")
    }
}

/// A publisher whose payloads say their number.
pub struct Camera {
    pub client: Client,
    mid: Mid,
    next: u32,
    keyframe: bool,
    /// Every frame can be decoded alone, so that none is passed over after a switch.
    pub only_keyframes: bool,
    sent: Vec<Vec<u8>>,
}

impl Camera {
    /// Sends one frame of one packet; gives its payload.
    pub fn frame(&mut self) -> Vec<u8> {
        let number = self.next;
        self.next += 1;
        let key = std::mem::take(&mut self.keyframe) || self.only_keyframes;
        let payload = payload(number, key);
        self.sent.push(body(&payload).to_vec());
        let pt = self.client.payload_type(Codec::Vp8).unwrap();
        let (sequence, time) = (u64::from(number) + 100, number.wrapping_mul(3_000));
        let packet = RtpWrite::new(pt, sequence.into(), time, Instant::now(), payload.clone());
        self.client.write(self.mid, packet.marker(true).nackable(true));
        self.client.tick(Instant::now()).unwrap();
        self.step();
        payload
    }

    pub fn step(&mut self) {
        let keyframe = &mut self.keyframe;
        let happened = |what| *keyframe |= matches!(what, Happened::KeyframeWanted(_));
        self.client.step(Duration::from_millis(1), happened).unwrap();
    }
}

/// A whole VP8 frame in one payload (RFC 7741), with its number after the frame header.
fn payload(number: u32, key: bool) -> Vec<u8> {
    let mut payload = vec![0x90, 0x80];
    payload.extend_from_slice(&(number as u16 | 0x8000).to_be_bytes());
    payload.extend_from_slice(&[u8::from(!key), 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]);
    payload.extend_from_slice(&number.to_be_bytes());
    payload.resize(900, number as u8);
    payload
}

/// What must be the same at both ends: all after the descriptor, whose picture id is rewritten.
pub fn body(payload: &[u8]) -> &[u8] {
    &payload[4..]
}

/// Sends frames until `frames` of them came out at `receiver`; gives the bodies that came.
pub fn watch(camera: &mut Camera, receiver: &mut Client, frames: usize) -> Vec<Vec<u8>> {
    let mut came: Vec<Vec<u8>> = Vec::new();
    let deadline = Instant::now() + SOON;
    while came.len() < frames {
        assert!(Instant::now() < deadline, "{} of {frames} frames came", came.len());
        camera.frame();
        let take = |what| {
            if let Happened::Packet(packet) = what
                && packet.payload.len() > 4
            {
                came.push(body(&packet.payload).to_vec());
            }
        };
        receiver.step(Duration::from_millis(2), take).unwrap();
    }
    assert!(came.iter().all(|frame| camera.sent.contains(frame)), "what came is what was sent");
    came
}
