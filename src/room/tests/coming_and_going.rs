//! Presence: who comes and goes, and how the journal tells it.

use signaling::view::SessionState;
use signaling::{ErrorCode, Event, LeaveReason, Request};

use super::*;
use crate::room::effect::MediaCommand;
use crate::room::presence::RESUME_US;

fn position(effects: &[Effect], wanted: impl Fn(&Effect) -> bool) -> usize {
    effects.iter().position(wanted).expect("effect")
}

#[test]
fn join_is_in_the_journal_before_the_welcome() {
    let mut world = World::new();
    let effects = world.join(ALICE);
    let journal = position(&effects, |e| {
        matches!(e, Effect::Journal(events)
            if matches!(events[0].event, JournalEvent::Join { .. }))
    });
    let admit = position(&effects, |e| matches!(e, Effect::Admit { .. }));
    assert!(journal < admit);
    assert_eq!(world.words()[..2], ["join", "consent"]);
}

#[test]
fn welcome_shows_the_newcomer_among_the_participants_and_counts_them() {
    let mut world = World::new();
    world.join(CHAIR);
    let effects = world.join(ALICE);
    let (_, resumed, welcome) = admitted(&effects).unwrap();
    assert!(!resumed);
    assert_eq!(welcome.session.participants.len(), 2);
    assert_eq!((welcome.session.counts.due, welcome.session.counts.present), (6, 2));
    assert_eq!(welcome.session.counts.due_voters, 5);
}

#[test]
fn dropped_line_ends_the_presence_at_its_last_frame_and_keeps_the_endpoint() {
    let mut world = World::new();
    world.join(ALICE);
    world.wait(20 * S);
    let effects =
        world.handle(Input::LineLost { endpoint: endpoint(ALICE), last_frame_mono_us: 12 * S });
    assert!(!effects.iter().any(|e| matches!(e, Effect::Media(_) | Effect::Bye { .. })));
    let leave = JournalEvent::Leave {
        person: person(ALICE),
        endpoint: endpoint(ALICE),
        reason: LeaveReason::Drop,
        last_frame_mono_us: 12 * S,
    };
    assert_eq!(world.journal.last().unwrap().event, leave);
    assert_eq!(world.room.counts().present, 0);
}

#[test]
fn resume_within_a_minute_is_a_rejoin_that_keeps_endpoint_and_media() {
    let mut world = World::new();
    world.join(ALICE);
    world.wait(10 * S);
    world.lose(ALICE);
    world.wait(RESUME_US - 1);
    let effects = world.arrive(resuming(ALICE, ALICE, 10 * S, true));
    let (id, resumed, _) = admitted(&effects).unwrap();
    assert!(resumed);
    assert_eq!(id, endpoint(ALICE));
    assert!(!effects.iter().any(|e| matches!(e, Effect::Media(_))));
    assert!(world.words().ends_with(&["leave:drop".into(), "rejoin".into()]));
    assert_eq!(world.room.counts().present, 1);
}

#[test]
fn resume_of_a_line_not_yet_known_to_be_dead_writes_the_drop_first() {
    let mut world = World::new();
    world.join(ALICE);
    world.wait(9 * S);
    world.arrive(resuming(ALICE, ALICE, 4 * S, true));
    assert!(world.words().ends_with(&["leave:drop".into(), "rejoin".into()]));
    let JournalEvent::Leave { last_frame_mono_us, .. } =
        world.journal[world.journal.len() - 2].event
    else {
        panic!("leave");
    };
    assert_eq!(last_frame_mono_us, 4 * S);
}

#[test]
fn resume_whose_events_are_not_kept_is_a_fresh_endpoint_and_the_old_media_goes() {
    let mut world = World::new();
    world.join(ALICE);
    world.wait(10 * S);
    let effects = world.arrive(resuming(ALICE, ALICE, 9 * S, false));
    let (id, resumed, welcome) = admitted(&effects).unwrap();
    assert!(!resumed);
    assert_eq!(id, endpoint(ALICE + 500));
    assert_eq!(welcome.session.participants.len(), 1);
    let gone = MediaCommand::RemovePeer { endpoint: endpoint(ALICE) };
    assert!(effects.contains(&Effect::Media(gone)));
}

