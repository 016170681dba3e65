//! Who presides.
//!
//! The designated chair presides from the moment they come in. A chair whose line drops has a few
//! seconds to come back before the seat is called lost; one who clicks 离开 has none. A lost seat
//! may be taken by the secretary if one is here, else by the voting member who is here longest.

use std::collections::BTreeSet;

use signaling::view::Role;
use signaling::{Event, LeaveReason, WireError};

use super::effect::{Effect, MediaCommand, Now};
use super::refusal;
use super::state::RoomState;
use crate::domain::{EndpointId, PersonId};
use crate::journal::{Actor, ChairReason, Event as JournalEvent};

/// A dropped chair may come back within this time before the seat is lost.
pub const CHAIR_GRACE_US: i64 = 10_000_000;
/// After a restart of the server everybody is away for a moment.
pub const CHAIR_GRACE_RESTART_US: i64 = 30_000_000;
/// From opening, so long the seat is kept for the designated chair.
pub const CHAIR_AWAITED_US: i64 = 60_000_000;

#[derive(Debug, Clone)]
pub(super) struct Seat {
    /// Who presides, or presided last.
    pub holder: Option<PersonId>,
    pub lost: bool,
    /// The holder is away; at this time the seat is lost.
    pub lost_at_us: Option<i64>,
    /// A vacant seat may be taken from this time on.
    pub free_from_us: i64,
    /// Nobody has presided yet, and the seat is still kept for the designated chair.
    pub awaited: bool,
    /// What everybody was told last: presiding person, and who may take over.
    pub told: (Option<PersonId>, BTreeSet<PersonId>),
}

impl Seat {
    pub fn vacant(now: Now) -> Self {
        Self {
            holder: None,
            lost: true,
            lost_at_us: None,
            free_from_us: now.mono_us + CHAIR_AWAITED_US,
            awaited: true,
            told: (None, BTreeSet::new()),
        }
    }

    pub fn held(holder: PersonId, lost_at_us: i64) -> Self {
        Self {
            holder: Some(holder),
            lost: false,
            lost_at_us: Some(lost_at_us),
            free_from_us: lost_at_us,
            awaited: false,
            told: (Some(holder), BTreeSet::new()),
        }
    }

    pub fn presiding(&self) -> Option<PersonId> {
        self.holder.filter(|_| !self.lost)
    }

    pub fn next_timeout(&self) -> Option<i64> {
        self.lost_at_us.or(self.awaited.then_some(self.free_from_us))
    }
}

impl RoomState {
    pub(super) fn must_preside(&self, person: PersonId) -> Result<(), WireError> {
        match self.seat.presiding() == Some(person) {
            true => Ok(()),
            false => Err(refusal::not_chair()),
        }
    }

    /// The designated chair comes in and nobody has presided yet.
    pub(super) fn designated_arrives(&mut self, person: PersonId, now: Now) {
        if self.seat.holder.is_none()
            && self.setup.chair == Some(person)
            && self.here.role(person) != Some(Role::Observer)
        {
            self.seat_to(person, ChairReason::Opened, Actor::System, now);
        }
    }

    fn seat_to(&mut self, person: PersonId, reason: ChairReason, actor: Actor, now: Now) {
        let before = self.seat.holder;
        self.seat.holder = Some(person);
        self.seat.lost = false;
        self.seat.lost_at_us = None;
        self.seat.awaited = false;
        self.journal(actor, JournalEvent::Chair { person: Some(person), reason }, now);
        for changed in [before, Some(person)].into_iter().flatten() {
            self.show(changed);
        }
    }

    pub(super) fn hand_over(
        &mut self,
        by: PersonId,
        participant: &str,
        now: Now,
    ) -> Result<(), WireError> {
        self.must_preside(by)?;
        let person = self.named(participant)?;
        if !self.may_preside(person) || !self.here.is_online(person) {
            return Err(refusal::cannot_preside());
        }
        if person != by {
            self.seat_to(person, ChairReason::HandOver, by.into(), now);
        }
        Ok(())
    }

    pub(super) fn take_over(&mut self, by: PersonId, now: Now) -> Result<(), WireError> {
        if !self.candidates(now).contains(&by) {
            return Err(refusal::cannot_take_over());
        }
        self.seat_to(by, ChairReason::TakeOver, by.into(), now);
        Ok(())
    }

    /// Voting members of the roster, the designated chair and the secretaries; never observers.
    fn may_preside(&self, person: PersonId) -> bool {
        let observer = self.here.role(person).is_none_or(|role| role == Role::Observer);
        let named = self.setup.chair == Some(person) || self.setup.secretaries.contains(&person);
        !observer && (named || self.setup.roster.get(person).is_some_and(|entry| entry.voter))
    }

    /// Who may take over now; empty while somebody presides.
    fn candidates(&self, now: Now) -> BTreeSet<PersonId> {
        if !self.seat.lost || now.mono_us < self.seat.free_from_us {
            return BTreeSet::new();
        }
        let able = |person: &PersonId| self.here.is_online(*person) && self.may_preside(*person);
        let secretaries: BTreeSet<_> =
            self.setup.secretaries.iter().copied().filter(able).collect();
        if !secretaries.is_empty() {
            return secretaries;
        }
        let longest = self
            .here
            .people
            .iter()
            .filter(|(id, _)| able(id))
            .min_by_key(|(id, person)| (person.since.mono_us, **id));
        longest.map(|(id, _)| *id).into_iter().collect()
    }

    /// A chair who left by choice does not come back in a moment.
    pub(super) fn chair_departs(&mut self, person: PersonId, reason: LeaveReason, now: Now) {
        if self.seat.presiding() == Some(person) && reason == LeaveReason::User {
            self.seat.lost_at_us = Some(now.mono_us);
        }
    }

    pub(super) fn settle_chair(&mut self, now: Now) {
        if let Some(holder) = self.seat.holder {
            match (self.here.is_online(holder), self.seat.lost) {
                (true, false) => self.seat.lost_at_us = None,
                (true, true) => {
                    self.seat_to(holder, ChairReason::Returned, Actor::System, now);
                }
                (false, false) => {
                    let at = *self.seat.lost_at_us.get_or_insert(now.mono_us + CHAIR_GRACE_US);
                    if now.mono_us >= at {
                        self.seat.lost = true;
                        self.seat.lost_at_us = None;
                        self.seat.free_from_us = now.mono_us;
                        let lost = JournalEvent::Chair { person: None, reason: ChairReason::Lost };
                        self.journal(Actor::System, lost, now);
                        self.show(holder);
                    }
                }
                (false, true) => {}
            }
        }
        if now.mono_us >= self.seat.free_from_us {
            self.seat.awaited = false;
        }
        let told = (self.seat.presiding(), self.candidates(now));
        if told != self.seat.told {
            if told.0 != self.seat.told.0 {
                self.out.push(Effect::Media(MediaCommand::SetChair { chair: told.0 }));
            }
            self.seat.told = told;
            for endpoint in self.here.present() {
                self.tell_chair(endpoint, now);
            }
        }
    }

    pub(super) fn tell_chair(&mut self, endpoint: EndpointId, now: Now) {
        let Some(person) = self.here.person_of(endpoint) else { return };
        let event = Event::Chair {
            chair: self.seat.presiding().map(|id| id.to_string()),
            may_take_over: self.candidates(now).contains(&person),
        };
        self.out.push(Effect::Send { endpoint, event });
    }
}
