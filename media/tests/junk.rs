//! Bad input is a counter, and other people are undisturbed.

mod support;

use std::time::Duration;

use media::api::Source;
use media::shard::Datagram;
use support::World;

#[test]
fn junk_from_a_known_address_disturbs_nobody() {
    let mut world = World::new();
    let a = world.join(1, &[Source::Microphone, Source::Camera], 0, 0);
    let b = world.join(2, &[], 1, 1);
    world.talk(Duration::from_secs(1));
    let before = world.bots[b].received.len();
    let src = world.bots[a].addr;
    let mut state = 9u64;
    for round in 0..20_000u32 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(7);
        let length = (state >> 33) as usize % 120;
        let mut bytes: Vec<u8> =
            (0..length).map(|at| (state.rotate_left(at as u32 * 7) >> 13) as u8).collect();
        // Every class of datagram in turn, with the rest at random.
        if let Some(first) = bytes.first_mut() {
            *first = [0, 22, 0x80, 0x90, 0xb1, 0xff][round as usize % 6] | (*first & 1);
        }
        let mut batch = [Datagram { src: src.into(), data: &mut bytes }];
        let (now, shard) = (world.now, &mut world.shard);
        shard.handle_batch(now, &mut batch, &mut world.egress, &mut world.taps);
        world.egress.clear();
    }
    world.talk(Duration::from_secs(1));
    let received = &world.bots[b].received[before..];
    assert!(received.len() > 150, "{}", received.len());
    let counters = world.shard.counters();
    assert!(counters.drop_unknown > 1_000 && counters.drop_authentication > 1_000);
}
