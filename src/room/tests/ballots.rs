//! Resolutions and ballots in the room: the numbered examples of domain.md §2.5 that need people.

use signaling::ballot::*;
use signaling::{ErrorCode, Event, Request};

use super::*;
use crate::domain::OrgKind;

/// A branch with so many voters (1 presides, 2 records) and, from 201 on, probationary members.
fn branch(voters: u128, probationary: u128) -> RoomSetup {
    let full = (1..=voters).map(|n| RosterEntry { voter: true, ..entry_of(n, MemberClass::Full) });
    let others = (201..201 + probationary)
        .map(|n| RosterEntry { voter: false, ..entry_of(n, MemberClass::Probationary) });
    RoomSetup { roster: Roster(full.chain(others).collect()), ..setup() }
}

fn entry_of(n: u128, class: MemberClass) -> RosterEntry {
    RosterEntry { person_id: person(n), name: format!("党员{n}"), class, ..entry(n) }
}

/// So many voters have come and the chair has declared the meeting open.
fn meeting(setup: RoomSetup, present: u128) -> World {
    let mut world = World::with(setup);
    for n in 1..=present {
        world.join(n);
    }
    world.ask(CHAIR, Request::DeclareOpen).unwrap();
    world
}

fn matter(kind: &str, method: BallotMethod) -> Matter {
    Matter {
        kind: kind.into(),
        text: "关于一件事项的决议".into(),
        method,
        agenda: None,
        applicants: match kind {
            "admit_probationary" | "convert_probationary" => vec!["张三".into()],
            _ => vec![],
        },
        proposal: (kind == "convert_probationary").then(|| "按期转正".into()),
        election: None,
        tellers: match method {
            BallotMethod::PaperSecret => {
                vec![Teller { name: "党员2".into(), role: TellerRole::Scrutineer }]
            }
            _ => vec![],
        },
        tellers_approved: true,
        again: None,
    }
}

fn hand() -> Matter {
    matter("branch_assembly", BallotMethod::Hand)
}

fn admission() -> Matter {
    matter("admit_probationary", BallotMethod::PaperSecret)
}

fn open(world: &mut World, matter: Matter) -> Result<String, ErrorCode> {
    world.ask(CHAIR, Request::BallotOpen { matter })?;
    Ok(last(world).id)
}

fn last(world: &World) -> BallotView {
    world.room.snapshot().ballots.ballots.last().cloned().unwrap()
}

/// The words of the refusal.
fn refused(world: &mut World, n: u128, request: Request) -> String {
    let before = world.effects.len();
    world.ask(n, request).unwrap_err();
    let words = world.effects[before..].iter().find_map(|effect| match effect {
        Effect::Refuse { error, .. } => Some(error.message.clone()),
        _ => None,
    });
    words.unwrap()
}

fn vote(world: &mut World, n: u128, ballot: &str, choice: Choice) -> Result<(), ErrorCode> {
    world.ask(n, Request::BallotVote { ballot: ballot.into(), choice }).map(drop)
}

fn close(world: &mut World, ballot: &str) -> BallotView {
    world.ask(CHAIR, Request::BallotClose { ballot: ballot.into() }).unwrap();
    last(world)
}

fn outcome(view: &BallotView) -> &str {
    &view.decision.as_ref().unwrap().outcome
}

fn codes(remarks: &[RemarkView]) -> Vec<&str> {
    remarks.iter().map(|remark| remark.code.as_str()).collect()
}

fn counts(in_favour: u32, against: u32, abstain: u32) -> VoteCount {
    VoteCount { in_favour, against, abstain }
}

fn paper(issued: u32, vote: VoteCount) -> PaperCount {
    let returned = u32::try_from(vote.total()).unwrap();
    PaperCount { issued, returned, vote: Some(vote), ..PaperCount::default() }
}

/// An admission with so many due and present, decided on paper.
fn admitted_by(due: u128, present: u128, vote: VoteCount) -> BallotView {
    let mut world = meeting(branch(due, 0), present);
    let ballot = open(&mut world, admission()).unwrap();
    let paper = paper(u32::try_from(present).unwrap(), vote);
    world.ask(RECORDER, Request::BallotPaper { ballot: ballot.clone(), paper }).unwrap();
    close(&mut world, &ballot)
}

