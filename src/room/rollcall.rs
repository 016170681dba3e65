//! 点名: by chair or recorder, or by itself at random instants. Who does not answer is a flag for
//! the recorder and nothing else (`domain.md` §3.3, point 5): old phones, ballots in hand and
//! shared rooms make silence common.

use signaling::view::{RollcallView, SessionState};
use signaling::{Event, WireError};

use super::effect::{Effect, Now};
use super::refusal;
use super::roll::Plan;
use super::state::RoomState;
use crate::domain::{EndpointId, PersonId};
use crate::journal::{Actor, Event as JournalEvent};

/// Time to answer, in seconds.
pub const WINDOW_S: std::ops::RangeInclusive<u32> = 60..=120;
/// Random roll-calls of one plan, and the minutes in which they may come.
pub const MAX_TIMES: u32 = 10;
pub const MAX_WITHIN_MIN: u32 = 8 * 60;

impl RoomState {
    pub(super) fn rollcall_open(
        &mut self,
        by: PersonId,
        window_s: u32,
        now: Now,
    ) -> Result<(), WireError> {
        self.must_record(by)?;
        if !WINDOW_S.contains(&window_s) {
            return Err(refusal::bad_window());
        }
        if self.state != SessionState::DeclaredOpen {
            return Err(refusal::not_declared());
        }
        if self.roll.paused_us.is_some() {
            return Err(refusal::is_paused());
        }
        if self.roll.rollcall_open {
            return Err(refusal::rollcall_runs());
        }
        self.open_rollcall(by.into(), false, window_s, now);
        Ok(())
    }

    /// A new plan takes the place of the old one; none with zero times.
    pub(super) fn rollcall_plan(
        &mut self,
        by: PersonId,
        times: u32,
        within_min: u32,
        window_s: u32,
        now: Now,
    ) -> Result<(), WireError> {
        self.must_record(by)?;
        let fits = times <= MAX_TIMES && (1..=MAX_WITHIN_MIN).contains(&within_min);
        if !fits || !WINDOW_S.contains(&window_s) {
            return Err(refusal::bad_window());
        }
        let within_s = within_min * 60;
        self.record(by.into(), JournalEvent::RollcallPlanned { times, within_s, window_s }, now);
        self.plan(times, within_s, window_s, now.mono_us);
        Ok(())
    }

    /// The instants are drawn with the installation's key, so that a restart draws the same.
    pub(super) fn plan(&mut self, times: u32, within_s: u32, window_s: u32, mono_us: i64) {
        let within_us = i64::from(within_s) * 1_000_000;
        let key = &self.setup.checkin;
        let instants = key.instants(self.setup.session, mono_us, within_us, times);
        self.roll.plan = (times > 0).then_some(Plan { instants, window_s });
    }

    fn open_rollcall(&mut self, actor: Actor, auto: bool, window_s: u32, now: Now) {
        let due = self.setup.roster.iter().filter(|e| self.counts_as_due(e));
        let asked: Vec<PersonId> =
            due.map(|e| e.person_id).filter(|person| self.is_present(*person)).collect();
        let rollcall = self.roll.rollcall.as_ref().map_or(1, |last| last.number + 1);
        let opened = JournalEvent::RollcallOpened { rollcall, auto, window_s, asked };
        self.record(actor, opened, now);
        self.tell_rollcall_to_all();
    }

    /// 在场, by oneself.
    pub(super) fn rollcall_answer(
        &mut self,
        person: PersonId,
        rollcall: u32,
        now: Now,
    ) -> Result<(), WireError> {
        self.answer(person, person, Some(rollcall), now)
    }

    /// For somebody in a room, by chair or recorder.
    pub(super) fn rollcall_mark(
        &mut self,
        by: PersonId,
        participant: &str,
        now: Now,
    ) -> Result<(), WireError> {
        self.must_record(by)?;
        let person = self.listed(participant)?;
        self.answer(by, person, None, now)
    }

