//! A whole server on free ports with data of its own, and a small HTTP client.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use yuntang::app::server::Server;
use yuntang::cli::demo::{self, Demo, DemoAccount};
use yuntang::clock::Clock;
use yuntang::config::{Config, DataDir};
use yuntang::store::Store;

use crate::room_support::Page;

/// 2026-11-22 01:00 UTC.
pub const NOW_US: i64 = 1_795_309_200_000_000;

pub struct TestApp {
    pub server: Server,
    pub clock: Clock,
    pub demo: Demo,
    pub folder: PathBuf,
}

/// Files of a data folder with the demo organisation: hashing its passwords anew for every test
/// would take longer than all tests.
static TEMPLATE: OnceCell<Vec<(&'static str, Vec<u8>)>> = OnceCell::const_new();

async fn make_template() -> Vec<(&'static str, Vec<u8>)> {
    let folder = std::env::temp_dir().join(format!("yuntang-it-{}", uuid::Uuid::new_v4()));
    let config = Config::new(DataDir::new(&folder));
    config.data.prepare().unwrap();
    let store = Store::connect_folder(config.data.path()).await.unwrap();
    demo::ensure(&store, &config, &Clock::fixed(NOW_US)).await.unwrap();
    store.close().await;
    // Keys too: the lecture's journal and tokens are signed with them.
    let names = ["yuntang.db", "demo.json", "keys/installation.key", "keys/stream_token.key"];
    let files = names.map(|n| (n, std::fs::read(folder.join(n)).unwrap()));
    std::fs::remove_dir_all(&folder).unwrap();
    files.into()
}

fn config() -> (PathBuf, Config) {
    let folder = std::env::temp_dir().join(format!("yuntang-it-{}", uuid::Uuid::new_v4()));
    let mut config = Config::new(DataDir::new(&folder));
    // This process is a test: it has no verbs.
    config.worker = Some(env!("CARGO_BIN_EXE_yuntang").into());
    config.port = 0;
    config.listen = Some([127, 0, 0, 1].into());
    (folder, config)
}

/// A data folder with the demo organisation.
pub async fn seed(folder: &Path) {
    DataDir::new(folder).prepare().unwrap();
    for (name, bytes) in TEMPLATE.get_or_init(make_template).await {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

impl TestApp {
    /// With the demo organisation, and a clock that stands still at [`NOW_US`].
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let (folder, mut config) = config();
        change(&mut config);
        seed(&folder).await;
        Self::run(folder, config, Clock::fixed(NOW_US)).await
    }

    /// On an empty PostgreSQL database.
    pub async fn start_on_postgres(url: &str) -> Self {
        Self::start_on_postgres_with(url, None).await
    }

    /// Another role migrates than serves.
    pub async fn start_on_postgres_with(url: &str, migration_url: Option<&str>) -> Self {
        let (folder, mut config) = config();
        config.database_url = Some(url.to_owned());
        config.migration_url = migration_url.map(str::to_owned);
        config.data.prepare().unwrap();
        let store = Store::connect(url, migration_url).await.unwrap();
        demo::ensure(&store, &config, &Clock::fixed(NOW_US)).await.unwrap();
        store.close().await;
        Self::run(folder, config, Clock::fixed(NOW_US)).await
    }

    /// With the demo organisation, and this clock.
    pub async fn start_at_with(clock: Clock, change: impl FnOnce(&mut Config)) -> Self {
        let (folder, mut config) = config();
        change(&mut config);
        seed(&folder).await;
        Self::run(folder, config, clock).await
    }

    async fn run(folder: PathBuf, config: Config, clock: Clock) -> Self {
        let bytes = std::fs::read(config.data.demo_json()).unwrap();
        let demo = serde_json::from_slice(&bytes).unwrap();
        let server = Server::start(config, clock.clone()).await.unwrap();
        Self { server, clock, demo, folder }
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    pub fn account(&self, key: &str) -> &DemoAccount {
        self.demo.accounts.iter().find(|a| a.key == key).unwrap()
    }

    /// The planned demo session.
    pub fn session(&self) -> String {
        self.demo.sessions[0].id.to_string()
    }

    /// Nobody yet.
    pub fn client(&self) -> Client {
        Client::nobody(self.address())
    }

    /// Signed in as the demo account of this key.
    pub async fn sign_in(&self, key: &str) -> Client {
        Client::sign_in(self.address(), self.account(key)).await
    }

    /// Opens the demo session as its secretary.
    pub async fn open(&self) -> Client {
        let secretary = self.sign_in("secretary").await;
        let path = format!("/api/sessions/{}/open", self.session());
        let answer = secretary.post(&path, json!({})).await;
        assert!(answer.status < 300, "{}", answer.text());
        secretary
    }

    /// In the room of the demo session.
    pub async fn enter(&self, client: &Client) -> (Page, Value) {
        self.enter_session(client, &self.session()).await
    }

    pub async fn enter_session(&self, client: &Client, id: &str) -> (Page, Value) {
        let path = format!("/api/sessions/{id}/join");
        let grant = client.post(&path, json!({})).await.json();
        let mut page = Page::connect(self.address()).await;
        let welcome = page.hello(grant["token"].as_str().unwrap(), None).await;
        assert_eq!(welcome["reply"]["kind"], "welcome", "{welcome}");
        (page, welcome["reply"].clone())
    }

    /// Signing and queueing follow the good-bye of a meeting.
    pub async fn until_ended(&self, id: &str) {
        let finished = async {
            while self.server.app.rooms.running().contains(&id.parse().unwrap()) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), finished).await.unwrap();
    }

    /// The server ends in good order and another one begins on its data.
    pub async fn restart(self) -> Self {
        let Self { server, clock, folder, .. } = self;
        let config = server.app.config.clone();
        server.stop().await;
        Self::run(folder, config, clock).await
    }

    pub async fn stop(self) {
        self.server.stop().await;
        std::fs::remove_dir_all(&self.folder).unwrap();
    }

    pub fn data(&self) -> DataDir {
        DataDir::new(&self.folder)
    }
}

/// One person's browser, more or less.
#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub cookie: Option<String>,
    pub origin: Option<String>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// `name=value` of the cookie that was set.
    pub fn cookie(&self) -> Option<String> {
        self.headers.get("set-cookie")?.split(';').next().map(str::to_owned)
    }

    /// Status and stable code of a refusal.
    pub fn refusal(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        (self.status, problem["code"].as_str().unwrap().to_owned())
    }
}

impl Client {
    pub fn nobody(address: SocketAddr) -> Self {
        Self { address, cookie: None, origin: Some(format!("http://{address}")) }
    }

    pub async fn sign_in(address: SocketAddr, account: &DemoAccount) -> Self {
        let mut client = Self::nobody(address);
        let body = json!({ "login": account.login, "password": account.password });
        let answer = client.post("/api/login", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        client.cookie = Some(answer.cookie().unwrap());
        client
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, &[], Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, &[], Some(body)).await
    }

    /// A file as the body.
    pub async fn upload(&self, path: &str, file: &[u8]) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let cookie = self.cookie.as_deref().unwrap_or_default();
        let origin = self.origin.as_deref().unwrap_or_default();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nCookie: {cookie}\r\n\
             Origin: {origin}\r\nContent-Type: application/octet-stream\r\n\
             Content-Length: {}\r\n\r\n",
            self.address,
            file.len()
        );
        exchange_bytes(stream, &[head.as_bytes(), file].concat()).await
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let body = body.map(|b| b.to_string()).unwrap_or_default();
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        let own = [("Cookie", self.cookie.as_deref()), ("Origin", self.origin.as_deref())];
        let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
        for (name, value) in own.chain(headers.iter().copied()) {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            head +=
                &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        exchange(stream, &format!("{head}\r\n{body}")).await
    }
}

/// Sends one request and reads the answer to the end of the connection.
pub async fn exchange(io: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Answer {
    exchange_bytes(io, request.as_bytes()).await
}

async fn exchange_bytes(mut io: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> Answer {
    // What is refused early is not read to its end.
    let _ = io.write_all(request).await;
    let mut bytes = Vec::new();
    // A connection under TLS may end without close_notify.
    let _ = io.read_to_end(&mut bytes).await;
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut body = bytes[end + 4..].to_vec();
    if headers.get("transfer-encoding").is_some_and(|v| v == "chunked") {
        body = unchunked(&body);
    }
    Answer { status, headers, body }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|w| w == b"\r\n").expect("a chunk's size");
        let size = std::str::from_utf8(&rest[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 4 + size..];
    }
}
