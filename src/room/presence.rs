//! Who comes and goes.
//!
//! Present is who has a live line, from the durable `join` to the last frame. A dropped line ends
//! the presence in the journal at once; what stays for a minute is only the endpoint: its media,
//! and the possibility to resume. The words are those of decisions on presence: `drop` is bridged
//! later by the attendance fold, a clicked 离开 never is.

use std::collections::btree_map::Entry;

use signaling::view::Role;
use signaling::{Event, LeaveReason};

use super::effect::{Arrival, Effect, MediaCommand, Now, Stream};
use super::participants::{Endpoint, Line, Person};
use super::refusal;
use super::sites::site_of;
use super::state::RoomState;
use crate::domain::{EndpointId, PersonId};
use crate::journal::{Actor, Event as JournalEvent};

/// How long a lost line can be resumed.
pub const RESUME_US: i64 = signaling::limits::RESUME_WINDOW_US as i64;
/// While the session is open the journal says this often who is present.
pub const CHECKPOINT_US: i64 = 5_000_000;
/// Who was asked to leave stays out so long.
pub const REMOVED_US: i64 = 5 * 60 * 1_000_000;

impl RoomState {
    pub(super) fn arrive(&mut self, arrival: Arrival, now: Now) {
        self.removed.retain(|(_, until)| *until > now.mono_us);
        if self.removed.iter().any(|(person, _)| *person == arrival.person) {
            let error = refusal::removed();
            return self.out.push(Effect::Reject { ticket: arrival.ticket, error });
        }
        match arrival.previous {
            Some(previous) if self.owns(&arrival, previous.endpoint) && previous.replayable => {
                return self.resume(arrival, previous.endpoint, previous.last_frame_mono_us, now);
            }
            Some(previous) if self.owns(&arrival, previous.endpoint) => {
                self.line_lost(previous.endpoint, previous.last_frame_mono_us, now);
            }
            _ => {}
        }
        if arrival.site.is_some() && self.is_one_site_too_many(arrival.person) {
            let error = refusal::too_many_sites();
            return self.out.push(Effect::Reject { ticket: arrival.ticket, error });
        }
        if let Some(stream) = arrival.stream {
            return self.enter_stream(arrival, stream, now);
        }
        self.enter(arrival, now);
    }

    fn owns(&self, arrival: &Arrival, endpoint: EndpointId) -> bool {
        self.here.person_of(endpoint) == Some(arrival.person)
            && self.here.role(arrival.person) == Some(arrival.role)
    }

    fn resume(&mut self, arrival: Arrival, id: EndpointId, last_frame_us: i64, now: Now) {
        // The server may not have noticed yet that the old line died.
        self.line_lost(id, last_frame_us, now);
        if let Some(endpoint) = self.here.endpoints.get_mut(&id) {
            endpoint.line = Line::Up;
            endpoint.device.clone_from(&arrival.device);
        }
        if let Some(site) = arrival.site {
            self.site_enters(arrival.person, id, &arrival.name, site, now);
        } else {
            let rejoin = JournalEvent::Rejoin {
                person: arrival.person,
                endpoint: id,
                device: arrival.device.clone(),
            };
            self.journal(arrival.person.into(), rejoin, now);
            self.consent(arrival.person, arrival.consent, now);
        }
        self.admit(arrival.ticket, id, true, now);
        self.show(arrival.person);
    }

    pub(super) fn enter(&mut self, arrival: Arrival, now: Now) {
        let Arrival { person, endpoint, .. } = arrival;
        // An endpoint whose line is lost makes way: a reloaded page is a new one.
        let stale = self.lost_endpoints_of(person);
        let known = self.here.people.contains_key(&person);
        let replaced = self.here.publisher(person).filter(|id| !stale.contains(id));
        let (first_consent, entry) = match self.here.people.entry(person) {
            Entry::Occupied(entry) => (false, entry.into_mut()),
            Entry::Vacant(entry) => (
                true,
                entry.insert(Person {
                    name: arrival.name.clone(),
                    role: arrival.role,
                    org_name: arrival.org_name.clone(),
                    class: arrival.class,
                    consent: arrival.consent,
                    hand: false,
                    quality: None,
                    since: now,
                    endpoints: Vec::new(),
                }),
            ),
        };
        entry.endpoints.push(endpoint);
        let slots = self.here.slots_for(person);
        self.here.endpoints.insert(
            endpoint,
            Endpoint {
                person,
                device: arrival.device.clone(),
                resume_token: arrival.resume_token,
                line: Line::Up,
                stated: Default::default(),
                published: Default::default(),
                slots,
                stream: arrival.stream,
            },
        );
        for id in stale {
            self.forget(id);
        }
        let name = arrival.name.clone();
        let joined = match arrival.role {
            Role::Observer => JournalEvent::ObserverEnter {
                person,
                endpoint,
                device: arrival.device,
                name: arrival.name,
                org_name: arrival.org_name,
            },
            role => JournalEvent::Join {
                person,
                endpoint,
                role,
                device: arrival.device,
                name: arrival.name,
                org_name: arrival.org_name,
            },
        };
        if matches!(arrival.stream, Some(Stream::Watch(_))) {
            // A token's first player stands for all, and shows nothing that could be recorded.
            if let Entry::Vacant(viewer) = self.viewers.entry(person) {
                viewer.insert(endpoint);
                self.journal(person.into(), joined, now);
            }
        } else if let Some(site) = arrival.site {
            self.site_enters(person, endpoint, &name, site, now);
        } else {
            self.journal(person.into(), joined, now);
            self.first_or_new_consent(first_consent, person, arrival.consent, now);
        }
        // Before the newcomer is admitted: others get `joined`, the newcomer the snapshot.
        if known {
            self.show(person);
        } else if let Some(participant) = self.view(person) {
            self.out.push(Effect::Broadcast(Event::ParticipantJoined { participant }));
        }
        let replaced = replaced.filter(|id| !self.is_stream(*id));
        if let Some(old) = replaced.filter(|_| arrival.role != Role::Observer) {
            self.silence(old, now);
            self.out.push(Effect::Send { endpoint: old, event: Event::Replaced });
        }
        self.designated_arrives(person, now);
        self.admit(arrival.ticket, endpoint, false, now);
    }

