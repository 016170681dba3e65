//! The life of minutes: `draft → recorder_submitted → chair_confirmed → sealed`, then corrections.
//!
//! Folded from steps in the order of the journal. [`Life::check`] says whether a step may be taken
//! now; [`Life::apply`] takes it, and passes over one that [`Life::check`] refuses, so that a
//! journal folds to the same life whoever wrote it. Who may take a step is `auth::policy`'s.

use serde::{Deserialize, Serialize};

use super::time;
use crate::domain::PersonId;

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema,
)]
#[schema(as = MinutesState)]
pub enum State {
    #[default]
    #[serde(rename = "draft")]
    Draft,
    /// Signed by the 记录人, waiting for the 主持人.
    #[serde(rename = "recorder_submitted")]
    Submitted,
    /// Signed by both; objections may be raised.
    #[serde(rename = "chair_confirmed")]
    Confirmed,
    #[serde(rename = "sealed")]
    Sealed,
}

impl State {
    pub const ALL: [Self; 4] = [Self::Draft, Self::Submitted, Self::Confirmed, Self::Sealed];

    pub const fn id(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Submitted => "recorder_submitted",
            Self::Confirmed => "chair_confirmed",
            Self::Sealed => "sealed",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.id() == id)
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::Draft => "草稿",
            Self::Submitted => "已提交，待主持人确认",
            Self::Confirmed => "已确认，异议期内",
            Self::Sealed => "已封存",
        }
    }
}

