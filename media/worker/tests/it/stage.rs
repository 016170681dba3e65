//! A stage for meetings that never were: test pictures and tones, encoded, sent through a bad
//! network, and captured the way the server does.

use ffmpeg::format::sample::Type as Layout;
use ffmpeg::format::{Pixel, Sample};
use ffmpeg_next as ffmpeg;
use media::api::{Codec, OwnerId, RoomId, Source, TrackId};
use media::capture::{Record, SegmentEncoder, SegmentHeader};
use std::path::{Path, PathBuf};

/// (Y, U, V).
pub type Yuv = [u8; 3];
pub const RED: Yuv = [81, 90, 240];
pub const GREEN: Yuv = [145, 54, 34];
pub const BLUE: Yuv = [41, 240, 110];
pub const YELLOW: Yuv = [210, 16, 146];
pub const WHITE: Yuv = [235, 128, 128];

/// How the way of a track treats its packets.
#[derive(Clone, Copy)]
pub struct Network {
    pub delay_us: u64,
    pub jitter_us: u64,
    /// One packet in so many is lost and comes again 80 ms later.
    pub repaired_every: u64,
    /// One packet in so many never comes.
    pub lost_every: u64,
    /// One in so many overtakes its successor.
    pub swapped_every: u64,
}

pub const CALM: Network = Network {
    delay_us: 20_000,
    jitter_us: 5_000,
    repaired_every: u64::MAX,
    lost_every: u64::MAX,
    swapped_every: u64::MAX,
};

/// One track of one person, as it will be captured.
pub struct Track {
    pub id: u64,
    pub owner: u128,
    pub source: Source,
    pub network: Network,
    /// Sender's clock at session time 0, in seconds since 1900.
    pub ntp_base: u64,
    /// Captured from … to, session µs.
    pub from_us: u64,
    pub to_us: u64,
}

struct Packet {
    captured_us: u64,
    bytes: Vec<u8>,
}

const SEGMENT_US: u64 = 2_000_000;

/// A small generator of numbers that look random and are the same in every run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n.max(1)
    }
}

impl Track {
    fn ssrc(&self) -> u32 {
        0x1000 + self.id as u32
    }

    /// The stream's numbers begin shortly before they wrap.
    fn rtp_at(&self, us: u64, rate: u64) -> u32 {
        (u64::from(u32::MAX) - rate * 2 + us * rate / 1_000_000) as u32
    }

    /// Films `picture` (told the session time; gives size and colour) at 25 pictures a second.
    pub fn film(&self, capture: &Path, picture: impl Fn(u64) -> ((u32, u32), Yuv)) {
        self.film_as(Codec::Vp8, capture, picture);
    }

    pub fn film_as(
        &self,
        codec: Codec,
        capture: &Path,
        picture: impl Fn(u64) -> ((u32, u32), Yuv),
    ) {
        let mut packets = Vec::new();
        let mut camera: Option<((u32, u32), ffmpeg::encoder::Video)> = None;
        for (n, us) in (self.from_us..self.to_us).step_by(40_000).enumerate() {
            let (size, colour) = picture(us);
            if camera.as_ref().is_none_or(|(s, _)| *s != size) {
                camera = Some((size, video_encoder(codec, size)));
            }
            let Some((_, encoder)) = &mut camera else { continue };
            let mut frame = ffmpeg::frame::Video::new(Pixel::YUV420P, size.0, size.1);
            for (plane, value) in colour.into_iter().enumerate() {
                frame.data_mut(plane).fill(value);
            }
            // A moving bar, so that no two frames are the same.
            let (stride, bar) = (frame.stride(0), n % (size.1 as usize / 8));
            frame.data_mut(0)[bar * stride..(bar + 1) * stride].fill(colour[0] / 2);
            frame.set_pts(Some(n as i64));
            encoder.send_frame(&frame).expect("encode a picture");
            let mut encoded = ffmpeg::Packet::empty();
            encoder.receive_packet(&mut encoded).expect("an encoded picture");
            let data = encoded.data().expect("data");
            let payloads = match codec {
                Codec::H264 => h264_payloads(data),
                Codec::Vp9 => vp9_payloads(data, encoded.is_key()),
                Codec::Av1 => av1_payloads(data, encoded.is_key()),
                _ => vp8_payloads(data, n),
            };
            let rtp = self.rtp_at(us, 90_000);
            for (i, payload) in payloads.iter().enumerate() {
                self.packet(&mut packets, 96, i + 1 == payloads.len(), rtp, us, payload);
            }
        }
        self.send(capture, packets, codec);
    }

