//! Minutes from the draft to the seal, over HTTP, on both databases.

use serde_json::{Value, json};
use yuntang::domain::SessionId;
use yuntang::journal::daily::verify_daily;
use yuntang::journal::{Event, SignPurpose, public_key_hex, verify};

use crate::http_support::TestApp;
use crate::minutes_support::{Office, section};
use crate::store_support::TestDb;

const DAY_US: i64 = 24 * 3600 * 1_000_000;

#[tokio::test]
async fn minutes_are_drafted_signed_objected_to_sealed_and_corrected() {
    whole_life(TestApp::start().await).await;
}

#[tokio::test]
async fn minutes_live_the_same_life_on_postgresql() {
    let db = TestDb::postgres().await;
    whole_life(TestApp::start_on_postgres(&db.url).await).await;
}

async fn whole_life(app: TestApp) {
    let office = Office::after_meeting(app, 3).await;
    let draft = office.read().await;
    assert_eq!((&draft["state"], &draft["version"]), (&json!("draft"), &Value::Null));
    assert!(section(&draft, "counts").contains("实到2人"), "{draft}");
    assert!(section(&draft, "chair").contains(&office.app.account("secretary").name));
    assert!(section(&draft, "absent").contains("未请假，原因待补充"));
    assert_eq!((&draft["can"]["edit"], &draft["can"]["confirm"]), (&json!(true), &json!(false)));

    // Edited: the draft stays as the first version, differences are told from it.
    let saved = office.save("documents", "传达学习《党章》").await;
    assert_eq!(saved.status, 200, "{}", saved.text());
    assert_eq!(section(&saved.json(), "documents"), "传达学习《党章》");
    let history = office.member.get(&office.path("/versions")).await.json();
    let versions = history["items"].as_array().unwrap();
    assert_eq!((versions.len(), &versions[1]["name"]), (2, &Value::Null));
    assert_eq!(versions[0]["name"], office.app.account("recorder").name);
    assert_eq!(versions[0]["changes"][0]["key"], "documents");
    assert_eq!(versions[0]["changes"][0]["runs"][0]["op"], "added");

    let submitted = office.submit().await;
    assert_eq!(submitted.status, 200, "{}", submitted.text());
    assert_eq!(submitted.json()["state"], "recorder_submitted");
    assert_eq!(office.save("documents", "改").await.refusal().0, 409);

    // Returned with a reason, mended, submitted again, confirmed.
    let back = json!({ "reason": "缺席原因未写明" });
    let returned = office.chair.post(&office.path("/return"), back).await.json();
    assert_eq!(
        (&returned["state"], &returned["returned"]["reason"]),
        (&json!("draft"), &json!("缺席原因未写明"))
    );
    assert_eq!(office.save("absent", "均已请假").await.status, 200);
    assert_eq!(office.submit().await.status, 200);
    let confirmed = office.confirm().await.json();
    assert_eq!(confirmed["state"], "chair_confirmed");
    let until = confirmed["objections_until_us"].as_i64().unwrap();
    assert_eq!(until, office.app.clock.now_us() + 3 * DAY_US);

    // Objection days: an objection holds up the seal until it is answered and the days are over.
    let objection = json!({ "text": "我的发言记错了" });
    let objected = office.member.post(&office.path("/objections"), objection).await.json();
    let objection = objected["objections"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(objected["objections"][0]["name"], office.app.account("member2").name);
    assert_eq!(office.seal().await.refusal(), (409, "conflict".into()));
    office.app.clock.advance(3 * DAY_US);
    // Nobody asked for half an hour, so everybody signs in again.
    let office = office.again().await;
    assert!(office.seal().await.text().contains("1条异议未答复"));
    let due = office.app.server.app.minutes.seal_due(office.app.clock.now_us()).await.unwrap();
    assert_eq!(due, (0, false));
    let path = office.path(&format!("/objections/{objection}/answer"));
    let answered = office.recorder.post(&path, json!({ "text": "已核对录像，原记录无误" })).await;
    assert_eq!(answered.status, 200, "{}", answered.text());

    // Due: the clerk seals it, once.
    let desk = &office.app.server.app.minutes;
    assert_eq!(desk.seal_due(office.app.clock.now_us()).await.unwrap(), (1, false));
    assert_eq!(desk.seal_due(office.app.clock.now_us()).await.unwrap(), (0, false));
    assert_eq!(office.seal().await.refusal().0, 409);
    let sealed = office.read().await;
    assert_eq!((&sealed["state"], &sealed["seal"]["n"]), (&json!("sealed"), &json!(1)));
    assert_eq!(sealed["recorder"]["digest"], sealed["digest"]);

    journal_and_chain_agree(&office, &sealed).await;

    // After the seal there are only corrections, and both texts are shown.
    let correction =
        json!({ "section": "documents", "text": "传达学习《准则》", "reason": "笔误" });
    let corrected = office.recorder.post(&office.path("/corrections"), correction).await.json();
    let shown = &corrected["corrections"][0];
    assert_eq!(
        (&shown["old"], &shown["new"]),
        (&json!("传达学习《党章》"), &json!("传达学习《准则》"))
    );
    assert_eq!(section(&corrected, "documents"), "传达学习《党章》");
    assert_eq!(corrected["digest"], sealed["digest"]);
    assert_eq!(office.save("documents", "改").await.refusal().0, 409);
    let id: SessionId = office.id.parse().unwrap();
    let journal = office.app.server.app.store.journal();
    let events = journal.read_all(id).await.unwrap();
    assert!(matches!(
        events.last().unwrap().event,
        Event::HeadSigned { purpose: SignPurpose::Sealed, .. }
    ));
    assert!(events.windows(2).all(|w| w[0].mono_us <= w[1].mono_us));
    // What is written after 散会 changes no attendance.
    let report = journal.attendance(id, None).await.unwrap();
    assert_eq!(report.totals.present, 2);
    office.app.stop().await;
}

async fn journal_and_chain_agree(office: &Office, sealed: &Value) {
    let app = &office.app.server.app;
    let key = public_key_hex(&*app.installation);
    let file = office.chair.get(&format!("/api/archive/{}/journal.jsonl", office.id)).await;
    let verified = verify(&file.body[..], Some(key.clone()), |_| {}).unwrap();
    let purposes: Vec<SignPurpose> = verified.signed_heads.iter().map(|(_, p)| *p).collect();
    assert_eq!(purposes, [SignPurpose::Closed, SignPurpose::Sealed]);
    // The session's last hash is the one that was signed, shown and put into the chain.
    assert_eq!(verified.signed_heads[1].0 - 1, sealed["seal"]["seq"].as_u64().unwrap());
    assert_eq!(verified.events, verified.signed_heads[1].0);
    let org = office.app.account("secretary").org_id;
    let file = office.chair.get(&format!("/api/orgs/{org}/daily-chain.jsonl")).await;
    assert_eq!(file.status, 200, "{}", file.text());
    let chain = verify_daily(&file.body[..], Some(&key)).unwrap();
    assert_eq!((chain.entries, chain.days.len()), (1, 1));
    assert!(file.text().contains(sealed["seal"]["hash"].as_str().unwrap()));
    assert!(file.text().contains(sealed["digest"].as_str().unwrap()));
    let days = office.chair.get(&format!("/api/orgs/{org}/daily-chain")).await.json();
    assert_eq!(days["items"][0]["root"], sealed["seal"]["root"]);
}

#[tokio::test]
async fn a_signature_wants_the_right_name_the_password_and_the_newest_text() {
    let office = Office::after_meeting(TestApp::start().await, 0).await;
    let right = office.signature("recorder").await;
    for (field, value) in [("name", "张三丰"), ("password", "not this one")] {
        let mut wrong = right.clone();
        wrong[field] = json!(value);
        let refused = office.recorder.post(&office.path("/submit"), wrong).await;
        assert_eq!(refused.refusal(), (422, "validation".into()), "{field}");
    }
    // Somebody saved since it was read.
    assert_eq!(office.save("documents", "文件").await.status, 200);
    let refused = office.recorder.post(&office.path("/submit"), right).await;
    assert_eq!(refused.refusal(), (409, "conflict".into()));
    assert!(refused.text().contains("核对后再签名"));
    let stale = json!({ "base": Value::Null, "sections": [{ "key": "documents", "body": "旧" }] });
    assert_eq!(office.recorder.put(&office.path(""), stale).await.refusal().0, 409);
    let locked = office.save("counts", "应到1人").await;
    assert_eq!(locked.refusal(), (422, "validation".into()));
    assert_eq!(office.submit().await.status, 200);
    office.app.stop().await;
}

#[tokio::test]
async fn each_role_does_its_own_part_and_no_more() {
    let office = Office::after_meeting(TestApp::start().await, 0).await;
    let observer = office.app.sign_in("observer").await;
    let outsider = office.app.sign_in("outsider").await;
    let neighbour = office.app.sign_in("member8").await;
    for nobody in [&outsider, &neighbour] {
        for path in ["", "/versions"] {
            assert_eq!(nobody.get(&office.path(path)).await.status, 403);
        }
        let pdf = format!("/api/archive/{}/minutes.pdf", office.id);
        assert_eq!(nobody.get(&pdf).await.status, 403);
    }
    // A superior and a member read; neither writes, neither signs.
    for reader in [&observer, &office.member] {
        assert_eq!(reader.get(&office.path("")).await.status, 200);
        let save = json!({ "base": Value::Null, "sections": [] });
        assert_eq!(reader.put(&office.path(""), save).await.status, 403);
        let sign = office.signature("recorder").await;
        for step in ["/submit", "/confirm"] {
            assert_eq!(reader.post(&office.path(step), sign.clone()).await.status, 403);
        }
        assert_eq!(reader.post(&office.path("/seal"), json!({})).await.status, 403);
    }
    assert_eq!(office.submit().await.status, 200);
    let sign = office.signature("recorder").await;
    let confirm = office.recorder.post(&office.path("/confirm"), sign).await;
    assert_eq!(confirm.status, 403, "the recorder does not confirm");
    let reason = json!({ "reason": "请补充讨论情况" });
    let refused = office.member.post(&office.path("/return"), reason.clone()).await;
    assert_eq!(refused.status, 403);
    let nothing = json!({ "reason": "  " });
    assert_eq!(observer.post(&office.path("/return"), nothing).await.status, 422);
    let returned = observer.post(&office.path("/return"), reason).await.json();
    assert_eq!(
        (&returned["state"], &returned["returned"]["superior"]),
        (&json!("draft"), &json!(true))
    );
    let objection = json!({ "text": "意见" });
    assert_eq!(observer.post(&office.path("/objections"), objection).await.status, 403);
    office.app.stop().await;
}

#[tokio::test]
async fn a_seal_cut_off_by_a_crash_is_finished() {
    let office = Office::after_meeting(TestApp::start().await, 0).await;
    assert_eq!(office.submit().await.status, 200);
    assert_eq!(office.confirm().await.status, 200);
    let app = &office.app.server.app;
    let id: SessionId = office.id.parse().unwrap();
    // The events are written, and then the machine stops: no signature, no entry, no row.
    let opened = app.minutes.open(id).await.unwrap();
    let last = opened.events.last().unwrap();
    let event = |event| yuntang::journal::NewEvent {
        at_us: last.at_us,
        mono_us: last.mono_us,
        actor: yuntang::journal::Actor::System,
        event,
    };
    let sealed = vec![event(Event::MinutesSealed { digest: opened.digest }), event(Event::Sealed)];
    app.appender.append(id, sealed).await.unwrap();
    assert!(app.store.daily().of_session(id).await.unwrap().is_none());

    assert_eq!(app.minutes.seal_due(app.clock.now_us()).await.unwrap(), (1, false));
    let after = office.read().await;
    assert_eq!((&after["state"], &after["seal"]["n"]), (&json!("sealed"), &json!(1)));
    let verified = app.store.journal().verify(id, None).await.unwrap().unwrap();
    assert_eq!(verified.signed_heads.last().unwrap().1, SignPurpose::Sealed);
    assert_eq!(app.minutes.seal_due(app.clock.now_us()).await.unwrap(), (0, false));
    office.app.stop().await;
}

#[tokio::test]
async fn an_installation_that_chose_sm3_binds_everything_by_it() {
    let app = TestApp::start().await;
    let store = app.server.app.store.clone();
    yuntang::app::choose_hash(&store, yuntang::journal::HashAlgorithm::Sm3).await.unwrap();
    let office = Office::after_meeting(app.restart().await, 0).await;
    assert_eq!(office.submit().await.status, 200);
    assert_eq!(office.confirm().await.status, 200);
    let sealed = office.seal().await.json();
    assert_eq!(sealed["hash_algorithm"], "sm3", "{sealed}");
    journal_and_chain_agree(&office, &sealed).await;
    office.app.stop().await;
}
