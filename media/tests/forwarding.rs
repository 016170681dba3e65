//! Meetings of str0m bots through a real shard: who receives what, across joins and leaves.

mod support;

use std::time::Duration;

use media::api::{Event, GoneReason, Source};
use support::{ROOM, Tapped, World};

const AV: [Source; 2] = [Source::Microphone, Source::Camera];

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Numbers of one sender's packets of more (video) or less (audio) than 200 bytes at a bot.
fn heard(world: &World, bot: usize, sender: u8, video: bool) -> Vec<u32> {
    let received = world.bots[bot].received.iter();
    received
        .filter(|r| r.tag().0 == sender && (r.payload.len() > 200) == video)
        .map(|r| r.tag().1)
        .collect()
}

fn is_contiguous(numbers: &[u32]) -> bool {
    numbers.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

#[test]
fn two_peers_hear_and_see_each_other() {
    let mut world = World::new();
    let a = world.join(1, &AV, 1, 1);
    let b = world.join(2, &AV, 1, 1);
    world.talk(seconds(2));
    for (bot, other) in [(a, 2), (b, 1)] {
        let (audio, video) = (heard(&world, bot, other, false), heard(&world, bot, other, true));
        assert!(audio.len() >= 97 && is_contiguous(&audio), "audio {}", audio.len());
        assert!(video.len() >= 200 && is_contiguous(&video), "video {}", video.len());
        assert!(heard(&world, bot, 3 - other, true).is_empty(), "own picture comes back");
        let first = world.bots[bot].received.iter().find(|r| r.payload.len() > 200).unwrap();
        assert!(first.key, "a decoder must be able to start");
        let map = world.assignments(bot).unwrap();
        assert_eq!(map.len(), 2);
    }
    let drops = world.shard.counters();
    assert_eq!(
        (drops.drop_authentication, drops.drop_unknown_ssrc, drops.drop_duplicate),
        (0, 0, 0)
    );
}

#[test]
fn packets_of_a_frame_leave_as_one_run() {
    let mut world = World::new();
    let a = world.join(1, &[Source::Camera], 0, 0);
    let b = world.join(2, &[], 0, 1);
    world.talk(seconds(1));
    let (runs, datagrams) = (world.runs, world.datagrams);
    world.talk(seconds(4));
    let frames = 100;
    let (runs, datagrams) = (world.runs - runs, world.datagrams - datagrams);
    assert!(datagrams > 5 * frames);
    // One run a frame, and the RTCP of the time.
    assert!(runs < frames + 90, "{runs} runs for {datagrams} datagrams");
    assert!(world.bots[b].received.iter().any(|r| r.padded));
    assert!(is_contiguous(&heard(&world, b, 1, true)));
    assert!(world.bots[a].received.is_empty());
}

#[test]
fn streams_of_a_slot_go_on_without_a_gap_when_people_come_and_go() {
    let mut world = World::new();
    let a = world.join(1, &AV, 2, 1);
    let b = world.join(2, &AV, 2, 2);
    world.talk(seconds(1));
    let c = world.join(3, &AV, 2, 2);
    world.talk(seconds(1));
    assert!(world.events.iter().any(|event| {
        matches!(event, Event::Slots { peer, video: 2, .. } if *peer == world.bots[a].id)
    }));
    assert!(heard(&world, a, 3, true).is_empty(), "no free slot yet");
    let b_id = world.bots[b].id;
    world.bots[b].senders.clear();
    world.shard.remove_peer(world.now, ROOM, b_id);
    world.talk(seconds(2));
    assert!(world.events.iter().any(|event| {
        matches!(event, Event::PeerGone { reason: GoneReason::Removed, peer, .. } if *peer == b_id)
    }));
    let third = heard(&world, a, 3, true);
    assert!(third.len() > 100 && is_contiguous(&third), "the slot is reused");
    assert!(heard(&world, c, 1, true).len() > 100);
    // One SSRC, numbered through, in time order, pictures counted on.
    let video: Vec<_> = world.bots[a].received.iter().filter(|r| r.payload.len() > 200).collect();
    assert!(video.iter().all(|r| r.ssrc == video[0].ssrc));
    assert!(video.windows(2).all(|pair| pair[1].seq == pair[0].seq + 1));
    let mut frames: Vec<_> = video.iter().map(|r| (r.timestamp, r.picture.unwrap())).collect();
    frames.dedup();
    for pair in frames.windows(2) {
        assert_eq!(pair[1].1, (pair[0].1 + 1) & 0x7fff, "picture ids go on");
        assert!(pair[1].0.wrapping_sub(pair[0].0) < 90_000 * 3, "timestamps go on");
    }
}

#[test]
fn a_reloaded_page_is_the_same_peer_again() {
    let mut world = World::new();
    let a = world.join(1, &AV, 1, 1);
    let b = world.join(2, &AV, 1, 1);
    world.talk(seconds(1));
    world.bots[a].senders.clear();
    world.bots[a].addr.set_port(9);
    let before = world.events.len();
    let again = world.bot(1, false);
    world.offer(again, &AV, 1, 1);
    world.events.drain(..before);
    world.until_connected(again);
    world.talk(seconds(1));
    assert!(heard(&world, again, 2, true).len() > 50);
    let seen = heard(&world, b, 1, true);
    assert!(seen.windows(2).any(|pair| pair[1] == 0), "numbers begin anew");
    let slots: Vec<u64> =
        world.bots[b].received.iter().filter(|r| r.payload.len() > 200).map(|r| r.seq).collect();
    assert!(slots.windows(2).all(|pair| pair[1] == pair[0] + 1), "in the same slot");
}

#[test]
fn a_muted_peer_is_muted_after_reloading_too() {
    let mut world = World::new();
    let a = world.join(1, &AV, 0, 0);
    let b = world.join(2, &[], 1, 1);
    let id = world.bots[a].id;
    world.shard.set_enabled(world.now, ROOM, id, Source::Camera, false);
    world.bots[a].senders.clear();
    world.bots[a].addr.set_port(9);
    let again = world.bot(1, false);
    world.events.clear();
    world.offer(again, &AV, 0, 0);
    world.until_connected(again);
    world.talk(seconds(1));
    assert!(heard(&world, b, 1, true).is_empty());
    assert!(heard(&world, b, 1, false).len() > 40);
}

#[test]
fn a_newer_device_of_the_same_person_takes_the_slots_of_the_silenced_one() {
    let mut world = World::new();
    let old = world.join(1, &AV, 0, 0);
    let viewer = world.join(2, &[], 2, 2);
    world.talk(seconds(1));
    let new = world.bot(3, false);
    world.bots[new].owner = world.bots[old].owner;
    for source in AV {
        world.shard.set_enabled(world.now, ROOM, world.bots[old].id, source, false);
    }
    world.offer(new, &AV, 0, 0);
    world.until_connected(new);
    world.talk(seconds(1));
    let (id, newer) = (world.bots[viewer].id, world.bots[new].id);
    let last = world.events.iter().rev().find_map(|event| match event {
        Event::Assignments { peer, assignments, .. } if *peer == id => Some(assignments),
        _ => None,
    });
    let shown = last.expect("the map changed");
    assert_eq!(shown.len(), 2, "one voice and one picture: {shown:?}");
    assert!(shown.iter().all(|one| one.peer == newer));
    assert!(heard(&world, viewer, 3, true).len() > 50);
    assert!(heard(&world, viewer, 3, false).len() > 40);
}

#[test]
fn what_the_chair_switches_off_is_neither_sent_nor_captured() {
    let mut world = World::new();
    let a = world.join(1, &AV, 0, 0);
    let b = world.join(2, &[], 1, 1);
    world.shard.set_capture(ROOM, true);
    world.talk(seconds(1));
    let id = world.bots[a].id;
    for source in AV {
        world.shard.set_enabled(world.now, ROOM, id, source, false);
    }
    let (received, taps) = (world.bots[b].received.len(), world.taps.0.len());
    world.talk(seconds(1));
    assert_eq!(world.bots[b].received.len(), received);
    // The picture has ended, so that nobody takes its last frame for the present.
    let camera = |tap: &Tapped| matches!(tap, Tapped::Start(_, Source::Camera, _));
    let started: Vec<_> = world.taps.0.iter().filter(|tap| camera(tap)).collect();
    let [Tapped::Start(camera_track, ..)] = started[..] else { panic!("{started:?}") };
    assert_eq!(world.taps.0[taps..], [Tapped::End(*camera_track)]);
    for source in AV {
        world.shard.set_enabled(world.now, ROOM, id, source, true);
    }
    world.talk(seconds(1));
    let after: Vec<_> = world.bots[b].received[received..].iter().collect();
    assert!(after.iter().find(|r| r.payload.len() > 200).unwrap().key);
    let seqs = |video: bool| -> Vec<u64> {
        let all = world.bots[b].received.iter();
        all.filter(|r| (r.payload.len() > 200) == video).map(|r| r.seq).collect()
    };
    for video in [true, false] {
        assert!(seqs(video).windows(2).all(|pair| pair[1] == pair[0] + 1), "no gap is left");
    }
    assert!(world.taps.0.len() > taps + 100);
    assert_eq!(world.taps.0.iter().filter(|tap| camera(tap)).count(), 2, "it begins anew");
}

#[test]
fn the_capture_has_every_packet_between_start_and_end() {
    let mut world = World::new();
    world.join(1, &AV, 0, 0);
    world.talk(seconds(1));
    assert!(world.taps.0.is_empty());
    world.shard.set_capture(ROOM, true);
    world.talk(seconds(2));
    world.shard.set_capture(ROOM, false);
    world.talk(seconds(1));
    let starts = world.taps.0.iter().filter(|tap| matches!(tap, Tapped::Start(..))).count();
    let ends = world.taps.0.iter().filter(|tap| matches!(tap, Tapped::End(_))).count();
    assert_eq!((starts, ends), (2, 2));
    assert!(matches!(world.taps.0.last(), Some(Tapped::End(_))));
    assert!(world.taps.0.iter().any(|tap| matches!(tap, Tapped::Report(_))));
    for video in [true, false] {
        let of_kind = |tap: &Tapped| match tap {
            Tapped::Rtp { seq, payload, .. } if (payload.len() > 200) == video => Some(*seq),
            _ => None,
        };
        let seqs: Vec<u16> = world.taps.0.iter().filter_map(of_kind).collect();
        assert!(seqs.len() >= 95);
        assert!(seqs.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)));
    }
}

