//! Members made by hand over `rtc::dtls`, for what no well-behaved stack does (floods), and for
//! crowds: cheap enough for five hundred of them in one test.
#![allow(dead_code)]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use media::api::{Assignment, Event, OfferRequest, OwnerId, PeerId, RoomId, Source, Tap};
use media::rtp::ext;
use media::rtp::packet::Header;
use media::shard::{Datagram, Egress, Entropy, Limits, Shard, ShardConfig, TapSink};
use media::transport::{DtlsIdentity, Fingerprint, Packet, Remote, classify, stun};
use rtc::crypto::RTCCryptoProvider;
use rtc::crypto::providers::AwsLcRsProvider;
use rtc::dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc::dtls::crypto::Certificate;
use rtc::dtls::endpoint::Endpoint;
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::shared::TransportProtocol;
use rtc::srtp::context::Context;
use rtc::srtp::protection_profile::ProtectionProfile;

pub const ROOM: RoomId = RoomId(7);
pub const OPUS: u8 = 111;
pub const RED: u8 = 63;
pub const VP8: u8 = 96;
const LEVEL_ID: u8 = 1;
const SERVER: ([u8; 4], u16) = ([10, 0, 0, 1], 8443);

struct Counting(u64);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (self.0 >> 40) as u8;
        }
    }
}

/// Counts captured packets by track.
#[derive(Default)]
pub struct Taps(pub HashMap<u64, u64>);

impl TapSink for Taps {
    fn tap(&mut self, tap: Tap<'_>) {
        if let Tap::Rtp { track, .. } = tap {
            *self.0.entry(track.0).or_default() += 1;
        }
    }
}

/// A media packet that a member received, decrypted.
#[derive(Debug, Clone)]
pub struct Heard {
    pub at: Duration,
    pub ssrc: u32,
    pub seq: u16,
    pub timestamp: u32,
    pub marker: bool,
    /// Header extensions by id.
    pub extensions: Vec<(u8, Vec<u8>)>,
    pub payload: Vec<u8>,
}

/// What video m-lines offer.
pub struct Video {
    pub types: &'static str,
    /// Attributes of the payload types, and header extensions.
    pub lines: &'static str,
}

const PLAIN: Video = Video {
    types: "96 97",
    lines: "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n\
            a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n",
};

/// A packet as a test makes it.
pub struct Made<'a> {
    pub pt: u8,
    pub marker: bool,
    pub timestamp: u32,
    /// One header extension in its two-byte form: id and bytes.
    pub extension: Option<(u8, &'a [u8])>,
    pub payload: &'a [u8],
}

impl Heard {
    /// Who spoke, and the number of the packet, as [`Wire::speak`] wrote them.
    pub fn tag(&self) -> (u16, u32) {
        let p = &self.payload;
        (u16::from_be_bytes([p[1], p[2]]), u32::from_be_bytes([p[3], p[4], p[5], p[6]]))
    }
}

pub struct Member {
    pub id: PeerId,
    addr: SocketAddr,
    /// The connectivity check that keeps consent fresh.
    check: Vec<u8>,
    endpoint: Endpoint,
    tx: Option<Context>,
    rx: Option<Context>,
    pub connected: bool,
    pub mids: Vec<String>,
    /// Our own SSRC by m-line of what is sent.
    sends: Vec<(Source, u32)>,
    /// The shard's SSRC by mid of each slot.
    pub slots: HashMap<String, u32>,
    seq: Vec<u16>,
    timestamp: Vec<u32>,
    number: Vec<u32>,
    /// Keeps what comes, decrypted.
    pub listens: bool,
    pub heard: Vec<Heard>,
    /// When key frames were asked for.
    pub asked: Vec<Duration>,
    /// Packets and bytes that came, by SSRC.
    pub came: HashMap<u32, (u64, u64)>,
}

