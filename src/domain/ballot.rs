//! From a matter and what was counted to the case that the rules decide, and back to words.
//!
//! Who may vote and who has voted is the room's to know; here are only counts and names.

use std::collections::BTreeMap;

use signaling::ballot::{
    BallotHeads, BallotMethod, CandidateCount, Choice, DecisionView, ElectedView, Matter,
    PaperCount, RemarkView, ShareView, Tally, TellerRole, VotableKind, VoteCount,
};

use super::rules::{
    Applied, Ballot, BallotCount, Candidate, Case, Decision, Election, Exclusion, ExclusionReason,
    KindRules, Outcome, Refusal, Review, Rules, Vote, decide,
};
use super::{MeetingKind, OrgKind};

/// Longest text of a matter, and of a name in it, in characters.
pub const MAX_TEXT: usize = 500;
const MAX_NAME: usize = 60;
/// Candidates, tellers and exclusions of one ballot.
const MAX_LIST: usize = 200;

/// Why a matter cannot be put to the vote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatterError {
    #[error("没有“{0}”这类表决事项")]
    NoSuchKind(String),
    #[error("{session}不讨论{matter}，请另行召开会议")]
    NotHere { session: String, matter: String },
    #[error("请写明表决事项，不超过{MAX_TEXT}字")]
    NoText,
    #[error("名单过长，或姓名为空、超过{MAX_NAME}字，请核对")]
    BadName,
    #[error("请写明讨论的是哪一位同志")]
    NoApplicant,
    #[error("请写明表决的是{0}中的哪一项")]
    NoProposal(String),
    #[error("请填写应选名额和候选人")]
    NoElection,
    #[error("请先确定监票人：无记名投票由监票人监督计票")]
    NoTellers,
    #[error("监票人、计票人须经会议通过（{0}）")]
    TellersNotApproved(String),
    #[error("“{0}”是候选人，不能担任监票人或计票人")]
    TellerIsCandidate(String),
    #[error("没有“{0}”这一项不计入应到的理由")]
    NoSuchReason(String),
    #[error("民主测评请用纸质测评表，由计票人统计各等次人数后录入")]
    ReviewOnPaper,
    #[error(transparent)]
    Rules(#[from] Refusal),
}

/// The kind whose rules decide a matter in a meeting of `session` kind: its own, or one that such
/// a meeting may contain.
pub fn kind_of(rules: &Rules, session: MeetingKind, id: &str) -> Result<MeetingKind, MatterError> {
    let no_such = || MatterError::NoSuchKind(id.chars().take(MAX_NAME).collect());
    let kind = MeetingKind::from_id(id).ok_or_else(no_such)?;
    if contained(rules, session).contains(&kind) {
        return Ok(kind);
    }
    Err(MatterError::NotHere { session: session.word().into(), matter: kind.word().into() })
}

/// A kind, and what it may contain, and what that may contain.
fn contained(rules: &Rules, session: MeetingKind) -> Vec<MeetingKind> {
    let mut found = vec![session];
    let mut at = 0;
    while let Some(kind) = found.get(at).copied() {
        at += 1;
        let names = rules.of(kind).into_iter().flat_map(|rules| &rules.may_contain);
        for kind in names.filter_map(|id| MeetingKind::from_id(id)) {
            if !found.contains(&kind) {
                found.push(kind);
            }
        }
    }
    found
}

/// What a meeting of this kind may vote on, for the chair's form.
pub fn votable(rules: &Rules, session: MeetingKind, org: OrgKind) -> Vec<VotableKind> {
    let kinds = contained(rules, session).into_iter();
    let here = kinds.filter_map(|kind| Some((kind, rules.of(kind)?)));
    let here = here.filter(|(_, of)| !of.forbidden_in.iter().any(|one| one == org.id()));
    here.filter_map(|(kind, of)| {
        let ballot = of.ballot.as_ref()?;
        Some(VotableKind {
            kind: kind.id().into(),
            words: of.zh.clone(),
            methods: ballot.allowed.iter().copied().map(method_of).collect(),
            default_method: method_of(ballot.default),
            one_by_one: of.one_by_one,
            outcomes: of.outcomes.clone(),
            election: of.elect.is_some(),
            grades: of.grades.clone(),
            written_opinions: of.pass.is_some_and(|pass| pass.written_opinions),
            basis: rules.basis(of),
        })
    })
    .collect()
}

