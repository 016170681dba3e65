//! Is a case possible, and is it allowed? Impossible counts are refused by name.

use super::case::{BallotCount, Case};
use super::decide::{Heads, Remark, is_countable};
use super::elect;
use super::file::{Ballot, KindRules, Rules};
use super::refusal::Refusal;
use crate::domain::MeetingKind;

pub(super) struct Counted {
    pub heads: Heads,
    pub ballot: Option<Ballot>,
    pub warnings: Vec<Remark>,
}

pub(super) fn possible(rules: &Rules, kind: &KindRules, case: &Case) -> Result<Counted, Refusal> {
    countable(case)?;
    if case.org.as_ref().is_some_and(|org| kind.forbidden_in.contains(org)) {
        let (kind, basis) = (kind.zh.clone(), rules.basis(kind));
        return Err(Refusal::ForbiddenInOrg { kind, basis });
    }
    if !kind.form.is_empty() {
        form(kind, case.form)?;
    }
    let mut warnings = Vec::new();
    let due_voters = due_voters(kind, case, &mut warnings)?;
    let heads = heads(case, due_voters)?;
    if kind.one_by_one && case.applicants > 1 {
        return Err(Refusal::OneByOne { basis: rules.basis(kind) });
    }
    let voted = case.vote.is_some() || case.election.is_some() || case.review.is_some();
    let ballot = if voted { Some(ballot(rules, kind, case)?) } else { None };
    votes(kind, case, &heads)?;
    match (&case.election, kind.elect.is_some()) {
        (Some(_), false) => return Err(Refusal::NotForThisKind { what: "election" }),
        (Some(election), true) => {
            let tallied = elect::check(rules, kind, election, case.ballots, &heads)?;
            warnings.extend(tallied);
        }
        (None, _) => {}
    }
    review(kind, case, &heads)?;
    Ok(Counted { heads, ballot, warnings })
}

fn countable(case: &Case) -> Result<(), Refusal> {
    let vote = case.vote.unwrap_or_default();
    let ballots = case.ballots.unwrap_or(BallotCount { issued: None, returned: 0, invalid: 0 });
    let plain = [
        case.due_voters,
        case.present_voters,
        case.due_non_voters,
        case.present_non_voters,
        case.on_leave,
        case.applicants,
        vote.in_favour,
        vote.against,
        vote.abstain,
        vote.written_for,
        vote.written_against,
        vote.written_abstain,
        vote.by_non_voters,
        ballots.issued.unwrap_or(0),
        ballots.returned,
        ballots.invalid,
    ];
    let seats = case.election.iter().map(|election| election.seats);
    let candidates = case.election.iter().flat_map(|election| &election.candidates);
    let tallies = candidates.flat_map(|c| [c.in_favour.unwrap_or(0), c.against, c.abstain]);
    let excluded = case.exclusions.iter().map(|exclusion| exclusion.people);
    let mut all = plain.into_iter().chain(seats).chain(tallies).chain(excluded);
    if all.all(is_countable) { Ok(()) } else { Err(Refusal::TooLarge) }
}

fn form(kind: &KindRules, form: Option<MeetingKind>) -> Result<(), Refusal> {
    if form.is_some_and(|form| kind.form.iter().any(|id| id == form.id())) {
        return Ok(());
    }
    let words = kind.form.iter().filter_map(|id| MeetingKind::from_id(id).map(MeetingKind::word));
    let allowed = words.collect::<Vec<_>>().join("、");
    Err(Refusal::FormMissing { allowed })
}

/// 应到会有表决权的人数, less the approved exclusions of an election.
fn due_voters(kind: &KindRules, case: &Case, warnings: &mut Vec<Remark>) -> Result<u32, Refusal> {
    let excluded: u64 = case.exclusions.iter().map(|exclusion| u64::from(exclusion.people)).sum();
    if excluded == 0 {
        return Ok(case.due_voters);
    }
    if kind.elect.is_none() {
        return Err(Refusal::ExclusionsOnlyForElections);
    }
    let missing = match (case.superior_consent, case.members_resolution) {
        (true, true) => {
            let left = u64::from(case.due_voters).checked_sub(excluded);
            let due = case.due_voters;
            let left = left.ok_or(Refusal::MoreExcludedThanDue { excluded, due })?;
            return Ok(left as u32);
        }
        (false, true) => "上级党组织同意",
        (true, false) => "党员大会通过",
        (false, false) => "上级党组织同意和党员大会通过",
    };
    warnings.push(Remark::new(
        "exclusions_not_in_force",
        format!("尚未经{missing}，{excluded}人仍计入应到人数"),
    ));
    Ok(case.due_voters)
}

