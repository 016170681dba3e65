//! The engine: a case and the rules give a decision that explains itself.
//!
//! Order: is the input possible, is it allowed, is there a quorum, what came of it. Whoever is
//! refused is told what to do; whoever did not pass is told what would have been enough.

use serde::Serialize;

use super::case::Case;
use super::elect::{self, Elected};
use super::file::{Ballot, KindRules, Rules, Severity};
use super::refusal::Refusal;
use super::threshold::{Base, Certainty, Threshold};

/// More people than any one meeting has: sums stay far from the end of the numbers.
const MOST_PEOPLE: u32 = 10_000_000;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// 法定人数已够, and nothing was voted.
    QuorumMet,
    /// No rule asks for a quorum.
    NoQuorumRequired,
    /// 不足法定人数
    NoQuorum,
    Passed,
    NotPassed,
    /// 选举或表决无效, to be repeated.
    Void,
    /// All seats are filled.
    Elected,
    /// Some are.
    PartlyElected,
    NoneElected,
    Graded,
}

/// A share, applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Applied {
    pub of: Base,
    /// What the share is taken of, and what is compared with it.
    pub base: u32,
    pub count: u32,
    /// In words, e.g. 超过半数.
    pub rule: String,
    pub needed: u32,
    pub met: bool,
    pub certainty: Certainty,
}

impl Applied {
    pub fn new(threshold: &Threshold, count: u32, base: u32) -> Self {
        Self {
            of: threshold.of,
            base,
            count,
            rule: threshold.words(),
            needed: threshold.needed(base),
            met: threshold.is_met(count, base),
            certainty: threshold.certainty,
        }
    }

    pub fn short_by(&self) -> u32 {
        self.needed.saturating_sub(self.count)
    }
}

/// Head counts, as they stand in the minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Heads {
    /// 应到, 实到, 请假, 缺席
    pub due: u32,
    pub present: u32,
    pub on_leave: u32,
    pub absent: u32,
    /// Of them with a vote; due after exclusions.
    pub due_voters: u32,
    pub present_voters: u32,
}

/// A stable code and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    pub code: &'static str,
    pub words: String,
}