pub struct Wire {
    pub shard: Shard,
    pub video: Video,
    pub start: Instant,
    pub now: Instant,
    pub members: Vec<Member>,
    by_addr: HashMap<SocketAddr, usize>,
    pub events: Vec<Event>,
    pub taps: Taps,
    egress: Egress,
    provider: Arc<AwsLcRsProvider>,
    config: Arc<HandshakeConfig>,
    fingerprint: String,
    pending: Vec<(usize, Vec<u8>)>,
    checked: Instant,
}

#[allow(clippy::disallowed_methods)]
fn origin() -> Instant {
    Instant::now()
}

impl Wire {
    pub fn new(limits: Limits) -> Wire {
        let identity = Arc::new(DtlsIdentity::generate().unwrap());
        let advertised = vec![SERVER.into()];
        let config =
            ShardConfig { identity, advertised, advertised_tcp: Vec::new(), index: 0, limits };
        let mut shard = Shard::new(config, Box::new(Counting(42)));
        shard.open_room(ROOM);
        let provider = Arc::new(AwsLcRsProvider::new());
        // One certificate for all: it costs a key generation each.
        let certificate =
            Certificate::generate_self_signed(vec!["test".to_owned()], provider.crypto()).unwrap();
        let digest =
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &certificate.certificate[0]);
        let fingerprint = Fingerprint { algorithm: "sha-256", digest: digest.as_ref().into() };
        let config = ConfigBuilder::default()
            .with_crypto_provider(provider.clone())
            .with_certificates(vec![certificate])
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_insecure_skip_verify(true)
            .with_server_name("test".to_owned())
            .build(true, None)
            .map(Arc::new)
            .unwrap();
        let start = origin();
        Wire {
            shard,
            video: PLAIN,
            start,
            now: start,
            members: Vec::new(),
            by_addr: HashMap::new(),
            events: Vec::new(),
            taps: Taps::default(),
            egress: Egress::default(),
            provider,
            config,
            fingerprint: fingerprint.to_string(),
            pending: Vec::new(),
            checked: start,
        }
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// A member who sends `sends` and has slots for audio and video; not yet connected.
    pub fn join(&mut self, sends: &[Source], audio: usize, video: usize) -> usize {
        let index = self.members.len();
        let addr = SocketAddr::from(([10, 1, (index >> 8) as u8, index as u8], 5000));
        let id = PeerId(1000 + index as u128);
        let mut sdp = String::from("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n");
        let group: String = (0..sends.len() + audio + video).map(|mid| format!(" {mid}")).collect();
        write!(sdp, "a=group:BUNDLE{group}\r\n").unwrap();
        let mut member = Member {
            id,
            addr,
            check: Vec::new(),
            endpoint: Endpoint::new(addr, TransportProtocol::UDP, None),
            tx: None,
            rx: None,
            connected: false,
            mids: Vec::new(),
            sends: Vec::new(),
            slots: HashMap::new(),
            seq: Vec::new(),
            timestamp: Vec::new(),
            number: Vec::new(),
            listens: false,
            heard: Vec::new(),
            asked: Vec::new(),
            came: HashMap::new(),
        };
        let mut publications = Vec::new();
        let lines = sends.iter().map(|source| (Some(*source), source.is_audio()));
        let slots = (0..audio).map(|_| (None, true)).chain((0..video).map(|_| (None, false)));
        for (mid, (source, is_audio)) in lines.chain(slots).enumerate() {
            let direction = if source.is_some() { "sendonly" } else { "recvonly" };
            let (kind, types) =
                if is_audio { ("audio", "111") } else { ("video", self.video.types) };
            let codec = match is_audio {
                true => "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 nack\r\n",
                false => self.video.lines,
            };
            write!(
                sdp,
                "m={kind} 9 UDP/TLS/RTP/SAVPF {types}\r\na=mid:{mid}\r\na=ice-ufrag:them\r\n\
                 a=ice-pwd:twenty-two-characters-x\r\na=fingerprint:{}\r\na=setup:actpass\r\n\
                 a=rtcp-mux\r\na={direction}\r\n{codec}\
                 a=extmap:{LEVEL_ID} urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n",
                self.fingerprint
            )
            .unwrap();
            if let Some(source) = source {
                let ssrc = (index as u32 + 1) << 8 | mid as u32;
                write!(sdp, "a=ssrc:{ssrc} cname:c\r\n").unwrap();
                publications.push((mid.to_string(), source));
                member.sends.push((source, ssrc));
                member.seq.push(100);
                member.timestamp.push(77);
                member.number.push(0);
            } else {
                member.mids.push(mid.to_string());
            }
        }
        let request = OfferRequest {
            room: ROOM,
            peer: id,
            owner: OwnerId(id.0),
            sdp,
            publications,
            may_publish: true,
            may_capture: true,
            watch: media::api::Watch::Everyone,
        };
        let answer = self.shard.offer(self.now, request).unwrap().sdp;
        let value = |name: &str| {
            let at = answer.find(name).unwrap() + name.len();
            answer[at..].lines().next().unwrap().to_owned()
        };
        let (ufrag, pwd) = (value("a=ice-ufrag:"), value("a=ice-pwd:"));
        for section in answer.split("m=").skip(1) {
            let line = |name: &str| {
                let at = section.find(name)? + name.len();
                section[at..].split([' ', '\r']).next().map(str::to_owned)
            };
            if let (Some(mid), Some(ssrc)) = (line("a=mid:"), line("a=ssrc:")) {
                member.slots.insert(mid, ssrc.parse().unwrap());
            }
        }
        let key = stun::integrity_key(&pwd);
        let check = stun::request(&[3; 12], &format!("{ufrag}:them"), 1, true, &key);
        self.by_addr.insert(addr, index);
        member.endpoint.connect(self.now, SERVER.into(), self.config.clone(), None).unwrap();
        member.check = check.clone();
        self.members.push(member);
        self.pending.push((index, check));
        index
    }

