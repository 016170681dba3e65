//! The closing work of a session and the child that renders it; the child is a shell script here.

use std::sync::Arc;
use std::time::Duration;

use signaling::view::{Role, SessionState};
use yuntang::archive::jobs::WorkerCommand;
use yuntang::archive::{Finisher, Jobs};
use yuntang::clock::Clock;
use yuntang::config::DataDir;
use yuntang::domain::{EndpointId, PersonId, SessionId};
use yuntang::journal::{Actor, ChairReason, Event, NewEvent};
use yuntang::store::{JournalAppender, RenderJob, RenderState, Store};

use crate::journal_support::TestKey;
use crate::store_contract::{opened, populate};
use crate::store_support::TestDb;

const NOW: i64 = 1_795_000_000_000_000;
const DONE: &str = r#"{"type":"done","file":"recording.mp4","poster":"poster.jpg","duration_us":60000000,"bytes":1}"#;

struct Archive {
    db: TestDb,
    appender: JournalAppender,
    session: SessionId,
}

fn person(number: u128) -> PersonId {
    PersonId::from(uuid::Uuid::from_u128(number))
}

fn joins(at: impl Fn(i64, Event) -> NewEvent, number: u128, name: &str, role: Role) -> NewEvent {
    let join = Event::Join {
        person: person(number),
        endpoint: EndpointId::from(uuid::Uuid::from_u128(number)),
        role,
        device: "desktop".into(),
        name: name.into(),
        org_name: "清河社区第一党支部".into(),
    };
    at(1_000_000, join)
}

impl Archive {
    /// A session that was declared open for a minute and has just been declared closed.
    async fn closed() -> Self {
        let db = TestDb::sqlite().await;
        populate(&db.store).await;
        let key = TestKey::new(7);
        let session = opened(&db.store, 30, &key).await;
        let (appender, _writer) = JournalAppender::spawn(db.store.clone(), Arc::new(key));
        let at = |mono_us, event| NewEvent {
            at_us: NOW + mono_us,
            mono_us,
            actor: Actor::System,
            event,
        };
        let events = vec![
            at(0, Event::SessionOpened),
            joins(at, 1, "陈志强", Role::Chair),
            joins(at, 2, "赵敏", Role::Recorder),
            joins(at, 3, "李秀英", Role::Member),
            // Handed over before the opening: she presides.
            at(2_000_000, Event::Chair { person: Some(person(3)), reason: ChairReason::HandOver }),
            at(5_000_000, Event::DeclaredOpen),
            at(6_000_000, Event::Agenda { index: 0 }),
            at(20_000_000, Event::RecordingPause),
            at(30_000_000, Event::RecordingResume),
            at(65_000_000, Event::DeclaredClosed { auto: false }),
        ];
        appender.append(session, events).await.unwrap();
        let sessions = db.store.sessions();
        let (opened, declared) = (SessionState::Opened, SessionState::DeclaredOpen);
        sessions.advance(session, opened, declared, NOW).await.unwrap();
        sessions.advance(session, declared, SessionState::DeclaredClosed, NOW).await.unwrap();
        Self { db, appender, session }
    }

    fn store(&self) -> &Store {
        &self.db.store
    }

    fn finisher(&self) -> Finisher {
        Finisher::new(self.store().clone(), self.appender.clone())
    }

    /// The runner with this script as its child; `$1` is a folder of the test's own.
    fn run(&self, script: &str, folder: &str) -> Jobs {
        let command = WorkerCommand {
            program: "/bin/sh".into(),
            arguments: ["-c", script, "worker", folder].map(str::to_owned).to_vec(),
            backoff: Duration::ZERO,
        };
        let data = DataDir::new(folder);
        let clock = Clock::fixed(NOW);
        Jobs::spawn(self.store().clone(), self.finisher(), data, clock, command)
    }

