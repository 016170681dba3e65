//! Rooms on records and media in memory, and a real websocket server around them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::{Value, json};
use signaling::view::{AgendaItem, ChatMessage, MemberClass, Role, SessionState};
use signaling::{Answer, ShownTrack, Source, WireError};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use uuid::Uuid;
use yuntang::auth::{JoinClaims, JoinTokens};
use yuntang::clock::Clock;
use yuntang::domain::{EndpointId, MeetingKind, PersonId, Roster, RosterEntry, SessionId};
use yuntang::journal::{Actor, Envelope, Event, NewEvent, sha256};
use yuntang::room::clock::{Anchor, MachineClock};
use yuntang::room::effect::{CaptureReport, MediaNotice, Programme};
use yuntang::room::ports::{
    LoadError, Loaded, MediaPort, NotDurable, OfferCommand, Ports, RecordsPort,
};
use yuntang::room::{Registry, RoomSetup};
use yuntang::ws::{Admits, Doorkeeper, Ws};

pub const NOW: i64 = 1_790_000_000_000_000;
pub const CHAIR: u128 = 1;
pub const ALICE: u128 = 2;
pub const OBSERVER: u128 = 90;

pub fn session(n: u128) -> SessionId {
    Uuid::from_u128(7_000 + n).into()
}

/// Journals in memory.
pub struct Records {
    pub journal: watch::Sender<Vec<(SessionId, NewEvent)>>,
    pub finished: Mutex<Vec<SessionId>>,
    anchors: Mutex<HashMap<SessionId, Anchor>>,
    pub broken: AtomicBool,
    pub panics: AtomicBool,
    /// False: appends wait.
    pub open: watch::Sender<bool>,
}

impl Records {
    pub fn words(&self, session: SessionId) -> Vec<String> {
        let journal = self.journal.borrow();
        journal.iter().filter(|(of, _)| *of == session).map(|(_, new)| word(&new.event)).collect()
    }

    /// Waits until the journal of a session ends with this event.
    pub async fn until_last_is(&self, session: SessionId, wanted: &str) {
        let mut journal = self.journal.subscribe();
        let ends = |journal: &Vec<(SessionId, NewEvent)>| {
            let last = journal.iter().rev().find(|(of, _)| *of == session);
            last.is_some_and(|(_, new)| word(&new.event) == wanted)
        };
        journal.wait_for(ends).await.expect("records live");
    }
}

fn word(event: &Event) -> String {
    let value = serde_json::to_value(event).expect("plain data");
    let kind = value["type"].as_str().unwrap_or_default();
    match value["reason"].as_str() {
        Some(reason) => format!("{kind}:{reason}"),
        None => kind.to_owned(),
    }
}

impl RecordsPort for Records {
    fn load(&self, id: SessionId) -> BoxFuture<'_, Result<Loaded, LoadError>> {
        let opened =
            NewEvent { at_us: NOW, mono_us: 0, actor: Actor::System, event: Event::SessionOpened };
        let journal = self.journal.borrow();
        let events = journal.iter().filter(|(of, _)| *of == id).map(|(_, new)| new.clone());
        let journal = std::iter::once(opened).chain(events).zip(1..).map(|(new, seq)| Envelope {
            seq,
            at_us: new.at_us,
            mono_us: new.mono_us,
            actor: new.actor,
            event: new.event,
            prev_hash: sha256(b""),
            hash: sha256(b""),
        });
        let anchor = self.anchors.lock().expect("test").get(&id).cloned();
        let loaded = Loaded { setup: setup(id), journal: journal.collect(), anchor };
        async move { Ok(loaded) }.boxed()
    }

    fn append(
        &self,
        session: SessionId,
        _: Vec<ChatMessage>,
        events: Vec<NewEvent>,
    ) -> BoxFuture<'_, Result<(), NotDurable>> {
        async move {
            assert!(!self.panics.swap(false, Ordering::SeqCst), "a bug in the room, for the test");
            if self.broken.load(Ordering::SeqCst) {
                return Err(NotDurable("disk full".into()));
            }
            let mut open = self.open.subscribe();
            open.wait_for(|open| *open).await.map_err(|e| NotDurable(e.to_string()))?;
            self.journal.send_modify(|journal| {
                journal.extend(events.into_iter().map(|new| (session, new)));
            });
            Ok(())
        }
        .boxed()
    }

    fn store_state(
        &self,
        _: SessionId,
        _: SessionState,
        _: i64,
    ) -> BoxFuture<'_, Result<(), NotDurable>> {
        async { Ok(()) }.boxed()
    }

    fn store_anchor(
        &self,
        session: SessionId,
        anchor: Anchor,
    ) -> BoxFuture<'_, Result<(), NotDurable>> {
        self.anchors.lock().expect("test").insert(session, anchor);
        async { Ok(()) }.boxed()
    }

    fn finish(&self, session: SessionId, _: i64, _: i64) -> BoxFuture<'_, Result<(), NotDurable>> {
        self.finished.lock().expect("test").push(session);
        async { Ok(()) }.boxed()
    }
}

