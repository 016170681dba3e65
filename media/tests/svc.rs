//! Three spatial and three temporal layers inside one stream, through a whole shard on virtual time:
//! VP9 and AV1 with dependency descriptors made here. What each viewer is sent is checked by what
//! each frame needs, as the encoder made it, not by what the shard thinks of it.

mod wire;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use media::api::{OwnerId, Source, TrackView, View};
use media::shard::Limits;
use wire::{Heard, Made, ROOM, Video, Wire};

const DD: u8 = 13;
const SPATIAL: u8 = 3;
const TEMPORAL: u8 = 3;
const TICKS: u32 = 3_600;

const VP9: Video = Video {
    types: "98 99",
    lines: "a=rtpmap:98 VP9/90000\r\na=rtcp-fb:98 nack\r\na=rtcp-fb:98 nack pli\r\n\
            a=fmtp:98 profile-id=0\r\na=rtpmap:99 rtx/90000\r\na=fmtp:99 apt=98\r\n\
            a=extmap-allow-mixed\r\na=extmap:13 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension\r\n",
};
const AV1: Video = Video {
    types: "45 46",
    lines: "a=rtpmap:45 AV1/90000\r\na=rtcp-fb:45 nack\r\na=rtcp-fb:45 nack pli\r\n\
            a=rtpmap:46 rtx/90000\r\na=fmtp:46 apt=45\r\n\
            a=extmap-allow-mixed\r\na=extmap:13 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension\r\n",
};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

impl Bits {
    fn put(&mut self, value: u32, count: usize) {
        for shift in (0..count).rev() {
            if self.at.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let bit = (value >> shift & 1) as u8;
            *self.bytes.last_mut().unwrap() |= bit << (7 - self.at % 8);
            self.at += 1;
        }
    }
}

/// What a frame is in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    spatial: u8,
    temporal: u8,
    /// The picture that begins anew.
    key: bool,
}

/// An encoder of LxTy: `full` builds each spatial layer on the one below in every picture,
/// otherwise in key pictures only (L3T3_KEY).
struct Encoder {
    vp9: bool,
    full: bool,
    picture: u32,
    since_key: u32,
    frames: u32,
    /// Frames that later ones may refer to: number and picture by (spatial, temporal).
    last: BTreeMap<(u8, u8), (u32, u32)>,
    /// What each frame needs, by number.
    needs: HashMap<u32, Vec<u32>>,
    made: HashMap<u32, Frame>,
}

impl Encoder {
    fn new(vp9: bool, full: bool) -> Encoder {
        Encoder {
            vp9,
            full,
            picture: 0x7ff0,
            since_key: 0,
            frames: 65_500,
            last: BTreeMap::new(),
            needs: HashMap::new(),
            made: HashMap::new(),
        }
    }

    /// Indication of a frame for a decode target: 0 not present, 1 discardable, 2 switch, 3 required.
    fn indication(&self, frame: Frame, target: (u8, u8)) -> u32 {
        let built_on = if self.full || frame.key {
            frame.spatial <= target.0
        } else {
            frame.spatial == target.0
        };
        match built_on && frame.temporal <= target.1 {
            false => 0,
            true if frame.key => 2,
            true if frame.temporal == target.1 && frame.temporal > 0 => 1,
            true => 3,
        }
    }

    /// Templates: of each spatial layer its key frame, then its temporal layers.
    fn templates() -> impl Iterator<Item = Frame> {
        (0..SPATIAL).flat_map(|spatial| {
            let key = Frame { spatial, temporal: 0, key: true };
            let delta = move |temporal| Frame { spatial, temporal, key: false };
            std::iter::once(key).chain((0..TEMPORAL).map(delta))
        })
    }

    fn targets() -> impl Iterator<Item = (u8, u8)> {
        (0..SPATIAL).flat_map(|spatial| (0..TEMPORAL).map(move |temporal| (spatial, temporal)))
    }

