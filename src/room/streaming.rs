//! Devices without a websocket: encoders that publish over WHIP and players over WHEP.
//!
//! They come in like anybody else and are here as long as their media is: until they are ended by
//! their own request, by the chair, or by silence of their ICE. A publisher is a participant,
//! outside 应到 and 实到. A player is somebody who watches, and nobody watches unseen: the holder
//! of its token is listed as 列席 and stands in the journal once, however many players there are.

use signaling::{LeaveReason, WireError};

use super::effect::{Arrival, Effect, MediaCommand, Now, Programme, Stream};
use super::refusal;
use super::state::RoomState;
use crate::domain::{EndpointId, PersonId};
use crate::journal::Actor;

impl RoomState {
    pub(super) fn enter_stream(&mut self, arrival: Arrival, stream: Stream, now: Now) {
        if let Stream::Watch(Some(person)) = stream
            && !self.here.people.contains_key(&person)
            && !self.setup.roster.contains(person)
        {
            let error = refusal::no_such_participant();
            return self.out.push(Effect::Reject { ticket: arrival.ticket, error });
        }
        let person = arrival.person;
        let before = match stream {
            Stream::Publish => self.streams_of(person),
            Stream::Watch(_) => Vec::new(),
        };
        self.enter(arrival, now);
        // An encoder that starts again has not said good-bye: the newest publishes, alone.
        for old in before {
            self.end_stream(old, now.mono_us, now);
        }
    }

    fn streams_of(&self, person: PersonId) -> Vec<EndpointId> {
        let ids = self.here.people.get(&person).map(|p| p.endpoints.clone()).unwrap_or_default();
        ids.into_iter().filter(|id| self.is_stream(*id)).collect()
    }

    pub(super) fn is_stream(&self, id: EndpointId) -> bool {
        self.here.endpoints.get(&id).is_some_and(|endpoint| endpoint.stream.is_some())
    }

    /// Its media has ended: so has its presence.
    pub(super) fn end_stream(&mut self, id: EndpointId, last_heard_mono_us: i64, now: Now) {
        let Some(person) = self.here.person_of(id) else { return };
        let last = last_heard_mono_us.clamp(0, now.mono_us);
        self.journal_leave(id, person, LeaveReason::Drop, last, Actor::System, now);
        self.depart(id, LeaveReason::Drop, now);
        self.out.push(Effect::Bye { endpoint: id, error: stream_ended() });
    }

    /// Endpoints that stand in the journal as present.
    pub(super) fn journalled(&self) -> Vec<EndpointId> {
        let present = self.here.present().into_iter();
        let watches = |id: &EndpointId| self.here.endpoints.get(id).is_some_and(|e| e.watches());
        present.filter(|id| !watches(id)).chain(self.viewers.values().copied()).collect()
    }

    /// Tells the shard whom players of the whole room see, if there are any.
    pub(super) fn settle_programme(&mut self) {
        if self.viewers.is_empty() {
            return;
        }
        let publishes = |id: &PersonId| {
            let newest = self.here.publisher(*id).and_then(|id| self.here.endpoints.get(&id));
            newest.is_some_and(|endpoint| endpoint.stream == Some(Stream::Publish))
        };
        let publishers = self.here.people.iter().filter(|(id, _)| publishes(id));
        let lead = publishers.max_by_key(|(id, person)| (person.since.mono_us, **id));
        let is_here = |person: &PersonId| self.here.people.contains_key(person);
        let programme = Programme {
            lead: lead.map(|(id, _)| *id),
            // Silence changes nothing.
            speaker: self
                .speaker
                .or(self.programme.speaker)
                .filter(is_here)
                .or_else(|| self.seat.presiding()),
        };
        if programme != self.programme {
            self.programme = programme;
            self.out.push(Effect::Media(MediaCommand::SetProgramme(programme)));
        }
    }
}

fn stream_ended() -> WireError {
    WireError::new(signaling::ErrorCode::NotFound, "推流或播放已结束，请重新开始")
}
