//! The journal's one writer: durable, gapless, and found out when somebody changes a row.

use std::sync::Arc;

use signaling::LeaveReason;
use yuntang::domain::SessionId;
use yuntang::journal::{Event, Place, SignPurpose, verify};
use yuntang::store::{JournalAppender, Store, StoreError};

use crate::journal_support::{TestKey, file, id, join, leave, new_event};
use crate::store_contract::{opened, populate};
use crate::store_support::{TestDb, on_both_engines};

on_both_engines!(
    what_is_acknowledged_is_there_for_others,
    many_writers_make_one_gapless_chain,
    one_bad_call_does_not_spoil_the_batch,
    a_restarted_writer_goes_on_where_the_chain_ended,
    two_writers_never_fork_a_chain,
    the_head_is_signed_and_the_export_verifies,
    rows_refuse_change_and_removal,
    a16_a_row_changed_behind_the_trigger_is_named,
    the_sheet_is_folded_from_the_rows,
);

const KEY: u8 = 7;

async fn ready(db: &TestDb, sessions: &[u32]) -> JournalAppender {
    populate(&db.store).await;
    for n in sessions {
        opened(&db.store, *n, &TestKey::new(KEY)).await;
    }
    writer(&db.store)
}

fn writer(store: &Store) -> JournalAppender {
    JournalAppender::spawn(store.clone(), Arc::new(TestKey::new(KEY))).0
}

fn session(n: u32) -> SessionId {
    id(n)
}

async fn what_is_acknowledged_is_there_for_others(db: TestDb) {
    let appender = ready(&db, &[30]).await;
    let events = vec![new_event(0, Event::SessionOpened), new_event(1, join(1, 11, "phone"))];
    let stored = appender.append(session(30), events).await.unwrap();
    assert_eq!(stored.iter().map(|e| e.seq).collect::<Vec<_>>(), [1, 2]);
    let other = Store::connect(&db.url, None).await.unwrap();
    assert_eq!(other.journal().read_all(session(30)).await.unwrap(), stored);
    assert_eq!(other.journal().read(session(30), 1, 9).await.unwrap(), stored[1..]);
    assert_eq!(other.journal().head(session(30)).await.unwrap().hash, stored[1].hash);
    assert_eq!(appender.append(session(30), vec![]).await.unwrap(), []);
}

