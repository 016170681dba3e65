//! Runs the FFmpeg child, one at a time: spawn, read its lines, keep its progress, retry a crash.
//!
//! A job is in the database from 散会 on, so nothing is lost with the server: what was running is
//! put back in line at the next start. The child is killed with the server.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use media_worker::{Job, Line};
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::finish::Finisher;
use super::render::{self, Folders, NothingToRender};
use crate::clock::Clock;
use crate::config::DataDir;
use crate::domain::SessionState;
use crate::store::{RenderJob, Store, StoreError};

/// A job that failed so often is left for a person.
pub const MAX_ATTEMPTS: u32 = 3;
/// Looked for new jobs at least so often; [`Jobs::wake`] is faster.
const POLL: Duration = Duration::from_secs(2);
/// A child that says nothing for so long (it speaks every second) is killed.
const SILENCE: Duration = Duration::from_secs(120);
/// Pause after a failure, times the number of attempts.
const BACKOFF: Duration = Duration::from_secs(5);
/// Longest line of a child that is kept.
const MAX_LINE: usize = 64 * 1024;

/// How the child is started.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    pub program: PathBuf,
    /// Before the job; the job itself goes to stdin.
    pub arguments: Vec<String>,
    /// Pause after the first failure.
    pub backoff: Duration,
}

impl WorkerCommand {
    /// `yuntang worker -`, of the running server unless another program is named.
    ///
    /// # Errors
    /// When the system does not say which program this is.
    pub fn of_server(program: Option<&Path>) -> std::io::Result<Self> {
        Ok(Self {
            program: program.map_or_else(std::env::current_exe, |path| Ok(path.to_path_buf()))?,
            arguments: vec!["worker".into(), "-".into()],
            backoff: BACKOFF,
        })
    }
}

/// The runner; ends with [`Jobs::stop`].
pub struct Jobs {
    wake: Arc<Notify>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

#[derive(Debug, Error)]
enum Failure {
    #[error("{0}")]
    Retry(String),
    #[error("{0}")]
    Final(String),
    #[error("the server is stopping")]
    Stopping,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Jobs {
    /// Puts interrupted jobs back in line, finishes sessions whose closing was cut off, and runs
    /// what waits.
    pub fn spawn(
        store: Store,
        finisher: Finisher,
        data: DataDir,
        clock: Clock,
        command: WorkerCommand,
    ) -> Self {
        let wake = Arc::new(Notify::new());
        let (stop, stopping) = watch::channel(false);
        let runner = Runner { store, data, clock, command, stopping, wake: Arc::clone(&wake) };
        let task = tokio::spawn(runner.run(finisher));
        Self { wake, stop, task }
    }

    /// There is a new job.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Kills the running child, if any, and ends; its job is taken up at the next start.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.task.await;
    }
}

struct Runner {
    store: Store,
    data: DataDir,
    clock: Clock,
    command: WorkerCommand,
    stopping: watch::Receiver<bool>,
    wake: Arc<Notify>,
}

impl Runner {
    async fn run(mut self, finisher: Finisher) {
        self.recover(&finisher).await;
        let mut recovered = finisher.outages_over();
        while !*self.stopping.borrow() {
            let over = finisher.outages_over();
            if over != recovered {
                recovered = over;
                self.recover(&finisher).await;
            }
            match self.store.render_jobs().claim(self.clock.now_us()).await {
                Ok(Some(job)) => self.attempt(job).await,
                Ok(None) => self.pause(POLL).await,
                Err(error) => {
                    tracing::error!(%error, "render jobs cannot be read");
                    self.pause(POLL).await;
                }
            }
        }
    }

    /// What a crash or an outage of the database left half done. No job runs now.
    async fn recover(&self, finisher: &Finisher) {
        let now_us = self.clock.now_us();
        if let Err(error) = self.store.render_jobs().requeue_running(now_us).await {
            tracing::error!(%error, "interrupted render jobs not put back in line");
        }
        if let Err(error) = finisher.recover(now_us).await {
            tracing::error!(%error, "closing work of earlier sessions not done");
        }
    }

    /// Until woken, stopped or late.
    async fn pause(&mut self, limit: Duration) {
        tokio::select! {
            () = self.wake.notified() => {}
            _ = self.stopping.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(limit) => {}
        }
    }

