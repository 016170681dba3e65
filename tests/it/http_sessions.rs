//! Planning, opening and joining; who may and who may not.

use serde_json::{Value, json};

use crate::http_support::{Client, NOW_US, TestApp};

async fn plan(app: &TestApp, client: &Client) -> Value {
    let body = json!({
        "org_id": app.account("secretary").org_id,
        "kind": "branch_assembly",
        "title": "第三季度支部党员大会",
        "planned_start_us": NOW_US,
        "duration_min": 90,
        "agenda": [{ "title": "传达学习文件" }, { "title": "  " }],
        "recorder": app.account("recorder").person_id,
    });
    let answer = client.post("/api/sessions", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn the_secretary_plans_and_opens_and_everybody_enters_in_their_own_role() {
    let app = TestApp::start().await;
    let secretary = app.sign_in("secretary").await;
    let session = plan(&app, &secretary).await;
    let id = session["id"].as_str().unwrap();
    assert_eq!(session["state"], "planned");
    assert_eq!(session["roster"].as_array().unwrap().len(), 8);
    assert_eq!(session["agenda"], json!([{ "title": "传达学习文件" }]));
    assert_eq!(session["chair"]["name"], app.account("secretary").name);
    assert_eq!(session["counts"]["due"], 8);
    assert_eq!(session["counts"]["due_voters"], 7);
    assert_eq!(session["can"]["open"], true);
    let url = format!("http://{}/s/{id}", app.address());
    assert_eq!(session["join_url"], url);

    let member = app.sign_in("member2").await;
    let early = member.post(&format!("/api/sessions/{id}/join"), json!({})).await;
    assert_eq!(early.refusal(), (409, "session_not_open".into()));

    let policy = json!({ "late_after_s": 5, "early_before_s": 5, "min_ratio_permille": 500,
                         "bridge_s": 60 });
    let policy_path = format!("/api/sessions/{id}/policy");
    assert_eq!(secretary.put(&policy_path, policy.clone()).await.status, 200);
    let opened = secretary.post(&format!("/api/sessions/{id}/open"), json!({})).await;
    assert_eq!(opened.status, 200, "{}", opened.text());
    let opened = opened.json();
    assert_eq!(opened["state"], "opened");
    assert_eq!(opened["policy"], policy);
    assert_eq!(opened["can"]["join"], true);
    let frozen = secretary.put(&policy_path, policy).await;
    assert_eq!(frozen.refusal(), (409, "conflict".into()));
    let again = secretary.post(&format!("/api/sessions/{id}/open"), json!({})).await;
    assert_eq!(again.status, 200, "opening twice is no error");

    for (key, role) in [
        ("secretary", "chair"),
        ("recorder", "recorder"),
        ("member2", "member"),
        ("observer", "observer"),
    ] {
        let client = app.sign_in(key).await;
        let grant = client.post(&format!("/api/sessions/{id}/join"), json!({})).await;
        assert_eq!(grant.status, 200, "{key}: {}", grant.text());
        let grant = grant.json();
        assert_eq!(grant["role"], role);
        assert_eq!(grant["ws_path"], "/ws");
        let token = grant["token"].as_str().unwrap();
        let claims = app.server.app.join_tokens.verify(token, NOW_US).unwrap();
        assert_eq!(claims.session.to_string(), id);
        assert_eq!(claims.person, *app.account(key).person_id.as_uuid());
    }
    let journal = app.server.app.store.journal().read_all(id.parse().unwrap()).await.unwrap();
    assert!(journal.len() >= 2, "the opening is in the journal");
    app.stop().await;
}

#[tokio::test]
async fn an_observer_sees_the_running_sessions_below_and_an_outsider_is_refused_clearly() {
    let app = TestApp::start().await;
    let id = app.session();
    let secretary = app.sign_in("secretary").await;
    assert_eq!(secretary.post(&format!("/api/sessions/{id}/open"), json!({})).await.status, 200);

    let observer = app.sign_in("observer").await;
    let list = observer.get("/api/sessions?scope=subtree&state=opened").await.json();
    // The demo's lecture is open too.
    let items = list["items"].as_array().unwrap();
    let card = items.iter().find(|item| item["id"] == id).unwrap();
    assert_eq!((items.len(), &card["my_role"]), (2, &json!("observer")));
    assert_eq!(card["counts"]["due"], 8);
    let detail = observer.get(&format!("/api/sessions/{id}")).await.json();
    assert_eq!(detail["can"]["observe"], true);
    assert_eq!(detail["can"]["join"], false);

    let outsider = app.sign_in("outsider").await;
    let list = outsider.get("/api/sessions?scope=subtree").await.json();
    assert_eq!(list["items"], json!([]));
    for (method, path) in [
        ("GET", format!("/api/sessions/{id}")),
        ("POST", format!("/api/sessions/{id}/join")),
        ("GET", format!("/api/archive/{id}")),
        ("GET", format!("/media/{id}/recording.mp4")),
    ] {
        let answer = outsider.send(method, &path, &[], None).await;
        assert_eq!(answer.refusal(), (403, "forbidden".into()), "{path}");
        let words = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(words.contains("不在本次会议的名册内"), "{words}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_plan_that_makes_no_sense_is_refused_with_the_reason() {
    let app = TestApp::start().await;
    let secretary = app.sign_in("secretary").await;
    let good = json!({
        "org_id": app.account("secretary").org_id,
        "kind": "branch_assembly", "title": "大会",
        "planned_start_us": NOW_US, "duration_min": 90,
    });
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for (body, code) in [
        (with("title", json!("  ")), "validation"),
        (with("title", json!("长".repeat(101))), "validation"),
        (with("duration_min", json!(0)), "validation"),
        (with("planned_start_us", json!(NOW_US / 1000)), "validation"),
        (with("chair", json!(app.account("member8").person_id)), "validation"),
        (with("kind", json!("party")), "bad_request"),
        (with("org_id", json!("junk")), "bad_request"),
    ] {
        let answer = secretary.post("/api/sessions", body.clone()).await;
        assert_eq!(answer.refusal().1, code, "{body}");
    }
    let elsewhere = with("org_id", json!(app.account("member8").org_id));
    let answer = secretary.post("/api/sessions", elsewhere).await;
    assert_eq!(answer.refusal(), (403, "forbidden".into()));
    app.stop().await;
}

#[tokio::test]
async fn a_planned_session_is_cancelled_with_a_reason_and_nobody_enters() {
    let app = TestApp::start().await;
    let id = app.session();
    let secretary = app.sign_in("secretary").await;
    let path = format!("/api/sessions/{id}/cancel");
    let empty = secretary.post(&path, json!({ "reason": " " })).await;
    assert_eq!(empty.refusal(), (422, "validation".into()));
    let done = secretary.post(&path, json!({ "reason": "改期" })).await.json();
    assert_eq!((&done["state"], &done["cancel_reason"]), (&json!("cancelled"), &json!("改期")));
    let opened = secretary.post(&format!("/api/sessions/{id}/open"), json!({})).await;
    assert_eq!(opened.refusal(), (409, "conflict".into()));
    let joined = secretary.post(&format!("/api/sessions/{id}/join"), json!({})).await;
    assert_eq!(joined.refusal(), (409, "session_ended".into()));
    app.stop().await;
}

#[tokio::test]
async fn a_sign_in_that_was_ended_is_not_admitted_by_its_join_token() {
    use yuntang::app::doorkeeper::Door;
    use yuntang::ws::{Admits, Doorkeeper};

    let app = TestApp::start().await;
    let id = app.session();
    let secretary = app.sign_in("secretary").await;
    assert_eq!(secretary.post(&format!("/api/sessions/{id}/open"), json!({})).await.status, 200);
    let member = app.sign_in("member2").await;
    let grant = member.post(&format!("/api/sessions/{id}/join"), json!({})).await.json();
    let token = grant["token"].as_str().unwrap();
    let claims = app.server.app.join_tokens.verify(token, NOW_US).unwrap();
    let door = Door::new(&app.server.app);
    assert_eq!(door.admits(&claims).await, Admits::Yes);
    assert_eq!(member.post("/api/logout-everywhere", json!({})).await.status, 204);
    assert_eq!(door.admits(&claims).await, Admits::No);
    app.stop().await;
}
