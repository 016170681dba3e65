//! Whatever people, lines and clocks do, the promises hold.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use signaling::Request;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Wait(i64),
    Join(u128),
    Lose(usize, i64),
    Resume(usize, bool),
    Leave(usize),
    SignOut(usize),
    Ask(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..40 * S).prop_map(Step::Wait),
        4 => prop_oneof![1u128..7, Just(OBSERVER)].prop_map(Step::Join),
        3 => (0usize..8, 0..15 * S).prop_map(|(n, ago)| Step::Lose(n, ago)),
        3 => (0usize..8, any::<bool>()).prop_map(|(n, kept)| Step::Resume(n, kept)),
        1 => (0usize..8).prop_map(Step::Leave),
        1 => (0usize..8).prop_map(Step::SignOut),
        5 => (0usize..8, 0usize..9).prop_map(|(n, what)| Step::Ask(n, what)),
    ]
}

fn request(what: usize, target: String) -> Request {
    match what {
        0 => Request::DeclareOpen,
        1 => Request::Agenda { index: 1 },
        2 => Request::HandOver { participant: target },
        3 => Request::TakeOver,
        4 => Request::Remove { participant: target },
        5 => Request::RecordingPause { paused: true },
        6 => Request::RecordingPause { paused: false },
        7 => Request::Chat { text: "好".into() },
        _ => Request::Hand { raised: true },
    }
}

/// Endpoints as the journal alone tells them: who is connected now.
fn replay(journal: &[NewEvent]) -> Result<BTreeMap<EndpointId, PersonId>, TestCaseError> {
    let mut open = BTreeMap::new();
    let mut ended = BTreeSet::new();
    let mut last_mono = 0;
    for new in journal {
        prop_assert!(new.mono_us >= last_mono, "time never goes back");
        last_mono = new.mono_us;
        match &new.event {
            JournalEvent::Join { person, endpoint, .. }
            | JournalEvent::ObserverEnter { person, endpoint, .. } => {
                prop_assert!(open.insert(*endpoint, *person).is_none(), "joined twice");
            }
            JournalEvent::Rejoin { person, endpoint, .. } => {
                prop_assert!(ended.remove(endpoint), "rejoin without leave");
                prop_assert!(open.insert(*endpoint, *person).is_none());
            }
            JournalEvent::Leave { endpoint, last_frame_mono_us, .. }
            | JournalEvent::ObserverExit { endpoint, last_frame_mono_us, .. } => {
                prop_assert!(open.remove(endpoint).is_some(), "left without being here");
                prop_assert!(*last_frame_mono_us <= new.mono_us);
                ended.insert(*endpoint);
            }
            JournalEvent::Checkpoint { present } => {
                let here: Vec<_> = open.keys().copied().collect();
                prop_assert_eq!(present, &here, "a checkpoint says who is connected");
            }
            _ => {}
        }
    }
    Ok(open)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn journal_and_room_agree_and_welcome_follows_its_join(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut world = World::new();
        let mut known: Vec<(u128, u128)> = vec![];
        let mut fresh = 100u128;
        for step in steps {
            let before = world.effects.len();
            let pick = |n: usize| known.get(n % known.len().max(1)).copied();
            match step {
                Step::Wait(us) => drop(world.wait(us)),
                Step::Join(n) => {
                    fresh += 1;
                    known.push((n, fresh));
                    world.arrive(arrival(n, fresh));
                }
                Step::Lose(n, ago) => {
                    if let Some((_, on)) = pick(n) {
                        let last_frame_mono_us = world.now - ago;
                        world.handle(Input::LineLost { endpoint: endpoint(on), last_frame_mono_us });
                    }
                }
                Step::Resume(n, replayable) => {
                    if let Some((n, on)) = pick(n) {
                        fresh += 1;
                        let last_frame = world.now;
                        let arriving = Arrival {
                            endpoint: endpoint(fresh),
                            ..resuming(n, on, last_frame, replayable)
                        };
                        known.push((n, fresh));
                        world.arrive(arriving);
                    }
                }
                Step::Leave(n) => {
                    if let Some((_, on)) = pick(n) {
                        world.handle(Input::Request {
                            endpoint: endpoint(on), id: 1, request: Request::Leave, fresh: Uuid::nil(),
                        });
                    }
                }
                Step::SignOut(n) => {
                    if let Some((_, on)) = pick(n) {
                        world.handle(Input::SignedOut { endpoint: endpoint(on) });
                    }
                }
                Step::Ask(n, what) => {
                    if let (Some((_, on)), Some((target, _))) = (pick(n), pick(n + 3)) {
                        let request = request(what, person(target).to_string());
                        world.handle(Input::Request {
                            endpoint: endpoint(on), id: 1, request, fresh: Uuid::from_u128(fresh),
                        });
                    }
                }
            }
            // No welcome without its durable join before it, in the same batch.
            let mut joined = BTreeSet::new();
            for effect in &world.effects[before..] {
                match effect {
                    Effect::Journal(events) => joined.extend(events.iter().filter_map(|new| match new.event {
                        JournalEvent::Join { endpoint, .. }
                        | JournalEvent::Rejoin { endpoint, .. }
                        | JournalEvent::ObserverEnter { endpoint, .. } => Some(endpoint),
                        _ => None,
                    })),
                    Effect::Admit { endpoint, .. } => prop_assert!(joined.contains(endpoint)),
                    _ => {}
                }
            }
            let open = replay(&world.journal)?;
            let people: BTreeSet<_> = open.values().copied().collect();
            let members = people.iter().filter(|p| **p != person(OBSERVER)).count();
            if !world.room.is_ended() {
                let counts = world.room.counts();
                prop_assert_eq!(counts.present as usize, members);
                prop_assert_eq!(counts.observers as usize, people.len() - members);
                prop_assert!(world.room.next_timeout() > world.now, "no timer is left behind");
            }
        }
        // A restart at any point finds the same people and ends each of them exactly once.
        if !world.room.is_ended() {
            let open = replay(&world.journal)?;
            let (restored, effects) =
                RoomState::restore(setup(), &world.envelopes(), true, at(world.now + S));
            let mut journal = world.journal.clone();
            for effect in effects {
                if let Effect::Journal(events) = effect {
                    journal.extend(events);
                }
            }
            let left = journal.len() - world.journal.len();
            prop_assert!(left > open.len());
            prop_assert!(replay(&journal)?.is_empty());
            prop_assert_eq!(restored.session_state(), world.room.session_state());
            prop_assert_eq!(
                restored.snapshot().agenda_index, world.room.snapshot().agenda_index
            );
        }
    }
}
