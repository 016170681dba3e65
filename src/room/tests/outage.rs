//! The database goes away and comes back.

use signaling::{Event, Request};

use super::*;

fn told(effects: &[Effect]) -> Vec<bool> {
    let away = |effect: &Effect| match effect {
        Effect::Broadcast(Event::Records { away }) => Some(*away),
        _ => None,
    };
    effects.iter().filter_map(away).collect()
}

#[test]
fn everybody_is_told_once_that_the_records_wait_and_once_that_they_came_in() {
    let mut world = World::new();
    assert_eq!(told(&world.handle(Input::Records { away: false })), Vec::<bool>::new());
    assert_eq!(told(&world.handle(Input::Records { away: true })), [true]);
    assert_eq!(told(&world.handle(Input::Records { away: true })), Vec::<bool>::new());
    assert!(world.room.snapshot().records_away);
    assert_eq!(told(&world.handle(Input::Records { away: false })), [false]);
    assert!(!world.room.snapshot().records_away);
}

#[test]
fn a_meeting_opens_speaks_and_closes_while_the_records_wait() {
    let mut world = World::new();
    world.join(CHAIR);
    world.handle(Input::Records { away: true });
    for request in [
        Request::DeclareOpen,
        Request::Chat { text: "同意".into() },
        Request::Hand { raised: true },
        Request::Agenda { index: 0 },
        Request::DeclareClose,
    ] {
        let answer = world.ask(CHAIR, request.clone());
        assert!(answer.is_ok(), "{request:?}: {answer:?}");
    }
    assert!(world.room.is_ended());
}