#[test]
fn endpoint_of_another_person_cannot_be_resumed() {
    let mut world = World::new();
    world.join(ALICE);
    world.join(BOB);
    let stolen = Arrival { previous: resuming(BOB, ALICE, 0, true).previous, ..arrival(BOB, 700) };
    let effects = world.arrive(stolen);
    let (id, resumed, _) = admitted(&effects).unwrap();
    assert_eq!((id, resumed), (endpoint(700), false));
    assert_eq!(world.room.counts().present, 2);
}

#[test]
fn after_a_minute_the_endpoint_is_gone_for_all() {
    let mut world = World::new();
    world.join(CHAIR);
    world.join(ALICE);
    world.lose(ALICE);
    let effects = world.wait(RESUME_US);
    assert!(broadcasts(&effects).contains(&&Event::ParticipantLeft {
        participant: person(ALICE).to_string(),
        reason: LeaveReason::Drop
    }));
    let gone = MediaCommand::RemovePeer { endpoint: endpoint(ALICE) };
    assert!(effects.contains(&Effect::Media(gone)));
    assert_eq!(world.words().iter().filter(|w| w.starts_with("leave")).count(), 1);
}

#[test]
fn reloaded_page_is_the_same_person_and_nobody_sees_them_leave() {
    let mut world = World::new();
    world.join(CHAIR);
    world.join(ALICE);
    world.ask(ALICE, Request::Hand { raised: true }).unwrap();
    world.lose(ALICE);
    let effects = world.arrive(arrival(ALICE, 700));
    let (_, _, welcome) = admitted(&effects).unwrap();
    let me = welcome.session.participants.iter().find(|p| p.id == welcome.participant).unwrap();
    assert!(me.hand && me.online);
    assert_eq!(me.devices, 1);
    assert!(!broadcasts(&effects).iter().any(|e| matches!(e, Event::ParticipantLeft { .. })));
    assert_eq!(world.room.counts().present, 1 + 1);
}

#[test]
fn clicked_leave_is_no_drop() {
    let mut world = World::new();
    world.join(ALICE);
    let effects = world.ask(ALICE, Request::Leave).unwrap();
    assert_eq!(world.words().last().unwrap(), "leave:user");
    assert!(effects.iter().any(|e| matches!(e, Effect::Bye { .. })));
    assert_eq!(world.room.counts().present, 0);
}

#[test]
fn request_of_a_lost_line_comes_too_late() {
    let mut world = World::new();
    world.join(ALICE);
    world.lose(ALICE);
    let fresh = Uuid::from_u128(9);
    let late = world.handle(Input::Request {
        endpoint: endpoint(ALICE),
        id: 1,
        request: Request::Leave,
        fresh,
    });
    assert_eq!(late, []);
    assert_eq!(world.words().last().unwrap(), "leave:drop");
}

#[test]
fn observer_is_shown_and_journalled_and_not_counted() {
    let mut world = World::new();
    world.join(ALICE);
    let effects = world.join(OBSERVER);
    let (_, _, welcome) = admitted(&effects).unwrap();
    assert_eq!((welcome.session.counts.present, welcome.session.counts.observers), (1, 1));
    assert_eq!(welcome.session.participants.len(), 2);
    world.lose(OBSERVER);
    assert!(world.words().contains(&"observer_enter".to_owned()));
    assert_eq!(world.words().last().unwrap(), "observer_exit:drop");
    assert_eq!(world.room.counts().observers, 0);
}

