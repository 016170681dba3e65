//! An online secret ballot whole, and what is left of it.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blind_rsa_signatures::{BlindSignature, BlindingResult, DefaultRng, Options, PublicKey};
use serde_json::{Value, json};
use sqlx::{Column as _, Connection as _, Row as _, ValueRef as _};
use yuntang::journal::sha256;

use crate::http_support::TestApp;
use crate::room_support::Page;

/// Those who vote, in the order in which they come.
const VOTERS: [&str; 6] = ["secretary", "recorder", "member1", "member2", "member3", "member4"];

/// What a voter's page keeps to itself.
struct Secret {
    token: [u8; 32],
    blinded: String,
    blind_signature: String,
    signature: String,
    randomizer: String,
    id: String,
}

async fn ask(page: &mut Page, request: Value) -> Value {
    let answer = page.ask(request).await;
    assert_eq!(answer["type"], "reply", "{answer}");
    answer["reply"].clone()
}

/// As the page does it: a random token, blinded, signed, unblinded.
async fn fetch_paper(page: &mut Page, ballot: &str, key: &PublicKey) -> Secret {
    let mut token = [0; 32];
    token[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    token[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    let options = Options::default();
    let blinding: BlindingResult = key.blind(&mut DefaultRng, token, &options).unwrap();
    let blinded = STANDARD.encode(&blinding.blind_message.0);
    let request = json!({ "method": "ballot_token", "ballot": ballot, "blinded": blinded });
    let reply = ask(page, request).await;
    let blind_signature = reply["signature"].as_str().unwrap().to_owned();
    let raw = BlindSignature(STANDARD.decode(&blind_signature).unwrap());
    let signature = key.finalize(&raw, &blinding, token, &options).unwrap();
    Secret {
        token,
        blinded,
        blind_signature,
        signature: STANDARD.encode(signature.0),
        randomizer: STANDARD.encode(blinding.msg_randomizer.unwrap().0),
        id: sha256(&token).to_string(),
    }
}

fn cast_of(secret: &Secret, choice: &str) -> Value {
    json!({
        "token": STANDARD.encode(secret.token), "randomizer": secret.randomizer,
        "signature": secret.signature, "paper": { "choices": [choice] },
    })
}

fn approval() -> Value {
    json!({ "method": "ballot_approval", "approval": {
        "organisation": "清河街道党委", "approver": "高振声", "document": "清街党〔2026〕8号",
        "approved_on": "2026-11-20",
    }})
}

/// Lines of the log at the finest level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Every row of every table: table, and its values as text.
async fn dump(path: &std::path::Path) -> Vec<(String, Vec<String>)> {
    let url = format!("sqlite://{}", path.display());
    let mut db = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let names = sqlx::query("SELECT name FROM sqlite_master WHERE type = 'table'");
    let names = names.fetch_all(&mut db).await.unwrap();
    let mut all = Vec::new();
    for name in names.iter().map(|row| row.get::<String, _>(0)) {
        let select = sqlx::AssertSqlSafe(format!("SELECT * FROM {name}"));
        for row in sqlx::query(select).fetch_all(&mut db).await.unwrap() {
            let text = |at: usize| {
                let raw = row.try_get_raw(at).unwrap();
                match raw.is_null() {
                    true => String::new(),
                    false => row.try_get_unchecked::<String, _>(at).unwrap_or_default(),
                }
            };
            let values = row.columns().iter().map(|column| text(column.ordinal())).collect();
            all.push((name.clone(), values));
        }
    }
    db.close().await.unwrap();
    all
}

fn places(bytes: &[u8], needle: &[u8]) -> Vec<usize> {
    bytes
        .windows(needle.len())
        .enumerate()
        .filter(|(_, w)| *w == needle)
        .map(|(at, _)| at)
        .collect()
}

/// In a process of its own: the tests beside it would have a say in what is logged.
#[test]
fn nobody_can_join_a_ballot_to_a_person() {
    let alone =
        ["--exact", "ballots_secret::a_secret_ballot_and_all_that_is_left_of_it", "--ignored"];
    let run = std::process::Command::new(std::env::current_exe().unwrap()).args(alone).output();
    let run = run.unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[ignore = "run by the test above"]
async fn a_secret_ballot_and_all_that_is_left_of_it() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let app = TestApp::start().await;
    let session = app.session();
    let _secretary = app.open().await;
    let mut clients = Vec::new();
    let mut pages = Vec::new();
    for key in VOTERS {
        let client = app.sign_in(key).await;
        pages.push(app.enter(&client).await.0);
        clients.push(client);
    }
    ask(&mut pages[0], json!({ "method": "declare_open" })).await;
    ask(&mut pages[1], approval()).await;
    ask(
        &mut pages[0],
        json!({ "method": "ballot_open", "matter": {
            "kind": "admit_probationary", "text": "接收张三为预备党员", "method": "online_secret",
            "applicants": ["张三"],
        }}),
    )
    .await;
    // Of another page: the chair reads on to the answer.
    let opened = pages[5].until_event("ballot").await;
    let ballot = opened["ballot"]["id"].as_str().unwrap().to_owned();
    let der = STANDARD.decode(opened["ballot"]["public_key"].as_str().unwrap()).unwrap();
    let key = PublicKey::from_der(&der).unwrap();
    let mut secrets = Vec::new();
    for page in &mut pages {
        secrets.push(fetch_paper(page, &ballot, &key).await);
    }
    let path = format!("/api/sessions/{session}/ballots/{ballot}/papers");
    // Nobody casts before all papers are out.
    let nobody = app.client();
    let early = nobody.post(&path, cast_of(&secrets[0], "for")).await;
    assert_eq!(early.status, 409, "{}", early.text());
    ask(&mut pages[0], json!({ "method": "ballot_start", "ballot": ballot })).await;
    // In another order than the papers were given out; the last one is never cast.
    let choices = [(4, "for"), (1, "against"), (3, "for"), (0, "for"), (2, "for")];
    for (who, choice) in choices {
        let answer = nobody.post(&path, cast_of(&secrets[who], choice)).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
    }
    // A page that asks again is told so; another choice, a forged or a foreign paper is refused.
    assert_eq!(nobody.post(&path, cast_of(&secrets[4], "for")).await.status, 204);
    assert_eq!(nobody.post(&path, cast_of(&secrets[4], "against")).await.status, 409);
    let mut forged = cast_of(&secrets[5], "for");
    forged["token"] = STANDARD.encode([7; 32]).into();
    assert_eq!(nobody.post(&path, forged).await.status, 422);
    let mut two = cast_of(&secrets[5], "for");
    two["paper"]["choices"] = json!(["for", "for"]);
    assert_eq!(nobody.post(&path, two).await.status, 422);
    // The list is empty until the box is closed.
    let list = clients[3].get(&path).await.json();
    assert_eq!(list["items"], json!([]));
    ask(&mut pages[0], json!({ "method": "ballot_close", "ballot": ballot })).await;
    let closed = pages[3].until(|frame| frame["event"]["ballot"]["phase"] == "closed").await;
    let view = &closed["event"]["ballot"];
    assert_eq!(view["tally"]["vote"], json!({ "for": 4, "against": 1, "abstain": 0 }));
    assert_eq!(view["tally"]["paper"]["issued"], 6);
    // Seven are due: four are more than half.
    assert_eq!(view["decision"]["outcome"], "passed");
    let late = nobody.post(&path, cast_of(&secrets[5], "for")).await;
    assert_eq!(late.status, 409);
    // Everybody finds their own paper in the list, and the list is the one that was counted.
    let list = clients[3].get(&path).await.json();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 5);
    for (who, choice) in choices {
        let mine = items.iter().find(|one| one["id"] == secrets[who].id.as_str()).unwrap();
        assert_eq!(mine["paper"]["choices"], json!([choice]));
    }
    let lines: String = items
        .iter()
        .map(|one| format!("{} {}\n", one["id"].as_str().unwrap(), one["paper"]))
        .collect();
    assert_eq!(view["tally"]["ballots_digest"], sha256(lines.as_bytes()).to_string());

    // What is left: database, its write-ahead log, every other file, and the log of the server.
    let data = app.data();
    let wal = data.database().with_extension("db-wal");
    let rows = dump(&data.database()).await;
    let ids: Vec<&str> = secrets.iter().map(|secret| secret.id.as_str()).collect();
    let people: Vec<String> =
        app.demo.accounts.iter().map(|account| account.person_id.to_string()).collect();
    for (table, values) in &rows {
        let text = values.join(" ");
        let has_id = ids.iter().any(|id| text.contains(id));
        assert!(!has_id || table == "counted_papers", "{table} knows a paper: {text}");
        if has_id {
            assert!(!people.iter().any(|person| text.contains(person)), "{text}");
            // Ballot, id and choices: no time, no address, no number that grows.
            assert_eq!(values.len(), 3, "{text}");
        }
    }
    assert!(!rows.iter().any(|(table, _)| table == "ballot_papers"), "the box was emptied");
    let file = std::fs::read(data.database()).unwrap();
    let logged = std::fs::read(&wal).unwrap_or_default();
    for secret in &secrets {
        let raw_token: &[u8] = &secret.token;
        let text_token = STANDARD.encode(secret.token);
        let parts = [
            text_token.as_str(),
            &secret.blinded,
            &secret.blind_signature,
            &secret.signature,
            &secret.randomizer,
        ];
        for bytes in [&file, &logged] {
            assert!(places(bytes, raw_token).is_empty());
            for part in parts {
                assert!(places(bytes, part.as_bytes()).is_empty(), "kept: {part}");
            }
        }
        // Each counted paper stands once in the file, and not in the log of writes.
        assert!(places(&logged, secret.id.as_bytes()).is_empty(), "the write-ahead log is empty");
    }
    let mut cast: Vec<&str> = choices.iter().map(|(who, _)| ids[*who]).collect();
    let at: Vec<usize> = cast
        .iter()
        .map(|id| {
            let found = places(&file, id.as_bytes());
            assert_eq!(found.len(), 1, "a paper lies in the file {} times", found.len());
            found[0]
        })
        .collect();
    // Where they lie follows from their ids alone, not from the order in which they came.
    let mut by_place: Vec<(usize, &str)> = at.iter().copied().zip(cast.iter().copied()).collect();
    by_place.sort_unstable();
    let lie: Vec<&str> = by_place.iter().map(|(_, id)| *id).collect();
    cast.sort_unstable();
    let mut backwards = cast.clone();
    backwards.reverse();
    assert!(lie == cast || lie == backwards, "papers lie in the order of their ids");
    drop(guard);
    let said = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(said.len() > 1_000, "the log was listened to");
    for secret in &secrets {
        for part in [&secret.id, &secret.signature, &secret.blinded, &STANDARD.encode(secret.token)]
        {
            assert!(!said.contains(part.as_str()), "logged: {part}");
        }
    }
    // The journal says who took a paper, never how they voted, and nothing while papers were cast.
    let journal = clients[0].get(&format!("/api/archive/{session}/journal?limit=500")).await.json();
    let events = journal["items"].as_array().unwrap();
    let types: Vec<&str> =
        events.iter().map(|event| event["event"]["type"].as_str().unwrap()).collect();
    assert_eq!(types.iter().filter(|kind| **kind == "ballot_token").count(), 6);
    assert!(!types.contains(&"ballot_cast"));
    let from = types.iter().position(|kind| *kind == "ballot_started").unwrap();
    let to = types.iter().position(|kind| *kind == "ballot_closed").unwrap();
    assert!(
        types[from + 1..to].iter().all(|kind| *kind == "checkpoint"),
        "{:?}",
        &types[from..=to]
    );
    app.stop().await;
}
