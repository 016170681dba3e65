//! Connection quality: changes only, and not too often.

use signaling::view::Grade;
use signaling::{Event, ParticipantQuality};

use super::*;

fn told(effects: &[Effect]) -> Vec<Vec<(PersonId, Grade)>> {
    let of = |one: &ParticipantQuality| (one.participant.parse().unwrap(), one.grade);
    let events = effects.iter().filter_map(|effect| match effect {
        Effect::Broadcast(Event::Quality { participants }) => {
            Some(participants.iter().map(of).collect())
        }
        _ => None,
    });
    events.collect()
}

fn graded(world: &mut World, grades: &[(u128, Grade)]) -> Vec<Vec<(PersonId, Grade)>> {
    let grades = grades.iter().map(|(n, grade)| (endpoint(*n), *grade)).collect();
    told(&world.handle(Input::Quality(grades)))
}

#[test]
fn changes_are_told_to_all_and_what_stays_is_not() {
    let mut world = World::new();
    world.join(CHAIR);
    world.join(ALICE);
    let first = graded(&mut world, &[(CHAIR, Grade::Good), (ALICE, Grade::Poor)]);
    assert_eq!(first, [vec![(person(CHAIR), Grade::Good), (person(ALICE), Grade::Poor)]]);
    world.wait(5 * S);
    assert!(graded(&mut world, &[(CHAIR, Grade::Good), (ALICE, Grade::Poor)]).is_empty());
    let changed = graded(&mut world, &[(CHAIR, Grade::Good), (ALICE, Grade::Fair)]);
    assert_eq!(changed, [vec![(person(ALICE), Grade::Fair)]]);
}

#[test]
fn a_room_is_told_once_a_second_at_most_and_then_the_latest() {
    let mut world = World::new();
    world.join(ALICE);
    world.join(BOB);
    assert_eq!(graded(&mut world, &[(ALICE, Grade::Good)]).len(), 1);
    assert!(graded(&mut world, &[(ALICE, Grade::Fair)]).is_empty());
    assert!(graded(&mut world, &[(ALICE, Grade::Poor), (BOB, Grade::Good)]).is_empty());
    assert!(told(&world.wait(S - 1)).is_empty());
    let later = told(&world.wait(1));
    assert_eq!(later, [vec![(person(ALICE), Grade::Poor), (person(BOB), Grade::Good)]]);
}

#[test]
fn a_crowd_is_told_in_parts_none_forgotten() {
    let mut world = World::new();
    let crowd: Vec<u128> = (200..450).collect();
    for n in &crowd {
        world.join(*n);
    }
    let grades: Vec<_> = crowd.iter().map(|n| (*n, Grade::Good)).collect();
    let mut parts = graded(&mut world, &grades);
    parts.extend(told(&world.wait(10 * S)));
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
    let all: std::collections::BTreeSet<_> = parts.concat().into_iter().map(|(p, _)| p).collect();
    assert_eq!(all.len(), crowd.len());
}

#[test]
fn newcomers_see_it_and_it_ends_with_the_line() {
    let mut world = World::new();
    world.join(ALICE);
    graded(&mut world, &[(ALICE, Grade::Fair)]);
    let shown = |world: &World| {
        let list = world.room.snapshot().participants;
        list.into_iter().find(|one| one.id == person(ALICE).to_string()).unwrap().quality
    };
    assert_eq!(shown(&world), Some(Grade::Fair));
    world.lose(ALICE);
    assert_eq!(shown(&world), None);
}
