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
use super::sites::{participant_of, site_of};
use super::state::RoomState;
use crate::domain::{EndpointId, PersonId, Standing};
use crate::journal::{Actor, Envelope, Event as JournalEvent, StopReason};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Member,
    Observer,
    Site,
}

struct Connected {
    person: PersonId,
    sort: Sort,
    seen_mono_us: i64,
}

impl RoomState {
    /// A room that was opened just now, with the leave that was granted before.
    pub fn begin(setup: RoomSetup, opening: &[Envelope], now: Now) -> Self {
        let mut room = Self::open(setup, now);
        for envelope in opening {
            room.roll.refold(&envelope.event, envelope.at_us, envelope.mono_us);
        }
        room.counts = room.count();
        room
    }

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
        room.counts = room.count();
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
            let event = match was.sort {
                Sort::Observer => {
                    JournalEvent::ObserverExit { person, endpoint, reason, last_frame_mono_us }
                }
                Sort::Member => {
                    JournalEvent::Leave { person, endpoint, reason, last_frame_mono_us }
                }
                Sort::Site => {
                    let site = site_of(person);
                    JournalEvent::SiteExit { site, endpoint, reason, last_frame_mono_us }
                }
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
        self.roll.refold(&envelope.event, wall_us, mono_us);
        let mut connect = |endpoint: EndpointId, person: PersonId, sort: Sort| {
            connected.insert(endpoint, Connected { person, sort, seen_mono_us: mono_us });
        };
        match &envelope.event {
            JournalEvent::Join { person, endpoint, .. } => {
                connect(*endpoint, *person, Sort::Member);
            }
            JournalEvent::ObserverEnter { person, endpoint, .. } => {
                connect(*endpoint, *person, Sort::Observer);
            }
            JournalEvent::SiteEnter { site, endpoint, .. } => {
                connect(*endpoint, participant_of(*site), Sort::Site);
            }
            JournalEvent::Rejoin { person, endpoint, .. } => {
                let member = self.setup.roster.contains(*person);
                connect(*endpoint, *person, if member { Sort::Member } else { Sort::Observer });
            }
            JournalEvent::Correction { change, .. } => self.lay_over(change),
            JournalEvent::KnockAnswered { person, admitted: true } => {
                if !self.setup.roster.contains(*person) {
                    let (person, standing) = (*person, Standing::Observer);
                    self.out.push(Effect::StoreStanding { person, standing });
                }
            }
            JournalEvent::RollcallPlanned { times, within_s, window_s } => {
                self.plan(*times, *within_s, *window_s, mono_us);
            }
            JournalEvent::Paused => {
                self.roll.pause_stopped_recording = self.recording.state == RecordingState::On;
            }
            JournalEvent::Leave { endpoint, .. }
            | JournalEvent::ObserverExit { endpoint, .. }
            | JournalEvent::SiteExit { endpoint, .. } => {
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
