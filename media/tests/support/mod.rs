//! A meeting on virtual time: str0m bots, seeded links and one real shard.
#![allow(dead_code)]

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::api::{
    Assignment, Codec, Event, OfferAnswer, OfferRequest, OwnerId, PeerId, RoomId, Source, Tap,
    TrackId, Watch,
};
use media::rtp::packet::Header;
use media::rtp::vp8::Descriptor;
use media::shard::{Datagram, Egress, Entropy, Limits, Shard, ShardConfig, TapSink};
use media::transport::{DtlsIdentity, Packet, classify};
use str0m::change::SdpAnswer;
use str0m::format::Codec as Format;
use str0m::media::{Direction, MediaKind, Mid, Pt, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive};
use str0m::rtp::rtcp::{Nack, Rtcp, Twcc};
use str0m::rtp::{ExtensionValues, RawPacket, RtpWrite};
use str0m::{Candidate, Event as BotEvent, Input, Output, Rtc};
use str0m_netem::{Input as LinkInput, Netem, NetemConfig, Output as LinkOutput};

pub const ROOM: RoomId = RoomId(7);
const TICK: Duration = Duration::from_millis(1);
const SHARD: ([u8; 4], u16) = ([10, 0, 0, 1], 8443);

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

/// A packet as a bot received it.
#[derive(Debug, Clone)]
pub struct Received {
    pub at: Duration,
    pub mid: String,
    pub ssrc: u32,
    pub seq: u64,
    pub timestamp: u32,
    pub pt: u8,
    pub payload: Vec<u8>,
    pub picture: Option<u16>,
    pub key: bool,
    pub padded: bool,
}

