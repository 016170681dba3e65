//! A websocket and the sign-in behind it: ended together, kept alive together.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use yuntang::app::sign_in_watch::{KEEP_ALIVE_US, SignInWatch};
use yuntang::auth::sign_in::{ABSOLUTE_US, IDLE_US};

use crate::http_support::TestApp;
use crate::room_support::Page;

const SECOND: Duration = Duration::from_secs(1);

async fn ended(page: &mut Page) -> String {
    timeout(SECOND, page.until_bye()).await.expect("the line ends within a second")
}

/// Others see that the person is gone, not only offline.
async fn seen_to_leave(page: &mut Page, who: &Value) {
    let left = |frame: &Value| {
        frame["event"]["kind"] == "participant_left" && frame["event"]["participant"] == *who
    };
    timeout(SECOND, page.until(left)).await.expect("everybody is told within a second");
}

async fn works(page: &mut Page) {
    let answer = page.ask(json!({"method": "hand", "raised": true})).await;
    assert_eq!(answer["reply"]["kind"], "done", "{answer}");
}

#[tokio::test]
async fn signing_out_everywhere_ends_the_meeting_on_every_device() {
    let app = TestApp::start().await;
    let (mut chair, _) = app.enter(&app.open().await).await;
    let (phone, desk) = (app.sign_in("member1").await, app.sign_in("member1").await);
    let (mut on_phone, welcome) = app.enter(&phone).await;
    let (mut on_desk, _) = app.enter(&desk).await;
    assert_eq!(phone.post("/api/logout-everywhere", json!({})).await.status, 204);
    assert_eq!(ended(&mut on_phone).await, "not_authenticated");
    assert_eq!(ended(&mut on_desk).await, "not_authenticated");
    seen_to_leave(&mut chair, &welcome["participant"]).await;
    works(&mut chair).await;
    app.stop().await;
}

#[tokio::test]
async fn changing_the_password_ends_the_meeting_elsewhere_only() {
    let app = TestApp::start().await;
    app.open().await;
    let (here, there) = (app.sign_in("member1").await, app.sign_in("member1").await);
    let (mut on_there, _) = app.enter(&there).await;
    let (mut on_here, _) = app.enter(&here).await;
    let old = &app.account("member1").password;
    let change = json!({"old": old, "new": "qingshan-lvshui-2026"});
    assert_eq!(here.post("/api/password", change).await.status, 204);
    assert_eq!(ended(&mut on_there).await, "not_authenticated");
    works(&mut on_here).await;
    app.stop().await;
}

#[tokio::test]
async fn sign_ins_ended_by_the_command_line_lose_their_websockets_too() {
    let app = TestApp::start().await;
    app.open().await;
    let (mut page, _) = app.enter(&app.sign_in("member1").await).await;
    let store = &app.server.app.store;
    let account = store.accounts().by_login(&app.account("member1").login).await.unwrap().unwrap();
    store.web_sessions().revoke_all(account.id).await.unwrap();
    assert_eq!(ended(&mut page).await, "not_authenticated");
    app.stop().await;
}

#[tokio::test]
async fn line_that_was_lost_cannot_be_resumed_after_signing_out() {
    let app = TestApp::start().await;
    let (mut chair, _) = app.enter(&app.open().await).await;
    let member = app.sign_in("member1").await;
    let (page, welcome) = app.enter(&member).await;
    drop(page);
    chair.until(|frame| frame["event"]["participant"]["online"] == false).await;
    assert_eq!(member.post("/api/logout", json!({})).await.status, 204);
    seen_to_leave(&mut chair, &welcome["participant"]).await;
    app.stop().await;
}

#[tokio::test]
async fn who_sits_in_a_meeting_stays_signed_in() {
    let app = TestApp::start().await;
    let member = app.sign_in("member1").await;
    let idle = app.sign_in("member2").await;
    app.open().await;
    let (mut page, _) = app.enter(&member).await;
    let mut watch = SignInWatch::new(app.server.app.clone(), app.server.lines.clone());
    // Over the half hour without a request, and over the longest life of a sign-in.
    let mut passed = 0;
    while passed <= ABSOLUTE_US + IDLE_US {
        app.clock.advance(KEEP_ALIVE_US);
        passed += KEEP_ALIVE_US;
        watch.turn().await.unwrap();
    }
    assert_eq!(member.get("/api/me").await.status, 200);
    assert_eq!(idle.get("/api/me").await.status, 401);
    works(&mut page).await;
    app.stop().await;
}

#[tokio::test]
async fn websockets_of_another_sites_pages_are_refused() {
    let app = TestApp::start().await;
    for (origin, cookie) in [(Some("https://evil.example"), None), (None, Some("yt_session=x"))] {
        let mut request = format!("ws://{}/ws", app.address()).into_client_request().unwrap();
        for (name, value) in [("Origin", origin), ("Cookie", cookie)] {
            if let Some(value) = value {
                request.headers_mut().insert(name, value.parse().unwrap());
            }
        }
        let refused = connect_async(request).await.unwrap_err().to_string();
        assert!(refused.contains("403"), "{refused}");
    }
    app.stop().await;
}
