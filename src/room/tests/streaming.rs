//! Encoders and players without a websocket: present as long as their media is.

use signaling::view::Role;
use signaling::{ErrorCode, Event, LeaveReason, Request};

use super::*;
use crate::room::effect::{MediaCommand, MediaNotice, Programme, Stream};
use crate::room::state::EMPTY_CLOSE_US;

const ENCODER: u128 = 70;
const SCREEN: u128 = 95;
/// Endpoints of streams are numbered from here.
const DEVICE: u128 = 700;

fn device(n: u128) -> EndpointId {
    endpoint(DEVICE + n)
}

fn encoder(on: u128) -> Arrival {
    Arrival {
        role: Role::Member,
        class: None,
        device: "whip".into(),
        stream: Some(Stream::Publish),
        ..arrival(ENCODER, DEVICE + on)
    }
}

fn player(on: u128, of: Option<u128>) -> Arrival {
    Arrival {
        device: "whep".into(),
        stream: Some(Stream::Watch(of.map(person))),
        ..arrival(SCREEN, DEVICE + on)
    }
}

fn gone(world: &mut World, on: u128, silent_us: i64) -> Vec<Effect> {
    let notice = MediaNotice::Gone { endpoint: device(on), silent_us };
    world.handle(Input::Media(notice))
}

fn byes(effects: &[Effect]) -> Vec<EndpointId> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Bye { endpoint, .. } => Some(*endpoint),
            _ => None,
        })
        .collect()
}

fn programmes(effects: &[Effect]) -> Vec<Programme> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Media(MediaCommand::SetProgramme(programme)) => Some(*programme),
            _ => None,
        })
        .collect()
}

#[test]
fn an_encoder_is_a_participant_outside_the_counts() {
    let mut world = World::new();
    world.join(CHAIR);
    let before = world.room.counts();
    let effects = world.arrive(encoder(1));
    assert!(broadcasts(&effects).iter().any(|event| matches!(
        event,
        Event::ParticipantJoined { participant } if participant.name == format!("党员{ENCODER}")
    )));
    assert!(admitted(&effects).is_some());
    assert_eq!(world.words()[world.words().len() - 2..], ["join", "consent"]);
    assert_eq!(world.room.counts(), before);
    let left = world.ask(DEVICE + 1, Request::Leave).unwrap();
    assert_eq!(world.words().last().unwrap(), "leave:user");
    assert_eq!(byes(&left), [device(1)]);
}

#[test]
fn an_encoder_that_falls_silent_was_there_until_it_was_last_heard() {
    let mut world = World::new();
    world.join(CHAIR);
    world.arrive(encoder(1));
    world.wait(100 * S);
    let effects = gone(&mut world, 1, 30 * S);
    let JournalEvent::Leave { reason, last_frame_mono_us, .. } =
        &world.journal.last().unwrap().event
    else {
        panic!("a leave");
    };
    assert_eq!((*reason, *last_frame_mono_us), (LeaveReason::Drop, 70 * S));
    assert_eq!(byes(&effects), [device(1)]);
    let left = broadcasts(&effects);
    assert!(left.iter().any(|event| matches!(event, Event::ParticipantLeft { .. })));
    // Told once: nothing of it is left.
    assert!(gone(&mut world, 1, 0).is_empty());
}

#[test]
fn an_encoder_that_starts_again_takes_its_own_place() {
    let mut world = World::new();
    world.join(CHAIR);
    world.arrive(encoder(1));
    let effects = world.arrive(encoder(2));
    assert_eq!(byes(&effects), [device(1)]);
    assert!(effects.contains(&Effect::Media(MediaCommand::RemovePeer { endpoint: device(1) })));
    let shown = broadcasts(&effects);
    assert!(!shown.iter().any(|event| matches!(event, Event::ParticipantLeft { .. })));
    assert_eq!(world.words()[world.words().len() - 2..], ["join", "leave:drop"]);
}

#[test]
fn the_chair_can_send_an_encoder_out_and_it_stays_out() {
    let mut world = World::new();
    world.join(CHAIR);
    world.arrive(encoder(1));
    let out = Request::Remove { participant: person(ENCODER).to_string() };
    let effects = world.ask(CHAIR, out).unwrap();
    assert_eq!(byes(&effects), [device(1)]);
    let again = world.arrive(encoder(2));
    let refused = again.iter().find_map(|effect| match effect {
        Effect::Reject { error, .. } => Some(error.code),
        _ => None,
    });
    assert_eq!(refused, Some(ErrorCode::Forbidden));
}

