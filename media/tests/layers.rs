//! Layers on virtual time: what viewers show decides what they are sent, and what publishers send.

mod support;

use std::time::Duration;

use media::api::{Event, Source, TrackView, View};
use media::shard::Load;
use support::{ROOM, Received, Tapped, World};

const SIZES: [usize; 3] = [400, 700, 1000];
const RIDS: [&str; 3] = ["q", "h", "f"];

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn shown(width: u16, height: u16) -> View {
    View { width, height, visible: true, priority: 0 }
}

const HIDDEN: View = View { width: 0, height: 0, visible: false, priority: 0 };

/// A publisher with three layers that obeys `publish_layers`, and its viewers.
struct Meeting {
    world: World,
    camera: usize,
    viewers: Vec<usize>,
    /// Lowest first.
    active: [bool; 3],
    /// What its line can carry.
    carried: [bool; 3],
    /// When the publisher was told what.
    told: Vec<(Duration, [bool; 3])>,
}

impl Meeting {
    fn new(viewers: usize) -> Meeting {
        let mut world = World::new();
        let camera = world.bot(1, false);
        world.offer_with(camera, &[Source::Camera], 0, 0, &RIDS);
        world.until_connected(camera);
        let viewers = (0..viewers).map(|n| world.join(2 + n as u8, &[], 0, 1)).collect();
        Meeting { world, camera, viewers, active: [true; 3], carried: [true; 3], told: vec![] }
    }

    fn view(&mut self, viewer: usize, view: View) {
        let World { shard, bots, now, .. } = &mut self.world;
        let owner = bots[self.camera].owner;
        let views = [TrackView { owner, source: Source::Camera, view }];
        shard.set_view(*now, ROOM, bots[self.viewers[viewer]].id, &views);
    }

    /// 25 frames a second of each active layer.
    fn run(&mut self, duration: Duration) {
        let until = self.world.now + duration;
        while self.world.now < until {
            for (layer, size) in SIZES.into_iter().enumerate() {
                if self.active[layer] && self.carried[layer] {
                    self.world.send_frame(self.camera, layer, 2, size);
                }
            }
            for _ in 0..40 {
                self.world.run(ms(1));
                self.obey();
            }
        }
    }

    fn obey(&mut self) {
        let at = self.world.elapsed();
        for event in self.world.events.drain(..) {
            if let Event::PublishLayers { source: Source::Camera, active, .. } = event {
                // An encoder that was off begins with a key frame.
                for layer in (0..3).filter(|layer| active[*layer] && !self.active[*layer]) {
                    self.world.bots[self.camera].senders[layer].number = 0;
                }
                self.active = active;
                self.told.push((at, active));
            }
        }
    }

    fn received(&self, viewer: usize) -> &[Received] {
        &self.world.bots[self.viewers[viewer]].received
    }

    /// The layer of the packets that came last.
    fn layer(&self, viewer: usize) -> Option<usize> {
        let last = self.received(viewer).last()?;
        SIZES.iter().position(|size| last.payload.len().abs_diff(*size) <= 1)
    }

    fn silent_since(&self, viewer: usize) -> Duration {
        self.world.elapsed() - self.received(viewer).last().map_or(Duration::ZERO, |r| r.at)
    }
}

/// One stream to its receiver: numbers without a gap, time and pictures that go on.
fn assert_seamless(received: &[Received]) {
    for pair in received.windows(2) {
        assert_eq!(pair[1].seq, pair[0].seq + 1);
        let ticks = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!(ticks < 90_000 * 20, "timestamps go on: {ticks}");
        let pictures = pair[1].picture.unwrap().wrapping_sub(pair[0].picture.unwrap()) & 0x7fff;
        assert_eq!(pictures, u16::from(ticks != 0), "pictures are continuous");
    }
}

#[test]
fn each_viewer_is_sent_the_layer_that_fits() {
    let mut meeting = Meeting::new(3);
    meeting.run(ms(500));
    for (viewer, view) in [shown(200, 112), shown(480, 270), shown(1280, 720)].iter().enumerate() {
        meeting.view(viewer, *view);
    }
    meeting.run(ms(2_000));
    assert_eq!([0, 1, 2].map(|viewer| meeting.layer(viewer)), [Some(0), Some(1), Some(2)]);
    meeting.view(0, shown(1280, 720));
    meeting.view(2, shown(100, 56));
    meeting.run(ms(2_000));
    assert_eq!([0, 1, 2].map(|viewer| meeting.layer(viewer)), [Some(2), Some(1), Some(0)]);
    for viewer in 0..3 {
        let received = meeting.received(viewer);
        assert_seamless(received);
        let changes =
            received.windows(2).filter(|p| p[0].payload.len().abs_diff(p[1].payload.len()) > 1);
        assert!(changes.clone().count() <= 4 && changes.clone().all(|pair| pair[1].key));
    }
    assert!(meeting.told.is_empty(), "all layers are wanted by somebody");
}

