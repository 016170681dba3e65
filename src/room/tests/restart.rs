//! The server comes up again in mid-session.

use signaling::view::{RecordingState, SessionState};
use signaling::{LeaveReason, Request};

use super::*;
use crate::room::effect::CaptureCommand;

fn restart(world: &World, now: i64) -> (RoomState, Vec<Effect>, Vec<JournalEvent>) {
    let (room, effects) = RoomState::restore(setup(), &world.envelopes(), false, at(now));
    let events = effects
        .iter()
        .filter_map(|e| match e {
            Effect::Journal(events) => Some(events.iter().map(|new| new.event.clone())),
            _ => None,
        })
        .flatten()
        .collect();
    (room, effects, events)
}

#[test]
fn everybody_ends_at_the_last_checkpoint_that_names_them() {
    let mut world = World::new();
    world.join(CHAIR);
    world.wait(7 * S);
    world.join(ALICE);
    world.wait(2 * S);
    world.join(OBSERVER);
    let (_, _, events) = restart(&world, 20 * S);
    assert_eq!(events[0], JournalEvent::ServerRestart { new_boot: false });
    let ends: Vec<_> = events[1..]
        .iter()
        .filter_map(|event| match *event {
            JournalEvent::Leave { person, reason, last_frame_mono_us, .. }
            | JournalEvent::ObserverExit { person, reason, last_frame_mono_us, .. } => {
                assert_eq!(reason, LeaveReason::Server);
                Some((person, last_frame_mono_us))
            }
            _ => None,
        })
        .collect();
    // The chair was in the checkpoint of second 5; the others came after it.
    assert_eq!(ends, [(person(CHAIR), 5 * S), (person(ALICE), 7 * S), (person(OBSERVER), 9 * S)]);
    assert!(events.iter().any(|e| matches!(e, JournalEvent::ObserverExit { .. })));
}

#[test]
fn official_time_agenda_chair_and_recording_go_on() {
    let mut world = World::new();
    world.join(CHAIR);
    world.join(ALICE);
    world.ask(CHAIR, Request::DeclareOpen).unwrap();
    world.ask(CHAIR, Request::Agenda { index: 1 }).unwrap();
    world.ask(CHAIR, Request::HandOver { participant: person(ALICE).to_string() }).unwrap();
    let (mut room, effects, _) = restart(&world, 60 * S);
    assert!(effects.contains(&Effect::Capture(CaptureCommand::Start)));
    let snapshot = room.snapshot();
    assert_eq!(snapshot.state, SessionState::DeclaredOpen);
    assert_eq!(snapshot.declared_open_us, world.room.snapshot().declared_open_us);
    assert_eq!(snapshot.agenda_index, Some(1));
    assert_eq!(snapshot.recording.state, RecordingState::On);
    assert_eq!(snapshot.chair, Some(person(ALICE).to_string()));
    assert_eq!(snapshot.participants, []);
    let effects = room.handle(Input::Arrive(Box::new(arrival(ALICE, 800))), at(62 * S));
    assert!(!admitted(&effects).unwrap().1);
    let closed = room.handle(
        Input::Request {
            endpoint: endpoint(800),
            id: 1,
            request: Request::DeclareClose,
            fresh: Uuid::from_u128(1),
        },
        at(63 * S),
    );
    assert_eq!(closed.last(), Some(&Effect::Ended));
}

#[test]
fn chair_away_over_the_restart_is_lost_after_half_a_minute() {
    let mut world = World::new();
    world.join(CHAIR);
    let (mut room, _, _) = restart(&world, 60 * S);
    room.handle(Input::Arrive(Box::new(arrival(ALICE, 800))), at(61 * S));
    room.handle(Input::Tick, at(89 * S));
    assert!(room.snapshot().chair.is_some());
    room.handle(Input::Tick, at(90 * S));
    assert_eq!(room.snapshot().chair, None);
}

#[test]
fn paused_recording_stays_paused() {
    let mut world = World::new();
    world.join(CHAIR);
    world.ask(CHAIR, Request::DeclareOpen).unwrap();
    world.ask(CHAIR, Request::RecordingPause { paused: true }).unwrap();
    let (room, effects, _) = restart(&world, 60 * S);
    assert_eq!(room.snapshot().recording.state, RecordingState::Paused);
    let commands: Vec<_> = effects.iter().filter(|e| matches!(e, Effect::Capture(_))).collect();
    assert_eq!(
        commands,
        [&Effect::Capture(CaptureCommand::Start), &Effect::Capture(CaptureCommand::Pause)]
    );
}

#[test]
fn session_whose_closing_was_durable_is_only_finished() {
    let mut world = World::new();
    world.join(CHAIR);
    world.ask(CHAIR, Request::DeclareOpen).unwrap();
    world.ask(CHAIR, Request::DeclareClose).unwrap();
    let (room, effects, events) = restart(&world, 60 * S);
    assert!(room.is_ended());
    assert_eq!(effects.last(), Some(&Effect::Ended));
    assert_eq!(events, []);
    let states: Vec<_> = stored_states(&effects);
    assert_eq!(states, [SessionState::DeclaredOpen, SessionState::DeclaredClosed]);
}

fn stored_states(effects: &[Effect]) -> Vec<SessionState> {
    let state = |effect: &Effect| match effect {
        Effect::StoreState { state, .. } => Some(*state),
        _ => None,
    };
    effects.iter().filter_map(state).collect()
}

#[test]
fn row_that_a_crash_left_behind_the_journal_is_written_again() {
    let mut world = World::new();
    world.join(CHAIR);
    assert_eq!(stored_states(&restart(&world, 30 * S).1), []);
    world.ask(CHAIR, Request::DeclareOpen).unwrap();
    let at_us = world.room.snapshot().declared_open_us.unwrap();
    let (_, effects, _) = restart(&world, 60 * S);
    let state = SessionState::DeclaredOpen;
    assert_eq!(effects[0], Effect::StoreState { state, at_us });
}
