//! Bandwidth on virtual time: a shard, str0m peers with their own feedback, and links that are too
//! thin for what there is to send.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use media::api::{Event, Source};
use media::shard::Datagram;
use media::transport::{Packet, classify};
use str0m_netem::{Bitrate, DataSize, NetemConfig, Probability, RandomLoss};
use support::{Received, World};

const RIDS: [&str; 3] = ["q", "h", "f"];
/// Packets of a frame and bytes of each, by layer: 150, 500 and 1,500 kbit/s at 25 frames a second.
const LAYERS: [(usize, usize); 3] = [(1, 750), (3, 830), (7, 1_070)];

fn link(kbits: u64) -> NetemConfig {
    // A queue of 400 ms.
    NetemConfig::new()
        .latency(Duration::from_millis(30))
        .link(Bitrate::kbps(kbits), DataSize::bytes(kbits as i64 * 50))
        .seed(11)
}

/// A publisher of sound and of a picture in three layers.
fn publisher(world: &mut World, tag: u8) -> usize {
    let bot = world.bot(tag, false);
    world.offer_with(bot, &[Source::Microphone, Source::Camera], 0, 0, &RIDS);
    world.until_connected(bot);
    bot
}

/// Everybody who publishes does, for so long.
fn publish(world: &mut World, publishers: &[usize], seconds: u64) {
    let until = world.elapsed() + Duration::from_secs(seconds);
    while world.elapsed() < until {
        let ms = world.elapsed().as_millis();
        for bot in publishers {
            if ms.is_multiple_of(20) {
                world.send_audio(*bot, 0, -20);
            }
            if ms.is_multiple_of(40) {
                for (at, (packets, size)) in LAYERS.into_iter().enumerate() {
                    world.send_frame(*bot, 1 + at, packets, size);
                }
            }
        }
        world.run(Duration::from_millis(1));
    }
}

fn layer_of(packet: &Received) -> Option<usize> {
    let fits = |(_, size): &(usize, usize)| packet.payload.len().abs_diff(*size) <= 1;
    LAYERS.iter().position(fits)
}

fn video(world: &World, bot: usize) -> impl Iterator<Item = &Received> {
    world.bots[bot].received.iter().filter(|packet| layer_of(packet).is_some())
}

fn audio(world: &World, bot: usize) -> impl Iterator<Item = &Received> {
    world.bots[bot].received.iter().filter(|packet| packet.payload.len() == 60)
}

/// Packets of each layer in each second.
fn by_second(world: &World, bot: usize) -> BTreeMap<u64, [usize; 3]> {
    let mut seconds: BTreeMap<u64, [usize; 3]> = BTreeMap::new();
    for packet in video(world, bot) {
        seconds.entry(packet.at.as_secs()).or_default()[layer_of(packet).unwrap()] += 1;
    }
    seconds
}

fn longest_gap<'a>(packets: impl Iterator<Item = &'a Received>) -> Duration {
    let times: Vec<Duration> = packets.map(|packet| packet.at).collect();
    times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap_or(Duration::MAX)
}

fn estimate(world: &World, bot: usize) -> u64 {
    world.shard.estimate(world.bots[bot].id).unwrap_or(0)
}

#[test]
fn capacity_falls_and_comes_back() {
    let mut world = World::new();
    let a = publisher(&mut world, 1);
    let b = world.join(2, &[], 1, 1);
    world.links(b, NetemConfig::new(), link(2_500));
    publish(&mut world, &[a], 12);
    let fell = world.elapsed().as_secs();
    assert!(estimate(&world, b) > 1_600_000, "{}", estimate(&world, b));
    world.links(b, NetemConfig::new(), link(300));
    publish(&mut world, &[a], 3);
    let low = estimate(&world, b);
    publish(&mut world, &[a], 12);
    let rose = world.elapsed().as_secs();
    world.links(b, NetemConfig::new(), link(2_500));
    publish(&mut world, &[a], 16);
    let seconds = by_second(&world, b);
    println!("{seconds:?}");
    println!(
        "estimate {low} after 3 s, {} at the end; gaps: picture {:?}, sound {:?}; {:?}",
        estimate(&world, b),
        longest_gap(video(&world, b)),
        longest_gap(audio(&world, b)),
        world.shard.counters(),
    );
    let high = |second: &u64| seconds.get(second).is_some_and(|layers| layers[2] >= 160);
    assert!((fell - 5..fell).all(|second| high(&second)), "the best before");
    assert!(low < 330_000, "down in 3 s");
    let thin = |second: u64| seconds.get(&second).is_some_and(|l| l[2] == 0 && l[0] > 0);
    assert!((fell + 4..rose).all(thin), "the lowest while it is thin");
    assert!((rose..rose + 15).any(|second| high(&second)), "up in 15 s");
    assert!(longest_gap(video(&world, b)) < Duration::from_secs(2), "no freeze over 2 s");
    assert!(longest_gap(audio(&world, b)) < Duration::from_millis(600));
    // 50 a second were sent; the queue of the link overflows once.
    let heard = audio(&world, b).count();
    assert!(heard > 50 * 43 * 95 / 100, "{heard} of {}", 50 * 43);
}

