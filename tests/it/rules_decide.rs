//! The numbered examples of the domain page, by their numbers.

use serde_json::{Value, json};
use yuntang::domain::rules::{Case, Decision, Outcome, Refusal, Rules, decide};

fn case(value: Value) -> Case {
    serde_json::from_value(value).expect("a case")
}

fn decided(value: Value) -> Decision {
    decide(&Rules::built_in().expect("the built-in rules"), &case(value)).expect("a decision")
}

fn refused(value: Value) -> Refusal {
    decide(&Rules::built_in().expect("the built-in rules"), &case(value)).expect_err("a refusal")
}

fn admit(due: u32, present: u32, vote: Value) -> Value {
    json!({"kind": "admit_probationary", "due_voters": due, "present_voters": present, "vote": vote})
}

fn needed(decision: &Decision) -> u32 {
    decision.quorum.as_ref().expect("a quorum").needed
}

#[test]
fn v1_half_of_the_voters_are_no_quorum_for_an_admission() {
    let decision = decided(admit(16, 8, json!({"for": 8})));
    assert_eq!((decision.outcome, needed(&decision)), (Outcome::NoQuorum, 9));
}

#[test]
fn v2_one_more_than_half_passes() {
    assert_eq!(decided(admit(16, 9, json!({"for": 9}))).outcome, Outcome::Passed);
}

#[test]
fn v3_more_than_half_of_an_odd_number() {
    assert_eq!(decided(admit(15, 8, json!({"for": 8}))).outcome, Outcome::Passed);
    assert_eq!(decided(admit(15, 7, json!({"for": 7}))).outcome, Outcome::NoQuorum);
}

#[test]
fn v4_the_majority_is_of_those_due_not_of_those_present() {
    let decision = decided(admit(30, 16, json!({"for": 15, "against": 1})));
    assert_eq!(decision.outcome, Outcome::NotPassed);
    let majority = decision.majority.expect("a majority");
    assert_eq!((majority.count, majority.base, majority.needed), (15, 30, 16));
    let codes: Vec<_> = decision.reasons.iter().map(|reason| reason.code).collect();
    assert_eq!(codes, ["quorum_met", "no_majority", "exactly_half"]);
    assert!(decision.reasons[1].words.contains("还差1人赞成"), "{:?}", decision.reasons[1]);
}

#[test]
fn v5_a_written_opinion_from_before_counts_in_the_tally_and_not_in_the_quorum() {
    let vote = json!({"for": 15, "against": 1, "written_for": 1});
    assert_eq!(decided(admit(30, 16, vote)).outcome, Outcome::Passed);
    let vote = json!({"for": 15, "written_for": 15});
    assert_eq!(decided(admit(30, 15, vote)).outcome, Outcome::NoQuorum);
}

#[test]
fn v7_who_has_no_vote_counts_as_a_head_only() {
    let mut it = admit(16, 9, json!({"for": 10, "by_non_voters": 1}));
    it["due_non_voters"] = 4.into();
    it["present_non_voters"] = 4.into();
    assert_eq!(refused(it.clone()), Refusal::NoRightToVote { people: 1 });
    it["vote"] = json!({"for": 9});
    let decision = decided(it);
    assert_eq!(decision.outcome, Outcome::Passed);
    let heads = decision.heads;
    assert_eq!((heads.due, heads.present), (20, 13));
    assert_eq!((heads.due_voters, heads.present_voters), (16, 9));
}

#[test]
fn v9_an_election_needs_four_fifths() {
    let decision = decided(json!({"kind": "election", "due_voters": 26, "present_voters": 20}));
    assert_eq!((decision.outcome, needed(&decision)), (Outcome::NoQuorum, 21));
}

#[test]
fn v10_elected_is_who_has_more_than_half_of_those_present() {
    let decision = decided(json!({
        "kind": "election", "due_voters": 25, "present_voters": 20,
        "election": {"seats": 3, "candidates": [
            {"name": "A", "for": 11}, {"name": "B", "for": 10}, {"name": "C", "for": 9}]},
    }));
    assert_eq!(decision.outcome, Outcome::PartlyElected);
    let election = decision.election.expect("an election");
    assert_eq!((election.winners, election.needed, election.vacant), (vec!["A".into()], 11, 2));
}