pub const fn method_of(ballot: Ballot) -> BallotMethod {
    match ballot {
        Ballot::Hand => BallotMethod::Hand,
        Ballot::PaperSecret => BallotMethod::PaperSecret,
        Ballot::OnlineSecret => BallotMethod::OnlineSecret,
    }
}

pub const fn ballot_of(method: BallotMethod) -> Ballot {
    match method {
        BallotMethod::Hand => Ballot::Hand,
        BallotMethod::PaperSecret => Ballot::PaperSecret,
        BallotMethod::OnlineSecret => Ballot::OnlineSecret,
    }
}

/// What must hold of a matter before anybody is counted.
pub fn check(rules: &Rules, kind: MeetingKind, matter: &Matter) -> Result<(), MatterError> {
    let of = rules.of(kind).ok_or(Refusal::NoRules)?;
    let text = matter.text.trim().chars().count();
    if text == 0 || text > MAX_TEXT || matter.text.chars().any(char::is_control) {
        return Err(MatterError::NoText);
    }
    let election = matter.election.as_ref();
    let candidates = election.map_or(&[][..], |election| &election.candidates);
    let tellers = matter.tellers.iter().map(|teller| &teller.name);
    let names = matter.applicants.iter().chain(candidates).chain(tellers);
    let bad = |name: &String| {
        let length = name.trim().chars().count();
        length == 0 || length > MAX_NAME || name.chars().any(char::is_control)
    };
    let lists = [matter.applicants.len(), candidates.len(), matter.tellers.len()];
    let exclusions = election.map_or(0, |election| election.exclusions.len());
    if names.clone().any(bad) || lists.iter().any(|n| *n > MAX_LIST) || exclusions > 5_000 {
        return Err(MatterError::BadName);
    }
    if of.one_by_one && matter.applicants.is_empty() {
        return Err(MatterError::NoApplicant);
    }
    if !of.outcomes.is_empty()
        && !matter.proposal.as_ref().is_some_and(|proposal| of.outcomes.contains(proposal))
    {
        return Err(MatterError::NoProposal(of.outcomes.join("、")));
    }
    if of.elect.is_some() && election.is_none() {
        return Err(MatterError::NoElection);
    }
    if matter.method == BallotMethod::OnlineSecret && !of.grades.is_empty() {
        return Err(MatterError::ReviewOnPaper);
    }
    tellers_of(rules, of, matter, candidates)
}

fn tellers_of(
    rules: &Rules,
    of: &KindRules,
    matter: &Matter,
    candidates: &[String],
) -> Result<(), MatterError> {
    let needed = of.tellers.as_ref();
    if needed.is_none() && matter.method != BallotMethod::PaperSecret {
        return Ok(());
    }
    if !matter.tellers.iter().any(|teller| teller.role == TellerRole::Scrutineer) {
        return Err(MatterError::NoTellers);
    }
    let Some(rule) = needed else { return Ok(()) };
    let both = matter.tellers.iter().find(|teller| candidates.contains(&teller.name));
    if let Some(teller) = both.filter(|_| rule.not_candidate) {
        return Err(MatterError::TellerIsCandidate(teller.name.clone()));
    }
    if rule.approved_by_meeting && !matter.tellers_approved {
        return Err(MatterError::TellersNotApproved(rules.basis(of)));
    }
    Ok(())
}

/// What a ballot is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    pub rules: &'a Rules,
    pub kind: MeetingKind,
    pub org: OrgKind,
    pub heads: BallotHeads,
    /// A superior's approval is on record.
    pub approved: bool,
}

