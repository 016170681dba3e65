//! Attendance by the numbered examples of the domain report (§3.4), then what must hold always.

use proptest::prelude::*;
use signaling::LeaveReason;
use yuntang::domain::{
    AttendanceReport, AttendanceRow, AttendanceStatus as Status, MemberClass, Policy,
};
use yuntang::journal::{
    AttendanceFold, Change, Envelope, Event, Header, NewEvent, fold_attendance,
};

use crate::journal_support::{
    SECOND, START_US, TestKey, approved, chain, checkpoint, entry, header, id, join, leave, mono,
    new_event, observer, person, rejoin,
};

/// Official time 19:00:00–20:30:00.
const OFFICIAL_S: i64 = 5400;

fn assembly(roster: &[u32]) -> Header {
    let roster = roster.iter().map(|n| entry(*n, MemberClass::Full)).collect();
    header(id(1), roster, &TestKey::new(7))
}

/// Adds opening, 宣布开会 and 散会 around what people did, and folds in time order.
fn meeting(header: &Header, deeds: Vec<(i64, Event)>) -> AttendanceReport {
    let mut events = vec![(-1800, Event::SessionOpened), (0, Event::DeclaredOpen)];
    events.extend(deeds);
    events.push((OFFICIAL_S, Event::DeclaredClosed { auto: false }));
    events.sort_by_key(|(s, _)| *s);
    let events = events.into_iter().map(|(s, e)| new_event(s, e)).collect();
    fold_attendance(header, &chain(header, events))
}

/// One member, device 11 unless the deeds say otherwise.
fn alone(deeds: Vec<(i64, Event)>) -> AttendanceRow {
    meeting(&assembly(&[1]), deeds).people.remove(0)
}

fn came_and_went(from: i64, to: i64) -> Vec<(i64, Event)> {
    vec![(from, join(1, 11, "desktop")), (to, leave(to, 1, 11, LeaveReason::User))]
}

#[test]
fn a1_who_is_there_from_before_the_start_to_after_the_end_is_present() {
    let row = alone(came_and_went(-300, 5460));
    assert_eq!((row.effective_s, row.ratio_permille), (5400, 1000));
    assert_eq!(row.status, Status::Present);
    assert_eq!(row.first_join_us, Some(START_US - 300 * SECOND));
    assert_eq!(row.last_leave_us, Some(START_US + 5460 * SECOND));
}

#[test]
fn a2_twelve_minutes_after_the_start_is_late() {
    let row = alone(came_and_went(720, OFFICIAL_S));
    assert_eq!((row.effective_s, row.ratio_permille, row.late_s), (4680, 866, 720));
    assert_eq!(row.status, Status::Late);
}

#[test]
fn a3_a_dropped_line_that_comes_back_within_a_minute_is_bridged() {
    let row = alone(vec![
        (0, join(1, 11, "desktop")),
        (2400, leave(2400, 1, 11, LeaveReason::Drop)),
        (2445, rejoin(1, 11)),
        (OFFICIAL_S, leave(OFFICIAL_S, 1, 11, LeaveReason::Server)),
    ]);
    assert_eq!((row.effective_s, row.raw_s, row.join_count), (5400, 5355, 2));
    assert_eq!((row.status, row.intervals.len(), row.devices), (Status::Present, 1, 1));
}

#[test]
fn a3_a_clicked_leave_is_never_bridged() {
    let row = alone(vec![
        (0, join(1, 11, "desktop")),
        (2400, leave(2400, 1, 11, LeaveReason::User)),
        (2445, join(1, 12, "desktop")),
        (OFFICIAL_S, leave(OFFICIAL_S, 1, 12, LeaveReason::Server)),
    ]);
    assert_eq!((row.effective_s, row.raw_s, row.intervals.len()), (5355, 5355, 2));
}

