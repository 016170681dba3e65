//! Rooms of more microphones than anybody can follow: what is forwarded, to whom, and that nobody
//! is cut short.

mod wire;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use media::api::{Event, LARGE_ROOM, Source, VOICES};
use media::shard::Limits;
use wire::{ROOM, Wire};

const FRAME: Duration = Duration::from_millis(20);
const QUIET: u8 = 85;
const LOUD: u8 = 25;

/// A room of `microphones` members who publish, all connected.
fn room(microphones: usize, slots: usize) -> Wire {
    let mut wire = Wire::new(Limits::default());
    for _ in 0..microphones {
        wire.join(&[Source::Microphone], slots, 0);
    }
    wire.connect();
    wire
}

/// Every member sends a packet of its level each 20 ms.
fn talk(
    wire: &mut Wire,
    members: usize,
    frames: usize,
    level: impl Fn(usize, usize) -> Option<u8>,
) {
    for frame in 0..frames {
        for member in 0..members {
            if let Some(level) = level(frame, member) {
                wire.speak(member, level);
            }
        }
        wire.step(FRAME);
    }
}

#[test]
fn five_hundred_open_microphones_cost_what_five_do() {
    let mut wire = Wire::new(Limits::default());
    for _ in 0..500 {
        wire.join(&[Source::Microphone], 0, 0);
    }
    let listeners: Vec<usize> = (0..3).map(|_| wire.join(&[], 8, 0)).collect();
    wire.connect();
    // Everybody is on; five speak and the others have noise of some kind.
    let speaks = |member: usize| member % 100 == 7;
    let level = |frame: usize, member: usize| match speaks(member) {
        true if frame % 20 < 15 => LOUD,
        true => QUIET,
        false => 70 + ((frame * 7 + member * 13) % 40) as u8,
    };
    talk(&mut wire, 500, 50, |frame, member| Some(level(frame, member)));
    let before = *wire.shard.counters();
    talk(&mut wire, 500, 50, |frame, member| Some(level(frame, member)));
    let open = *wire.shard.counters();
    // The same five with all other microphones off.
    talk(&mut wire, 500, 50, |frame, member| speaks(member).then(|| level(frame, member)));
    let alone = *wire.shard.counters();
    let (many, few) = (
        open.packets_forwarded - before.packets_forwarded,
        alone.packets_forwarded - open.packets_forwarded,
    );
    println!(
        "forwarded in a second to 3 listeners: {many} of {} packets with 500 open, {few} with 5",
        open.packets_in - before.packets_in
    );
    assert_eq!(open.packets_in - before.packets_in, 25_000);
    assert_eq!((many, few), (5 * 50 * 3, 5 * 50 * 3));
    assert_eq!(open.drop_unchosen - before.drop_unchosen, 25_000 - 5 * 50);
    for listener in listeners {
        let map = wire.map(listener);
        let heard: BTreeSet<u128> = map.iter().map(|a| a.peer.0 - 1000).collect();
        assert_eq!(heard, (0..5).map(|n| n * 100 + 7).collect(), "the five who speak");
    }
}

#[test]
fn nobody_is_asked_for_more_slots_than_voices() {
    let mut wire = room(LARGE_ROOM + 5, 1);
    talk(&mut wire, LARGE_ROOM + 5, 5, |_, _| Some(QUIET));
    let id = wire.members[0].id;
    let wanted: Vec<u32> = wire
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Slots { peer, audio, .. } if *peer == id => Some(*audio),
            _ => None,
        })
        .collect();
    assert!(wanted.iter().all(|audio| *audio <= LARGE_ROOM as u32));
    let late = wire.join(&[], 1, 0);
    wire.connect();
    let id = wire.members[late].id;
    let wanted = wire.events.iter().rev().find_map(|event| match event {
        Event::Slots { peer, audio, .. } if *peer == id => Some(*audio),
        _ => None,
    });
    assert_eq!(wanted, Some(VOICES as u32));
}