    fn descriptor(&self, frame: Frame, number: u32, (start, end): (bool, bool)) -> Vec<u8> {
        let mut out = Bits::default();
        let template = Encoder::templates().position(|one| one == frame).unwrap();
        out.put(u32::from(start) << 1 | u32::from(end), 2);
        out.put(template as u32, 6);
        out.put(number & 0xffff, 16);
        if !(frame.key && frame.spatial == 0 && start) {
            return out.bytes;
        }
        // The structure, on the first packet of a key picture.
        out.put(0b10000, 5);
        out.put(0, 6);
        out.put(Encoder::targets().count() as u32 - 1, 5);
        let all: Vec<Frame> = Encoder::templates().collect();
        for pair in all.windows(2) {
            let next =
                match (pair[1].spatial > pair[0].spatial, pair[1].temporal > pair[0].temporal) {
                    (true, _) => 2,
                    (_, true) => 1,
                    _ => 0,
                };
            out.put(next, 2);
        }
        out.put(3, 2);
        for one in &all {
            for target in Encoder::targets() {
                out.put(self.indication(*one, target), 2);
            }
        }
        // No frame differences, no chains (0 of ten numbers takes three bits).
        out.put(0, all.len());
        out.put(0, 3);
        out.put(1, 1);
        for spatial in 0..SPATIAL {
            out.put((320 << spatial) - 1, 16);
            out.put((180 << spatial) - 1, 16);
        }
        out.bytes
    }

    /// Payload of one packet; its tail is the frame's number, and the packet's place in it.
    fn payload(
        &self,
        frame: Frame,
        refers: Option<u32>,
        number: u32,
        (start, end): (bool, bool),
    ) -> Vec<u8> {
        let mut out = if self.vp9 {
            let inter = refers.is_some();
            let flags =
                0x80 | u8::from(inter) << 6 | 0x30 | u8::from(start) << 3 | u8::from(end) << 2;
            let below = frame.spatial > 0 && (self.full || frame.key);
            let mut head = vec![flags, 0x80 | (self.picture >> 8) as u8 & 0x7f, self.picture as u8];
            head.push(frame.temporal << 5 | frame.spatial << 1 | u8::from(below));
            head.extend(refers.map(|picture| ((self.picture - picture) as u8) << 1));
            head
        } else {
            vec![0x10 | u8::from(frame.key && frame.spatial == 0 && start) << 3]
        };
        out.resize(200, 0x55);
        out.extend_from_slice(&number.to_be_bytes());
        out.extend_from_slice(&[u8::from(start), u8::from(end)]);
        out
    }

    /// One picture: two packets of each of its three frames.
    fn picture(&mut self, wire: &mut Wire, member: usize, key: bool) {
        self.picture += 1;
        self.since_key = if key { 0 } else { self.since_key + 1 };
        let temporal = [0, 2, 1, 2][self.since_key as usize % 4];
        for spatial in 0..SPATIAL {
            let frame = Frame { spatial, temporal, key };
            let number = self.frames;
            self.frames += 1;
            // Of its own spatial layer the newest frame of a lower temporal one.
            let upto = temporal.max(1);
            let own = (0..upto).filter_map(|t| self.last.get(&(spatial, t))).max();
            let own = own.filter(|_| !key).copied();
            let mut needs: Vec<u32> = own.iter().map(|(number, _)| *number).collect();
            if spatial > 0 && (self.full || key) {
                needs.push(number - 1);
            }
            self.needs.insert(number, needs);
            self.made.insert(number, frame);
            for packet in 0..2 {
                let part = (packet == 0, packet == 1);
                let payload = self.payload(frame, own.map(|(_, picture)| picture), number, part);
                let descriptor = self.descriptor(frame, number, part);
                let made = Made {
                    pt: if self.vp9 { 98 } else { 45 },
                    marker: part.1 && spatial + 1 == SPATIAL,
                    timestamp: self.picture.wrapping_mul(TICKS),
                    extension: Some((DD, &descriptor)),
                    payload: &payload,
                };
                wire.put(member, 0, &made);
            }
            self.last.insert((spatial, temporal), (number, self.picture));
        }
        if key {
            self.last.retain(|_, (_, picture)| *picture == self.picture);
        }
    }
}