    /// Films VP9 pictures of several spatial layers, lowest first, each of its own colour so that one
    /// sees which is shown. Every picture is a key picture: then layers of separate encoders are one
    /// stream, because each replaces what the one before left in the decoder.
    pub fn film_layers(&self, capture: &Path, layers: &[((u32, u32), Yuv)]) {
        let mut packets = Vec::new();
        for (n, us) in (self.from_us..self.to_us).step_by(40_000).enumerate() {
            let rtp = self.rtp_at(us, 90_000);
            for (at, (size, colour)) in layers.iter().enumerate() {
                let mut encoder = video_encoder(Codec::Vp9, *size);
                let mut frame = ffmpeg::frame::Video::new(Pixel::YUV420P, size.0, size.1);
                for (plane, value) in colour.iter().enumerate() {
                    frame.data_mut(plane).fill(*value);
                }
                frame.set_pts(Some(n as i64));
                encoder.send_frame(&frame).expect("encode a picture");
                let mut encoded = ffmpeg::Packet::empty();
                encoder.receive_packet(&mut encoded).expect("an encoded picture");
                let payloads = vp9_payloads(encoded.data().expect("data"), true);
                let highest = at + 1 == layers.len();
                for (i, payload) in payloads.iter().enumerate() {
                    // With picture id and layer: I and L of RFC 9628 §4.2.
                    let id = [0x80 | (n >> 8) as u8, n as u8, (at as u8) << 1, 0];
                    let payload = [&[payload[0] | 0xa0], &id[..], &payload[1..]].concat();
                    let marker = highest && i + 1 == payloads.len();
                    self.packet(&mut packets, 98, marker, rtp, us, &payload);
                }
            }
        }
        self.send(capture, packets, Codec::Vp9);
    }

    /// Records `sound` (told the session time in seconds; −1 … 1) as Opus frames of 20 ms.
    pub fn speak(&self, capture: &Path, sound: impl Fn(f64) -> f32) {
        let mut packets = Vec::new();
        let mut encoder = opus_encoder();
        let mut encoded = ffmpeg::Packet::empty();
        let mut sent = 0;
        for us in (self.from_us..self.to_us).step_by(20_000) {
            let mut frame = ffmpeg::frame::Audio::new(
                Sample::F32(Layout::Packed),
                960,
                ffmpeg::ChannelLayout::MONO,
            );
            frame.set_rate(48_000);
            frame.set_pts(Some((us as i64 - self.from_us as i64) * 48 / 1000));
            for (i, sample) in frame.plane_mut::<f32>(0).iter_mut().enumerate() {
                *sample = sound(us as f64 / 1e6 + i as f64 / 48_000.0);
            }
            encoder.send_frame(&frame).expect("encode a sound");
            while encoder.receive_packet(&mut encoded).is_ok() {
                let at = self.from_us + sent * 20_000;
                sent += 1;
                let rtp = self.rtp_at(at, 48_000);
                self.packet(&mut packets, 111, false, rtp, at, encoded.data().expect("data"));
            }
        }
        self.send(capture, packets, Codec::Opus);
    }

    fn packet(
        &self,
        packets: &mut Vec<Packet>,
        payload_type: u8,
        marker: bool,
        rtp: u32,
        captured_us: u64,
        payload: &[u8],
    ) {
        let sequence = (65_500 + packets.len()) as u16;
        let mut bytes = vec![0x80, payload_type | if marker { 0x80 } else { 0 }];
        bytes.extend_from_slice(&sequence.to_be_bytes());
        bytes.extend_from_slice(&rtp.to_be_bytes());
        bytes.extend_from_slice(&self.ssrc().to_be_bytes());
        bytes.extend_from_slice(payload);
        packets.push(Packet { captured_us, bytes });
    }

