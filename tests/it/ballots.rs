//! Rules and scans over HTTP.

use serde_json::{Value, json};
use yuntang::domain::OrgRole;
use yuntang::journal::sha256;
use yuntang::store::RoleGrant;

use crate::http_support::{Client, TestApp};

#[tokio::test]
async fn a_manager_lays_rules_over_those_of_the_superior_and_sessions_keep_theirs() {
    let app = TestApp::start().await;
    let branch = app.account("secretary").org_id;
    let path = format!("/api/orgs/{branch}/rules");
    let secretary = app.sign_in("secretary").await;
    let text = "kinds: {branch_assembly: {quorum: {op: gt, num: 2, den: 3}}}";
    let change = json!({ "text": text });
    assert_eq!(secretary.put(&path, change.clone()).await.status, 403);
    let member = app.account("member2").person_id;
    let grant =
        RoleGrant { person_id: member, org_id: branch, role: OrgRole::Manager, inherits: false };
    app.server.app.store.roles().grant(&grant).await.unwrap();
    let manager = app.sign_in("member2").await;
    // What is wrong is named with its place, and nothing is kept.
    let wrong = json!({ "text": "kinds: {election: {quorom: {num: 1}}}" });
    let refused = manager.put(&path, wrong).await;
    assert_eq!(refused.status, 422);
    let words = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(words.contains("kinds.election") && words.contains("quorom"), "{words}");
    assert_eq!(manager.get(&path).await.json()["own"], Value::Null);
    // The demo's session is opened by the rules of now.
    let _ = app.open().await;
    let kept = manager.put(&path, change).await;
    assert_eq!(kept.status, 200, "{}", kept.text());
    assert_eq!(kept.json()["effective"]["kinds"]["branch_assembly"]["quorum"]["den"], 3);
    let journal = format!("/api/archive/{}/journal", app.session());
    let frozen = secretary.get(&journal).await.json();
    let events = frozen["items"].as_array().unwrap();
    let frozen = events.iter().find(|event| event["event"]["type"] == "rules_frozen").unwrap();
    let rules = frozen["event"]["rules"].as_str().unwrap();
    assert_eq!(frozen["event"]["digest"], sha256(rules.as_bytes()).to_string());
    let rules: Value = serde_json::from_str(rules).unwrap();
    assert_eq!(rules["kinds"]["branch_assembly"]["quorum"]["den"], 2);
    // The calculator goes by the rules of now: 11 of 16 are more than two thirds, 10 are not.
    let case =
        |present| json!({ "kind": "branch_assembly", "due_voters": 16, "present_voters": present });
    for (present, outcome) in [(10, "no_quorum"), (11, "quorum_met")] {
        let decided = secretary.post("/api/rules/decide", case(present)).await;
        assert_eq!(decided.json()["outcome"], outcome, "{}", decided.text());
    }
    let impossible = secretary.post("/api/rules/decide", case(17)).await.json();
    assert_eq!(impossible["refused"]["code"], "present_above_due");
    app.stop().await;
}

#[tokio::test]
async fn a_server_with_wrong_rules_does_not_start_and_names_the_place() {
    let file = std::env::temp_dir().join(format!("yuntang-it-{}.yaml", uuid::Uuid::new_v4()));
    std::fs::write(&file, "kinds: {election: {quorum: {den: 0}}}").unwrap();
    let folder = std::env::temp_dir().join(format!("yuntang-it-{}", uuid::Uuid::new_v4()));
    crate::http_support::seed(&folder).await;
    let serve = std::process::Command::new(env!("CARGO_BIN_EXE_yuntang"))
        .args(["serve", "--port", "0", "--no-open", "--rules"])
        .arg(&file)
        .arg("--data")
        .arg(&folder)
        .output()
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(!serve.status.success());
    let words = String::from_utf8_lossy(&serve.stderr).into_owned();
    assert!(words.contains("election：分母不能为零"), "{words}");
    assert!(words.contains(file.file_name().unwrap().to_str().unwrap()), "{words}");
}

async fn upload(app: &TestApp, client: &Client, bytes: &[u8]) -> u16 {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = app.address();
    let mut io = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /api/sessions/{}/scans HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n\
         Cookie: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        app.session(),
        client.cookie.as_deref().unwrap_or_default(),
        bytes.len(),
    );
    io.write_all(head.as_bytes()).await.unwrap();
    let _ = io.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = io.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn scans_are_pictures_or_pdf_and_bounded_and_not_for_everybody() {
    let app = TestApp::start().await;
    let recorder = app.sign_in("recorder").await;
    let member = app.sign_in("member2").await;
    let scan = b"%PDF-1.7 tally".as_slice();
    assert_eq!(upload(&app, &member, scan).await, 403);
    assert_eq!(upload(&app, &recorder, b"<html>").await, 422);
    assert_eq!(upload(&app, &recorder, &vec![0; 10 * 1024 * 1024 + 1]).await, 413);
    assert_eq!(upload(&app, &recorder, scan).await, 201);
    let path = format!("/api/sessions/{}/scans/{}", app.session(), sha256(scan));
    assert_eq!(recorder.get(&path).await.body, scan);
    assert_eq!(member.get(&path).await.status, 403);
    app.stop().await;
}
