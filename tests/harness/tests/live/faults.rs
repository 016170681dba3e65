//! Bad input on a live port: counted, and nobody else notices.

use std::net::UdpSocket;

use super::rig::{Rig, watch};

/// Repeatable noise (xorshift); what matters is that it is anything.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// Looks like STUN, DTLS, RTP, RTCP or nothing at all, cut at any place.
fn junk(noise: &mut Noise) -> Vec<u8> {
    let len = (noise.next() % 1_300) as usize;
    let mut data = noise.bytes(len);
    let head: &[u8] = match noise.next() % 6 {
        0 => &[0x00, 0x01, 0x00, 0x08, 0x21, 0x12, 0xa4, 0x42],
        1 => &[0x16, 0xfe, 0xfd, 0x00, 0x00],
        2 => &[0x80, 0x60],
        3 => &[0x81, 0xc9],
        4 => &[0xbf, 0xe0, 0xff, 0xff],
        _ => &[],
    };
    let shared = head.len().min(data.len());
    data[..shared].copy_from_slice(&head[..shared]);
    data
}

#[test]
fn junk_from_strangers_and_from_a_peer_disturbs_nobody() {
    let rig = Rig::start();
    let mut camera = rig.publisher(1);
    let mut viewer = rig.subscriber(2);
    watch(&mut camera, &mut viewer, 5);
    let strangers: Vec<_> = (0..4).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for round in 0..50 {
        for stranger in &strangers {
            for _ in 0..10 {
                stranger.send_to(&junk(&mut noise), rig.port()).unwrap();
            }
        }
        // The viewer's own address is known to the server: junk from there goes further in.
        viewer.socket().send_to(&junk(&mut noise), rig.port()).unwrap();
        if round % 10 == 9 {
            watch(&mut camera, &mut viewer, 3);
        }
    }
    watch(&mut camera, &mut viewer, 20);
    let shard = rig.media.stats().shards[0];
    assert_eq!(shard.io.panics, 0);
    assert!(shard.io.datagrams_in >= 2_000);
}

#[test]
fn a_broken_offer_is_refused_and_the_room_goes_on() {
    use media::api::{OfferError, OfferRequest, OwnerId, PeerId, Watch};
    let rig = Rig::start();
    for sdp in ["", "v=0", "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n", "\u{0}\u{1}", "云堂"] {
        let request = OfferRequest {
            room: super::rig::ROOM,
            peer: PeerId(9),
            owner: OwnerId(9),
            sdp: sdp.into(),
            publications: Vec::new(),
            may_publish: true,
            may_capture: true,
            watch: Watch::Everyone,
        };
        let answer = rig.runtime.block_on(rig.media.offer(request));
        assert!(
            matches!(answer, Err(OfferError::InvalidSdp(_) | OfferError::UnsupportedMedia(_))),
            "{sdp:?}: {answer:?}"
        );
    }
    let mut camera = rig.publisher(1);
    let mut viewer = rig.subscriber(2);
    watch(&mut camera, &mut viewer, 5);
}