/// What somebody did. `digest` is the hash of the version's canonical JSON, 64 hex digits: a
/// signature covers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Save {
        version: String,
        digest: String,
    },
    Submit {
        digest: String,
        name: String,
    },
    /// By the chair, or by a superior: back to the recorder, with the reason.
    Return {
        reason: String,
        superior: bool,
    },
    Confirm {
        digest: String,
        name: String,
        objections_until_us: i64,
    },
    Object {
        id: String,
        text: String,
    },
    Answer {
        id: String,
        text: String,
    },
    Seal {
        digest: String,
    },
    Correct {
        section: String,
        old: String,
        new: String,
        reason: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub id: String,
    pub digest: String,
    /// `None`: drafted by the system.
    pub by: Option<PersonId>,
    pub at_us: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signature {
    pub person_id: PersonId,
    /// As typed.
    pub name: String,
    pub at_us: i64,
    pub digest: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Returned {
    pub person_id: PersonId,
    pub at_us: i64,
    pub reason: String,
    pub superior: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub by: PersonId,
    pub at_us: i64,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    pub id: String,
    pub by: PersonId,
    pub at_us: i64,
    pub text: String,
    pub answer: Option<Answer>,
}

/// After the seal: what stood there and what should, side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    pub section: String,
    pub old: String,
    pub new: String,
    pub reason: String,
    pub by: PersonId,
    pub at_us: i64,
}

/// Why a step cannot be taken now, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("会议记录{}，不能修改；需要修改的，请主持人写明原因退回", .0.word())]
    NotDraft(State),
    #[error("会议记录尚未由记录人提交，主持人还不能确认")]
    NotSubmitted,
    #[error("会议记录{}，没有可退回的内容", .0.word())]
    NothingToReturn(State),
    #[error("会议记录已有改动，与您看到的不同；请刷新页面，核对后再签名")]
    OtherVersion,
    #[error("现在不是异议期：会议记录{}", .0.word())]
    NotInObjectionDays(State),
    #[error("异议期已于{}结束", time::moment(*.0))]
    ObjectionDaysOver(i64),
    #[error("异议期到{}为止，期满后才能封存", time::moment(*.0))]
    ObjectionDaysRun(i64),
    #[error("还有{0}条异议未答复，逐条答复后才能封存")]
    Unanswered(usize),
    #[error("没有这条异议，或已经答复")]
    NoSuchObjection,
    #[error("会议记录尚未封存，请直接修改或退回，不需要更正")]
    NotSealed,
    #[error("会议记录已封存；有误的只能更正，原文与更正并存")]
    Sealed,
    #[error("更正前后的内容相同")]
    NothingCorrected,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Life {
    pub state: State,
    pub versions: Vec<Version>,
    pub submitted: Option<Signature>,
    pub confirmed: Option<Signature>,
    /// The last return, until the next submission.
    pub returned: Option<Returned>,
    /// Set while confirmed and after.
    pub objections_until_us: Option<i64>,
    /// All that were ever raised; those against a version that was returned have had their effect.
    pub objections: Vec<Objection>,
    pub sealed_at_us: Option<i64>,
    pub corrections: Vec<Correction>,
}

impl Life {
    /// The version that counts; `None` before anything was saved.
    pub fn version(&self) -> Option<&Version> {
        self.versions.last()
    }

    pub fn unanswered(&self) -> usize {
        self.objections.iter().filter(|o| o.answer.is_none()).count()
    }

    fn shows(&self, digest: &str) -> bool {
        self.version().is_some_and(|v| v.digest == digest)
    }

    /// Whether the step may be taken at this moment.
    ///
    /// # Errors
    /// [`Refusal`], in the words a secretary is shown.
    pub fn check(&self, step: &Step, now_us: i64) -> Result<(), Refusal> {
        let state = self.state;
        match step {
            Step::Correct { old, new, .. } => match state {
                State::Sealed if old == new => Err(Refusal::NothingCorrected),
                State::Sealed => Ok(()),
                _ => Err(Refusal::NotSealed),
            },
            _ if state == State::Sealed => Err(Refusal::Sealed),
            Step::Save { .. } if state != State::Draft => Err(Refusal::NotDraft(state)),
            Step::Save { .. } => Ok(()),
            Step::Submit { .. } if state != State::Draft => Err(Refusal::NotDraft(state)),
            Step::Submit { digest, .. } | Step::Confirm { digest, .. } if !self.shows(digest) => {
                Err(Refusal::OtherVersion)
            }
            Step::Submit { .. } => Ok(()),
            Step::Return { .. } => match state {
                State::Submitted | State::Confirmed => Ok(()),
                _ => Err(Refusal::NothingToReturn(state)),
            },
            Step::Confirm { .. } if state != State::Submitted => Err(Refusal::NotSubmitted),
            Step::Confirm { .. } => Ok(()),
            Step::Object { .. } => match (state, self.objections_until_us) {
                (State::Confirmed, Some(until)) if now_us < until => Ok(()),
                (State::Confirmed, Some(until)) => Err(Refusal::ObjectionDaysOver(until)),
                _ => Err(Refusal::NotInObjectionDays(state)),
            },
            Step::Answer { id, .. } => {
                match self.objections.iter().any(|o| o.id == *id && o.answer.is_none()) {
                    true => Ok(()),
                    false => Err(Refusal::NoSuchObjection),
                }
            }
            Step::Seal { digest } => match (state, self.objections_until_us) {
                (State::Confirmed, Some(until)) if now_us < until => {
                    Err(Refusal::ObjectionDaysRun(until))
                }
                (State::Confirmed, _) if self.unanswered() > 0 => {
                    Err(Refusal::Unanswered(self.unanswered()))
                }
                (State::Confirmed, _) if !self.shows(digest) => Err(Refusal::OtherVersion),
                (State::Confirmed, _) => Ok(()),
                _ => Err(Refusal::NotInObjectionDays(state)),
            },
        }
    }

    /// Takes the step; `by` is `None` for the system (the first draft, a seal that came due).
    pub fn apply(&mut self, step: &Step, by: Option<PersonId>, at_us: i64) {
        if self.check(step, at_us).is_err() {
            return;
        }
        match (step, by) {
            (Step::Save { version, digest }, by) => {
                self.versions.push(Version {
                    id: version.clone(),
                    digest: digest.clone(),
                    by,
                    at_us,
                });
            }
            (Step::Submit { digest, name }, Some(person_id)) => {
                let signed =
                    Signature { person_id, name: name.clone(), at_us, digest: digest.clone() };
                (self.submitted, self.returned) = (Some(signed), None);
                self.state = State::Submitted;
            }
            (Step::Return { reason, superior }, Some(person_id)) => {
                let (reason, superior) = (reason.clone(), *superior);
                self.returned = Some(Returned { person_id, at_us, reason, superior });
                (self.submitted, self.confirmed, self.objections_until_us) = (None, None, None);
                self.state = State::Draft;
            }
            (Step::Confirm { digest, name, objections_until_us }, Some(person_id)) => {
                let signed =
                    Signature { person_id, name: name.clone(), at_us, digest: digest.clone() };
                self.confirmed = Some(signed);
                self.objections_until_us = Some(*objections_until_us);
                self.state = State::Confirmed;
            }
            (Step::Object { id, text }, Some(by)) => {
                let (id, text) = (id.clone(), text.clone());
                self.objections.push(Objection { id, by, at_us, text, answer: None });
            }
            (Step::Answer { id, text }, Some(by)) => {
                if let Some(objection) = self.objections.iter_mut().find(|o| o.id == *id) {
                    objection.answer = Some(Answer { by, at_us, text: text.clone() });
                }
            }
            (Step::Seal { .. }, _) => {
                self.sealed_at_us = Some(at_us);
                self.state = State::Sealed;
            }
            (Step::Correct { section, old, new, reason }, Some(by)) => {
                self.corrections.push(Correction {
                    section: section.clone(),
                    old: old.clone(),
                    new: new.clone(),
                    reason: reason.clone(),
                    by,
                    at_us,
                });
            }
            // Nobody signs, objects or corrects without a name.
            (_, None) => {}
        }
    }
}

#[cfg(test)]
#[path = "life_tests.rs"]
mod tests;
