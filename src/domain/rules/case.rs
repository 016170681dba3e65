//! What a decision is made of: counts, as a recorder has them. Format: docs/RULES.md.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::file::Ballot;
use crate::domain::MeetingKind;

/// One matter before one meeting.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub kind: MeetingKind,
    /// Of the organisation, e.g. `temporary_branch`.
    pub org: Option<String>,
    /// As which meeting an 组织生活会 is held.
    pub form: Option<MeetingKind>,
    /// 应到会有表决权的人数, before exclusions.
    pub due_voters: u32,
    /// 实到会有表决权的人数
    pub present_voters: u32,
    /// Due and present without a vote: 预备党员 and whoever has lost it.
    #[serde(default)]
    pub due_non_voters: u32,
    #[serde(default)]
    pub present_non_voters: u32,
    /// Of the absent, with leave granted: they stay due.
    #[serde(default)]
    pub on_leave: u32,
    /// How it is voted; the default of the kind if nothing is said.
    pub ballot: Option<Ballot>,
    /// A superior organisation has approved an online secret ballot, on record.
    #[serde(default)]
    pub superior_approval: bool,
    /// People on whom is decided at once.
    #[serde(default = "one")]
    pub applicants: u32,
    pub vote: Option<Vote>,
    pub ballots: Option<BallotCount>,
    #[serde(default)]
    pub exclusions: Vec<Exclusion>,
    /// Of the exclusions: of the superior organisation, and of the members' meeting.
    #[serde(default)]
    pub superior_consent: bool,
    #[serde(default)]
    pub members_resolution: bool,
    pub election: Option<Election>,
    pub review: Option<Review>,
}

const fn one() -> u32 {
    1
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    #[serde(rename = "for")]
    pub in_favour: u32,
    #[serde(default)]
    pub against: u32,
    #[serde(default)]
    pub abstain: u32,
    /// Opinions of absent voters, handed in in writing before the meeting.
    #[serde(default)]
    pub written_for: u32,
    #[serde(default)]
    pub written_against: u32,
    #[serde(default)]
    pub written_abstain: u32,
    /// Of the votes above, by people who have none.
    #[serde(default)]
    pub by_non_voters: u32,
}

/// 发出、收回、无效
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BallotCount {
    pub issued: Option<u32>,
    pub returned: u32,
    #[serde(default)]
    pub invalid: u32,
}

/// People who need not be counted as due in an election.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exclusion {
    pub reason: ExclusionReason,
    pub people: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExclusionReason {
    /// 患有精神病或其他疾病，不能表达本人意志
    CannotExpressWill,
    /// 自费出国半年以上
    AbroadSixMonths,
    /// 留党察看期内，或正在服刑
    OnProbationOrSentence,
    /// 年老体弱卧床不起，长期生活不能自理
    Bedridden,
    /// 调动、外借、学习、务工等外出半年以上，按规定应转走组织关系而没有转走
    AwaySixMonths,
    /// 已回原籍长期居住的离退休人员，组织关系没有转走，确实不能到会
    RetiredHome,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Election {
    pub seats: u32,
    pub candidates: Vec<Candidate>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    pub name: String,
    /// None: not voted yet.
    #[serde(rename = "for")]
    pub in_favour: Option<u32>,
    #[serde(default)]
    pub against: u32,
    #[serde(default)]
    pub abstain: u32,
    /// 另选他人: written in by voters.
    #[serde(default)]
    pub write_in: bool,
}

/// 民主测评: how many got each grade.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    pub grades: BTreeMap<String, u32>,
}

impl Vote {
    /// Votes of those present.
    pub fn in_the_room(&self) -> u64 {
        [self.in_favour, self.against, self.abstain].iter().map(|n| u64::from(*n)).sum()
    }

    pub fn written(&self) -> u64 {
        let written = [self.written_for, self.written_against, self.written_abstain];
        written.iter().map(|n| u64::from(*n)).sum()
    }
}