    fn first_or_new_consent(&mut self, first: bool, person: PersonId, accepted: bool, now: Now) {
        if first {
            self.journal(person.into(), JournalEvent::Consent { person, accepted }, now);
        } else {
            self.consent(person, accepted, now);
        }
    }

    fn admit(&mut self, ticket: super::effect::Ticket, id: EndpointId, resumed: bool, now: Now) {
        if let Some(welcome) = self.welcome_of(id, now) {
            self.out.push(Effect::Admit { ticket, endpoint: id, resumed, welcome });
            self.tell_chair(id, now);
            self.tell_arrived(id, now);
        }
    }

    fn consent(&mut self, person: PersonId, accepted: bool, now: Now) {
        let Some(entry) = self.here.people.get_mut(&person) else { return };
        if entry.consent != accepted {
            entry.consent = accepted;
            self.journal(person.into(), JournalEvent::Consent { person, accepted }, now);
        }
    }

    fn lost_endpoints_of(&self, person: PersonId) -> Vec<EndpointId> {
        let ids = self.here.people.get(&person).map(|p| p.endpoints.clone()).unwrap_or_default();
        ids.into_iter()
            .filter(|id| self.here.endpoints.get(id).is_some_and(|e| !e.is_up()))
            .collect()
    }

    /// The line of an endpoint is dead: presence ends at the last frame.
    pub(super) fn line_lost(&mut self, id: EndpointId, last_frame_mono_us: i64, now: Now) {
        let Some(endpoint) = self.here.endpoints.get_mut(&id) else { return };
        if !endpoint.is_up() {
            return;
        }
        if endpoint.stream.is_some() {
            // Nobody can resume it.
            return self.end_stream(id, last_frame_mono_us, now);
        }
        let last_frame_mono_us = last_frame_mono_us.clamp(0, now.mono_us);
        endpoint.line = Line::Lost { last_frame_mono_us };
        let person = endpoint.person;
        self.journal_leave(id, person, LeaveReason::Drop, last_frame_mono_us, Actor::System, now);
        self.show(person);
    }

    pub(super) fn journal_leave(
        &mut self,
        mut endpoint: EndpointId,
        person: PersonId,
        reason: LeaveReason,
        last_frame_mono_us: i64,
        actor: Actor,
        now: Now,
    ) {
        if self.here.endpoints.get(&endpoint).is_some_and(Endpoint::watches) {
            let others = self.here.people.get(&person).is_some_and(|p| p.endpoints.len() > 1);
            // The journal knows one of a viewer's players; it leaves with the last of them.
            let Some(viewer) = (!others).then(|| self.viewers.remove(&person)).flatten() else {
                return;
            };
            endpoint = viewer;
        }
        let event = match self.here.role(person) {
            Some(Role::Observer) => {
                JournalEvent::ObserverExit { person, endpoint, reason, last_frame_mono_us }
            }
            Some(Role::Site) => {
                let site = site_of(person);
                JournalEvent::SiteExit { site, endpoint, reason, last_frame_mono_us }
            }
            _ => JournalEvent::Leave { person, endpoint, reason, last_frame_mono_us },
        };
        self.journal(actor, event, now);
    }

    /// 离开, clicked.
    pub(super) fn leave(&mut self, id: EndpointId, now: Now) {
        let Some(person) = self.here.person_of(id) else { return };
        self.journal_leave(id, person, LeaveReason::User, now.mono_us, person.into(), now);
        self.depart(id, LeaveReason::User, now);
        let error = signaling::WireError::new(
            signaling::ErrorCode::SessionEnded,
            "您已离开会场，可以随时重新进入",
        );
        self.out.push(Effect::Bye { endpoint: id, error });
    }