#[test]
fn v12_exclusions_need_both_approvals() {
    let mut it = json!({
        "kind": "election", "due_voters": 30, "present_voters": 24,
        "exclusions": [
            {"reason": "bedridden", "people": 2}, {"reason": "abroad_six_months", "people": 1}],
        "superior_consent": true, "members_resolution": false,
    });
    let decision = decided(it.clone());
    assert_eq!((decision.heads.due_voters, needed(&decision)), (30, 24));
    assert_eq!(decision.warnings[0].code, "exclusions_not_in_force");
    it["members_resolution"] = true.into();
    let decision = decided(it.clone());
    assert_eq!((decision.heads.due_voters, needed(&decision)), (27, 22));
    it["kind"] = "branch_assembly".into();
    assert_eq!(refused(it), Refusal::ExclusionsOnlyForElections);
}

#[test]
fn v14_more_candidates_than_seats() {
    for (seats, needed) in [(3u32, 4u32), (5, 6), (7, 9)] {
        let standing = |count: u32| {
            let candidates: Vec<_> = (0..count).map(|n| json!({"name": n.to_string()})).collect();
            json!({"kind": "election", "due_voters": 30, "present_voters": 30,
                "election": {"seats": seats, "candidates": candidates}})
        };
        let refusal = refused(standing(needed - 1));
        assert!(
            matches!(refusal, Refusal::TooFewCandidates { needed: n, .. } if n == needed),
            "{refusal:?}"
        );
        assert_eq!(decided(standing(needed)).outcome, Outcome::QuorumMet);
    }
}

#[test]
fn v15_more_ballots_than_voters_make_an_election_void() {
    let decision = decided(json!({
        "kind": "election", "due_voters": 20, "present_voters": 20,
        "ballots": {"issued": 20, "returned": 21},
        "election": {"seats": 1, "candidates": [
            {"name": "A", "for": 12}, {"name": "B", "for": 9}]},
    }));
    assert_eq!((decision.outcome, decision.election), (Outcome::Void, None));
}

#[test]
fn v17_half_of_a_committee_is_enough() {
    let committee = |due: u32, present: u32| json!({"kind": "branch_committee", "due_voters": due, "present_voters": present});
    assert_eq!(decided(committee(5, 2)).outcome, Outcome::NoQuorum);
    assert_eq!(decided(committee(5, 3)).outcome, Outcome::QuorumMet);
    assert_eq!(decided(committee(4, 2)).outcome, Outcome::QuorumMet);
}

#[test]
fn v19_two_applicants_are_two_votes() {
    let mut it = admit(16, 16, json!({"for": 16}));
    it["applicants"] = 2.into();
    let refusal = refused(it);
    assert!(refusal.to_string().starts_with("必须逐个讨论和表决"), "{refusal}");
}

#[test]
fn v21_at_most_a_third_are_excellent() {
    let review = |excellent: u32| {
        decided(json!({"kind": "member_review", "due_voters": 30, "present_voters": 30,
            "review": {"grades": {"优秀": excellent, "合格": 30 - excellent}}}))
    };
    assert_eq!(review(10).warnings, []);
    let decision = review(11);
    assert_eq!(
        (decision.outcome, decision.warnings[0].code),
        (Outcome::Graded, "too_many_excellent")
    );
}

#[test]
fn v24_leave_changes_no_denominator() {
    let decision = decided(json!({"kind": "branch_assembly", "due_voters": 20,
        "present_voters": 19, "on_leave": 1}));
    let heads = decision.heads;
    assert_eq!((heads.due, heads.present, heads.on_leave, heads.absent), (20, 19, 1, 0));
    assert_eq!(decision.quorum.expect("a quorum").base, 20);
}