    async fn until(&self, fits: impl Fn(&RenderJob) -> bool) -> RenderJob {
        let found = async {
            loop {
                match self.store().render_jobs().of_session(self.session).await.unwrap() {
                    Some(job) if fits(&job) => return job,
                    _ => tokio::task::yield_now().await,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found).await.expect("the job moves on")
    }

    async fn state(&self) -> SessionState {
        self.store().sessions().get(self.session).await.unwrap().unwrap().state
    }
}

fn folder(name: &str) -> String {
    let folder = std::env::temp_dir().join(format!("yuntang-jobs-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder.display().to_string()
}

#[tokio::test]
async fn closing_signs_the_head_and_puts_one_rendering_in_line() {
    let archive = Archive::closed().await;
    for _ in 0..2 {
        archive.finisher().finish(archive.session, NOW, 66_000_000).await.unwrap();
    }
    let journal = archive.store().journal().read_all(archive.session).await.unwrap();
    let signed = journal.iter().filter(|e| matches!(e.event, Event::HeadSigned { .. })).count();
    assert_eq!(signed, 1);
    let verdict = archive.store().journal().verify(archive.session, None).await.unwrap();
    assert!(verdict.unwrap().is_signed());
    let job = archive.until(|_| true).await;
    assert_eq!((job.state, job.attempts), (RenderState::Waiting, 0));
}

#[tokio::test]
async fn rendered_session_is_archived_and_the_job_came_from_the_journal() {
    let archive = Archive::closed().await;
    let folder = folder("done");
    let script = format!(
        r#"read -r job; printf '%s' "$job" > "$1/job.json"
           echo '{{"type":"progress","stage":"compose","permille":400}}'; echo '{DONE}'"#
    );
    // The closing work itself was cut off: it is done at start.
    let jobs = archive.run(&script, &folder);
    let job = archive.until(|job| job.state == RenderState::Done).await;
    jobs.stop().await;
    assert_eq!((job.permille, job.attempts), (1000, 1));
    assert!(job.result.unwrap().contains("60000000"));
    assert_eq!(archive.state().await, SessionState::Archived);
    let asked = std::fs::read_to_string(format!("{folder}/job.json")).unwrap();
    let asked: serde_json::Value = serde_json::from_str(&asked).unwrap();
    assert_eq!(asked["official"], serde_json::json!({"start_us": 5_000_000, "end_us": 65_000_000}));
    assert_eq!(asked["gaps"], serde_json::json!([{"from_us": 20_000_000, "to_us": 30_000_000}]));
    assert_eq!(asked["chapters"][0]["at_us"], 6_000_000);
    let people = asked["participants"].as_array().unwrap();
    let drawn = people.iter().map(|p| (p["name"].as_str().unwrap(), p["role"].as_str().unwrap()));
    let wanted = [("陈志强", ""), ("赵敏", "记录人"), ("李秀英", "主持人")];
    assert_eq!(drawn.collect::<Vec<_>>(), wanted);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn crashed_worker_is_tried_again_and_seen() {
    let archive = Archive::closed().await;
    let folder = folder("crash");
    let script = format!(
        r#"read -r job; if [ -e "$1/second" ]; then echo '{DONE}'; else : > "$1/second"; kill -SEGV $$; fi"#
    );
    let jobs = archive.run(&script, &folder);
    let job = archive.until(|job| job.state == RenderState::Done).await;
    jobs.stop().await;
    assert_eq!(job.attempts, 2);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn worker_that_always_fails_is_given_up_after_three_attempts() {
    let archive = Archive::closed().await;
    let folder = folder("fail");
    let script =
        r#"read -r job; echo '{"type":"error","code":"media","message":"bad codec"}'; exit 1"#;
    let jobs = archive.run(script, &folder);
    let job = archive.until(|job| job.state == RenderState::Failed).await;
    jobs.stop().await;
    assert_eq!((job.attempts, job.message.as_deref()), (3, Some("bad codec")));
    assert_eq!(archive.state().await, SessionState::DeclaredClosed);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn impossible_job_is_not_tried_again() {
    let archive = Archive::closed().await;
    let folder = folder("invalid");
    let script = r#"echo '{"type":"error","code":"invalid_job","message":"no"}'; exit 2"#;
    let jobs = archive.run(script, &folder);
    let job = archive.until(|job| job.state == RenderState::Failed).await;
    jobs.stop().await;
    assert_eq!(job.attempts, 1);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn job_of_a_stopped_server_is_taken_up_at_the_next_start() {
    let archive = Archive::closed().await;
    let folder = folder("restart");
    let hangs = r#"read -r job; echo '{"type":"progress","stage":"tracks","permille":10}'; exec tail -f /dev/null"#;
    let jobs = archive.run(hangs, &folder);
    archive.until(|job| job.state == RenderState::Running && job.permille == 10).await;
    jobs.stop().await;
    assert_eq!(archive.until(|_| true).await.state, RenderState::Running);
    let jobs = archive.run(&format!("read -r job; echo '{DONE}'"), &folder);
    let job = archive.until(|job| job.state == RenderState::Done).await;
    jobs.stop().await;
    assert_eq!(job.attempts, 2);
    std::fs::remove_dir_all(folder).unwrap();
}
