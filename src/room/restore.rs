//! The room again after a restart of the server: folded from its journal.
//!
//! Whoever was connected is written out as `leave{server}` at the last moment the journal itself
//! proves them present; they come back by themselves with a new `join`. A running recording goes
//! on in new segments.

use std::collections::BTreeMap;

use signaling::LeaveReason;
use signaling::view::{RecordingState, SessionState};

use super::chair::{CHAIR_GRACE_RESTART_US, Seat};
use super::effect::{CaptureCommand, Effect, Now};
use super::setup::RoomSetup;
use super::state::RoomState;
use crate::domain::{EndpointId, PersonId};
use crate::journal::{Actor, Envelope, Event as JournalEvent, StopReason};

struct Connected {
    person: PersonId,
    observer: bool,
    seen_mono_us: i64,
}

impl RoomState {
    /// Reads the journal and returns the room with what has to be done first. A session that was
    /// never opened has no events and gives a fresh room.
    pub fn restore(
        setup: RoomSetup,
        journal: &[Envelope],
        new_boot: bool,
        now: Now,
    ) -> (Self, Vec<Effect>) {
        let mut room = Self::open(setup, now);
        let mut connected: BTreeMap<EndpointId, Connected> = BTreeMap::new();
        for envelope in journal {
            room.refold(envelope, &mut connected, now);
        }
        // The row may have been written before the crash, or not.
        let steps = [
            (SessionState::DeclaredOpen, room.declared_open_us),
            (SessionState::DeclaredClosed, room.declared_closed_us),
        ];
        for (state, at_us) in steps {
            if let Some(at_us) = at_us {
                room.out.push(Effect::StoreState { state, at_us });
            }
        }
        if room.is_ended() {
            room.out.push(Effect::Ended);
            let effects = std::mem::take(&mut room.out);
            return (room, effects);
        }
        room.journal(Actor::System, JournalEvent::ServerRestart { new_boot }, now);
        for (endpoint, was) in connected {
            let (person, reason) = (was.person, LeaveReason::Server);
            let last_frame_mono_us = was.seen_mono_us;
            let event = match was.observer {
                true => JournalEvent::ObserverExit { person, endpoint, reason, last_frame_mono_us },
                false => JournalEvent::Leave { person, endpoint, reason, last_frame_mono_us },
            };
            room.journal(Actor::System, event, now);
        }
        room.mend_ballot(now);
        if room.recording.state == RecordingState::Failed {
            // A new writer, and so a new attempt.
            room.recording.state = RecordingState::On;
            room.journal(Actor::System, JournalEvent::RecordingStart, now);
        }
        match room.recording.state {
            RecordingState::On => room.out.push(Effect::Capture(CaptureCommand::Start)),
            RecordingState::Paused => {
                room.out.push(Effect::Capture(CaptureCommand::Start));
                room.out.push(Effect::Capture(CaptureCommand::Pause));
            }
            RecordingState::Off | RecordingState::Failed => {}
        }
        let effects = std::mem::take(&mut room.out);
        (room, effects)
    }

    fn refold(
        &mut self,
        envelope: &Envelope,
        connected: &mut BTreeMap<EndpointId, Connected>,
        now: Now,
    ) {
        let (wall_us, mono_us) = (envelope.at_us, envelope.mono_us);
        match &envelope.event {
            JournalEvent::Join { person, endpoint, .. } => {
                connected.insert(
                    *endpoint,
                    Connected { person: *person, observer: false, seen_mono_us: mono_us },
                );
            }
            JournalEvent::ObserverEnter { person, endpoint, .. } => {
                connected.insert(
                    *endpoint,
                    Connected { person: *person, observer: true, seen_mono_us: mono_us },
                );
            }
            JournalEvent::Rejoin { person, endpoint, .. } => {
                let observer = !self.setup.roster.contains(*person);
                connected.insert(
                    *endpoint,
                    Connected { person: *person, observer, seen_mono_us: mono_us },
                );
            }
            JournalEvent::Leave { endpoint, .. } | JournalEvent::ObserverExit { endpoint, .. } => {
                connected.remove(endpoint);
            }
            JournalEvent::Checkpoint { present } => {
                for endpoint in present {
                    if let Some(entry) = connected.get_mut(endpoint) {
                        entry.seen_mono_us = mono_us;
                    }
                }
            }
            JournalEvent::DeclaredOpen => {
                self.state = SessionState::DeclaredOpen;
                self.declared_open_us = Some(wall_us);
                self.declared_open_mono_us = Some(mono_us);
            }
            JournalEvent::DeclaredClosed { .. } => {
                self.state = SessionState::DeclaredClosed;
                self.declared_closed_us = Some(wall_us);
            }
            JournalEvent::Agenda { index } => self.agenda_index = Some(*index),
            JournalEvent::Chair { person: Some(person), .. } => {
                self.seat = Seat::held(*person, now.mono_us + CHAIR_GRACE_RESTART_US);
            }
            JournalEvent::Chair { person: None, .. } => {
                self.seat.lost = true;
                self.seat.lost_at_us = None;
                self.seat.free_from_us = now.mono_us;
            }
            JournalEvent::RecordingStart | JournalEvent::RecordingResume => {
                self.recording.state = RecordingState::On;
            }
            JournalEvent::RecordingPause => self.recording.state = RecordingState::Paused,
            JournalEvent::RecordingStop { reason } => {
                self.recording.state = match reason {
                    StopReason::Closed => RecordingState::Off,
                    StopReason::Failed => RecordingState::Failed,
                };
            }
            _ => self.refold_ballot(envelope),
        }
    }
}