    /// Through the network into segment files; a sender report each second.
    fn send(&self, capture: &Path, packets: Vec<Packet>, codec: Codec) {
        let mut dice = Dice::new(self.id);
        let net = self.network;
        let rate = u64::from(codec.clock_rate());
        let mut arrivals: Vec<(u64, Option<Vec<u8>>, u64)> = Vec::new();
        for (n, packet) in packets.into_iter().enumerate() {
            let n = n as u64 + 1;
            let mut at = packet.captured_us + net.delay_us + dice.below(net.jitter_us);
            if n.is_multiple_of(net.lost_every) {
                continue;
            }
            if n.is_multiple_of(net.repaired_every) {
                at += 80_000;
            }
            if n.is_multiple_of(net.swapped_every) {
                at += 25_000;
            }
            arrivals.push((at, Some(packet.bytes), packet.captured_us));
        }
        for us in (self.from_us + 500_000..self.to_us).step_by(1_000_000) {
            arrivals.push((us + net.delay_us + dice.below(net.jitter_us), None, us));
        }
        arrivals.sort_by_key(|(at, ..)| *at);
        let mut writer = CaptureWriter::new(capture, self, codec);
        for (at, bytes, us) in &arrivals {
            let record = match bytes {
                Some(bytes) => Record::Rtp(bytes),
                None => Record::SenderReport {
                    ssrc: self.ssrc(),
                    ntp: ((self.ntp_base + us / 1_000_000) << 32)
                        | (((us % 1_000_000) << 32) / 1_000_000),
                    rtp: self.rtp_at(*us, rate),
                },
            };
            writer.write(*at, &record);
        }
        let last = arrivals.last().map_or(self.to_us, |(at, ..)| *at);
        writer.write(last, &Record::TrackEnd);
        writer.finish();
    }
}

struct CaptureWriter {
    dir: PathBuf,
    header: SegmentHeader,
    bytes: Vec<u8>,
}

impl CaptureWriter {
    fn new(capture: &Path, track: &Track, codec: Codec) -> CaptureWriter {
        let header = SegmentHeader {
            session: RoomId(1),
            track: TrackId(track.id),
            owner: OwnerId(track.owner),
            source: track.source,
            codec,
            clock_rate: codec.clock_rate(),
            number: 0,
            start_us: track.from_us,
        };
        let dir = capture.join(format!("{:06}", track.id));
        std::fs::create_dir_all(&dir).expect("capture folder");
        CaptureWriter { dir, header, bytes: header.encode().to_vec() }
    }

    fn write(&mut self, at_us: u64, record: &Record<'_>) {
        if at_us >= self.header.start_us + SEGMENT_US {
            self.flush();
            self.header.number += 1;
            self.header.start_us = at_us;
            self.bytes = self.header.encode().to_vec();
        }
        let start = self.bytes.len();
        self.bytes.resize(start + record.encoded_len(), 0);
        SegmentEncoder::new(&self.header)
            .encode(at_us, record, &mut self.bytes[start..])
            .expect("a record");
    }

    fn flush(&self) {
        let path = self.dir.join(format!("{:06}.cap", self.header.number));
        std::fs::write(path, &self.bytes).expect("segment");
    }

    fn finish(self) {
        self.flush();
    }
}

/// Small payloads, so that frames span packets.
const PAYLOAD: usize = 300;

fn vp8_payloads(frame: &[u8], n: usize) -> Vec<Vec<u8>> {
    let id = (n & 0x7fff) as u16 | 0x8000;
    let payload = |(i, chunk): (usize, &[u8])| {
        let start = if i == 0 { 0x10 } else { 0 };
        [&[0x80 | start, 0x80, (id >> 8) as u8, id as u8], chunk].concat()
    };
    frame.chunks(PAYLOAD).enumerate().map(payload).collect()
}

fn vp9_payloads(frame: &[u8], key: bool) -> Vec<Vec<u8>> {
    let count = frame.len().div_ceil(PAYLOAD);
    let payload = |(i, chunk): (usize, &[u8])| {
        let begin = if i == 0 { 0x08 } else { 0 };
        let end = if i + 1 == count { 0x04 } else { 0 };
        [&[begin | end | if key { 0 } else { 0x40 }], chunk].concat()
    };
    frame.chunks(PAYLOAD).enumerate().map(payload).collect()
}

