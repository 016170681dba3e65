//! A room on two shards, on virtual time: what is published on one is seen, repaired and switched
//! on the other.

mod support;

use std::time::Duration;

use media::api::{Codec, Event, Source, TrackView, View};
use media::relay::Batch;
use str0m::format::Codec as Format;
use str0m_netem::{NetemConfig, Probability, RandomLoss};
use support::{ROOM, Tapped, World, payload};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Shard 0 and shard 1 with one clock.
struct Span {
    shards: [World; 2],
}

impl Span {
    fn new() -> Span {
        let first = World::new();
        let mut second = World::new();
        (second.start, second.now) = (first.start, first.now);
        let mut span = Span { shards: [first, second] };
        span.shards[0].shard.link_room(ROOM, 1);
        span.shards[1].shard.link_room(ROOM, 0);
        span
    }

    fn carry(&mut self) {
        for from in 0..2 {
            let Some(waiting) = self.shards[from].shard.relay_out(1 - from as u8) else { continue };
            let mut batch: Batch = std::mem::take(waiting);
            let World { shard, now, egress, taps, .. } = &mut self.shards[1 - from];
            shard.handle_relay(*now, from as u8, &mut batch, egress, taps);
            assert!(batch.is_empty(), "a batch can be used again");
        }
        self.shards.iter_mut().for_each(World::drain_events);
    }

    /// Everybody who publishes sends, for a while.
    fn talk(&mut self, duration: Duration) {
        for _ in 0..duration.as_millis() {
            for world in &mut self.shards {
                world.talk(MS);
            }
            self.carry();
        }
    }

    fn join(&mut self, shard: usize, tag: u8, sends: &[Source], slots: usize) -> usize {
        let bot = self.shards[shard].bot(tag, false);
        self.shards[shard].offer(bot, sends, slots, slots);
        for _ in 0..5_000 {
            if self.shards[shard].bots[bot].connected {
                return bot;
            }
            self.talk(MS);
        }
        panic!("bot {tag} does not connect");
    }

    /// Numbers of the packets of one sender's camera, in the order of their sequence numbers.
    fn pictures(&self, shard: usize, bot: usize, sender: u8) -> Vec<u32> {
        let received = &self.shards[shard].bots[bot].received;
        let of =
            received.iter().filter(|packet| packet.tag().0 == sender && packet.picture.is_some());
        let mut all: Vec<(u64, u32)> = of.map(|packet| (packet.seq, packet.tag().1)).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, number)| number).collect()
    }
}

fn lossy(share: f32) -> NetemConfig {
    NetemConfig::new().loss(RandomLoss::new(Probability::new(share))).seed(7)
}

