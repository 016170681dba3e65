//! Every request of the websocket, by every role: one that is not in this table fails the test.
//!
//! Whoever has no join token stands in the last columns: the door refuses them, and a websocket
//! that was not let in is answered nothing but `not_authenticated`.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use signaling::Request;

use crate::http_support::{Client, NOW_US, TestApp};
use crate::room_support::Page;

/// Those who are let in, in the order of the columns; they come in in this order too. `member5` is
/// a probationary member.
const INSIDE: [&str; 5] = ["secretary", "recorder", "member2", "member5", "observer"];
/// Of another branch, of another tree, and who keeps the system running.
const OUTSIDE: [&str; 3] = ["member8", "outsider", "admin"];
/// Whom requests name; sits in the room beside the others.
const NAMED: &str = "member3";

/// What the room has seen before the requests come.
#[derive(Clone, Copy, PartialEq)]
enum Scene {
    Opened,
    /// 已宣布开会.
    Declared,
    /// The chair clicked 离开.
    ChairGone,
}
use Scene::{ChairGone, Declared, Opened};

/// Allowed, and done.
const OK: &str = "done";
/// Only the chair.
const CHAIR: &str = "not_chair";
const OUT: &str = "forbidden";
/// No ballot is open, or the person votes for themselves.
const NONE: &str = "conflict";
/// Allowed by rank, and without sense now.
const NOT: &str = "conflict";
/// There is no such site.
const GONE: &str = "not_found";
const TWICE: &str = "bad_request";
/// Allowed by rank; these offers are no SDP.
const SDP: &str = "invalid_sdp";

/// Method, scene and what each role gets. The chair asks last: many of the steps are taken once.
#[rustfmt::skip]
const TABLE: &[(&str, Scene, [&str; 5])] = &[
    //                                chair  recorder member  probat. observer
    // Identity is shown once.
    ("hello",            Opened,    [TWICE,  TWICE,   TWICE,  TWICE,  TWICE]),
    ("offer",            Opened,    [SDP,    SDP,     SDP,    SDP,    OUT]),
    ("media_state",      Opened,    [OK,     OK,      OK,     OK,     OUT]),
    ("view",             Opened,    [OK,     OK,      OK,     OK,     OK]),
    ("chat",             Opened,    [OK,     OK,      OK,     OK,     OUT]),
    ("hand",             Opened,    [OK,     OK,      OK,     OK,     OUT]),
    ("declare_open",     Opened,    [OK,     CHAIR,   CHAIR,  CHAIR,  CHAIR]),
    ("declare_close",    Declared,  [OK,     CHAIR,   CHAIR,  CHAIR,  CHAIR]),
    ("agenda",           Declared,  [OK,     CHAIR,   CHAIR,  CHAIR,  CHAIR]),
    ("hand_over",        Declared,  [OK,     CHAIR,   CHAIR,  CHAIR,  CHAIR]),
    // While the chair presides there is nothing to take over.
    ("take_over",        Declared,  [OUT,    OUT,     OUT,    OUT,    OUT]),
    // The recorder is here longest of those who vote; the chair's own line is over.
    ("take_over",        ChairGone, ["over", OK,      OUT,    OUT,    OUT]),
    ("mute",             Declared,  [OK,     CHAIR,   CHAIR,  CHAIR,  CHAIR]),
    ("lower_hand",       Declared,  [OK,     CHAIR,   CHAIR,  CHAIR,  CHAIR]),
    ("remove",           Declared,  [OK,     CHAIR,   CHAIR,  CHAIR,  CHAIR]),
    ("recording_pause",  Declared,  [OK,     OK,      CHAIR,  CHAIR,  CHAIR]),
    ("ballot_open",      Declared,  [OK,     CHAIR,   CHAIR,  CHAIR,  CHAIR]),
    // None is open: who may ask is told that, who may not is told so.
    ("ballot_vote",      Declared,  [NONE,   NONE,    NONE,   NONE,   OUT]),
    ("ballot_vote_for",  Declared,  [NONE,   NONE,    CHAIR,  CHAIR,  CHAIR]),
    ("ballot_count",     Declared,  [NONE,   NONE,    CHAIR,  CHAIR,  CHAIR]),
    ("ballot_paper",     Declared,  [NONE,   NONE,    CHAIR,  CHAIR,  CHAIR]),
    ("ballot_token",     Declared,  [NONE,   NONE,    NONE,   NONE,   OUT]),
    ("ballot_start",     Declared,  [NONE,   CHAIR,   CHAIR,  CHAIR,  CHAIR]),
    ("ballot_close",     Declared,  [NONE,   CHAIR,   CHAIR,  CHAIR,  CHAIR]),
    ("ballot_withdraw",  Declared,  [NONE,   CHAIR,   CHAIR,  CHAIR,  CHAIR]),
    ("ballot_approval",  Declared,  [OK,     OK,      CHAIR,  CHAIR,  CHAIR]),
    ("ballot_opinion",   Declared,  [OK,     OK,      CHAIR,  CHAIR,  CHAIR]),
    ("pause",            Declared,  [OK,     CHAIR,   CHAIR,  CHAIR,  CHAIR]),
    // The recorder's runs already when the chair asks for one.
    ("rollcall_open",    Declared,  [NOT,    OK,      CHAIR,  CHAIR,  CHAIR]),
    ("rollcall_plan",    Declared,  [OK,     OK,      CHAIR,  CHAIR,  CHAIR]),
    // None runs.
    ("rollcall_answer",  Declared,  [NOT,    NOT,     NOT,    NOT,    NOT]),
    ("rollcall_mark",    Declared,  [NOT,    NOT,     CHAIR,  CHAIR,  CHAIR]),
    // There is no such site, and nobody is checked in.
    ("check_in",         Declared,  [GONE,   GONE,    CHAIR,  CHAIR,  CHAIR]),
    ("check_in_decide",  Declared,  [NOT,    CHAIR,   CHAIR,  CHAIR,  CHAIR]),
    ("check_out",        Declared,  [NOT,    NOT,     CHAIR,  CHAIR,  CHAIR]),
    ("leave",            Declared,  [OK,     OK,      OK,     OK,     OK]),
];

