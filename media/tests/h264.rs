//! H.264 in three simulcast layers through a shard on virtual time.

mod support;

use std::time::Duration;

use media::api::{Codec, Source, TrackView, View};
use media::rtp::keyframe::starts_decoding;
use str0m::format::Codec as Format;
use str0m::media::Pt;
use support::{ROOM, Received, World, payload};

const SIZES: [usize; 3] = [400, 700, 1000];
const RIDS: [&str; 3] = ["q", "h", "f"];
/// Sequence and picture parameter sets in one packet (RFC 6184 §5.7.1).
const SETS: [u8; 9] = [0x78, 0, 3, 0x67, 0x42, 0xe0, 0, 1, 0x68];

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

struct Lecture {
    world: World,
    camera: usize,
    pt: Pt,
    viewers: Vec<usize>,
}

impl Lecture {
    fn new(viewers: usize) -> Lecture {
        let mut world = World::new();
        let camera = world.bot_of(1, &[Format::H264]);
        let answer = world.offer_with(camera, &[Source::Camera], 0, 0, &RIDS);
        world.until_connected(camera);
        let line = answer.sdp.lines().find(|line| line.starts_with("m=video")).unwrap();
        let pt: u8 = line.split(' ').nth(3).unwrap().parse().unwrap();
        let viewers = (0..viewers).map(|n| {
            let viewer = world.bot_of(2 + n as u8, &[Format::Vp8, Format::H264]);
            world.offer(viewer, &[], 0, 1);
            world.until_connected(viewer);
            viewer
        });
        let viewers = viewers.collect();
        Lecture { world, camera, pt: pt.into(), viewers }
    }

    fn view(&mut self, viewer: usize, width: u16, height: u16) {
        let World { shard, bots, now, .. } = &mut self.world;
        let view = View { width, height, visible: true, priority: 0 };
        let views = [TrackView { owner: bots[self.camera].owner, source: Source::Camera, view }];
        shard.set_view(*now, ROOM, bots[self.viewers[viewer]].id, &views);
    }

    /// One frame of a layer: with a key frame its parameter sets first, then two slices.
    fn frame(&mut self, layer: usize) {
        let bot = &mut self.world.bots[self.camera];
        let asked =
            bot.key_requests.iter().position(|(_, rid)| rid.as_deref() == Some(RIDS[layer]));
        let key = bot.senders[layer].number == 0 || asked.is_some();
        if let Some(at) = asked {
            bot.key_requests.remove(at);
        }
        let tag = bot.tag;
        let slice: &[u8] = if key { &[0x65] } else { &[0x41] };
        let packets = if key { vec![&SETS[..], slice, slice] } else { vec![slice, slice] };
        let last = packets.len() - 1;
        for (at, head) in packets.into_iter().enumerate() {
            let number = self.world.bots[self.camera].senders[layer].number;
            let payload = payload(head, tag, number, SIZES[layer]);
            let ticks = if at == last { 3_600 } else { 0 };
            self.world.send_payload(self.camera, layer, self.pt, payload, ticks, at == last, None);
        }
    }

    /// 25 frames a second of each layer.
    fn run(&mut self, duration: Duration) {
        let until = self.world.now + duration;
        while self.world.now < until {
            (0..3).for_each(|layer| self.frame(layer));
            self.world.run(ms(40));
        }
    }

    fn received(&self, viewer: usize) -> &[Received] {
        &self.world.bots[self.viewers[viewer]].received
    }

    fn layers(&self) -> Vec<usize> {
        let of = |viewer| layer(self.received(viewer).last().expect("a picture"));
        (0..self.viewers.len()).map(of).collect()
    }
}

fn layer(packet: &Received) -> usize {
    let near = |size: &usize| packet.payload.len().abs_diff(*size) <= 1;
    SIZES.iter().position(near).expect("a known size")
}

#[test]
fn each_viewer_is_sent_the_layer_that_fits_and_changes_over_at_a_key_frame() {
    let mut lecture = Lecture::new(3);
    lecture.run(ms(500));
    for (viewer, (width, height)) in [(200, 112), (480, 270), (1280, 720)].into_iter().enumerate() {
        lecture.view(viewer, width, height);
    }
    lecture.run(ms(2_000));
    assert_eq!(lecture.layers(), [0, 1, 2]);
    lecture.view(0, 1280, 720);
    lecture.view(2, 100, 56);
    lecture.run(ms(2_000));
    assert_eq!(lecture.layers(), [2, 1, 0]);
    for viewer in 0..3 {
        let received = lecture.received(viewer);
        assert!(received.len() > 200, "{}", received.len());
        assert!(starts_decoding(Codec::H264, &received[0].payload));
        let mut changes = 0;
        for pair in received.windows(2) {
            assert_eq!(pair[1].seq, pair[0].seq + 1, "no gap");
            let ticks = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
            assert!(ticks < 90_000, "timestamps go on: {ticks}");
            if layer(&pair[1]) != layer(&pair[0]) {
                changes += 1;
                assert!(ticks > 0, "a frame is of one layer");
                assert!(starts_decoding(Codec::H264, &pair[1].payload), "parameter sets first");
            }
        }
        assert!((1..=3).contains(&changes), "{changes} changes");
    }
}

#[test]
fn a_viewer_without_h264_has_no_slot_of_it() {
    let mut lecture = Lecture::new(1);
    let plain = lecture.world.bot_of(9, &[Format::Vp8]);
    lecture.world.offer(plain, &[], 0, 1);
    lecture.world.until_connected(plain);
    lecture.run(ms(500));
    assert_eq!(lecture.world.assignments(lecture.viewers[0]).map(Vec::len), Some(1));
    assert_eq!(lecture.world.assignments(plain).map_or(0, Vec::len), 0);
    assert!(lecture.world.bots[plain].received.is_empty());
}