#[test]
fn a_track_that_begins_during_the_recording_is_captured_from_its_first_packet() {
    let mut world = World::new();
    world.shard.set_capture(ROOM, true);
    world.join(1, &AV, 0, 0);
    world.talk(seconds(1));
    let mut begun = std::collections::HashMap::new();
    for tap in &world.taps.0 {
        match tap {
            Tapped::Start(track, source, _) => {
                assert!(begun.insert(*track, (*source, 0)).is_none())
            }
            Tapped::Rtp { track, payload, .. } => {
                let (source, count) = begun.get_mut(track).expect("nothing comes before the start");
                // The number that the bot wrote at the end of its payload counts from zero.
                let number = u32::from_be_bytes(payload[payload.len() - 4..].try_into().unwrap());
                assert_eq!(number, *count, "{source:?}");
                *count += 1;
            }
            _ => {}
        }
    }
    assert_eq!(begun.len(), 2);
    assert!(begun.values().all(|(_, count)| *count > 20), "{begun:?}");
}

#[test]
fn a_screen_takes_the_slot_of_a_camera_when_none_is_free() {
    let mut world = World::new();
    world.join(1, &[Source::Camera], 0, 0);
    let screen = world.join(2, &[Source::Screen], 0, 0);
    let viewer = world.join(3, &[], 0, 1);
    world.bots[screen].senders[0].source = Source::Screen;
    let silent = std::mem::take(&mut world.bots[screen].senders);
    world.talk(seconds(1));
    assert!(!heard(&world, viewer, 1, true).is_empty());
    world.bots[screen].senders = silent;
    world.talk(seconds(1));
    let map = world.assignments(viewer).unwrap();
    assert_eq!(map.iter().map(|a| a.source).collect::<Vec<_>>(), [Source::Screen]);
    assert!(heard(&world, viewer, 2, true).len() > 50);
}