impl Judged<'_> {
    /// Whether it may be voted now: everything but the votes.
    ///
    /// # Errors
    /// What the rules refuse by name; a missing quorum is no error but an outcome.
    pub fn before(&self, matter: &Matter) -> Result<Decision, MatterError> {
        let of = self.rules.of(self.kind).ok_or(Refusal::NoRules)?;
        let mut case = self.case(matter)?;
        if of.elect.is_some() {
            case.election = election(matter, &[]);
        } else if of.grades.is_empty() {
            case.vote = Some(Vote::default());
        } else {
            case.review = Some(Review { grades: BTreeMap::new() });
        }
        Ok(decide(self.rules, &case)?)
    }

    /// What came of it.
    ///
    /// # Errors
    /// Counts that cannot be, by name.
    pub fn after(&self, matter: &Matter, tally: &Tally) -> Result<Decision, MatterError> {
        let of = self.rules.of(self.kind).ok_or(Refusal::NoRules)?;
        let mut case = self.case(matter)?;
        if let Some(paper) = &tally.paper {
            case.ballots = Some(BallotCount {
                issued: Some(paper.issued),
                returned: paper.returned,
                invalid: paper.invalid,
            });
        }
        if of.elect.is_some() {
            let counted = tally.paper.as_ref().map_or(&[][..], |paper| &paper.candidates);
            case.election = election(matter, counted);
        } else if !of.grades.is_empty() {
            let grades = tally.paper.as_ref().map(|paper| paper.grades.clone());
            case.review = Some(Review { grades: grades.unwrap_or_default() });
        } else {
            let vote = tally.vote.unwrap_or_default();
            let written = tally.written.unwrap_or_default();
            case.vote = Some(Vote {
                in_favour: vote.in_favour,
                against: vote.against,
                abstain: vote.abstain,
                written_for: written.in_favour,
                written_against: written.against,
                written_abstain: written.abstain,
                by_non_voters: 0,
            });
        }
        Ok(decide(self.rules, &case)?)
    }

    fn case(&self, matter: &Matter) -> Result<Case, MatterError> {
        let heads = self.heads;
        let election = matter.election.as_ref();
        let mut exclusions = Vec::new();
        for entry in election.iter().flat_map(|election| &election.exclusions) {
            let reason = reason_of(&entry.reason)
                .ok_or_else(|| MatterError::NoSuchReason(entry.reason.clone()))?;
            exclusions.push(Exclusion { reason, people: 1 });
        }
        Ok(Case {
            kind: self.kind,
            org: Some(self.org.id().to_owned()),
            form: None,
            due_voters: heads.due_voters,
            present_voters: heads.present_voters,
            due_non_voters: heads.due.saturating_sub(heads.due_voters),
            present_non_voters: heads.present.saturating_sub(heads.present_voters),
            on_leave: 0,
            ballot: Some(ballot_of(matter.method)),
            superior_approval: self.approved,
            applicants: u32::try_from(matter.applicants.len().max(1)).unwrap_or(u32::MAX),
            vote: None,
            ballots: None,
            exclusions,
            superior_consent: election.is_some_and(|election| election.superior_consent),
            members_resolution: election.is_some_and(|election| election.members_resolution),
            election: None,
            review: None,
        })
    }
}

fn reason_of(id: &str) -> Option<ExclusionReason> {
    serde_json::from_value(serde_json::Value::String(id.to_owned())).ok()
}

/// Candidates with their votes, and whoever was written in; without counts it is the nomination.
fn election(matter: &Matter, counted: &[CandidateCount]) -> Option<Election> {
    let sheet = matter.election.as_ref()?;
    let candidate = |name: &String, count: Option<&CandidateCount>, write_in| Candidate {
        name: name.clone(),
        in_favour: count.map(|count| count.votes.in_favour),
        against: count.map_or(0, |count| count.votes.against),
        abstain: count.map_or(0, |count| count.votes.abstain),
        write_in,
    };
    let of = |name: &String| counted.iter().find(|count| count.name == *name);
    let mut candidates: Vec<_> =
        sheet.candidates.iter().map(|name| candidate(name, of(name), false)).collect();
    let others = counted.iter().filter(|count| !sheet.candidates.contains(&count.name));
    candidates.extend(others.map(|count| candidate(&count.name, Some(count), true)));
    Some(Election { seats: sheet.seats, candidates })
}

/// What an online secret ballot says: one choice for each candidate, or one for the matter, in the
/// order of the ballot paper; then names that were written in.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paper {
    pub choices: Vec<Choice>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub write_in: Vec<String>,
}

/// Longest list of written-in names on one paper.
const MAX_WRITE_IN: usize = 20;

