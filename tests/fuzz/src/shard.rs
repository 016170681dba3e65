//! A whole shard under any sequence of operations: two people talk in a room of their own, and
//! whatever happens around them, they hear and see each other afterwards.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use media::api::{OfferRequest, OwnerId, PeerId, RoomId, Source, Watch};
use media::api::{TrackView, View};

use crate::meeting::{Meeting, ROOM};
use crate::parsers::OFFER;

/// Where another room's things happen.
const OTHER: RoomId = RoomId(8);
/// Members that talk; only the third is told what to do.
const SPEAKER_TAG: u8 = 1;
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
    /// An authentic RTP packet with any payload.
    Payload {
        video: bool,
        bytes: Vec<u8>,
        marker: bool,
        lost: u8,
    },
    /// Any RTP packet, authentic.
    Rtp(Vec<u8>),
    /// Any RTCP packet, authentic.
    Rtcp(Vec<u8>),
    /// What the third shows of a person.
    View {
        owner: u8,
        source: u8,
        width: u16,
        visible: bool,
        priority: u8,
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
    let mut meeting = Meeting::new();
    meeting.join(1, &[Source::Microphone, Source::Camera], 1, 1);
    meeting.join(2, &[], 3, 3);
    let third = meeting.join(3, &[Source::Microphone, Source::Camera], 2, 2);
    let mut input = Unstructured::new(data);
    for _ in 0..OPS {
        if input.is_empty() {
            break;
        }
        let Ok(op) = Op::arbitrary(&mut input) else { break };
        apply(&mut meeting, third, op);
    }
    // Whatever was done, two people who did nothing still see and hear each other: 60 packets of
    // sound and 150 of the picture.
    meeting.members[LISTENER].heard.clear();
    meeting.talk(Duration::from_millis(1_200));
    let count = meeting.members[LISTENER].heard.get(&SPEAKER_TAG).copied().unwrap_or(0);
    assert!(
        count >= 190,
        "only {count} packets of the speaker arrive: {:?}",
        meeting.shard.counters()
    );
}

fn apply(meeting: &mut Meeting, third: usize, op: Op) {
    let now = meeting.now;
    match op {
        Op::Talk(ms) => meeting.talk(Duration::from_millis(u64::from(ms))),
        Op::Advance(ms) => meeting.advance(Duration::from_millis(u64::from(ms % 3_000))),
        Op::Datagram { from, mut bytes } => {
            bytes.truncate(1_500);
            feed(meeting, from, &mut bytes);
        }
        Op::Bent { from, at, mask, twice } => {
            let Some(mut bytes) = meeting.members[third].sent.last().cloned() else { return };
            let length = bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(usize::from(at) % length) {
                *byte ^= mask;
            }
            for mut bytes in std::iter::repeat_n(bytes, 1 + usize::from(twice)) {
                feed(meeting, from, &mut bytes);
            }
        }
        Op::Payload { video, mut bytes, marker, lost } => {
            bytes.truncate(1_100);
            meeting.skip(third, usize::from(video), u64::from(lost));
            meeting.send(third, usize::from(video), marker, &bytes);
        }
        Op::Rtp(mut bytes) => {
            bytes.truncate(1_400);
            meeting.send_rtp(third, bytes);
        }
        Op::Rtcp(mut bytes) => {
            bytes.truncate(1_400);
            meeting.send_rtcp(third, bytes);
        }
        Op::View { owner, source: which, width, visible, priority } => {
            let owner = OwnerId(peer(owner).0 % 3 + 1);
            let view = View { width, height: width, visible, priority };
            let views = [TrackView { owner, source: source(which), view }];
            meeting.shard.set_view(now, ROOM, PeerId(3), &views);
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
            let _ = meeting.shard.offer(now, request);
        }
        Op::Enabled { peer: number, source: which, on } => {
            meeting.shard.set_enabled(now, ROOM, peer(number), source(which), on);
        }
        Op::Capture { room: own, on } => meeting.shard.set_capture(room(own), on),
        Op::MayCapture { peer: number, on } => meeting.shard.set_may_capture(peer(number), on),
        Op::Remove { peer: number } => meeting.shard.remove_peer(now, ROOM, peer(number)),
        Op::Open { room: own } => meeting.shard.open_room(room(own)),
        // The bystanders' own room stays.
        Op::Close => meeting.shard.close_room(now, OTHER),
    }
}

/// The bystanders' real addresses are among the sources: an attacker can forge them.
fn feed(meeting: &mut Meeting, from: u8, bytes: &mut [u8]) {
    let stranger = ([192, 0, 2, from], 4_000 + u16::from(from)).into();
    let src = meeting.members.get(usize::from(from)).map_or(stranger, |member| member.addr);
    meeting.arrive(src, bytes);
}