#[test]
fn a_tie_at_the_edge_is_voted_again_among_the_tied() {
    let decision = decided(json!({
        "kind": "election", "due_voters": 20, "present_voters": 20,
        "ballots": {"returned": 20, "invalid": 1},
        "election": {"seats": 3, "candidates": [
            {"name": "甲", "for": 18}, {"name": "乙", "for": 12}, {"name": "丙", "for": 12},
            {"name": "丁", "for": 12}]},
    }));
    assert_eq!(decision.outcome, Outcome::PartlyElected);
    let election = decision.election.expect("an election");
    assert_eq!(election.winners, ["甲"]);
    assert_eq!((election.revote.len(), election.revote_seats, election.vacant), (3, 2, 0));
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let assembly = |more: Value| {
        let mut it = json!({"kind": "branch_assembly", "due_voters": 10, "present_voters": 8});
        for (key, value) in more.as_object().expect("an object") {
            it[key] = value.clone();
        }
        refused(it)
    };
    let code = |refusal: &Refusal| {
        let value = serde_json::to_value(refusal).expect("JSON");
        value["code"].as_str().expect("a code").to_owned()
    };
    for (more, expected) in [
        (json!({"due_voters": 0, "present_voters": 0}), "zero_due"),
        (json!({"present_voters": 11}), "present_above_due"),
        (json!({"present_non_voters": 1}), "present_above_due"),
        (json!({"on_leave": 3}), "leave_above_absent"),
        (json!({"vote": {"for": 8, "against": 1}}), "more_votes_than_voters"),
        (json!({"vote": {"for": 8, "written_for": 1}}), "written_not_counted"),
        (
            json!({"kind": "admit_probationary", "vote": {"for": 8, "written_for": 3}}),
            "more_written_than_absent",
        ),
        (json!({"ballots": {"returned": 8, "invalid": 9}}), "more_invalid_than_returned"),
        (json!({"ballots": {"issued": 9, "returned": 8}}), "more_issued_than_voters"),
        (json!({"ballots": {"issued": 7, "returned": 8}}), "more_returned_than_issued"),
        (
            json!({"vote": {"for": 8}, "ballots": {"returned": 8, "invalid": 1}}),
            "tally_does_not_add_up",
        ),
        (json!({"kind": "group_meeting", "vote": {"for": 8}}), "no_vote_in_this_kind"),
        (json!({"kind": "theme_day", "vote": {"for": 8}}), "no_vote_in_this_kind"),
        (json!({"kind": "election", "vote": {"for": 8}}), "vote_in_election"),
        (json!({"kind": "election", "org": "temporary_branch"}), "forbidden_in_org"),
        (json!({"kind": "org_life"}), "form_missing"),
        (
            json!({"kind": "admit_probationary", "ballot": "hand", "vote": {"for": 8}}),
            "ballot_not_allowed",
        ),
        (
            json!({"kind": "admit_probationary", "ballot": "online_secret", "vote": {"for": 8}}),
            "superior_approval_missing",
        ),
        (
            json!({"kind": "admit_probationary", "ballot": "online_secret", "due_voters": 5,
            "present_voters": 4, "superior_approval": true, "vote": {"for": 4}}),
            "too_few_online_voters",
        ),
        (json!({"kind": "member_review", "review": {"grades": {"良好": 1}}}), "unknown_grade"),
        (
            json!({"kind": "member_review", "review": {"grades": {"优秀": 11}}}),
            "more_graded_than_members",
        ),
        (json!({"review": {"grades": {}}}), "not_for_this_kind"),
        (json!({"due_voters": 4_000_000_000u32, "present_voters": 4_000_000_000u32}), "too_large"),
    ] {
        let refusal = assembly(more.clone());
        assert_eq!(code(&refusal), expected, "{more}");
        assert!(!refusal.to_string().is_empty());
    }
}

#[test]
fn the_command_line_prints_a_decision_or_a_refusal() {
    let folder = std::env::temp_dir().join(format!("yuntang-it-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).expect("a folder");
    let run = |case: Value, rules: Option<&str>| {
        let file = folder.join("case.json");
        std::fs::write(&file, case.to_string()).expect("written");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_yuntang"));
        command.args(["rules", "decide"]).arg(&file);
        if let Some(text) = rules {
            let file = folder.join("rules.yaml");
            std::fs::write(&file, text).expect("written");
            command.arg("--rules").arg(file);
        }
        let output = command.output().expect("it runs");
        let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), json, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, json, _) = run(admit(16, 9, json!({"for": 9})), None);
    assert_eq!((code, &json["outcome"]), (Some(0), &json!("passed")));
    let (code, json, told) = run(admit(16, 17, json!({"for": 9})), None);
    assert_eq!((code, &json["refused"]["code"]), (Some(1), &json!("present_above_due")));
    assert!(told.contains("请核对签到"), "{told}");
    let committee = json!({"kind": "branch_committee", "due_voters": 4, "present_voters": 2});
    let strict = "kinds: {branch_committee: {quorum: {op: gt}}}";
    let (_, json, _) = run(committee, Some(strict));
    assert_eq!(json["outcome"], "no_quorum");
    std::fs::remove_dir_all(folder).expect("removed");
}