/// A request of this method that is good but for who asks.
fn request(method: &str, app: &TestApp) -> Value {
    let named = app.account(NAMED).person_id.to_string();
    let mut request = match method {
        "hello" => json!({ "version": 1, "token": "x", "consent": true, "device": "desktop" }),
        "offer" => json!({ "sdp": "v=0", "publications": [{ "mid": "0", "source": "camera" }] }),
        "media_state" => json!({ "source": "microphone", "on": true }),
        "view" => json!({ "tracks": [] }),
        "chat" => json!({ "text": "同意" }),
        "hand" => json!({ "raised": true }),
        "agenda" => json!({ "index": 0 }),
        "hand_over" | "lower_hand" | "remove" => json!({ "participant": named }),
        "mute" => json!({ "participant": named, "source": "microphone" }),
        "ballot_open" => json!({ "matter": {
            "kind": "branch_assembly", "text": "通过工作计划", "method": "hand",
        }}),
        "ballot_vote" => json!({ "ballot": named, "choice": "for" }),
        "ballot_vote_for" => json!({ "ballot": named, "participant": named, "choice": "for" }),
        "ballot_count" => {
            json!({ "ballot": named, "count": { "for": 1, "against": 0, "abstain": 0 } })
        }
        "ballot_paper" => {
            json!({ "ballot": named, "paper": { "issued": 1, "returned": 1, "invalid": 0 } })
        }
        "ballot_token" => json!({ "ballot": named, "blinded": "AA==" }),
        "ballot_start" | "ballot_close" => json!({ "ballot": named }),
        "ballot_withdraw" => json!({ "ballot": named, "reason": "写错了" }),
        "ballot_approval" => json!({ "approval": {
            "organisation": "街道党委", "approver": "书记", "document": "8号",
            "approved_on": "2026-11-20",
        }}),
        "ballot_opinion" => json!({ "opinion": {
            "participant": named, "kind": "admit_probationary", "applicant": "张三",
            "choice": "for", "received_on": "2026-11-20",
        }}),
        "recording_pause" | "pause" => json!({ "paused": true }),
        "rollcall_open" => json!({ "window_s": 60 }),
        "rollcall_plan" => json!({ "times": 2, "within_min": 60, "window_s": 90 }),
        "rollcall_answer" => json!({ "rollcall": 1 }),
        "rollcall_mark" | "check_out" => json!({ "participant": named }),
        "check_in" => {
            json!({ "participant": named, "site": uuid::Uuid::nil(), "reason": "无手机" })
        }
        "check_in_decide" => json!({ "participant": named, "accepted": true }),
        _ => json!({}),
    };
    request["method"] = method.into();
    request
}

/// `done`, `bye`, the kind of another answer, or the code of the refusal.
fn outcome(frame: &Value) -> String {
    let words = [&frame["reply"]["kind"], &frame["error"]["code"]];
    let word = words.iter().find_map(|word| word.as_str());
    match frame["type"].as_str() {
        Some("bye") => "bye".into(),
        _ => word.unwrap_or_default().to_owned(),
    }
}

