//! Ballots in the facts of minutes: what was decided, how it was voted, and the count.

use signaling::ballot::{BallotMethod, PaperCount, VoteCount};

use super::ballot::{Closed, Snapshot};
use super::event::{Envelope, Event};
use crate::domain::minutes::facts::{Resolution, Tally};

/// Every ballot that came to a result, in the order of closing, and those that could not be held.
/// A ballot that was withdrawn decided nothing.
pub(super) fn resolutions(events: &[Envelope]) -> Vec<Resolution> {
    let mut open: Vec<&Snapshot> = Vec::new();
    let mut out = Vec::new();
    for envelope in events {
        match &envelope.event {
            Event::BallotSnapshot(snapshot) => open.push(snapshot),
            Event::BallotClosed(closed) => {
                if let Some(snapshot) = open.iter().find(|s| s.ballot == closed.ballot) {
                    out.push(resolution(snapshot, closed));
                }
            }
            Event::BallotRefused(refused) => out.push(Resolution {
                title: refused.matter.text.clone(),
                method: method(refused.matter.method).to_owned(),
                lines: vec![format!("未能表决：{}", refused.why.words)],
                ..Resolution::default()
            }),
            _ => {}
        }
    }
    out
}

const fn method(method: BallotMethod) -> &'static str {
    match method {
        BallotMethod::Hand => "举手或口头表决",
        BallotMethod::PaperSecret => "无记名投票（纸质）",
        BallotMethod::OnlineSecret => "无记名投票（线上，经上级党组织批准）",
    }
}

fn resolution(snapshot: &Snapshot, closed: &Closed) -> Resolution {
    let (tally, decision) = (&closed.tally, &closed.decision);
    let paper = tally.paper.as_ref();
    let voted = [tally.vote, paper.and_then(|p| p.vote), tally.written];
    // What stands on paper is the count of the room; both are given only of different votes.
    let votes: Vec<VoteCount> = match (voted[0], voted[1]) {
        (Some(_), Some(paper)) => vec![paper],
        (one, other) => one.or(other).into_iter().collect(),
    };
    let all = votes.iter().chain(voted[2].iter());
    let sum = |which: fn(&VoteCount) -> u32| all.clone().map(which).sum();
    let heads = &decision.heads;
    let counted = Tally {
        due_voters: heads.due_voters,
        present_voters: heads.present_voters,
        votes_for: sum(|v| v.in_favour),
        votes_against: sum(|v| v.against),
        abstain: sum(|v| v.abstain),
        written: voted[2].map_or(0, |v| u32::try_from(v.total()).unwrap_or(u32::MAX)),
        invalid: paper.map_or(0, |p| p.invalid),
    };
    let mut lines: Vec<String> = paper.map(paper_lines).unwrap_or_default();
    if let Some(elected) = &decision.election {
        lines.push(format!("应选{}名，当选：{}", elected.seats, named(&elected.winners)));
        if !elected.revote.is_empty() {
            lines.push(format!("须再次投票：{}", named(&elected.revote)));
        }
        if elected.vacant > 0 {
            lines.push(format!("暂缺{}名", elected.vacant));
        }
    }
    lines.extend(decision.reasons.iter().map(|r| r.words.clone()));
    Resolution {
        title: snapshot.matter.text.clone(),
        method: method(snapshot.matter.method).to_owned(),
        person: match snapshot.matter.applicants.as_slice() {
            [one] => Some(one.clone()),
            _ => None,
        },
        tally: (!votes.is_empty()).then_some(counted),
        lines,
        passed: match decision.outcome.as_str() {
            "passed" => Some(true),
            "not_passed" => Some(false),
            _ => None,
        },
    }
}

fn named(names: &[String]) -> String {
    if names.is_empty() { "无".into() } else { names.join("、") }
}

fn paper_lines(paper: &PaperCount) -> Vec<String> {
    let valid = paper.returned.saturating_sub(paper.invalid);
    let mut lines = vec![format!(
        "发出选票{}张，收回{}张，有效{valid}张，无效{}张",
        paper.issued, paper.returned, paper.invalid
    )];
    for one in &paper.candidates {
        let write_in = if one.write_in { "（另选他人）" } else { "" };
        let v = &one.votes;
        lines.push(format!(
            "{}{write_in}：赞成{}票，反对{}票，弃权{}票",
            one.name, v.in_favour, v.against, v.abstain
        ));
    }
    lines.extend(paper.grades.iter().map(|(grade, people)| format!("{grade}：{people}人")));
    lines
}
