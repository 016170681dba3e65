//! Who presides, and what only they may do.

use signaling::view::Role;
use signaling::{ErrorCode, Event, Request, Source};

use super::*;
use crate::room::chair::{CHAIR_AWAITED_US, CHAIR_GRACE_US};

fn chair_of(world: &World) -> Option<String> {
    world.room.snapshot().chair
}

fn may_take_over(effects: &[Effect], n: u128) -> Option<bool> {
    sent_to(effects, n).iter().rev().find_map(|event| match event {
        Event::Chair { may_take_over, .. } => Some(*may_take_over),
        _ => None,
    })
}

#[test]
fn members_cannot_do_chair_things() {
    let mut world = World::new();
    world.join(CHAIR);
    world.join(ALICE);
    world.join(OBSERVER);
    let chair = person(CHAIR).to_string();
    for n in [ALICE, OBSERVER] {
        for request in [
            Request::DeclareOpen,
            Request::DeclareClose,
            Request::Agenda { index: 0 },
            Request::HandOver { participant: person(ALICE).to_string() },
            Request::Mute { participant: chair.clone(), source: Source::Microphone },
            Request::LowerHand { participant: chair.clone() },
            Request::Remove { participant: chair.clone() },
            Request::RecordingPause { paused: true },
        ] {
            assert_eq!(world.ask(n, request).unwrap_err(), ErrorCode::NotChair);
        }
        assert_eq!(world.ask(n, Request::TakeOver).unwrap_err(), ErrorCode::Forbidden);
    }
    assert!(!world.words().iter().any(|w| w.starts_with("declared")));
}

#[test]
fn designated_chair_presides_from_the_moment_they_come_in() {
    let mut world = World::new();
    world.join(ALICE);
    assert_eq!(chair_of(&world), None);
    let effects = world.join(CHAIR);
    assert_eq!(admitted(&effects).unwrap().2.session.chair, Some(person(CHAIR).to_string()));
    assert!(world.words().contains(&"chair:opened".to_owned()));
    assert_eq!(may_take_over(&effects, ALICE), Some(false));
}

#[test]
fn dropped_chair_who_is_back_in_time_still_presides() {
    let mut world = World::new();
    world.join(CHAIR);
    world.join(ALICE);
    world.lose(CHAIR);
    world.wait(CHAIR_GRACE_US - 1);
    world.arrive(resuming(CHAIR, CHAIR, 0, true));
    world.wait(60 * S);
    assert_eq!(chair_of(&world), Some(person(CHAIR).to_string()));
    assert!(!world.words().contains(&"chair:lost".to_owned()));
}

#[test]
fn lost_chair_is_told_to_all_and_the_longest_present_voter_may_take_over() {
    let mut world = World::new();
    world.join(CHAIR);
    world.wait(S);
    world.join(PROBATIONARY);
    world.wait(S);
    world.join(BOB);
    world.wait(S);
    world.join(ALICE);
    world.lose(CHAIR);
    let effects = world.wait(CHAIR_GRACE_US);
    assert_eq!(world.words().iter().filter(|w| *w == "chair:lost").count(), 1);
    assert_eq!(may_take_over(&effects, BOB), Some(true));
    assert_eq!(may_take_over(&effects, ALICE), Some(false));
    assert_eq!(may_take_over(&effects, PROBATIONARY), Some(false));
    assert_eq!(world.ask(ALICE, Request::TakeOver).unwrap_err(), ErrorCode::Forbidden);
    world.ask(BOB, Request::TakeOver).unwrap();
    assert_eq!(chair_of(&world), Some(person(BOB).to_string()));
    world.ask(BOB, Request::DeclareOpen).unwrap();
}

#[test]
fn newcomer_while_the_chair_is_lost_is_told_after_the_welcome_who_may_take_over() {
    let mut world = World::new();
    world.join(CHAIR);
    world.join(PROBATIONARY);
    world.ask(CHAIR, Request::Leave).unwrap();
    world.wait(20 * S);
    for (newcomer, may) in [(BOB, true), (ALICE, false)] {
        world.wait(S);
        let effects = world.join(newcomer);
        let of_newcomer = effects.iter().filter(|effect| match effect {
            Effect::Admit { endpoint: to, .. } | Effect::Send { endpoint: to, .. } => {
                *to == endpoint(newcomer)
            }
            _ => false,
        });
        let mut of_newcomer = of_newcomer.cloned();
        let Some(Effect::Admit { welcome, .. }) = of_newcomer.next() else {
            panic!("the welcome comes first")
        };
        assert_eq!(welcome.session.chair, None);
        let told = Event::Chair { chair: None, may_take_over: may };
        assert_eq!(
            of_newcomer.next(),
            Some(Effect::Send { endpoint: endpoint(newcomer), event: told })
        );
    }
    // A page that resumes is told too.
    world.lose(ALICE);
    let effects = world.arrive(resuming(ALICE, ALICE, world.now, true));
    assert_eq!(may_take_over(&effects, ALICE), Some(false));
}

