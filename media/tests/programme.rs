//! Players (WHEP): what is in their few slots while people come, speak, share and go.

mod support;

use std::time::Duration;

use media::api::{OwnerId, Programme, Source, Watch};
use support::{ROOM, World};

const AV: [Source; 2] = [Source::Microphone, Source::Camera];

fn player(world: &mut World, tag: u8, watch: Watch, audio: usize, video: usize) -> usize {
    let bot = world.bot(tag, false);
    world.bots[bot].watch = watch;
    world.offer(bot, &[], audio, video);
    world.until_connected(bot);
    bot
}

fn show(world: &mut World, lead: Option<u8>, speaker: Option<u8>) {
    let owner = |tag: Option<u8>| tag.map(|tag| OwnerId(tag.into()));
    let programme = Programme { lead: owner(lead), speaker: owner(speaker) };
    let now = world.now;
    world.shard.set_programme(now, ROOM, programme);
}

/// Senders of sound and of pictures that a player received while all talk for a second.
fn next_second(world: &mut World, player: usize) -> (Vec<u8>, Vec<u8>) {
    // What is on its way belongs to the time before.
    world.talk(Duration::from_millis(100));
    world.bots[player].received.clear();
    world.talk(Duration::from_secs(1));
    let mut out = (Vec::new(), Vec::new());
    for packet in &world.bots[player].received {
        let video = packet.payload.len() > 200;
        let senders = if video { &mut out.1 } else { &mut out.0 };
        if !senders.contains(&packet.tag().0) {
            senders.push(packet.tag().0);
        }
    }
    out
}

#[test]
fn a_player_that_came_first_sees_the_publisher_as_soon_as_it_starts() {
    let mut world = World::new();
    let viewer = player(&mut world, 9, Watch::Programme, 1, 1);
    show(&mut world, Some(1), None);
    world.join(1, &AV, 0, 0);
    assert_eq!(next_second(&mut world, viewer), (vec![1], vec![1]));
}

#[test]
fn the_programme_follows_the_speaker_and_a_shared_screen_comes_before_a_camera() {
    let mut world = World::new();
    world.join(1, &AV, 0, 0);
    let b = world.join(2, &AV, 0, 0);
    let viewer = player(&mut world, 9, Watch::Programme, 1, 1);
    show(&mut world, None, Some(2));
    assert_eq!(next_second(&mut world, viewer), (vec![2], vec![2]));
    show(&mut world, None, Some(1));
    assert_eq!(next_second(&mut world, viewer), (vec![1], vec![1]));
    // Silence takes nobody's picture away.
    show(&mut world, None, None);
    assert_eq!(next_second(&mut world, viewer), (vec![1], vec![1]));
    world.join(3, &[Source::Screen], 0, 0);
    assert_eq!(next_second(&mut world, viewer), (vec![1], vec![3]));
    // A lecturer comes before a screen of somebody else.
    show(&mut world, Some(2), Some(1));
    assert_eq!(next_second(&mut world, viewer), (vec![2], vec![2]));
    let id = world.bots[b].id;
    let now = world.now;
    world.shard.remove_peer(now, ROOM, id);
    assert_eq!(next_second(&mut world, viewer), (vec![1], vec![3]));
}

#[test]
fn a_second_picture_is_the_next_best() {
    let mut world = World::new();
    world.join(1, &AV, 0, 0);
    world.join(2, &AV, 0, 0);
    world.join(3, &[Source::Screen], 0, 0);
    let viewer = player(&mut world, 9, Watch::Programme, 1, 2);
    show(&mut world, None, Some(2));
    let (sound, mut pictures) = next_second(&mut world, viewer);
    pictures.sort_unstable();
    assert_eq!((sound, pictures), (vec![2], vec![2, 3]));
}

#[test]
fn a_picture_switched_off_gives_way_and_comes_back() {
    let mut world = World::new();
    let a = world.join(1, &AV, 0, 0);
    world.join(2, &AV, 0, 0);
    let viewer = player(&mut world, 9, Watch::Programme, 1, 1);
    show(&mut world, Some(1), None);
    assert_eq!(next_second(&mut world, viewer), (vec![1], vec![1]));
    for (on, expected) in [(false, 2), (true, 1)] {
        let (now, id) = (world.now, world.bots[a].id);
        world.shard.set_enabled(now, ROOM, id, Source::Camera, on);
        assert_eq!(next_second(&mut world, viewer), (vec![1], vec![expected]));
    }
}

#[test]
fn one_participant_is_all_that_a_player_of_one_participant_gets() {
    let mut world = World::new();
    let viewer = player(&mut world, 9, Watch::Owner(OwnerId(2)), 2, 2);
    world.join(1, &AV, 0, 0);
    assert_eq!(next_second(&mut world, viewer), (vec![], vec![]));
    world.join(2, &AV, 0, 0);
    assert_eq!(next_second(&mut world, viewer), (vec![2], vec![2]));
}

#[test]
fn the_answer_to_a_player_is_one_media_stream() {
    let mut world = World::new();
    for (watch, expected) in [(Watch::Programme, 1), (Watch::Everyone, 2)] {
        let bot = world.bot(8 + expected as u8, false);
        world.bots[bot].watch = watch;
        let answer = world.offer(bot, &[], 1, 1);
        let streams: std::collections::BTreeSet<&str> = answer
            .sdp
            .lines()
            .filter_map(|line| line.strip_prefix("a=msid:")?.split(' ').next())
            .collect();
        assert_eq!(streams.len(), expected, "{watch:?}");
    }
}