impl Paper {
    /// Whether it can be put into the box at all. Too many names for the seats may: such a paper
    /// is counted as invalid, as on paper.
    pub fn fits(&self, matter: &Matter) -> bool {
        let candidates = matter.election.as_ref().map(|election| &election.candidates);
        let name = |name: &String| {
            let length = name.trim().chars().count();
            let listed = candidates.is_some_and(|listed| listed.contains(name));
            (1..=MAX_NAME).contains(&length) && !name.chars().any(char::is_control) && !listed
        };
        self.choices.len() == candidates.map_or(1, Vec::len)
            && self.write_in.len() <= MAX_WRITE_IN
            && (candidates.is_some() || self.write_in.is_empty())
            && self.write_in.iter().all(name)
    }

    fn is_valid(&self, seats: u32) -> bool {
        let named = self.choices.iter().filter(|choice| **choice == Choice::For).count();
        let named = named + self.write_in.len();
        let unique: std::collections::BTreeSet<_> = self.write_in.iter().collect();
        named <= seats as usize && unique.len() == self.write_in.len()
    }
}

/// Counts online secret ballots as tellers count paper.
pub fn count_papers(matter: &Matter, issued: u32, papers: &[Paper]) -> Tally {
    let returned = u32::try_from(papers.len()).unwrap_or(u32::MAX);
    let mut count = PaperCount { issued, returned, ..PaperCount::default() };
    let Some(sheet) = &matter.election else {
        let mut vote = VoteCount::default();
        papers.iter().flat_map(|paper| &paper.choices).for_each(|choice| vote.add(*choice));
        count.vote = Some(vote);
        return Tally { vote: Some(vote), paper: Some(count), ..Tally::default() };
    };
    let zero = |name: &String, write_in| CandidateCount {
        name: name.clone(),
        votes: VoteCount::default(),
        write_in,
    };
    count.candidates = sheet.candidates.iter().map(|name| zero(name, false)).collect();
    for paper in papers {
        if !paper.is_valid(sheet.seats) {
            count.invalid += 1;
            continue;
        }
        for (candidate, choice) in count.candidates.iter_mut().zip(&paper.choices) {
            candidate.votes.add(*choice);
        }
        for name in &paper.write_in {
            let known = count.candidates.iter_mut().find(|one| one.name == *name);
            match known {
                Some(known) => known.votes.add(Choice::For),
                None => {
                    let mut new = zero(name, true);
                    new.votes.add(Choice::For);
                    count.candidates.push(new);
                }
            }
        }
    }
    Tally { paper: Some(count), ..Tally::default() }
}

fn share(applied: &Applied) -> ShareView {
    ShareView {
        rule: applied.rule.clone(),
        base: applied.base,
        count: applied.count,
        needed: applied.needed,
        met: applied.met,
        local: applied.certainty == super::rules::Certainty::Local,
    }
}

/// The decision as pages, minutes and the journal have it.
pub fn view_of(decision: &Decision) -> DecisionView {
    let remarks = |list: &[super::rules::Remark]| {
        list.iter()
            .map(|one| RemarkView { code: one.code.into(), words: one.words.clone() })
            .collect()
    };
    DecisionView {
        outcome: outcome_id(decision.outcome).into(),
        kind_words: decision.kind_words.clone(),
        basis: decision.basis.clone(),
        rules_version: decision.rules_version,
        heads: BallotHeads {
            due: decision.heads.due,
            present: decision.heads.present,
            due_voters: decision.heads.due_voters,
            present_voters: decision.heads.present_voters,
        },
        quorum: decision.quorum.as_ref().map(share),
        majority: decision.majority.as_ref().map(share),
        election: decision.election.as_ref().map(|elected| ElectedView {
            seats: elected.seats,
            needed: elected.needed,
            winners: elected.winners.clone(),
            revote: elected.revote.clone(),
            revote_seats: elected.revote_seats,
            vacant: elected.vacant,
        }),
        reasons: remarks(&decision.reasons),
        warnings: remarks(&decision.warnings),
    }
}

/// As in docs/RULES.md.
pub const fn outcome_id(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::QuorumMet => "quorum_met",
        Outcome::NoQuorumRequired => "no_quorum_required",
        Outcome::NoQuorum => "no_quorum",
        Outcome::Passed => "passed",
        Outcome::NotPassed => "not_passed",
        Outcome::Void => "void",
        Outcome::Elected => "elected",
        Outcome::PartlyElected => "partly_elected",
        Outcome::NoneElected => "none_elected",
        Outcome::Graded => "graded",
    }
}

