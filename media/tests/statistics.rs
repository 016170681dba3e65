//! What a shard tells of its tracks and subscribers, compared with what the links saw.

mod support;

use std::time::Duration;

use media::api::{PeerId, Source};
use media::shard::DropReason;
use media::stats::{Grade, Path, RoomStats, Sampler};
use str0m_netem::{NetemConfig, Probability, RandomLoss};
use support::{ROOM, World};

fn link(latency_ms: u64, loss: f32, seed: u64) -> NetemConfig {
    NetemConfig::new()
        .latency(Duration::from_millis(latency_ms))
        .loss(RandomLoss::new(Probability::new(loss)))
        .seed(seed)
}

fn stats(world: &World) -> RoomStats {
    world.shard.stats(world.now, ROOM).expect("the room is open")
}

fn id(world: &World, bot: usize) -> PeerId {
    world.bots[bot].id
}

#[test]
fn packets_loss_and_round_trip_are_those_of_the_links() {
    let mut world = World::new();
    let a = world.join(1, &[Source::Microphone], 0, 0);
    let b = world.join(2, &[], 1, 0);
    world.talk(Duration::from_secs(1));
    world.links(a, link(10, 0.0, 1), link(10, 0.0, 2));
    world.links(b, link(40, 0.1, 3), link(40, 0.1, 4));
    let mut sampler = Sampler::default();
    sampler.take(world.now, stats(&world));
    for _ in 0..1_000 {
        world.send_audio(a, 0, -20);
        world.run(Duration::from_millis(20));
    }
    world.run(Duration::from_secs(1));
    let report = sampler.take(world.now, stats(&world));

    let track = &report.tracks[0];
    assert_eq!((track.stats.peer, track.stats.source), (id(&world, a), Source::Microphone));
    assert_eq!((track.rates[0].packets, track.rates[0].loss), (1_000, 0.0));
    let slot = &report.slots[0];
    assert_eq!((slot.stats.peer, slot.stats.from), (id(&world, b), id(&world, a)));
    assert_eq!(slot.packets, 1_000);
    assert!((0.06..0.14).contains(&slot.loss), "10 % of the way down: {}", slot.loss);
    assert!(slot.bitrate > 0 && slot.stats.layer == Some(0));
    let of = |bot| report.peers.iter().find(|peer| peer.stats.peer == id(&world, bot)).unwrap();
    let rtt = of(b).stats.rtt.expect("the subscriber reports");
    assert!((75..110).contains(&rtt.as_millis()), "40 ms each way: {rtt:?}");
    assert_eq!(of(a).stats.rtt, None, "who is sent nothing cannot be measured");
    assert_eq!((of(b).stats.path, of(b).stats.connected), (Some(Path::Udp), true));
    assert_eq!(of(a).grade, Some(Grade::Good));
    assert!(of(b).grade >= Some(Grade::Fair), "{:?}", of(b).figures);
}

#[test]
fn loss_on_the_way_up_shows_at_the_track_with_what_was_repaired() {
    let mut world = World::new();
    let a = world.join(1, &[Source::Camera], 0, 0);
    world.join(2, &[], 0, 1);
    for _ in 0..25 {
        world.send_frame(a, 0, 4, 900);
        world.run(Duration::from_millis(40));
    }
    world.links(a, link(20, 0.05, 5), link(20, 0.0, 6));
    let before = stats(&world).tracks[0].layers()[0];
    for _ in 0..500 {
        world.send_frame(a, 0, 4, 900);
        world.run(Duration::from_millis(40));
    }
    world.run(Duration::from_secs(1));
    let after = stats(&world).tracks[0].layers()[0];
    assert!(after.active || after.packets > before.packets);
    let lost = after.lost - before.lost;
    assert!((60..140).contains(&lost), "5 % of 2,000: {lost}");
    let counters = world.shard.counters();
    assert_eq!(after.repaired, counters.rtx_repaired);
    assert!(after.repaired - before.repaired + 2 >= lost, "{after:?}");
    assert!(after.nacks >= after.repaired);
}

#[test]
fn a_camera_that_pauses_freezes_for_its_viewer_and_one_switched_off_does_not() {
    let mut world = World::new();
    let a = world.join(1, &[Source::Camera], 0, 0);
    world.join(2, &[], 0, 1);
    let play = |world: &mut World| {
        for _ in 0..50 {
            world.send_frame(a, 0, 3, 900);
            world.run(Duration::from_millis(40));
        }
    };
    play(&mut world);
    assert_eq!(stats(&world).slots[0].freezes, 0);
    world.run(Duration::from_millis(900));
    let still = stats(&world).slots[0];
    assert_eq!(still.freezes, 1, "it counts while it lasts");
    assert!(still.frozen >= Duration::from_millis(900));
    play(&mut world);
    let moved = stats(&world).slots[0];
    assert_eq!(moved.freezes, 1);
    assert!(moved.frozen >= still.frozen && moved.frames > still.frames);

    let peer = id(&world, a);
    world.shard.set_enabled(world.now, ROOM, peer, Source::Camera, false);
    world.run(Duration::from_secs(5));
    assert_eq!(stats(&world).slots[0].freezes, 1);
    world.shard.set_enabled(world.now, ROOM, peer, Source::Camera, true);
    play(&mut world);
    assert_eq!(stats(&world).slots[0].freezes, 1);
}

/// Every accepted packet is either sent to the subscriber or counted with a reason.
#[test]
fn no_packet_vanishes_without_a_reason() {
    let mut world = World::new();
    let a = world.join(1, &[Source::Microphone, Source::Camera], 0, 0);
    let b = world.join(2, &[], 1, 1);
    world.links(a, link(10, 0.05, 7), link(10, 0.0, 8));
    for round in 0..600 {
        if round == 200 {
            let peer = id(&world, a);
            world.shard.set_enabled(world.now, ROOM, peer, Source::Camera, false);
        }
        if round == 400 {
            world.shard.remove_peer(world.now, ROOM, id(&world, b));
        }
        world.send_frame(a, 1, 3, 900);
        world.send_audio(a, 0, -20);
        world.run(Duration::from_millis(20));
    }
    let counters = *world.shard.counters();
    let why = |reason: DropReason| counters.dropped(reason);
    assert!(why(DropReason::Disabled) > 500 && why(DropReason::Unwatched) > 150, "{counters:?}");
    // One subscriber at a time: accepted = forwarded + dropped after acceptance.
    let after = [
        DropReason::Disabled,
        DropReason::Unwatched,
        DropReason::SubscriberNotReady,
        DropReason::Layer,
        DropReason::KeyFrame,
        DropReason::Redundant,
        DropReason::Stale,
        DropReason::Oversize,
    ];
    let dropped: u64 = after.into_iter().map(why).sum();
    let accepted = counters.packets_in + counters.red_recovered;
    assert_eq!(
        accepted,
        counters.packets_forwarded + dropped + why(DropReason::Padding),
        "{counters:?}"
    );
}
