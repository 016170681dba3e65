//! 考勤表 as XLSX: 汇总, 明细 and 事件 (`domain.md` §3.6).

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::tz::Offset;
use rust_xlsxwriter::XlsxError;

use super::event_words::{change_words, words};
use super::table::{Cell, Table, xlsx};
use crate::domain::member::class_word;
use crate::domain::{
    AttendanceMode, AttendanceReport, AttendanceRow, AttendanceStatus, LeaveNote, PersonId,
};
use crate::journal::{Actor, Envelope, Event, Header};

/// Beijing time: one offset, no summer time.
const BEIJING: Offset = Offset::constant(8);

/// Everything the file says.
#[derive(Debug, Clone, Copy)]
pub struct AttendanceExport<'a> {
    pub header: &'a Header,
    pub report: &'a AttendanceReport,
    pub events: &'a [Envelope],
    /// Name of who takes the file away.
    pub exporter: &'a str,
    pub exported_at_us: i64,
}

/// The file's bytes; the same input gives the same bytes.
///
/// # Errors
/// [`XlsxError`] if there are more events than rows in a sheet.
pub fn attendance_xlsx(export: &AttendanceExport<'_>) -> Result<Vec<u8>, XlsxError> {
    xlsx(&tables(export), export.exported_at_us)
}

/// The three sheets before they become a file.
pub fn tables(export: &AttendanceExport<'_>) -> [Table; 3] {
    let names = names(export);
    [summary(export), details(export, &names), events(export, &names)]
}

fn names(export: &AttendanceExport<'_>) -> HashMap<PersonId, String> {
    export.report.people.iter().map(|r| (r.person_id, r.name.clone())).collect()
}

fn name_of(names: &HashMap<PersonId, String>, person: PersonId) -> String {
    names.get(&person).cloned().unwrap_or_else(|| person.to_string())
}

fn time(us: i64) -> String {
    Timestamp::from_microsecond(us)
        .map(|t| BEIJING.to_datetime(t).strftime("%Y-%m-%d %H:%M:%S").to_string())
        .unwrap_or_default()
}

fn opt_time(us: Option<i64>) -> Cell {
    us.map(time).unwrap_or_default().into()
}

fn yes(flag: bool) -> Cell {
    if flag { "是" } else { "否" }.into()
}

fn summary(export: &AttendanceExport<'_>) -> Table {
    let AttendanceExport { header, report, events, .. } = export;
    let (policy, totals, official) = (&report.policy, &report.totals, &report.official);
    let line = |label: &str, value: Cell| vec![Cell::Title(label.to_owned()), value];
    let window = if official.seconds == 0 && official.start_us == 0 {
        "未宣布开会".into()
    } else {
        format!("{} 至 {}", time(official.start_us), time(official.end_us))
    };
    let head = events.last().map(|e| e.hash.to_string()).unwrap_or_default();
    let rows = vec![
        line("会议", header.title.as_str().into()),
        line("会议类型", header.kind.word().into()),
        line("组织", header.org_name.as_str().into()),
        line("会议编号", header.session.to_string().into()),
        line("正式时间", window.into()),
        line("正式时长（分）", Cell::Minutes(official.seconds)),
        line("迟到界限（分）", Cell::Minutes(policy.late_after_s.into())),
        line("早退界限（分）", Cell::Minutes(policy.early_before_s.into())),
        line("最低出席比例", Cell::Permille(policy.min_ratio_permille)),
        line("掉线续接（秒）", policy.bridge_s.into()),
        line("规则版本", header.rules_version.into()),
        line("日志末条哈希", head.into()),
        line("导出人", export.exporter.into()),
        line("导出时间", time(export.exported_at_us).into()),
        vec![],
        line("应到", totals.due.into()),
        line("实到", totals.present.into()),
        line("应到有表决权", totals.voters_due.into()),
        line("实到有表决权", totals.voters_present.into()),
        line("到会率", Cell::Permille(totals.rate_permille)),
        line("有效出席率", Cell::Permille(totals.effective_permille)),
        line("迟到（含迟到早退）", totals.late.into()),
        line("早退（含迟到早退）", totals.early.into()),
        line("部分参会", totals.partial.into()),
        line("请假", totals.leave.into()),
        line("缺席", totals.absent.into()),
        line("列席", totals.observers.into()),
    ];
    Table { name: "汇总", rows, widths: vec![20, 68], frozen_rows: 0 }
}

