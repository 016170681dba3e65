//! The attendance file says what the sheet says.

use signaling::LeaveReason;
use yuntang::domain::MemberClass;
use yuntang::export::attendance_xlsx::tables;
use yuntang::export::table::Cell;
use yuntang::export::{AttendanceExport, attendance_xlsx};
use yuntang::journal::{Event, fold_attendance};

use crate::journal_support::{
    START_US, TestKey, approved, chain, entry, header, id, join, leave, new_event, observer,
};

#[test]
fn three_sheets_with_policy_people_and_events() {
    let key = TestKey::new(7);
    let mut roster = vec![entry(1, MemberClass::Full), entry(2, MemberClass::Probationary)];
    roster[0].name = "=HYPERLINK(\"http://x\")".into();
    let header = header(id(1), roster, &key);
    let approved = approved(2, "因病", "住院");
    let events = vec![
        new_event(-1800, Event::SessionOpened),
        new_event(-900, approved),
        new_event(0, Event::DeclaredOpen),
        new_event(0, observer(3, 13)),
        new_event(720, join(1, 11, "phone")),
        new_event(720, Event::Checkpoint { present: vec![id(11)] }),
        new_event(5400, leave(5400, 1, 11, LeaveReason::Server)),
        new_event(5400, Event::DeclaredClosed { auto: false }),
    ];
    let events = chain(&header, events);
    let report = fold_attendance(&header, &events);
    let export = AttendanceExport {
        header: &header,
        report: &report,
        events: &events,
        exporter: "书记",
        exported_at_us: START_US,
    };
    let [summary, details, log] = tables(&export);
    let line = |label: &str| {
        let row = summary.rows.iter().find(|r| r.first() == Some(&Cell::Title(label.into())));
        row.unwrap()[1].clone()
    };
    assert_eq!(line("正式时间"), Cell::from("2026-11-21 19:00:00 至 2026-11-21 20:30:00"));
    assert_eq!(line("日志末条哈希"), Cell::from(events[7].hash.to_string()));
    assert_eq!((line("应到"), line("实到"), line("列席")), (2.into(), 1.into(), 1.into()));
    assert_eq!(line("到会率"), Cell::Permille(500));

    let column = |row: usize, title: &str| {
        let at = details.rows[0].iter().position(|c| *c == Cell::Title(title.into())).unwrap();
        details.rows[row][at].clone()
    };
    assert_eq!(details.rows.len(), 4);
    assert_eq!((column(1, "状态"), column(1, "迟到（分）")), ("迟到".into(), Cell::Minutes(720)));
    assert_eq!(column(1, "首次入会"), "2026-11-21 19:12:00".into());
    assert_eq!((column(2, "状态"), column(2, "请假事由")), ("请假".into(), "住院".into()));
    assert_eq!((column(3, "状态"), column(3, "姓名")), ("列席".into(), "督导员".into()));
    // Everything but the checkpoint, and the title.
    assert_eq!(log.rows.len(), 8);

    let file = attendance_xlsx(&export).unwrap();
    assert!(file.starts_with(b"PK") && file.len() > 4000);
    assert_eq!(file, attendance_xlsx(&export).unwrap());
}