#[test]
fn v1_eight_of_sixteen_is_no_quorum_and_the_refusal_says_what_is_needed() {
    let mut world = meeting(branch(16, 0), 8);
    let words = refused(&mut world, CHAIR, Request::BallotOpen { matter: admission() });
    assert_eq!(words, "到会有表决权党员8人，须超过应到16人的半数（至少9人）才能表决");
    assert!(world.words().contains(&"ballot_refused".to_owned()));
    // One more arrives.
    world.join(9);
    assert!(open(&mut world, admission()).is_ok());
}

#[test]
fn v2_nine_of_sixteen_for_passes() {
    assert_eq!(outcome(&admitted_by(16, 9, counts(9, 0, 0))), "passed");
}

#[test]
fn v3_eight_of_fifteen_pass_and_seven_are_no_quorum() {
    assert_eq!(outcome(&admitted_by(15, 8, counts(8, 0, 0))), "passed");
    let mut world = meeting(branch(15, 0), 7);
    assert_eq!(open(&mut world, admission()).unwrap_err(), ErrorCode::NoQuorum);
}

#[test]
fn v4_fifteen_of_thirty_is_not_more_than_half() {
    let view = admitted_by(30, 16, counts(15, 1, 0));
    assert_eq!(outcome(&view), "not_passed");
    let decision = view.decision.unwrap();
    assert_eq!(decision.majority.unwrap().needed, 16);
    assert!(codes(&decision.reasons).contains(&"exactly_half"));
}

#[test]
fn v5_a_written_opinion_of_an_absent_voter_counts_in_the_tally() {
    let mut world = meeting(branch(30, 0), 16);
    let opinion = |n: u128| WrittenOpinion {
        participant: person(n).to_string(),
        kind: "admit_probationary".into(),
        applicant: "张三".into(),
        choice: Choice::For,
        received_on: "2026-11-21".into(),
        scan: None,
    };
    for n in [16, 30] {
        world.ask(RECORDER, Request::BallotOpinion { opinion: opinion(n) }).unwrap();
    }
    let ballot = open(&mut world, admission()).unwrap();
    // After it has begun it is too late.
    let late = Request::BallotOpinion { opinion: opinion(29) };
    assert_eq!(world.ask(RECORDER, late).unwrap_err(), ErrorCode::Conflict);
    let paper = paper(16, counts(15, 1, 0));
    world.ask(RECORDER, Request::BallotPaper { ballot: ballot.clone(), paper }).unwrap();
    let view = close(&mut world, &ballot);
    assert_eq!(outcome(&view), "passed");
    // Who came after all (16) votes in person: one opinion counts, of 30.
    assert_eq!(view.tally.unwrap().written, Some(counts(1, 0, 0)));
}

#[test]
fn v5_opinions_are_for_admissions_of_absent_voters_only() {
    let mut world = meeting(branch(16, 1), 9);
    let opinion = |n: u128, kind: &str| WrittenOpinion {
        participant: person(n).to_string(),
        kind: kind.into(),
        applicant: "张三".into(),
        choice: Choice::Against,
        received_on: "2026-11-21".into(),
        scan: None,
    };
    for opinion in [opinion(12, "discipline_vote"), opinion(201, "admit_probationary")] {
        let asked = world.ask(RECORDER, Request::BallotOpinion { opinion });
        assert_eq!(asked.unwrap_err(), ErrorCode::Validation);
    }
    let opinion = opinion(12, "admit_probationary");
    assert_eq!(
        world.ask(ALICE, Request::BallotOpinion { opinion }).unwrap_err(),
        ErrorCode::NotChair
    );
}

#[test]
fn v7_a_probationary_member_is_counted_as_a_head_and_refused_a_vote() {
    let mut world = World::with(branch(16, 4));
    for n in (1..=9).chain(201..=204) {
        let mut arriving = arrival(n, n);
        arriving.role = if n == CHAIR { Role::Chair } else { Role::Member };
        world.arrive(arriving);
    }
    world.ask(CHAIR, Request::DeclareOpen).unwrap();
    let ballot = open(&mut world, hand()).unwrap();
    let request = Request::BallotVote { ballot: ballot.clone(), choice: Choice::For };
    assert!(refused(&mut world, 201, request).contains("预备党员没有表决权"));
    let heads = last(&world).heads;
    assert_eq!((heads.due, heads.present), (20, 13));
    assert_eq!((heads.due_voters, heads.present_voters), (16, 9));
    for n in 1..=9 {
        vote(&mut world, n, &ballot, Choice::For).unwrap();
    }
    assert_eq!(outcome(&close(&mut world, &ballot)), "passed");
}

