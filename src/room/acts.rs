//! What is done to a running meeting over HTTP rather than in its room: scanning a code with a
//! phone, leave, corrections, and the door for those who are not on the roster. Who may is asked
//! before, by `auth::policy`; here stands what the meeting itself has to say to it.

use signaling::WireError;

use super::effect::{Effect, Now, Ticket};
use super::refusal;
use super::roll::{KnockState, MAX_KNOCKS};
use super::state::RoomState;
use crate::domain::{PersonId, RosterEntry, Standing};
use crate::journal::{Change, Event as JournalEvent};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The text of a code on a site's screen.
    Scan {
        code: String,
    },
    CheckOut,
    AskLeave {
        kind: String,
        reason: String,
    },
    GrantLeave {
        person: PersonId,
        kind: String,
        reason: String,
        late: bool,
    },
    DenyLeave {
        person: PersonId,
        reason: String,
    },
    Correct {
        target_seq: Option<u64>,
        change: Change,
        reason: String,
    },
    /// Somebody not on the roster asks to come in.
    Knock {
        name: String,
        org_name: String,
    },
    AnswerKnock {
        person: PersonId,
        answer: KnockAnswer,
        reason: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnockAnswer {
    Refuse,
    /// As 列席.
    Observer,
    /// Added to the roster by a correction.
    Member(Box<RosterEntry>),
}

/// The act is done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Acted {
    /// Name of the site.
    pub site: Option<String>,
}

impl RoomState {
    pub(super) fn act(&mut self, ticket: Ticket, by: PersonId, act: Act, now: Now) {
        let result = self.do_act(by, act, now);
        self.out.push(Effect::Acted { ticket, result });
    }

    fn do_act(&mut self, by: PersonId, act: Act, now: Now) -> Result<Acted, WireError> {
        match act {
            Act::Scan { code } => {
                return self.scan(by, &code, now).map(|site| Acted { site: Some(site) });
            }
            Act::CheckOut => self.check_out(by, by, now)?,
            Act::AskLeave { kind, reason } => {
                let asked = JournalEvent::LeaveRequested { person: by, kind, reason };
                self.record(by.into(), asked, now);
                self.roll.changed = true;
            }
            Act::GrantLeave { person, kind, reason, late } => {
                let granted = JournalEvent::LeaveApproved {
                    person,
                    kind,
                    reason,
                    asked_us: None,
                    decided_us: None,
                    late,
                };
                self.record(by.into(), granted, now);
            }
            Act::DenyLeave { person, reason } => {
                self.record(by.into(), JournalEvent::LeaveDenied { person, reason }, now);
            }
            Act::Correct { target_seq, change, reason } => {
                self.correct(by, target_seq, change, reason, now)?;
            }
            Act::Knock { name, org_name } => self.knock(by, name, org_name, now)?,
            Act::AnswerKnock { person, answer, reason } => {
                self.answer_knock(by, person, answer, reason, now)?;
            }
        }
        Ok(Acted::default())
    }

    fn correct(
        &mut self,
        by: PersonId,
        target_seq: Option<u64>,
        change: Change,
        reason: String,
        now: Now,
    ) -> Result<(), WireError> {
        let on_roster = change.person().is_some_and(|p| self.setup.roster.contains(p));
        let adds = matches!(change, Change::RosterAdd { .. });
        if adds == on_roster {
            return Err(if adds {
                refusal::on_roster_already()
            } else {
                refusal::no_such_member()
            });
        }
        self.lay_over(&change);
        self.record(by.into(), JournalEvent::Correction { target_seq, change, reason }, now);
        Ok(())
    }

    /// The roster as corrected, and the door with it.
    pub(super) fn lay_over(&mut self, change: &Change) {
        let (person, standing) = match change {
            Change::RosterAdd { entry } => {
                self.setup.roster.put(entry.clone());
                (entry.person_id, Standing::Member)
            }
            Change::RosterRemove { person } => {
                self.setup.roster.remove(*person);
                (*person, Standing::Out)
            }
            _ => return,
        };
        self.out.push(Effect::StoreStanding { person, standing });
    }

    pub(super) fn counts_as_due(&self, entry: &RosterEntry) -> bool {
        entry.due && !self.roll.exempt.contains(&entry.person_id)
    }

    fn knock(
        &mut self,
        person: PersonId,
        name: String,
        org_name: String,
        now: Now,
    ) -> Result<(), WireError> {
        if self.setup.roster.contains(person) {
            return Err(refusal::on_roster_already());
        }
        match self.roll.knocks.get(&person).map(|knock| knock.state) {
            // Asked before: nothing is written twice.
            Some(KnockState::Waiting | KnockState::Admitted) => return Ok(()),
            Some(KnockState::Refused) => return Err(refusal::not_admitted()),
            None => {}
        }
        if self.roll.knocks.len() >= MAX_KNOCKS {
            return Err(refusal::door_is_full());
        }
        self.record(person.into(), JournalEvent::Knock { person, name, org_name }, now);
        Ok(())
    }

    fn answer_knock(
        &mut self,
        by: PersonId,
        person: PersonId,
        answer: KnockAnswer,
        reason: String,
        now: Now,
    ) -> Result<(), WireError> {
        let waiting = self.roll.knocks.get(&person).map(|knock| knock.state);
        if waiting != Some(KnockState::Waiting) {
            return Err(refusal::nobody_waits());
        }
        let admitted = answer != KnockAnswer::Refuse;
        match answer {
            KnockAnswer::Refuse => {}
            KnockAnswer::Observer => {
                let standing = Standing::Observer;
                self.out.push(Effect::StoreStanding { person, standing });
            }
            KnockAnswer::Member(entry) => {
                self.correct(by, None, Change::RosterAdd { entry: *entry }, reason, now)?;
            }
        }
        self.record(by.into(), JournalEvent::KnockAnswered { person, admitted }, now);
        Ok(())
    }
}
