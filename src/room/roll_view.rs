//! The list that chair and recorder work with: everybody of the roster as they stand now.

use serde::Serialize;
use signaling::view::{Counts, MemberClass};

use super::roll::KnockState;
use super::sites::participant_of;
use super::state::RoomState;
use crate::domain::{PersonId, SiteId};
use crate::journal::CheckinMethod;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttendanceList {
    pub counts: Counts,
    /// In the order of the roster.
    pub people: Vec<ListedPerson>,
    pub sites: Vec<ListedSite>,
    pub rollcall: Option<ListedRollcall>,
    /// Random roll-calls still to come.
    pub rollcalls_planned: u32,
    /// Who is not on the roster and waits before the door, oldest first.
    pub waiting: Vec<Waiting>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Whereabouts {
    Online,
    OnSite,
    Both,
    Leave,
    Absent,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedPerson {
    pub person_id: PersonId,
    pub name: String,
    pub class: MemberClass,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_name: Option<String>,
    pub voter: bool,
    /// False: 不计入.
    pub due: bool,
    pub state: Whereabouts,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leave_kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkin: Option<ListedCheckin>,
    /// Of the last roll-call: absent where not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedCheckin {
    pub site: SiteId,
    pub method: CheckinMethod,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub confirmed: bool,
    pub at_us: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedSite {
    pub id: SiteId,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<u32>,
    pub online: bool,
    pub checked_in: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedRollcall {
    pub number: u32,
    pub auto: bool,
    pub running: bool,
    pub until_us: i64,
    pub asked: u32,
    pub answered: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    pub person_id: PersonId,
    pub name: String,
    pub org_name: String,
    pub since_us: i64,
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl RoomState {
    pub fn attendance(&self) -> AttendanceList {
        let last = self.roll.rollcall.as_ref();
        let people = self.setup.roster.iter().map(|entry| {
            let person = entry.person_id;
            let observer = self.here.role(person) == Some(signaling::view::Role::Observer);
            let own = self.here.is_online(person) && !observer;
            let leave = self.roll.on_leave.get(&person);
            let asked = last.filter(|r| r.asked.contains(&person));
            ListedPerson {
                person_id: person,
                name: entry.name.clone(),
                class: entry.class,
                group_name: entry.group_name.clone(),
                voter: entry.voter,
                due: self.counts_as_due(entry),
                state: match (own, self.is_in_a_room(person)) {
                    (true, true) => Whereabouts::Both,
                    (true, false) => Whereabouts::Online,
                    (false, true) => Whereabouts::OnSite,
                    (false, false) if leave.is_some() => Whereabouts::Leave,
                    (false, false) => Whereabouts::Absent,
                },
                leave_kind: leave.cloned(),
                checkin: self.roll.checkins.get(&person).map(|c| ListedCheckin {
                    site: c.site,
                    method: c.method,
                    reason: c.reason.clone(),
                    confirmed: c.confirmed,
                    at_us: c.at_us,
                }),
                answered: asked.map(|r| r.answered.contains(&person)),
            }
        });
        let waiting = self.roll.knocks.iter().filter(|(_, k)| k.state == KnockState::Waiting);
        let mut waiting: Vec<Waiting> = waiting
            .map(|(person, knock)| Waiting {
                person_id: *person,
                name: knock.name.clone(),
                org_name: knock.org_name.clone(),
                since_us: knock.at_us,
            })
            .collect();
        waiting.sort_by_key(|w| (w.since_us, w.person_id));
        AttendanceList {
            counts: self.counts(),
            people: people.collect(),
            sites: self
                .roll
                .sites
                .iter()
                .map(|(id, site)| ListedSite {
                    id: *id,
                    name: site.name.clone(),
                    expected: site.expected,
                    online: self.here.is_online(participant_of(*id)),
                    checked_in: self.roll.present_at(*id),
                })
                .collect(),
            rollcall: last.map(|r| ListedRollcall {
                number: r.number,
                auto: r.auto,
                running: self.roll.rollcall_open,
                until_us: r.opened_us + i64::from(r.window_s) * 1_000_000,
                asked: count(r.asked.len()),
                answered: count(r.answered.len()),
            }),
            rollcalls_planned: self.roll.plan.as_ref().map_or(0, |p| count(p.instants.len())),
            waiting,
        }
    }

    /// Who asked at the door, and how it stands.
    pub fn knock_state(&self, person: PersonId) -> Option<KnockState> {
        self.roll.knocks.get(&person).map(|knock| knock.state)
    }
}
