//! PostgreSQL is stopped in mid-meeting: the meeting goes on, what counts waits on the server's
//! disk, and comes in when the database is back.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use harness::client::Client as MediaClient;
use serde_json::{Value, json};
use str0m::media::{Direction, MediaKind};
use tokio::time::timeout;
use yuntang::cli::demo::{self, Demo};
use yuntang::clock::Clock;
use yuntang::config::{Config, DataDir};
use yuntang::domain::SessionId;
use yuntang::journal::{Actor, Event, NewEvent};
use yuntang::store::{Store, StoreError};

use crate::http_support::{Client, NOW_US, TestApp};
use crate::process::launch_with;
use crate::room_support::Page;
use crate::store_support::OwnPostgres;

const SOON: Duration = Duration::from_secs(20);

async fn until_records(page: &mut Page, away: bool) {
    let told = page.until(|f| f["event"]["kind"] == "records" && f["event"]["away"] == away);
    timeout(SOON, told).await.expect("the room is told");
}

async fn done(page: &mut Page, request: Value) {
    let answer = timeout(SOON, page.ask(request)).await.expect("an answer");
    assert_eq!(answer["reply"]["kind"], "done", "{answer}");
}

fn says(text: &str) -> Value {
    json!({"method": "chat", "text": text})
}

/// All events as the archive gives them.
async fn journal(client: &Client, id: &str) -> Vec<Value> {
    let mut all: Vec<Value> = vec![];
    loop {
        let after = all.last().map_or(0, |event| event["seq"].as_u64().unwrap());
        let path = format!("/api/archive/{id}/journal?after={after}&limit=500");
        let page = client.get(&path).await.json()["items"].as_array().unwrap().clone();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

fn kinds(journal: &[Value]) -> Vec<&str> {
    journal.iter().map(|event| event["event"]["type"].as_str().unwrap()).collect()
}

fn assert_gapless(journal: &[Value]) {
    let numbers: Vec<_> = journal.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=journal.len() as u64).collect::<Vec<_>>());
    for pair in journal.windows(2) {
        assert_eq!(pair[0]["hash"], pair[1]["prev_hash"], "the chain is whole");
    }
}

async fn join_token(client: &Client, id: &str) -> String {
    let grant = client.post(&format!("/api/sessions/{id}/join"), json!({})).await;
    grant.json()["token"].as_str().unwrap().to_owned()
}

/// A real outage as long as `YUNTANG_OUTAGE_S` says (by hand; none in the suite), in which people go
/// on talking; what they said.
async fn go_on(chair: &mut Page, other: &mut Page, page: &mut Page) -> Vec<String> {
    let seconds = std::env::var("YUNTANG_OUTAGE_S").ok().and_then(|text| text.parse().ok());
    let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(0));
    let mut said = vec![];
    while Instant::now() < until {
        for (n, page) in [&mut *chair, &mut *other, &mut *page].into_iter().enumerate() {
            let asked = Instant::now();
            let text = format!("停电中第{}句，{n}", said.len());
            done(page, says(&text)).await;
            said.push(text);
            assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
            page.until(|frame| frame["type"] == "ping").await;
        }
    }
    said
}

