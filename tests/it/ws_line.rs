//! Pages on real websockets: who is let in, what they may do, and what a lost line costs.

use std::sync::atomic::Ordering;

use futures_util::{FutureExt, SinkExt};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::room_support::{ALICE, CHAIR, OBSERVER, Server, session};

#[tokio::test]
async fn hello_with_an_unknown_token_is_refused() {
    let server = Server::start().await;
    let mut page = server.connect().await;
    let answer = page.hello("eyJhbGciOiJIUzI1NiJ9.e30.AAAA", None).await;
    assert_eq!(answer["error"]["code"], "token_invalid");
    assert_eq!(page.until_bye().await, "token_invalid");
    assert!(server.records.words(session(1)).is_empty());
}

#[tokio::test]
async fn hello_with_an_expired_token_is_refused() {
    let server = Server::start().await;
    let token = server.token(session(1), ALICE);
    server.clock.advance(12 * 3600 * 1_000_000);
    let mut page = server.connect().await;
    assert_eq!(page.hello(&token, None).await["error"]["code"], "token_expired");
    assert_eq!(page.until_bye().await, "token_expired");
}

#[tokio::test]
async fn hello_of_an_ended_sign_in_is_refused() {
    let server = Server::start().await;
    server.admits.store(false, Ordering::SeqCst);
    let mut page = server.connect().await;
    let answer = page.hello(&server.token(session(1), ALICE), None).await;
    assert_eq!(answer["error"]["code"], "not_authenticated");
    assert_eq!(page.until_bye().await, "not_authenticated");
}

#[tokio::test]
async fn welcome_waits_until_the_join_is_durable() {
    let server = Server::start().await;
    server.records.open.send_replace(false);
    let mut page = server.connect().await;
    let token = server.token(session(1), ALICE);
    {
        let hello = page.hello(&token, None);
        tokio::pin!(hello);
        let mut journal = server.records.open.subscribe();
        let waiting = async {
            // The room is waiting for its journal: somebody listens besides us.
            while server.records.open.receiver_count() < 2 {
                tokio::task::yield_now().await;
            }
            journal.mark_unchanged();
        };
        tokio::select! {
            _ = &mut hello => panic!("welcomed before the journal was durable"),
            () = waiting => {}
        }
        assert!(hello.as_mut().now_or_never().is_none());
        server.records.open.send_replace(true);
        assert_eq!(hello.await["reply"]["kind"], "welcome");
    }
    assert_eq!(server.records.words(session(1))[..1], ["join"]);
}

#[tokio::test]
async fn members_cannot_do_chair_things() {
    let server = Server::start().await;
    let (_chair, _) = server.enter(session(1), CHAIR).await;
    let (mut page, _) = server.enter(session(1), ALICE).await;
    for request in [
        json!({"method": "declare_open"}),
        json!({"method": "declare_close"}),
        json!({"method": "agenda", "index": 0}),
        json!({"method": "recording_pause", "paused": true}),
    ] {
        assert_eq!(page.ask(request).await["error"]["code"], "not_chair");
    }
    assert!(!server.records.words(session(1)).contains(&"declared_open".to_owned()));
}

#[tokio::test]
async fn observers_cannot_publish() {
    let server = Server::start().await;
    let (mut page, _) = server.enter(session(1), OBSERVER).await;
    let offer =
        |publications| json!({"method": "offer", "sdp": "v=0", "publications": publications});
    let refused = page.ask(offer(json!([{"mid": "0", "source": "camera"}]))).await;
    assert_eq!(refused["error"]["code"], "forbidden");
    let answered = page.ask(offer(json!([]))).await;
    assert_eq!(answered["reply"]["kind"], "answer");
    assert_eq!(server.media.calls(), ["offer publish=false"]);
}

#[tokio::test]
async fn second_device_replaces_the_first_and_counts_once() {
    let server = Server::start().await;
    let (mut first, _) = server.enter(session(1), ALICE).await;
    let (_second, welcome) = server.enter(session(1), ALICE).await;
    first.until_event("replaced").await;
    assert_eq!(welcome["session"]["counts"]["present"], 1);
    assert_eq!(welcome["session"]["participants"][0]["devices"], 2);
}