/// 到会有表决权党员8人，须超过应到16人的半数（至少9人）才能表决
pub fn quorum_words(decision: &Decision) -> Option<String> {
    let quorum = decision.quorum.as_ref().filter(|quorum| !quorum.met)?;
    let (what, share) = match quorum.rule.strip_prefix("超过") {
        Some(share) => ("超过", share),
        None => ("达到", quorum.rule.as_str()),
    };
    Some(format!(
        "到会有表决权党员{}人，须{what}应到{}人的{share}（至少{}人）才能表决",
        quorum.count, quorum.base, quorum.needed
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use signaling::ballot::ElectionMatter;

    fn matter(candidates: &[&str], seats: u32) -> Matter {
        Matter {
            kind: "election".into(),
            text: "选举支部委员会".into(),
            method: BallotMethod::OnlineSecret,
            agenda: None,
            applicants: vec![],
            proposal: None,
            election: (seats > 0).then(|| ElectionMatter {
                seats,
                candidates: candidates.iter().map(|name| (*name).to_owned()).collect(),
                exclusions: vec![],
                superior_consent: false,
                members_resolution: false,
            }),
            tellers: vec![],
            tellers_approved: false,
            again: None,
        }
    }

    fn choice() -> impl Strategy<Value = Choice> {
        prop_oneof![Just(Choice::For), Just(Choice::Against), Just(Choice::Abstain)]
    }

    proptest! {
        /// Tallies conserve ballots: every paper is counted once, in no particular order.
        #[test]
        fn tallies_conserve_ballots(
            papers in prop::collection::vec(prop::collection::vec(choice(), 3), 0..40),
            seats in 1u32..4,
        ) {
            let matter = matter(&["甲", "乙", "丙"], seats);
            let mut papers: Vec<_> =
                papers.into_iter().map(|choices| Paper { choices, write_in: vec![] }).collect();
            let tally = count_papers(&matter, 40, &papers);
            let paper = tally.paper.clone().unwrap();
            let valid = u64::from(paper.returned - paper.invalid);
            prop_assert_eq!(paper.returned as usize, papers.len());
            for one in &paper.candidates {
                prop_assert_eq!(one.votes.total(), valid);
            }
            papers.reverse();
            prop_assert_eq!(count_papers(&matter, 40, &papers), tally);
        }

        #[test]
        fn a_resolution_counts_every_paper(papers in prop::collection::vec(choice(), 0..60)) {
            let matter = matter(&[], 0);
            let cast: Vec<_> = papers
                .iter()
                .map(|choice| Paper { choices: vec![*choice], write_in: vec![] })
                .collect();
            let tally = count_papers(&matter, 60, &cast);
            prop_assert_eq!(tally.vote.unwrap().total() as usize, papers.len());
        }
    }

    #[test]
    fn a_paper_with_more_names_than_seats_is_invalid() {
        let matter = matter(&["甲", "乙", "丙"], 2);
        let three = Paper { choices: vec![Choice::For; 3], write_in: vec![] };
        let wrote = Paper {
            choices: vec![Choice::For, Choice::Against, Choice::Against],
            write_in: vec!["丁".into()],
        };
        assert!(three.fits(&matter) && wrote.fits(&matter));
        let paper = count_papers(&matter, 2, &[three, wrote]).paper.unwrap();
        assert_eq!((paper.returned, paper.invalid), (2, 1));
        let fourth = paper.candidates.last().unwrap();
        assert_eq!(
            (fourth.name.as_str(), fourth.write_in, fourth.votes.in_favour),
            ("丁", true, 1)
        );
    }

    #[test]
    fn the_refusal_is_in_the_words_of_the_interface() {
        let rules = Rules::built_in().unwrap();
        let heads = BallotHeads { due: 16, present: 8, due_voters: 16, present_voters: 8 };
        let judged = Judged {
            rules: &rules,
            kind: MeetingKind::AdmitProbationary,
            org: OrgKind::Branch,
            heads,
            approved: false,
        };
        let mut matter = matter(&[], 0);
        matter.method = BallotMethod::PaperSecret;
        matter.applicants = vec!["张三".into()];
        let decision = judged.before(&matter).unwrap();
        assert_eq!(
            quorum_words(&decision).unwrap(),
            "到会有表决权党员8人，须超过应到16人的半数（至少9人）才能表决"
        );
    }
}