    /// The sign-in behind an endpoint was ended: it leaves at once and cannot be resumed. For the
    /// record it is a drop: whoever signs in again within a minute was not absent.
    pub(super) fn signed_out(&mut self, id: EndpointId, now: Now) {
        self.line_lost(id, now.mono_us, now);
        self.depart(id, LeaveReason::Drop, now);
        self.close_line(id);
    }

    /// The chair asks a person to leave, on every device.
    pub(super) fn remove(
        &mut self,
        by: PersonId,
        participant: &str,
        now: Now,
    ) -> Result<(), signaling::WireError> {
        self.must_preside(by)?;
        let person = self.named(participant)?;
        let superior =
            self.here.role(person) == Some(Role::Observer) && !self.viewers.contains_key(&person);
        if person == by || superior {
            return Err(refusal::cannot_remove());
        }
        self.journal(by.into(), JournalEvent::Kick { person }, now);
        let endpoints = self.here.people.get(&person).map(|p| p.endpoints.clone());
        for id in endpoints.unwrap_or_default() {
            if self.here.endpoints.get(&id).is_some_and(Endpoint::is_up) {
                self.journal_leave(id, person, LeaveReason::Kick, now.mono_us, by.into(), now);
            }
            self.depart(id, LeaveReason::Kick, now);
            self.out.push(Effect::Bye { endpoint: id, error: refusal::removed() });
        }
        self.removed.push((person, now.mono_us + REMOVED_US));
        Ok(())
    }

    fn forget(&mut self, id: EndpointId) {
        self.here.remove(id);
        self.out.push(Effect::Media(MediaCommand::RemovePeer { endpoint: id }));
        self.close_line(id);
    }

    fn close_line(&mut self, id: EndpointId) {
        let error = signaling::WireError::new(
            signaling::ErrorCode::Restarting,
            "连接已由新的连接代替，请重新进入",
        );
        self.out.push(Effect::Bye { endpoint: id, error });
    }

    /// Takes an endpoint out of the room; the leave is in the journal already.
    pub(super) fn depart(&mut self, id: EndpointId, reason: LeaveReason, now: Now) {
        let published = self.here.person_of(id).and_then(|person| self.here.publisher(person));
        let Some((gone, last)) = self.here.remove(id) else { return };
        self.out.push(Effect::Media(MediaCommand::RemovePeer { endpoint: id }));
        if self.speaker == Some(gone.person) && last {
            self.speaker = None;
            self.voice_heard(None, now);
            self.out.push(Effect::Broadcast(Event::Speaker { participant: None }));
        }
        if last {
            let participant = gone.person.to_string();
            self.out.push(Effect::Broadcast(Event::ParticipantLeft { participant, reason }));
            self.chair_departs(gone.person, reason, now);
        } else {
            self.show(gone.person);
            if published == Some(id) && self.here.role(gone.person) != Some(Role::Observer) {
                self.may_publish_again(gone.person);
            }
        }
    }

    fn may_publish_again(&mut self, person: PersonId) {
        if let Some(endpoint) = self.here.publisher(person) {
            self.out.push(Effect::Send { endpoint, event: Event::MayPublish });
        }
    }

    pub(super) fn expire_lines(&mut self, now: Now) {
        let expired: Vec<_> = self
            .here
            .endpoints
            .iter()
            .filter(|(_, e)| matches!(e.line, Line::Lost { last_frame_mono_us } if now.mono_us >= last_frame_mono_us + RESUME_US))
            .map(|(id, _)| *id)
            .collect();
        for id in expired {
            self.depart(id, LeaveReason::Drop, now);
            self.close_line(id);
        }
    }

    pub(super) fn next_line_expiry(&self) -> Option<i64> {
        let lost = self.here.endpoints.values().filter_map(|e| match e.line {
            Line::Lost { last_frame_mono_us } => Some(last_frame_mono_us + RESUME_US),
            Line::Up => None,
        });
        lost.min()
    }

    pub(super) fn checkpoint(&mut self, now: Now) {
        if now.mono_us < self.next_checkpoint_us {
            return;
        }
        self.next_checkpoint_us = now.mono_us + CHECKPOINT_US;
        let present = self.journalled();
        if !present.is_empty() {
            self.journal(Actor::System, JournalEvent::Checkpoint { present }, now);
        }
    }

    /// 散会: whoever is still here has been here to the end.
    pub(super) fn everybody_leaves(&mut self, now: Now) {
        for id in self.here.present() {
            let reason = LeaveReason::Server;
            match self.here.endpoints.get(&id) {
                Some(endpoint) if !endpoint.watches() => {
                    let person = endpoint.person;
                    self.journal_leave(id, person, reason, now.mono_us, Actor::System, now);
                }
                _ => {}
            }
        }
        for (person, endpoint) in std::mem::take(&mut self.viewers) {
            let last_frame_mono_us = now.mono_us;
            let reason = LeaveReason::Server;
            let exit = JournalEvent::ObserverExit { person, endpoint, reason, last_frame_mono_us };
            self.journal(Actor::System, exit, now);
        }
    }
}
