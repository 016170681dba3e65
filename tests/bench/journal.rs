//! The journal's figures: durable events a second on SQLite and on PostgreSQL, how long a caller
//! waits for its acknowledgement, and the attendance folds.
//!
//! `cargo dev bench` runs it and reads the one line of JSON that it prints.

#[allow(dead_code)]
#[path = "../it/journal_support.rs"]
mod journal_support;
#[allow(dead_code, unused_imports, unused_macros)]
#[path = "../it/store_support.rs"]
mod store_support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use journal_support::{TestKey, chain, entry, header, id, join, leave, new_event};
use signaling::LeaveReason;
use yuntang::domain::{
    AgendaItem, EndpointId, MeetingKind, MemberClass, OrgKind, Policy, Roster, RosterEntry,
    SessionId,
};
use yuntang::journal::{AttendanceFold, Envelope, Event, Header};
use yuntang::store::{BootAnchor, JournalAppender, NewSession, OpenSession, Org, Person, Store};

const SESSIONS: u32 = 50;
const CALLERS: u32 = 200;
const EVENTS_EACH: u32 = 200;
const ALONE: u32 = 200;
const PEOPLE: u32 = 1_000;
const EVENTS_A_PERSON: u32 = 50;
const FOLDS: u32 = 9;
/// 党课 in a lecture hall: everybody comes, one in two drops once, everybody leaves.
const LECTURE: u32 = 30_000;
/// Of the last minute; each names everybody.
const CHECKPOINTS: u32 = 12;

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
    let sqlite = runtime.block_on(on_sqlite());
    let postgres = store_support::installed().then(|| runtime.block_on(on_postgres()));
    let folds = fold_times(&meeting());
    let lecture = fold_times(&lecture());
    let figures = serde_json::json!({
        "callers": CALLERS,
        "events": CALLERS * EVENTS_EACH,
        "events_per_second": sqlite.together.round(),
        "one_caller_per_second": sqlite.alone.round(),
        "p99_ms": sqlite.p99_ms,
        "postgres_events_per_second": postgres.as_ref().map(|p| p.together.round()),
        "postgres_one_caller_per_second": postgres.as_ref().map(|p| p.alone.round()),
        "postgres_p99_ms": postgres.as_ref().map(|p| p.p99_ms),
        "fold_people": PEOPLE,
        "fold_events": PEOPLE * EVENTS_A_PERSON,
        "fold_ms": milliseconds(folds[folds.len() / 2]),
        "fold_ms_worst": milliseconds(folds[folds.len() - 1]),
        "lecture_people": LECTURE,
        "lecture_events": lecture_events(),
        "lecture_fold_ms": milliseconds(lecture[lecture.len() / 2]),
    });
    println!("{figures}");
}

/// What one engine does.
struct Rates {
    /// Events a second that are on disk before their caller goes on, of many callers.
    together: f64,
    /// The same of one caller.
    alone: f64,
    /// Of the many callers: the time to the acknowledgement that 99 of 100 keep.
    p99_ms: f64,
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

async fn on_sqlite() -> Rates {
    let folder = Folder::new();
    let url = format!("sqlite://{}", folder.0.join("yuntang.db").display());
    durable_rates(&Store::connect(&url, None).await.unwrap()).await
}

/// Debian's PostgreSQL as it is installed, durable by its own defaults.
async fn on_postgres() -> Rates {
    durable_rates(&store_support::TestDb::postgres().await.store).await
}

async fn durable_rates(store: &Store) -> Rates {
    let key = Arc::new(TestKey::new(7));
    people(store).await;
    for n in 0..SESSIONS {
        open(store, n, &key).await;
    }
    let (appender, _) = JournalAppender::spawn(store.clone(), key);

    let start = Instant::now();
    let tasks: Vec<_> = (0..CALLERS)
        .map(|n| {
            let appender = appender.clone();
            tokio::spawn(async move {
                let mut waited = Vec::with_capacity(EVENTS_EACH as usize);
                for at in 0..EVENTS_EACH {
                    let events = vec![new_event(i64::from(at), join(n, n, "phone"))];
                    let asked = Instant::now();
                    appender.append(session(n % SESSIONS), events).await.unwrap();
                    waited.push(asked.elapsed());
                }
                waited
            })
        })
        .collect();
    let mut waited = Vec::new();
    for task in tasks {
        waited.extend(task.await.unwrap());
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
    waited.sort();
    Rates { together, alone, p99_ms: milliseconds(waited[waited.len() * 99 / 100]) }
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

/// A journal and how many people its sheet has.
struct Told {
    header: Header,
    events: Vec<Envelope>,
    people: u32,
}

/// A meeting of [`PEOPLE`] who come and go.
fn meeting() -> Told {
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
    Told { events: chain(&header, events), header, people: PEOPLE }
}

const fn lecture_events() -> u32 {
    3 + 2 * LECTURE + LECTURE + CHECKPOINTS
}

fn lecture() -> Told {
    let roster = (0..LECTURE).map(|n| entry(n, MemberClass::Full)).collect();
    let header = header(id(98), roster, &TestKey::new(7));
    let mut events =
        vec![new_event(-1_800, Event::SessionOpened), new_event(0, Event::DeclaredOpen)];
    events.extend((0..LECTURE).map(|n| new_event(0, join(n, n, "phone"))));
    let dropped = || (0..LECTURE).filter(|n| n % 2 == 0);
    events.extend(dropped().map(|n| new_event(600, leave(600, n, n, LeaveReason::Drop))));
    events.extend(dropped().map(|n| new_event(620, join(n, n, "phone"))));
    let present: Vec<EndpointId> = (0..LECTURE).map(id).collect();
    events.extend((0..CHECKPOINTS).map(|n| {
        new_event(5_340 + 5 * i64::from(n), Event::Checkpoint { present: present.clone() })
    }));
    events.extend((0..LECTURE).map(|n| new_event(5_400, leave(5_400, n, n, LeaveReason::User))));
    events.push(new_event(5_400, Event::DeclaredClosed { auto: false }));
    Told { events: chain(&header, events), header, people: LECTURE }
}

/// Folding to the finished sheet; ascending.
fn fold_times(told: &Told) -> Vec<Duration> {
    let mut times: Vec<Duration> = (0..FOLDS)
        .map(|_| {
            let start = thread_cpu();
            let mut fold = AttendanceFold::new(told.header.clone());
            for event in &told.events {
                fold.push(event);
            }
            let report = fold.report(None);
            let time = thread_cpu() - start;
            assert_eq!(report.people.len(), told.people as usize);
            assert_eq!(report.totals.present, told.people);
            assert_eq!(report.people[0].intervals.len(), 1, "short absences are bridged");
            time
        })
        .collect();
    times.sort();
    times
}