fn setup(id: SessionId) -> RoomSetup {
    let entry = |n: u128| RosterEntry {
        person_id: Uuid::from_u128(n).into(),
        name: format!("党员{n}"),
        class: MemberClass::Full,
        org_name: "第一党支部".into(),
        group_name: None,
        voter: true,
        due: true,
    };
    RoomSetup {
        session: id,
        kind: MeetingKind::BranchAssembly,
        title: "支部党员大会".into(),
        org_name: "第一党支部".into(),
        hash_algorithm: Default::default(),
        planned_start_us: NOW,
        agenda: vec![AgendaItem { title: "学习".into() }],
        roster: Roster((1..=5).map(entry).collect()),
        rules: Arc::new(yuntang::domain::rules::Rules::built_in().unwrap()),
        org_kind: yuntang::domain::OrgKind::Branch,
        recorder: None,
        checkin: yuntang::auth::CheckinKey::new([9; 32]),
        chair: Some(Uuid::from_u128(CHAIR).into()),
        secretaries: vec![],
        chat: vec![],
    }
}

/// Answers offers and keeps what it was told.
#[derive(Default)]
pub struct Media {
    pub calls: Mutex<Vec<String>>,
    rooms: Mutex<Vec<mpsc::Sender<MediaNotice>>>,
}

impl Media {
    fn call(&self, text: String) -> BoxFuture<'_, ()> {
        self.calls.lock().expect("test").push(text);
        async {}.boxed()
    }

    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().expect("test").clone()
    }
}

impl MediaPort for Media {
    fn open_room(
        &self,
        _: SessionId,
    ) -> BoxFuture<'_, Result<mpsc::Receiver<MediaNotice>, WireError>> {
        let (tx, rx) = mpsc::channel(8);
        self.rooms.lock().expect("test").push(tx);
        async { Ok(rx) }.boxed()
    }

    fn close_room(&self, _: SessionId) -> BoxFuture<'_, ()> {
        self.call("close".into())
    }

    fn offer(&self, offer: OfferCommand) -> BoxFuture<'_, Result<Answer, WireError>> {
        self.calls.lock().expect("test").push(format!("offer publish={}", offer.may_publish));
        async { Ok(Answer { sdp: "v=0".into(), assignments: vec![] }) }.boxed()
    }

    fn remove_peer(&self, _: SessionId, _: EndpointId) -> BoxFuture<'_, ()> {
        self.call("remove".into())
    }

    fn set_enabled(&self, _: SessionId, _: EndpointId, _: Source, on: bool) -> BoxFuture<'_, ()> {
        self.call(format!("enabled {on}"))
    }

    fn set_chair(&self, _: SessionId, _: Option<PersonId>) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }

    fn set_view(
        &self,
        _: SessionId,
        _: EndpointId,
        tracks: Vec<(PersonId, ShownTrack)>,
    ) -> BoxFuture<'_, ()> {
        self.call(format!("view of {}", tracks.len()))
    }

    fn set_programme(&self, _: SessionId, _: Programme) -> BoxFuture<'_, ()> {
        self.call("programme".into())
    }

    fn start_capture(
        &self,
        _: SessionId,
        _: std::time::Instant,
        _: i64,
    ) -> BoxFuture<'_, Result<(), WireError>> {
        self.calls.lock().expect("test").push("capture start".into());
        async { Ok(()) }.boxed()
    }

    fn pause_capture(&self, _: SessionId) -> BoxFuture<'_, ()> {
        self.call("capture pause".into())
    }

    fn resume_capture(&self, _: SessionId) -> BoxFuture<'_, ()> {
        self.call("capture resume".into())
    }

    fn stop_capture(&self, _: SessionId) -> BoxFuture<'_, ()> {
        self.call("capture stop".into())
    }

    fn capture_reports(&self, _: SessionId) -> watch::Receiver<CaptureReport> {
        watch::channel(CaptureReport::default()).1
    }
}

struct Door(Arc<AtomicBool>);

impl Doorkeeper for Door {
    fn admits<'a>(&'a self, _: &'a JoinClaims) -> BoxFuture<'a, Admits> {
        let admits = if self.0.load(Ordering::SeqCst) { Admits::Yes } else { Admits::No };
        async move { admits }.boxed()
    }
}