#[tokio::test]
async fn a_meeting_goes_on_while_postgresql_is_stopped_and_nothing_of_it_is_lost() {
    let mut postgres = OwnPostgres::start().await;
    let app = TestApp::start_on_postgres(&postgres.url).await;
    let secretary = app.open().await;
    let id = app.session();
    let [first, second, late] = ["member1", "member2", "member3"];
    let (first, second, late) =
        (app.sign_in(first).await, app.sign_in(second).await, app.sign_in(late).await);
    let late_token = join_token(&late, &id).await;
    let (mut chair, _) = app.enter(&secretary).await;
    let token = join_token(&first, &id).await;
    let mut page = Page::connect(app.address()).await;
    let welcome = page.hello(&token, None).await["reply"].clone();
    let (mut other, _) = app.enter(&second).await;
    done(&mut chair, json!({"method": "declare_open"})).await;
    done(&mut page, says("停电之前")).await;

    postgres.stop("fast");
    done(&mut page, says("数据库停了")).await;
    until_records(&mut chair, true).await;
    let heard = other.until(|f| f["event"]["message"]["text"] == "数据库停了");
    timeout(SOON, heard).await.expect("others hear it");
    done(&mut other, json!({"method": "hand", "raised": true})).await;
    done(&mut chair, json!({"method": "agenda", "index": 0})).await;
    // Pictures and sound are negotiated as ever.
    let mut media = MediaClient::on_loopback().unwrap();
    let (sdp, mids) = media.offer(&[(MediaKind::Audio, Direction::SendOnly)]).unwrap();
    let publications = json!([{"mid": mids[0].to_string(), "source": "microphone"}]);
    let offer = json!({"method": "offer", "sdp": sdp, "publications": publications});
    assert_eq!(other.ask(offer).await["reply"]["kind"], "answer");

    let minute = go_on(&mut chair, &mut other, &mut page).await;

    // Who was in the room comes back with the page's resume token; who was not is told plainly.
    let last_seq = page.seq;
    drop(page);
    let mut page = Page::connect(app.address()).await;
    let resume = json!({"token": welcome["resume_token"], "last_seq": last_seq});
    let mine = page.hello(&token, Some(resume)).await;
    assert_eq!(mine["reply"]["resumed"], true, "{mine}");
    assert_eq!(mine["reply"]["session"]["records_away"], true);
    let mut stranger = Page::connect(app.address()).await;
    let refused = stranger.hello(&late_token, None).await;
    assert_eq!(refused["error"]["code"], "storage_unavailable");
    let words = refused["error"]["message"].as_str().unwrap();
    assert!(words.contains("数据库暂时不可用"), "{words}");
    let refused = late.post(&format!("/api/sessions/{id}/join"), json!({})).await;
    assert_eq!(refused.refusal(), (503, "storage_unavailable".into()));

    // What must not wait is refused, and the room does not end for it.
    let session: SessionId = id.parse().unwrap();
    let must_not_wait =
        NewEvent { at_us: NOW_US, mono_us: 0, actor: Actor::System, event: Event::Sealed };
    let refused = app.server.app.appender.append(session, vec![must_not_wait]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let metrics = app.client().get("/metrics").await.text();
    assert!(metrics.contains("yuntang_database_away 1\n"), "{metrics}");

    postgres.start_again();
    until_records(&mut chair, false).await;
    done(&mut page, says("恢复了")).await;
    let (mut late_page, _) = app.enter(&late).await;
    done(&mut late_page, says("我来晚了")).await;

    // Once more, and the meeting ends in the middle of it; this time the database falls over.
    postgres.stop("immediate");
    done(&mut chair, json!({"method": "declare_close"})).await;
    assert_eq!(timeout(SOON, page.until_bye()).await.unwrap(), "session_ended");
    postgres.start_again();
    let mut away = app.server.app.appender.away();
    timeout(SOON, away.wait_for(|away| !*away)).await.unwrap().unwrap();
    let archive = async {
        loop {
            let archive = secretary.get(&format!("/api/archive/{id}")).await;
            if archive.status == 200 && archive.json()["journal"]["signed"] == true {
                return archive.json();
            }
        }
    };
    let archive = timeout(SOON, archive).await.expect("the closing work is done");
    assert_eq!(archive["journal"]["verified"], true, "{archive}");
    let texts = |of: &Value| -> Vec<String> {
        let chat = of["chat"].as_array().unwrap();
        chat.iter().map(|m| m["text"].as_str().unwrap().to_owned()).collect()
    };
    let said: BTreeSet<_> = texts(&archive).into_iter().collect();
    let wanted = ["停电之前", "数据库停了", "恢复了", "我来晚了"].map(str::to_owned);
    let wanted: BTreeSet<_> = wanted.into_iter().chain(minute).collect();
    assert_eq!(texts(&archive).len(), wanted.len());
    let chats = wanted.len();
    assert_eq!(said, wanted);
    let journal = journal(&secretary, &id).await;
    assert_gapless(&journal);
    let kinds = kinds(&journal);
    let count = |kind: &str| kinds.iter().filter(|k| **k == kind).count();
    for (kind, wanted) in [
        ("declared_open", 1),
        ("join", 4),
        ("rejoin", 1),
        ("chat", chats),
        ("hand", 1),
        ("agenda", 1),
        ("declared_closed", 1),
        ("sealed", 0),
        ("server_restart", 0),
        ("head_signed", 1),
    ] {
        assert_eq!(count(kind), wanted, "{kind} in {kinds:?}");
    }
    let figures = app.server.app.appender.spool_figures();
    assert_eq!((figures.outages, figures.bytes, figures.unfit), (2, 0, 0));
    assert_eq!(figures.spooled, figures.replayed);
    app.stop().await;
}

#[tokio::test]
async fn a_server_killed_while_the_database_was_away_brings_in_what_it_had_acknowledged() {
    let mut postgres = OwnPostgres::start().await;
    let folder = std::env::temp_dir().join(format!("yuntang-it-{}", uuid::Uuid::new_v4()));
    let mut config = Config::new(DataDir::new(&folder));
    config.database_url = Some(postgres.url.clone());
    config.data.prepare().unwrap();
    let store = Store::connect(&postgres.url, None).await.unwrap();
    demo::ensure(&store, &config, &Clock::system()).await.unwrap();
    store.close().await;
    let demo: Demo =
        serde_json::from_slice(&std::fs::read(config.data.demo_json()).unwrap()).unwrap();
    let account = |key: &str| demo.accounts.iter().find(|a| a.key == key).unwrap();
    let id = demo.sessions[0].id.to_string();
    let environment = [("DATABASE_URL", postgres.url.as_str())];

    let (mut child, address, _, _) = launch_with(&folder, &environment).await;
    let secretary = Client::sign_in(address, account("secretary")).await;
    let member = Client::sign_in(address, account("member1")).await;
    assert!(secretary.post(&format!("/api/sessions/{id}/open"), json!({})).await.status < 300);
    let mut chair = Page::connect(address).await;
    chair.hello(&join_token(&secretary, &id).await, None).await;
    let mut page = Page::connect(address).await;
    page.hello(&join_token(&member, &id).await, None).await;
    done(&mut chair, json!({"method": "declare_open"})).await;
    postgres.stop("immediate");
    for n in 0..5 {
        done(&mut page, says(&format!("第{n}句"))).await;
    }
    child.kill().await.unwrap();
    assert!(std::fs::metadata(folder.join("spool/journal.spool")).unwrap().len() > 100);

    let url = postgres.url.clone();
    postgres.start_again();
    let (mut child, address, _, _) = launch_with(&folder, &[("DATABASE_URL", &url)]).await;
    let secretary = Client::sign_in(address, account("secretary")).await;
    let journal = journal(&secretary, &id).await;
    assert_gapless(&journal);
    let kinds = kinds(&journal);
    assert_eq!(kinds.iter().filter(|kind| **kind == "chat").count(), 5, "{kinds:?}");
    let restart = kinds.iter().position(|kind| *kind == "server_restart").unwrap();
    let last_chat = kinds.iter().rposition(|kind| *kind == "chat").unwrap();
    assert!(last_chat < restart, "the room opened after the replay: {kinds:?}");
    let mut page = Page::connect(address).await;
    let member = Client::sign_in(address, account("member1")).await;
    let welcome = page.hello(&join_token(&member, &id).await, None).await;
    assert_eq!(welcome["reply"]["session"]["chat"].as_array().unwrap().len(), 5);
    assert_eq!(welcome["reply"]["session"]["records_away"], false);
    child.kill().await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}
