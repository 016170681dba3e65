//! The ballot box and the rules of organisations, on both engines.

use yuntang::domain::{BallotId, SessionId};
use yuntang::room::ballots::BoxedPaper;
use yuntang::store::Put;

use crate::journal_support::id;
use crate::store_contract::{new_session, populate};
use crate::store_support::{TestDb, on_both_engines};

on_both_engines!(
    a_paper_goes_in_once_and_never_after_closing,
    closing_again_gives_the_same_papers,
    a_hundred_papers_at_once_are_all_counted,
    rules_are_inherited_from_the_highest_down,
);

fn paper(n: u32) -> BoxedPaper {
    BoxedPaper { id: format!("{n:064x}"), choices: r#"{"choices":["for"]}"#.into() }
}

async fn with_session(db: &TestDb) -> (SessionId, BallotId) {
    populate(&db.store).await;
    let session = new_session(70);
    db.store.sessions().create(&session).await.unwrap();
    (session.id, id(71))
}

async fn a_paper_goes_in_once_and_never_after_closing(db: TestDb) {
    let (session, ballot) = with_session(&db).await;
    let ballots = db.store.ballots();
    assert_eq!(ballots.put(session, ballot, &paper(9)).await.unwrap(), Put::In);
    assert_eq!(ballots.put(session, ballot, &paper(9)).await.unwrap(), Put::Again);
    let other = BoxedPaper { choices: r#"{"choices":["against"]}"#.into(), ..paper(9) };
    assert_eq!(ballots.put(session, ballot, &other).await.unwrap(), Put::Taken);
    assert_eq!(ballots.counted(session, ballot).await.unwrap(), []);
    assert_eq!(ballots.close(session, ballot).await.unwrap(), [paper(9)]);
    assert_eq!(ballots.put(session, ballot, &paper(10)).await.unwrap(), Put::Closed);
    assert_eq!(ballots.put(session, ballot, &paper(9)).await.unwrap(), Put::Closed);
    // The list is of this session's ballot alone.
    assert_eq!(ballots.counted(id(99), ballot).await.unwrap(), []);
}

async fn closing_again_gives_the_same_papers(db: TestDb) {
    let (session, ballot) = with_session(&db).await;
    let other: BallotId = id(72);
    let ballots = db.store.ballots();
    for n in [5, 1, 3] {
        ballots.put(session, ballot, &paper(n)).await.unwrap();
        ballots.put(session, other, &paper(n + 100)).await.unwrap();
    }
    let first = ballots.close(session, ballot).await.unwrap();
    assert_eq!(first, [paper(1), paper(3), paper(5)]);
    assert_eq!(ballots.close(session, ballot).await.unwrap(), first);
    // Another box that is open keeps its papers; an empty one closes empty.
    assert_eq!(ballots.put(session, other, &paper(7)).await.unwrap(), Put::In);
    assert_eq!(ballots.close(session, other).await.unwrap().len(), 4);
    assert_eq!(ballots.close(session, id(73)).await.unwrap(), []);
}

async fn a_hundred_papers_at_once_are_all_counted(db: TestDb) {
    let (session, ballot) = with_session(&db).await;
    let casting = (0..100).map(|n| {
        let store = db.store.clone();
        async move { store.ballots().put(session, ballot, &paper(n)).await.unwrap() }
    });
    let put = futures_util::future::join_all(casting).await;
    assert!(put.iter().all(|put| *put == Put::In));
    assert_eq!(db.store.ballots().close(session, ballot).await.unwrap().len(), 100);
}

async fn rules_are_inherited_from_the_highest_down(db: TestDb) {
    populate(&db.store).await;
    let rules = db.store.org_rules();
    for (org, body) in [(902, "branch"), (900, "committee"), (904, "beside")] {
        rules.put(id(org), body, id(1), 5).await.unwrap();
    }
    let bodies = |chain: Vec<yuntang::store::OwnRules>| {
        chain.into_iter().map(|rules| rules.body).collect::<Vec<_>>()
    };
    assert_eq!(bodies(rules.chain(id(903)).await.unwrap()), ["committee", "branch"]);
    assert_eq!(rules.orgs().await.unwrap().len(), 3);
    rules.put(id(902), "other", id(2), 6).await.unwrap();
    let own = rules.get(id(902)).await.unwrap().unwrap();
    assert_eq!((own.body.as_str(), own.by, own.at_us), ("other", id(2), 6));
    rules.put(id(902), " ", id(2), 7).await.unwrap();
    assert_eq!(bodies(rules.chain(id(902)).await.unwrap()), ["committee"]);
}