#[test]
fn v20_an_observer_is_refused_a_vote_and_is_in_no_count() {
    let mut world = meeting(branch(6, 0), 6);
    let before = world.room.counts();
    world.arrive(arrival(OBSERVER, OBSERVER));
    let ballot = open(&mut world, hand()).unwrap();
    let request = Request::BallotVote { ballot: ballot.clone(), choice: Choice::For };
    assert!(refused(&mut world, OBSERVER, request).contains("列席人员没有表决权"));
    let after = world.room.counts();
    assert_eq!((after.due, after.present), (before.due, before.present));
    assert_eq!(last(&world).heads.present, 6);
}

#[test]
fn a_resolution_fails_for_quorum_and_passes_after_one_more_arrives() {
    let mut world = meeting(branch(6, 0), 2);
    let words = refused(&mut world, CHAIR, Request::BallotOpen { matter: hand() });
    assert_eq!(words, "到会有表决权党员2人，须达到应到6人的半数以上（至少3人）才能表决");
    world.join(3);
    world.join(4);
    let ballot = open(&mut world, hand()).unwrap();
    for n in 1..=4 {
        vote(&mut world, n, &ballot, Choice::For).unwrap();
    }
    let view = close(&mut world, &ballot);
    assert_eq!(outcome(&view), "passed");
    assert!(view.named.iter().all(|one| one.choice == Some(Choice::For)));
}

#[test]
fn only_voters_of_the_instant_of_opening_vote_and_only_once() {
    let mut world = meeting(branch(6, 0), 4);
    let ballot = open(&mut world, hand()).unwrap();
    world.join(5);
    let request = Request::BallotVote { ballot: ballot.clone(), choice: Choice::For };
    assert!(refused(&mut world, 5, request).contains("表决开始时不在会场"));
    vote(&mut world, 3, &ballot, Choice::For).unwrap();
    assert_eq!(vote(&mut world, 3, &ballot, Choice::Against).unwrap_err(), ErrorCode::Conflict);
    assert_eq!((last(&world).voted, last(&world).heads.present_voters), (1, 4));
    // Who voted is told while it is open, not how.
    assert!(last(&world).named.iter().all(|one| one.choice.is_none()));
}

#[test]
fn the_recorder_enters_hands_and_people_of_the_room_but_nobody_twice() {
    let mut world = meeting(branch(6, 0), 5);
    let ballot = open(&mut world, hand()).unwrap();
    world.lose(5);
    world.lose(4);
    let choice = Choice::For;
    let enter = |n: u128| Request::BallotVoteFor {
        ballot: ballot.clone(),
        participant: person(n).to_string(),
        choice,
    };
    assert!(refused(&mut world, RECORDER, enter(3)).contains("应当由本人表决"));
    assert_eq!(world.ask(ALICE, enter(5)).unwrap_err(), ErrorCode::NotChair);
    world.ask(RECORDER, enter(5)).unwrap();
    vote(&mut world, CHAIR, &ballot, choice).unwrap();
    let count = |n| Request::BallotCount { ballot: ballot.clone(), count: counts(n, 0, 0) };
    assert!(refused(&mut world, RECORDER, count(4)).contains("多于尚未表决的3人"));
    world.ask(RECORDER, count(3)).unwrap();
    assert!(vote(&mut world, 3, &ballot, choice).is_err());
    let view = close(&mut world, &ballot);
    assert_eq!(view.tally.unwrap().vote, Some(counts(5, 0, 0)));
}

#[test]
fn v17_a_committee_needs_half_of_its_members() {
    let committee =
        |members| RoomSetup { kind: MeetingKind::BranchCommittee, ..branch(members, 0) };
    let matter = || matter("branch_committee", BallotMethod::Hand);
    let mut world = meeting(committee(5), 2);
    assert_eq!(open(&mut world, matter()).unwrap_err(), ErrorCode::NoQuorum);
    world.join(3);
    assert!(open(&mut world, matter()).is_ok());
    assert!(open(&mut meeting(committee(4), 2), matter()).is_ok());
}

