//! The whole server on PostgreSQL: from sign-in to the archive.

use std::time::Duration;

use serde_json::json;

use crate::http_support::{NOW_US, TestApp};
use crate::store_support::TestDb;

#[tokio::test]
async fn a_meeting_on_postgresql_goes_from_sign_in_to_the_archive() {
    let db = TestDb::postgres().await;
    let app = TestApp::start_on_postgres(&db.url).await;
    assert_eq!(app.client().get("/readyz").await.status, 200);
    let secretary = app.sign_in("secretary").await;

    let new = json!({
        "kind": app.demo.sessions[0].kind,
        "org_id": app.account("secretary").org_id,
        "title": "PostgreSQL 上的支部党员大会",
        "planned_start_us": NOW_US,
        "duration_min": 60,
        "agenda": [{"title": "学习"}],
    });
    let created = secretary.post("/api/sessions", new).await;
    assert!(created.status < 300, "{}", created.text());
    let id = created.json()["id"].as_str().unwrap().to_owned();
    let opened = secretary.post(&format!("/api/sessions/{id}/open"), json!({})).await;
    assert!(opened.status < 300, "{}", opened.text());

    let member = app.sign_in("member1").await;
    let (mut chair, _) = app.enter_session(&secretary, &id).await;
    let (mut page, _) = app.enter_session(&member, &id).await;
    for request in [json!({"method": "declare_open"}), json!({"method": "chat", "text": "同意"})]
    {
        assert_eq!(chair.ask(request).await["reply"]["kind"], "done");
    }
    page.until_event("chat").await;
    assert_eq!(chair.ask(json!({"method": "declare_close"})).await["reply"]["kind"], "done");
    assert_eq!(page.until_bye().await, "session_ended");

    // Signing and queueing follow the good-bye.
    let finished = async {
        while app.server.app.rooms.running().contains(&id.parse().unwrap()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), finished).await.unwrap();
    let archive = member.get(&format!("/api/archive/{id}")).await;
    assert_eq!(archive.status, 200, "{}", archive.text());
    let text = archive.text();
    assert!(text.contains("同意"), "{text}");
    let journal = secretary.get(&format!("/api/archive/{id}/journal")).await;
    assert_eq!(journal.status, 200, "{}", journal.text());
    assert!(journal.text().contains("declared_closed"), "{}", journal.text());
    app.stop().await;
}