#[test]
fn the_loudest_is_told_as_speaker() {
    let mut world = World::new();
    let a = world.join(1, &[Source::Microphone], 0, 0);
    let b = world.join(2, &[Source::Microphone], 0, 0);
    for step in 0..100 {
        world.send_audio(a, 0, if step < 50 { -15 } else { -90 });
        world.send_audio(b, 0, if step < 50 { -90 } else { -15 });
        world.run(Duration::from_millis(20));
    }
    world.run(seconds(1));
    let ids = [world.bots[a].id, world.bots[b].id];
    let said: Vec<_> = world
        .events
        .iter()
        .filter_map(|e| if let Event::Speaker { peer, .. } = e { *peer } else { None })
        .collect();
    assert_eq!(said, ids);
}

#[test]
fn the_highest_layer_that_arrives_is_forwarded() {
    let mut world = World::new();
    let a = world.bot(1, false);
    world.offer_with(a, &[Source::Camera], 0, 0, &["q", "h", "f"]);
    world.until_connected(a);
    let b = world.join(2, &[], 0, 1);
    let layer_sizes = [400, 700, 1000];
    let step = |world: &mut World, layers: &[usize]| {
        for layer in layers {
            world.send_frame(a, *layer, 2, layer_sizes[*layer]);
        }
        world.run(Duration::from_millis(40));
    };
    for _ in 0..50 {
        step(&mut world, &[0]);
    }
    assert!(world.bots[b].received.iter().all(|r| r.payload.len() <= 400));
    let low = world.bots[b].received.len();
    assert!(low > 80, "{low}");
    for _ in 0..50 {
        step(&mut world, &[0, 1, 2]);
    }
    assert_eq!(world.bots[b].received.last().unwrap().payload.len(), 1000);
    for _ in 0..75 {
        step(&mut world, &[0, 1]);
    }
    assert_eq!(world.bots[b].received.last().unwrap().payload.len(), 700);
    let received = &world.bots[b].received;
    assert!(received.windows(2).all(|pair| pair[1].seq == pair[0].seq + 1));
    let changes =
        received.windows(2).filter(|p| p[0].payload.len().abs_diff(p[1].payload.len()) > 1);
    assert!(changes.clone().all(|pair| pair[1].key), "switches at key frames");
    assert!((2..=3).contains(&changes.count()));
    for pair in received.windows(2) {
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!(step < 90_000 * 2, "timestamps go on: {step}");
    }
}