#[test]
fn checkpoint_every_five_seconds_names_who_is_present() {
    let mut world = World::new();
    world.join(ALICE);
    world.join(OBSERVER);
    world.wait(16 * S);
    let checkpoints: Vec<_> = world
        .journal
        .iter()
        .filter_map(|new| match &new.event {
            JournalEvent::Checkpoint { present } => Some((new.mono_us, present.len())),
            _ => None,
        })
        .collect();
    assert_eq!(checkpoints, [(5 * S, 2), (10 * S, 2), (15 * S, 2)]);
}

#[test]
fn empty_room_is_closed_by_the_system_after_thirty_minutes() {
    let mut world = World::new();
    world.join(CHAIR);
    world.ask(CHAIR, Request::DeclareOpen).unwrap();
    world.join(OBSERVER);
    world.ask(CHAIR, Request::Leave).unwrap();
    let effects = world.wait(31 * 60 * S);
    assert_eq!(effects.last(), Some(&Effect::Ended));
    assert_eq!(world.room.session_state(), SessionState::DeclaredClosed);
    let closed = world.journal.iter().find_map(|new| match new.event {
        JournalEvent::DeclaredClosed { auto } => Some((new.mono_us, auto)),
        _ => None,
    });
    assert_eq!(closed, Some((30 * 60 * S, true)));
    assert!(
        effects.iter().any(
            |e| matches!(e, Effect::Bye { error, .. } if error.code == ErrorCode::SessionEnded)
        )
    );
}

#[test]
fn removed_person_is_told_and_stays_out_for_five_minutes() {
    let mut world = World::new();
    world.join(CHAIR);
    world.join(ALICE);
    let request = Request::Remove { participant: person(ALICE).to_string() };
    let effects = world.ask(CHAIR, request).unwrap();
    assert!(effects.iter().any(|e| matches!(e, Effect::Bye { endpoint: id, error } if *id == endpoint(ALICE) && error.code == ErrorCode::Forbidden)));
    assert!(world.words().ends_with(&["kick".into(), "leave:kick".into()]));
    let again = world.join(ALICE);
    assert!(matches!(again[0], Effect::Reject { .. }));
    world.wait(5 * 60 * S);
    assert!(admitted(&world.join(ALICE)).is_some());
}

#[test]
fn closing_ends_everybody_at_the_same_moment() {
    let mut world = World::new();
    for n in [CHAIR, ALICE, OBSERVER] {
        world.join(n);
    }
    world.ask(CHAIR, Request::DeclareOpen).unwrap();
    world.wait(60 * S);
    let effects = world.ask(CHAIR, Request::DeclareClose).unwrap();
    let closed = at(60 * S);
    for new in world.journal.iter().rev().take(4) {
        assert_eq!((new.at_us, new.mono_us), (closed.wall_us, closed.mono_us));
    }
    assert!(world.words().ends_with(&[
        "recording_stop:closed".into(),
        "declared_closed".into(),
        "leave:server".into(),
        "leave:server".into(),
        "observer_exit:server".into(),
    ]));
    assert_eq!(effects.last(), Some(&Effect::Ended));
    let late = world.join(BOB);
    assert!(
        matches!(&late[..], [Effect::Reject { error, .. }] if error.code == ErrorCode::SessionEnded)
    );
}

#[test]
fn signed_out_device_leaves_with_its_media_and_cannot_be_resumed() {
    let mut world = World::new();
    world.join(ALICE);
    world.join(BOB);
    world.lose(BOB);
    for n in [ALICE, BOB] {
        let effects = world.handle(Input::SignedOut { endpoint: endpoint(n) });
        assert!(
            effects.contains(&Effect::Media(MediaCommand::RemovePeer { endpoint: endpoint(n) }))
        );
        let participant = person(n).to_string();
        let reason = LeaveReason::Drop;
        assert!(broadcasts(&effects).contains(&&Event::ParticipantLeft { participant, reason }));
    }
    let left = world.words().iter().filter(|word| *word == "leave:drop").count();
    assert_eq!(left, 2, "each left once");
    let effects = world.arrive(resuming(ALICE, ALICE, world.now, true));
    assert!(!admitted(&effects).unwrap().1);
}