async fn asked(page: &mut Page, request: Value) -> String {
    let id = page.send(request).await;
    outcome(&page.until(|frame| frame["id"] == id || frame["type"] == "bye").await)
}

/// A session of its own for every row, so that no step of one reaches another.
async fn opened(app: &TestApp, secretary: &Client) -> String {
    let plan = json!({
        "org_id": app.account("secretary").org_id, "kind": "branch_assembly",
        "title": "支部党员大会", "planned_start_us": NOW_US, "duration_min": 60,
        "agenda": [{ "title": "学习" }], "recorder": app.account("recorder").person_id,
    });
    let made = secretary.post("/api/sessions", plan).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let answer = secretary.post(&format!("/api/sessions/{id}/open"), json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    id
}

#[tokio::test]
async fn every_request_for_every_role() {
    let app = TestApp::start().await;
    let mut clients = Vec::new();
    for key in INSIDE {
        clients.push(app.sign_in(key).await);
    }
    let named = app.sign_in(NAMED).await;
    let mut wrong = Vec::new();
    for (method, scene, expected) in TABLE {
        let session = opened(&app, &clients[0]).await;
        let mut pages = Vec::new();
        for client in &clients {
            pages.push(app.enter_session(client, &session).await.0);
        }
        let (_named, _) = app.enter_session(&named, &session).await;
        match scene {
            Opened => {}
            Declared => {
                let open = asked(&mut pages[0], json!({ "method": "declare_open" })).await;
                assert_eq!(open, "done");
            }
            ChairGone => {
                assert_eq!(asked(&mut pages[0], json!({ "method": "leave" })).await, "done");
                let gone = |frame: &Value| {
                    frame["event"]["kind"] == "chair" && frame["event"]["chair"].is_null()
                };
                pages[2].until(gone).await;
            }
        }
        // From the right to the left.
        for role in (0..INSIDE.len()).rev().filter(|role| expected[*role] != "over") {
            let got = asked(&mut pages[role], request(method, &app)).await;
            if got != expected[role] {
                let (who, want) = (INSIDE[role], expected[role]);
                wrong.push(format!("{method} by {who}: {got} not {want}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    app.stop().await;
}

#[tokio::test]
async fn without_a_join_token_there_is_no_request() {
    let app = TestApp::start().await;
    let session = app.session();
    app.open().await;
    for key in OUTSIDE {
        let client = app.sign_in(key).await;
        let refused = client.post(&format!("/api/sessions/{session}/join"), json!({})).await;
        assert_eq!(refused.refusal(), (403, "forbidden".into()), "{key}");
    }
    for method in methods() {
        let mut page = Page::connect(app.address()).await;
        let wanted = if method == "hello" { "token_invalid" } else { "not_authenticated" };
        assert_eq!(asked(&mut page, request(&method, &app)).await, wanted, "{method}");
    }
    app.stop().await;
}

/// A token names its session: what its holder asks reaches that room and no other.
#[tokio::test]
async fn whoever_sits_in_another_room_reaches_nobody_here() {
    let app = TestApp::start().await;
    let (_chair, _) = app.enter(&app.open().await).await;
    let elsewhere = app.sign_in("member7").await;
    let plan = json!({
        "org_id": app.account("member7").org_id, "kind": "branch_assembly", "title": "支部党员大会",
        "planned_start_us": NOW_US, "duration_min": 60,
    });
    let made = elsewhere.post("/api/sessions", plan).await.json();
    let other = made["id"].as_str().unwrap();
    elsewhere.post(&format!("/api/sessions/{other}/open"), json!({})).await;
    let (mut page, _) = app.enter_session(&elsewhere, other).await;
    let chair = app.account("secretary").person_id.to_string();
    for method in ["remove", "hand_over", "lower_hand", "mute"] {
        let mut named = request(method, &app);
        named["participant"] = chair.clone().into();
        assert_eq!(asked(&mut page, named).await, "not_found", "{method}");
    }
    app.stop().await;
}

/// The methods that the protocol knows, by what it says of one that it does not know.
fn methods() -> BTreeSet<String> {
    let error = serde_json::from_value::<Request>(json!({ "method": "?" })).unwrap_err();
    let error = error.to_string();
    let (_, known) = error.split_once("expected one of ").expect("a list of the known");
    known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn no_request_is_missing_from_the_table() {
    let walked: BTreeSet<String> = TABLE.iter().map(|(method, ..)| (*method).to_owned()).collect();
    assert_eq!(walked, methods());
    assert!(walked.len() > 10, "{walked:?}");
}