#[test]
fn secretary_comes_before_the_longest_present() {
    let mut world = World::with(RoomSetup { secretaries: vec![person(ALICE)], ..setup() });
    world.join(CHAIR);
    world.join(BOB);
    world.wait(S);
    world.join(ALICE);
    world.ask(CHAIR, Request::Leave).unwrap();
    assert_eq!(world.ask(BOB, Request::TakeOver).unwrap_err(), ErrorCode::Forbidden);
    world.ask(ALICE, Request::TakeOver).unwrap();
    assert_eq!(world.words().last().unwrap(), "chair:take_over");
}

#[test]
fn chair_who_left_by_choice_is_lost_at_once() {
    let mut world = World::new();
    world.join(CHAIR);
    world.join(ALICE);
    let effects = world.ask(CHAIR, Request::Leave).unwrap();
    assert_eq!(chair_of(&world), None);
    assert_eq!(may_take_over(&effects, ALICE), Some(true));
}

#[test]
fn chair_who_comes_back_before_anybody_took_over_presides_again() {
    let mut world = World::new();
    world.join(CHAIR);
    world.join(ALICE);
    world.lose(CHAIR);
    world.wait(CHAIR_GRACE_US + S);
    let effects = world.arrive(arrival(CHAIR, 700));
    assert!(world.words().contains(&"chair:returned".to_owned()));
    assert_eq!(may_take_over(&effects, ALICE), Some(false));
}

#[test]
fn chair_whose_seat_was_taken_comes_back_as_a_member() {
    let mut world = World::new();
    world.join(CHAIR);
    world.join(ALICE);
    world.ask(CHAIR, Request::Leave).unwrap();
    world.ask(ALICE, Request::TakeOver).unwrap();
    let effects = world.join(CHAIR);
    let session = &admitted(&effects).unwrap().2.session;
    let role =
        |n: u128| session.participants.iter().find(|p| p.id == person(n).to_string()).unwrap().role;
    assert_eq!((role(CHAIR), role(ALICE)), (Role::Member, Role::Chair));
    assert_eq!(world.ask(CHAIR, Request::DeclareOpen).unwrap_err(), ErrorCode::NotChair);
}

#[test]
fn hand_over_goes_only_to_a_voting_member_who_is_here() {
    let mut world = World::new();
    world.join(CHAIR);
    let to = |n: u128| Request::HandOver { participant: person(n).to_string() };
    assert_eq!(world.ask(CHAIR, to(ALICE)).unwrap_err(), ErrorCode::NotFound);
    for n in [PROBATIONARY, OBSERVER] {
        world.join(n);
        assert_eq!(world.ask(CHAIR, to(n)).unwrap_err(), ErrorCode::Validation);
    }
    world.join(ALICE);
    world.ask(CHAIR, to(ALICE)).unwrap();
    assert_eq!(world.words().last().unwrap(), "chair:hand_over");
    assert_eq!(chair_of(&world), Some(person(ALICE).to_string()));
    assert_eq!(world.ask(CHAIR, Request::DeclareOpen).unwrap_err(), ErrorCode::NotChair);
}

#[test]
fn seat_is_kept_for_the_designated_chair_for_a_minute() {
    let mut world = World::new();
    world.join(ALICE);
    assert_eq!(world.ask(ALICE, Request::TakeOver).unwrap_err(), ErrorCode::Forbidden);
    let effects = world.wait(CHAIR_AWAITED_US);
    assert_eq!(may_take_over(&effects, ALICE), Some(true));
    world.ask(ALICE, Request::TakeOver).unwrap();
}

#[test]
fn agenda_moves_for_all_and_only_to_items_that_exist() {
    let mut world = World::new();
    world.join(CHAIR);
    let effects = world.ask(CHAIR, Request::Agenda { index: 1 }).unwrap();
    assert!(broadcasts(&effects).contains(&&Event::Agenda { index: 1 }));
    assert_eq!(world.ask(CHAIR, Request::Agenda { index: 2 }).unwrap_err(), ErrorCode::Validation);
    assert_eq!(world.room.snapshot().agenda_index, Some(1));
}

#[test]
fn official_time_opens_once() {
    let mut world = World::new();
    world.join(CHAIR);
    assert_eq!(world.ask(CHAIR, Request::DeclareClose).unwrap_err(), ErrorCode::Conflict);
    world.wait(30 * S);
    world.ask(CHAIR, Request::DeclareOpen).unwrap();
    assert_eq!(world.ask(CHAIR, Request::DeclareOpen).unwrap_err(), ErrorCode::Conflict);
    assert_eq!(world.room.snapshot().declared_open_us, Some(at(30 * S).wall_us));
}