#[test]
fn v19_two_applicants_in_one_ballot_are_refused() {
    let mut world = meeting(branch(16, 0), 10);
    let two = Matter { applicants: vec!["张三".into(), "李四".into()], ..admission() };
    let words = refused(&mut world, CHAIR, Request::BallotOpen { matter: two });
    assert!(words.contains("必须逐个讨论和表决"), "{words}");
}

fn election(seats: u32, candidates: u32) -> Matter {
    let names = ["张甲", "李乙", "王丙", "刘丁", "陈戊", "赵己", "孙庚", "周辛", "吴壬"];
    Matter {
        election: Some(ElectionMatter {
            seats,
            candidates: names[..candidates as usize].iter().map(|n| (*n).to_owned()).collect(),
            exclusions: vec![],
            superior_consent: false,
            members_resolution: false,
        }),
        ..matter("election", BallotMethod::PaperSecret)
    }
}

#[test]
fn v9_twenty_of_twenty_six_electors_are_too_few() {
    let mut world = meeting(branch(26, 0), 20);
    let words = refused(&mut world, CHAIR, Request::BallotOpen { matter: election(3, 4) });
    assert!(words.contains("至少21人"), "{words}");
    world.join(21);
    assert!(open(&mut world, election(3, 4)).is_ok());
}

#[test]
fn v10_only_who_has_more_than_half_of_those_present_is_elected() {
    let mut world = meeting(branch(25, 0), 20);
    let ballot = open(&mut world, election(3, 4)).unwrap();
    // 姓氏笔画: 王 4, 刘 6, 李 7, 张 7.
    let candidates = last(&world).matter.election.unwrap().candidates;
    assert_eq!(candidates, ["王丙", "刘丁", "李乙", "张甲"]);
    let one = |name: &str, n| CandidateCount {
        name: name.into(),
        votes: counts(n, 20 - n, 0),
        write_in: false,
    };
    let paper = PaperCount {
        issued: 20,
        returned: 20,
        candidates: vec![one("张甲", 11), one("李乙", 10), one("王丙", 9), one("刘丁", 2)],
        ..PaperCount::default()
    };
    world.ask(RECORDER, Request::BallotPaper { ballot: ballot.clone(), paper }).unwrap();
    let elected = close(&mut world, &ballot).decision.unwrap();
    assert_eq!(elected.outcome, "partly_elected");
    let elected = elected.election.unwrap();
    assert_eq!((elected.winners, elected.needed, elected.vacant), (vec!["张甲".to_owned()], 11, 2));
}

#[test]
fn v12_exclusions_count_only_with_both_approvals() {
    let excluded = |n: u128, reason: &str| ExclusionEntry {
        participant: person(n).to_string(),
        reason: reason.into(),
    };
    let with = |members_resolution| {
        let mut matter = election(3, 4);
        let sheet = matter.election.as_mut().unwrap();
        sheet.exclusions = vec![
            excluded(30, "bedridden"),
            excluded(29, "bedridden"),
            excluded(28, "abroad_six_months"),
        ];
        (sheet.superior_consent, sheet.members_resolution) = (true, members_resolution);
        matter
    };
    let mut world = meeting(branch(30, 0), 22);
    // Due stays 30: 24 are needed. With both approvals it is 27: 22 are enough.
    let words = refused(&mut world, CHAIR, Request::BallotOpen { matter: with(false) });
    assert!(words.contains("至少24人"), "{words}");
    assert!(open(&mut world, with(true)).is_ok());
}

#[test]
fn v14_a_nomination_needs_a_fifth_more_candidates_than_seats() {
    for (seats, needed) in [(3, 4), (5, 6), (7, 9)] {
        let mut world = meeting(branch(25, 0), 25);
        let few = Request::BallotOpen { matter: election(seats, needed - 1) };
        assert!(refused(&mut world, CHAIR, few).contains(&format!("候选人至少{needed}人")));
        assert!(open(&mut world, election(seats, needed)).is_ok());
    }
}

#[test]
fn v15_more_ballots_than_voters_make_an_election_void() {
    let mut world = meeting(branch(25, 0), 20);
    let ballot = open(&mut world, election(3, 4)).unwrap();
    let none =
        |name: &str| CandidateCount { name: name.into(), votes: counts(0, 0, 0), write_in: false };
    let paper = PaperCount {
        issued: 20,
        returned: 21,
        candidates: ["张甲", "李乙", "王丙", "刘丁"].map(none).into(),
        ..PaperCount::default()
    };
    world.ask(RECORDER, Request::BallotPaper { ballot: ballot.clone(), paper }).unwrap();
    assert_eq!(outcome(&close(&mut world, &ballot)), "void");
    // Voted again.
    let again = Matter { again: Some(ballot), ..election(3, 4) };
    assert!(open(&mut world, again).is_ok());
}

