//! Resolutions, elections and ballots, as pages, the room and the journal know them.
//!
//! The journal holds these types, so their meanings never change and new fields are optional.
//! Person ids are text; all times are microseconds UTC. The rules behind them: docs/RULES.md.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// How it is voted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum BallotMethod {
    /// 举手或口头: by name, over the pages of those present.
    Hand,
    /// 无记名, on paper; the recorder enters what the tellers counted.
    PaperSecret,
    /// 无记名, over the pages; only with a superior's approval on record.
    OnlineSecret,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    For,
    Against,
    Abstain,
}

/// What is voted on, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Matter {
    /// Kind by whose rules is decided, e.g. `branch_assembly`, `admit_probationary`, `election`.
    pub kind: String,
    /// 表决事项, as it stands in the minutes.
    pub text: String,
    pub method: BallotMethod,
    /// Agenda item, from zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub agenda: Option<u32>,
    /// Names of those on whom is decided: one at a time where the rules say so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applicants: Vec<String>,
    /// 预备党员转正: which of the outcomes of the rules file is voted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub proposal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub election: Option<ElectionMatter>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tellers: Vec<Teller>,
    /// The meeting has approved the tellers.
    #[serde(default)]
    pub tellers_approved: bool,
    /// The ballot that is voted again (重新表决, 再次投票).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub again: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ElectionMatter {
    pub seats: u32,
    /// Names; the room puts them into the order of 姓氏笔画 where the rules ask for it.
    pub candidates: Vec<String>,
    /// Electors who need not be counted as due.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclusions: Vec<ExclusionEntry>,
    /// Both are needed for the exclusions to be in force.
    #[serde(default)]
    pub superior_consent: bool,
    #[serde(default)]
    pub members_resolution: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ExclusionEntry {
    /// Person of the roster.
    pub participant: String,
    /// As in docs/RULES.md, e.g. `bedridden`.
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Teller {
    pub name: String,
    pub role: TellerRole,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum TellerRole {
    /// 监票人
    Scrutineer,
    /// 计票人
    Counter,
}

/// 应到 and 实到 at the instant the ballot opened: heads, and the voters among them. Before
/// exclusions of an election.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
pub struct BallotHeads {
    pub due: u32,
    pub present: u32,
    pub due_voters: u32,
    pub present_voters: u32,
}

/// 赞成、反对、弃权
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
pub struct VoteCount {
    #[serde(rename = "for")]
    pub in_favour: u32,
    pub against: u32,
    pub abstain: u32,
}

impl VoteCount {
    pub fn total(&self) -> u64 {
        u64::from(self.in_favour) + u64::from(self.against) + u64::from(self.abstain)
    }

    pub fn add(&mut self, choice: Choice) {
        match choice {
            Choice::For => self.in_favour += 1,
            Choice::Against => self.against += 1,
            Choice::Abstain => self.abstain += 1,
        }
    }
}

/// What the tellers counted: 发出、收回、无效 and what stood on the valid ones.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
pub struct PaperCount {
    pub issued: u32,
    pub returned: u32,
    pub invalid: u32,
    /// Of a resolution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub vote: Option<VoteCount>,
    /// Of an election.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<CandidateCount>,
    /// Of a 民主测评: how many members got each grade.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub grades: BTreeMap<String, u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub scan: Option<Scan>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CandidateCount {
    pub name: String,
    #[serde(flatten)]
    pub votes: VoteCount,
    /// 另选他人: written in by voters.
    #[serde(default)]
    pub write_in: bool,
}

/// A picture or PDF that was uploaded: of a tally sheet, of a written opinion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Scan {
    /// SHA-256, 64 hex digits: the file's name in the session's folder.
    pub digest: String,
    /// `image/jpeg`, `image/png` or `application/pdf`.
    pub media_type: String,
    pub bytes: u32,
}

/// 会前书面意见 of an absent voter (admission and conversion only).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct WrittenOpinion {
    /// Person of the roster.
    pub participant: String,
    /// Kind and name of the applicant that it is about.
    pub kind: String,
    pub applicant: String,
    pub choice: Choice,
    /// Day it was received, `YYYY-MM-DD`.
    pub received_on: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub scan: Option<Scan>,
}

