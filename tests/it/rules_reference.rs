//! The engine against another reading of the same rules: over all small counts, without fractions,
//! shares or data, the sentence of each rule written out.

use serde_json::json;
use yuntang::domain::rules::{Case, Outcome, Rules, decide};

const MOST: u32 = 12;

/// 超过半数: what is on this side is more than what is on the other.
fn more_than_half(these: u32, all: u32) -> bool {
    these > all - these.min(all)
}

/// 半数以上: these are not fewer than the others.
fn at_least_half(these: u32, all: u32) -> bool {
    these >= all - these.min(all)
}

fn outcome(rules: &Rules, case: serde_json::Value) -> Option<Outcome> {
    let case: Case = serde_json::from_value(case).expect("a case");
    decide(rules, &case).ok().map(|decision| decision.outcome)
}

#[test]
fn votes_of_every_kind_for_all_small_counts() {
    let rules = Rules::built_in().expect("the built-in rules");
    let mut cases = 0;
    for (kind, strict, written_counts) in [
        ("branch_assembly", false, false),
        ("branch_committee", false, false),
        ("discipline_vote", false, false),
        ("admit_probationary", true, true),
        ("convert_probationary", true, true),
    ] {
        for due in 0..=MOST {
            for present in 0..=due + 1 {
                for favour in 0..=present + 1 {
                    for written in 0..=3 {
                        let it = json!({"kind": kind, "due_voters": due, "present_voters": present,
                            "vote": {"for": favour, "against": present.saturating_sub(favour),
                                "written_for": written}});
                        let possible = due > 0
                            && present <= due
                            && favour <= present
                            && (written == 0 || written_counts && written <= due - present);
                        let quorum = match strict {
                            true => more_than_half(present, due),
                            false => at_least_half(present, due),
                        };
                        let expected = possible.then(|| match quorum {
                            false => Outcome::NoQuorum,
                            true if more_than_half(favour + written, due) => Outcome::Passed,
                            true => Outcome::NotPassed,
                        });
                        assert_eq!(outcome(&rules, it.clone()), expected, "{it}");
                        cases += 1;
                    }
                }
            }
        }
    }
    assert!(cases > 10_000, "{cases}");
}

#[test]
fn elections_for_all_small_counts() {
    let rules = Rules::built_in().expect("the built-in rules");
    let mut elected = [0u32; 3];
    for due in 1..=7u32 {
        for present in 0..=due {
            for seats in 1..=2u32 {
                for tally in 0..(present + 1).pow(3) {
                    let base = present + 1;
                    let votes = [tally % base, tally / base % base, tally / base / base];
                    if votes.iter().sum::<u32>() > present * seats {
                        continue;
                    }
                    let candidates: Vec<_> = votes
                        .iter()
                        .zip(["A", "B", "C"])
                        .map(|(votes, name)| json!({"name": name, "for": votes}))
                        .collect();
                    let it = json!({"kind": "election", "due_voters": due,
                        "present_voters": present,
                        "election": {"seats": seats, "candidates": candidates}});
                    let case: Case = serde_json::from_value(it.clone()).expect("a case");
                    let decision = decide(&rules, &case).expect("a decision");
                    // 不少于五分之四: of each five due, not more than one is away.
                    if (due - present) * 5 > due {
                        assert_eq!(decision.outcome, Outcome::NoQuorum, "{it}");
                        continue;
                    }
                    // Whoever has enough is elected unless as many seats or more went to others
                    // who have no fewer: then by votes, and equals at the edge again.
                    let enough = |at: usize| more_than_half(votes[at], present);
                    let ahead = |at: usize| {
                        (0..3).filter(|o| enough(*o) && votes[*o] > votes[at]).count() as u32
                    };
                    let level = |at: usize| {
                        (0..3).filter(|o| enough(*o) && votes[*o] == votes[at]).count() as u32
                    };
                    let wins = |at: &usize| enough(*at) && ahead(*at) + level(*at) <= seats;
                    let again = |at: &usize| enough(*at) && !wins(at) && ahead(*at) < seats;
                    let names = |which: &dyn Fn(&usize) -> bool| {
                        let mut names: Vec<_> =
                            (0..3).filter(|at| which(at)).map(|at| ["A", "B", "C"][at]).collect();
                        names.sort_unstable();
                        names
                    };
                    let election = decision.election.expect("an election");
                    let sorted = |mut names: Vec<String>| {
                        names.sort_unstable();
                        names
                    };
                    let winners = names(&wins);
                    assert_eq!(sorted(election.winners), winners, "{it}");
                    assert_eq!(sorted(election.revote), names(&again), "{it}");
                    let open = seats - winners.len() as u32;
                    assert_eq!(election.revote_seats + election.vacant, open, "{it}");
                    elected[winners.len().min(2)] += 1;
                }
            }
        }
    }
    assert!(elected.iter().all(|count| *count > 50), "{elected:?}");
}

#[test]
fn leading_bodies_need_two_thirds() {
    let rules = Rules::built_in().expect("the built-in rules");
    for due in 1..=30u32 {
        for present in 0..=due {
            let it = json!({"kind": "leaders_life", "due_voters": due, "present_voters": present});
            // Of each three due, not more than one is away.
            let expected =
                if (due - present) * 3 <= due { Outcome::QuorumMet } else { Outcome::NoQuorum };
            assert_eq!(outcome(&rules, it), Some(expected), "{present} of {due}");
        }
    }
}
