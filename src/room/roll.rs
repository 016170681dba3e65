//! Who counts as present and why: the room's knowledge of sites, check-ins, roll-calls, leave and
//! knocks. Every fact in here is in the journal; [`Roll::refold`] makes it again after a restart.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{PersonId, SiteId};
use crate::journal::{Change, CheckinMethod, Event as JournalEvent};

/// Rooms with many people in one session; more are refused.
pub const MAX_SITES: usize = 1_024;
/// People who wait before the door; more are refused.
pub const MAX_KNOCKS: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    pub name: String,
    pub expected: Option<u32>,
}

/// The check-in that is open now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checkin {
    pub site: SiteId,
    pub method: CheckinMethod,
    pub reason: Option<String>,
    pub confirmed: bool,
    pub at_us: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rollcall {
    pub number: u32,
    pub auto: bool,
    pub opened_us: i64,
    pub opened_mono_us: i64,
    pub window_s: u32,
    pub asked: BTreeSet<PersonId>,
    pub answered: BTreeSet<PersonId>,
}

impl Rollcall {
    pub fn ends_mono_us(&self) -> i64 {
        self.opened_mono_us + i64::from(self.window_s) * 1_000_000
    }
}

/// Roll-calls to come by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub instants: Vec<i64>,
    pub window_s: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnockState {
    Waiting,
    Admitted,
    Refused,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Knock {
    pub name: String,
    pub org_name: String,
    pub state: KnockState,
    pub at_us: i64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Roll {
    pub sites: BTreeMap<SiteId, Site>,
    pub checkins: BTreeMap<PersonId, Checkin>,
    /// Codes that were used, by slot; those too old to be used again are forgotten.
    pub used: BTreeSet<(u32, SiteId, PersonId)>,
    /// The last one, running or not.
    pub rollcall: Option<Rollcall>,
    pub rollcall_open: bool,
    pub plan: Option<Plan>,
    pub on_leave: BTreeMap<PersonId, String>,
    pub exempt: BTreeSet<PersonId>,
    pub knocks: BTreeMap<PersonId, Knock>,
    /// 休会 since this wall time.
    pub paused_us: Option<i64>,
    /// The recording was running when the meeting was paused, and goes on with it.
    pub pause_stopped_recording: bool,
    /// Chair and recorder are to look again; told at most so often.
    pub changed: bool,
    pub told_mono_us: i64,
    /// Slot whose codes the sites were shown last.
    pub slot_shown: Option<u32>,
    /// People checked in at each site, as it was told last.
    pub site_told: BTreeMap<SiteId, u32>,
}

impl Roll {
    /// People whose check-in at this site counts.
    pub fn present_at(&self, site: SiteId) -> u32 {
        let here = self.checkins.values().filter(|c| c.site == site && c.confirmed).count();
        u32::try_from(here).unwrap_or(u32::MAX)
    }

    /// Takes one event of the journal in; what was written by this room goes through here too, so
    /// that a restart finds the same.
    pub fn refold(&mut self, event: &JournalEvent, at_us: i64, mono_us: i64) {
        match event {
            JournalEvent::SiteEnter { site, name, expected, .. } => {
                self.sites.insert(*site, Site { name: name.clone(), expected: *expected });
            }
            JournalEvent::RoomCheckin { person, site, method, slot, reason, confirmed } => {
                if let Some(slot) = slot {
                    self.used.insert((*slot, *site, *person));
                }
                let same = self.checkins.get(person).filter(|c| c.site == *site);
                let confirmed = *confirmed || same.is_some_and(|c| c.confirmed);
                let reason = reason.clone();
                let checkin = Checkin { site: *site, method: *method, reason, confirmed, at_us };
                self.checkins.insert(*person, checkin);
            }
            JournalEvent::RoomCheckout { person, site } => {
                if self.checkins.get(person).is_some_and(|c| c.site == *site) {
                    self.checkins.remove(person);
                }
            }
            JournalEvent::CheckinDecided { person, site, accepted } => {
                match self.checkins.get_mut(person).filter(|c| c.site == *site && !c.confirmed) {
                    Some(checkin) if *accepted => checkin.confirmed = true,
                    Some(_) => drop(self.checkins.remove(person)),
                    None => {}
                }
            }
            JournalEvent::RollcallOpened { rollcall, auto, window_s, asked } => {
                if *auto && let Some(plan) = &mut self.plan {
                    plan.instants = plan.instants.iter().skip(1).copied().collect();
                }
                self.rollcall_open = true;
                self.rollcall = Some(Rollcall {
                    number: *rollcall,
                    auto: *auto,
                    opened_us: at_us,
                    opened_mono_us: mono_us,
                    window_s: *window_s,
                    asked: asked.iter().copied().collect(),
                    answered: BTreeSet::new(),
                });
            }
            JournalEvent::RollcallAnswered { rollcall, person } => {
                if let Some(last) = self.rollcall.as_mut().filter(|r| r.number == *rollcall) {
                    last.answered.insert(*person);
                }
            }
            JournalEvent::RollcallExpired { .. } => self.rollcall_open = false,
            JournalEvent::LeaveApproved { person, kind, .. } => {
                self.on_leave.insert(*person, kind.clone());
            }
            JournalEvent::LeaveDenied { person, .. } => {
                self.on_leave.remove(person);
            }
            JournalEvent::Knock { person, name, org_name } => {
                let (name, org_name) = (name.clone(), org_name.clone());
                let knock = Knock { name, org_name, state: KnockState::Waiting, at_us };
                self.knocks.insert(*person, knock);
            }
            JournalEvent::KnockAnswered { person, admitted } => {
                if let Some(knock) = self.knocks.get_mut(person) {
                    knock.state =
                        if *admitted { KnockState::Admitted } else { KnockState::Refused };
                }
            }
            JournalEvent::Correction { change, .. } => match change {
                Change::Exempt { person } => drop(self.exempt.insert(*person)),
                Change::Include { person } => drop(self.exempt.remove(person)),
                Change::OnLeave { person, kind, .. } => {
                    self.on_leave.insert(*person, kind.clone());
                }
                Change::NotOnLeave { person } => drop(self.on_leave.remove(person)),
                _ => {}
            },
            JournalEvent::Paused => self.paused_us = Some(at_us),
            JournalEvent::Resumed => self.paused_us = None,
            _ => return,
        }
        self.changed = true;
    }
}