#[test]
fn what_is_not_shown_is_not_sent_and_comes_back_with_a_key_frame() {
    let mut meeting = Meeting::new(2);
    meeting.run(ms(1_000));
    meeting.view(0, HIDDEN);
    meeting.run(ms(2_000));
    assert!(meeting.silent_since(0) > ms(1_900) && meeting.silent_since(1) < ms(100));
    let before = meeting.received(0).len();
    meeting.view(0, shown(1280, 720));
    let asked = meeting.world.elapsed();
    meeting.run(ms(500));
    let first = &meeting.received(0)[before];
    assert!(first.key && first.at - asked < ms(200), "{:?}", first.at - asked);
    assert_seamless(meeting.received(0));
}

#[test]
fn layers_that_nobody_needs_go_off_at_the_publisher_and_on_again_within_half_a_second() {
    let mut meeting = Meeting::new(2);
    meeting.run(ms(500));
    meeting.view(0, shown(160, 90));
    meeting.view(1, shown(160, 90));
    meeting.run(ms(3_000));
    assert_eq!(meeting.active, [true, false, false]);
    assert_eq!(meeting.told.len(), 1, "{:?}", meeting.told);
    meeting.view(1, shown(1280, 720));
    let asked = meeting.world.elapsed();
    meeting.run(ms(500));
    assert_eq!(meeting.active, [true, false, true]);
    let received = meeting.received(1).iter();
    let large = received.skip_while(|r| r.at < asked).find(|r| r.payload.len() > 900).unwrap();
    assert!(large.key && large.at - asked < ms(500), "{:?}", large.at - asked);
    assert_seamless(meeting.received(1));
    for viewer in 0..2 {
        meeting.view(viewer, HIDDEN);
    }
    meeting.run(ms(3_000));
    assert_eq!(meeting.active, [false; 3], "nobody sees anything of it");
    meeting.view(0, shown(160, 90));
    let asked = meeting.world.elapsed();
    meeting.run(ms(500));
    assert_eq!(meeting.active, [true, false, false]);
    let first = meeting.received(0).iter().find(|r| r.at > asked).unwrap();
    assert!(first.key && first.at - asked < ms(500));
}

#[test]
fn a_recording_keeps_its_layer_on_and_marks_its_switches() {
    let mut meeting = Meeting::new(1);
    meeting.view(0, shown(160, 90));
    meeting.run(ms(4_000));
    assert_eq!(meeting.active, [true, false, false]);
    meeting.world.shard.set_capture(ROOM, true);
    meeting.run(ms(3_000));
    assert_eq!(meeting.active, [true, false, true], "the recording wants the best");
    meeting.view(0, HIDDEN);
    meeting.run(ms(3_000));
    assert!(meeting.active[2], "nobody looks, it is recorded all the same");
    let taps = meeting.world.taps.0.iter();
    let sizes: Vec<usize> = taps
        .clone()
        .filter_map(|tap| match tap {
            Tapped::Rtp { payload, .. } => Some(payload.len()),
            _ => None,
        })
        .collect();
    assert!(sizes.iter().rev().take(100).all(|size| *size > 900), "of the highest layer");
    let changes = sizes.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) > 1).count();
    let marks = taps.filter(|tap| matches!(tap, Tapped::Layer(_))).count();
    assert_eq!(changes, marks, "each switch is marked");
    meeting.world.shard.set_capture(ROOM, false);
    meeting.run(ms(3_000));
    assert_eq!(meeting.active, [false; 3]);
}

#[test]
fn a_layer_that_its_sender_gives_up_is_replaced_by_the_next() {
    let mut meeting = Meeting::new(1);
    meeting.run(ms(3_000));
    assert_eq!((meeting.layer(0), meeting.active), (Some(2), [true, false, true]));
    // Its line got worse: libwebrtc drops the highest layer by itself.
    meeting.carried = [true, true, false];
    meeting.run(ms(2_000));
    assert_eq!((meeting.layer(0), meeting.active), (Some(1), [true; 3]), "the middle one is on");
    let longest = meeting.received(0).windows(2).map(|pair| pair[1].at - pair[0].at).max();
    assert!(longest < Some(ms(900)), "{longest:?}");
    assert_seamless(meeting.received(0));
}

#[test]
fn a_shard_with_too_much_to_do_sends_lower_layers_to_all_and_the_best_again_when_it_is_calm() {
    let mut meeting = Meeting::new(2);
    let load = |meeting: &mut Meeting, busy_permille| {
        let now = meeting.world.now;
        meeting.world.shard.report_load(now, Load { busy_permille, missed: 0 });
        meeting.run(ms(500));
    };
    meeting.run(ms(1_000));
    assert_eq!([0, 1].map(|viewer| meeting.layer(viewer)), [Some(2), Some(2)]);
    load(&mut meeting, 990);
    assert_eq!([0, 1].map(|viewer| meeting.layer(viewer)), [Some(1), Some(1)]);
    (0..3).for_each(|_| load(&mut meeting, 990));
    assert_eq!([0, 1].map(|viewer| meeting.layer(viewer)), [Some(0), Some(0)]);
    (0..4).for_each(|_| load(&mut meeting, 600));
    assert_eq!(meeting.active, [true, false, false], "nor does anybody send what nobody gets");
    (0..50).for_each(|_| load(&mut meeting, 200));
    meeting.run(ms(1_000));
    assert_eq!((meeting.world.shard.pressure(), meeting.active), (0, [true, false, true]));
    for viewer in 0..2 {
        assert_eq!(meeting.layer(viewer), Some(2));
        assert_seamless(meeting.received(viewer));
    }
}
