//! Bad input is a counter, and other people are undisturbed.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use media::api::Source;
use media::shard::Datagram;
use support::World;

/// Datagrams that are fed between two people who talk.
const JUNK: usize = 1_000_000;
/// In batches, as a receive call gives them.
const BATCH: usize = 64;

struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(7);
        self.0 >> 16
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// Random bytes of every class of datagram, or a real datagram with some bytes changed, cut
    /// or repeated.
    fn datagram(&mut self, real: &[Vec<u8>]) -> Vec<u8> {
        if self.below(2) == 0 || real.is_empty() {
            let length = self.below(160);
            let mut bytes: Vec<u8> = (0..length).map(|_| self.next() as u8).collect();
            if let Some(first) = bytes.first_mut() {
                *first = [0, 1, 22, 0x40, 0x80, 0x90, 0xb1, 0xff][self.below(8)];
            }
            return bytes;
        }
        let whole = &real[self.below(real.len())];
        let mut bytes = whole.clone();
        // Two changes may undo each other.
        while bytes == *whole {
            for _ in 0..=self.below(4) {
                let at = self.below(bytes.len());
                bytes[at] ^= 1 << self.below(8);
            }
        }
        if self.below(4) == 0 {
            bytes.truncate(self.below(bytes.len().max(1)));
        }
        bytes
    }
}

/// What the bot's stack sends in a second of talk and of handshake: STUN, DTLS, SRTP, SRTCP.
fn real_datagrams(world: &mut World, bot: usize) -> Vec<Vec<u8>> {
    let stranger = world.bot(9, false);
    world.offer(stranger, &[Source::Microphone], 0, 0);
    let mut real: Vec<Vec<u8>> = Vec::new();
    for _ in 0..200 {
        world.advance(Duration::from_millis(5));
        world.send_audio(bot, 0, -20);
        for bot in [stranger, bot] {
            for (src, bytes) in world.intercept(bot) {
                // It arrives once as it is: what follows is somebody who read it on its way.
                let mut once = bytes.clone();
                let mut batch = [Datagram::new(src.into(), &mut once)];
                let (now, shard) = (world.now, &mut world.shard);
                shard.handle_batch(now, &mut batch, &mut world.egress, &mut world.taps);
                real.push(bytes);
            }
        }
    }
    world.until_connected(stranger);
    real
}

#[test]
fn a_million_bad_datagrams_disturb_nobody_and_leave_nothing_behind() {
    let mut world = World::new();
    let a = world.join(1, &[Source::Microphone, Source::Camera], 0, 0);
    let b = world.join(2, &[], 1, 1);
    let c = world.join(3, &[Source::Microphone], 1, 1);
    world.talk(Duration::from_secs(1));
    let real = real_datagrams(&mut world, c);
    assert!(real.len() > 100, "{}", real.len());
    let known: SocketAddr = world.bots[a].addr;
    let mut noise = Noise(9);
    let state_before = world.shard.footprint();
    let mut heard = world.bots[b].received.len();
    for round in 0..JUNK / BATCH {
        let mut bytes: Vec<Vec<u8>> = (0..BATCH).map(|_| noise.datagram(&real)).collect();
        let mut batch: Vec<Datagram<'_>> = bytes
            .iter_mut()
            .map(|data| {
                // A quarter with the forged address of somebody who is there.
                let stranger = SocketAddr::from(([192, 0, 2, noise.next() as u8], 4_000));
                let src = if noise.below(4) == 0 { known } else { stranger };
                Datagram::new(src.into(), data)
            })
            .collect();
        let (now, shard) = (world.now, &mut world.shard);
        shard.handle_batch(now, &mut batch, &mut world.egress, &mut world.taps);
        world.egress.clear();
        // 64 a millisecond: 64,000 a second.
        world.talk(Duration::from_millis(1));
        world.taps.0.clear();
        if round % 1_000 == 999 {
            // 25 frames of five packets and 50 of audio a second.
            let now_heard = world.bots[b].received.len();
            assert!(now_heard - heard >= 165, "{} packets in a second", now_heard - heard);
            heard = now_heard;
        }
    }
    assert_eq!(world.shard.footprint(), state_before, "state grew");
    let counters = world.shard.counters();
    assert!(counters.drop_unknown > 100_000 && counters.drop_authentication > 10_000);
}
