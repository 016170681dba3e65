//! A whole shard under any sequence of operations: two people talk in a room of their own, and
//! whatever happens around them, they hear and see each other afterwards.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use media::api::{OfferRequest, OwnerId, PeerId, RoomId, Source, Watch};
use media::shard::Datagram;
use str0m::format::Codec as Format;

use crate::parsers::OFFER;
use crate::support::{ROOM, World};

/// Where another room's things happen.
const OTHER: RoomId = RoomId(8);
/// Bots that talk; only the third is told what to do.
const SPEAKER: usize = 0;
const LISTENER: usize = 1;
const OPS: usize = 200;

#[derive(Debug, Arbitrary)]
enum Op {
    /// Milliseconds with everybody talking.
    Talk(u8),
    Advance(u16),
    /// Bytes from the bystanders', the third's or a stranger's address.
    Datagram {
        from: u8,
        bytes: Vec<u8>,
    },
    /// The third's next real datagrams, some bits flipped, perhaps from elsewhere.
    Bent {
        from: u8,
        at: u16,
        mask: u8,
        twice: bool,
    },
    /// An authenticated RTP packet with any payload.
    Payload {
        video: bool,
        bytes: Vec<u8>,
        marker: bool,
        ticks: u16,
    },
    Offer {
        peer: u8,
        room: bool,
        text: Vec<(u16, u8)>,
        may_publish: bool,
    },
    Enabled {
        peer: u8,
        source: u8,
        on: bool,
    },
    Capture {
        room: bool,
        on: bool,
    },
    MayCapture {
        peer: u8,
        on: bool,
    },
    Remove {
        peer: u8,
    },
    Open {
        room: bool,
    },
    Close,
}

fn source(number: u8) -> Source {
    [Source::Microphone, Source::Camera, Source::Screen, Source::ScreenAudio]
        [usize::from(number % 4)]
}

/// Peers that operations name: the third bot and some that never connect, never the bystanders.
fn peer(number: u8) -> PeerId {
    PeerId(u128::from(3 + number % 6))
}

fn room(own: bool) -> RoomId {
    if own { ROOM } else { OTHER }
}

/// Runs the operations that `data` spells; panics when the bystanders are disturbed.
pub fn shard(data: &[u8]) {
    let mut world = World::new();
    world.join(1, &[Source::Microphone, Source::Camera], 1, 1);
    world.join(2, &[], 3, 3);
    let third = world.join(3, &[Source::Microphone, Source::Camera], 2, 2);
    let mut input = Unstructured::new(data);
    for _ in 0..OPS {
        if input.is_empty() {
            break;
        }
        let Ok(op) = Op::arbitrary(&mut input) else { break };
        apply(&mut world, third, op);
        world.drain_events();
        world.events.clear();
        check(&world);
    }
    // Whatever was done, two people who did nothing still see and hear each other.
    let before = world.bots[LISTENER].received.len();
    world.talk(Duration::from_millis(1_200));
    let heard = &world.bots[LISTENER].received[before..];
    let of_speaker = heard.iter().filter(|packet| packet.tag().0 == world.bots[SPEAKER].tag);
    let count = of_speaker.count();
    assert!(count >= 60, "only {count} packets of the speaker arrive");
}

fn apply(world: &mut World, third: usize, op: Op) {
    match op {
        Op::Talk(ms) => world.talk(Duration::from_millis(u64::from(ms))),
        Op::Advance(ms) => world.run(Duration::from_millis(u64::from(ms % 3_000))),
        Op::Datagram { from, mut bytes } => {
            bytes.truncate(1_500);
            feed(world, from, &mut bytes);
        }
        Op::Bent { from, at, mask, twice } => {
            for (_, mut bytes) in world.intercept(third) {
                let length = bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(usize::from(at) % length) {
                    *byte ^= mask;
                }
                let mut again = bytes.clone();
                feed(world, from, &mut bytes);
                if twice {
                    feed(world, from, &mut again);
                }
            }
        }
        Op::Payload { video, mut bytes, marker, ticks } => {
            bytes.truncate(1_100);
            let format = if video { Format::Vp8 } else { Format::Opus };
            let pt = world.pt(third, format);
            let sender = usize::from(video);
            world.send_payload(
                third,
                sender,
                pt,
                bytes,
                ticks.into(),
                marker,
                (!video).then_some(-30),
            );
        }
        Op::Offer { peer: number, room: own, text, may_publish } => {
            let mut sdp = OFFER.as_bytes().to_vec();
            for (at, byte) in text {
                let at = usize::from(at) % sdp.len();
                sdp[at] = byte & 0x7f;
            }
            let request = OfferRequest {
                room: room(own),
                peer: peer(number),
                owner: OwnerId(peer(number).0),
                sdp: String::from_utf8(sdp).unwrap_or_default(),
                publications: vec![("0".into(), Source::Microphone)],
                may_publish,
                may_capture: true,
                watch: Watch::Everyone,
            };
            let _ = world.shard.offer(world.now, request);
        }
        Op::Enabled { peer: number, source: which, on } => {
            world.shard.set_enabled(world.now, ROOM, peer(number), source(which), on);
        }
        Op::Capture { room: own, on } => world.shard.set_capture(room(own), on),
        Op::MayCapture { peer: number, on } => world.shard.set_may_capture(peer(number), on),
        Op::Remove { peer: number } => world.shard.remove_peer(world.now, ROOM, peer(number)),
        Op::Open { room: own } => world.shard.open_room(room(own)),
        // The bystanders' own room stays.
        Op::Close => world.shard.close_room(world.now, OTHER),
    }
}

/// The bystanders' real addresses are among the sources: an attacker can forge them.
fn feed(world: &mut World, from: u8, bytes: &mut [u8]) {
    let stranger = ([192, 0, 2, from], 4_000 + u16::from(from)).into();
    let src = world.bots.get(usize::from(from)).map_or(stranger, |bot| bot.addr);
    let mut batch = [Datagram { src: src.into(), data: bytes }];
    let now = world.now;
    world.shard.handle_batch(now, &mut batch, &mut world.egress, &mut world.taps);
    check(world);
    world.egress.clear();
    world.taps.0.clear();
}

/// What is to be sent lies in the buffer, in datagrams that fit a network.
fn check(world: &World) {
    for run in &world.egress.runs {
        assert!(run.start + run.len <= world.egress.bytes.len());
        assert!(run.len > 0 && run.segment > 0 && run.segment <= 1_500, "{run:?}");
    }
}
