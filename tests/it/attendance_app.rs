//! Attendance through the whole running server: leave, a room with phones, roll-call, corrections,
//! a restart in the middle, and the sheet that anybody can compute again from the exported journal.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http_support::{Client, TestApp};
use crate::room_support::Page;
use crate::store_support::TestDb;

async fn done(client: &Client, path: &str, body: Value) -> Value {
    let answer = client.post(path, body).await;
    assert!(answer.status < 300, "{path}: {}", answer.text());
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

/// A site's page, and the code that its screen shows.
async fn open_site(app: &TestApp, client: &Client, id: &str, known: Value) -> (Page, Value, Value) {
    let body = json!({ "name": "三楼会议室", "expected": 46, "site": known });
    let grant = done(client, &format!("/api/sessions/{id}/site"), body).await;
    assert_eq!(grant["role"], "site");
    let mut page = Page::connect(app.address()).await;
    let welcome = page.hello(grant["token"].as_str().unwrap(), None).await;
    assert_eq!(welcome["reply"]["kind"], "welcome", "{welcome}");
    let shown = page.until_event("site").await["site"].clone();
    (page, shown, grant["site"].clone())
}

fn row<'a>(report: &'a Value, person: &str) -> &'a Value {
    let people = report["people"].as_array().unwrap();
    people.iter().find(|row| row["person_id"] == person).expect("on the sheet")
}

