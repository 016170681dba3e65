//! Sealing: how long 1,000 sessions take that come due at once, on SQLite.
//!
//! Each has the journal of a branch's evening: 40 people who come and go, checkpoints every five
//! seconds of ninety minutes, an agenda, and minutes that both have signed. Measured is the clerk's
//! whole round: reading and folding the journal, the events, the signed head, the entry in the
//! daily chain. The PDF of each, which is made when somebody asks, is measured beside it.
//!
//! `cargo dev bench` runs it and reads the one line of JSON that it prints.

#[allow(dead_code)]
#[path = "../it/journal_support.rs"]
mod journal_support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use journal_support::{START_US, checkpoint, entry, id, join, leave, new_event};
use signaling::LeaveReason;
use yuntang::archive::MinutesDesk;
use yuntang::auth::InstallationKey;
use yuntang::domain::minutes::State;
use yuntang::domain::{
    AgendaItem, MeetingKind, MemberClass, OrgKind, Policy, Roster, RosterEntry, SessionId,
    SessionState,
};
use yuntang::export::font::Fonts;
use yuntang::export::minutes_doc::MinutesDocument;
use yuntang::export::pdf;
use yuntang::journal::{Event, HashAlgorithm, NewEvent, SignPurpose};
use yuntang::store::{BootAnchor, JournalAppender, NewSession, OpenSession, Org, Person, Store};

const SESSIONS: u32 = 1_000;
const PEOPLE: u32 = 40;
const MINUTES: i64 = 90;
const PDFS: u32 = 50;

