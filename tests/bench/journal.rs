//! The journal's two figures: durable events a second on SQLite, and the attendance fold.
//!
//! `cargo dev bench` runs it and reads the one line of JSON that it prints.

#[allow(dead_code)]
#[path = "../it/journal_support.rs"]
mod journal_support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use journal_support::{TestKey, chain, entry, header, id, join, leave, new_event};
use signaling::LeaveReason;
use yuntang::domain::{
    AgendaItem, MeetingKind, MemberClass, OrgKind, Policy, Roster, RosterEntry, SessionId,
};
use yuntang::journal::{AttendanceFold, Event};
use yuntang::store::{BootAnchor, JournalAppender, NewSession, OpenSession, Org, Person, Store};

const SESSIONS: u32 = 50;
const CALLERS: u32 = 200;
const EVENTS_EACH: u32 = 200;
const ALONE: u32 = 200;
const PEOPLE: u32 = 1_000;
const EVENTS_A_PERSON: u32 = 50;
const FOLDS: u32 = 9;

/// Beside the program: on a disk, where the temporary folder may be memory.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let beside = std::env::current_exe().unwrap();
        let path = beside
            .parent()
            .unwrap_or(Path::new("."))
            .join(format!("journal-{}", std::process::id()));
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
    let (together, alone) = runtime.block_on(durable_rates());
    let folds = fold_times();
    println!(
        "{{\"callers\":{CALLERS},\"events\":{},\"events_per_second\":{together:.0},\
         \"one_caller_per_second\":{alone:.0},\"fold_people\":{PEOPLE},\
         \"fold_events\":{},\"fold_ms\":{:.2},\"fold_ms_worst\":{:.2}}}",
        CALLERS * EVENTS_EACH,
        PEOPLE * EVENTS_A_PERSON,
        milliseconds(folds[folds.len() / 2]),
        milliseconds(folds[folds.len() - 1]),
    );
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Events a second that are on disk before their caller goes on: of many callers, and of one.
async fn durable_rates() -> (f64, f64) {
    let folder = Folder::new();
    let url = format!("sqlite://{}", folder.0.join("yuntang.db").display());
    let store = Store::connect(&url, None).await.unwrap();
    let key = Arc::new(TestKey::new(7));
    people(&store).await;
    for n in 0..SESSIONS {
        open(&store, n, &key).await;
    }
    let (appender, _) = JournalAppender::spawn(store.clone(), key);

    let start = Instant::now();
    let tasks: Vec<_> = (0..CALLERS)
        .map(|n| {
            let appender = appender.clone();
            tokio::spawn(async move {
                for at in 0..EVENTS_EACH {
                    let events = vec![new_event(i64::from(at), join(n, n, "phone"))];
                    appender.append(session(n % SESSIONS), events).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let together = f64::from(CALLERS * EVENTS_EACH) / start.elapsed().as_secs_f64();

    let start = Instant::now();
    for at in 0..ALONE {
        let events = vec![new_event(i64::from(at), Event::Paused)];
        appender.append(session(0), events).await.unwrap();
    }
    let alone = f64::from(ALONE) / start.elapsed().as_secs_f64();
    // What was acknowledged is what is there: a rate of lost events would be no rate.
    for n in 0..SESSIONS {
        let chain = store.journal().verify(session(n), None).await.unwrap().unwrap();
        let expected = CALLERS / SESSIONS * EVENTS_EACH + if n == 0 { ALONE } else { 0 };
        assert_eq!(chain.events, u64::from(expected));
    }
    (together, alone)
}

fn session(n: u32) -> SessionId {
    id(100 + n)
}

async fn people(store: &Store) {
    let org =
        Org { id: id(902), parent: None, kind: OrgKind::Branch, name: "第一党支部".into() };
    store.orgs().create(&org).await.unwrap();
    for n in [1, 2] {
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

async fn open(store: &Store, n: u32, key: &TestKey) {
    let roster: Vec<RosterEntry> = [1, 2].map(|n| entry(n, MemberClass::Full)).into();
    let new = NewSession {
        id: session(n),
        org_id: id(902),
        kind: MeetingKind::BranchAssembly,
        title: "支部党员大会".into(),
        planned_start_us: journal_support::START_US + i64::from(n),
        duration_min: 90,
        agenda: vec![AgendaItem { title: "学习".into() }],
        chair: id(1),
        recorder: Some(id(2)),
        policy: Policy::default(),
        roster: Roster(roster.clone()),
        created_us: journal_support::START_US,
    };
    store.sessions().create(&new).await.unwrap();
    let header = header(session(n), roster, key);
    let boot = BootAnchor { boot_id: "b".into(), boot_mono_us: 42 };
    store.sessions().open(&OpenSession { header, boot }).await.unwrap();
}

/// CPU time of this thread: it does no input or output, and others on the machine do not count.
fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec for the length of the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Folding a meeting of [`PEOPLE`] who come and go, to the finished sheet; ascending.
fn fold_times() -> Vec<Duration> {
    let roster = (0..PEOPLE).map(|n| entry(n, MemberClass::Full)).collect();
    let header = header(id(99), roster, &TestKey::new(7));
    let mut events =
        vec![new_event(-1_800, Event::SessionOpened), new_event(0, Event::DeclaredOpen)];
    for round in 0..EVENTS_A_PERSON / 2 {
        let at = i64::from(round) * 100;
        events.extend((0..PEOPLE).map(|n| new_event(at, join(n, n, "phone"))));
        let gone = |n| new_event(at + 90, leave(at + 90, n, n, LeaveReason::Drop));
        events.extend((0..PEOPLE).map(gone));
    }
    events.push(new_event(5_400, Event::DeclaredClosed { auto: false }));
    let events = chain(&header, events);
    let mut times: Vec<Duration> = (0..FOLDS)
        .map(|_| {
            let start = thread_cpu();
            let mut fold = AttendanceFold::new(header.clone());
            for event in &events {
                fold.push(event);
            }
            let report = fold.report(None);
            let time = thread_cpu() - start;
            assert_eq!(report.people.len(), PEOPLE as usize);
            assert_eq!(report.people[0].intervals.len(), 1, "absences of 10 s are bridged");
            time
        })
        .collect();
    times.sort();
    times
}