    async fn attempt(&mut self, job: RenderJob) {
        let (id, session) = (job.id, job.session_id);
        let result = self.render(&job).await;
        let now_us = self.clock.now_us();
        let stored = match &result {
            Ok(done) => {
                tracing::info!(%session, "recording rendered");
                self.finished(&job, done, now_us).await
            }
            // The job stays `running` and is put back in line at the next start.
            Err(Failure::Stopping) => return,
            Err(Failure::Store(error)) => {
                tracing::error!(%session, %error, "render job");
                self.store.render_jobs().fail(id, "记录暂时无法读写", true, now_us).await
            }
            Err(Failure::Retry(message)) => {
                let again = job.attempts < MAX_ATTEMPTS;
                tracing::error!(%session, attempts = job.attempts, again, "rendering failed: {message}");
                self.store.render_jobs().fail(id, message, again, now_us).await
            }
            Err(Failure::Final(message)) => {
                tracing::error!(%session, "rendering is not possible: {message}");
                self.store.render_jobs().fail(id, message, false, now_us).await
            }
        };
        if let Err(error) = stored {
            tracing::error!(%session, %error, "state of the render job not stored");
        }
        if result.is_err() {
            let pause = self.command.backoff * job.attempts.max(1);
            tokio::select! {
                _ = self.stopping.wait_for(|stop| *stop) => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn finished(&self, job: &RenderJob, done: &str, now_us: i64) -> Result<(), StoreError> {
        self.store.render_jobs().finish(job.id, done, now_us).await?;
        let sessions = self.store.sessions();
        match sessions.get(job.session_id).await?.map(|session| session.state) {
            Some(from @ SessionState::DeclaredClosed) => {
                sessions.advance(job.session_id, from, SessionState::Archived, now_us).await
            }
            // Rendered again.
            _ => Ok(()),
        }
    }

    /// The JSON of the child's `done` line.
    async fn render(&mut self, job: &RenderJob) -> Result<String, Failure> {
        let session = self.store.sessions().get(job.session_id).await?;
        let session = session.ok_or(StoreError::NotFound("session"))?;
        let journal = self.store.journal().read_all(session.id).await?;
        let folders = Folders::of(&self.data, session.id);
        let work = render::job(session.id, &session.title, &session.agenda, &folders, &journal)
            .map_err(|error| match error {
                NothingToRender::NeverOpened => Failure::Final("会议没有宣布开会，没有录像".into()),
                NothingToRender::NotEnded => Failure::Final("会议尚未散会".into()),
            })?;
        let mut child = self.start(&work).await?;
        let said = self.follow(&mut child, job).await;
        if said.is_err() {
            let _ = child.kill().await;
        }
        let status = child.wait().await.map_err(|error| Failure::Retry(error.to_string()));
        self.judge(said?, status?)
    }

    async fn start(&self, work: &Job) -> Result<Child, Failure> {
        let text = serde_json::to_string(work).map_err(|e| Failure::Final(e.to_string()))?;
        let mut child = Command::new(&self.command.program)
            .args(&self.command.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Failure::Retry(format!("the worker cannot be started: {error}")))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A child that ends at once breaks the pipe; its exit status tells why.
            let _ = stdin.write_all(format!("{text}\n").as_bytes()).await;
        }
        Ok(child)
    }

    /// Reads the child's lines to their end; the last one counts.
    async fn follow(
        &mut self,
        child: &mut Child,
        job: &RenderJob,
    ) -> Result<Option<Line>, Failure> {
        let Some(stdout) = child.stdout.take() else { return Ok(None) };
        let mut lines = BufReader::with_capacity(MAX_LINE, stdout).lines();
        let mut last = None;
        loop {
            let line = tokio::select! {
                line = tokio::time::timeout(SILENCE, lines.next_line()) => line,
                _ = self.stopping.wait_for(|stop| *stop) => return Err(Failure::Stopping),
            };
            let line = line
                .map_err(|_| Failure::Retry("the worker said nothing for two minutes".into()))?
                .map_err(|error| Failure::Retry(format!("reading the worker: {error}")))?;
            let Some(line) = line else { return Ok(last) };
            match serde_json::from_str(&line) {
                Ok(Line::Progress { stage, permille }) => {
                    let stage = stage_word(stage);
                    let now_us = self.clock.now_us();
                    self.store.render_jobs().progress(job.id, &stage, permille, now_us).await?;
                }
                Ok(Line::Track(_)) => {}
                Ok(end) => last = Some(end),
                Err(_) => tracing::debug!(session = %job.session_id, "line of the worker unknown"),
            }
        }
    }

    fn judge(&self, last: Option<Line>, status: ExitStatus) -> Result<String, Failure> {
        match (last, status.success()) {
            (Some(done @ Line::Done { .. }), true) => {
                serde_json::to_string(&done).map_err(|e| Failure::Retry(e.to_string()))
            }
            (Some(Line::Error { code: media_worker::ErrorCode::InvalidJob, message }), _) => {
                Err(Failure::Final(message))
            }
            (Some(Line::Error { message, .. }), _) => Err(Failure::Retry(message)),
            _ => Err(Failure::Retry(format!("the worker ended early ({status})"))),
        }
    }
}

/// The stage's word as in the child's lines.
fn stage_word(stage: media_worker::Stage) -> String {
    serde_json::to_value(stage)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