/// What a busy shard reads late and at once did not come at once.
#[test]
fn a_publisher_is_told_when_its_packets_came_not_when_they_were_read() {
    let mut world = World::new();
    let a = world.bot_with(1, false, true);
    world.offer(a, &[Source::Microphone], 0, 0);
    world.until_connected(a);
    world.talk(Duration::from_secs(1));
    world.bots[a].told.clear();
    let mut came = Vec::new();
    for _ in 0..10 {
        world.send_audio(a, 0, -20);
        let sent = world.intercept(a).into_iter().filter(|(_, data)| classify(data) == Packet::Rtp);
        came.extend(sent.map(|(src, data)| (world.now, src, data)));
        world.advance(Duration::from_millis(5));
    }
    assert_eq!(came.len(), 10);
    let now = world.now;
    let mut batch: Vec<Datagram<'_>> = came
        .iter_mut()
        .map(|(at, src, data)| Datagram { src: (*src).into(), waited: now - *at, data })
        .collect();
    world.shard.handle_batch(now, &mut batch, &mut world.egress, &mut world.taps);
    drop(batch);
    // Eighty milliseconds after the first came, not after it was read.
    world.run(Duration::from_millis(35));
    let told = world.bots[a].told.iter().cloned();
    let times: Vec<_> = told.flat_map(|told| told.into_iter(now, 0.into())).collect();
    let times: Vec<_> = times.into_iter().filter_map(|(_, _, at)| at).collect();
    assert_eq!(times.len(), 10);
    for pair in times.windows(2) {
        let apart = pair[1] - pair[0];
        assert!(
            apart.abs_diff(Duration::from_millis(5)) <= Duration::from_micros(250),
            "{apart:?}"
        );
    }
}

#[test]
fn one_weak_subscriber_among_twenty_changes_nothing_for_the_others() {
    let mut world = World::new();
    let a = publisher(&mut world, 1);
    let viewers: Vec<usize> = (2..22).map(|tag| world.join(tag, &[], 1, 1)).collect();
    publish(&mut world, &[a], 5);
    let from = world.elapsed();
    let weak = viewers[7];
    world.links(weak, NetemConfig::new(), link(300));
    publish(&mut world, &[a], 6);
    for viewer in viewers {
        let late = |packet: &&Received| packet.at > from + Duration::from_secs(4);
        let best = video(&world, viewer).filter(late).filter(|p| layer_of(p) == Some(2)).count();
        let lowest = video(&world, viewer).filter(late).filter(|p| layer_of(p) == Some(0)).count();
        if viewer == weak {
            assert!(best == 0 && lowest > 30, "{best} {lowest}");
        } else {
            assert!(best >= 2 * 25 * 7 - 14 && lowest == 0, "{viewer}: {best} {lowest}");
        }
        let heard = audio(&world, viewer).filter(late).count();
        assert!(heard >= 95, "{viewer} hears {heard}");
    }
}

#[test]
fn what_does_not_fit_is_paused_and_its_viewer_told() {
    let mut world = World::new();
    let publishers: Vec<usize> = (1..5).map(|tag| publisher(&mut world, tag)).collect();
    let viewer = world.join(9, &[], 4, 4);
    world.links(viewer, NetemConfig::new(), link(450));
    publish(&mut world, &publishers, 10);
    let tell = |world: &World| -> Vec<(u128, bool)> {
        let told = world.events.iter().filter_map(|event| match event {
            Event::TrackPaused { peer, owner, source: Source::Camera, paused, .. }
                if *peer == world.bots[viewer].id =>
            {
                Some((owner.0, *paused))
            }
            _ => None,
        });
        told.collect()
    };
    // Two seconds in which nothing is decided.
    let mut told = tell(&world);
    let quiet = (0..10).any(|_| {
        publish(&mut world, &publishers, 2);
        let before = std::mem::replace(&mut told, tell(&world));
        before.len() == told.len()
    });
    assert!(quiet, "it does not flap: {told:?}");
    println!("{told:?}, estimate {}", estimate(&world, viewer));
    let mut paused: BTreeMap<u128, bool> = BTreeMap::new();
    for (owner, on) in &told {
        assert_ne!(paused.insert(*owner, *on), Some(*on), "told once");
    }
    let late = world.elapsed() - Duration::from_secs(1);
    for bot in &publishers {
        let bot = &world.bots[*bot];
        let shown = video(&world, viewer)
            .filter(|packet| packet.at > late && packet.tag().0 == bot.tag)
            .count();
        let is_paused = paused.get(&bot.owner.0).copied().unwrap_or(false);
        assert_eq!(shown == 0, is_paused, "{}: {shown} packets", bot.tag);
    }
    let count = paused.values().filter(|paused| **paused).count();
    assert!((1..4).contains(&count), "{count} are paused");
    assert!(told.len() <= 10, "and it does not flap: {told:?}");
    // With room again all are shown, and the viewer knows.
    world.links(viewer, NetemConfig::new(), link(5_000));
    publish(&mut world, &publishers, 12);
    for event in &world.events {
        if let Event::TrackPaused { owner, paused: on, .. } = event {
            paused.insert(owner.0, *on);
        }
    }
    assert!(paused.values().all(|paused| !paused), "{paused:?}");
}

