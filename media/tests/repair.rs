//! Loss: what is repaired, by how many retransmissions, and what redundancy saves.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use media::api::Source;
use str0m_netem::{NetemConfig, Probability, RandomLoss};
use support::{ROOM, Tally, Tapped, World, payload};

fn lossy(seed: u64) -> NetemConfig {
    NetemConfig::new()
        .latency(Duration::from_millis(30))
        .jitter(Duration::from_millis(2))
        .loss(RandomLoss::new(Probability::new(0.03)))
        .seed(seed)
}

/// (media packets sent, of them lost, retransmissions sent) by SSRC tallies of one way.
fn figures(sent: &Tally, came: &Tally, media: u32) -> (u64, u64, u64) {
    let lost = sent[&media] - came[&media];
    let rtx = sent.iter().filter(|(ssrc, _)| **ssrc != media).map(|(_, n)| n).sum();
    (sent[&media], lost, rtx)
}

/// The figure of the issue: 60 s of 3 % loss each way.
#[test]
fn every_loss_is_repaired_both_ways_without_a_storm() {
    let mut world = World::new();
    let a = world.join(1, &[Source::Camera], 0, 0);
    let b = world.join(2, &[], 0, 1);
    world.shard.set_capture(ROOM, true);
    world.links(a, lossy(1), lossy(2));
    world.links(b, lossy(3), lossy(4));
    let mut sent_at: Vec<Duration> = Vec::new();
    let began = world.elapsed();
    while world.elapsed() < began + Duration::from_secs(60) {
        world.send_frame(a, 0, 5, 900);
        sent_at.resize(world.bots[a].senders[0].number as usize, world.elapsed());
        world.run(Duration::from_millis(40));
    }
    world.run(Duration::from_secs(2));

    let media_up = *world.bots[a].sent_up.iter().max_by_key(|(_, n)| **n).unwrap().0;
    let media_down = *world.bots[b].sent_down.iter().max_by_key(|(_, n)| **n).unwrap().0;
    let up = figures(&world.bots[a].sent_up, &world.bots[a].came_up, media_up);
    let down = figures(&world.bots[b].sent_down, &world.bots[b].came_down, media_down);

    let captured: BTreeSet<u32> = (world.taps.0.iter())
        .filter_map(|tap| match tap {
            Tapped::Rtp { payload, .. } => Some(u32::from_be_bytes(*payload.last_chunk().unwrap())),
            _ => None,
        })
        .collect();
    let mut shown: BTreeMap<u32, Duration> = BTreeMap::new();
    for packet in &world.bots[b].received {
        shown.entry(packet.tag().1).or_insert(packet.at);
    }
    let all = sent_at.len();
    let first = *shown.keys().next().unwrap() as usize;
    let missing = (first..all).filter(|n| !shown.contains_key(&(*n as u32))).count();
    let latest = shown.iter().map(|(n, at)| *at - sent_at[*n as usize]).max().unwrap();
    let counters = *world.shard.counters();
    println!("up   (sent, lost, rtx): {up:?}, repaired {}", counters.rtx_repaired);
    println!("down (sent, lost, rtx): {down:?}, missing {missing} of {all}, latest {latest:?}");
    println!("key frames asked for: {}; {counters:?}", counters.plis_out);

    assert!(up.1 > 150 && down.1 > 150, "the links lose packets");
    let first_captured = *captured.first().unwrap() as usize;
    assert_eq!(captured.len(), all - first_captured, "the capture is whole");
    assert_eq!(missing, 0);
    assert_eq!(counters.rtx_repaired, up.1);
    assert!(up.2 * 2 <= up.1 * 3, "upstream storm: {up:?}");
    assert!(down.2 * 2 <= down.1 * 3, "downstream storm: {down:?}");
}