#[test]
fn tellers_are_members_approved_and_no_candidates() {
    let mut world = meeting(branch(25, 0), 25);
    let mut ask = |matter| refused(&mut world, CHAIR, Request::BallotOpen { matter });
    assert!(ask(Matter { tellers: vec![], ..election(3, 4) }).contains("监票人"));
    assert!(ask(Matter { tellers_approved: false, ..election(3, 4) }).contains("须经会议通过"));
    let teller = |name: &str| vec![Teller { name: name.into(), role: TellerRole::Scrutineer }];
    assert!(ask(Matter { tellers: teller("张甲"), ..election(3, 4) }).contains("候选人"));
    assert!(ask(Matter { tellers: teller("外人"), ..election(3, 4) }).contains("不在名册"));
}

#[test]
fn v21_a_review_warns_above_a_third_of_excellent() {
    let mut world = meeting(branch(30, 0), 30);
    let ballot = open(&mut world, matter("member_review", BallotMethod::PaperSecret)).unwrap();
    let grades = [("优秀", 11), ("合格", 19)].map(|(grade, n)| (grade.to_owned(), n)).into();
    let paper = PaperCount { issued: 30, returned: 30, grades, ..PaperCount::default() };
    world.ask(RECORDER, Request::BallotPaper { ballot: ballot.clone(), paper }).unwrap();
    let decision = close(&mut world, &ballot).decision.unwrap();
    assert_eq!(decision.outcome, "graded");
    assert_eq!(codes(&decision.warnings), ["too_many_excellent"]);
}

#[test]
fn close_votes_are_told_to_wait() {
    let mut world = meeting(branch(7, 0), 7);
    let ballot = open(&mut world, hand()).unwrap();
    for n in 1..=7 {
        let choice = if n <= 4 { Choice::For } else { Choice::Against };
        vote(&mut world, n, &ballot, choice).unwrap();
    }
    let decision = close(&mut world, &ballot).decision.unwrap();
    assert_eq!(decision.outcome, "passed");
    assert_eq!(codes(&decision.warnings), ["close"]);
}

#[test]
fn conversion_names_its_proposal() {
    let mut world = meeting(branch(16, 0), 10);
    let conversion = matter("convert_probationary", BallotMethod::PaperSecret);
    let none = Matter { proposal: None, ..conversion.clone() };
    let words = refused(&mut world, CHAIR, Request::BallotOpen { matter: none });
    assert!(words.contains("按期转正、延长预备期、取消资格"), "{words}");
    assert!(open(&mut world, conversion).is_ok());
}

#[test]
fn a_temporary_branch_admits_nobody_and_a_group_does_not_vote() {
    let temporary = RoomSetup { org_kind: OrgKind::TemporaryBranch, ..branch(16, 0) };
    let mut world = meeting(temporary, 10);
    let words = refused(&mut world, CHAIR, Request::BallotOpen { matter: admission() });
    assert!(words.contains("不能召开"), "{words}");
    let group = RoomSetup { kind: MeetingKind::GroupMeeting, ..branch(6, 0) };
    let mut world = meeting(group, 6);
    let vote = matter("group_meeting", BallotMethod::Hand);
    let words = refused(&mut world, CHAIR, Request::BallotOpen { matter: vote });
    assert!(words.contains("不进行正式表决"), "{words}");
    assert_eq!(world.room.snapshot().ballots.kinds, []);
}

