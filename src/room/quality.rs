//! Connection quality: graded by the media sampler, told to everybody, seldom.

use signaling::view::Grade;
use signaling::{Event, ParticipantQuality};

use super::effect::{Effect, Now};
use super::state::RoomState;
use crate::domain::EndpointId;

/// Between two `quality` events of a room.
const EVERY_US: i64 = 1_000_000;
/// People in one event: 100 of them are some 7 KiB. The rest comes a second later.
const MOST: usize = 100;

impl RoomState {
    pub(super) fn quality(&mut self, grades: &[(EndpointId, Grade)]) {
        for (endpoint, grade) in grades {
            let Some(id) = self.here.person_of(*endpoint) else { continue };
            if self.here.publisher(id) != Some(*endpoint) {
                continue;
            }
            let Some(person) = self.here.people.get_mut(&id) else { continue };
            if person.quality.replace(*grade) != Some(*grade) {
                self.quality_changed.insert(id);
            }
        }
    }

    pub(super) fn settle_quality(&mut self, now: Now) {
        if self.quality_due().is_none_or(|due| due > now.mono_us) {
            return;
        }
        let mut participants = Vec::new();
        while let Some(id) = self.quality_changed.pop_first() {
            // Who has gone meanwhile is not told of.
            let grade = self.here.people.get(&id).and_then(|person| person.quality);
            if let Some(grade) = grade.filter(|_| self.here.is_online(id)) {
                participants.push(ParticipantQuality { participant: id.to_string(), grade });
            }
            if participants.len() == MOST {
                break;
            }
        }
        if !participants.is_empty() {
            self.quality_told_mono_us = now.mono_us;
            self.out.push(Effect::Broadcast(Event::Quality { participants }));
        }
    }

    pub(super) fn quality_due(&self) -> Option<i64> {
        (!self.quality_changed.is_empty()).then(|| self.quality_told_mono_us + EVERY_US)
    }
}