/// The best layer in full for twenty seconds over ways that are wide enough, nothing else but it,
/// and nobody is told of anything.
fn stays_in_full(what: &str, way: impl Fn(u64) -> NetemConfig) {
    let mut world = World::new();
    let a = publisher(&mut world, 1);
    let b = world.join(2, &[], 1, 1);
    publish(&mut world, &[a], 2);
    world.links(a, way(1), way(2));
    world.links(b, way(3), way(4));
    publish(&mut world, &[a], 2);
    let from = world.elapsed();
    publish(&mut world, &[a], 20);
    let late = |packet: &&Received| packet.at > from;
    let layers = [0, 1, 2].map(|layer| {
        video(&world, b).filter(late).filter(|packet| layer_of(packet) == Some(layer)).count()
    });
    let heard = audio(&world, b).filter(late).count();
    println!("{what}: {layers:?}, {heard} heard, estimate {}", estimate(&world, b));
    // What is still on its way at the end is missing.
    assert!(layers[2] >= 20 * 25 * 7 - 60 && layers[0] + layers[1] == 0, "{what}: {layers:?}");
    assert!(heard >= 985, "{what}: {heard} of 1,000");
    assert!(estimate(&world, b) > 1_600_000, "{what}");
    assert!(!world.events.iter().any(|event| matches!(event, Event::TrackPaused { .. })));
}

#[test]
fn a_quarter_of_the_packets_reordered_changes_nothing() {
    let way =
        |seed| NetemConfig::new().latency(Duration::from_millis(60)).reorder_gap(4).seed(seed);
    stays_in_full("25 % reordered", way);
}

#[test]
fn jitter_of_fifty_milliseconds_changes_nothing() {
    let ms = Duration::from_millis;
    stays_in_full("200 ± 50 ms", |seed| {
        NetemConfig::new().latency(ms(200)).jitter(ms(50)).seed(seed)
    });
}

/// The picture has one layer only: bad seconds must not take it away.
#[test]
fn the_only_layer_is_paused_when_the_link_is_thin_and_not_before_that_is_sure() {
    let mut world = World::new();
    let a = world.bot(1, false);
    world.offer(a, &[Source::Microphone, Source::Camera], 0, 0);
    world.until_connected(a);
    let b = world.join(2, &[], 1, 1);
    world.links(b, NetemConfig::new(), link(2_000));
    world.talk(Duration::from_secs(4));
    let told = |world: &World| {
        let told = world.events.iter().filter_map(|event| match event {
            Event::TrackPaused { paused, .. } => Some(*paused),
            _ => None,
        });
        told.collect::<Vec<bool>>()
    };
    // A gap of half a second, and the way is another one afterwards.
    world.links(b, NetemConfig::new(), link(2_000).loss(RandomLoss::new(Probability::new(1.0))));
    world.talk(Duration::from_millis(500));
    world.links(b, NetemConfig::new(), link(2_000).latency(Duration::from_millis(150)));
    world.talk(Duration::from_secs(5));
    assert_eq!(told(&world), []);
    world.links(b, NetemConfig::new(), link(250));
    let thin = world.elapsed();
    world.talk(Duration::from_secs(8));
    assert_eq!(told(&world), [true], "900 kbit/s do not fit into 250");
    let late = |packet: &&Received| packet.at > thin + Duration::from_secs(5);
    let heard = audio(&world, b).filter(late).count();
    assert!(heard >= 140, "{heard} of 150 while it is paused");
    world.links(b, NetemConfig::new(), link(2_000));
    world.talk(Duration::from_secs(12));
    assert_eq!(told(&world), [true, false], "and it comes again");
    assert!(world.shard.counters().probes_out > 20, "found by probes");
}

/// Two cameras of one layer each and 600 kbit/s, their microphones, and a viewer.
struct TwoCameras {
    world: World,
    bots: Vec<usize>,
    viewer: usize,
    /// Seconds, whose picture, and whether it was paused or comes again.
    told: Vec<(f64, u128, bool)>,
}