    /// Runs until everybody is connected.
    pub fn connect(&mut self) {
        for _ in 0..200 {
            for index in 0..self.members.len() {
                let member = &mut self.members[index];
                if member.connected {
                    continue;
                }
                while let Some(transmit) = member.endpoint.poll_transmit() {
                    self.pending.push((index, transmit.message.to_vec()));
                }
            }
            self.step(Duration::from_millis(5));
            for index in 0..self.members.len() {
                self.try_keys(index);
            }
            if self.members.iter().all(|member| member.connected) {
                return;
            }
        }
        panic!("not all connect: {:?}", self.shard.counters());
    }

    fn try_keys(&mut self, index: usize) {
        let member = &mut self.members[index];
        let ready = self
            .events
            .iter()
            .any(|event| matches!(event, Event::PeerConnected { peer, .. } if *peer == member.id));
        if member.connected || !ready {
            return;
        }
        let profile = ProtectionProfile::AeadAes128Gcm;
        let state = member.endpoint.get_connection_state(SERVER.into()).unwrap();
        let material = state.export_keying_material("EXTRACTOR-dtls_srtp", &[], 56).unwrap();
        let material: &[u8] = material.as_ref();
        let context = |key: usize, salt: usize| {
            let (key, salt) = (&material[key..key + 16], &material[salt..salt + 12]);
            Context::new(key, salt, profile, None, None, self.provider.crypto()).unwrap()
        };
        member.tx = Some(context(0, 32));
        member.rx = Some(context(16, 44));
        member.connected = true;
    }

