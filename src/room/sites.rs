//! Rooms with many people before one device (会场): the code on their screen, and who checks in.
//!
//! The device of a room is a participant that shows and hears, and nobody in any count. Its people
//! are those checked in while it is connected.

use signaling::view::{SessionState, SiteView};
use signaling::{Event, WireError};

use super::effect::{Effect, Now, SiteArrival};
use super::refusal;
use super::roll::MAX_SITES;
use super::state::RoomState;
use crate::auth::checkin::{Code, GOOD_FOR_US, SLOT_US};
use crate::domain::{EndpointId, PersonId, SiteId};
use crate::journal::{CheckinMethod, Event as JournalEvent};

/// A site among the participants of the room.
pub(super) fn participant_of(site: SiteId) -> PersonId {
    PersonId::from(*site.as_uuid())
}

pub(super) fn site_of(participant: PersonId) -> SiteId {
    SiteId::from(*participant.as_uuid())
}

/// Reasons and names that people type: in the journal for ever, so neither empty nor long.
pub(super) const MAX_WORDS: usize = 200;

fn slot_of(mono_us: i64) -> u32 {
    u32::try_from(mono_us.max(0) / SLOT_US).unwrap_or(u32::MAX)
}

impl RoomState {
    /// On a device of one's own, or checked in at a site that is connected.
    pub(super) fn is_present(&self, person: PersonId) -> bool {
        let own = self.here.is_online(person)
            && self.here.role(person) != Some(signaling::view::Role::Observer);
        own || self.is_in_a_room(person)
    }

    pub(super) fn is_in_a_room(&self, person: PersonId) -> bool {
        let checkin = self.roll.checkins.get(&person).filter(|checkin| checkin.confirmed);
        checkin.is_some_and(|checkin| self.here.is_online(participant_of(checkin.site)))
    }

    /// The device of a site is connected: for the journal, and for who checks in there.
    pub(super) fn site_enters(
        &mut self,
        participant: PersonId,
        endpoint: EndpointId,
        name: &str,
        arrival: SiteArrival,
        now: Now,
    ) {
        let site = site_of(participant);
        let expected = arrival.expected;
        let entered = JournalEvent::SiteEnter { site, endpoint, name: name.to_owned(), expected };
        self.record(arrival.opener.into(), entered, now);
    }

    pub(super) fn is_one_site_too_many(&self, participant: PersonId) -> bool {
        let known = self.roll.sites.contains_key(&site_of(participant));
        !known && self.roll.sites.len() >= MAX_SITES
    }

    /// What a newcomer is shown besides the snapshot.
    pub(super) fn tell_arrived(&mut self, endpoint: EndpointId, now: Now) {
        if self.roll.rollcall_open {
            self.tell_rollcall(endpoint);
        }
        let role = self.here.person_of(endpoint).map(|person| (person, self.here.role(person)));
        if let Some((person, Some(signaling::view::Role::Site))) = role {
            self.tell_site(site_of(person), now);
        }
    }

    /// A member scanned the code on a site's screen with their own phone (A17: a code that is too
    /// old, or was used, is none).
    pub(super) fn scan(
        &mut self,
        person: PersonId,
        text: &str,
        now: Now,
    ) -> Result<String, WireError> {
        let code = self.setup.checkin.read(self.setup.session, text);
        let code = code.ok_or_else(refusal::code_invalid)?;
        let age = now.mono_us - i64::from(code.slot) * SLOT_US;
        if !(0..=GOOD_FOR_US).contains(&age) {
            return Err(refusal::code_invalid());
        }
        let site = self.roll.sites.get(&code.site).ok_or_else(refusal::code_invalid)?;
        let name = site.name.clone();
        if !self.setup.roster.contains(person) {
            return Err(refusal::not_on_roster());
        }
        if self.roll.used.contains(&(code.slot, code.site, person)) {
            return Err(refusal::code_used());
        }
        let checkin = JournalEvent::RoomCheckin {
            person,
            site: code.site,
            method: CheckinMethod::Qr,
            slot: Some(code.slot),
            reason: None,
            confirmed: true,
        };
        self.record(person.into(), checkin, now);
        Ok(name)
    }

    /// Ticked on the list by chair or recorder, for who has no phone.
    pub(super) fn check_in(
        &mut self,
        by: PersonId,
        participant: &str,
        site: &str,
        reason: &str,
        now: Now,
    ) -> Result<(), WireError> {
        self.must_record(by)?;
        let person = self.listed(participant)?;
        let site: SiteId = site.parse().map_err(|_| refusal::no_such_site())?;
        if !self.roll.sites.contains_key(&site) {
            return Err(refusal::no_such_site());
        }
        let reason = words(reason).ok_or_else(refusal::reason_wanted)?;
        if self.roll.checkins.get(&person).is_some_and(|c| c.site == site) {
            return Err(refusal::checked_in_already());
        }
        let checkin = JournalEvent::RoomCheckin {
            person,
            site,
            method: CheckinMethod::List,
            slot: None,
            reason: Some(reason),
            confirmed: self.seat.presiding() == Some(by),
        };
        self.record(by.into(), checkin, now);
        Ok(())
    }