/// Wi-Fi to mobile: two dark seconds, then another address. Late sound would hold up what follows.
#[test]
fn after_a_change_of_address_nothing_from_before_is_sent_again_and_a_key_frame_begins() {
    let dark = || NetemConfig::new().loss(RandomLoss::new(Probability::ONE)).seed(1);
    let mut world = World::new();
    let a = world.join(1, &[Source::Camera], 0, 0);
    let b = world.join(2, &[], 0, 1);
    let talk = |world: &mut World, frames: usize| {
        for _ in 0..frames {
            world.send_frame(a, 0, 2, 900);
            world.run(Duration::from_millis(50));
        }
    };
    talk(&mut world, 40);
    world.links(b, dark(), dark());
    talk(&mut world, 40);
    let (number, asked) = (world.bots[a].senders[0].number, world.shard.counters().plis_out);
    let (seen, resent) = (world.bots[b].received.len(), world.shard.counters().rtx_sent);
    world.bots[b].outside.set_port(61_111);
    world.links(b, NetemConfig::new(), NetemConfig::new());
    // The bot checks its way every second or two; the frames until then are lost as well.
    talk(&mut world, 100);
    let came = &world.bots[b].received[seen..];
    assert!(came.len() > 30, "it is there again: {}", came.len());
    assert!(came.iter().all(|packet| packet.tag().1 >= number), "nothing of the dark time");
    assert_eq!(world.shard.counters().rtx_sent, resent);
    assert!(world.shard.counters().plis_out > asked, "a key frame is asked for");
}

/// A RED payload: the last frame again, then this one.
fn redundant(before: Option<&[u8]>, frame: &[u8], opus: u8) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(before) = before {
        let head = 1 << 31 | u32::from(opus) << 24 | 960 << 10 | before.len() as u32;
        out.extend_from_slice(&head.to_be_bytes());
    }
    out.push(opus);
    out.extend_from_slice(before.unwrap_or_default());
    out.extend_from_slice(frame);
    out
}

#[test]
fn redundancy_is_passed_on_or_used_up() {
    let mut world = World::new();
    let a = world.bot(1, true);
    world.offer(a, &[Source::Microphone], 0, 0);
    world.until_connected(a);
    let with = world.bot(2, true);
    world.offer(with, &[], 1, 0);
    world.until_connected(with);
    let without = world.join(3, &[], 1, 0);
    world.shard.set_capture(ROOM, true);
    let opus = world.pt(a, str0m::format::Codec::Opus);
    let red = world.bots[a]
        .rtc
        .codec_config()
        .find(|p| p.red().is_some())
        .and_then(|p| p.red())
        .expect("RED is negotiated");
    world.links(a, lossy(9), NetemConfig::new());
    let mut before: Option<Vec<u8>> = None;
    for number in 0..1_000 {
        let frame = payload(&[0x78], 1, number, 60);
        let packet = redundant(before.as_deref(), &frame, *opus);
        world.send_payload(a, 0, red, packet, 960, false, Some(-20));
        before = Some(frame);
        world.run(Duration::from_millis(20));
    }
    world.run(Duration::from_millis(500));
    let counters = *world.shard.counters();
    let plain: Vec<u32> = world.bots[without].received.iter().map(|r| r.tag().1).collect();
    println!("{} frames taken from redundancy", counters.red_recovered);
    assert!(counters.red_recovered > 10);
    assert!(world.bots[without].received.iter().all(|r| r.payload.len() == 60));
    let seen: BTreeSet<u32> = plain.iter().copied().collect();
    assert_eq!(seen.len(), plain.len(), "nothing twice");
    let span = (seen.last().unwrap() - seen.first().unwrap() + 1) as usize;
    // Only two losses in a row leave a gap.
    assert!(span - seen.len() <= 3, "{} of {span}", seen.len());
    assert!(world.bots[with].received.iter().filter(|r| r.payload.len() > 100).count() > 900);
    for tap in &world.taps.0 {
        if let Tapped::Rtp { payload, pt, .. } = tap {
            assert_eq!((payload.len(), *pt), (60, *opus), "captured as plain Opus");
        }
    }
}