    /// Hands over what is pending and lets time pass.
    pub fn step(&mut self, by: Duration) {
        if self.now - self.checked > Duration::from_secs(10) {
            self.checked = self.now;
            let checks = self.members.iter().enumerate().map(|(at, m)| (at, m.check.clone()));
            self.pending.extend(checks);
        }
        let mut pending = std::mem::take(&mut self.pending);
        let addresses: Vec<SocketAddr> =
            pending.iter().map(|(index, _)| self.members[*index].addr).collect();
        // As many as one receive call returns.
        for (chunk, addresses) in pending.chunks_mut(64).zip(addresses.chunks(64)) {
            let mut batch: Vec<Datagram<'_>> = chunk
                .iter_mut()
                .zip(addresses)
                .map(|((_, data), addr)| Datagram::new(Remote::udp(*addr), data))
                .collect();
            self.shard.handle_batch(self.now, &mut batch, &mut self.egress, &mut self.taps);
            self.deliver();
        }
        self.now += by;
        while self.shard.next_timeout().is_some_and(|at| at <= self.now) {
            self.shard.handle_timeout(self.now, &mut self.egress, &mut self.taps);
            self.deliver();
        }
    }

    fn deliver(&mut self) {
        while let Some(event) = self.shard.poll_event() {
            self.events.push(event);
        }
        let at = self.now - self.start;
        for run in &self.egress.runs {
            let Some(index) = self.by_addr.get(&run.dst.addr).copied() else { continue };
            let member = &mut self.members[index];
            let bytes = &self.egress.bytes[run.start..run.start + run.len];
            for datagram in bytes.chunks(usize::from(run.segment)) {
                match classify(datagram) {
                    Packet::Dtls => {
                        let data = BytesMut::from(datagram);
                        let _ = member.endpoint.read(self.now, SERVER.into(), None, data);
                    }
                    Packet::Rtp => {
                        let header = Header::parse_clear(datagram).unwrap();
                        let tally = member.came.entry(header.ssrc).or_default();
                        tally.0 += 1;
                        tally.1 += datagram.len() as u64;
                        let Some(rx) = member.rx.as_mut().filter(|_| member.listens) else {
                            continue;
                        };
                        let Ok(plain) = rx.decrypt_rtp(datagram) else { continue };
                        let header = Header::parse(&plain).unwrap();
                        member.heard.push(Heard {
                            at,
                            ssrc: header.ssrc,
                            seq: header.sequence,
                            timestamp: header.timestamp,
                            marker: header.marker,
                            extensions: ext::elements(&plain, &header)
                                .map(|(id, range)| (id, plain[range].to_vec()))
                                .collect(),
                            payload: plain[header.payload_range()].to_vec(),
                        });
                    }
                    Packet::Rtcp => {
                        let rx = member.rx.as_mut().filter(|_| member.listens);
                        let plain = rx.and_then(|rx| rx.decrypt_rtcp(datagram).ok());
                        member.asked.extend(plain.filter(|p| has_pli(p)).map(|_| at));
                    }
                    _ => {}
                }
            }
        }
        self.egress.clear();
    }

    /// A packet of one of a member's sources: Opus with its level, or one of VP8.
    fn send(&mut self, member: usize, at: usize, head: &[u8], level: Option<u8>, ticks: u32) {
        let this = &mut self.members[member];
        let (source, ssrc) = this.sends[at];
        let kind = if source.is_audio() { OPUS } else { VP8 };
        let mut packet = vec![0x80 | u8::from(level.is_some()) << 4, kind];
        packet.extend_from_slice(&this.seq[at].to_be_bytes());
        packet.extend_from_slice(&this.timestamp[at].to_be_bytes());
        packet.extend_from_slice(&ssrc.to_be_bytes());
        if let Some(level) = level {
            packet.extend_from_slice(&[0xbe, 0xde, 0, 1, LEVEL_ID << 4, level, 0, 0]);
        }
        packet.extend_from_slice(head);
        this.seq[at] = this.seq[at].wrapping_add(1);
        this.timestamp[at] = this.timestamp[at].wrapping_add(ticks);
        this.number[at] += 1;
        let Some(tx) = this.tx.as_mut() else { return };
        let sealed = tx.encrypt_rtp(&packet).unwrap().to_vec();
        self.pending.push((member, sealed));
    }