fn is_contiguous(numbers: &[u32]) -> bool {
    numbers.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

#[test]
fn a_lecture_is_seen_on_both_shards_alike() {
    let mut span = Span::new();
    span.join(0, 1, &[Source::Microphone, Source::Camera], 0);
    let here = span.join(0, 2, &[], 1);
    let there = span.join(1, 3, &[], 1);
    span.talk(3 * SECOND);
    for (shard, bot) in [(0, here), (1, there)] {
        let numbers = span.pictures(shard, bot, 1);
        assert!(numbers.len() > 250, "{} packets on shard {shard}", numbers.len());
        assert!(is_contiguous(&numbers), "on shard {shard}");
        let received = &span.shards[shard].bots[bot].received;
        let first = received.iter().find(|packet| packet.picture.is_some()).unwrap();
        assert!(first.key, "a picture begins with a key frame");
        assert!(received.iter().any(|packet| packet.picture.is_none()), "sound too");
    }
    let [home, away] = &span.shards;
    // The publisher is told of once, by its own shard.
    let started = |world: &World| {
        let mut events = world.events.iter();
        events.by_ref().filter(|event| matches!(event, Event::TrackStarted { .. })).count()
    };
    assert_eq!((started(home), started(away)), (2, 0));
    let shown = away.assignments(there).unwrap();
    assert_eq!(shown.len(), 2, "named as the same publisher's: {shown:?}");
    assert_eq!(away.shard.counters().drop_no_track, 0);
}

#[test]
fn a_late_viewer_elsewhere_gets_a_key_frame_from_the_publisher() {
    let mut span = Span::new();
    span.join(0, 1, &[Source::Camera], 0);
    span.join(0, 2, &[], 1);
    span.talk(2 * SECOND);
    let asked = span.shards[0].shard.counters().plis_out;
    let there = span.join(1, 3, &[], 1);
    let joined = span.shards[1].elapsed();
    span.talk(SECOND);
    let received = &span.shards[1].bots[there].received;
    let first = received.iter().find(|packet| packet.picture.is_some()).unwrap();
    assert!(first.key);
    assert!(first.at.saturating_sub(joined) <= 600 * MS, "after {:?}", first.at - joined);
    assert_eq!(span.shards[0].shard.counters().plis_out, asked + 1, "asked once");
}

#[test]
fn loss_on_the_way_to_a_viewer_is_repaired_by_their_own_shard() {
    let mut span = Span::new();
    span.join(0, 1, &[Source::Camera], 0);
    let there = span.join(1, 3, &[], 1);
    span.talk(SECOND);
    span.shards[1].links(there, NetemConfig::new(), lossy(0.05));
    span.talk(5 * SECOND);
    span.shards[1].links(there, NetemConfig::new(), NetemConfig::new());
    span.talk(SECOND);
    let (home, away) = (span.shards[0].shard.counters(), span.shards[1].shard.counters());
    assert!(away.rtx_sent > 10, "{} sent again", away.rtx_sent);
    assert_eq!((home.nacks_in, home.rtx_sent), (0, 0), "the publisher's shard is not asked");
    assert!(is_contiguous(&span.pictures(1, there, 1)));
}

#[test]
fn loss_on_the_way_from_the_publisher_is_repaired_for_all() {
    let mut span = Span::new();
    let publisher = span.join(0, 1, &[Source::Camera], 0);
    let there = span.join(1, 3, &[], 1);
    span.talk(SECOND);
    span.shards[0].links(publisher, lossy(0.05), NetemConfig::new());
    span.talk(5 * SECOND);
    span.shards[0].links(publisher, NetemConfig::new(), NetemConfig::new());
    span.talk(SECOND);
    assert!(span.shards[0].shard.counters().rtx_repaired > 10);
    assert_eq!(span.shards[1].shard.counters().nacks_out, 0, "there is nobody to ask there");
    assert!(is_contiguous(&span.pictures(1, there, 1)));
}

#[test]
fn a_source_that_is_switched_off_is_off_everywhere() {
    let mut span = Span::new();
    let publisher = span.join(0, 1, &[Source::Camera], 0);
    let there = span.join(1, 3, &[], 1);
    span.talk(SECOND);
    let (id, now) = (span.shards[0].bots[publisher].id, span.shards[0].now);
    span.shards[0].shard.set_enabled(now, ROOM, id, Source::Camera, false);
    span.talk(200 * MS);
    let before = span.pictures(1, there, 1).len();
    span.talk(SECOND);
    assert_eq!(span.pictures(1, there, 1).len(), before);
    let now = span.shards[0].now;
    span.shards[0].shard.set_enabled(now, ROOM, id, Source::Camera, true);
    span.talk(2 * SECOND);
    let after = &span.shards[1].bots[there].received[before..];
    assert!(after.len() > 100, "{} packets", after.len());
    let first = after.iter().find(|packet| packet.picture.is_some()).unwrap();
    assert!(first.key, "it goes on with a key frame");
}

#[test]
fn who_leaves_is_gone_everywhere_and_leaves_nothing_behind() {
    let mut span = Span::new();
    let publisher = span.join(0, 1, &[Source::Microphone, Source::Camera], 0);
    let there = span.join(1, 3, &[], 1);
    span.talk(SECOND);
    let (id, now) = (span.shards[0].bots[publisher].id, span.shards[0].now);
    span.shards[0].shard.remove_peer(now, ROOM, id);
    span.talk(200 * MS);
    assert_eq!(span.shards[1].assignments(there), Some(&Vec::new()));
    let gone = |event: &&Event| matches!(event, Event::PeerGone { .. });
    assert_eq!(span.shards[0].events.iter().filter(gone).count(), 1);
    assert_eq!(span.shards[1].events.iter().filter(gone).count(), 0, "told once");
    // The next one is seen as the first was.
    span.join(0, 4, &[Source::Camera], 0);
    span.talk(SECOND);
    assert!(span.pictures(1, there, 4).len() > 50);
}

#[test]
fn a_shard_that_leaves_the_room_is_sent_nothing_and_its_publishers_have_ended() {
    let mut span = Span::new();
    let here = span.join(0, 1, &[Source::Camera], 1);
    span.join(1, 3, &[Source::Camera], 1);
    span.talk(SECOND);
    assert!(span.pictures(0, here, 3).len() > 50);
    let now = span.shards[0].now;
    span.shards[0].shard.unlink_room(now, ROOM, 1);
    span.shards[0].drain_events();
    assert_eq!(span.shards[0].assignments(here), Some(&Vec::new()));
    span.shards[0].talk(SECOND);
    assert!(span.shards[0].shard.relay_out(1).is_none());
}

#[test]
fn who_publishes_elsewhere_is_captured_at_home() {
    let mut span = Span::new();
    span.shards[0].shard.set_capture(ROOM, true);
    let here = span.join(0, 2, &[], 1);
    span.join(1, 1, &[Source::Microphone, Source::Camera], 0);
    span.talk(2 * SECOND);
    assert!(span.pictures(0, here, 1).len() > 100, "seen at home too");
    let taps = &span.shards[0].taps.0;
    let started = taps.iter().filter(|tap| matches!(tap, Tapped::Start(..))).count();
    let packets = taps.iter().filter(|tap| matches!(tap, Tapped::Rtp { .. })).count();
    let reports = taps.iter().filter(|tap| matches!(tap, Tapped::Report(_))).count();
    assert_eq!(started, 2);
    assert!(packets > 250 && reports > 0, "{packets} packets, {reports} reports");
    assert!(span.shards[1].taps.0.is_empty(), "once, not twice");
}

#[test]
fn packets_that_a_full_link_left_out_are_made_good_by_a_key_frame() {
    let mut span = Span::new();
    span.join(0, 1, &[Source::Camera], 0);
    let there = span.join(1, 3, &[], 1);
    span.talk(SECOND);
    // Two hundred milliseconds of a link that takes nothing.
    for _ in 0..200 {
        span.shards[0].talk(MS);
        if let Some(batch) = span.shards[0].shard.relay_out(1) {
            batch.shed();
        }
        span.shards[1].talk(MS);
    }
    let before = span.shards[1].bots[there].received.len();
    span.talk(3 * SECOND);
    let after = &span.shards[1].bots[there].received[before..];
    assert!(after.len() > 200, "media goes on: {} packets", after.len());
}

const SIZES: [usize; 3] = [400, 700, 1000];

/// A camera in three layers on shard 0 that sends what it is told to, and viewers on both.
struct Layers {
    span: Span,
    camera: usize,
    active: [bool; 3],
    told: Vec<(Duration, [bool; 3])>,
}

impl Layers {
    fn new() -> Layers {
        let mut span = Span::new();
        let camera = span.shards[0].bot(1, false);
        span.shards[0].offer_with(camera, &[Source::Camera], 0, 0, &["q", "h", "f"]);
        span.shards[0].until_connected(camera);
        span.shards[1].now = span.shards[0].now;
        Layers { span, camera, active: [true; 3], told: vec![] }
    }

    fn watch(&mut self, shard: usize, tag: u8) -> usize {
        let world = &mut self.span.shards[shard];
        let bot = world.bot(tag, false);
        world.offer(bot, &[], 0, 1);
        let id = world.bots[bot].id;
        self.run(SECOND);
        let connected =
            |event: &Event| matches!(event, Event::PeerConnected { peer, .. } if *peer == id);
        assert!(self.span.shards[shard].events.iter().any(connected));
        bot
    }

    fn view(&mut self, shard: usize, bot: usize, (width, height): (u16, u16)) {
        let owner = self.span.shards[0].bots[self.camera].owner;
        let view = View { width, height, visible: width > 0, priority: 0 };
        let views = [TrackView { owner, source: Source::Camera, view }];
        let World { shard, bots, now, .. } = &mut self.span.shards[shard];
        shard.set_view(*now, ROOM, bots[bot].id, &views);
    }

    /// 25 frames a second of each active layer.
    fn run(&mut self, duration: Duration) {
        for _ in 0..duration.as_millis() / 40 {
            for layer in (0..3).filter(|layer| self.active[*layer]) {
                self.span.shards[0].send_frame(self.camera, layer, 2, SIZES[layer]);
            }
            for _ in 0..40 {
                self.span.shards.iter_mut().for_each(|world| world.run(MS));
                self.span.carry();
                self.obey();
            }
        }
    }

    fn obey(&mut self) {
        let world = &mut self.span.shards[0];
        let at = world.elapsed();
        let told = world.events.iter().filter_map(|event| match event {
            Event::PublishLayers { active, .. } => Some(*active),
            _ => None,
        });
        for active in told.collect::<Vec<_>>() {
            for layer in (0..3).filter(|layer| active[*layer] && !self.active[*layer]) {
                world.bots[self.camera].senders[layer].number = 0;
            }
            self.active = active;
            self.told.push((at, active));
        }
        world.events.retain(|event| !matches!(event, Event::PublishLayers { .. }));
    }
}

#[test]
fn layers_that_nobody_on_any_shard_shows_are_switched_off_and_on_again_in_time() {
    let mut layers = Layers::new();
    let (here, there) = (layers.watch(0, 2), layers.watch(1, 3));
    layers.view(0, here, (160, 90));
    layers.run(4 * SECOND);
    assert_eq!(layers.active, [true, false, true], "the one elsewhere shows it in full");
    layers.view(1, there, (160, 90));
    layers.run(3 * SECOND);
    assert_eq!(layers.active, [true, false, false]);

    layers.view(1, there, (1280, 720));
    let asked = layers.span.shards[1].elapsed();
    layers.run(SECOND);
    assert_eq!(layers.active, [true, false, true]);
    let (on, _) = *layers.told.last().unwrap();
    assert!(on - asked < 20 * MS, "told after {:?}", on - asked);
    let received = layers.span.shards[1].bots[there].received.iter();
    let large = received.skip_while(|r| r.at < asked).find(|r| r.payload.len() > 900).unwrap();
    assert!(large.key && large.at - asked < 500 * MS, "{:?}", large.at - asked);

    layers.view(0, here, (0, 0));
    layers.view(1, there, (0, 0));
    layers.run(3 * SECOND);
    assert_eq!(layers.active, [false; 3], "nobody anywhere sees anything of it");
    layers.view(1, there, (160, 90));
    layers.run(SECOND);
    assert_eq!(layers.active, [true, false, false]);
}

#[test]
fn a_shard_says_what_it_wants_only_when_that_changes_and_wants_nothing_when_it_has_left() {
    let mut layers = Layers::new();
    let (here, there) = (layers.watch(0, 2), layers.watch(1, 3));
    let other = layers.watch(1, 4);
    layers.view(0, here, (160, 90));
    layers.view(1, there, (160, 90));
    layers.run(4 * SECOND);
    assert_eq!(layers.active, [true, false, true]);
    for width in 0..50 {
        layers.view(1, there, (100 + width, 90));
        let World { shard, now, egress, taps, .. } = &mut layers.span.shards[1];
        shard.handle_timeout(*now, egress, taps);
        assert!(layers.span.shards[1].shard.relay_out(0).is_none(), "nothing to say");
    }
    let id = layers.span.shards[1].bots[other].id;
    let now = layers.span.shards[1].now;
    layers.span.shards[1].shard.remove_peer(now, ROOM, id);
    layers.run(3 * SECOND);
    assert_eq!(layers.active, [true, false, false], "who wanted more has left");

    layers.view(1, there, (1280, 720));
    layers.run(SECOND);
    assert_eq!(layers.active, [true, false, true]);
    let now = layers.span.shards[0].now;
    layers.span.shards[0].shard.unlink_room(now, ROOM, 1);
    layers.run(3 * SECOND);
    assert_eq!(layers.active, [true, false, false]);
}

#[test]
fn a_codec_that_somebody_elsewhere_lacks_is_not_sent() {
    let mut span = Span::new();
    let both = [Format::Vp9, Format::Vp8];
    let watch = |span: &mut Span, shard: usize, tag: u8, formats: &[Format]| {
        let bot = span.shards[shard].bot_of(tag, formats);
        span.shards[shard].offer(bot, &[], 0, 1);
        bot
    };
    let sharer = span.shards[0].bot_of(1, &both);
    span.shards[0].offer(sharer, &[Source::Screen], 0, 0);
    watch(&mut span, 0, 2, &both);
    watch(&mut span, 1, 3, &both);
    let pt = span.shards[0].pt(sharer, Format::Vp9);
    let told = |span: &mut Span, duration: Duration| {
        for n in 0..duration.as_millis() / 40 {
            if span.shards[0].bots[sharer].connected {
                let head = [0x8c | u8::from(n > 0) << 6, 0x80, n as u8];
                let frame = payload(&head, 1, n as u32, 600);
                span.shards[0].send_payload(sharer, 0, pt, frame, 3_600, true, None);
            }
            for _ in 0..40 {
                span.shards.iter_mut().for_each(|world| world.run(MS));
                span.carry();
            }
        }
        let told = span.shards[0].events.iter().filter_map(|event| match event {
            Event::PublishCodec { codec, .. } => Some(*codec),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(told(&mut span, 3 * SECOND), []);
    let plain = watch(&mut span, 1, 4, &[Format::Vp8]);
    assert_eq!(told(&mut span, SECOND), [Codec::Vp8]);
    let id = span.shards[1].bots[plain].id;
    let now = span.shards[1].now;
    span.shards[1].shard.remove_peer(now, ROOM, id);
    assert_eq!(told(&mut span, 5 * SECOND), [Codec::Vp8], "not at once");
    assert_eq!(told(&mut span, 6 * SECOND), [Codec::Vp8, Codec::Vp9]);
}

/// Somebody on shard 0 who shares a screen in the codec that they were told last.
struct Screen {
    span: Span,
    sharer: usize,
    codec: Format,
    told: Vec<Codec>,
}

impl Screen {
    fn new() -> Screen {
        let mut span = Span::new();
        let sharer = span.shards[0].bot_of(1, &[Format::Vp9, Format::Vp8]);
        span.shards[0].offer(sharer, &[Source::Screen], 0, 0);
        Screen { span, sharer, codec: Format::Vp9, told: Vec::new() }
    }

    fn watch(&mut self, shard: usize, tag: u8, formats: &[Format]) -> usize {
        let bot = self.span.shards[shard].bot_of(tag, formats);
        self.span.shards[shard].offer(bot, &[], 0, 1);
        bot
    }

    /// 25 frames a second of one packet each; offers again when told another codec.
    fn run(&mut self, duration: Duration) {
        for _ in 0..duration.as_millis() / 40 {
            if self.span.shards[0].bots[self.sharer].connected {
                self.frame();
            }
            for _ in 0..40 {
                self.span.shards.iter_mut().for_each(|world| world.run(MS));
                self.span.carry();
            }
            self.obey();
        }
    }

    fn frame(&mut self) {
        let world = &mut self.span.shards[0];
        let pt = world.pt(self.sharer, self.codec);
        let bot = &mut world.bots[self.sharer];
        let (number, picture) = (bot.senders[0].number, bot.senders[0].picture);
        let inter = u8::from(number > 0 && bot.key_requests.is_empty());
        bot.key_requests.clear();
        bot.senders[0].picture = (picture + 1) & 0x7fff;
        let (high, low) = (0x80 | (picture >> 8) as u8, picture as u8);
        let head = match self.codec {
            Format::Vp8 => vec![0x90, 0x80, high, low, inter],
            _ => vec![0x8c | inter << 6, high, low],
        };
        let payload = payload(&head, 1, number, 600);
        world.send_payload(self.sharer, 0, pt, payload, 3_600, true, None);
    }

    fn obey(&mut self) {
        let world = &mut self.span.shards[0];
        let told = world.events.iter().filter_map(|event| match event {
            Event::PublishCodec { codec, .. } => Some(*codec),
            _ => None,
        });
        let told: Vec<Codec> = told.collect();
        world.events.retain(|event| !matches!(event, Event::PublishCodec { .. }));
        for codec in told {
            self.told.push(codec);
            // str0m offers only where something is new.
            world.offer(self.sharer, &[], 1, 0);
            self.codec = if codec == Codec::Vp8 { Format::Vp8 } else { Format::Vp9 };
            // An encoder begins with a key frame.
            world.bots[self.sharer].senders[0].number = 0;
        }
    }

    /// What a viewer got since, each packet's codec by the payload type that the viewer gave it.
    fn shown(&self, shard: usize, viewer: usize, since: Duration) -> Vec<Format> {
        let bot = &self.span.shards[shard].bots[viewer];
        let late = bot.received.iter().filter(|packet| packet.at > since);
        let spec = |pt: u8| bot.rtc.codec_config().find(|params| *params.pt() == pt);
        late.map(|packet| spec(packet.pt).expect("a known type").spec().codec).collect()
    }

    /// One stream without a gap in its numbers, that never stood still for longer.
    fn assert_seamless(&self, shard: usize, viewer: usize, longest: Duration) {
        let received = &self.span.shards[shard].bots[viewer].received;
        for pair in received.windows(2) {
            assert_eq!(pair[0].ssrc, pair[1].ssrc);
            assert_eq!(pair[1].seq, pair[0].seq + 1, "at {:?}", pair[1].at);
            let pause = pair[1].at - pair[0].at;
            assert!(pause <= longest, "{pause:?} at {:?}", pair[1].at);
        }
    }
}

#[test]
fn a_screen_that_changes_its_codec_goes_on_for_viewers_of_every_shard_and_back_again() {
    let both = [Format::Vp9, Format::Vp8];
    let mut screen = Screen::new();
    let (here, there) = (screen.watch(0, 2, &both), screen.watch(1, 3, &both));
    screen.span.shards[0].shard.set_capture(ROOM, true);
    screen.run(3 * SECOND);
    assert_eq!(screen.told, []);
    let plain = screen.watch(1, 4, &[Format::Vp8]);
    screen.run(2 * SECOND);
    assert_eq!(screen.told, [Codec::Vp8]);
    let since = screen.span.shards[1].elapsed();
    screen.run(SECOND);
    for (shard, viewer) in [(0, here), (1, there), (1, plain)] {
        let shown = screen.shown(shard, viewer, since);
        assert!(shown.len() >= 24 && shown.iter().all(|f| *f == Format::Vp8), "{shard}: {shown:?}");
    }
    let first = &screen.span.shards[1].bots[plain].received[0];
    assert!(first.key, "who came begins with a key frame");

    let World { shard, bots, now, .. } = &mut screen.span.shards[1];
    shard.remove_peer(*now, ROOM, bots[plain].id);
    screen.run(12 * SECOND);
    assert_eq!(screen.told, [Codec::Vp8, Codec::Vp9], "back when all have it again");
    let since = screen.span.shards[1].elapsed();
    screen.run(SECOND);
    for (shard, viewer) in [(0, here), (1, there)] {
        let shown = screen.shown(shard, viewer, since);
        assert!(shown.len() >= 24 && shown.iter().all(|f| *f == Format::Vp9), "{shard}: {shown:?}");
        screen.assert_seamless(shard, viewer, 200 * MS);
    }
    // Each codec is a track of its own in the recording, which only the home shard makes.
    let codecs = |world: &World| -> Vec<Codec> {
        let begun = world.taps.0.iter().filter_map(|tapped| match tapped {
            Tapped::Start(_, Source::Screen, codec) => Some(*codec),
            _ => None,
        });
        begun.collect()
    };
    assert_eq!(codecs(&screen.span.shards[0]), [Codec::Vp9, Codec::Vp8, Codec::Vp9]);
    assert_eq!(codecs(&screen.span.shards[1]), []);
    let away = screen.span.shards[1].shard.counters();
    assert_eq!(away.drop_payload_type, 0, "{away:?}");
}
