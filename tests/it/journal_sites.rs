//! Attendance in a room with many people before one device: check-ins, the room's line, roll-calls,
//! and what corrections make of it.

use proptest::prelude::*;
use signaling::LeaveReason;
use yuntang::domain::{
    AttendanceMode as Mode, AttendanceReport, AttendanceRow, AttendanceStatus as Status,
    MemberClass,
};
use yuntang::journal::{
    AttendanceFold, Change, CheckinMethod, Envelope, Event, Header, fold_attendance,
};

use crate::journal_support::{
    TestKey, approved, chain, entry, header, id, join, leave, mono, new_event, person,
};

const OFFICIAL_S: i64 = 5400;
const SITE: u32 = 700;
const OTHER_SITE: u32 = 701;

fn site_enter(site: u32, endpoint: u32) -> Event {
    Event::SiteEnter {
        site: id(site),
        endpoint: id(endpoint),
        name: format!("第{}会场", site - 699),
        expected: Some(46),
    }
}

fn site_exit(s: i64, site: u32, endpoint: u32, reason: LeaveReason) -> Event {
    Event::SiteExit { site: id(site), endpoint: id(endpoint), reason, last_frame_mono_us: mono(s) }
}

fn scan(n: u32, site: u32) -> Event {
    Event::RoomCheckin {
        person: person(n),
        site: id(site),
        method: CheckinMethod::Qr,
        slot: Some(1),
        reason: None,
        confirmed: true,
    }
}

fn tick(n: u32, site: u32, confirmed: bool) -> Event {
    Event::RoomCheckin {
        person: person(n),
        site: id(site),
        method: CheckinMethod::List,
        slot: None,
        reason: Some("无手机".into()),
        confirmed,
    }
}

fn decided(n: u32, site: u32, accepted: bool) -> Event {
    Event::CheckinDecided { person: person(n), site: id(site), accepted }
}

fn checkout(n: u32, site: u32) -> Event {
    Event::RoomCheckout { person: person(n), site: id(site) }
}

fn fix(change: Change) -> Event {
    Event::Correction { target_seq: None, change, reason: "核对签到表".into() }
}

fn assembly(people: u32) -> Header {
    let roster = (1..=people).map(|n| entry(n, MemberClass::Full)).collect();
    header(id(1), roster, &TestKey::new(7))
}

fn events_of(header: &Header, deeds: Vec<(i64, Event)>) -> Vec<Envelope> {
    let mut events = vec![(-1800, Event::SessionOpened), (0, Event::DeclaredOpen)];
    events.extend(deeds);
    events.push((OFFICIAL_S, Event::DeclaredClosed { auto: false }));
    events.sort_by_key(|(s, _)| *s);
    chain(header, events.into_iter().map(|(s, e)| new_event(s, e)).collect())
}

fn meeting(people: u32, deeds: Vec<(i64, Event)>) -> AttendanceReport {
    let header = assembly(people);
    fold_attendance(&header, &events_of(&header, deeds))
}

fn alone(deeds: Vec<(i64, Event)>) -> AttendanceRow {
    meeting(1, deeds).people.remove(0)
}

/// The room of §3.4: connected from ten minutes before to the end.
fn room() -> Vec<(i64, Event)> {
    vec![
        (-600, site_enter(SITE, 50)),
        (OFFICIAL_S, site_exit(OFFICIAL_S, SITE, 50, LeaveReason::Server)),
    ]
}

fn and(mut deeds: Vec<(i64, Event)>, more: Vec<(i64, Event)>) -> Vec<(i64, Event)> {
    deeds.extend(more);
    deeds
}

#[test]
fn a9_who_scans_the_code_of_a_connected_room_is_present_on_site() {
    let row = alone(and(room(), vec![(-180, scan(1, SITE))]));
    assert_eq!((row.effective_s, row.ratio_permille), (5400, 1000));
    assert_eq!((row.status, row.mode), (Status::Present, Some(Mode::OnSite)));
    assert_eq!((row.sites, row.join_count, row.devices), (vec!["第1会场".to_owned()], 1, 1));
    assert_eq!(row.first_join_us, Some(crate::journal_support::START_US - 180_000_000));
}

#[test]
fn the_device_of_a_room_is_nobody() {
    let report = meeting(1, room());
    assert_eq!((report.people.len(), report.people[0].status), (1, Status::Absent));
    assert_eq!((report.totals.present, report.totals.observers), (0, 0));
}