#[test]
fn bridging_reaches_sixty_seconds_and_not_a_microsecond_more() {
    let gap = |extra_us: i64| {
        let header = assembly(&[1]);
        let mut events: Vec<NewEvent> = [
            (-1800, Event::SessionOpened),
            (0, Event::DeclaredOpen),
            (0, join(1, 11, "desktop")),
            (100, leave(100, 1, 11, LeaveReason::Drop)),
            (160, rejoin(1, 11)),
            (OFFICIAL_S, Event::DeclaredClosed { auto: false }),
        ]
        .into_iter()
        .map(|(s, e)| new_event(s, e))
        .collect();
        events[4].mono_us += extra_us;
        fold_attendance(&header, &chain(&header, events)).people[0].intervals.len()
    };
    assert_eq!((gap(0), gap(1)), (1, 2));
}

#[test]
fn the_last_frame_ends_a_presence_not_the_moment_it_was_noticed() {
    let row = alone(vec![(0, join(1, 11, "phone")), (1010, leave(1000, 1, 11, LeaveReason::Drop))]);
    assert_eq!(row.effective_s, 1000);
}

#[test]
fn a5_two_devices_at_once_count_once() {
    let row = alone(vec![
        (0, join(1, 11, "phone")),
        (2400, join(1, 12, "desktop")),
        (3000, leave(3000, 1, 11, LeaveReason::User)),
        (OFFICIAL_S, leave(OFFICIAL_S, 1, 12, LeaveReason::User)),
    ]);
    assert_eq!((row.effective_s, row.devices, row.join_count), (5400, 2, 2));
    assert_eq!((row.status, row.intervals.len()), (Status::Present, 1));
}

#[test]
fn a6_two_thirds_are_partial_at_eighty_and_present_at_sixty_per_cent() {
    let deeds = || {
        let mut deeds = came_and_went(0, 1800);
        deeds.extend([
            (3600, join(1, 12, "desktop")),
            (5400, leave(5400, 1, 12, LeaveReason::User)),
        ]);
        deeds
    };
    let row = alone(deeds());
    assert_eq!((row.effective_s, row.ratio_permille), (3600, 666));
    assert_eq!(row.status, Status::Partial);
    let mut header = assembly(&[1]);
    header.policy = Policy { min_ratio_permille: 600, ..Policy::default() };
    assert_eq!(meeting(&header, deeds()).people[0].status, Status::Present);
}

#[test]
fn a7_fifteen_minutes_before_the_end_is_early() {
    let row = alone(came_and_went(0, 4500));
    assert_eq!((row.effective_s, row.ratio_permille, row.early_s), (4500, 833, 900));
    assert_eq!(row.status, Status::Early);
}

#[test]
fn thresholds_are_strict() {
    let status = |from, to| alone(came_and_went(from, to)).status;
    assert_eq!(status(600, OFFICIAL_S), Status::Present);
    assert_eq!(status(601, OFFICIAL_S), Status::Late);
    assert_eq!(status(0, 4800), Status::Present);
    assert_eq!(status(0, 4799), Status::Early);
    // 4,320 s are exactly 80 %.
    assert_eq!(status(1080, OFFICIAL_S), Status::Late);
    assert_eq!(status(1081, OFFICIAL_S), Status::Partial);
    let mut header = assembly(&[1]);
    header.policy.min_ratio_permille = 500;
    assert_eq!(meeting(&header, came_and_went(700, 4700)).people[0].status, Status::LateEarly);
}

#[test]
fn a11_an_observer_is_listed_and_outside_all_counts() {
    let report = meeting(&assembly(&[1]), vec![(0, observer(50, 51)), (0, join(1, 11, "desktop"))]);
    let row = &report.people[1];
    assert_eq!((row.status, row.due, row.voter), (Status::Observer, false, false));
    assert_eq!((row.name.as_str(), row.org_name.as_str()), ("督导员", "区委组织部"));
    let t = report.totals;
    assert_eq!((t.due, t.present, t.observers), (1, 1, 1));
}