/// A screen in layers and two viewers.
struct Stage {
    wire: Wire,
    encoder: Encoder,
    sharer: usize,
    viewers: [usize; 2],
    answered: usize,
}

impl Stage {
    fn new(vp9: bool, full: bool) -> Stage {
        let mut wire = Wire::new(Limits::default());
        wire.video = if vp9 { VP9 } else { AV1 };
        let sharer = wire.join(&[Source::Screen], 0, 0);
        let viewers = [wire.join(&[], 0, 1), wire.join(&[], 0, 1)];
        wire.connect();
        wire.members.iter_mut().for_each(|member| member.listens = true);
        Stage { wire, encoder: Encoder::new(vp9, full), sharer, viewers, answered: usize::MAX }
    }

    fn view(&mut self, viewer: usize, width: u16, height: u16) {
        let view = View { width, height, visible: width > 0, priority: 0 };
        let owner = OwnerId(self.wire.members[self.sharer].id.0);
        let id = self.wire.members[self.viewers[viewer]].id;
        let views = [TrackView { owner, source: Source::Screen, view }];
        self.wire.shard.set_view(self.wire.now, ROOM, id, &views);
    }

    /// 25 pictures a second; a key picture where one is asked for.
    fn run(&mut self, pictures: u32) {
        for _ in 0..pictures {
            let asked = self.wire.members[self.sharer].asked.len();
            let key = std::mem::replace(&mut self.answered, asked) != asked;
            self.encoder.picture(&mut self.wire, self.sharer, key);
            for _ in 0..8 {
                self.wire.step(ms(5));
            }
        }
    }

    fn heard(&self, viewer: usize) -> &[Heard] {
        &self.wire.members[self.viewers[viewer]].heard
    }

    /// The highest spatial layer of each picture that a viewer was sent, in order.
    fn tops(&self, viewer: usize) -> Vec<u8> {
        let mut tops: Vec<(u32, u8)> = Vec::new();
        for packet in self.heard(viewer) {
            let spatial = self.encoder.made[&number(packet)].spatial;
            match tops.last_mut().filter(|(at, _)| *at == packet.timestamp) {
                Some((_, top)) => *top = spatial.max(*top),
                None => tops.push((packet.timestamp, spatial)),
            }
        }
        tops.into_iter().map(|(_, top)| top).collect()
    }

    /// Panics unless a decoder at the viewer could decode all that it was sent, and show each
    /// picture when it is complete.
    fn assert_decodable(&self, viewer: usize) {
        let heard = self.heard(viewer);
        let mut got: HashSet<u32> = HashSet::new();
        // Picture ids that came, by spatial layer.
        let mut pictures: HashSet<(u16, u8)> = HashSet::new();
        let mut offset = None;
        for (at, packet) in heard.iter().enumerate() {
            let next = heard.get(at + 1);
            if let Some(next) = next {
                assert_eq!(next.seq, packet.seq.wrapping_add(1), "no gap");
                assert!(next.timestamp.wrapping_sub(packet.timestamp) < 1 << 31);
            }
            let number = number(packet);
            let frame = self.encoder.made[&number];
            let (first, last) = place(packet);
            let begins = frame.key && frame.spatial == 0 && first;
            // Whole frames: both packets, one after the other.
            if first {
                assert_eq!(
                    place(next.unwrap_or(packet)),
                    (false, true),
                    "the frame's other packet"
                );
            } else {
                assert_eq!(self::number(&heard[at - 1]), number);
            }
            for need in self.encoder.needs[&number].iter().filter(|_| first) {
                assert!(got.contains(need), "frame {number} {frame:?} needs {need}");
            }
            if last {
                got.insert(number);
            }
            let ends = next.is_none_or(|next| next.timestamp != packet.timestamp);
            assert_eq!(packet.marker, ends, "marker of {frame:?} in frame {number}");
            let (_, descriptor) = packet.extensions.iter().find(|(id, _)| *id == DD).expect("DD");
            let sent = u16::from_be_bytes([descriptor[1], descriptor[2]]);
            let shift = sent.wrapping_sub(number as u16);
            // Numbers begin anew with a key frame only; in between their differences hold.
            assert!(begins || offset == Some(shift));
            assert_eq!(descriptor.len() > 3, begins, "the structure comes with the key frame");
            offset = Some(shift);
            if self.encoder.vp9 {
                let (id, head) = (self::picture(packet), &packet.payload);
                if first && head[0] & 0x40 != 0 {
                    let refers = id.wrapping_sub(u16::from(head[4] >> 1)) & 0x7fff;
                    assert!(
                        pictures.contains(&(refers, frame.spatial)),
                        "picture {id} of {refers}"
                    );
                }
                pictures.insert((id, frame.spatial));
            }
        }
    }
}

