//! What is known of a meeting when its minutes are drafted: plain data, folded from the journal.

use crate::domain::report::AttendanceMode as Mode;
use crate::domain::{AttendanceTotals, MeetingKind, SessionId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub session: SessionId,
    pub kind: MeetingKind,
    pub title: String,
    pub org_name: String,
    /// 宣布开会 and 散会; `None`: never declared open.
    pub official: Option<(i64, i64)>,
    /// Seconds of the official time, pauses taken out.
    pub official_s: i64,
    /// Closed by the system after nobody was there for long.
    pub auto_closed: bool,
    /// Rooms (会场) that took part, by name.
    pub sites: Vec<String>,
    /// Who presided, in order, each from when.
    pub chairs: Vec<(String, i64)>,
    pub recorder: Option<String>,
    pub totals: AttendanceTotals,
    pub present: Vec<Attendee>,
    pub absent: Vec<Absentee>,
    /// 不计入: exempt by rule.
    pub exempt: Vec<String>,
    /// 列席: name, organisation, how.
    pub observers: Vec<(String, String, Mode)>,
    pub agenda: Vec<ItemFacts>,
    /// Who spoke while no item was under discussion.
    pub outside: Vec<Speech>,
    /// Who shared a screen: name, from, to.
    pub shown: Vec<(String, i64, i64)>,
    pub resolutions: Vec<Resolution>,
    pub recording: Vec<(i64, Option<i64>)>,
    /// Names of those who declined to be recorded.
    pub unrecorded: Vec<String>,
    /// Sequence number and hash that were signed at 散会.
    pub signed: Option<(u64, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attendee {
    pub name: String,
    pub mode: Mode,
    pub voter: bool,
    /// 迟到, 早退 and the like; empty for plain attendance.
    pub note: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absentee {
    pub name: String,
    /// Kind and reason of an approved leave; `None`: no leave is on record.
    pub reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemFacts {
    pub title: String,
    /// From when to when it was under discussion; more than one if it was taken up again.
    pub spans: Vec<(i64, i64)>,
    pub speeches: Vec<Speech>,
}

/// All that one person said on one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speech {
    pub name: String,
    pub seconds: i64,
}

/// A decision and how it came about, from a ballot's events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolution {
    pub title: String,
    /// 举手, 唱名, 无记名投票 …
    pub method: String,
    /// Name of the applicant or person concerned, if the ballot is about one.
    pub person: Option<String>,
    pub tally: Option<Tally>,
    /// Lines for elections and gradings: `张三 21票，当选`.
    pub lines: Vec<String>,
    /// `None`: not decided, or the rules decide and the event does not say.
    pub passed: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub due_voters: u32,
    pub present_voters: u32,
    pub votes_for: u32,
    pub votes_against: u32,
    pub abstain: u32,
    /// Written opinions among those in favour, against, abstaining.
    pub written: u32,
    pub invalid: u32,
}

impl Tally {
    /// 赞成9票，反对1票，弃权0票
    pub fn words(&self) -> String {
        let mut out = format!(
            "应到会有表决权党员{}人，实到{}人；赞成{}票，反对{}票，弃权{}票",
            self.due_voters, self.present_voters, self.votes_for, self.votes_against, self.abstain
        );
        if self.written > 0 {
            out += &format!("（其中书面意见{}份）", self.written);
        }
        if self.invalid > 0 {
            out += &format!("，无效{}票", self.invalid);
        }
        out
    }
}