#[test]
fn one_ballot_at_a_time_and_only_after_the_meeting_was_declared_open() {
    let mut world = World::with(branch(6, 0));
    (1..=6).for_each(|n| drop(world.join(n)));
    let matter = hand();
    assert_eq!(open(&mut world, matter.clone()).unwrap_err(), ErrorCode::Conflict);
    world.ask(CHAIR, Request::DeclareOpen).unwrap();
    assert_eq!(world.ask(ALICE, Request::BallotOpen { matter }).unwrap_err(), ErrorCode::NotChair);
    let ballot = open(&mut world, hand()).unwrap();
    assert_eq!(open(&mut world, hand()).unwrap_err(), ErrorCode::Conflict);
    let withdraw =
        |reason: &str| Request::BallotWithdraw { ballot: ballot.clone(), reason: reason.into() };
    assert_eq!(world.ask(CHAIR, withdraw(" ")).unwrap_err(), ErrorCode::Validation);
    world.ask(CHAIR, withdraw("表决事项写错")).unwrap();
    assert!(open(&mut world, hand()).is_ok());
    // 散会 leaves nothing open.
    world.ask(CHAIR, Request::DeclareClose).unwrap();
    let words = world.words();
    let withdrawn = words.iter().rposition(|word| word.starts_with("ballot_withdrawn")).unwrap();
    assert!(withdrawn < words.iter().position(|word| word.starts_with("declared_closed")).unwrap());
}

#[test]
fn restart_in_mid_ballot_restores_voters_and_votes() {
    let setup = branch(6, 0);
    let mut world = meeting(setup.clone(), 4);
    let ballot = open(&mut world, hand()).unwrap();
    vote(&mut world, 3, &ballot, Choice::Against).unwrap();
    let (room, _) = RoomState::restore(setup, &world.envelopes(), false, at(world.now + S));
    let mut again =
        World { room, now: world.now + S, effects: vec![], journal: vec![], next_id: 0 };
    for n in [1, 3, 4, 5] {
        again.arrive(arrival(n, n + 700));
    }
    let mut ask = |n: u128| {
        again.next_id += 1;
        let request = Request::BallotVote { ballot: ballot.clone(), choice: Choice::For };
        let id = again.next_id;
        let effects = again.handle(Input::Request {
            endpoint: endpoint(n + 700),
            id,
            request,
            fresh: Uuid::nil(),
        });
        effects.iter().any(|effect| matches!(effect, Effect::Reply { .. }))
    };
    // 3 has voted, 5 was not there.
    assert_eq!([ask(1), ask(3), ask(4), ask(5)], [true, false, true, false]);
    assert_eq!(last(&again).voted, 3);
    assert_eq!(last(&again).matter, last(&world).matter);
}

#[test]
fn secret_online_needs_an_approval_and_five_papers() {
    let mut world = meeting(branch(6, 0), 6);
    let secret = matter("admit_probationary", BallotMethod::OnlineSecret);
    let words = refused(&mut world, CHAIR, Request::BallotOpen { matter: secret.clone() });
    assert!(words.contains("上级党组织批准"), "{words}");
    let approval = SuperiorApproval {
        organisation: "机关党委".into(),
        approver: "王书记".into(),
        document: "机党〔2026〕8号".into(),
        approved_on: "2026-11-20".into(),
    };
    let bad = SuperiorApproval { approved_on: "昨天".into(), ..approval.clone() };
    for (n, approval, code) in
        [(ALICE, approval.clone(), ErrorCode::NotChair), (RECORDER, bad, ErrorCode::Validation)]
    {
        assert_eq!(world.ask(n, Request::BallotApproval { approval }).unwrap_err(), code);
    }
    world.ask(RECORDER, Request::BallotApproval { approval }).unwrap();
    // The room asks for a key and opens when it has come.
    let request = Request::BallotOpen { matter: secret };
    let asked = world.handle(Input::Request {
        endpoint: endpoint(CHAIR),
        id: 900,
        request,
        fresh: Uuid::from_u128(77),
    });
    let Some(Effect::MakeBallotKey { endpoint: to, person, id, ballot, matter }) =
        asked.iter().find(|effect| matches!(effect, Effect::MakeBallotKey { .. })).cloned()
    else {
        panic!("no key was asked for")
    };
    let public_key = Ok("key".to_owned());
    let made = Input::BallotKeyMade { endpoint: to, person, id, ballot, matter, public_key };
    assert!(world.handle(made).iter().any(|effect| matches!(effect, Effect::Reply { .. })));
    let id = ballot.to_string();
    assert!(world.room.casting().is_none());
    let fetch = |world: &mut World, n: u128| {
        let request = Request::BallotToken { ballot: id.clone(), blinded: "x".into() };
        let effects = world.handle(Input::Request {
            endpoint: endpoint(n),
            id: 901,
            request,
            fresh: Uuid::nil(),
        });
        effects.iter().any(|effect| matches!(effect, Effect::SignPaper { .. }))
    };
    for n in 1..=4 {
        assert!(fetch(&mut world, n));
    }
    assert!(!fetch(&mut world, 4), "one paper each");
    let start = Request::BallotStart { ballot: id.clone() };
    assert!(refused(&mut world, CHAIR, start.clone()).contains("不足5人"));
    assert!(fetch(&mut world, 5));
    let effects = world.ask(CHAIR, start).unwrap();
    assert!(effects.contains(&Effect::DropBallotKey { ballot }), "the key is gone");
    assert!(!fetch(&mut world, 6), "no more papers once casting has begun");
    assert_eq!(world.room.casting().unwrap().ballot, ballot);
    // Counted from the box; how the box is filled is the store's and HTTP's.
    let close = world.handle(Input::Request {
        endpoint: endpoint(CHAIR),
        id: 902,
        request: Request::BallotClose { ballot: id.clone() },
        fresh: Uuid::nil(),
    });
    assert!(close.iter().any(|effect| matches!(effect, Effect::CountPapers { .. })));
    let one = |n: u8, choice: &str| crate::room::ballots::BoxedPaper {
        id: format!("{n:064x}"),
        choices: format!("{{\"choices\":[\"{choice}\"]}}"),
    };
    let papers =
        vec![one(9, "for"), one(3, "for"), one(5, "for"), one(1, "for"), one(2, "abstain")];
    world.handle(Input::PapersCounted {
        endpoint: endpoint(CHAIR),
        person: super::person(CHAIR),
        id: 902,
        ballot,
        papers: Ok(papers),
    });
    let view = last(&world);
    assert_eq!(outcome(&view), "passed");
    let tally = view.tally.unwrap();
    assert_eq!(tally.vote, Some(counts(4, 0, 1)));
    assert_eq!(tally.ballots_digest.unwrap().len(), 64);
    assert!(view.named.is_empty());
}