fn number(packet: &Heard) -> u32 {
    let tail = &packet.payload[packet.payload.len() - 6..];
    u32::from_be_bytes([tail[0], tail[1], tail[2], tail[3]])
}

/// First and last packet of its frame?
fn place(packet: &Heard) -> (bool, bool) {
    let tail = &packet.payload[packet.payload.len() - 2..];
    (tail[0] != 0, tail[1] != 0)
}

fn picture(packet: &Heard) -> u16 {
    u16::from_be_bytes([packet.payload[1] & 0x7f, packet.payload[2]])
}

#[test]
fn two_viewers_of_one_stream_get_the_layers_that_fit() {
    for (vp9, full) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut stage = Stage::new(vp9, full);
        stage.view(0, 300, 170);
        stage.view(1, 1280, 720);
        stage.run(50);
        let tops = |viewer| stage.tops(viewer);
        assert!(tops(0)[5..].iter().all(|top| *top == 0), "{:?}", tops(0));
        assert!(tops(1)[5..].iter().all(|top| *top == 2), "{:?}", tops(1));
        assert!(tops(0).len() >= 49 && tops(1).len() >= 49, "all pictures");
        stage.assert_decodable(0);
        stage.assert_decodable(1);
    }
}

#[test]
fn going_up_waits_for_a_key_picture_and_going_down_for_nothing_but_the_next_one() {
    for (vp9, full) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut stage = Stage::new(vp9, full);
        stage.view(0, 300, 170);
        stage.view(1, 1280, 720);
        stage.run(50);
        let asked = stage.wire.members[stage.sharer].asked.len();
        let before = [0, 1].map(|viewer| stage.tops(viewer).len());
        stage.view(0, 640, 360);
        stage.view(1, 300, 170);
        stage.run(50);
        assert!(
            stage.wire.members[stage.sharer].asked.len() > asked,
            "a key picture was asked for"
        );
        let (up, down) = (stage.tops(0), stage.tops(1));
        let rose = up[before[0]..].iter().position(|top| *top == 1).expect("it goes up");
        assert!(rose <= 4, "after {rose} pictures");
        assert!(up[before[0] + rose..].iter().all(|top| *top == 1), "and stays: {up:?}");
        // Layers that build on each other are left out at once; others (K-SVC) need a key picture,
        // too, which the other viewer has asked for.
        let fell = down[before[1]..].iter().position(|top| *top == 0).expect("it goes down");
        assert!(fell <= if full { 1 } else { 4 }, "after {fell} pictures");
        stage.assert_decodable(0);
        stage.assert_decodable(1);
    }
}

#[test]
fn whatever_is_shown_when_all_that_comes_can_be_decoded() {
    for (vp9, full) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut stage = Stage::new(vp9, full);
        let mut seed = 7u32;
        let mut draw = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) % below
        };
        let sizes = [(0, 0), (300, 170), (640, 360), (1280, 720)];
        for _ in 0..60 {
            let (viewer, size) = (draw(2) as usize, sizes[draw(4) as usize]);
            stage.view(viewer, size.0, size.1);
            stage.run(1 + draw(12));
        }
        stage.view(0, 1280, 720);
        stage.view(1, 640, 360);
        stage.run(60);
        assert_eq!([0, 1].map(|viewer| stage.tops(viewer).last().copied()), [Some(2), Some(1)]);
        stage.assert_decodable(0);
        stage.assert_decodable(1);
    }
}