    /// The chair confirms a tick on the list, or does not.
    pub(super) fn decide_checkin(
        &mut self,
        by: PersonId,
        participant: &str,
        accepted: bool,
        now: Now,
    ) -> Result<(), WireError> {
        self.must_preside(by)?;
        let person = self.listed(participant)?;
        let waiting = self.roll.checkins.get(&person).filter(|checkin| !checkin.confirmed);
        let site = waiting.ok_or_else(refusal::not_checked_in)?.site;
        self.record(by.into(), JournalEvent::CheckinDecided { person, site, accepted }, now);
        Ok(())
    }

    pub(super) fn check_out(
        &mut self,
        by: PersonId,
        person: PersonId,
        now: Now,
    ) -> Result<(), WireError> {
        if by != person {
            self.must_record(by)?;
        }
        let site = self.roll.checkins.get(&person).ok_or_else(refusal::not_checked_in)?.site;
        self.record(by.into(), JournalEvent::RoomCheckout { person, site }, now);
        Ok(())
    }

    /// Somebody of the roster, named by a client.
    pub(super) fn listed(&self, text: &str) -> Result<PersonId, WireError> {
        let person: PersonId = text.parse().map_err(|_| refusal::no_such_member())?;
        match self.setup.roster.contains(person) {
            true => Ok(person),
            false => Err(refusal::no_such_member()),
        }
    }

    /// Who has no right to the list is told so, whoever they name.
    pub(super) fn listed_for(&self, by: PersonId, text: &str) -> Result<PersonId, WireError> {
        self.must_record(by)?;
        self.listed(text)
    }

    pub(super) fn must_record(&self, by: PersonId) -> Result<(), WireError> {
        let recorder = self.here.role(by) == Some(signaling::view::Role::Recorder);
        match recorder || self.seat.presiding() == Some(by) {
            true => Ok(()),
            false => Err(refusal::not_chair_or_recorder()),
        }
    }

    /// Sites that are connected show a new code in each slot, and how many have checked in.
    pub(super) fn settle_sites(&mut self, now: Now) {
        let slot = slot_of(now.mono_us);
        let new_slot = self.roll.slot_shown != Some(slot);
        if new_slot {
            self.roll.slot_shown = Some(slot);
            let oldest = slot.saturating_sub((GOOD_FOR_US / SLOT_US) as u32);
            self.roll.used.retain(|(used, _, _)| *used >= oldest);
        }
        let sites: Vec<SiteId> = self.roll.sites.keys().copied().collect();
        for site in sites {
            let present = self.roll.present_at(site);
            if new_slot || self.roll.site_told.get(&site) != Some(&present) {
                self.roll.site_told.insert(site, present);
                self.tell_site(site, now);
            }
        }
    }

    pub(super) fn next_slot(&self, now_slot: Option<u32>) -> Option<i64> {
        let online = |site: &SiteId| self.here.is_online(participant_of(*site));
        let slot = now_slot?;
        self.roll.sites.keys().any(online).then(|| (i64::from(slot) + 1) * SLOT_US)
    }

    pub(super) fn tell_site(&mut self, site: SiteId, now: Now) {
        let Some(view) = self.site_view(site, now) else { return };
        let person = self.here.people.get(&participant_of(site));
        for endpoint in person.map(|p| p.endpoints.clone()).unwrap_or_default() {
            self.out.push(Effect::Send { endpoint, event: Event::Site { site: view.clone() } });
        }
    }

    fn site_view(&self, site: SiteId, now: Now) -> Option<SiteView> {
        let known = self.roll.sites.get(&site)?;
        let slot = slot_of(now.mono_us);
        let left_us = (i64::from(slot) + 1) * SLOT_US - now.mono_us;
        Some(SiteView {
            id: site.to_string(),
            name: known.name.clone(),
            expected: known.expected,
            checked_in: self.roll.present_at(site),
            code: self.setup.checkin.sign(self.setup.session, Code { site, slot }),
            code_until_us: now.wall_us + left_us,
        })
    }

    /// 休会 and 继续, by the chair: the official time stands still, and with it a recording that
    /// was running.
    pub(super) fn pause(&mut self, by: PersonId, paused: bool, now: Now) -> Result<(), WireError> {
        self.must_preside(by)?;
        if self.state != SessionState::DeclaredOpen {
            return Err(refusal::not_declared());
        }
        if self.roll.paused_us.is_some() == paused {
            return Ok(());
        }
        use signaling::view::RecordingState::{On, Paused};
        if paused {
            self.roll.pause_stopped_recording = self.recording.state == On;
            self.record(by.into(), JournalEvent::Paused, now);
            if self.roll.pause_stopped_recording {
                self.recording_pause(by, true, now)?;
            }
        } else {
            self.record(by.into(), JournalEvent::Resumed, now);
            if std::mem::take(&mut self.roll.pause_stopped_recording)
                && self.recording.state == Paused
            {
                self.recording_pause(by, false, now)?;
            }
        }
        self.out.push(Effect::Broadcast(Event::Paused { paused, at_us: now.wall_us }));
        Ok(())
    }

    /// Journals a fact about attendance and takes it in.
    pub(super) fn record(&mut self, actor: crate::journal::Actor, event: JournalEvent, now: Now) {
        self.roll.refold(&event, now.wall_us, now.mono_us);
        self.journal(actor, event, now);
    }
}

/// Trimmed; none when empty, too long, or with control characters in it.
pub(super) fn words(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = (1..=MAX_WORDS).contains(&text.chars().count());
    (fits && !text.chars().any(char::is_control)).then(|| text.to_owned())
}