async fn many_writers_make_one_gapless_chain(db: TestDb) {
    let appender = ready(&db, &[30, 31]).await;
    let tasks = (0..40_u32).map(|n| {
        let appender = appender.clone();
        tokio::spawn(async move {
            for i in 0..5 {
                let at = i64::from(n * 10 + i);
                let events = vec![
                    new_event(at, join(n, n, "phone")),
                    new_event(at, leave(at, n, n, LeaveReason::Drop)),
                ];
                let stored = appender.append(session(30 + n % 2), events).await.unwrap();
                assert_eq!(stored[0].seq + 1, stored[1].seq, "events of a call stand together");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    for n in [30, 31] {
        let verified = db.store.journal().verify(session(n), None).await.unwrap().unwrap();
        assert_eq!((verified.events, verified.is_signed()), (200, false));
    }
}

async fn one_bad_call_does_not_spoil_the_batch(db: TestDb) {
    let appender = ready(&db, &[30]).await;
    let ok = |n| appender.append(session(30), vec![new_event(n, join(1, 11, "phone"))]);
    // Never opened; and a number that JSON cannot carry exactly.
    let unknown = appender.append(session(77), vec![new_event(0, Event::Paused)]);
    let mut unsafe_number = new_event(0, Event::Paused);
    unsafe_number.at_us = i64::MAX;
    let invalid = appender.append(session(30), vec![unsafe_number]);
    let (a, unknown, invalid, b) = tokio::join!(ok(1), unknown, invalid, ok(2));
    assert_eq!((a.unwrap()[0].seq, b.unwrap()[0].seq), (1, 2));
    assert!(matches!(unknown, Err(StoreError::NotFound(_))), "{unknown:?}");
    assert!(matches!(invalid, Err(StoreError::Invalid(_))), "{invalid:?}");
    assert_eq!(db.store.journal().verify(session(30), None).await.unwrap().unwrap().events, 2);
}

async fn a_restarted_writer_goes_on_where_the_chain_ended(db: TestDb) {
    populate(&db.store).await;
    opened(&db.store, 30, &TestKey::new(KEY)).await;
    for n in 0..3 {
        let (appender, ended) =
            JournalAppender::spawn(db.store.clone(), Arc::new(TestKey::new(KEY)));
        let event = vec![new_event(n, Event::ServerRestart { new_boot: false })];
        appender.append(session(30), event).await.unwrap();
        drop(appender);
        ended.await.unwrap();
    }
    assert_eq!(db.store.journal().verify(session(30), None).await.unwrap().unwrap().events, 3);
}

async fn two_writers_never_fork_a_chain(db: TestDb) {
    let first = ready(&db, &[30]).await;
    let second = writer(&db.store);
    for n in 0..3 {
        for appender in [&first, &second] {
            let event = vec![new_event(n, Event::Paused)];
            match appender.append(session(30), event.clone()).await {
                Ok(_) => {}
                // Its idea of the head was old: refused, and known from then on.
                Err(StoreError::Conflict(_)) => {
                    appender.append(session(30), event).await.unwrap();
                }
                Err(e) => panic!("{e}"),
            }
        }
    }
    assert_eq!(db.store.journal().verify(session(30), None).await.unwrap().unwrap().events, 6);
}

async fn the_head_is_signed_and_the_export_verifies(db: TestDb) {
    let appender = ready(&db, &[30]).await;
    let events: Vec<_> = (0..1100).map(|n| new_event(n, join(1, 11, "phone"))).collect();
    appender.append(session(30), events).await.unwrap();
    appender.sign_head(session(30), SignPurpose::Closed, 0, 0).await.unwrap();
    let journal = db.store.journal();
    let verified = journal.verify(session(30), None).await.unwrap().unwrap();
    assert_eq!(verified.signed_heads, [(1101, SignPurpose::Closed)]);

    let key = TestKey::new(KEY);
    let mut out = Vec::new();
    let head = journal.export(session(30), &key, &mut out).await.unwrap();
    assert_eq!(head.seq, 1101);
    let exported = verify(out.as_slice(), Some(verified.installation_key), |_| {}).unwrap();
    assert_eq!((exported.events, exported.head_hash), (1101, head.hash));
    let header = journal.header(session(30)).await.unwrap();
    let rows = journal.read_all(session(30)).await.unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), file(&header, &rows, &key));
}

async fn rows_refuse_change_and_removal(db: TestDb) {
    let appender = ready(&db, &[30]).await;
    appender.append(session(30), vec![new_event(0, Event::SessionOpened)]).await.unwrap();
    for sql in [
        "UPDATE journal SET at_us = 0",
        "DELETE FROM journal",
        "UPDATE journals SET header = ''",
        "DELETE FROM journals",
    ] {
        let refusal = db.raw(sql).await.unwrap_err();
        assert!(refusal.contains("journal is append-only"), "{sql}: {refusal}");
    }
    assert!(db.store.journal().verify(session(30), None).await.unwrap().is_ok());
}

async fn a16_a_row_changed_behind_the_trigger_is_named(db: TestDb) {
    let appender = ready(&db, &[30]).await;
    let events = (0..100).map(|n| new_event(n, join(1, 11, "phone"))).collect();
    appender.append(session(30), events).await.unwrap();
    let drop = if db.url.starts_with("postgres") {
        "DROP TRIGGER journal_append_only ON journal"
    } else {
        "DROP TRIGGER journal_no_update; DROP TRIGGER journal_no_delete"
    };
    db.raw(drop).await.unwrap();
    let first_bad =
        async || db.store.journal().verify(session(30), None).await.unwrap().map_err(|e| e.place);
    for sql in [
        "UPDATE journal SET mono_us = mono_us + 1 WHERE seq = 90",
        "UPDATE journal SET event = REPLACE(event, 'phone', 'tablet') WHERE seq = 57",
    ] {
        db.raw(sql).await.unwrap();
    }
    assert_eq!(first_bad().await, Err(Place::Seq(57)));
    db.raw("DELETE FROM journal WHERE seq = 31").await.unwrap();
    assert_eq!(first_bad().await, Err(Place::Seq(31)));
    db.raw("UPDATE journal SET event = 'no json' WHERE seq = 12").await.unwrap();
    assert_eq!(first_bad().await, Err(Place::Seq(12)));
}

async fn the_sheet_is_folded_from_the_rows(db: TestDb) {
    let appender = ready(&db, &[30]).await;
    let events = vec![
        new_event(-1800, Event::SessionOpened),
        new_event(0, Event::DeclaredOpen),
        new_event(0, join(1, 11, "phone")),
        new_event(100, Event::DeclaredClosed { auto: false }),
    ];
    appender.append(session(30), events).await.unwrap();
    let report = db.store.journal().attendance(session(30), None).await.unwrap();
    assert_eq!((report.official.seconds, report.totals.due, report.totals.present), (100, 2, 1));
}