#[test]
fn restart_while_papers_are_given_out_withdraws_the_ballot() {
    let setup = branch(6, 0);
    let mut world = meeting(setup.clone(), 6);
    let snapshot = crate::journal::ballot::Snapshot {
        ballot: Uuid::from_u128(5).into(),
        matter: matter("admit_probationary", BallotMethod::OnlineSecret),
        heads: BallotHeads::default(),
        voters: vec![],
        public_key: Some("key".into()),
    };
    world.journal.push(NewEvent {
        at_us: 0,
        mono_us: 0,
        actor: crate::journal::Actor::System,
        event: JournalEvent::BallotSnapshot(Box::new(snapshot)),
    });
    let (room, effects) = RoomState::restore(setup, &world.envelopes(), false, at(S));
    assert_eq!(room.snapshot().ballots.ballots[0].phase, BallotPhase::Withdrawn);
    let withdrawn = effects.iter().any(|effect| match effect {
        Effect::Journal(events) => {
            events.iter().any(|new| matches!(new.event, JournalEvent::BallotWithdrawn { .. }))
        }
        _ => false,
    });
    assert!(withdrawn);
}

#[test]
fn everybody_sees_the_ballot_and_each_their_own_part() {
    let mut world = meeting(branch(6, 0), 4);
    let effects = world.ask(CHAIR, Request::BallotOpen { matter: hand() }).unwrap();
    assert!(broadcasts(&effects).iter().any(|event| matches!(event, Event::Ballot { .. })));
    let mine = |effects: &[Effect], n: u128| {
        sent_to(effects, n).iter().find_map(|event| match event {
            Event::MyBallot { mine } => Some((mine.may_vote, mine.voted)),
            _ => None,
        })
    };
    assert_eq!(mine(&effects, ALICE), Some((true, false)));
    let newcomer = world.join(5);
    let welcome = admitted(&newcomer).unwrap().2;
    assert!(!welcome.session.ballots.mine.as_ref().unwrap().may_vote);
    assert_eq!(welcome.session.ballots.ballots.len(), 1);
    let ballot = last(&world).id;
    let voted = world.ask(ALICE, Request::BallotVote { ballot, choice: Choice::For }).unwrap();
    assert_eq!(mine(&voted, ALICE), Some((true, true)));
    let progress = broadcasts(&voted);
    assert!(progress.iter().any(|event| matches!(event, Event::BallotProgress { voted: 1, .. })));
}