/// One OBU after the other, without their sizes and temporal delimiters, cut where a packet is full
/// (AV1 RTP specification §4.4).
fn av1_payloads(unit: &[u8], key: bool) -> Vec<Vec<u8>> {
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    let mut rest = unit;
    while let Some(&head) = rest.first() {
        assert_eq!(head & 0x02, 2, "an OBU with its size");
        let header = if head & 0x04 != 0 { 2 } else { 1 };
        let (mut len, mut at) = (0, header);
        for shift in (0..).step_by(7) {
            len |= usize::from(rest[at] & 0x7f) << shift;
            at += 1;
            if rest[at - 1] & 0x80 == 0 {
                break;
            }
        }
        let (kind, body) = (head >> 3 & 0x0f, &rest[at..at + len]);
        let obu = [&[head & !0x02], &rest[1..header], body].concat();
        rest = &rest[at + len..];
        if kind == 2 {
            continue;
        }
        let count = obu.len().div_ceil(PAYLOAD);
        for (k, chunk) in obu.chunks(PAYLOAD).enumerate() {
            let (goes_on, will) = (u8::from(k > 0) << 7, u8::from(k + 1 < count) << 6);
            let begins = u8::from(key && payloads.is_empty()) << 3;
            payloads.push([&[goes_on | will | 0x10 | begins], chunk].concat());
        }
    }
    payloads
}

/// Single NAL units and FU-A (RFC 6184 §5.6, §5.8).
fn h264_payloads(frame: &[u8]) -> Vec<Vec<u8>> {
    let mut starts: Vec<usize> = Vec::new();
    let codes = frame.windows(3).enumerate().filter(|(_, w)| *w == [0, 0, 1]);
    starts.extend(codes.map(|(i, _)| i + 3));
    let mut payloads = Vec::new();
    for (i, &start) in starts.iter().enumerate() {
        let end = starts.get(i + 1).map_or(frame.len(), |next| next - 3);
        // A start code of four bytes leaves its first zero behind.
        let end = if i + 1 < starts.len() && frame[end - 1] == 0 { end - 1 } else { end };
        let nal = &frame[start..end];
        if nal.len() <= PAYLOAD {
            payloads.push(nal.to_vec());
            continue;
        }
        let count = (nal.len() - 1).div_ceil(PAYLOAD);
        for (k, chunk) in nal[1..].chunks(PAYLOAD).enumerate() {
            let first = if k == 0 { 0x80 } else { 0 };
            let last = if k + 1 == count { 0x40 } else { 0 };
            let head = [nal[0] & 0xe0 | 28, first | last | nal[0] & 0x1f];
            payloads.push([&head, chunk].concat());
        }
    }
    payloads
}

/// FFmpeg chats on stderr otherwise.
fn hush() {
    ffmpeg::util::log::set_level(ffmpeg::util::log::Level::Fatal);
}

fn video_encoder(codec: Codec, size: (u32, u32)) -> ffmpeg::encoder::Video {
    hush();
    let realtime = [("deadline", "realtime"), ("cpu-used", "8"), ("lag-in-frames", "0")].as_slice();
    let (name, settings) = match codec {
        Codec::H264 => ("libx264", [("preset", "ultrafast"), ("tune", "zerolatency")].as_slice()),
        Codec::Vp9 => ("libvpx-vp9", realtime),
        Codec::Av1 => (
            "libaom-av1",
            [("usage", "realtime"), ("cpu-used", "8"), ("lag-in-frames", "0")].as_slice(),
        ),
        _ => ("libvpx", realtime),
    };
    let codec = ffmpeg::encoder::find_by_name(name).expect("a video encoder");
    let context = ffmpeg::codec::Context::new_with_codec(codec);
    let mut encoder = context.encoder().video().expect("video");
    encoder.set_width(size.0);
    encoder.set_height(size.1);
    encoder.set_format(Pixel::YUV420P);
    encoder.set_time_base((1, 25));
    encoder.set_gop(50);
    encoder.set_bit_rate(400_000);
    let mut options = ffmpeg::Dictionary::new();
    for (key, value) in settings {
        options.set(key, value);
    }
    encoder.open_as_with(codec, options).expect("an open video encoder")
}

fn opus_encoder() -> ffmpeg::encoder::Audio {
    hush();
    let codec = ffmpeg::encoder::find_by_name("libopus").expect("libopus");
    let context = ffmpeg::codec::Context::new_with_codec(codec);
    let mut encoder = context.encoder().audio().expect("audio");
    encoder.set_rate(48_000);
    encoder.set_channel_layout(ffmpeg::ChannelLayout::MONO);
    encoder.set_format(Sample::F32(Layout::Packed));
    encoder.set_bit_rate(48_000);
    encoder.set_time_base((1, 48_000));
    encoder.open_as(codec).expect("Opus encoder")
}

/// A tone of `hz` while `on`.
pub fn tone(hz: f64, seconds: f64, on: bool) -> f32 {
    if on { (seconds * hz * std::f64::consts::TAU).sin() as f32 * 0.4 } else { 0.0 }
}