async fn until_finished(app: &TestApp, id: &str) {
    let ended = async {
        while app.server.app.rooms.running().contains(&id.parse().unwrap()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap();
}

async fn a_whole_meeting(app: TestApp) {
    let session = app.session();
    let at = |path: &str| format!("/api/sessions/{session}/{path}");
    let secretary = app.sign_in("secretary").await;
    let recorder = app.sign_in("recorder").await;
    let id_of = |key: &str| app.account(key).person_id.to_string();
    let ids: Vec<String> =
        ["secretary", "member1", "member2", "member3", "member4"].map(id_of).into();
    let (ill, scanning, ticked) = (&ids[1], &ids[2], &ids[3]);
    let member = app.sign_in("member1").await;
    let phone = app.sign_in("member2").await;

    // Leave: asked, seen by the secretary, granted; nobody grants their own.
    let ask = json!({ "kind": "illness", "reason": "住院" });
    assert_eq!(done(&member, &at("leave"), ask.clone()).await["state"], "asked");
    assert_eq!(member.post(&at("leave"), ask).await.refusal().1, "conflict");
    let own = member.post(&at(&format!("leave/{ill}")), json!({ "granted": true })).await;
    assert_eq!(own.refusal(), (403, "forbidden".into()));
    assert_eq!(phone.get(&at("leave")).await.json()["items"], json!([]));
    let list = secretary.get(&at("leave")).await.json();
    assert_eq!(
        (&list["items"][0]["reason"], &list["items"][0]["can_decide"]),
        (&json!("住院"), &json!(true))
    );
    let granted = done(&secretary, &at(&format!("leave/{ill}")), json!({ "granted": true })).await;
    assert_eq!(granted["state"], "granted");

    done(&secretary, &at("open"), json!({})).await;
    let (mut chair, welcome) = app.enter(&secretary).await;
    assert_eq!(welcome["session"]["counts"]["leave"], 1);
    let quorum = &welcome["session"]["counts"]["quorum"];
    assert_eq!(quorum["met"], false, "{quorum}");
    assert_eq!(chair.ask(json!({ "method": "declare_open" })).await["reply"]["kind"], "done");

    // A room: its screen shows a code, a phone scans it, the recorder ticks who has none.
    let (mut site, shown, known) = open_site(&app, &recorder, &session, Value::Null).await;
    let code = shown["code"].as_str().unwrap();
    let picture = recorder.get(&at(&format!("checkin.svg?code={code}"))).await;
    assert_eq!((picture.status, picture.header("content-type")), (200, "image/svg+xml"));
    let scanned = done(&phone, &at("checkin"), json!({ "code": code })).await;
    assert_eq!(scanned["site"], "三楼会议室");
    let again = phone.post(&at("checkin"), json!({ "code": code })).await;
    assert_eq!(again.refusal(), (409, "conflict".into()));
    assert!(again.text().contains("二维码已失效"));
    let (mut desk, _) = app.enter(&recorder).await;
    let tick = json!({ "method": "check_in", "participant": ticked, "site": shown["id"], "reason": "无手机" });
    assert_eq!(desk.ask(tick).await["reply"]["kind"], "done");
    let list = recorder.get(&at("attendance")).await.json();
    let waiting = row(&list, ticked);
    assert_eq!(
        (&waiting["state"], &waiting["checkin"]["confirmed"]),
        (&json!("absent"), &json!(false))
    );
    let confirm = json!({ "method": "check_in_decide", "participant": ticked, "accepted": true });
    assert_eq!(chair.ask(confirm).await["reply"]["kind"], "done");
    assert_eq!(row(&recorder.get(&at("attendance")).await.json(), ticked)["state"], "on_site");
    site.until(|frame| frame["event"]["site"]["checked_in"] == 2).await;

    // The server goes down and comes up: the same people are in the room when its screen is back.
    drop((chair, desk, site));
    let app = app.restart().await;
    let secretary = app.sign_in("secretary").await;
    let recorder = app.sign_in("recorder").await;
    let (mut chair, _) = app.enter(&secretary).await;
    let (_site, shown, again) = open_site(&app, &recorder, &session, known.clone()).await;
    assert_eq!((again, &shown["checked_in"]), (known, &json!(2)));
    let forged = json!({ "name": "三楼会议室", "site": { "id": ids[4], "proof": "x" } });
    assert_eq!(recorder.post(&at("site"), forged).await.refusal().1, "validation");

    // Roll-call: answered by list for the room, silence is a flag.
    assert_eq!(
        chair.ask(json!({ "method": "rollcall_open", "window_s": 60 })).await["reply"]["kind"],
        "done"
    );
    let answer = json!({ "method": "rollcall_answer", "rollcall": 1 });
    assert_eq!(chair.ask(answer).await["reply"]["kind"], "done");
    let mark = json!({ "method": "rollcall_mark", "participant": scanning });
    assert_eq!(chair.ask(mark).await["reply"]["kind"], "done");
    for paused in [true, false] {
        assert_eq!(
            chair.ask(json!({ "method": "pause", "paused": paused })).await["reply"]["kind"],
            "done"
        );
    }

    // Somebody of another branch waits at the door; the chair lets them sit in.
    let guest = app.sign_in("member8").await;
    assert_eq!(guest.post(&at("join"), json!({})).await.status, 403);
    assert_eq!(done(&guest, &at("knock"), json!({})).await["state"], "waiting");
    let guest_id = app.account("member8").person_id.to_string();
    let in_roster = json!({ "admit": "member", "reason": "漏录" });
    let refused = secretary.post(&at(&format!("knock/{guest_id}")), in_roster).await;
    assert!(refused.text().contains("组织关系不在本组织"), "{}", refused.text());
    done(&secretary, &at(&format!("knock/{guest_id}")), json!({ "admit": "observer" })).await;
    assert_eq!(guest.get(&at("knock")).await.json()["state"], "admitted");
    let grant = done(&guest, &at("join"), json!({})).await;
    assert_eq!(grant["role"], "observer");
    let (_guest, _) = app.enter(&guest).await;

    let exempt = json!({ "change": { "what": "exempt", "person": ids[4] }, "reason": "长期病休" });
    done(&recorder, &at("corrections"), exempt).await;
    assert_eq!(chair.ask(json!({ "method": "declare_close" })).await["reply"]["kind"], "done");
    until_finished(&app, &session).await;

    // After 散会 the archive takes corrections, with both values on the sheet.
    let closed = secretary.get(&format!("/api/archive/{session}/attendance.json")).await.json();
    let official = &closed["official"];
    let was_there = json!({
        "change": { "what": "was_present", "person": ill,
            "from_us": official["start_us"], "to_us": official["start_us"].as_i64().unwrap() + 60_000_000 },
        "reason": "中途到会，漏签",
    });
    done(&recorder, &at("corrections"), was_there).await;
    let answer = secretary.get(&format!("/api/archive/{session}/attendance.json")).await;
    let report = answer.json();
    let status = |person: &str| row(&report, person)["status"].as_str().unwrap().to_owned();
    assert_eq!(
        (status(ill).as_str(), &row(&report, ill)["status_before"]),
        ("present", &json!("leave"))
    );
    assert_eq!(
        (&row(&report, scanning)["mode"], &row(&report, scanning)["sites"]),
        (&json!("on_site"), &json!(["三楼会议室"]))
    );
    assert_eq!((status(&ids[4]), status(&guest_id)), ("exempt".into(), "observer".into()));
    let told = |person: &str| {
        let row = row(&report, person);
        (row["rollcalls_asked"].clone(), row["rollcalls_answered"].clone())
    };
    assert_eq!((told(scanning), told(ticked)), ((json!(1), json!(1)), (json!(1), json!(0))));

    // Anybody computes the same sheet from the exported journal, byte for byte.
    let file = app.data().path().join("exported.jsonl");
    let exported = secretary.get(&format!("/api/archive/{session}/journal.jsonl")).await;
    std::fs::write(&file, &exported.body).unwrap();
    let yuntang = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yuntang"));
        let output = command.arg("attendance").arg(&file).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    assert_eq!(String::from_utf8(yuntang(&[])).unwrap(), answer.text());
    let strict: Value =
        serde_json::from_slice(&yuntang(&["--policy", "min_ratio_permille=0"])).unwrap();
    assert_eq!(strict["policy"]["min_ratio_permille"], 0);

    // The files to take away, for spreadsheets.
    let csv = secretary.get(&format!("/api/archive/{session}/attendance.csv")).await;
    assert!(csv.body.starts_with(b"\xef\xbb\xbf"));
    for word in
        ["会议编号", "日志末条哈希", "导出人", "分会场", "三楼会议室", "点名应答", "原状态：请假"]
    {
        assert!(csv.text().contains(word), "{word}: {}", csv.text());
    }
    let xlsx = secretary.get(&format!("/api/archive/{session}/attendance.xlsx")).await;
    assert!(xlsx.body.starts_with(b"PK"));
    app.stop().await;
}

#[tokio::test]
async fn a_meeting_with_leave_a_room_rollcall_and_corrections_on_sqlite() {
    a_whole_meeting(TestApp::start().await).await;
}

#[tokio::test]
async fn a_meeting_with_leave_a_room_rollcall_and_corrections_on_postgresql() {
    let db = TestDb::postgres().await;
    a_whole_meeting(TestApp::start_on_postgres(&db.url).await).await;
}
