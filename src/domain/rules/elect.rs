//! Elections: who may stand, who is elected, and what a tie or an empty seat asks for.

use std::collections::BTreeSet;

use serde::Serialize;

use super::case::{BallotCount, Candidate, Election};
use super::decide::{Applied, Decision, Heads, Outcome, Remark};
use super::file::{KindRules, Rules};
use super::refusal::Refusal;
use super::threshold::Threshold;

/// Who is elected, and what has to follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Elected {
    pub seats: u32,
    /// 赞成票 needed.
    pub needed: u32,
    /// By votes, most first.
    pub winners: Vec<String>,
    /// Had enough votes, and as many as others for the last seats: voted again among them.
    pub revote: Vec<String>,
    pub revote_seats: u32,
    /// Seats for which nobody had enough.
    pub vacant: u32,
}

/// Is it possible and allowed? Nothing else is known of those who were not voted on yet.
pub(super) fn check(
    rules: &Rules,
    kind: &KindRules,
    election: &Election,
    ballots: Option<BallotCount>,
    heads: &Heads,
) -> Result<Vec<Remark>, Refusal> {
    let Election { seats, candidates } = election;
    if *seats == 0 {
        return Err(Refusal::NoSeats);
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = candidates.iter().find(|one| !names.insert(one.name.as_str())) {
        return Err(Refusal::CandidateTwice { name: twice.name.clone() });
    }
    let voted = candidates.iter().filter(|one| one.in_favour.is_some()).count();
    let nominated = candidates.iter().filter(|one| !one.write_in).count() as u32;
    let mut remarks = Vec::new();
    if let Some(rule) = &kind.candidates {
        let share = u64::from(*seats) * u64::from(rule.ratio_min.num);
        let needed = share.div_ceil(u64::from(rule.ratio_min.den.max(1))) as u32;
        if nominated < needed {
            let refusal = Refusal::TooFewCandidates {
                seats: *seats,
                needed,
                candidates: nominated,
                basis: rules.basis(kind),
            };
            if voted == 0 {
                return Err(refusal);
            }
            // The ballots are cast: what they say is told, and that they should not have been.
            remarks.push(Remark::new("too_few_candidates", refusal.to_string()));
        }
    }
    if voted == 0 {
        return Ok(remarks);
    }
    if voted < candidates.len() {
        return Err(Refusal::ElectionMissing);
    }
    let returned = ballots.map_or(heads.present_voters, |ballots| ballots.returned);
    if returned > heads.present_voters {
        // Void: what was on the ballots does not matter any more.
        return Ok(remarks);
    }
    let valid = returned - ballots.map_or(0, |ballots| ballots.invalid);
    let mut names = 0;
    for Candidate { name, in_favour, against, abstain, .. } in candidates {
        let in_favour = u64::from(in_favour.unwrap_or(0));
        let votes = in_favour + u64::from(*against) + u64::from(*abstain);
        if votes > u64::from(valid) {
            return Err(Refusal::CandidateAboveBallots { name: name.clone(), votes, valid });
        }
        names += in_favour;
    }
    if names > u64::from(valid) * u64::from(*seats) {
        return Err(Refusal::MoreNamesThanSeats { votes: names, valid });
    }
    Ok(remarks)
}

/// Says who is elected. Nothing, when nobody was voted on yet.
pub(super) fn conclude(decision: &mut Decision, election: &Election, rule: &Threshold) {
    let mut tally: Vec<(&str, u32)> = election
        .candidates
        .iter()
        .filter_map(|one| Some((one.name.as_str(), one.in_favour?)))
        .collect();
    if tally.is_empty() {
        return;
    }
    // Equal numbers keep the order of the ballot paper.
    tally.sort_by_key(|(_, votes)| std::cmp::Reverse(*votes));
    let present = decision.heads.present_voters;
    let enough: Vec<_> =
        tally.iter().copied().filter(|(_, votes)| rule.is_met(*votes, present)).collect();
    let seats = election.seats as usize;
    let (winners, revote) = match enough.get(seats) {
        // One more than there are seats has as many as the last: they are voted on again.
        Some(&(_, edge)) => (
            enough.iter().take(seats).filter(|(_, votes)| *votes > edge).copied().collect(),
            match enough[seats - 1].1 == edge {
                true => enough.iter().filter(|(_, votes)| *votes == edge).copied().collect(),
                false => Vec::new(),
            },
        ),
        None => (enough.clone(), Vec::new()),
    };
    let names = |list: &[(&str, u32)]| list.iter().map(|(name, _)| (*name).to_owned()).collect();
    let open = seats - winners.len();
    let elected = Elected {
        seats: election.seats,
        needed: rule.needed(present),
        winners: names(&winners),
        revote: names(&revote),
        revote_seats: if revote.is_empty() { 0 } else { open as u32 },
        vacant: if revote.is_empty() { open as u32 } else { 0 },
    };
    decision.outcome = match (winners.len(), open) {
        (_, 0) => Outcome::Elected,
        (0, _) => Outcome::NoneElected,
        _ => Outcome::PartlyElected,
    };
    let count = winners.last().map_or(0, |(_, votes)| *votes);
    decision.majority = Some(Applied::new(rule, count, present));
    decision.reasons.push(Remark::new(
        "elected",
        format!(
            "实到会有选举权{present}人，赞成票{}（至少{}票）方可当选：{}",
            rule.words(),
            elected.needed,
            match elected.winners.as_slice() {
                [] => "无人当选".to_owned(),
                winners => format!("{}当选", winners.join("、")),
            }
        ),
    ));
    if !elected.revote.is_empty() {
        decision.reasons.push(Remark::new(
            "tie",
            format!(
                "{}得票相等，不能确定当选人，应当就他们再次投票（{}个名额）",
                elected.revote.join("、"),
                elected.revote_seats
            ),
        ));
    } else if elected.vacant > 0 {
        decision.reasons.push(Remark::new(
            "vacant",
            format!(
                "还缺{}名：可另行选举；接近应选名额的，经半数以上选举人同意也可以减少名额",
                elected.vacant
            ),
        ));
    }
    decision.election = Some(elected);
}
