//! Recording spans exactly the official time, and says when it does not.

use signaling::view::RecordingState;
use signaling::{ErrorCode, Request};

use super::*;
use crate::room::effect::{CaptureCommand, CaptureReport, CaptureTrouble};

fn capture(effects: &[Effect]) -> Vec<CaptureCommand> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Capture(command) => Some(*command),
            _ => None,
        })
        .collect()
}

fn recording_world() -> World {
    let mut world = World::new();
    world.join(CHAIR);
    world.join(RECORDER);
    world.join(ALICE);
    world.ask(CHAIR, Request::DeclareOpen).unwrap();
    world
}

fn state(world: &World) -> RecordingState {
    world.room.snapshot().recording.state
}

#[test]
fn recording_starts_with_the_opening_and_stops_with_the_closing() {
    let mut world = World::new();
    world.join(CHAIR);
    assert_eq!(state(&world), RecordingState::Off);
    let opened = world.ask(CHAIR, Request::DeclareOpen).unwrap();
    assert_eq!(capture(&opened), [CaptureCommand::Start]);
    assert_eq!(state(&world), RecordingState::On);
    let closed = world.ask(CHAIR, Request::DeclareClose).unwrap();
    assert_eq!(capture(&closed), [CaptureCommand::Stop]);
    assert_eq!(state(&world), RecordingState::Off);
}

#[test]
fn chair_and_recorder_may_pause_and_others_may_not() {
    let mut world = recording_world();
    let pause = |paused| Request::RecordingPause { paused };
    assert_eq!(world.ask(ALICE, pause(true)).unwrap_err(), ErrorCode::NotChair);
    let effects = world.ask(RECORDER, pause(true)).unwrap();
    assert_eq!(capture(&effects), [CaptureCommand::Pause]);
    assert_eq!(capture(&world.ask(CHAIR, pause(true)).unwrap()), []);
    let effects = world.ask(CHAIR, pause(false)).unwrap();
    assert_eq!(capture(&effects), [CaptureCommand::Resume]);
    assert!(world.words().ends_with(&["recording_pause".into(), "recording_resume".into()]));
}

#[test]
fn full_disk_is_said_to_all_and_journalled_and_so_is_its_end() {
    let mut world = recording_world();
    world.wait(5 * S);
    let full = CaptureReport { safe_mono_us: None, trouble: Some(CaptureTrouble::DiskFull) };
    let mut effects = world.handle(Input::Capture(full));
    effects.extend(world.wait(S));
    assert!(broadcasts(&effects).iter().any(
        |e| matches!(e, Event::Recording { recording } if recording.state == RecordingState::Failed && recording.problem.is_some())
    ));
    assert_eq!(world.words().iter().filter(|w| *w == "recording_stop:failed").count(), 1);
    world.handle(Input::Capture(full));
    world.handle(Input::Capture(CaptureReport { safe_mono_us: Some(6 * S), trouble: None }));
    assert_eq!(state(&world), RecordingState::On);
    assert_eq!(world.room.snapshot().recording.problem, None);
    assert_eq!(world.words().last().unwrap(), "recording_start");
}

#[test]
fn safe_second_is_told_at_most_once_a_second() {
    let mut world = recording_world();
    world.wait(10 * S);
    let mut told = 0;
    for step in 0..50 {
        let safe_mono_us = Some(10 * S + step * 100_000);
        let mut effects =
            world.handle(Input::Capture(CaptureReport { safe_mono_us, trouble: None }));
        effects.extend(world.wait(100_000));
        told +=
            broadcasts(&effects).iter().filter(|e| matches!(e, Event::Recording { .. })).count();
    }
    assert!((5..=6).contains(&told), "{told} times in five seconds");
    let safe = world.room.snapshot().recording.safe_us;
    assert_eq!(safe, Some(at(10 * S + 49 * 100_000).wall_us));
}
