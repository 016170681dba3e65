//! The attendance sheet (考勤表) as data: what `docs/API.md` calls `AttendanceReport`.

use serde::{Deserialize, Serialize};

use super::ids::{PersonId, SessionId};
use super::member::MemberClass;
use super::session::Policy;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttendanceStatus {
    Present,
    Late,
    Early,
    LateEarly,
    /// 部分参会: below the least share.
    Partial,
    Leave,
    Absent,
    Observer,
    Exempt,
}

impl AttendanceStatus {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Present => "出席",
            Self::Late => "迟到",
            Self::Early => "早退",
            Self::LateEarly => "迟到早退",
            Self::Partial => "部分参会",
            Self::Leave => "请假",
            Self::Absent => "缺席",
            Self::Observer => "列席",
            Self::Exempt => "不计入",
        }
    }
}

/// 参会方式
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttendanceMode {
    /// Checked in at a site.
    OnSite,
    /// On a device of one's own.
    Online,
    Mixed,
}

impl AttendanceMode {
    pub const fn word(self) -> &'static str {
        match self {
            Self::OnSite => "现场",
            Self::Online => "线上",
            Self::Mixed => "混合",
        }
    }
}

/// 请假 as it was granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LeaveNote {
    /// 因公、因病、其他
    pub kind: String,
    pub reason: String,
    /// 事后补假
    pub late: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AttendanceReport {
    pub session_id: SessionId,
    pub policy: Policy,
    pub official: OfficialWindow,
    pub totals: AttendanceTotals,
    /// In the order of the roster, then those who sat in by first arrival.
    pub people: Vec<AttendanceRow>,
}

/// 宣布开会 to 散会 (or to now, while the meeting runs). All zero before 宣布开会.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OfficialWindow {
    pub start_us: i64,
    pub end_us: i64,
    /// Whole seconds, pauses taken out.
    pub seconds: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AttendanceTotals {
    pub due: u32,
    /// 实到: everyone due who was there at all.
    pub present: u32,
    pub voters_due: u32,
    pub voters_present: u32,
    /// 迟到 and 迟到早退.
    pub late: u32,
    /// 早退 and 迟到早退.
    pub early: u32,
    pub partial: u32,
    pub leave: u32,
    pub absent: u32,
    pub observers: u32,
    /// 到会率: present of due, in thousandths, rounded down.
    pub rate_permille: u32,
    /// 有效出席率: those of due who reached the least share, in thousandths, rounded down.
    pub effective_permille: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AttendanceRow {
    pub person_id: PersonId,
    pub name: String,
    pub org_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub class: Option<MemberClass>,
    pub due: bool,
    pub voter: bool,
    pub status: AttendanceStatus,
    /// First arrival at all, also before 宣布开会.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_join_us: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_leave_us: Option<i64>,
    /// Arrivals on all devices, returns after a drop among them.
    pub join_count: u32,
    /// Different devices (connections that were not resumed).
    pub devices: u32,
    /// Seconds inside the official time, union of all devices, before bridging.
    pub raw_s: i64,
    /// Seconds inside the official time after bridging.
    pub effective_s: i64,
    /// Effective share of the official time in thousandths, rounded down.
    pub ratio_permille: u32,
    /// Seconds after 宣布开会 of the arrival; zero unless beyond the threshold.
    pub late_s: i64,
    /// Seconds before 散会 of the departure; zero unless beyond the threshold.
    pub early_s: i64,
    /// Absent for who was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<AttendanceMode>,
    /// 分会场
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<String>,
    /// 点名; an unanswered one changes no status.
    #[serde(default)]
    pub rollcalls_asked: u32,
    #[serde(default)]
    pub rollcalls_answered: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leave: Option<LeaveNote>,
    /// A check-in by the list that the chair has not confirmed, and that does not count therefore.
    #[serde(default)]
    pub unconfirmed: bool,
    /// Sequence numbers of the corrections about this person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<u64>,
    /// The status without any correction, where there were some about this person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_before: Option<AttendanceStatus>,
    /// Where the person was present, after bridging, not clipped to the official time.
    pub intervals: Vec<ReportInterval>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReportInterval {
    pub from_us: i64,
    pub to_us: i64,
    /// The end was inferred from the last checkpoint before a crash.
    pub inferred: bool,
}
