//! A meeting that is cheap to make: real offers and real checks, but keys that are given instead of
//! agreed on, and members that are a few counters each. Thousands are made a minute.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use media::api::{OfferRequest, OwnerId, PeerId, RoomId, Source, Watch};
use media::rtp::packet::Header;
use media::shard::{Datagram, Egress, Entropy, Limits, Run, Shard, ShardConfig, TapSink};
use media::transport::{
    DtlsIdentity, Packet, Profile, SrtpRx, SrtpTx, TAG_SPACE, classify, srtp_contexts, stun,
};

pub const ROOM: RoomId = RoomId(7);
const SHARD: ([u8; 4], u16) = ([10, 0, 0, 1], 8443);
/// Time goes on in steps of this length.
const STEP: Duration = Duration::from_millis(5);
/// Between two checks of a member, which keep its consent.
const CHECK: Duration = Duration::from_secs(10);
/// Sealed packets of a member kept to be bent.
const KEPT: usize = 32;

/// Header extensions that members offer, with their ids.
const EXTENSIONS: &str = "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
    a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
    a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
    a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
    a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n";
const AUDIO: &str = "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 nack\r\na=rtcp-fb:111 transport-cc\r\n\
    a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n";
const VIDEO: &str = "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n\
    a=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 goog-remb\r\n\
    a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n";

/// Seeded: the same meeting every time.
struct Counting(u64);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (self.0 >> 40) as u8;
        }
    }
}

struct Ignore;

impl TapSink for Ignore {
    fn tap(&mut self, _: media::api::Tap<'_>) {}
}

/// What a member sends on one m-line.
struct Line {
    audio: bool,
    ssrc: u32,
    /// Extended number of the next packet.
    seq: u64,
    timestamp: u32,
    frames: u32,
}

pub struct Member {
    pub addr: SocketAddr,
    tag: u8,
    tx: SrtpTx,
    rx: SrtpRx,
    check: Vec<u8>,
    checked: Instant,
    lines: Vec<Line>,
    /// Numbers of the transport-wide extension.
    wide: u16,
    /// What it sent last, sealed.
    pub sent: Vec<Vec<u8>>,
    /// Media packets that came and were authentic, by the tag of their sender.
    pub heard: HashMap<u8, u64>,
}

pub struct Meeting {
    pub shard: Shard,
    pub now: Instant,
    pub egress: Egress,
    pub members: Vec<Member>,
}

/// One reading of the clock for all meetings: `Instant` has no other constructor.
#[allow(clippy::disallowed_methods)]
fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

/// One key for all meetings.
fn identity() -> Arc<DtlsIdentity> {
    static IDENTITY: OnceLock<Arc<DtlsIdentity>> = OnceLock::new();
    let made = || Arc::new(DtlsIdentity::generate().expect("the library makes keys"));
    Arc::clone(IDENTITY.get_or_init(made))
}

impl Meeting {
    pub fn new() -> Meeting {
        let config = ShardConfig {
            identity: identity(),
            index: 0,
            advertised: vec![SHARD.into()],
            advertised_tcp: Vec::new(),
            limits: Limits::default(),
        };
        let mut shard = Shard::new(config, Box::new(Counting(42)));
        shard.open_room(ROOM);
        Meeting { shard, now: origin(), egress: Egress::default(), members: Vec::new() }
    }