impl Received {
    /// Sender and number that [`payload`] wrote.
    pub fn tag(&self) -> (u8, u32) {
        let tail = &self.payload[self.payload.len() - 5..];
        (tail[0], u32::from_be_bytes([tail[1], tail[2], tail[3], tail[4]]))
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Tapped {
    Start(TrackId, Source, Codec),
    Rtp { track: TrackId, seq: u16, payload: Vec<u8>, pt: u8 },
    Report(TrackId),
    Layer(TrackId),
    End(TrackId),
}

#[derive(Default)]
pub struct Taps(pub Vec<Tapped>);

impl TapSink for Taps {
    fn tap(&mut self, tap: Tap<'_>) {
        self.0.push(match tap {
            Tap::TrackStart { track, source, codec, .. } => Tapped::Start(track, source, codec),
            Tap::Rtp { track, packet, .. } => {
                let header = media::rtp::packet::Header::parse(packet).unwrap();
                Tapped::Rtp {
                    track,
                    seq: header.sequence,
                    payload: packet[header.payload_range()].to_vec(),
                    pt: header.payload_type,
                }
            }
            Tap::SenderReport { track, .. } => Tapped::Report(track),
            Tap::LayerSwitch { track, .. } => Tapped::Layer(track),
            Tap::TrackEnd { track, .. } => Tapped::End(track),
        });
    }
}

/// A sending m-line of a bot and the numbers of its next packet.
pub struct Sender {
    pub mid: Mid,
    pub source: Source,
    pub rid: Option<&'static str>,
    pub seq: u64,
    pub timestamp: u32,
    pub picture: u16,
    pub number: u32,
}

pub struct Bot {
    pub rtc: Rtc,
    pub addr: SocketAddr,
    /// What its NAT makes of that: where the shard sees it.
    pub outside: SocketAddr,
    pub id: PeerId,
    /// The person; by default one for each bot.
    pub owner: OwnerId,
    pub watch: Watch,
    pub tag: u8,
    /// Sealed packets kept to be sent again, of a bot with audio NACK.
    again: Option<VecDeque<(u32, u16, Vec<u8>)>>,
    pub connected: bool,
    pub received: Vec<Received>,
    pub key_requests: Vec<(Duration, Option<String>)>,
    /// What it was told of its packets (of a bot that reads RTCP).
    pub told: Vec<Twcc>,
    pub publications: Vec<(String, Source)>,
    pub senders: Vec<Sender>,
    up: Netem<Vec<u8>>,
    down: Netem<Vec<u8>>,
    pub sent_up: Tally,
    pub came_up: Tally,
    pub sent_down: Tally,
    pub came_down: Tally,
}

/// RTP packets by SSRC, which is in the clear; RTCP and STUN are not counted.
pub type Tally = HashMap<u32, u64>;

fn count(tally: &mut Tally, datagram: &[u8]) {
    if classify(datagram) == Packet::Rtp {
        let ssrc = Header::parse_clear(datagram).unwrap().ssrc;
        *tally.entry(ssrc).or_default() += 1;
    }
}

pub struct World {
    pub shard: Shard,
    pub start: Instant,
    pub now: Instant,
    pub bots: Vec<Bot>,
    pub events: Vec<Event>,
    pub taps: Taps,
    pub egress: Egress,
    pub runs: u64,
    pub datagrams: u64,
    /// What was sent under each SRTP index; to be watched, give it a map.
    pub sealed: Option<HashMap<(SocketAddr, u32, u16), Vec<u8>>>,
    /// Packets that were sent again as they were, and those that were not as they were.
    pub repeated: u64,
    pub reused: u64,
}

/// `Instant` has no other origin.
#[allow(clippy::disallowed_methods)]
fn origin() -> Instant {
    Instant::now()
}

impl World {
    pub fn new() -> World {
        str0m::crypto::from_feature_flags().install_process_default();
        let identity = Arc::new(DtlsIdentity::generate().unwrap());
        let advertised = vec![SocketAddr::from(SHARD)];
        let config = ShardConfig {
            identity,
            index: 0,
            advertised,
            advertised_tcp: Vec::new(),
            limits: Limits::default(),
        };
        let mut shard = Shard::new(config, Box::new(Counting(42)));
        shard.open_room(ROOM);
        let start = origin();
        World {
            shard,
            start,
            now: start,
            bots: Vec::new(),
            events: Vec::new(),
            taps: Taps::default(),
            egress: Egress::default(),
            runs: 0,
            datagrams: 0,
            sealed: None,
            repeated: 0,
            reused: 0,
        }
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Adds a bot; it says nothing before [`World::offer`].
    pub fn bot(&mut self, tag: u8, red: bool) -> usize {
        self.bot_with(tag, red, false)
    }

    /// `nack`: it asks for lost audio, and sends audio that is asked for again as it was (there is
    /// no RTX for audio).
    pub fn bot_with(&mut self, tag: u8, red: bool, nack: bool) -> usize {
        let mut config = Rtc::builder()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, red)
            .enable_vp8(true)
            .enable_raw_packets(nack);
        let codecs = config.codec_config().iter_mut();
        for opus in codecs.filter(|params| params.spec().codec == Format::Opus) {
            opus.set_fb_nack(nack);
        }
        self.add(tag, config.build(self.now), nack)
    }

    /// A bot with these kinds of video, best first.
    pub fn bot_of(&mut self, tag: u8, video: &[Format]) -> usize {
        let mut config = Rtc::builder().set_rtp_mode(true).clear_codecs().enable_opus(true, false);
        for format in video {
            config = match format {
                Format::Vp8 => config.enable_vp8(true),
                Format::Vp9 => config.enable_vp9(true),
                Format::H264 => config.enable_h264(true),
                Format::Av1 => config.enable_av1(true),
                other => panic!("{other:?} is no video"),
            };
        }
        self.add(tag, config.build(self.now), false)
    }

    fn add(&mut self, tag: u8, mut rtc: Rtc, nack: bool) -> usize {
        let addr = SocketAddr::from(([10, 0, 1, tag], 5000 + self.bots.len() as u16));
        rtc.add_local_candidate(Candidate::host(addr, "udp").unwrap());
        self.bots.push(Bot {
            rtc,
            addr,
            outside: addr,
            id: PeerId(u128::from(tag)),
            owner: OwnerId(u128::from(tag)),
            watch: Watch::Everyone,
            tag,
            again: nack.then(VecDeque::new),
            connected: false,
            received: Vec::new(),
            key_requests: Vec::new(),
            told: Vec::new(),
            publications: Vec::new(),
            senders: Vec::new(),
            up: Netem::new(NetemConfig::new()),
            down: Netem::new(NetemConfig::new()),
            sent_up: Tally::new(),
            came_up: Tally::new(),
            sent_down: Tally::new(),
            came_down: Tally::new(),
        });
        self.bots.len() - 1
    }

    pub fn links(&mut self, bot: usize, up: NetemConfig, down: NetemConfig) {
        self.bots[bot].up.set_config(up);
        self.bots[bot].down.set_config(down);
    }

    /// Offers what is there plus new sending and receiving m-lines.
    pub fn offer(
        &mut self,
        bot: usize,
        sends: &[Source],
        audio: usize,
        video: usize,
    ) -> OfferAnswer {
        self.offer_with(bot, sends, audio, video, &[])
    }

    pub fn offer_with(
        &mut self,
        bot: usize,
        sends: &[Source],
        audio: usize,
        video: usize,
        rids: &[&'static str],
    ) -> OfferAnswer {
        let Bot { rtc, publications, senders, .. } = &mut self.bots[bot];
        let kind = |audio| if audio { MediaKind::Audio } else { MediaKind::Video };
        let mut api = rtc.sdp_api();
        for source in sends {
            let layered = !source.is_audio() && !rids.is_empty();
            let simulcast = layered.then(|| Simulcast {
                send: rids.iter().map(|rid| SimulcastLayer::new(rid)).collect(),
                recv: vec![],
            });
            let mid =
                api.add_media(kind(source.is_audio()), Direction::SendOnly, None, None, simulcast);
            publications.push((mid.to_string(), *source));
            let layers: Vec<Option<&'static str>> =
                if layered { rids.iter().map(|rid| Some(*rid)).collect() } else { vec![None] };
            for (at, rid) in layers.into_iter().enumerate() {
                senders.push(Sender {
                    mid,
                    source: *source,
                    rid,
                    seq: 65_000 + 100 * at as u64,
                    timestamp: u32::MAX - 90_000,
                    picture: 0x7ff0,
                    number: 0,
                });
            }
        }
        for _ in 0..audio {
            api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        }
        for _ in 0..video {
            api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        }
        let (offer, pending) = api.apply().expect("something to offer");
        let request = OfferRequest {
            room: ROOM,
            peer: self.bots[bot].id,
            owner: self.bots[bot].owner,
            sdp: offer.to_sdp_string(),
            publications: self.bots[bot].publications.clone(),
            may_publish: true,
            may_capture: true,
            watch: self.bots[bot].watch,
        };
        let answer = self.shard.offer(self.now, request).unwrap();
        let parsed = SdpAnswer::from_sdp_string(&answer.sdp).unwrap();
        self.bots[bot].rtc.sdp_api().accept_answer(pending, parsed).unwrap();
        self.drain_events();
        answer
    }

    /// Adds a bot that sends and receives, and waits until it is connected.
    pub fn join(&mut self, tag: u8, sends: &[Source], audio: usize, video: usize) -> usize {
        let bot = self.bot(tag, false);
        self.offer(bot, sends, audio, video);
        self.until_connected(bot);
        bot
    }

    pub fn until_connected(&mut self, bot: usize) {
        for _ in 0..5_000 {
            if self.bots[bot].connected && self.connected_event(bot) {
                return;
            }
            self.tick();
        }
        panic!("bot {bot} does not connect: {:?}", self.shard.counters());
    }

    fn connected_event(&self, bot: usize) -> bool {
        let id = self.bots[bot].id;
        self.events.iter().any(|e| matches!(e, Event::PeerConnected { peer, .. } if *peer == id))
    }

    pub fn run(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.now < until {
            self.tick();
        }
    }

    /// Runs while every bot sends all its media: 50 Opus packets and 25 VP8 frames a second.
    pub fn talk(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.now < until {
            let ms = self.elapsed().as_millis();
            for bot in 0..self.bots.len() {
                for sender in 0..self.bots[bot].senders.len() {
                    let audio = self.bots[bot].senders[sender].source.is_audio();
                    if audio && ms.is_multiple_of(20) {
                        self.send_audio(bot, sender, -20);
                    } else if !audio && ms.is_multiple_of(40) {
                        self.send_frame(bot, sender, 5, 900);
                    }
                }
            }
            self.tick();
        }
    }

    pub fn pt(&self, bot: usize, format: Format) -> Pt {
        let config = self.bots[bot].rtc.codec_config();
        config.find(|p| p.spec().codec == format).unwrap().pt()
    }

    pub fn send_audio(&mut self, bot: usize, sender: usize, level: i8) {
        let pt = self.pt(bot, Format::Opus);
        let (tag, number) = (self.bots[bot].tag, self.bots[bot].senders[sender].number);
        let payload = payload(&[0x78], tag, number, 60);
        self.send_payload(bot, sender, pt, payload, 960, false, Some(level));
    }

    #[expect(clippy::too_many_arguments, reason = "one packet's fields")]
    pub fn send_payload(
        &mut self,
        bot: usize,
        sender: usize,
        pt: Pt,
        payload: Vec<u8>,
        ticks: u32,
        marker: bool,
        level: Option<i8>,
    ) {
        let now = self.now;
        let Bot { rtc, senders, .. } = &mut self.bots[bot];
        let sender = &mut senders[sender];
        let mut api = rtc.direct_api();
        let rid = sender.rid.map(Rid::from);
        let stream = api.stream_tx_by_mid(sender.mid, rid).unwrap();
        let mut ext = ExtensionValues::default();
        if let Some(level) = level {
            ext.audio_level = Some(level);
            ext.voice_activity = Some(true);
        }
        let nackable = !sender.source.is_audio();
        stream.write_rtp(
            RtpWrite::new(pt, sender.seq.into(), sender.timestamp, now, payload)
                .marker(marker)
                .ext_vals(ext)
                .nackable(nackable),
        );
        sender.seq += 1;
        sender.number += 1;
        sender.timestamp = sender.timestamp.wrapping_add(ticks);
    }

    /// Sends one VP8 frame: a key frame if it is the first or one was asked for.
    pub fn send_frame(&mut self, bot: usize, sender: usize, packets: usize, size: usize) {
        let pt = self.pt(bot, Format::Vp8);
        let this = &mut self.bots[bot];
        let rid = this.senders[sender].rid;
        let mid_asked = this.key_requests.iter().position(|(_, r)| r.as_deref() == rid);
        let key = this.senders[sender].number == 0 || mid_asked.is_some();
        if let Some(at) = mid_asked {
            this.key_requests.remove(at);
        }
        let tag = this.tag;
        for index in 0..packets {
            let picture = this_picture(&self.bots[bot].senders[sender]);
            let number = self.bots[bot].senders[sender].number;
            let first = if index == 0 { 0x90 } else { 0x80 };
            let head = [
                first,
                0x80,
                0x80 | (picture >> 8) as u8,
                picture as u8,
                u8::from(!(key && index == 0)),
            ];
            // libwebrtc's split: the first packets of a frame are a byte shorter.
            let length = if index < packets / 2 { size - 1 } else { size };
            let last = index + 1 == packets;
            let ticks = if last { 3600 } else { 0 };
            let payload = payload(&head, tag, number, length);
            self.send_payload(bot, sender, pt, payload, ticks, last, None);
        }
        let sender = &mut self.bots[bot].senders[sender];
        sender.picture = (sender.picture + 1) & 0x7fff;
    }

    /// The viewer's picture of this stream is broken.
    pub fn ask_key_frame(&mut self, bot: usize, ssrc: u32) {
        if let Some(stream) = self.bots[bot].rtc.direct_api().stream_rx(&ssrc.into()) {
            stream.request_keyframe(str0m::media::KeyframeRequestKind::Pli);
        }
    }

    pub fn drain_events(&mut self) {
        while let Some(event) = self.shard.poll_event() {
            self.events.push(event);
        }
    }

    /// One millisecond: bots, links, shard, links, bots.
    pub fn tick(&mut self) {
        self.now += TICK;
        let now = self.now;
        let mut arrived: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
        for bot in &mut self.bots {
            let _ = bot.rtc.handle_input(Input::Timeout(now));
            bot.drain(now, self.start);
            bot.up.handle_input(LinkInput::Timeout(now));
            while let Some(output) = bot.up.poll_output() {
                if let LinkOutput::Packet(bytes) = output {
                    count(&mut bot.came_up, &bytes);
                    arrived.push((bot.outside, bytes));
                }
            }
        }
        let mut batch: Vec<Datagram<'_>> =
            arrived.iter_mut().map(|(src, bytes)| Datagram::new((*src).into(), bytes)).collect();
        if !batch.is_empty() {
            self.shard.handle_batch(now, &mut batch, &mut self.egress, &mut self.taps);
        }
        let mut turns = 0;
        while self.shard.next_timeout().is_some_and(|at| at <= now) {
            self.shard.handle_timeout(now, &mut self.egress, &mut self.taps);
            turns += 1;
            assert!(turns < 1_000, "a timer is due again and again");
        }
        self.drain_events();
        for run in &self.egress.runs {
            self.runs += 1;
            let bytes = &self.egress.bytes[run.start..run.start + run.len];
            let Some(bot) = self.bots.iter_mut().find(|bot| bot.outside == run.dst.addr) else {
                continue;
            };
            for datagram in bytes.chunks(usize::from(run.segment)) {
                self.datagrams += 1;
                count(&mut bot.sent_down, datagram);
                if let Some(sealed) = self.sealed.as_mut()
                    && classify(datagram) == Packet::Rtp
                {
                    let header = Header::parse_clear(datagram).unwrap();
                    let key = (bot.addr, header.ssrc, header.sequence);
                    if let Some(before) = sealed.insert(key, datagram.to_vec()) {
                        self.repeated += u64::from(before == datagram);
                        self.reused += u64::from(before != datagram);
                    }
                }
                bot.down.handle_input(LinkInput::Packet(now, datagram.to_vec()));
            }
        }
        self.egress.clear();
        for bot in &mut self.bots {
            bot.down.handle_input(LinkInput::Timeout(now));
            while let Some(output) = bot.down.poll_output() {
                let LinkOutput::Packet(bytes) = output else { continue };
                count(&mut bot.came_down, &bytes);
                let Ok(contents) = bytes.as_slice().try_into() else { continue };
                let receive = Receive {
                    proto: Protocol::Udp,
                    source: SocketAddr::from(SHARD),
                    destination: bot.addr,
                    contents,
                };
                let _ = bot.rtc.handle_input(Input::Receive(now, receive));
                bot.drain(now, self.start);
            }
        }
    }

    pub fn assignments(&self, bot: usize) -> Option<&Vec<Assignment>> {
        let id = self.bots[bot].id;
        self.events.iter().rev().find_map(|event| match event {
            Event::Assignments { peer, assignments, .. } if *peer == id => Some(assignments),
            _ => None,
        })
    }
}

fn this_picture(sender: &Sender) -> u16 {
    sender.picture
}

/// `head`, filling, then sender and number at the end.
pub fn payload(head: &[u8], tag: u8, number: u32, length: usize) -> Vec<u8> {
    let mut payload = head.to_vec();
    payload.resize(length - 5, 0xaa);
    payload.push(tag);
    payload.extend_from_slice(&number.to_be_bytes());
    payload
}

impl Bot {
    fn drain(&mut self, now: Instant, start: Instant) {
        loop {
            match self.rtc.poll_output() {
                Err(_) | Ok(Output::Timeout(_)) => return,
                Ok(Output::Transmit(out)) => {
                    count(&mut self.sent_up, &out.contents);
                    self.keep(&out.contents);
                    self.up.handle_input(LinkInput::Packet(now, out.contents.to_vec()));
                }
                Ok(Output::Event(BotEvent::RawPacket(raw))) => match *raw {
                    RawPacket::RtcpRx(Rtcp::Nack(nack)) => self.send_again(now, &nack),
                    RawPacket::RtcpRx(Rtcp::Twcc(told)) => self.told.push(told),
                    _ => {}
                },
                Ok(Output::Event(event)) => self.on_event(now - start, event),
            }
        }
    }

    fn keep(&mut self, datagram: &[u8]) {
        let Some(again) = self.again.as_mut() else { return };
        if classify(datagram) == Packet::Rtp && datagram.len() < 400 {
            let header = Header::parse_clear(datagram).unwrap();
            again.push_back((header.ssrc, header.sequence, datagram.to_vec()));
            again.drain(..again.len().saturating_sub(256));
        }
    }

    fn send_again(&mut self, now: Instant, nack: &Nack) {
        let Some(again) = self.again.as_ref() else { return };
        for entry in nack.reports.iter() {
            let numbers = (0..17u16).filter(|at| *at == 0 || entry.blp >> (at - 1) & 1 != 0);
            for number in numbers.map(|at| entry.pid.wrapping_add(at)) {
                let of =
                    |(ssrc, seq, _): &&(u32, u16, Vec<u8>)| (*ssrc, *seq) == (*nack.ssrc, number);
                if let Some((_, _, datagram)) = again.iter().find(of) {
                    count(&mut self.sent_up, datagram);
                    self.up.handle_input(LinkInput::Packet(now, datagram.clone()));
                }
            }
        }
    }

    fn on_event(&mut self, at: Duration, event: BotEvent) {
        match event {
            BotEvent::Connected => self.connected = true,
            BotEvent::KeyframeRequest(request) => {
                self.key_requests.push((at, request.rid.map(|rid| rid.to_string())));
            }
            BotEvent::RtpPacket(packet) => {
                let ssrc = packet.header.ssrc;
                if let Some(stream) =
                    self.rtc.direct_api().stream_rx(&ssrc).filter(|_| self.again.is_some())
                {
                    // Without RTX it would not ask.
                    stream.suppress_nack(false);
                }
                let mid = self.rtc.direct_api().stream_rx(&ssrc).map(|s| s.mid().to_string());
                let descriptor = Descriptor::parse(&packet.payload);
                self.received.push(Received {
                    at,
                    mid: mid.unwrap_or_default(),
                    ssrc: *ssrc,
                    seq: *packet.seq_no,
                    timestamp: packet.header.timestamp,
                    pt: *packet.header.payload_type,
                    picture: descriptor.and_then(|d| d.picture_id).map(|id| id.value),
                    key: descriptor.is_some_and(|d| d.key_frame),
                    padded: packet.header.has_padding,
                    payload: packet.payload.to_vec(),
                });
            }
            _ => {}
        }
    }
}

impl World {
    /// What a bot has to send now, past its link.
    pub fn intercept(&mut self, bot: usize) -> Vec<(SocketAddr, Vec<u8>)> {
        let now = self.now;
        let bot = &mut self.bots[bot];
        let _ = bot.rtc.handle_input(Input::Timeout(now));
        let mut out = Vec::new();
        loop {
            match bot.rtc.poll_output() {
                Err(_) | Ok(Output::Timeout(_)) => return out,
                Ok(Output::Transmit(sent)) => out.push((bot.addr, sent.contents.to_vec())),
                Ok(Output::Event(_)) => {}
            }
        }
    }

    /// Lets time pass without anybody doing anything.
    pub fn advance(&mut self, by: Duration) {
        self.now += by;
    }
}