#[test]
fn players_of_one_token_are_one_viewer_who_is_seen() {
    let mut world = World::new();
    world.join(CHAIR);
    world.arrive(player(1, None));
    assert_eq!(world.room.counts().observers, 1);
    world.arrive(player(2, None));
    world.arrive(player(3, None));
    assert_eq!(world.room.counts().observers, 1);
    let view = world.room.snapshot().participants;
    let viewer = view.iter().find(|p| p.id == person(SCREEN).to_string()).unwrap();
    assert_eq!((viewer.role, viewer.devices), (Role::Observer, 3));
    let of_viewer = |world: &World| {
        let words = world.words();
        words.into_iter().filter(|w| w.starts_with("observer")).collect::<Vec<_>>()
    };
    assert_eq!(of_viewer(&world), ["observer_enter"]);
    // The first to come is not the last to go.
    gone(&mut world, 1, 0);
    world.ask(DEVICE + 2, Request::Leave).unwrap();
    assert_eq!(of_viewer(&world), ["observer_enter"]);
    world.wait(6 * S);
    let checkpoint = world.journal.iter().rev().find_map(|new| match &new.event {
        JournalEvent::Checkpoint { present } => Some(present.clone()),
        _ => None,
    });
    assert!(checkpoint.unwrap().contains(&device(1)), "stands for all of them");
    gone(&mut world, 3, 0);
    assert_eq!(of_viewer(&world), ["observer_enter", "observer_exit:drop"]);
    assert_eq!(world.room.counts().observers, 0);
    // And once more from the beginning.
    world.arrive(player(4, None));
    assert_eq!(of_viewer(&world).len(), 3);
}

#[test]
fn a_viewer_who_stays_to_the_end_leaves_with_the_room() {
    let mut world = World::new();
    world.join(CHAIR);
    world.ask(CHAIR, Request::DeclareOpen).unwrap();
    for on in [1, 2] {
        world.arrive(player(on, None));
    }
    world.ask(CHAIR, Request::DeclareClose).unwrap();
    let exits = world.words().into_iter().filter(|w| w == "observer_exit:server").count();
    assert_eq!(exits, 1);
}

#[test]
fn the_chair_can_send_players_out_though_not_a_superior() {
    let mut world = World::new();
    world.join(CHAIR);
    world.join(OBSERVER);
    world.arrive(player(1, None));
    world.arrive(player(2, None));
    let remove = |n| Request::Remove { participant: person(n).to_string() };
    assert_eq!(world.ask(CHAIR, remove(OBSERVER)), Err(ErrorCode::Forbidden));
    let effects = world.ask(CHAIR, remove(SCREEN)).unwrap();
    assert_eq!(byes(&effects), [device(1), device(2)]);
    assert_eq!(world.words().last().unwrap(), "observer_exit:kick");
}

#[test]
fn one_participant_can_be_watched_who_is_here_or_due() {
    let mut world = World::new();
    world.arrive(encoder(1));
    for (of, allowed) in [(ENCODER, true), (ALICE, true), (77, false)] {
        let effects = world.arrive(player(100 + of, Some(of)));
        assert_eq!(admitted(&effects).is_some(), allowed, "{of}");
    }
}

#[test]
fn the_programme_is_the_encoder_or_else_who_speaks_or_presides() {
    let mut world = World::new();
    world.join(CHAIR);
    world.join(ALICE);
    let speaks = |world: &mut World, n: Option<u128>| {
        world.handle(Input::Media(MediaNotice::Speaker { endpoint: n.map(endpoint) }))
    };
    // Nobody watches: nothing to tell.
    assert!(programmes(&speaks(&mut world, Some(ALICE))).is_empty());
    let shown = |lead: Option<u128>, speaker: Option<u128>| {
        vec![Programme { lead: lead.map(person), speaker: speaker.map(person) }]
    };
    assert_eq!(programmes(&world.arrive(player(1, None))), shown(None, Some(ALICE)));
    assert!(programmes(&speaks(&mut world, None)).is_empty(), "silence changes nothing");
    assert_eq!(programmes(&world.arrive(encoder(2))), shown(Some(ENCODER), Some(ALICE)));
    assert_eq!(programmes(&gone(&mut world, 2, 0)), shown(None, Some(ALICE)));
    assert_eq!(programmes(&world.ask(ALICE, Request::Leave).unwrap()), shown(None, Some(CHAIR)));
}

#[test]
fn media_that_failed_ends_streams_and_leaves_pages() {
    let mut world = World::new();
    world.join(CHAIR);
    world.arrive(encoder(1));
    world.arrive(player(2, None));
    let mut ended = byes(&world.handle(Input::Media(MediaNotice::RoomFailed)));
    ended.sort();
    assert_eq!(ended, [device(1), device(2)]);
}

#[test]
fn a_room_opened_ahead_of_its_time_waits_for_it() {
    let ahead = 3 * EMPTY_CLOSE_US;
    let planned_start_us = setup().planned_start_us + ahead;
    let mut world = World::with(RoomSetup { planned_start_us, ..setup() });
    world.wait(ahead + EMPTY_CLOSE_US - S);
    assert!(!world.room.is_ended());
    world.wait(2 * S);
    assert!(world.room.is_ended());
}