/// Beside the program: on a disk, where the temporary folder may be memory.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let beside = std::env::current_exe().unwrap();
        let beside = beside.parent().unwrap_or(Path::new("."));
        let path = beside.join(format!("seal-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn main() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    println!("{}", runtime.block_on(measure()));
}

async fn measure() -> String {
    let folder = Folder::new();
    let url = format!("sqlite://{}", folder.0.join("yuntang.db").display());
    let store = Store::connect(&url, None).await.unwrap();
    let key = Arc::new(InstallationKey::load_or_create(&folder.0).unwrap());
    people(&store).await;
    let (appender, _) = JournalAppender::spawn(store.clone(), key.clone());
    let desk = MinutesDesk::new(
        store.clone(),
        appender.clone(),
        key.clone(),
        "bench".into(),
        HashAlgorithm::Sha256,
    );
    let mut events = 0;
    for n in 0..SESSIONS {
        events = held(&store, &appender, &key, n).await;
        signed(&desk, n).await;
    }

    let now = START_US + 10 * 24 * 3600 * 1_000_000;
    let start = Instant::now();
    let mut sealed = 0;
    let mut more = true;
    while more {
        let (count, left) = desk.seal_due(now).await.unwrap();
        sealed += count;
        more = left;
    }
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(sealed, SESSIONS);

    // What was reported is what is there.
    let key = yuntang::journal::public_key_hex(&*key);
    for n in [0, SESSIONS / 2, SESSIONS - 1] {
        let verified = store.journal().verify(session(n), Some(key.clone())).await;
        let heads = verified.unwrap().unwrap().signed_heads;
        assert_eq!(heads.last().unwrap().1, SignPurpose::Sealed);
        assert_eq!(desk.open(session(n)).await.unwrap().life.state, State::Sealed);
    }
    assert_eq!(store.daily().days(id(902), 10).await.unwrap()[0].n, u64::from(SESSIONS));

    let pdf_ms = pdfs(&desk).await;
    format!(
        "{{\"sessions\":{SESSIONS},\"events_each\":{events},\"seal_seconds\":{seconds:.1},\
         \"pdf_ms\":{pdf_ms:.1}}}"
    )
}

fn session(n: u32) -> SessionId {
    id(10_000 + n)
}

async fn people(store: &Store) {
    let org =
        Org { id: id(902), parent: None, kind: OrgKind::Branch, name: "第一党支部".into() };
    store.orgs().create(&org).await.unwrap();
    for n in 1..=PEOPLE {
        let person = Person {
            id: id(n),
            name: format!("党员{n}"),
            org_id: id(902),
            group_id: None,
            class: Some(MemberClass::Full),
            active: true,
        };
        store.persons().create(&person).await.unwrap();
    }
}

/// A meeting from the plan to 散会; how many events it has.
async fn held(store: &Store, appender: &JournalAppender, key: &InstallationKey, n: u32) -> usize {
    let roster: Vec<RosterEntry> = (1..=PEOPLE).map(|n| entry(n, MemberClass::Full)).collect();
    let new = NewSession {
        id: session(n),
        org_id: id(902),
        kind: MeetingKind::BranchAssembly,
        title: format!("第{n}次支部党员大会"),
        planned_start_us: START_US,
        duration_min: 90,
        agenda: ["学习", "讨论", "表决"].map(|t| AgendaItem { title: t.into() }).into(),
        chair: id(1),
        recorder: Some(id(2)),
        policy: Policy::default(),
        roster: Roster(roster.clone()),
        created_us: START_US,
    };
    store.sessions().create(&new).await.unwrap();
    let header = journal_support::header(session(n), roster, key);
    let boot = BootAnchor { boot_id: "b".into(), boot_mono_us: 42 };
    store.sessions().open(&OpenSession { header, boot }).await.unwrap();
    let events = evening();
    let count = events.len();
    appender.append(session(n), events).await.unwrap();
    let steps = [
        (SessionState::Opened, SessionState::DeclaredOpen, 0),
        (SessionState::DeclaredOpen, SessionState::DeclaredClosed, MINUTES * 60),
    ];
    for (from, to, s) in steps {
        let at_us = START_US + s * 1_000_000;
        store.sessions().advance(session(n), from, to, at_us).await.unwrap();
    }
    let closed = new_event(MINUTES * 60, Event::DeclaredOpen);
    let purpose = SignPurpose::Closed;
    appender.sign_head(session(n), purpose, closed.at_us, closed.mono_us).await.unwrap();
    count
}

fn evening() -> Vec<NewEvent> {
    let mut events = vec![new_event(-1_800, Event::SessionOpened)];
    events.extend((1..=PEOPLE).map(|n| new_event(-60, join(n, 1_000 + n, "phone"))));
    events.push(new_event(0, Event::DeclaredOpen));
    let all: Vec<u32> = (1..=PEOPLE).map(|n| 1_000 + n).collect();
    for s in (5..MINUTES * 60).step_by(5) {
        events.push(new_event(s, checkpoint(&all)));
        if s % 1_800 == 0 {
            let index = u32::try_from(s / 1_800 - 1).unwrap();
            events.push(new_event(s, Event::Agenda { index }));
        }
    }
    let end = MINUTES * 60;
    let gone = |n| new_event(end, leave(end, n, 1_000 + n, LeaveReason::Server));
    events.extend((1..=PEOPLE).map(gone));
    events.push(new_event(end, Event::DeclaredClosed { auto: false }));
    events
}

async fn signed(desk: &MinutesDesk, n: u32) {
    let now = START_US + 24 * 3600 * 1_000_000;
    let digest = desk.open(session(n)).await.unwrap().digest;
    desk.submit(session(n), id(2), digest, "党员2", now).await.unwrap();
    desk.confirm(session(n), id(1), digest, "党员1", 3, now).await.unwrap();
}

/// Milliseconds of one document, on average.
async fn pdfs(desk: &MinutesDesk) -> f64 {
    let Ok(fonts) = Fonts::find(None) else {
        eprintln!("no CJK font: PDF left out");
        return 0.0;
    };
    let mut documents = Vec::new();
    for n in 0..PDFS {
        let opened = desk.open(session(n)).await.unwrap();
        let seal = opened.seal().unwrap();
        documents.push(MinutesDocument {
            org_name: opened.session.org_name,
            title: opened.session.title,
            state: opened.life.state,
            digest: opened.digest.to_string(),
            hash_word: HashAlgorithm::Sha256.word(),
            minutes: opened.minutes,
            recorder: Some(("党员2".into(), START_US)),
            chair: Some(("党员1".into(), START_US)),
            objections: vec![],
            corrections: vec![],
            seal: Some((seal.at_us, seal.hash.to_string())),
        });
    }
    let start = Instant::now();
    for document in &documents {
        pdf::pdf(&document.subject(), &document.blocks(), &document.footer(), &fonts).unwrap();
    }
    start.elapsed().as_secs_f64() * 1e3 / f64::from(PDFS)
}