#[test]
fn a13_totals_of_a_branch_of_twenty() {
    let roster: Vec<u32> = (1..=20).collect();
    let (mut deeds, at) = (Vec::new(), |n: u32| n + 100);
    for n in 1..=18 {
        let (from, to) = match n {
            16 | 17 => (720, OFFICIAL_S),
            18 => (0, 4500),
            _ => (-60, OFFICIAL_S),
        };
        deeds.push((from, join(n, at(n), "phone")));
        deeds.push((to, leave(to, n, at(n), LeaveReason::Server)));
    }
    let approved = approved(19, "因公", "出差");
    deeds.push((-600, approved));
    let t = meeting(&assembly(&roster), deeds).totals;
    assert_eq!((t.due, t.present, t.late, t.early, t.leave, t.absent), (20, 18, 2, 1, 1, 1));
    assert_eq!((t.rate_permille, t.effective_permille, t.partial), (900, 900, 0));
}

#[test]
fn leave_does_not_hide_that_somebody_came_after_all() {
    let approved = approved(1, "因病", "");
    let mut deeds = came_and_went(0, OFFICIAL_S);
    deeds.push((-600, approved));
    assert_eq!(alone(deeds).status, Status::Present);
}

#[test]
fn a14_a_stepped_clock_neither_makes_nor_takes_minutes() {
    let header = assembly(&[1, 2]);
    let script = || {
        [
            (-1800, Event::SessionOpened),
            (0, Event::DeclaredOpen),
            (10, join(1, 11, "desktop")),
            (2000, join(2, 12, "desktop")),
            (2000, Event::Paused),
            (2060, Event::Resumed),
            (5000, leave(5000, 1, 11, LeaveReason::User)),
            (OFFICIAL_S, Event::DeclaredClosed { auto: false }),
        ]
        .map(|(s, e)| new_event(s, e))
    };
    let straight = fold_attendance(&header, &chain(&header, script().into()));
    let mut stepped = script();
    for event in stepped.iter_mut().filter(|e| e.mono_us > mono(1800)) {
        event.at_us -= 300 * SECOND;
    }
    assert_eq!(fold_attendance(&header, &chain(&header, stepped.into())), straight);
    assert_eq!(straight.official.seconds, 5340);
}

#[test]
fn a_pause_counts_for_nobody() {
    let mut deeds = came_and_went(0, OFFICIAL_S);
    deeds.extend([(1000, Event::Paused), (2000, Event::Resumed)]);
    let report = meeting(&assembly(&[1]), deeds);
    assert_eq!(report.official.seconds, 4400);
    let row = &report.people[0];
    assert_eq!((row.effective_s, row.ratio_permille), (4400, 1000));
}

#[test]
fn a_crash_ends_presence_at_the_last_checkpoint_and_says_so() {
    let row = alone(vec![
        (0, join(1, 11, "desktop")),
        (995, checkpoint(&[11])),
        (1000, checkpoint(&[11])),
        (1500, Event::ServerRestart { new_boot: false }),
        (1503, rejoin(1, 11)),
        (OFFICIAL_S, leave(OFFICIAL_S, 1, 11, LeaveReason::User)),
    ]);
    assert_eq!(row.raw_s, 1000 + OFFICIAL_S - 1503);
    assert_eq!(row.intervals.iter().map(|i| i.inferred).collect::<Vec<_>>(), [true, false]);
    assert_eq!(row.intervals[0].to_us, START_US + 1000 * SECOND);
}

#[test]
fn a_short_crash_is_bridged_like_a_drop() {
    let row = alone(vec![
        (0, join(1, 11, "desktop")),
        (1000, checkpoint(&[11])),
        (1003, Event::ServerRestart { new_boot: true }),
        (1005, rejoin(1, 11)),
    ]);
    assert_eq!((row.effective_s, row.status), (OFFICIAL_S, Status::Present));
}

#[test]
fn roster_corrections_and_exemptions_move_people_in_and_out_of_the_counts() {
    let fix = |change| Event::Correction { target_seq: None, change, reason: "漏录".into() };
    let report = meeting(
        &assembly(&[1, 2]),
        vec![
            (0, join(3, 13, "phone")),
            (10, fix(Change::RosterAdd { entry: entry(3, MemberClass::Probationary) })),
            (20, fix(Change::Exempt { person: person(2) })),
        ],
    );
    let status = |n| report.people.iter().find(|r| r.person_id == person(n)).unwrap().status;
    assert_eq!(
        (status(1), status(2), status(3)),
        (Status::Absent, Status::Exempt, Status::Present)
    );
    let t = report.totals;
    assert_eq!((t.due, t.present, t.voters_due, t.voters_present), (2, 1, 1, 0));
}

