//! The real program over the wire: killed in mid-meeting, and what it writes into its log.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use harness::client::Client as MediaClient;
use serde_json::{Value, json};
use str0m::media::{Direction, MediaKind};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use yuntang::cli::demo::{Demo, DemoAccount};
use yuntang::journal::sha256;

use crate::http_support::{Client, seed};
use crate::room_support::Page;

const START: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(15);
const CHECKPOINT_US: i64 = 5_000_000;

/// A data folder and the program that serves it.
struct Program {
    folder: PathBuf,
    demo: Demo,
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    logging: JoinHandle<()>,
}

/// A running program: itself, where it listens, and what it logs until it ends.
pub type Launched = (Child, SocketAddr, Arc<Mutex<String>>, JoinHandle<()>);

async fn launch(folder: &Path) -> Launched {
    launch_with(folder, &[]).await
}

/// The same in another environment.
pub async fn launch_with(folder: &Path, environment: &[(&str, &str)]) -> Launched {
    let mut child = Command::new(env!("CARGO_BIN_EXE_yuntang"))
        .args(["serve", "--no-open", "--port", "0", "--listen", "127.0.0.1", "--data"])
        .arg(folder)
        .env_remove("DATABASE_URL")
        .envs(environment.iter().copied())
        .env("RUST_LOG", "info,yuntang=debug,media=debug,media_io=debug")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let log = Arc::new(Mutex::new(String::new()));
    let (written, mut stderr) = (log.clone(), BufReader::new(child.stderr.take().unwrap()).lines());
    let logging = tokio::spawn(async move {
        while let Ok(Some(line)) = stderr.next_line().await {
            written.lock().unwrap().push_str(&format!("{line}\n"));
        }
    });
    let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = async {
        while let Some(line) = stdout.next_line().await.unwrap() {
            if let Some((_, port)) = line.split_once("http://localhost:") {
                return port.trim().parse::<u16>().unwrap();
            }
        }
        panic!("the program ended at once: {}", log.lock().unwrap());
    };
    let port = timeout(START, port).await.expect("the program starts");
    tokio::spawn(async move { while let Ok(Some(_)) = stdout.next_line().await {} });
    (child, SocketAddr::from(([127, 0, 0, 1], port)), log, logging)
}

impl Program {
    async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("yuntang-it-{}", uuid::Uuid::new_v4()));
        seed(&folder).await;
        let demo = std::fs::read(folder.join("demo.json")).unwrap();
        let demo = serde_json::from_slice(&demo).unwrap();
        let (child, address, log, logging) = launch(&folder).await;
        Self { folder, demo, child, address, log, logging }
    }

    /// kill -9, and once more on the same data.
    async fn kill_and_restart(&mut self) {
        self.child.kill().await.unwrap();
        (self.child, self.address, self.log, self.logging) = launch(&self.folder).await;
    }

    /// Ends it; everything that it logged.
    async fn end(mut self) -> String {
        self.child.kill().await.unwrap();
        timeout(SOON, self.logging).await.unwrap().unwrap();
        std::fs::remove_dir_all(&self.folder).unwrap();
        std::mem::take(&mut self.log.lock().unwrap())
    }

    fn account(&self, key: &str) -> &DemoAccount {
        self.demo.accounts.iter().find(|account| account.key == key).unwrap()
    }

    fn session(&self) -> String {
        self.demo.sessions[0].id.to_string()
    }

    async fn token(&self, client: &Client) -> String {
        let grant = client.post(&format!("/api/sessions/{}/join", self.session()), json!({})).await;
        grant.json()["token"].as_str().unwrap().to_owned()
    }

    async fn enter(&self, token: &str, resume: Option<Value>) -> (Page, Value) {
        let mut page = Page::connect(self.address).await;
        let welcome = page.hello(token, resume).await;
        assert_eq!(welcome["reply"]["kind"], "welcome", "{welcome}");
        (page, welcome["reply"].clone())
    }

    /// A short verb of the program.
    async fn verb(&self, args: &[&str]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yuntang"));
        command.args(args).env("YUNTANG_DATA", &self.folder).env_remove("DATABASE_URL");
        let output = timeout(START, command.kill_on_drop(true).output()).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), text + &String::from_utf8_lossy(&output.stderr))
    }
}

fn wall_us() -> i64 {
    i64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap()
}