#[test]
fn a_room_whose_line_drops_is_bridged_for_all_in_it() {
    let with_gap = |gap: i64, reason| {
        alone(vec![
            (-600, site_enter(SITE, 50)),
            (-180, scan(1, SITE)),
            (2400, site_exit(2400, SITE, 50, reason)),
            (2400 + gap, site_enter(SITE, 51)),
        ])
    };
    let row = with_gap(45, LeaveReason::Drop);
    assert_eq!((row.raw_s, row.effective_s, row.intervals.len()), (5355, 5400, 1));
    assert_eq!(with_gap(61, LeaveReason::Drop).effective_s, 5339);
    // A room that was closed by hand is not bridged.
    assert_eq!(with_gap(45, LeaveReason::User).effective_s, 5355);
}

#[test]
fn the_later_check_in_closes_the_first() {
    let row = alone(and(
        room(),
        vec![
            (-300, site_enter(OTHER_SITE, 60)),
            (0, scan(1, SITE)),
            (1800, scan(1, OTHER_SITE)),
            (3600, site_exit(3600, OTHER_SITE, 60, LeaveReason::User)),
        ],
    ));
    // Not in the first room any more when the second one closes.
    assert_eq!((row.effective_s, row.status), (3600, Status::Partial));
    assert_eq!(row.sites, ["第1会场", "第2会场"]);
}

#[test]
fn own_device_and_room_count_once() {
    let row = alone(and(
        room(),
        vec![
            (0, scan(1, SITE)),
            (600, join(1, 11, "phone")),
            (1200, leave(1200, 1, 11, LeaveReason::User)),
        ],
    ));
    assert_eq!((row.effective_s, row.mode), (5400, Some(Mode::Mixed)));
    assert_eq!(row.devices, 2);
}

#[test]
fn a_checkout_ends_presence_and_is_never_bridged() {
    let row = alone(and(
        room(),
        vec![(0, scan(1, SITE)), (2000, checkout(1, SITE)), (2030, scan(1, SITE))],
    ));
    assert_eq!((row.effective_s, row.intervals.len()), (5370, 2));
}

#[test]
fn a_tick_on_the_list_counts_when_the_chair_confirms_it() {
    let pending = alone(and(room(), vec![(0, tick(1, SITE, false))]));
    assert_eq!((pending.status, pending.unconfirmed), (Status::Absent, true));
    let confirmed =
        alone(and(room(), vec![(0, tick(1, SITE, false)), (900, decided(1, SITE, true))]));
    // From the check-in on, not from the word of the chair.
    assert_eq!((confirmed.effective_s, confirmed.status), (5400, Status::Present));
    assert!(!confirmed.unconfirmed);
    let refused =
        alone(and(room(), vec![(0, tick(1, SITE, false)), (900, decided(1, SITE, false))]));
    assert_eq!((refused.status, refused.unconfirmed), (Status::Absent, false));
    assert_eq!(alone(and(room(), vec![(0, tick(1, SITE, true))])).status, Status::Present);
}

#[test]
fn a_crash_ends_the_room_at_its_last_checkpoint_and_keeps_who_is_in_it() {
    let row = alone(vec![
        (-600, site_enter(SITE, 50)),
        (0, scan(1, SITE)),
        (1000, Event::Checkpoint { present: vec![id(50)] }),
        (1004, Event::ServerRestart { new_boot: false }),
        (1100, site_enter(SITE, 51)),
    ]);
    assert_eq!((row.effective_s, row.intervals.len()), (1000 + OFFICIAL_S - 1100, 2));
    assert!(row.intervals[0].inferred && !row.intervals[1].inferred);
}

#[test]
fn an_unanswered_rollcall_is_told_and_changes_no_status() {
    let asked = |rollcall, asked: &[u32]| Event::RollcallOpened {
        rollcall,
        auto: true,
        window_s: 60,
        asked: asked.iter().map(|n| person(*n)).collect(),
    };
    let answered = |rollcall, n| Event::RollcallAnswered { rollcall, person: person(n) };
    let report = meeting(
        2,
        vec![
            (0, join(1, 11, "phone")),
            (0, join(2, 12, "phone")),
            (1000, asked(1, &[1, 2])),
            (1010, answered(1, 1)),
            (1060, Event::RollcallExpired { rollcall: 1, unanswered: vec![person(2)] }),
            (2000, asked(2, &[1])),
        ],
    );
    let told = |n: usize| {
        let row = &report.people[n];
        (row.rollcalls_asked, row.rollcalls_answered, row.status)
    };
    assert_eq!(told(0), (2, 1, Status::Present));
    assert_eq!(told(1), (1, 0, Status::Present));
}