fn heads(case: &Case, due_voters: u32) -> Result<Heads, Refusal> {
    if due_voters == 0 {
        return Err(Refusal::ZeroDue);
    }
    let above = |due, present| Refusal::PresentAboveDue { due, present };
    if case.present_voters > due_voters {
        return Err(above(due_voters, case.present_voters));
    }
    if case.present_non_voters > case.due_non_voters {
        return Err(above(case.due_non_voters, case.present_non_voters));
    }
    let due = due_voters + case.due_non_voters;
    let present = case.present_voters + case.present_non_voters;
    let away = due - present;
    if case.on_leave > away {
        return Err(Refusal::LeaveAboveAbsent { on_leave: case.on_leave, absent: away });
    }
    Ok(Heads {
        due,
        present,
        on_leave: case.on_leave,
        absent: away - case.on_leave,
        due_voters,
        present_voters: case.present_voters,
    })
}

fn ballot(rules: &Rules, kind: &KindRules, case: &Case) -> Result<Ballot, Refusal> {
    let Some(rule) = &kind.ballot else {
        return Err(Refusal::NoVoteInThisKind { kind: kind.zh.clone() });
    };
    let ballot = case.ballot.unwrap_or(rule.default);
    if !rule.allowed.contains(&ballot) {
        let words: Vec<_> = rule.allowed.iter().map(|ballot| ballot.word()).collect();
        let (kind, allowed) = (kind.zh.clone(), words.join("或"));
        return Err(Refusal::BallotNotAllowed { kind, allowed });
    }
    if ballot == Ballot::OnlineSecret {
        if !case.superior_approval {
            return Err(Refusal::SuperiorApprovalMissing);
        }
        let least = rules.online.least_voters;
        if case.present_voters < least {
            return Err(Refusal::TooFewOnlineVoters { least, voters: case.present_voters });
        }
    }
    Ok(ballot)
}

fn votes(kind: &KindRules, case: &Case, heads: &Heads) -> Result<(), Refusal> {
    let voters = heads.present_voters;
    if let Some(ballots) = &case.ballots {
        let BallotCount { issued, returned, invalid } = *ballots;
        if invalid > returned {
            return Err(Refusal::MoreInvalidThanReturned { invalid, returned });
        }
        if let Some(issued) = issued {
            if issued > voters {
                return Err(Refusal::MoreIssuedThanVoters { issued, voters });
            }
            // More than people voted is a void ballot, not a slip of the pen.
            if returned > issued && returned <= voters {
                return Err(Refusal::MoreReturnedThanIssued { issued, returned });
            }
        }
    }
    let Some(vote) = &case.vote else { return Ok(()) };
    if kind.elect.is_some() {
        return Err(Refusal::VoteInElection);
    }
    if kind.pass.is_none() {
        return Err(Refusal::NoVoteInThisKind { kind: kind.zh.clone() });
    }
    if vote.by_non_voters > 0 {
        return Err(Refusal::NoRightToVote { people: vote.by_non_voters });
    }
    let votes = vote.in_the_room();
    match &case.ballots {
        Some(ballots) if ballots.returned <= voters => {
            let valid = ballots.returned - ballots.invalid;
            if votes != u64::from(valid) {
                return Err(Refusal::TallyDoesNotAddUp { votes, valid });
            }
        }
        // Void: what was on the ballots does not matter any more.
        Some(_) => {}
        None if votes > u64::from(voters) => {
            return Err(Refusal::MoreVotesThanVoters { votes, voters });
        }
        None => {}
    }
    let written = vote.written();
    if written > 0 && !kind.pass.is_some_and(|pass| pass.written_opinions) {
        return Err(Refusal::WrittenNotCounted);
    }
    let absent = heads.due_voters - voters;
    if written > u64::from(absent) {
        return Err(Refusal::MoreWrittenThanAbsent { written, absent });
    }
    Ok(())
}

fn review(kind: &KindRules, case: &Case, heads: &Heads) -> Result<(), Refusal> {
    let Some(review) = &case.review else { return Ok(()) };
    if kind.grades.is_empty() {
        return Err(Refusal::NotForThisKind { what: "review" });
    }
    if let Some(grade) = review.grades.keys().find(|grade| !kind.grades.contains(grade)) {
        return Err(Refusal::UnknownGrade { grade: grade.clone() });
    }
    let graded: u64 = review.grades.values().map(|people| u64::from(*people)).sum();
    let members = heads.due_voters;
    if graded > u64::from(members) {
        return Err(Refusal::MoreGradedThanMembers { graded, members });
    }
    Ok(())
}