fn of_type<'a>(journal: &'a [Value], kind: &str) -> Vec<&'a Value> {
    journal.iter().filter(|event| event["event"]["type"] == kind).collect()
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let mut program = Program::start().await;
    let secretary = Client::sign_in(program.address, program.account("secretary")).await;
    let member = Client::sign_in(program.address, program.account("member1")).await;
    let open = format!("/api/sessions/{}/open", program.session());
    assert!(secretary.post(&open, json!({})).await.status < 300);
    let tokens = [program.token(&secretary).await, program.token(&member).await];
    let (mut chair, chair_in) = program.enter(&tokens[0], None).await;
    let (mut page, page_in) = program.enter(&tokens[1], None).await;

    assert_eq!(chair.ask(json!({"method": "declare_open"})).await["reply"]["kind"], "done");
    let mut said = vec![];
    for n in 0..6 {
        for page in [&mut chair, &mut page] {
            let text = format!("第{n}次发言，{}", said.len());
            let answer = page.ask(json!({"method": "chat", "text": text})).await;
            assert_eq!(answer["reply"]["kind"], "done", "{answer}");
            said.push(text);
        }
    }
    // Long enough that a checkpoint has to prove the presence.
    for _ in 0..2 {
        timeout(SOON, page.until(|frame| frame["type"] == "ping")).await.unwrap();
        timeout(SOON, chair.until(|frame| frame["type"] == "ping")).await.unwrap();
    }
    // The blow falls while requests are on their way; what was answered before it counts.
    for n in 0..12 {
        page.send(json!({"method": "hand", "raised": n % 2 == 0})).await;
    }
    let mut hands = 0;
    while hands < 4 {
        let frame = timeout(SOON, page.next()).await.unwrap().expect("the line is up");
        hands += usize::from(frame["reply"]["kind"] == "done");
    }
    let killed_us = wall_us();
    program.kill_and_restart().await;
    while let Some(frame) = timeout(SOON, page.next()).await.unwrap() {
        hands += usize::from(frame["reply"]["kind"] == "done");
    }

    let mut back = vec![];
    for ((token, welcome), seq) in tokens.iter().zip([chair_in, page_in]).zip([chair.seq, page.seq])
    {
        let resume = json!({"token": welcome["resume_token"], "last_seq": seq});
        let mut page = Page::connect(program.address).await;
        let hello = json!({"method": "hello", "version": 1, "token": token, "consent": true,
            "device": "desktop", "resume": resume});
        let welcome = timeout(Duration::from_secs(5), page.ask(hello)).await.unwrap();
        assert_eq!(welcome["reply"]["resumed"], false, "{welcome}");
        let session = &welcome["reply"]["session"];
        assert_eq!(session["state"], "declared_open");
        let shown: Vec<_> = session["chat"].as_array().unwrap().iter().collect();
        let shown: Vec<_> = shown.iter().map(|m| m["text"].as_str().unwrap()).collect();
        assert_eq!(shown, said);
        back.push(page);
    }
    assert_eq!(back[0].ask(json!({"method": "declare_close"})).await["reply"]["kind"], "done");
    assert_eq!(timeout(SOON, back[1].until_bye()).await.unwrap(), "session_ended");

    let file = program.folder.join("journal.jsonl");
    let file = file.to_str().unwrap();
    let (exported, text) =
        program.verb(&["journal", "export", &program.session(), "--output", file]).await;
    assert!(exported, "{text}");
    let (verified, text) = program.verb(&["journal", "verify", file]).await;
    assert!(verified, "{text}");
    let lines = std::fs::read_to_string(file).unwrap();
    let journal: Vec<Value> =
        lines.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();

    assert_eq!(of_type(&journal, "declared_open").len(), 1);
    assert_eq!(of_type(&journal, "join").len(), 4, "each person once before and once after");
    let kept: Vec<_> =
        of_type(&journal, "chat").iter().map(|e| e["event"]["digest"].clone()).collect();
    let wanted: Vec<_> = said.iter().map(|text| json!(sha256(text.as_bytes()))).collect();
    assert_eq!(kept, wanted);
    assert!(of_type(&journal, "hand").len() >= hands, "{hands} hands were acknowledged");
    let restarts = of_type(&journal, "server_restart");
    assert_eq!(restarts.len(), 1);
    assert_eq!(restarts[0]["event"]["new_boot"], false);
    let opened_us = journal[0]["at_us"].as_i64().unwrap();
    let ends: BTreeMap<_, _> = of_type(&journal, "leave")
        .into_iter()
        .filter(|leave| {
            leave["seq"].as_u64() < of_type(&journal, "declared_closed")[0]["seq"].as_u64()
        })
        .map(|leave| {
            assert_eq!(leave["event"]["reason"], "server");
            let last = leave["event"]["last_frame_mono_us"].as_i64().unwrap();
            (leave["event"]["person"].to_string(), opened_us + last)
        })
        .collect();
    assert_eq!(ends.len(), 2);
    for (_, end_us) in ends {
        // Half a second for a machine that is busy with other tests.
        let gap_us = killed_us - end_us;
        assert!((-500_000..CHECKPOINT_US + 500_000).contains(&gap_us), "{gap_us} µs unproven");
    }
    program.end().await;
}