/// A superior organisation has approved online secret ballots of this session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SuperiorApproval {
    /// 批准的上级党组织
    pub organisation: String,
    /// 批准人
    pub approver: String,
    /// 文号
    pub document: String,
    /// `YYYY-MM-DD`
    pub approved_on: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum BallotPhase {
    /// Online secret only: those who may vote fetch their ballots; nobody votes yet.
    Registering,
    Open,
    Closed,
    Withdrawn,
}

/// A share of the rules, applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ShareView {
    /// In words, e.g. 超过半数.
    pub rule: String,
    /// What the share is taken of, and what is compared with it.
    pub base: u32,
    pub count: u32,
    pub needed: u32,
    pub met: bool,
    /// Local practice, no article says so.
    pub local: bool,
}

/// A stable code and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RemarkView {
    pub code: String,
    pub words: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ElectedView {
    pub seats: u32,
    pub needed: u32,
    pub winners: Vec<String>,
    pub revote: Vec<String>,
    pub revote_seats: u32,
    pub vacant: u32,
}

/// What the rules make of the counts, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DecisionView {
    /// As in docs/RULES.md: `passed`, `not_passed`, `void`, `elected` …
    pub outcome: String,
    pub kind_words: String,
    /// Articles.
    pub basis: String,
    pub rules_version: u32,
    /// After exclusions.
    pub heads: BallotHeads,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub quorum: Option<ShareView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub majority: Option<ShareView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub election: Option<ElectedView>,
    pub reasons: Vec<RemarkView>,
    pub warnings: Vec<RemarkView>,
}

/// All that was counted when a ballot closed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
pub struct Tally {
    /// Votes of those present, on their pages, entered for them or counted in the room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub vote: Option<VoteCount>,
    /// Written opinions that count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub written: Option<VoteCount>,
    /// Paper as entered; of an online secret ballot the same figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub paper: Option<PaperCount>,
    /// SHA-256 over the list of online secret ballots (docs/BALLOTS.md).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub ballots_digest: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct NamedVote {
    pub participant: String,
    pub name: String,
    /// None: did not vote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub choice: Option<Choice>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct BallotView {
    pub id: String,
    pub matter: Matter,
    pub phase: BallotPhase,
    #[ts(type = "number")]
    pub opened_us: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(type = "number", optional)]
    pub closed_us: Option<i64>,
    pub heads: BallotHeads,
    /// Frozen voters of a named ballot while it is open, so that the recorder can enter the vote
    /// of who has no device; their votes once it is closed. Left out above 200 voters.
    pub named: Vec<NamedVote>,
    /// How many have voted (online secret: ballots in the box, told every few seconds), or have
    /// fetched their ballot while it registers.
    pub voted: u32,
    /// How many hold an online secret ballot.
    pub issued: u32,
    /// Show of hands counted in the room, of those without a device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub counted: Option<VoteCount>,
    /// What the recorder has entered so far; the chair confirms it by closing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub paper: Option<PaperCount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub tally: Option<Tally>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub decision: Option<DecisionView>,
    /// Online secret: the ballot's RSA public key (RFC 9474), SPKI DER, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub public_key: Option<String>,
    /// Why it was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub reason: Option<String>,
}

/// My part in the ballot that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct MyBallot {
    pub ballot: String,
    /// In the frozen list of voters.
    pub may_vote: bool,
    /// Voted; online secret: fetched a ballot.
    pub voted: bool,
}

/// All ballots of a session, as a page draws them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
pub struct BallotsView {
    /// In the order of opening, the last 20; at most the last one is open.
    pub ballots: Vec<BallotView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub mine: Option<MyBallot>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub approval: Option<SuperiorApproval>,
    /// How many written opinions are on record for each applicant; not what they say.
    pub opinions: Vec<OpinionCount>,
    /// What this session may vote on, by its frozen rules.
    pub kinds: Vec<VotableKind>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct OpinionCount {
    pub kind: String,
    pub applicant: String,
    pub opinions: u32,
}

/// A kind of matter, for the chair's form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct VotableKind {
    pub kind: String,
    pub words: String,
    pub methods: Vec<BallotMethod>,
    pub default_method: BallotMethod,
    /// Decides on people, one at a time.
    pub one_by_one: bool,
    /// Conversion: what can be voted on.
    pub outcomes: Vec<String>,
    /// Elects to seats.
    pub election: bool,
    /// Grades of a 民主测评; empty otherwise.
    pub grades: Vec<String>,
    pub written_opinions: bool,
    pub basis: String,
}