    fn answer(
        &mut self,
        by: PersonId,
        person: PersonId,
        number: Option<u32>,
        now: Now,
    ) -> Result<(), WireError> {
        let running = self.roll.rollcall.as_ref().filter(|_| self.roll.rollcall_open);
        let running = running.filter(|r| number.is_none_or(|number| number == r.number));
        let running = running.ok_or_else(refusal::rollcall_over)?;
        if !running.asked.contains(&person) {
            return Err(refusal::not_asked());
        }
        if running.answered.contains(&person) {
            return Ok(());
        }
        let rollcall = running.number;
        self.record(by.into(), JournalEvent::RollcallAnswered { rollcall, person }, now);
        let mut tell: Vec<EndpointId> =
            self.here.people.get(&person).map(|p| p.endpoints.clone()).unwrap_or_default();
        tell.extend(self.those_who_record());
        tell.into_iter().for_each(|endpoint| self.tell_rollcall(endpoint));
        Ok(())
    }

    pub(super) fn settle_rollcall(&mut self, now: Now) {
        let over = |r: &super::roll::Rollcall| now.mono_us >= r.ends_mono_us();
        let ended = self.roll.rollcall.as_ref().filter(|r| self.roll.rollcall_open && over(r));
        if let Some(last) = ended {
            let (rollcall, unanswered) = (last.number, last.asked.difference(&last.answered));
            let unanswered = unanswered.copied().collect();
            let expired = JournalEvent::RollcallExpired { rollcall, unanswered };
            self.record(Actor::System, expired, now);
            self.tell_rollcall_to_all();
        }
        let window_s = self.roll.plan.as_ref().map_or(0, |plan| plan.window_s);
        if self.next_planned().is_some_and(|at| now.mono_us >= at) {
            self.open_rollcall(Actor::System, true, window_s, now);
        }
    }

    /// Not in a break, not before the opening, not over another one.
    fn next_planned(&self) -> Option<i64> {
        let waits = self.state != SessionState::DeclaredOpen
            || self.roll.paused_us.is_some()
            || self.roll.rollcall_open;
        self.roll.plan.as_ref().filter(|_| !waits)?.instants.first().copied()
    }

    pub(super) fn rollcall_due(&self) -> Option<i64> {
        match &self.roll.rollcall {
            Some(running) if self.roll.rollcall_open => Some(running.ends_mono_us()),
            _ => self.next_planned(),
        }
    }

    fn tell_rollcall_to_all(&mut self) {
        for endpoint in self.here.present() {
            self.tell_rollcall(endpoint);
        }
    }

    pub(super) fn tell_rollcall(&mut self, endpoint: EndpointId) {
        let Some(person) = self.here.person_of(endpoint) else { return };
        let rollcall = self.rollcall_view(person);
        self.out.push(Effect::Send { endpoint, event: Event::Rollcall { rollcall } });
    }

    pub(super) fn rollcall_view(&self, person: PersonId) -> Option<RollcallView> {
        let running = self.roll.rollcall.as_ref().filter(|_| self.roll.rollcall_open)?;
        let count = |people: &std::collections::BTreeSet<PersonId>| {
            u32::try_from(people.len()).unwrap_or(u32::MAX)
        };
        Some(RollcallView {
            number: running.number,
            until_us: running.opened_us + i64::from(running.window_s) * 1_000_000,
            asked: count(&running.asked),
            answered: count(&running.answered),
            asks_me: running.asked.contains(&person),
            i_answered: running.answered.contains(&person),
        })
    }

    /// Endpoints of whoever keeps the list: the presiding chair and the recorders.
    pub(super) fn those_who_record(&self) -> Vec<EndpointId> {
        let present = self.here.present().into_iter();
        present
            .filter(|id| {
                self.here.person_of(*id).is_some_and(|person| self.must_record(person).is_ok())
            })
            .collect()
    }
}
