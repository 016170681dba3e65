//! A whole meeting by bots: people come and go, one is muted, one reloads, all is recorded; then
//! the capture is compared with the bots' own logs of what they sent.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use harness::bot::BotConfig;
use harness::member::{Member, Seat};
use signaling::Request;
use signaling::message::{Event, Source};

use crate::bots_capture;
use crate::bots_support::{Meeting, SOON};

const BOTH: [Source; 2] = [Source::Microphone, Source::Camera];
const SOME: usize = 20;
/// From the chair's click until nothing more of the muted source arrives anywhere.
const MUTED_WITHIN: Duration = Duration::from_millis(500);
/// Bounds of what a click means at the media: the capture begins and ends within this of the
/// reply, and a packet is at the server within this of being sent.
const BOUND: Duration = Duration::from_millis(1_000);

/// A meeting need not be rich: eight at 150 kbit/s each.
fn enter(meeting: &Meeting, key: &str, bot: u32) -> Member {
    let config = BotConfig { seed: bot.into(), video_bitrate: 150_000, ..BotConfig::default() };
    meeting.enter_as(key, config)
}

/// Waits until everyone gets everyone else's sound and picture.
fn all_flow(members: &BTreeMap<u32, Member>) {
    for (me, member) in members {
        let others: Vec<u32> = members.keys().copied().filter(|id| id != me).collect();
        let all = move |seat: &Seat| {
            others.iter().all(|id| BOTH.iter().all(|source| seat.heard(*id, *source) > SOME))
        };
        assert!(member.until(SOON, all), "bot {me} gets all others");
    }
}

fn ask(member: &Member, request: Request) -> (Instant, Instant) {
    let begun = Instant::now();
    member.with(|seat| seat.ask(request)).unwrap();
    (begun, Instant::now())
}

#[test]
fn a_meeting_of_eight_is_captured_packet_by_packet() {
    let meeting = Meeting::open();
    let keys = ["secretary", "recorder", "member1", "member2", "member3", "member4", "member5"];
    let mut members: BTreeMap<u32, Member> =
        (1..).zip(keys).map(|(bot, key)| (bot, enter(&meeting, key, bot))).collect();
    all_flow(&members);
    let mut gone: BTreeMap<u32, Seat> = BTreeMap::new();
    let (_, opened) = ask(&members[&1], Request::DeclareOpen);
    assert!(members[&3].until(SOON, |seat| {
        seat.events.iter().any(|(_, e)| matches!(e, Event::SessionState { .. }))
    }));

    // Everyone's recording has begun, with a key frame, before anyone goes.
    let begun = opened + 2 * BOUND;
    assert!(members[&7].until(SOON, move |_| Instant::now() > begun));

    // One comes late, one leaves, one reloads: dropped without a word, and back as a new page.
    members.insert(8, enter(&meeting, "member6", 8));
    let left = members.remove(&7).unwrap().leave().unwrap();
    gone.insert(7, left);
    let dropped = members.remove(&6).unwrap().end().unwrap();
    let person = dropped.participant().to_owned();
    members.insert(9, enter(&meeting, keys[5], 9));
    assert_eq!(members[&9].with(|seat| seat.participant().to_owned()), person);
    gone.insert(6, dropped);
    all_flow(&members);

    // The chair mutes one who goes on sending all the same.
    let who = meeting.person("member1");
    let mute = Request::Mute { participant: who, source: Source::Microphone };
    let (mute_asked, muted) = ask(&members[&1], mute);
    let told = |seat: &Seat| seat.events.iter().any(|(_, e)| matches!(e, Event::Muted { .. }));
    assert!(members[&3].until(SOON, told), "the muted one is told");
    let sent = move |seat: &Seat| {
        let log = &seat.bot.stats().sent_log[&Source::Microphone];
        log.last().is_some_and(|last| *last > muted + 2 * MUTED_WITHIN)
    };
    assert!(members[&3].until(SOON, sent), "and sends on");
    for member in members.iter().filter(|(id, _)| **id != 3).map(|(_, member)| member) {
        let last = member.with(|seat| seat.bot.stats().from[&(3, Source::Microphone)].last);
        assert!(last < muted + MUTED_WITHIN, "{:?} after the reply", last - muted);
    }
    let on = Request::MediaState { source: Source::Microphone, on: true };
    let (unmute_asked, unmuted) = ask(&members[&3], on);
    let again = move |seat: &Seat| seat.bot.stats().from[&(3, Source::Microphone)].last > unmuted;
    assert!(members[&2].until(SOON, again), "heard again");

    // Two seconds in peace, then the end.
    let peace = Instant::now() + 2 * BOUND;
    assert!(members[&2].until(SOON, move |_| Instant::now() > peace));
    let (close_asked, closed) = ask(&members[&1], Request::DeclareClose);
    for (bot, member) in members {
        assert!(member.until(SOON, |seat| !seat.line.is_open()), "散会 ends every line");
        gone.insert(bot, member.end().unwrap());
    }
    let session = meeting.session();
    let dir = meeting.app.data().capture().join(session);
    let mut tracks = bots_capture::read(&dir);

    assert_eq!(gone.len(), 9);
    let mut compared = 0;
    for (&bot, seat) in &gone {
        for source in BOTH {
            let log = &seat.bot.stats().sent_log[&source];
            let track = tracks
                .remove(&(bot, source))
                .unwrap_or_else(|| panic!("bot {bot} {source:?}: its track is there"));
            assert_eq!(track.owner, seat.participant().parse::<uuid::Uuid>().unwrap().as_u128());
            assert_eq!((track.renumbered, track.damaged), (0, 0), "bot {bot} {source:?}");
            assert!(track.ended && track.gaps.is_empty(), "bot {bot} {source:?} {:?}", track.gaps);
            for (number, sent) in (1u32..).zip(log) {
                let there = track.numbers.contains(&number);
                let of = format!("bot {bot} {source:?} packet {number}");
                if *sent < opened - BOUND || *sent > closed + BOUND {
                    assert!(!there, "{of} is outside the official time");
                }
                // A picture begins with the next key frame, a leaver's last packets race the leave.
                let begun = *log.first().unwrap() + BOUND > *sent || *sent < opened + BOUND;
                let last = *log.last().unwrap();
                let ending =
                    *sent + BOUND > close_asked || *sent + Duration::from_millis(100) > last;
                let silenced = bot == 3
                    && source == Source::Microphone
                    && *sent + BOUND / 10 > mute_asked
                    && *sent < unmuted + BOUND / 10;
                if !begun && !ending && !silenced {
                    assert!(there, "{of} is missing");
                    compared += 1;
                }
                if silenced && *sent > muted + BOUND / 10 && *sent + BOUND / 10 < unmute_asked {
                    assert!(!there, "{of} was sent while muted");
                }
            }
        }
    }
    assert!(compared > 1_000, "only {compared} packets lie well inside the official time");
    assert!(tracks.is_empty(), "and no other: {:?}", tracks.keys());
    drop(gone);
    meeting.end();
}