impl Remark {
    pub fn new(code: &'static str, words: impl Into<String>) -> Self {
        Self { code, words: words.into() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    pub kind: &'static str,
    pub kind_words: String,
    pub rules_version: u32,
    pub basis: String,
    pub heads: Heads,
    pub ballot: Option<Ballot>,
    pub quorum: Option<Applied>,
    pub outcome: Outcome,
    /// The majority asked for, where something was voted.
    pub majority: Option<Applied>,
    pub election: Option<Elected>,
    /// Why, in the order of the thought.
    pub reasons: Vec<Remark>,
    pub warnings: Vec<Remark>,
}

/// Decides a case.
///
/// # Errors
/// What makes it impossible or forbidden to decide.
pub fn decide(rules: &Rules, case: &Case) -> Result<Decision, Refusal> {
    let kind = rules.of(case.kind).ok_or(Refusal::NoRules)?;
    let counted = super::check::possible(rules, kind, case)?;
    let heads = counted.heads;
    let mut decision = Decision {
        kind: case.kind.id(),
        kind_words: kind.zh.clone(),
        rules_version: rules.version,
        basis: rules.basis(kind),
        heads,
        ballot: counted.ballot,
        quorum: None,
        outcome: Outcome::NoQuorumRequired,
        majority: None,
        election: None,
        reasons: Vec::new(),
        warnings: counted.warnings,
    };
    let threshold = match case.form.filter(|_| !kind.form.is_empty()) {
        Some(form) => rules.of(form).ok_or(Refusal::NoRules)?.quorum,
        None => kind.quorum,
    };
    let Some(threshold) = threshold else {
        decision.reasons.push(Remark::new("no_quorum_rule", "没有法定人数的规定，不影响开会"));
        return Ok(decision);
    };
    decision.quorum(&threshold);
    if decision.outcome == Outcome::NoQuorum {
        return Ok(decision);
    }
    if let Some(ballots) = case.ballots.filter(|b| b.returned > heads.present_voters) {
        let (returned, voters) = (ballots.returned, heads.present_voters);
        decision.outcome = Outcome::Void;
        decision.reasons.push(Remark::new(
            "more_returned_than_voters",
            format!("收回{returned}票，多于投票的{voters}人，本次投票无效，应当重新投票"),
        ));
        return Ok(decision);
    }
    if let (Some(election), Some(elect)) = (&case.election, &kind.elect) {
        elect::conclude(&mut decision, election, elect);
    } else if let Some(vote) = &case.vote {
        decision.vote(kind, case, vote)?;
    } else if let Some(review) = &case.review {
        decision.review(kind, review);
    }
    Ok(decision)
}

impl Decision {
    fn quorum(&mut self, threshold: &Threshold) {
        let Heads { due_voters, present_voters, .. } = self.heads;
        let quorum = Applied::new(threshold, present_voters, due_voters);
        let sentence = format!(
            "应到会有表决权{due_voters}人，实到{present_voters}人；须{}，即至少{}人",
            quorum.rule, quorum.needed
        );
        self.outcome = if quorum.met { Outcome::QuorumMet } else { Outcome::NoQuorum };
        if quorum.met {
            self.reasons.push(Remark::new("quorum_met", sentence));
        } else {
            let more = quorum.short_by();
            self.reasons.push(Remark::new(
                "quorum_missing",
                format!("{sentence}，还差{more}人，不能表决；请假的人不减少应到人数"),
            ));
        }
        self.quorum = Some(quorum);
    }

    fn vote(
        &mut self,
        kind: &KindRules,
        case: &Case,
        vote: &super::case::Vote,
    ) -> Result<(), Refusal> {
        let threshold =
            kind.pass.ok_or_else(|| Refusal::NoVoteInThisKind { kind: kind.zh.clone() })?;
        let count = vote.in_favour + vote.written_for;
        let against = vote.against + vote.written_against;
        let base = match threshold.of {
            Base::DueVoters => self.heads.due_voters,
            Base::PresentVoters => self.heads.present_voters,
            Base::AllMembers => self.heads.due,
        };
        let majority = Applied::new(&threshold, count, base);
        let written = match vote.written() {
            0 => String::new(),
            _ => format!("（含会前书面赞成{}人）", vote.written_for),
        };
        let sentence = format!(
            "赞成{count}人{written}；须{}（{base}人），即至少{}人",
            majority.rule, majority.needed
        );
        if majority.met {
            self.outcome = Outcome::Passed;
            self.reasons.push(Remark::new("majority", sentence));
        } else {
            self.outcome = Outcome::NotPassed;
            let more = majority.short_by();
            self.reasons.push(Remark::new("no_majority", format!("{sentence}，还差{more}人赞成")));
            if count * 2 == base && case.applicants == 1 && kind.one_by_one {
                self.reasons.push(Remark::new(
                    "exactly_half",
                    "恰为半数，不是过半数：可说明情况后重新表决，或暂缓表决",
                ));
            }
        }
        if count.abs_diff(against) <= 1 && count + against > 1 {
            self.warnings.push(Remark::new(
                "close",
                "双方人数接近：除紧急情况外可暂缓决定，进一步调查研究、交换意见，下次再表决（党章第17条）",
            ));
        }
        if threshold.certainty == Certainty::Local {
            self.warnings
                .push(Remark::new("local_rule", "过半数为少数服从多数的通行做法，条例没有写明"));
        }
        self.majority = Some(majority);
        Ok(())
    }

    fn review(&mut self, kind: &KindRules, review: &super::case::Review) {
        self.outcome = Outcome::Graded;
        let best = kind.grades.first().and_then(|grade| review.grades.get(grade)).copied();
        let Some((max, best)) = kind.excellent_max.as_ref().zip(best) else { return };
        let base = match max.of {
            Base::AllMembers => self.heads.due,
            Base::DueVoters => self.heads.due_voters,
            Base::PresentVoters => self.heads.present_voters,
        };
        let most = u64::from(base) * u64::from(max.num) / u64::from(max.den.max(1));
        if u64::from(best) <= most {
            return;
        }
        let words = format!(
            "评为优秀{best}人，一般不超过党员{base}人的{}分之{}，即{most}人",
            max.den, max.num
        );
        let remark = Remark::new("too_many_excellent", words);
        match max.severity {
            Severity::Warn => self.warnings.push(remark),
            Severity::Refuse => {
                self.outcome = Outcome::Void;
                self.reasons.push(remark);
            }
        }
    }
}

/// For sums of counts that were checked.
pub(super) const fn is_countable(people: u32) -> bool {
    people <= MOST_PEOPLE
}
