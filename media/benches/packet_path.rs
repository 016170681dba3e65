//! Instructions of the packet path, counted by callgrind: the same on a busy machine.
//!
//! `cargo dev bench --counts` runs this and compares with `counts.txt` beside it.

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Instant;

use gungraun::{library_benchmark, library_benchmark_group, main};
use media::api::{Source, Tap};
use media::rtp::packet::Header;
use media::rtp::vp8::Descriptor;
use media::sfu::cache::{self, PacketCache};
use media::sfu::rewrite::{Rewriter, Start};
use media::shard::{Datagram, Egress, TapSink};
use media::transport::{Profile, Remote, SrtpTx, TAG_SPACE, srtp_contexts};
use support::World;

const PAYLOAD: usize = 1_180;
const HEADER: usize = 20;
/// Subscribers of the fan-out, and packets of its frame.
const SUBSCRIBERS: u8 = 20;
const PACKETS: usize = 5;

#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}

/// A VP8 packet with one two-byte extension, as it lies decrypted.
fn packet(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x90, 96, 0, 0, 0, 0, 0, 9, 0, 0, 0, 7, 0xbe, 0xde, 0, 1, 0x31, 0, 1, 0];
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&[0x90, 0x80, 0x81, 0x01, 0x01]);
    packet.resize(HEADER + PAYLOAD, 0x5a);
    packet
}

#[library_benchmark]
#[bench::video(packet(1))]
fn parse(packet: Vec<u8>) -> Option<(Header, Descriptor)> {
    let header = Header::parse(black_box(&packet)).ok()?;
    let descriptor = Descriptor::parse(&packet[header.payload_range()])?;
    Some((header, descriptor))
}

fn rewriter() -> (Rewriter<u8>, Instant, Descriptor) {
    let (now, packet) = (now(), packet(1));
    let descriptor = Descriptor::parse(&packet[HEADER..]).unwrap();
    let mut rewriter = Rewriter::new(now, 7, 1_000, 512);
    let start = Start {
        input: 100_000,
        timestamp: 9,
        aligned: None,
        clock_rate: 90_000,
        descriptor: &descriptor,
        frame: None,
    };
    rewriter.switch(now, 0, &start);
    for input in 100_000..100_400 {
        rewriter.pass(now, input, descriptor.picture_id, true);
    }
    (rewriter, now, descriptor)
}

#[library_benchmark]
#[bench::next(rewriter())]
fn rewrite(state: (Rewriter<u8>, Instant, Descriptor)) -> Option<u64> {
    let (mut rewriter, now, descriptor) = state;
    let out = rewriter.pass(black_box(now), black_box(100_400), descriptor.picture_id, true);
    rewriter.note(now, 12_009, descriptor.picture_id.map(|id| id.value), None, None);
    std::mem::forget(rewriter);
    out.map(|place| place.sequence)
}

fn sealer(profile: Profile) -> (SrtpTx, Vec<u8>) {
    let material: Vec<u8> = (0..60).collect();
    let len = if profile == Profile::AeadAes128Gcm { 56 } else { 60 };
    let (tx, _) = srtp_contexts(profile, &material[..len], false).unwrap();
    let mut packet = packet(1);
    packet.resize(packet.len() + TAG_SPACE, 0);
    // The first use of a key sets up tables.
    tx.seal_rtp(0, &mut packet.clone(), HEADER, HEADER + PAYLOAD);
    (tx, packet)
}

#[library_benchmark]
#[bench::gcm(sealer(Profile::AeadAes128Gcm))]
#[bench::cm_sha1(sealer(Profile::Aes128CmSha1_80))]
fn seal(state: (SrtpTx, Vec<u8>)) -> usize {
    let (tx, mut packet) = state;
    let sealed = tx.seal_rtp(black_box(1), black_box(&mut packet), HEADER, HEADER + PAYLOAD);
    std::mem::forget((tx, packet));
    sealed
}

fn full_cache() -> (PacketCache, Instant, Vec<u8>) {
    let now = now();
    let mut cache = PacketCache::new(now, &cache::VIDEO);
    for sequence in 0..300_u16 {
        cache.insert(now, 100_000 + u64::from(sequence), [&packet(sequence), &[]]);
    }
    (cache, now, packet(300))
}

#[library_benchmark]
#[bench::put(full_cache())]
fn cache_insert(state: (PacketCache, Instant, Vec<u8>)) {
    let (mut cache, now, packet) = state;
    cache.insert(black_box(now), black_box(100_300), [&packet, &[]]);
    std::mem::forget((cache, packet));
}

#[library_benchmark]
#[bench::hit(full_cache())]
fn cache_get(state: (PacketCache, Instant, Vec<u8>)) -> usize {
    let (cache, now, packet) = state;
    let found = cache.get(black_box(now), black_box(100_250)).map_or(0, <[u8]>::len);
    std::mem::forget((cache, packet));
    found
}

struct Ignore;

impl TapSink for Ignore {
    fn tap(&mut self, _: Tap<'_>) {}
}

/// A lecture that runs, and its next frame.
fn lecture() -> (World, Egress, Vec<(SocketAddr, Vec<u8>)>) {
    let mut world = World::new();
    let publisher = world.join(1, &[Source::Microphone, Source::Camera], 0, 0);
    for tag in 2..2 + SUBSCRIBERS {
        world.join(tag, &[], 1, 1);
    }
    world.talk(std::time::Duration::from_millis(1_500));
    let mut egress = Egress::default();
    egress.bytes.reserve(1 << 20);
    egress.runs.reserve(1 << 10);
    world.send_frame(publisher, 1, PACKETS, PAYLOAD);
    let datagrams = world.intercept(publisher);
    (world, egress, datagrams)
}

#[library_benchmark]
#[bench::frame_to_20(lecture())]
fn fan_out(state: (World, Egress, Vec<(SocketAddr, Vec<u8>)>)) -> usize {
    let (mut world, mut egress, mut datagrams) = state;
    let mut batch: Vec<Datagram<'_>> =
        datagrams.iter_mut().map(|(src, bytes)| Datagram::new(Remote::udp(*src), bytes)).collect();
    let now = world.now;
    world.shard.handle_batch(black_box(now), &mut batch, &mut egress, &mut Ignore);
    let sent = egress.bytes.len();
    drop(batch);
    std::mem::forget((world, egress, datagrams));
    sent
}

library_benchmark_group!(
    name = packet;
    benchmarks = parse, rewrite, seal, cache_insert, cache_get, fan_out
);

main!(library_benchmark_groups = packet);