    /// Adds a member and connects it.
    pub fn join(&mut self, tag: u8, sends: &[Source], audio: usize, video: usize) -> usize {
        let (id, addr) = (PeerId(u128::from(tag)), SocketAddr::from(([10, 0, 1, tag], 5000)));
        let mut sdp = String::from("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n");
        let group: String = (0..sends.len() + audio + video).map(|mid| format!(" {mid}")).collect();
        let _ = write!(sdp, "a=group:BUNDLE{group}\r\na=extmap-allow-mixed\r\n");
        let (mut publications, mut lines) = (Vec::new(), Vec::new());
        let sending = sends.iter().map(|source| (Some(*source), source.is_audio()));
        let slots = (0..audio + video).map(|slot| (None, slot < audio));
        for (mid, (source, audio)) in sending.chain(slots).enumerate() {
            let (kind, types, codecs) =
                if audio { ("audio", "111 63", AUDIO) } else { ("video", "96 97", VIDEO) };
            let direction = if source.is_some() { "sendonly" } else { "recvonly" };
            let print = ["AB"; 32].join(":");
            let _ = write!(
                sdp,
                "m={kind} 9 UDP/TLS/RTP/SAVPF {types}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n\
                 a=ice-ufrag:them\r\na=ice-pwd:twenty-two-characters-x\r\n\
                 a=fingerprint:sha-256 {print}\r\na=setup:actpass\r\na=rtcp-mux\r\n\
                 a={direction}\r\n{codecs}{EXTENSIONS}"
            );
            if let Some(source) = source {
                let ssrc = u32::from(tag) << 8 | mid as u32;
                let _ = write!(sdp, "a=ssrc:{ssrc} cname:c\r\n");
                publications.push((mid.to_string(), source));
                lines.push(Line { audio, ssrc, seq: 65_500, timestamp: 77, frames: 0 });
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
            watch: Watch::Everyone,
        };
        let answer = self.shard.offer(self.now, request).expect("a good offer").sdp;
        let value = |name: &str| answer.split(name).nth(1)?.split("\r\n").next();
        let (ufrag, pwd) = value("a=ice-ufrag:").zip(value("a=ice-pwd:")).expect("credentials");
        let key = stun::integrity_key(pwd);
        let check = stun::request(&[3; 12], &format!("{ufrag}:them"), 1, true, &key);
        let keys = |client: bool| {
            srtp_contexts(Profile::AeadAes128Gcm, &[tag; 56], client).expect("keys of this length")
        };
        let (tx, rx) = keys(true);
        self.members.push(Member {
            addr,
            tag,
            tx,
            rx,
            check,
            checked: self.now,
            lines,
            wide: 0,
            sent: Vec::new(),
            heard: HashMap::new(),
        });
        self.arrive(addr, &mut self.members[self.members.len() - 1].check.clone());
        self.shard.connect_with(id, keys(false));
        self.advance(STEP);
        self.members.len() - 1
    }

    /// One datagram comes to the shard, which does what it causes.
    pub fn arrive(&mut self, from: SocketAddr, data: &mut [u8]) {
        let mut batch = [Datagram::new(from.into(), data)];
        self.shard.handle_batch(self.now, &mut batch, &mut self.egress, &mut Ignore);
        self.deliver();
    }

    /// Time passes; nobody says anything but the checks of their connections.
    pub fn advance(&mut self, by: Duration) {
        let until = self.now + by;
        while self.now < until {
            self.now = until.min(self.now + STEP);
            for at in 0..self.members.len() {
                if self.now.saturating_duration_since(self.members[at].checked) >= CHECK {
                    self.members[at].checked = self.now;
                    let mut check = self.members[at].check.clone();
                    self.arrive(self.members[at].addr, &mut check);
                }
            }
            let mut turns = 0;
            while self.shard.next_timeout().is_some_and(|at| at <= self.now) {
                self.shard.handle_timeout(self.now, &mut self.egress, &mut Ignore);
                self.deliver();
                turns += 1;
                assert!(turns < 1_000, "a timer is due again and again");
            }
            while self.shard.poll_event().is_some() {}
        }
    }

    /// Time passes in which everybody sends 50 packets of sound and 25 frames of five packets a second.
    pub fn talk(&mut self, time: Duration) {
        let (from, until) = (self.now, self.now + time);
        while self.now < until {
            let ms = (self.now - from).as_millis();
            for member in 0..self.members.len() {
                for line in 0..self.members[member].lines.len() {
                    match self.members[member].lines[line].audio {
                        true if ms.is_multiple_of(20) => self.speak(member, line),
                        false if ms.is_multiple_of(40) => self.show(member, line),
                        _ => {}
                    }
                }
            }
            self.advance(STEP.min(until - self.now));
        }
    }

    fn speak(&mut self, member: usize, line: usize) {
        let tag = self.members[member].tag;
        self.members[member].lines[line].timestamp += 960;
        self.send(member, line, false, &[0x78, 1, 2, 3, tag]);
    }

    fn show(&mut self, member: usize, line: usize) {
        let tag = self.members[member].tag;
        let one = &mut self.members[member].lines[line];
        one.timestamp += 3_600;
        one.frames += 1;
        let key = one.frames % 8 == 1;
        for packet in 0..5 {
            // VP8 payload descriptor (RFC 7741) and, in the first packet, the frame's head.
            let mut payload = vec![if packet == 0 { 0x10 } else { 0 }, u8::from(!key), 0, 0];
            if packet == 0 && key {
                payload.extend_from_slice(&[0x9d, 1, 0x2a, 0x80, 2, 0x68, 1]);
            }
            payload.resize(200, 9);
            payload.push(tag);
            self.send(member, line, packet == 4, &payload);
        }
    }

    /// Sends a packet of a line with the extensions that belong to it.
    pub fn send(&mut self, member: usize, line: usize, marker: bool, payload: &[u8]) {
        let Meeting { members, .. } = self;
        let who = &mut members[member];
        let Some(line) = who.lines.get_mut(line) else { return };
        let pt = if line.audio { 111 } else { 96 };
        let mut packet = vec![0x90, u8::from(marker) << 7 | pt];
        packet.extend_from_slice(&(line.seq as u16).to_be_bytes());
        packet.extend_from_slice(&line.timestamp.to_be_bytes());
        packet.extend_from_slice(&line.ssrc.to_be_bytes());
        let [high, low] = who.wide.to_be_bytes();
        packet.extend_from_slice(&[0xbe, 0xde, 0, 2, 0x10, 0x80 | 20, 0x31, high, low, 0, 0, 0]);
        packet.extend_from_slice(payload);
        who.wide = who.wide.wrapping_add(1);
        let roc = (line.seq >> 16) as u32;
        line.seq += 1;
        self.seal(member, roc, packet);
    }

    /// Skips numbers of a line, as loss does; it has as many as the member can send.
    pub fn skip(&mut self, member: usize, line: usize, count: u64) {
        if let Some(line) = self.members[member].lines.get_mut(line) {
            line.seq += count;
        }
    }

    /// Sends any RTP packet, authentic: nothing but its seal is right for sure.
    pub fn send_rtp(&mut self, member: usize, mut packet: Vec<u8>) {
        packet.resize(packet.len().max(12), 0);
        packet[0] = packet[0] & 0x3f | 0x80;
        // Payload types 64 to 95 with a marker would be RTCP (RFC 5761).
        if classify(&packet) == Packet::Rtp {
            self.seal(member, 0, packet);
        }
    }

    /// Sends any RTCP packet, authentic.
    pub fn send_rtcp(&mut self, member: usize, mut packet: Vec<u8>) {
        packet.resize(packet.len().max(8).next_multiple_of(4), 0);
        packet[0] = packet[0] & 0x3f | 0x80;
        packet[1] = 200 + packet[1] % 8;
        let who = &mut self.members[member];
        if who.tx.seal_rtcp(&mut packet).is_ok() {
            let addr = who.addr;
            self.arrive(addr, &mut packet);
        }
    }

    fn seal(&mut self, member: usize, roc: u32, mut packet: Vec<u8>) {
        // Where its own head says that the payload begins, or nowhere: then it is malformed.
        let Ok(header) = Header::parse_clear(&packet) else { return };
        let (head, plain) = (usize::from(header.header_len), packet.len());
        packet.resize(plain + TAG_SPACE, 0);
        let who = &mut self.members[member];
        let len = who.tx.seal_rtp(roc, &mut packet, head, plain);
        packet.truncate(len);
        if who.sent.len() == KEPT {
            who.sent.remove(0);
        }
        who.sent.push(packet.clone());
        let addr = who.addr;
        self.arrive(addr, &mut packet);
    }

    /// Looks at what is to be sent and lets the members have what is theirs.
    fn deliver(&mut self) {
        let Meeting { egress, members, .. } = self;
        for run in &egress.runs {
            let Run { start, len, segment, .. } = *run;
            assert!(start + len <= egress.bytes.len());
            assert!(len > 0 && segment > 0 && segment <= 1_500, "{run:?}");
            let Some(member) = members.iter_mut().find(|m| run.dst == m.addr.into()) else {
                continue;
            };
            for datagram in egress.bytes[start..start + len].chunks_mut(usize::from(segment)) {
                if classify(datagram) != Packet::Rtp {
                    continue;
                }
                let opened = member.rx.open_rtp(datagram).expect("what is sent is authentic");
                let padding =
                    if datagram[0] & 0x20 != 0 { datagram[opened.payload_end - 1] } else { 0 };
                let end = opened.payload_end - usize::from(padding);
                if end > opened.header_len {
                    *member.heard.entry(datagram[end - 1]).or_default() += 1;
                }
            }
        }
        egress.clear();
    }
}