const DETAIL_COLUMNS: [(&str, u16); 24] = [
    ("序号", 6),
    ("姓名", 12),
    ("所属支部", 20),
    ("党小组", 14),
    ("党员类别", 10),
    ("有无表决权", 10),
    ("应到", 6),
    ("状态", 10),
    ("参会方式", 10),
    ("分会场", 12),
    ("首次入会", 20),
    ("最后离会", 20),
    ("入会次数", 9),
    ("累计时长（分）", 12),
    ("有效时长（分）", 12),
    ("出席比例", 10),
    ("迟到（分）", 9),
    ("早退（分）", 9),
    ("点名应答", 10),
    ("请假类型", 10),
    ("请假事由", 20),
    ("补学", 8),
    ("备注", 24),
    ("更正", 30),
];

fn details(export: &AttendanceExport<'_>, names: &HashMap<PersonId, String>) -> Table {
    let title = DETAIL_COLUMNS.iter().map(|(t, _)| Cell::Title((*t).to_owned())).collect();
    let people = export.report.people.iter();
    let rows = (1_u32..).zip(people).map(|(n, row)| detail(n, row, export.events, names));
    Table {
        name: "明细",
        rows: std::iter::once(title).chain(rows).collect(),
        widths: DETAIL_COLUMNS.iter().map(|(_, w)| *w).collect(),
        frozen_rows: 1,
    }
}

fn detail(
    n: u32,
    row: &AttendanceRow,
    events: &[Envelope],
    names: &HashMap<PersonId, String>,
) -> Vec<Cell> {
    let leave = row.leave.as_ref();
    let mut corrections: Vec<String> = events
        .iter()
        .filter_map(|e| match &e.event {
            Event::Correction { change, reason, .. } if change.person() == Some(row.person_id) => {
                let what = change_words(change, |p| name_of(names, p));
                Some(format!("第{}条 {what}，事由：{reason}", e.seq))
            }
            _ => None,
        })
        .collect();
    // Both values are shown: what was, and what it was corrected to (状态).
    if let Some(before) = row.status_before.filter(|before| *before != row.status) {
        corrections.insert(0, format!("原状态：{}", before.word()));
    }
    let observer = row.status == AttendanceStatus::Observer;
    vec![
        n.into(),
        row.name.as_str().into(),
        row.org_name.as_str().into(),
        row.group_name.as_deref().unwrap_or_default().into(),
        row.class.map_or("", class_word).into(),
        if observer { Cell::Empty } else { yes(row.voter) },
        yes(row.due),
        row.status.word().into(),
        row.mode.map_or("", AttendanceMode::word).into(),
        row.sites.join("、").into(),
        opt_time(row.first_join_us),
        opt_time(row.last_leave_us),
        row.join_count.into(),
        Cell::Minutes(row.raw_s),
        Cell::Minutes(row.effective_s),
        Cell::Permille(row.ratio_permille),
        Cell::Minutes(row.late_s),
        Cell::Minutes(row.early_s),
        rollcalls(row).into(),
        leave.map_or("", |leave| &leave.kind).into(),
        leave.map_or_else(String::new, leave_reason).into(),
        Cell::Empty,
        notes(row).into(),
        corrections.join("；").into(),
    ]
}

/// 应答 of those asked; empty without any.
fn rollcalls(row: &AttendanceRow) -> String {
    match row.rollcalls_asked {
        0 => String::new(),
        asked => format!("{}/{asked}", row.rollcalls_answered),
    }
}

fn leave_reason(leave: &LeaveNote) -> String {
    format!("{}{}", leave.reason, if leave.late { "（事后补假）" } else { "" })
}

fn notes(row: &AttendanceRow) -> String {
    let mut notes = Vec::new();
    if row.intervals.iter().any(|i| i.inferred) {
        notes.push("含按最后在线时间推断的离会");
    }
    if row.unconfirmed {
        notes.push("列表签到未经主持人确认，未计入");
    }
    notes.join("；")
}

fn events(export: &AttendanceExport<'_>, names: &HashMap<PersonId, String>) -> Table {
    let title = ["序号", "时间", "会场计时（秒）", "操作人", "事件", "内容", "哈希"];
    let title = title.into_iter().map(|t| Cell::Title(t.to_owned())).collect();
    // What every five seconds says that nothing has changed is left to the exported journal.
    let told = export.events.iter().filter(|e| !matches!(e.event, Event::Checkpoint { .. }));
    let rows = told.map(|e| {
        let (what, particulars) = words(&e.event, |p| name_of(names, p));
        let actor = match e.actor {
            Actor::System => "系统".to_owned(),
            Actor::Person(person) => name_of(names, person),
        };
        vec![
            Cell::Count(i64::try_from(e.seq).unwrap_or(i64::MAX)),
            time(e.at_us).into(),
            Cell::Count(e.mono_us / 1_000_000),
            actor.into(),
            what.into(),
            particulars.into(),
            e.hash.to_string().into(),
        ]
    });
    Table {
        name: "事件",
        rows: std::iter::once(title).chain(rows).collect(),
        widths: vec![8, 20, 12, 14, 12, 60, 66],
        frozen_rows: 1,
    }
}
