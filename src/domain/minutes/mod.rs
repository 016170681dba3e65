//! 会议记录: what minutes hold (`domain.md` §2.6), how they differ, and how they become final.
//!
//! [`template`] drafts them from the facts of a meeting, people edit the sections, [`life`] says
//! who may take which step when, [`diff`] shows what changed.

pub mod diff;
pub mod facts;
pub mod life;
pub mod template;
pub mod time;

use serde::{Deserialize, Serialize};

use super::kind::MeetingKind;
use super::session::SessionState;

pub use facts::Facts;
pub use life::{Life, Refusal, State, Step};

/// Version of the content's form; part of what is hashed.
pub const FORMAT: u32 = 1;
/// Characters of one section at most: a verbatim record of a long item has its place.
pub const MAX_BODY: usize = 30_000;
/// Characters of a reason, an objection or an answer.
pub const MAX_TEXT: usize = 2_000;
/// Good practice (`domain.md` §2.6): finished within a day of 散会.
pub const REMIND_AFTER_US: i64 = 24 * 3600 * 1_000_000;

/// One version of the minutes of a meeting. Its canonical JSON is what signatures cover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minutes {
    /// [`FORMAT`]
    pub format: u32,
    pub kind: MeetingKind,
    /// In the order in which they are printed.
    pub sections: Vec<Section>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Stable id, e.g. `chair` or `item.2`.
    pub key: String,
    /// What stands before it, e.g. 主持人.
    pub title: String,
    /// Lines end with a line feed; may be empty.
    pub body: String,
    /// Taken from the journal and not edited: a wrong count is corrected in the journal.
    pub locked: bool,
}

/// A new body for one section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = MinutesEdit)]
pub struct Edit {
    pub key: String,
    pub body: String,
}

/// Why an edit cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    #[error("没有这一节：{0}")]
    UnknownSection(String),
    #[error("“{0}”由会议日志得出，不能直接修改；数字有误时请更正考勤后重新取用")]
    Locked(String),
    #[error("“{title}”最多{MAX_BODY}字，现有{chars}字")]
    TooLong { title: String, chars: usize },
}

impl Minutes {
    pub fn section(&self, key: &str) -> Option<&Section> {
        self.sections.iter().find(|s| s.key == key)
    }

    /// These minutes with other bodies; whoever sends what stands there already changes nothing.
    ///
    /// # Errors
    /// [`EditError`] by the section's name.
    pub fn edited(&self, edits: &[Edit]) -> Result<Self, EditError> {
        let mut out = self.clone();
        for edit in edits {
            let found = out.sections.iter_mut().find(|s| s.key == edit.key);
            let section = found.ok_or_else(|| EditError::UnknownSection(edit.key.clone()))?;
            let body = tidy(&edit.body);
            if body == section.body {
                continue;
            }
            if section.locked {
                return Err(EditError::Locked(section.title.clone()));
            }
            let chars = body.chars().count();
            if chars > MAX_BODY {
                return Err(EditError::TooLong { title: section.title.clone(), chars });
            }
            section.body = body;
        }
        Ok(out)
    }

    /// What the journal says now in place of what it said when these were drafted: a roster
    /// correction after the first edit reaches the counts.
    pub fn refreshed(&self, draft: &Self) -> Self {
        let mut out = self.clone();
        for section in out.sections.iter_mut().filter(|s| s.locked) {
            if let Some(fresh) = draft.section(&section.key) {
                section.body.clone_from(&fresh.body);
            }
        }
        out
    }

    /// Titles of sections that a signer should not leave empty.
    pub fn missing(&self) -> Vec<String> {
        self.sections.iter().filter(|s| s.body.is_empty()).map(|s| s.title.clone()).collect()
    }
}

/// Line ends of one sort, no control characters, no blank lines around.
fn tidy(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let kept: String = text.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    let lines: Vec<&str> = kept.lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// Minutes exist of meetings that are over.
pub const fn are_due(state: SessionState) -> bool {
    matches!(state, SessionState::DeclaredClosed | SessionState::Archived)
}

/// Whether the minutes should have been finished by now; `closed_us`: 散会.
pub fn overdue(state: State, closed_us: Option<i64>, now_us: i64) -> bool {
    let unfinished = matches!(state, State::Draft | State::Submitted);
    unfinished && closed_us.is_some_and(|at| now_us > at.saturating_add(REMIND_AFTER_US))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes() -> Minutes {
        let section = |key: &str, locked| Section {
            key: key.into(),
            title: format!("{key}的标题"),
            body: "原文".into(),
            locked,
        };
        Minutes {
            format: FORMAT,
            kind: MeetingKind::BranchAssembly,
            sections: vec![section("chair", false), section("counts", true)],
        }
    }

    fn edit(key: &str, body: &str) -> Vec<Edit> {
        vec![Edit { key: key.into(), body: body.into() }]
    }

    #[test]
    fn people_edit_their_sections_and_not_the_journals() {
        let after = minutes().edited(&edit("chair", "张三\r\n  \n")).unwrap();
        assert_eq!(after.section("chair").unwrap().body, "张三");
        assert!(matches!(minutes().edited(&edit("counts", "应到1人")), Err(EditError::Locked(_))));
        assert_eq!(minutes().edited(&edit("counts", "原文")), Ok(minutes()));
        assert!(minutes().edited(&edit("none", "")).is_err());
        let long = "字".repeat(MAX_BODY + 1);
        assert!(matches!(minutes().edited(&edit("chair", &long)), Err(EditError::TooLong { .. })));
    }

    #[test]
    fn a_correction_in_the_journal_reaches_locked_sections_only() {
        let mut draft = minutes();
        draft.sections.iter_mut().for_each(|s| s.body = "新的".into());
        let after = minutes().refreshed(&draft);
        assert_eq!(after.section("chair").unwrap().body, "原文");
        assert_eq!(after.section("counts").unwrap().body, "新的");
    }

    #[test]
    fn unfinished_minutes_are_overdue_after_a_day() {
        let closed = 1_000;
        assert!(!overdue(State::Draft, Some(closed), closed + REMIND_AFTER_US));
        assert!(overdue(State::Submitted, Some(closed), closed + REMIND_AFTER_US + 1));
        assert!(!overdue(State::Confirmed, Some(closed), i64::MAX));
        assert!(!overdue(State::Draft, None, i64::MAX));
    }
}
