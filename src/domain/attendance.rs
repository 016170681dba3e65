//! From presences to the attendance sheet (`domain.md` §3.3; precedence by `decisions.md`).
//!
//! Everything is computed on the session's monotonic time, so that a stepped server clock neither
//! makes nor takes minutes; wall times on the sheet are monotonic time plus one anchor.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use signaling::LeaveReason;

use super::by_id::{ById, IdHasher};
use super::ids::{EndpointId, PersonId, SessionId, SiteId};
use super::intervals::{Span, bridge, clip, subtract, total, union};
use super::report::{
    AttendanceMode, AttendanceReport, AttendanceRow, AttendanceStatus, AttendanceTotals, LeaveNote,
    OfficialWindow, ReportInterval,
};
use super::roster::{Roster, RosterEntry};
use super::session::Policy;

const SECOND_US: i64 = 1_000_000;

/// How a presence ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresenceEnd {
    Left(LeaveReason),
    /// Still here at the moment of the report.
    StillHere,
}

/// One unbroken connection of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    pub endpoint: EndpointId,
    /// A few words for all presences: shared.
    pub device: Arc<str>,
    /// Checked in there; `endpoint` is the room's.
    pub site: Option<SiteId>,
    /// Monotonic session time.
    pub span: Span,
    pub end: PresenceEnd,
    /// The end comes from the last checkpoint before a crash.
    pub inferred: bool,
}

/// Everything known of one person who was there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PersonPresence {
    /// Name and organisation as told at arrival; the roster's own are used where it has the person.
    pub name: String,
    pub org_name: String,
    pub presences: Vec<Presence>,
}

/// What the fold of a journal hands over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPresence {
    pub session_id: SessionId,
    pub policy: Policy,
    pub roster: Roster,
    /// 宣布开会 to 散会 (or now), monotonic; none before 宣布开会.
    pub official: Option<Span>,
    pub pauses: Vec<Span>,
    /// Wall time of monotonic zero.
    pub wall_zero_us: i64,
    pub people: ById<PersonId, PersonPresence>,
    /// Names of the rooms.
    pub sites: BTreeMap<SiteId, String>,
    /// Ticked on the list of a room, and the chair has not confirmed it.
    pub unconfirmed: BTreeSet<PersonId>,
    /// 点名: asked and answered.
    pub rollcalls: ById<PersonId, (u32, u32)>,
    /// 请假 approved.
    pub on_leave: BTreeMap<PersonId, LeaveNote>,
    /// 不计入 by a correction.
    pub exempt: BTreeSet<PersonId>,
}

/// Computes the whole sheet; integers only, the same input gives the same sheet for ever.
pub fn evaluate(session: &SessionPresence) -> AttendanceReport {
    let official = session.official.unwrap_or(Span::new(0, 0));
    let official_us = total(&subtract(&[official], &session.pauses));
    let nobody = PersonPresence::default();
    let mut people: Vec<AttendanceRow> = session
        .roster
        .iter()
        .map(|entry| {
            let presence = session.people.get(&entry.person_id).unwrap_or(&nobody);
            row(session, entry.person_id, Some(entry), presence, official, official_us)
        })
        .collect();
    let listed: HashSet<PersonId, BuildHasherDefault<IdHasher>> =
        session.roster.iter().map(|entry| entry.person_id).collect();
    let mut guests: Vec<AttendanceRow> = session
        .people
        .iter()
        .filter(|(person, _)| !listed.contains(person))
        .map(|(person, p)| row(session, *person, None, p, official, official_us))
        .collect();
    guests.sort_by_key(|r| (r.first_join_us, r.person_id));
    people.append(&mut guests);
    let window = match session.official {
        Some(span) => OfficialWindow {
            start_us: session.wall_zero_us + span.from,
            end_us: session.wall_zero_us + span.to,
            seconds: official_us / SECOND_US,
        },
        None => OfficialWindow::default(),
    };
    AttendanceReport {
        session_id: session.session_id,
        policy: session.policy,
        official: window,
        totals: totals(&people),
        people,
    }
}

