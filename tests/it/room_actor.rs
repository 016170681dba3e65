//! The room's task: what it does when its records, itself or the server end.

use std::sync::atomic::Ordering;

use serde_json::json;
use yuntang::journal::Event;
use yuntang::room::Registry;
use yuntang::room::clock::MachineClock;
use yuntang::room::ports::Ports;

use crate::room_support::{ALICE, CHAIR, Server, session};

#[tokio::test]
async fn closing_stops_the_capture_then_signs_and_everybody_is_told() {
    let server = Server::start().await;
    let (mut chair, _) = server.enter(session(1), CHAIR).await;
    let (mut alice, _) = server.enter(session(1), ALICE).await;
    chair.ask(json!({"method": "declare_open"})).await;
    let closed = chair.ask(json!({"method": "declare_close"})).await;
    assert_eq!(closed["reply"]["kind"], "done");
    let state = alice.until(|f| f["event"]["state"] == "declared_closed").await;
    assert_eq!(state["event"]["kind"], "session_state");
    assert_eq!(alice.until_bye().await, "session_ended");
    assert_eq!(chair.until_bye().await, "session_ended");
    server.registry.stop().await;
    assert_eq!(*server.records.finished.lock().unwrap(), [session(1)]);
    let calls = server.media.calls();
    assert_eq!(calls, ["capture start", "capture stop", "close"]);
}

#[tokio::test]
async fn nobody_is_welcomed_when_the_journal_cannot_be_written() {
    let server = Server::start().await;
    server.records.broken.store(true, Ordering::SeqCst);
    let token = server.token(session(1), ALICE);
    let mut page = server.connect().await;
    let answer = page.hello(&token, None).await;
    assert_eq!(answer["error"]["code"], "storage_unavailable");
    assert!(server.records.words(session(1)).is_empty());
    // The room comes back from its journal with the next page.
    server.records.broken.store(false, Ordering::SeqCst);
    let (_page, welcome) = server.enter(session(1), ALICE).await;
    assert_eq!(welcome["session"]["counts"]["present"], 1);
}

#[tokio::test]
async fn panic_ends_its_own_room_only_and_pages_come_back_to_it() {
    let server = Server::start().await;
    let (mut other, _) = server.enter(session(2), CHAIR).await;
    let (mut chair, _) = server.enter(session(1), CHAIR).await;
    server.records.panics.store(true, Ordering::SeqCst);
    chair.send(json!({"method": "declare_open"})).await;
    assert_eq!(chair.until_bye().await, "restarting");
    assert_eq!(other.ask(json!({"method": "declare_open"})).await["reply"]["kind"], "done");
    let (mut chair, welcome) = server.enter(session(1), CHAIR).await;
    assert_eq!(welcome["session"]["state"], "opened");
    assert_eq!(chair.ask(json!({"method": "declare_open"})).await["reply"]["kind"], "done");
    assert!(server.records.words(session(1)).contains(&"server_restart".to_owned()));
    assert_eq!(server.registry.panics(), 1);
}

#[tokio::test]
async fn shutdown_tells_every_page_and_the_session_stays_open() {
    let server = Server::start().await;
    let (mut page, _) = server.enter(session(1), CHAIR).await;
    page.ask(json!({"method": "declare_open"})).await;
    let stop = server.registry.stop();
    let (reason, ()) = tokio::join!(page.until_bye(), stop);
    assert_eq!(reason, "restarting");
    let words = server.records.words(session(1));
    assert!(!words.contains(&"declared_closed".to_owned()));
    let (_page, welcome) = server.enter(session(1), CHAIR).await;
    assert_eq!(welcome["session"]["state"], "declared_open");
    assert_eq!(welcome["session"]["recording"]["state"], "on");
}

#[tokio::test]
async fn running_rooms_are_shown_at_a_glance() {
    let server = Server::start().await;
    assert!(server.registry.glance(session(1)).is_none());
    let (mut page, _) = server.enter(session(1), CHAIR).await;
    page.ask(json!({"method": "declare_open"})).await;
    let glance = server.registry.glance(session(1)).unwrap();
    assert_eq!((glance.counts.due, glance.counts.present), (5, 1));
    assert_eq!(glance.recording, signaling::view::RecordingState::On);
}

#[tokio::test]
async fn a_hundred_people_at_once_are_all_welcomed_and_all_in_the_journal() {
    let server = Server::start().await;
    let enter = (100..200).map(|n| server.enter(session(1), n));
    let pages = futures_util::future::join_all(enter).await;
    assert_eq!(pages.len(), 100);
    let words = server.records.words(session(1));
    assert_eq!(words.iter().filter(|word| *word == "observer_enter").count(), 100);
}

#[tokio::test]
async fn machine_booted_anew_is_noted_once() {
    let server = Server::start().await;
    let (_page, _) = server.enter(session(1), CHAIR).await;
    server.registry.stop().await;
    for boot in ["other boot", "other boot", "third boot"] {
        let ports = Ports { media: server.media.clone(), records: server.records.clone() };
        let machine = MachineClock::new(boot.into(), 0, server.clock.clone());
        let registry = Registry::new(ports, machine);
        registry.room(session(1)).await.unwrap();
        registry.stop().await;
    }
    let journal = server.records.journal.borrow();
    let boots = journal.iter().filter_map(|(_, new)| match new.event {
        Event::ServerRestart { new_boot } => Some(new_boot),
        _ => None,
    });
    assert_eq!(boots.collect::<Vec<_>>(), [true, false, true]);
}