#[tokio::test]
async fn logs_hold_no_names_secrets_or_addresses() {
    let program = Program::start().await;
    let secretary = Client::sign_in(program.address, program.account("secretary")).await;
    let member = Client::sign_in(program.address, program.account("member1")).await;
    let wrong = json!({"login": program.account("member2").login, "password": "not-my-password"});
    assert_eq!(Client::nobody(program.address).post("/api/login", wrong).await.status, 401);
    let open = format!("/api/sessions/{}/open", program.session());
    assert!(secretary.post(&open, json!({})).await.status < 300);
    let (chair_token, member_token) =
        (program.token(&secretary).await, program.token(&member).await);
    let mut stranger = Page::connect(program.address).await;
    let refused = stranger.hello("eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.AAAA", None).await;
    assert_eq!(refused["error"]["code"], "token_invalid");
    let (mut chair, _) = program.enter(&chair_token, None).await;
    let (mut page, welcome) = program.enter(&member_token, None).await;
    let mut media = MediaClient::on_loopback().unwrap();
    let (sdp, mids) = media.offer(&[(MediaKind::Audio, Direction::SendOnly)]).unwrap();
    let publications = json!([{"mid": mids[0].to_string(), "source": "microphone"}]);
    let offer = json!({"method": "offer", "sdp": sdp, "publications": publications});
    let answer = page.ask(offer).await["reply"]["sdp"].as_str().unwrap().to_owned();
    assert!(answer.contains("a=candidate"));
    let broken = json!({"method": "offer", "sdp": "v=0\r\na=candidate:broken", "publications": []});
    assert_eq!(page.ask(broken).await["error"]["code"], "invalid_sdp");
    assert_eq!(chair.ask(json!({"method": "declare_open"})).await["reply"]["kind"], "done");
    let chat = json!({"method": "chat", "text": "这句话只属于会议"});
    assert_eq!(page.ask(chat).await["reply"]["kind"], "done");
    assert_eq!(member.post("/api/logout-everywhere", json!({})).await.status, 204);
    assert_eq!(timeout(SOON, page.until_bye()).await.unwrap(), "not_authenticated");
    assert_eq!(chair.ask(json!({"method": "declare_close"})).await["reply"]["kind"], "done");
    assert_eq!(timeout(SOON, chair.until_bye()).await.unwrap(), "session_ended");

    let value =
        |cookie: &Option<String>| cookie.as_ref().unwrap().split_once('=').unwrap().1.to_owned();
    let ice = |sdp: &str| {
        let lines = sdp.lines().filter(|line| line.starts_with("a=ice-"));
        lines.filter_map(|line| Some(line.split_once(':')?.1.to_owned())).collect::<Vec<_>>()
    };
    let mut secrets = vec![
        chair_token,
        member_token,
        welcome["resume_token"].as_str().unwrap().to_owned(),
        value(&secretary.cookie),
        value(&member.cookie),
        "c2VjcmV0".into(),
        "not-my-password".into(),
        "这句话只属于会议".into(),
        "a=candidate".into(),
        "a=fingerprint".into(),
        "m=audio".into(),
        "127.0.0.1".into(),
    ];
    secrets.extend(ice(&sdp).into_iter().chain(ice(&answer)).filter(|word| word.len() > 3));
    for account in &program.demo.accounts {
        secrets.extend([account.name.clone(), account.password.clone()]);
    }
    let log = program.end().await;
    assert!(log.contains("request"), "the log was read: {log}");
    for secret in secrets {
        let told = log.lines().find(|line| line.contains(&secret));
        assert_eq!(told, None, "{secret:?} is in the log");
    }
}