#[test]
fn before_the_meeting_is_declared_open_there_is_no_official_time() {
    let header = assembly(&[1, 2]);
    let events =
        vec![new_event(-1800, Event::SessionOpened), new_event(-60, join(1, 11, "desktop"))];
    let report = fold_attendance(&header, &chain(&header, events));
    assert_eq!(report.official.seconds, 0);
    assert_eq!(report.people[0].status, Status::Present);
    assert_eq!(report.people[0].last_leave_us, None);
    assert_eq!(report.people[1].status, Status::Absent);
}

#[test]
fn who_came_and_went_before_the_start_is_absent() {
    let row = alone(came_and_went(-600, -60));
    assert_eq!((row.status, row.effective_s, row.join_count), (Status::Absent, 0, 1));
}

/// Random comings and goings of three people on six devices, in time order.
fn deeds() -> impl Strategy<Value = Vec<Envelope>> {
    let deed = (0i64..6000, 0u32..6, 0u32..6);
    prop::collection::vec(deed, 1..60).prop_map(|mut deeds| {
        deeds.sort_unstable();
        let mut events = vec![new_event(-1800, Event::SessionOpened)];
        for (at, what, device) in deeds {
            let (s, who, endpoint) = (at - 300, device % 3 + 1, device + 11);
            events.push(new_event(
                s,
                match what {
                    0 | 1 => join(who, endpoint, "phone"),
                    2 => leave(s - i64::from(device), who, endpoint, LeaveReason::Drop),
                    3 => leave(s, who, endpoint, LeaveReason::User),
                    4 => checkpoint(&[11, 12, 13, 14, 15, 16]),
                    _ if device == 0 => Event::ServerRestart { new_boot: false },
                    _ => rejoin(who, endpoint),
                },
            ));
        }
        let (open, close) = (1, events.len());
        events.insert(close, new_event(5700, Event::DeclaredClosed { auto: false }));
        events.insert(open, new_event(-300, Event::DeclaredOpen));
        chain(&assembly(&[1, 2, 3]), events)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nobody_is_present_longer_than_the_meeting_or_their_own_span(events in deeds()) {
        let report = fold_attendance(&assembly(&[1, 2, 3]), &events);
        for row in &report.people {
            prop_assert!(row.effective_s <= report.official.seconds);
            prop_assert!(row.raw_s <= row.effective_s);
            prop_assert!(row.ratio_permille <= 1000);
            if let (Some(first), Some(last)) = (row.first_join_us, row.last_leave_us) {
                prop_assert!(row.effective_s * SECOND <= last - first);
            }
        }
    }

    #[test]
    fn order_and_duplication_of_delivery_change_nothing(
        (events, shuffled) in deeds().prop_flat_map(|e| {
            let twice: Vec<Envelope> = e.iter().chain(&e).cloned().collect();
            (Just(e), Just(twice).prop_shuffle())
        })
    ) {
        let header = assembly(&[1, 2, 3]);
        prop_assert_eq!(fold_attendance(&header, &shuffled), fold_attendance(&header, &events));
    }

    #[test]
    fn folding_a_prefix_and_then_the_rest_equals_folding_the_whole(
        events in deeds(), cut in 0usize..60
    ) {
        let header = assembly(&[1, 2, 3]);
        let (prefix, rest) = events.split_at(cut.min(events.len()));
        let mut fold = AttendanceFold::new(header.clone());
        prefix.iter().for_each(|e| fold.push(e));
        let _ = fold.report(None);
        rest.iter().for_each(|e| fold.push(e));
        prop_assert_eq!(fold.report(None), fold_attendance(&header, &events));
    }
}