fn row(
    session: &SessionPresence,
    person_id: PersonId,
    entry: Option<&RosterEntry>,
    presence: &PersonPresence,
    official: Span,
    official_us: i64,
) -> AttendanceRow {
    let policy = &session.policy;
    let raw = union(presence.presences.iter().map(|p| p.span));
    // Only what ended the person's presence decides: with two devices, the last one to go.
    let dropped = |at: i64| {
        let mut ends = presence.presences.iter().filter(|p| p.span.to == at && !p.span.is_empty());
        ends.all(|p| matches!(p.end, PresenceEnd::Left(LeaveReason::Drop | LeaveReason::Server)))
    };
    let bridged = bridge(&raw, i64::from(policy.bridge_s) * SECOND_US, dropped);
    let within = clip(&bridged, official);
    let effective_us = total(&subtract(&within, &session.pauses));
    let raw_us = total(&subtract(&clip(&raw, official), &session.pauses));

    let late_us = within.first().map_or(0, |s| s.from - official.from);
    let early_us = within.last().map_or(0, |s| official.to - s.to);
    let late = late_us > i64::from(policy.late_after_s) * SECOND_US;
    let early = early_us > i64::from(policy.early_before_s) * SECOND_US;

    let due = entry.is_some_and(|e| e.due) && !session.exempt.contains(&person_id);
    let still_here = presence.presences.iter().any(|p| p.end == PresenceEnd::StillHere);
    // Somebody who has only just come has no minutes yet and is here all the same.
    let was_there = still_here
        || match session.official {
            Some(_) => !within.is_empty(),
            None => !raw.is_empty(),
        };
    let enough = effective_us * 1000 >= i64::from(policy.min_ratio_permille) * official_us;
    let status = match entry {
        None => AttendanceStatus::Observer,
        Some(_) if !due => AttendanceStatus::Exempt,
        Some(_) if !was_there && session.on_leave.contains_key(&person_id) => {
            AttendanceStatus::Leave
        }
        Some(_) if !was_there => AttendanceStatus::Absent,
        Some(_) if !enough => AttendanceStatus::Partial,
        Some(_) if late && early => AttendanceStatus::LateEarly,
        Some(_) if late => AttendanceStatus::Late,
        Some(_) if early => AttendanceStatus::Early,
        Some(_) => AttendanceStatus::Present,
    };
    let wall = |mono: i64| session.wall_zero_us + mono;
    let (mode, sites) = whereabouts(session, presence, session.official);
    let (rollcalls_asked, rollcalls_answered) =
        session.rollcalls.get(&person_id).copied().unwrap_or_default();
    let intervals = bridged
        .iter()
        .map(|s| ReportInterval {
            from_us: wall(s.from),
            to_us: wall(s.to),
            inferred: presence
                .presences
                .iter()
                .any(|p| p.inferred && p.span.from >= s.from && p.span.to <= s.to),
        })
        .collect();
    AttendanceRow {
        person_id,
        name: entry.map_or(&presence.name, |e| &e.name).clone(),
        org_name: entry.map_or(&presence.org_name, |e| &e.org_name).clone(),
        group_name: entry.and_then(|e| e.group_name.clone()),
        class: entry.map(|e| e.class),
        due,
        voter: due && entry.is_some_and(|e| e.voter),
        status,
        first_join_us: presence.presences.iter().map(|p| wall(p.span.from)).min(),
        last_leave_us: presence
            .presences
            .iter()
            .map(|p| wall(p.span.to))
            .max()
            .filter(|_| !still_here),
        join_count: u32::try_from(presence.presences.len()).unwrap_or(u32::MAX),
        devices: devices(&presence.presences),
        raw_s: raw_us / SECOND_US,
        effective_s: effective_us / SECOND_US,
        ratio_permille: permille(effective_us, official_us),
        late_s: if late { late_us / SECOND_US } else { 0 },
        early_s: if early { early_us / SECOND_US } else { 0 },
        mode,
        sites,
        rollcalls_asked,
        rollcalls_answered,
        leave: session.on_leave.get(&person_id).cloned(),
        unconfirmed: session.unconfirmed.contains(&person_id),
        corrections: Vec::new(),
        status_before: None,
        intervals,
    }
}

/// By own device, in a room, or both; and which rooms, by name. In the official time if there is
/// one, else at all.
fn whereabouts(
    session: &SessionPresence,
    presence: &PersonPresence,
    official: Option<Span>,
) -> (Option<AttendanceMode>, Vec<String>) {
    let counts =
        |p: &&Presence| official.is_none_or(|o| p.span.from <= o.to && p.span.to >= o.from);
    let (mut online, mut rooms) = (false, BTreeSet::new());
    for p in presence.presences.iter().filter(counts) {
        match p.site {
            Some(site) => drop(rooms.insert(site)),
            None => online = true,
        }
    }
    let mode = match (online, rooms.is_empty()) {
        (true, true) => Some(AttendanceMode::Online),
        (false, false) => Some(AttendanceMode::OnSite),
        (true, false) => Some(AttendanceMode::Mixed),
        (false, true) => None,
    };
    let name = |site| session.sites.get(&site).cloned().unwrap_or_default();
    (mode, rooms.into_iter().map(name).collect())
}

/// Kinds of devices used, or the most connections alive at one instant if that is more. Counting
/// connections would make every reload without a resume another device.
fn devices(presences: &[Presence]) -> u32 {
    let kinds: BTreeSet<&str> = presences.iter().map(|p| &*p.device).collect();
    let mut steps: Vec<(i64, i32)> = presences
        .iter()
        .filter(|p| !p.span.is_empty())
        .flat_map(|p| [(p.span.from, 1), (p.span.to, -1)])
        .collect();
    steps.sort_unstable();
    let (mut now, mut most) = (0, 0);
    for (_, step) in steps {
        now += step;
        most = most.max(now);
    }
    u32::try_from(most).unwrap_or(0).max(u32::try_from(kinds.len()).unwrap_or(u32::MAX))
}

fn totals(people: &[AttendanceRow]) -> AttendanceTotals {
    use AttendanceStatus::{
        Absent, Early, Exempt, Late, LateEarly, Leave, Observer, Partial, Present,
    };
    let mut t = AttendanceTotals::default();
    let mut enough = 0;
    for row in people {
        if row.status == Observer {
            t.observers += 1;
        }
        if !row.due {
            continue;
        }
        let here = u32::from(!matches!(row.status, Leave | Absent | Exempt | Observer));
        let voter = u32::from(row.voter);
        t.due += 1;
        t.present += here;
        t.voters_due += voter;
        t.voters_present += here * voter;
        t.late += u32::from(matches!(row.status, Late | LateEarly));
        t.early += u32::from(matches!(row.status, Early | LateEarly));
        t.partial += u32::from(row.status == Partial);
        t.leave += u32::from(row.status == Leave);
        t.absent += u32::from(row.status == Absent);
        enough += u32::from(matches!(row.status, Present | Late | Early | LateEarly));
    }
    t.rate_permille = permille(i64::from(t.present), i64::from(t.due));
    t.effective_permille = permille(i64::from(enough), i64::from(t.due));
    t
}

/// Rounded down, so that a share below a threshold never reads as having reached it.
fn permille(part: i64, whole: i64) -> u32 {
    if whole <= 0 {
        return 0;
    }
    u32::try_from(i128::from(part) * 1000 / i128::from(whole)).unwrap_or(0)
}