/// Words of a round of speakers: each is heard from the first packet to the last, on a slot that
/// the map gives to the one who speaks, in streams that go on without a gap.
#[test]
fn no_word_is_cut_when_speakers_change() {
    const PEOPLE: usize = 30;
    let mut wire = room(PEOPLE, 0);
    let listener = wire.join(&[], VOICES, 0);
    wire.connect();
    wire.members[listener].listens = true;
    talk(&mut wire, PEOPLE, 60, |_, _| Some(QUIET));
    // (who, numbers of the packets of the word, when it began)
    let mut words: Vec<(usize, Vec<u32>, Duration)> = Vec::new();
    for turn in 0..40 {
        let speaker = turn * 7 % PEOPLE;
        let mut word = Vec::new();
        let began = wire.elapsed();
        for frame in 0..60 {
            for member in 0..PEOPLE {
                // Three words with pauses between; soft at their beginning and end.
                let level = match frame % 20 {
                    _ if member != speaker => QUIET,
                    0..2 | 12..14 => 70,
                    2..12 => LOUD,
                    _ => QUIET,
                };
                let number = wire.speak(member, level);
                if member == speaker && frame < 54 {
                    word.push(number);
                }
            }
            wire.step(FRAME);
        }
        words.push((speaker, word, began));
        talk(&mut wire, PEOPLE, 20, |_, _| Some(QUIET));
    }
    let mut heard: HashMap<(u16, u32), Duration> = HashMap::new();
    for packet in &wire.members[listener].heard {
        assert!(heard.insert(packet.tag(), packet.at).is_none(), "twice: {:?}", packet.tag());
    }
    for (speaker, word, began) in &words {
        for (at, number) in word.iter().enumerate() {
            let came = heard.get(&(*speaker as u16, *number));
            let came = came.unwrap_or_else(|| panic!("packet {at} of {speaker} at {began:?}"));
            // The soft beginning waits for the packet that shows that somebody speaks.
            let sent = *began + FRAME * at as u32;
            assert!(*came - sent <= Duration::from_millis(60), "{:?} late", *came - sent);
        }
    }
    // Streams: numbered through, in time.
    let mut streams: BTreeMap<u32, (u16, u32)> = BTreeMap::new();
    for packet in &wire.members[listener].heard {
        if let Some((seq, timestamp)) = streams.insert(packet.ssrc, (packet.seq, packet.timestamp))
        {
            assert_eq!(packet.seq, seq.wrapping_add(1));
            let step = packet.timestamp.wrapping_sub(timestamp);
            assert!((1..48_000 * 60).contains(&step), "{step} ticks");
        }
    }
    assert_eq!(streams.len(), VOICES);
    let events = wire.events.iter().filter(|event| {
        matches!(event, Event::Assignments { peer, .. } if *peer == wire.members[listener].id)
    });
    let maps = events.count();
    println!("{} turns, {maps} slot maps told to a listener", words.len());
    assert!(maps <= words.len() + 5);
}

#[test]
fn the_map_names_who_is_heard_on_a_slot() {
    const PEOPLE: usize = 25;
    let mut wire = room(PEOPLE, VOICES);
    talk(&mut wire, PEOPLE, 30, |_, _| Some(QUIET));
    wire.members[3].listens = true;
    for speaker in [10, 11, 12, 3, 13, 14, 15, 16, 10] {
        let from = wire.members[3].heard.len();
        talk(&mut wire, PEOPLE, 110, |_, m| Some(if m == speaker { LOUD } else { QUIET }));
        let map = wire.map(3);
        let mut by_ssrc: HashMap<u32, u128> = HashMap::new();
        for assignment in &map {
            let ssrc = wire.members[3].slots[&assignment.mid];
            by_ssrc.insert(ssrc, assignment.peer.0 - 1000);
        }
        for packet in &wire.members[3].heard[from + 10..] {
            assert_eq!(by_ssrc[&packet.ssrc], u128::from(packet.tag().0), "attributed");
        }
        let own = wire.members[3].heard.iter().any(|packet| packet.tag().0 == 3);
        assert!(!own, "nobody hears themselves");
        let names: BTreeSet<u128> = map.iter().map(|a| a.peer.0 - 1000).collect();
        assert_eq!(names.contains(&(speaker as u128)), speaker != 3);
    }
}

#[test]
fn the_dominant_speaker_is_told_and_reaches_those_with_one_slot() {
    const PEOPLE: usize = 24;
    let mut wire = room(PEOPLE, 0);
    let listener = wire.join(&[], 1, 0);
    wire.connect();
    talk(&mut wire, PEOPLE, 30, |_, _| Some(QUIET));
    let mut last = None;
    for speaker in [5, 6, 7, 5, 9, 10, 11, 12] {
        talk(&mut wire, PEOPLE, 120, |frame, member| {
            Some(if member == speaker && frame % 25 < 20 { LOUD } else { QUIET })
        });
        last = wire.events.iter().rev().find_map(|event| match event {
            Event::Speaker { peer, .. } => Some(*peer),
            _ => None,
        });
        assert_eq!(last, Some(Some(wire.members[speaker].id)));
        let map = wire.map(listener);
        assert_eq!(map.len(), 1);
        assert_eq!(map[0].peer, wire.members[speaker].id);
    }
    assert!(last.is_some());
    // The map says so; 's the sound too?
    wire.members[listener].listens = true;
    talk(&mut wire, PEOPLE, 10, |_, member| Some(if member == 12 { LOUD } else { QUIET }));
    assert!(wire.members[listener].heard.iter().all(|packet| packet.tag().0 == 12));
    assert_eq!(wire.members[listener].heard.len(), 10);
}