#[tokio::test]
async fn dropped_page_comes_back_to_what_it_missed() {
    let server = Server::start().await;
    let (mut chair, _) = server.enter(session(1), CHAIR).await;
    let (mut page, welcome) = server.enter(session(1), ALICE).await;
    page.until_event("chair").await;
    let last_seq = page.seq;
    drop(page);
    server.records.until_last_is(session(1), "leave:drop").await;
    chair.ask(json!({"method": "chat", "text": "同意"})).await;

    let mut page = server.connect().await;
    let resume = json!({"token": welcome["resume_token"], "last_seq": last_seq});
    let again = page.hello(&server.token(session(1), ALICE), Some(resume)).await;
    assert_eq!(again["reply"]["resumed"], true);
    assert_eq!(again["reply"]["endpoint"], welcome["endpoint"]);
    assert_eq!(page.until_event("chat").await["message"]["text"], "同意");
    assert!(server.records.words(session(1)).contains(&"rejoin".to_owned()));
    assert!(!server.media.calls().contains(&"remove".to_owned()));
}

#[tokio::test]
async fn line_not_yet_known_to_be_dead_hands_over_to_the_new_one() {
    let server = Server::start().await;
    let (mut old, welcome) = server.enter(session(1), ALICE).await;
    old.until_event("chair").await;
    let mut new = server.connect().await;
    let resume = json!({"token": welcome["resume_token"], "last_seq": old.seq});
    let again = new.hello(&server.token(session(1), ALICE), Some(resume)).await;
    assert_eq!(again["reply"]["resumed"], true);
    while old.next().await.is_some() {}
    assert_eq!(new.ask(json!({"method": "hand", "raised": true})).await["reply"]["kind"], "done");
    let words = server.records.words(session(1));
    assert!(words.windows(2).any(|pair| pair == ["leave:drop", "rejoin"]), "{words:?}");
}

#[tokio::test]
async fn resume_with_a_number_that_was_never_given_starts_afresh() {
    let server = Server::start().await;
    let (_old, welcome) = server.enter(session(1), ALICE).await;
    let mut new = server.connect().await;
    let resume = json!({"token": welcome["resume_token"], "last_seq": 4_000});
    let token = server.token(session(1), ALICE);
    let hello = json!({"method": "hello", "version": 1, "token": token, "consent": true,
        "device": "desktop", "resume": resume});
    let again = new.ask(hello).await;
    assert_eq!(again["reply"]["resumed"], false);
    assert_ne!(again["reply"]["endpoint"], welcome["endpoint"]);
    new.until_event("chair").await;
}

#[tokio::test]
async fn junk_is_answered_with_a_reason_and_others_are_undisturbed() {
    let server = Server::start().await;
    let (mut chair, _) = server.enter(session(1), CHAIR).await;
    for (junk, code) in [
        (Message::text("{"), "bad_request"),
        (Message::text("[".repeat(40)), "too_deep"),
        (Message::text(" ".repeat(70_000)), "too_large"),
        (Message::binary(vec![1, 2, 3]), "bad_request"),
    ] {
        let mut page = server.connect().await;
        page.socket.send(junk).await.unwrap();
        assert_eq!(page.until_bye().await, code);
    }
    assert_eq!(chair.ask(json!({"method": "declare_open"})).await["reply"]["kind"], "done");
}

#[tokio::test]
async fn clicked_leave_ends_the_line_and_is_no_drop() {
    let server = Server::start().await;
    let (mut page, _) = server.enter(session(1), ALICE).await;
    assert_eq!(page.ask(json!({"method": "leave"})).await["reply"]["kind"], "done");
    assert_eq!(page.until_bye().await, "session_ended");
    assert_eq!(server.records.words(session(1)).last().unwrap(), "leave:user");
}