impl TwoCameras {
    /// `kbits` to the viewer, with a queue of so many milliseconds.
    fn new(kbits: u64, queue: u64) -> TwoCameras {
        let mut world = World::new();
        let publisher = |tag| {
            let bot = world.bot(tag, false);
            world.offer(bot, &[Source::Microphone, Source::Camera], 0, 0);
            world.until_connected(bot);
            bot
        };
        let bots: Vec<usize> = (1..3).map(publisher).collect();
        let viewer = world.join(3, &[], 2, 2);
        let thin =
            link(kbits).link(Bitrate::kbps(kbits), DataSize::bytes((kbits * queue / 8) as i64));
        world.links(viewer, NetemConfig::new(), thin);
        TwoCameras { world, bots, viewer, told: Vec::new() }
    }

    fn run(&mut self, seconds: u64) {
        let until = self.world.elapsed() + Duration::from_secs(seconds);
        while self.world.elapsed() < until {
            let ms = self.world.elapsed().as_millis();
            for (at, bot) in self.bots.iter().enumerate() {
                if ms.is_multiple_of(20) {
                    self.world.send_audio(*bot, 0, -20);
                }
                if ms % 66 == 33 * at as u128 {
                    self.world.send_frame(*bot, 1, 5, 1_000);
                }
            }
            self.world.run(Duration::from_millis(1));
            let at = self.world.elapsed().as_secs_f64();
            for event in self.world.events.drain(..) {
                if let Event::TrackPaused { owner, paused, .. } = event {
                    self.told.push((at, owner.0, paused));
                }
            }
        }
    }

    /// Packets of each camera, and of sound, that came since.
    fn came(&self, since: Duration) -> ([usize; 2], usize) {
        let late = |packet: &&Received| packet.at > since;
        let of = |bot: &usize| {
            let tag = self.world.bots[*bot].tag;
            let all = self.world.bots[self.viewer].received.iter().filter(late);
            all.filter(|packet| packet.payload.len() > 60 && packet.tag().0 == tag).count()
        };
        (
            [of(&self.bots[0]), of(&self.bots[1])],
            audio(&self.world, self.viewer).filter(late).count(),
        )
    }
}

#[test]
fn of_two_cameras_that_do_not_fit_one_stays_and_the_other_is_not_shown_in_turns() {
    for (kbits, queue) in [(1_000, 150), (1_000, 1_000), (850, 400)] {
        let mut two = TwoCameras::new(kbits, queue);
        two.run(30);
        let early = two.told.len();
        let from = two.world.elapsed();
        two.run(40);
        let (cameras, sound) = two.came(from);
        let (told, viewer) = (&two.told, two.viewer);
        println!(
            "{kbits} kbit/s, {queue} ms: {told:?}, {cameras:?}, {sound} of sound, estimate {}",
            estimate(&two.world, viewer)
        );
        assert!((1..=5).contains(&early), "found out soon, by few attempts: {told:?}");
        assert!(told.len() - early <= 2, "at most one attempt after that: {told:?}");
        assert!(
            told.iter().all(|(_, owner, _)| *owner == told[0].1),
            "always the same one: {told:?}"
        );
        assert!(told.last().is_some_and(|(_, _, paused)| *paused), "{told:?}");
        // 15 frames of five packets a second.
        assert!(cameras[0] > 40 * 75 * 95 / 100, "{cameras:?}");
        assert!(cameras[1] < 40 * 75 / 10, "{cameras:?}");
        assert!(sound > 40 * 100 * 97 / 100, "{sound}");
        // And when there is room for both, both are shown, and stay.
        two.world.links(viewer, NetemConfig::new(), link(4_000));
        let from = two.world.elapsed().as_secs_f64();
        two.run(15);
        let after: Vec<_> = two.told.iter().filter(|(at, _, _)| *at > from).collect();
        assert!(matches!(after[..], [(_, _, false)]), "{after:?}");
    }
}

#[test]
fn loss_of_a_tenth_starves_nobody() {
    let mut world = World::new();
    let a = publisher(&mut world, 1);
    let b = world.join(2, &[], 1, 1);
    let lossy = link(4_000).loss(RandomLoss::new(Probability::new(0.1)));
    world.links(b, NetemConfig::new(), lossy);
    publish(&mut world, &[a], 25);
    let seconds = by_second(&world, b);
    println!("{seconds:?} {:?}", world.shard.counters());
    let high = (10..25).filter(|s| seconds.get(s).is_some_and(|layers| layers[2] > 140)).count();
    assert!(high >= 11, "{high} of 15 s");
    assert!(longest_gap(audio(&world, b)) < Duration::from_millis(400));
}