#[test]
fn corrections_change_the_sheet_and_keep_what_it_said_before() {
    let was_there = Change::WasPresent {
        person: person(1),
        from_mono_us: mono(0),
        to_mono_us: mono(OFFICIAL_S),
        site: None,
    };
    let header = assembly(3);
    let mut events = events_of(
        &header,
        vec![
            (0, join(2, 12, "phone")),
            (1800, fix(was_there)),
            (
                1801,
                fix(Change::OnLeave {
                    person: person(3),
                    kind: "因病".into(),
                    reason: "急诊".into(),
                }),
            ),
        ],
    );
    // After 散会, from the archive: a day later, and no presence grows by it.
    let later = |s, event| new_event(OFFICIAL_S + 86_400 + s, event);
    let absent = Change::WasAbsent {
        person: person(2),
        from_mono_us: mono(0),
        to_mono_us: mono(OFFICIAL_S),
    };
    let mut all: Vec<_> = events
        .drain(..)
        .map(|e| yuntang::journal::NewEvent {
            at_us: e.at_us,
            mono_us: e.mono_us,
            actor: e.actor,
            event: e.event,
        })
        .collect();
    all.push(later(0, fix(absent)));
    let events = chain(&header, all);
    let report = fold_attendance(&header, &events);
    let said = |n: usize| (report.people[n].status, report.people[n].status_before);
    assert_eq!(said(0), (Status::Present, Some(Status::Absent)));
    assert_eq!(said(1), (Status::Absent, Some(Status::Present)));
    assert_eq!(said(2), (Status::Leave, Some(Status::Absent)));
    assert_eq!(report.people[0].corrections, [4]);
    assert_eq!(report.people[1].corrections, [events.len() as u64]);
    assert!(report.people[2].leave.as_ref().unwrap().late);
    assert_eq!(report.official.seconds, OFFICIAL_S);
}

#[test]
fn leave_that_is_taken_back_is_none() {
    let denied = Event::LeaveDenied { person: person(1), reason: "已可到会".into() };
    let row = alone(vec![(-900, approved(1, "因公", "出差")), (-300, denied)]);
    assert_eq!((row.status, row.leave), (Status::Absent, None));
}

fn deeds() -> impl Strategy<Value = Vec<Envelope>> {
    let deed = (0i64..6000, 0u32..9, 0u32..4);
    prop::collection::vec(deed, 1..60).prop_map(|mut deeds| {
        deeds.sort_unstable();
        let deeds = deeds
            .into_iter()
            .map(|(at, what, n)| {
                let (s, who, site) = (at - 300, n % 3 + 1, SITE + n % 2);
                let event = match what {
                    0 => site_enter(site, 50 + n),
                    1 => site_exit(s - 3, site, 50 + n, LeaveReason::Drop),
                    2 => site_exit(s, site, 50 + n, LeaveReason::User),
                    3 | 4 => scan(who, site),
                    5 => tick(who, site, false),
                    6 => decided(who, site, n == 0),
                    7 => checkout(who, site),
                    _ if n == 0 => Event::ServerRestart { new_boot: false },
                    _ => join(who, 20 + n, "phone"),
                };
                (s, event)
            })
            .collect();
        events_of(&assembly(3), deeds)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn rooms_too_never_give_more_than_the_meeting_or_the_span(events in deeds()) {
        let report = fold_attendance(&assembly(3), &events);
        for row in &report.people {
            prop_assert!(row.raw_s <= row.effective_s);
            prop_assert!(row.effective_s <= report.official.seconds);
            if let (Some(first), Some(last)) = (row.first_join_us, row.last_leave_us) {
                prop_assert!(row.effective_s * 1_000_000 <= last - first);
            }
        }
    }

    #[test]
    fn rooms_too_fold_the_same_in_any_order_and_by_parts(
        (events, shuffled, cut) in deeds().prop_flat_map(|e| {
            let twice: Vec<Envelope> = e.iter().chain(&e).cloned().collect();
            (Just(e), Just(twice).prop_shuffle(), 0usize..60)
        })
    ) {
        let header = assembly(3);
        let whole = fold_attendance(&header, &events);
        prop_assert_eq!(&fold_attendance(&header, &shuffled), &whole);
        let (prefix, rest) = events.split_at(cut.min(events.len()));
        let mut fold = AttendanceFold::new(header);
        prefix.iter().for_each(|e| fold.push(e));
        let _ = fold.report(None);
        rest.iter().for_each(|e| fold.push(e));
        prop_assert_eq!(fold.report(None), whole);
    }
}