pub struct Server {
    pub address: SocketAddr,
    pub records: Arc<Records>,
    pub media: Arc<Media>,
    pub registry: Arc<Registry>,
    pub admits: Arc<AtomicBool>,
    pub clock: Clock,
    tokens: Arc<JoinTokens>,
}

impl Server {
    pub async fn start() -> Self {
        let records = Arc::new(Records {
            journal: watch::Sender::default(),
            finished: Mutex::default(),
            anchors: Mutex::default(),
            broken: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            open: watch::Sender::new(true),
        });
        let media = Arc::new(Media::default());
        let clock = Clock::fixed(NOW);
        let ports = Ports { media: media.clone(), records: records.clone() };
        let machine = MachineClock::new("boot".into(), 1_000_000, clock.clone());
        let registry = Registry::new(ports, machine);
        let tokens = Arc::new(JoinTokens::new(&[7; 32]));
        let admits = Arc::new(AtomicBool::new(true));
        let door = Arc::new(Door(admits.clone()));
        let ws = Ws::new(tokens.clone(), door, registry.clone(), clock.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(axum::serve(listener, yuntang::ws::router(ws)).into_future());
        Self { address, records, media, registry, admits, clock, tokens }
    }

    pub fn token(&self, of: SessionId, n: u128) -> String {
        let role = match n {
            CHAIR => Role::Chair,
            OBSERVER.. => Role::Observer,
            _ => Role::Member,
        };
        let claims: JoinClaims = serde_json::from_value(json!({
            "session": of.to_string(),
            "person": Uuid::from_u128(n),
            "account": Uuid::from_u128(n),
            "account_session": Uuid::from_u128(n),
            "role": role,
            "name": format!("党员{n}"),
            "org_id": Uuid::from_u128(5),
            "org_name": "第一党支部",
        }))
        .expect("claims");
        self.tokens.sign(&claims, NOW).0
    }

    pub async fn connect(&self) -> Page {
        Page::connect(self.address).await
    }

    /// A page of person `n` that is in.
    pub async fn enter(&self, of: SessionId, n: u128) -> (Page, Value) {
        let mut page = self.connect().await;
        let welcome = page.hello(&self.token(of, n), None).await;
        assert_eq!(welcome["reply"]["kind"], "welcome", "{welcome}");
        (page, welcome["reply"].clone())
    }
}

/// A page without pictures.
pub struct Page {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Number of the last event seen.
    pub seq: u64,
    next_id: u64,
}

impl Page {
    pub async fn connect(address: SocketAddr) -> Self {
        let (socket, _) = connect_async(format!("ws://{address}/ws")).await.expect("websocket");
        Self { socket, seq: 0, next_id: 0 }
    }

    pub async fn send(&mut self, request: Value) -> u64 {
        self.next_id += 1;
        let frame = json!({"type": "request", "id": self.next_id, "request": request});
        self.socket.send(Message::text(frame.to_string())).await.expect("line is up");
        self.next_id
    }

    /// The next frame; None when the server has closed the line.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => {
                    let frame: Value = serde_json::from_str(&text).expect("JSON");
                    if frame["type"] == "event" {
                        let seq = frame["seq"].as_u64().expect("number");
                        assert_eq!(seq, self.seq + 1, "numbers grow by one");
                        self.seq = seq;
                    }
                    if frame["type"] == "ping" {
                        let pong = json!({"type": "pong", "seq": self.seq}).to_string();
                        let _ = self.socket.send(Message::text(pong)).await;
                    }
                    return Some(frame);
                }
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// The first frame that fits.
    pub async fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let frame = self.next().await.expect("the line ended");
            if fits(&frame) {
                return frame;
            }
        }
    }

    /// The answer to a request.
    pub async fn ask(&mut self, request: Value) -> Value {
        let id = self.send(request).await;
        self.until(|frame| frame["id"] == id).await
    }

    pub async fn hello(&mut self, token: &str, resume: Option<Value>) -> Value {
        let mut hello = json!({"method": "hello", "version": 1, "token": token, "consent": true,
            "device": "desktop"});
        if let Some(resume) = resume {
            self.seq = resume["last_seq"].as_u64().expect("number");
            hello["resume"] = resume;
        }
        self.ask(hello).await
    }

    pub async fn until_event(&mut self, kind: &str) -> Value {
        self.until(|frame| frame["event"]["kind"] == kind).await["event"].clone()
    }

    /// The reason, and that nothing comes after it.
    pub async fn until_bye(&mut self) -> String {
        let bye = self.until(|frame| frame["type"] == "bye").await;
        assert_eq!(self.next().await, None);
        bye["error"]["code"].as_str().expect("code").to_owned()
    }
}