#[test]
fn a_mute_is_instant_and_what_is_not_heard_is_captured_all_the_same() {
    const PEOPLE: usize = 26;
    let mut wire = room(PEOPLE, 0);
    let listener = wire.join(&[], VOICES, 0);
    wire.connect();
    wire.shard.set_capture(ROOM, true);
    wire.members[listener].listens = true;
    talk(&mut wire, PEOPLE, 50, |_, member| Some(if member == 4 { LOUD } else { QUIET }));
    assert!(wire.members[listener].heard.len() >= 50);
    wire.set_enabled(4, Source::Microphone, false);
    let before = wire.members[listener].heard.len();
    talk(&mut wire, PEOPLE, 50, |_, member| Some(if member == 4 { 5 } else { QUIET }));
    assert_eq!(wire.members[listener].heard.len(), before, "not one packet after the mute");
    wire.set_enabled(4, Source::Microphone, true);
    let number = wire.speak(4, LOUD);
    wire.step(FRAME);
    let came = wire.members[listener].heard.iter().any(|packet| packet.tag() == (4, number));
    assert!(came, "and at once when it is on again");
    let captured: Vec<u64> = wire.taps.0.values().copied().collect();
    assert_eq!(captured.len(), PEOPLE, "every microphone is captured");
    assert!(captured.iter().all(|packets| *packets >= 50), "{captured:?}");
}

#[test]
fn a_room_grows_large_and_small_again_without_losing_the_speaker() {
    let mut wire = room(LARGE_ROOM, 0);
    let listener = wire.join(&[], LARGE_ROOM, 0);
    wire.connect();
    wire.members[listener].listens = true;
    let level = |_: usize, member: usize| Some(if member == 2 { LOUD } else { QUIET });
    talk(&mut wire, LARGE_ROOM, 30, level);
    assert_eq!(wire.map(listener).len(), LARGE_ROOM, "everybody is heard");
    let newcomer = wire.join(&[Source::Microphone], 0, 0);
    wire.connect();
    wire.speak(newcomer, QUIET);
    talk(&mut wire, LARGE_ROOM, 30, level);
    assert!(wire.map(listener).len() <= VOICES);
    let numbers = |wire: &Wire| -> Vec<u32> {
        let of = wire.members[listener].heard.iter().map(|packet| packet.tag());
        of.filter(|(who, _)| *who == 2).map(|(_, number)| number).collect()
    };
    // Ten leave: everybody who is left is heard again.
    for member in 10..LARGE_ROOM {
        let id = wire.members[member].id;
        wire.shard.remove_peer(wire.now, ROOM, id);
    }
    talk(&mut wire, 10, 30, level);
    assert_eq!(wire.map(listener).len(), 11);
    let numbers = numbers(&wire);
    assert!(numbers.len() >= 88 && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
}

/// What a change of speaker costs in a room where everybody listens.
#[test]
fn a_change_of_speaker_is_told_once_to_each() {
    const PEOPLE: usize = 60;
    let mut wire = room(PEOPLE, VOICES);
    for speaker in 0..=VOICES {
        talk(&mut wire, PEOPLE, 30, |_, member| Some(if member == speaker { LOUD } else { QUIET }));
    }
    talk(&mut wire, PEOPLE, 110, |_, _| Some(QUIET));
    let maps = |wire: &Wire| {
        wire.events.iter().filter(|event| matches!(event, Event::Assignments { .. })).count()
    };
    let before = maps(&wire);
    talk(&mut wire, PEOPLE, 50, |_, member| Some(if member == 30 { LOUD } else { QUIET }));
    let told = maps(&wire) - before;
    println!("one change of speaker among {PEOPLE}: {told} slot maps");
    assert!((PEOPLE - 2..=PEOPLE).contains(&told), "{told}");
}

#[test]
fn the_chair_and_who_shares_get_through_a_crowd() {
    const PEOPLE: usize = 30;
    let mut wire = Wire::new(Limits::default());
    for member in 0..PEOPLE {
        let sources = [Source::Microphone, Source::Screen];
        wire.join(&sources[..if member == 21 { 2 } else { 1 }], 0, 0);
    }
    let listener = wire.join(&[], VOICES, 1);
    wire.connect();
    wire.members[listener].listens = true;
    let chair = wire.members[20].id;
    wire.shard.set_chair(wire.now, ROOM, Some(media::api::OwnerId(chair.0)));
    talk(&mut wire, PEOPLE, 30, |_, _| Some(QUIET));
    wire.share(21);
    wire.step(FRAME);
    // Fifteen talk at the same time, louder than the two who begin then.
    let crowd = |member: usize| if member < 15 { 12 } else { QUIET };
    talk(&mut wire, PEOPLE, 150, |_, member| Some(crowd(member)));
    let before = wire.members[listener].heard.len();
    let speak = |member: usize| if member == 20 || member == 21 { 35 } else { crowd(member) };
    talk(&mut wire, PEOPLE, 100, |_, member| Some(speak(member)));
    for who in [20, 21] {
        let of = wire.members[listener].heard[before..].iter().map(|packet| packet.tag());
        let numbers: Vec<u32> = of.filter(|(from, _)| *from == who).map(|(_, n)| n).collect();
        assert!(numbers.len() >= 100, "{who}: {}", numbers.len());
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
    }
}
