use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn who(n: u128) -> PersonId {
    Uuid::from_u128(n).into()
}

fn save(n: u32) -> Step {
    Step::Save { version: format!("v{n}"), digest: format!("d{n}") }
}

fn submit(n: u32) -> Step {
    Step::Submit { digest: format!("d{n}"), name: "记录人".into() }
}

fn confirm(n: u32, until: i64) -> Step {
    Step::Confirm { digest: format!("d{n}"), name: "主持人".into(), objections_until_us: until }
}

fn object(id: &str) -> Step {
    Step::Object { id: id.into(), text: "我的发言记错了".into() }
}

fn answer(id: &str) -> Step {
    Step::Answer { id: id.into(), text: "已核对录音，原记录无误".into() }
}

fn seal(n: u32) -> Step {
    Step::Seal { digest: format!("d{n}") }
}

fn back() -> Step {
    Step::Return { reason: "缺席原因未写明".into(), superior: false }
}

/// Takes every step, and each must be allowed.
fn after(steps: &[(Step, i64)]) -> Life {
    let mut life = Life::default();
    for (step, at) in steps {
        assert_eq!(life.check(step, *at), Ok(()), "{step:?}");
        life.apply(step, Some(who(1)), *at);
    }
    life
}

#[test]
fn minutes_go_from_draft_to_sealed() {
    let life = after(&[(save(1), 1), (submit(1), 2), (confirm(1, 100), 3), (seal(1), 100)]);
    assert_eq!((life.state, life.sealed_at_us), (State::Sealed, Some(100)));
    for step in [save(2), submit(1), back(), confirm(1, 9), object("a"), seal(1)] {
        assert_eq!(life.check(&step, 101), Err(Refusal::Sealed), "{step:?}");
    }
    let correct = |new: &str| Step::Correct {
        section: "place".into(),
        old: "甲".into(),
        new: new.into(),
        reason: "笔误".into(),
    };
    assert_eq!(life.check(&correct("乙"), 101), Ok(()));
    assert_eq!(life.check(&correct("甲"), 101), Err(Refusal::NothingCorrected));
}

#[test]
fn a_signature_covers_the_version_that_was_read() {
    let life = after(&[(save(1), 1), (save(2), 2)]);
    assert_eq!(life.check(&submit(1), 3), Err(Refusal::OtherVersion));
    let life = after(&[(save(1), 1), (submit(1), 2)]);
    assert_eq!(life.check(&confirm(2, 9), 3), Err(Refusal::OtherVersion));
    assert_eq!(Life::default().check(&submit(1), 3), Err(Refusal::OtherVersion));
}

#[test]
fn nothing_is_edited_while_it_is_signed_until_it_is_returned() {
    let mut life = after(&[(save(1), 1), (submit(1), 2)]);
    assert_eq!(life.check(&save(2), 3), Err(Refusal::NotDraft(State::Submitted)));
    life.apply(&back(), Some(who(2)), 3);
    assert_eq!((life.state, life.submitted.clone()), (State::Draft, None));
    assert_eq!(life.returned.as_ref().map(|r| r.person_id), Some(who(2)));
    life.apply(&save(2), Some(who(1)), 4);
    life.apply(&submit(2), Some(who(1)), 5);
    assert_eq!((life.state, life.returned), (State::Submitted, None));
}

#[test]
fn every_objection_is_answered_before_the_seal() {
    let mut life = after(&[(save(1), 1), (submit(1), 2), (confirm(1, 100), 3), (object("a"), 50)]);
    assert_eq!(life.check(&seal(1), 99), Err(Refusal::ObjectionDaysRun(100)));
    assert_eq!(life.check(&seal(1), 100), Err(Refusal::Unanswered(1)));
    assert_eq!(life.check(&object("b"), 100), Err(Refusal::ObjectionDaysOver(100)));
    assert_eq!(life.check(&answer("b"), 100), Err(Refusal::NoSuchObjection));
    life.apply(&answer("a"), Some(who(1)), 101);
    assert_eq!(life.check(&answer("a"), 102), Err(Refusal::NoSuchObjection));
    assert_eq!(life.check(&seal(1), 102), Ok(()));
}

#[test]
fn with_no_objection_days_the_seal_follows_at_once() {
    let life = after(&[(save(1), 1), (submit(1), 2), (confirm(1, 3), 3)]);
    assert_eq!(life.check(&object("a"), 3), Err(Refusal::ObjectionDaysOver(3)));
    assert_eq!(life.check(&seal(1), 3), Ok(()));
}

#[test]
fn the_system_seals_what_is_due_and_signs_nothing() {
    let mut life = after(&[(save(1), 1)]);
    life.apply(&submit(1), None, 2);
    assert_eq!(life.state, State::Draft);
    let mut life = after(&[(save(1), 1), (submit(1), 2), (confirm(1, 3), 3)]);
    life.apply(&seal(1), None, 4);
    assert_eq!(life.state, State::Sealed);
}

fn any_step() -> impl Strategy<Value = Step> {
    let n = 1..4_u32;
    prop_oneof![
        n.clone().prop_map(save),
        n.clone().prop_map(submit),
        Just(back()),
        (n.clone(), 0..60_i64).prop_map(|(n, until)| confirm(n, until)),
        "[ab]".prop_map(|id| object(&id)),
        "[ab]".prop_map(|id| answer(&id)),
        n.prop_map(seal),
        Just(Step::Correct {
            section: "place".into(),
            old: "甲".into(),
            new: "乙".into(),
            reason: "笔误".into()
        }),
    ]
}

proptest! {
    /// Whatever is asked in whatever order, with time that never goes back.
    #[test]
    fn any_history_keeps_the_promises(
        steps in prop::collection::vec((any_step(), 0..10_i64), 0..60)
    ) {
        let (mut life, mut now) = (Life::default(), 0);
        for (step, later) in steps {
            now += later;
            let before = life.clone();
            let allowed = life.check(&step, now).is_ok();
            life.apply(&step, Some(who(1)), now);
            if !allowed {
                prop_assert_eq!(&life, &before);
            }
            if before.state == State::Sealed {
                prop_assert_eq!(life.state, State::Sealed);
                prop_assert_eq!(&life.versions, &before.versions);
                prop_assert_eq!(&life.objections, &before.objections);
                prop_assert!(life.corrections.len() >= before.corrections.len());
            }
            let digest = life.version().map(|v| v.digest.clone());
            let signed = |s: &Option<Signature>| s.as_ref().map(|s| s.digest.clone());
            match life.state {
                State::Draft => prop_assert!(life.submitted.is_none() && life.confirmed.is_none()),
                State::Submitted => prop_assert_eq!(signed(&life.submitted), digest),
                State::Confirmed => {
                    prop_assert_eq!(signed(&life.submitted), digest.clone());
                    prop_assert_eq!(signed(&life.confirmed), digest);
                }
                State::Sealed => {
                    prop_assert_eq!(signed(&life.confirmed), digest);
                    prop_assert_eq!(life.unanswered(), 0);
                    prop_assert!(life.sealed_at_us >= life.objections_until_us);
                }
            }
            if life.state != State::Sealed {
                prop_assert!(life.corrections.is_empty());
            }
        }
    }
}