    /// Any packet of one of a member's sources.
    pub fn put(&mut self, member: usize, at: usize, made: &Made<'_>) {
        let this = &mut self.members[member];
        let (_, ssrc) = this.sends[at];
        let mut packet = vec![0x80 | u8::from(made.extension.is_some()) << 4];
        packet.push(u8::from(made.marker) << 7 | made.pt);
        packet.extend_from_slice(&this.seq[at].to_be_bytes());
        packet.extend_from_slice(&made.timestamp.to_be_bytes());
        packet.extend_from_slice(&ssrc.to_be_bytes());
        if let Some((id, value)) = made.extension {
            let words = (value.len() + 2).div_ceil(4);
            packet.extend_from_slice(&[0x10, 0, 0, words as u8, id, value.len() as u8]);
            packet.extend_from_slice(value);
            packet.resize(16 + 4 * words, 0);
        }
        packet.extend_from_slice(made.payload);
        this.seq[at] = this.seq[at].wrapping_add(1);
        let tx = this.tx.as_mut().unwrap();
        let sealed = tx.encrypt_rtp(&packet).unwrap().to_vec();
        self.pending.push((member, sealed));
    }

    /// One 20 ms packet of a member's first source, a microphone, with a level (0 loudest);
    /// returns its number.
    pub fn speak(&mut self, member: usize, level: u8) -> u32 {
        let number = self.members[member].number[0];
        let mut payload = vec![0x78];
        payload.extend_from_slice(&(member as u16).to_be_bytes());
        payload.extend_from_slice(&number.to_be_bytes());
        payload.resize(60, 0xaa);
        self.send(member, 0, &payload, Some(level), 960);
        number
    }

    /// A packet lost on its way, as far as the shard can tell.
    pub fn lose(&mut self, member: usize) {
        self.members[member].seq[0] = self.members[member].seq[0].wrapping_add(1);
        self.members[member].timestamp[0] = self.members[member].timestamp[0].wrapping_add(960);
        self.members[member].number[0] += 1;
    }

    /// A key frame of one packet of a member's second source, a screen.
    pub fn share(&mut self, member: usize) {
        let mut payload = vec![0x10, 0];
        payload.resize(500, 0xcc);
        self.send(member, 1, &payload, None, 3_000);
    }

    /// A frame of `packets` packets of a member's first source, a camera.
    pub fn show(&mut self, member: usize, packets: usize, key: bool) {
        for at in 0..packets {
            let first = at == 0;
            let mut payload = vec![if first { 0x10 } else { 0x00 }, u8::from(!(key && first))];
            payload.resize(1_000, 0xbb);
            let ticks = if at + 1 == packets { 3_000 } else { 0 };
            self.send(member, 0, &payload, None, ticks);
        }
    }

    /// Sends RTCP as the member: any bytes.
    pub fn control(&mut self, member: usize, packet: &[u8]) {
        let tx = self.members[member].tx.as_mut().unwrap();
        let sealed = tx.encrypt_rtcp(packet).unwrap().to_vec();
        self.pending.push((member, sealed));
    }

    pub fn set_enabled(&mut self, member: usize, source: Source, on: bool) {
        let (now, id) = (self.now, self.members[member].id);
        self.shard.set_enabled(now, ROOM, id, source, on);
    }

    /// The newest slot map told to a member.
    pub fn map(&self, member: usize) -> Vec<Assignment> {
        let id = self.members[member].id;
        let newest = self.events.iter().rev().find_map(|event| match event {
            Event::Assignments { peer, assignments, .. } if *peer == id => Some(assignments),
            _ => None,
        });
        newest.cloned().unwrap_or_default()
    }
}

/// Is there a PLI (RFC 4585 §6.3.1) in a compound packet?
fn has_pli(mut compound: &[u8]) -> bool {
    while let [first, kind, high, low, ..] = *compound {
        if (first & 0x1f, kind) == (1, 206) {
            return true;
        }
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        compound = compound.get(length..).unwrap_or_default();
    }
    false
}
