//! Uploaded files on their way: read in the background, kept until they are confirmed, discarded
//! or forgotten.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::{Semaphore, mpsc};

use super::columns::{Head, What};
use super::members::{self, Seen};
use super::orgs;
use super::problem::{FileProblem, Problem};
use super::source::{RawRow, read_rows};
use super::{MAX_EXAMPLES, MAX_ORG_ROWS, MAX_PROBLEMS};
use crate::auth::policy::{Action, Actor, Resource, allow};
use crate::domain::{AccountId, OrgId, OrgTree};
use crate::store::{ImportTx, Store, StoreError, new_id};

pub type JobId = uuid::Uuid;

/// Rows that go from the reader to the database at once.
const CHUNK: usize = 500;
/// Chunks that wait; the reader waits when they are full.
const CHUNKS: usize = 2;
/// Files that are kept; the oldest goes for a new one.
const MAX_JOBS: usize = 16;
/// Files that are read or written at once.
const PARALLEL: usize = 2;
/// A file that nobody confirmed is forgotten after so long.
const KEPT_US: i64 = 3_600_000_000;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub new: u64,
    pub changed: u64,
    pub unchanged: u64,
    /// There, and not in the file; nothing happens to them.
    pub missing: u64,
    /// Bad cells.
    pub problems: u64,
    #[serde(skip)]
    pub matched: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.new += other.new;
        self.changed += other.changed;
        self.unchanged += other.unchanged;
        self.missing += other.missing;
        self.problems += other.problems;
        self.matched += other.matched;
    }

    pub fn changes(&self) -> u64 {
        self.new + self.changed
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    pub row: u64,
    pub code: String,
    pub name: String,
    pub new: bool,
    /// Columns that differ.
    pub changes: Vec<&'static str>,
}

/// What a file would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Preview {
    pub counts: Counts,
    /// The first bad cells, by row.
    pub problems: Vec<Problem>,
    pub examples: Vec<Example>,
    pub unknown_columns: Vec<String>,
}

impl Preview {
    fn add(&mut self, counts: Counts, problems: Vec<Problem>, examples: Vec<Example>) {
        self.counts.add(counts);
        self.problems.extend(problems);
        self.problems.truncate(MAX_PROBLEMS);
        self.examples.extend(examples);
        self.examples.truncate(MAX_EXAMPLES);
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Reading,
    Ready(Preview),
    Writing(Preview),
    Done(Preview),
    Failed(String),
}

/// One uploaded file.
pub struct Job {
    pub id: JobId,
    pub what: What,
    pub scope: OrgId,
    pub owner: AccountId,
    /// Removed with the job.
    pub path: PathBuf,
    pub created_us: i64,
    rows: AtomicU64,
    progress: AtomicU32,
    state: Mutex<State>,
}

impl Drop for Job {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[derive(Debug, Serialize)]
pub struct JobView {
    id: JobId,
    what: What,
    org_id: OrgId,
    state: &'static str,
    /// Rows read or written so far, and how much of the file that is, in thousandths.
    rows: u64,
    progress: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<Preview>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl Job {
    pub fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// From ready to writing, once.
    ///
    /// # Errors
    /// The state it is in instead.
    pub fn begin_writing(&self) -> Result<Preview, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Ready(preview) if preview.counts.problems == 0 => {
                let preview = preview.clone();
                *state = State::Writing(preview.clone());
                Ok(preview)
            }
            other => Err(other.clone()),
        }
    }

    pub fn view(&self) -> JobView {
        let (state, preview, message) = match self.state() {
            State::Reading => ("reading", None, None),
            State::Ready(preview) => ("ready", Some(preview), None),
            State::Writing(preview) => ("writing", Some(preview), None),
            State::Done(preview) => ("done", Some(preview), None),
            State::Failed(message) => ("failed", None, Some(message)),
        };
        JobView {
            id: self.id,
            what: self.what,
            org_id: self.scope,
            state,
            rows: self.rows.load(Ordering::Relaxed),
            progress: self.progress.load(Ordering::Relaxed),
            preview,
            message,
        }
    }
}

/// The uploaded files of the process; those of a process before are gone.
pub struct Imports {
    folder: PathBuf,
    jobs: Mutex<HashMap<JobId, Arc<Job>>>,
    pub running: Arc<Semaphore>,
    /// One writes at a time: the second would wait for the first and then find another world.
    pub writing: Arc<Semaphore>,
}

impl Imports {
    pub fn new(folder: PathBuf) -> Self {
        let _ = std::fs::remove_dir_all(&folder);
        Self {
            folder,
            jobs: Mutex::default(),
            running: Arc::new(Semaphore::new(PARALLEL)),
            writing: Arc::new(Semaphore::new(1)),
        }
    }

    /// Where the next file is written to.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn place(&self) -> std::io::Result<(JobId, PathBuf)> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let id: JobId = new_id();
        Ok((id, self.folder.join(id.to_string())))
    }

    /// A file that is there; older ones of the same account are forgotten, and too many of all.
    pub fn add(
        &self,
        id: JobId,
        path: PathBuf,
        what: What,
        scope: OrgId,
        owner: AccountId,
        now_us: i64,
    ) -> Arc<Job> {
        let job = Arc::new(Job {
            id,
            what,
            scope,
            owner,
            path,
            created_us: now_us,
            rows: AtomicU64::new(0),
            progress: AtomicU32::new(0),
            state: Mutex::new(State::Reading),
        });
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.retain(|_, old| {
            let writing = matches!(old.state(), State::Writing(_));
            writing || old.owner != owner && now_us - old.created_us < KEPT_US
        });
        while jobs.len() >= MAX_JOBS {
            let idle = jobs.values().filter(|job| !matches!(job.state(), State::Writing(_)));
            let Some(oldest) = idle.min_by_key(|job| job.created_us).map(|job| job.id) else {
                break;
            };
            jobs.remove(&oldest);
        }
        jobs.insert(id, Arc::clone(&job));
        job
    }

    /// Of its owner alone.
    pub fn get(&self, id: JobId, owner: AccountId) -> Option<Arc<Job>> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.get(&id).filter(|job| job.owner == owner).cloned()
    }

    pub fn remove(&self, id: JobId) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

/// Why a pass over the file ended early.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    #[error(transparent)]
    File(#[from] FileProblem),
    #[error("超过{0}个组织，请分几个文件导入")]
    TooManyOrgs(u64),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the reader ended")]
    Reader,
}

/// One pass over a file: to look, or to write too.
pub struct Pass<'a> {
    pub store: &'a Store,
    pub tree: &'a OrgTree,
    pub actor: &'a Actor,
    pub job: &'a Job,
    pub now_us: i64,
}

impl Pass<'_> {
    fn may(&self, org: OrgId) -> bool {
        let action = match self.job.what {
            What::Orgs => Action::ManageOrg,
            What::Members => Action::ManageMembers,
        };
        self.tree.is_ancestor_or_self(self.job.scope, org)
            && allow(self.tree, self.actor, action, Resource::Org(org)).is_ok()
    }

    /// Without a transaction nothing is written. With one, rows are written as they come, and a
    /// problem leaves it to the caller to drop it.
    ///
    /// # Errors
    /// [`PassError`]
    pub async fn run(&self, tx: Option<&mut ImportTx>) -> Result<Preview, PassError> {
        self.job.rows.store(0, Ordering::Relaxed);
        self.job.progress.store(0, Ordering::Relaxed);
        let (to, mut chunks) = mpsc::channel(CHUNKS);
        let path = self.job.path.clone();
        let reader = tokio::task::spawn_blocking(move || read(&path, &to));
        let mut preview = Preview::default();
        let done = match self.job.what {
            What::Orgs => self.orgs(&mut chunks, &mut preview, tx).await,
            What::Members => self.members(&mut chunks, &mut preview, tx).await,
        };
        // The reader ends by itself once nobody takes its rows.
        drop(chunks);
        let read = reader.await.map_err(|_| PassError::Reader)?;
        done?;
        read?;
        Ok(preview)
    }

    fn step(&self, chunk: &Chunk) {
        self.job.rows.fetch_add(chunk.rows.len() as u64, Ordering::Relaxed);
        self.job.progress.store(chunk.done, Ordering::Relaxed);
    }

    async fn orgs(
        &self,
        chunks: &mut mpsc::Receiver<Chunk>,
        preview: &mut Preview,
        tx: Option<&mut ImportTx>,
    ) -> Result<(), PassError> {
        let mut head = None;
        let mut rows = Vec::new();
        while let Some(chunk) = chunks.recv().await {
            self.step(&chunk);
            for raw in &chunk.rows {
                let Some(head) = &head else {
                    let found = Head::of(What::Orgs, raw)?;
                    preview.unknown_columns.clone_from(&found.unknown);
                    head = Some(found);
                    continue;
                };
                match orgs::row_of(head, raw) {
                    Ok(row) => rows.push(row),
                    Err(problems) => preview.add(bad(&problems), problems, vec![]),
                }
            }
            if rows.len() as u64 > MAX_ORG_ROWS {
                return Err(PassError::TooManyOrgs(MAX_ORG_ROWS));
            }
        }
        let plan = orgs::plan(self.tree, self.job.scope, &rows, |org| self.may(org), new_id);
        preview.add(plan.counts, plan.problems, plan.examples);
        preview.problems.sort_by_key(|problem| problem.row);
        if let Some(tx) = tx
            && preview.counts.problems == 0
            && !plan.puts.is_empty()
        {
            tx.put_orgs(&plan.puts, self.now_us).await?;
        }
        Ok(())
    }

    async fn members(
        &self,
        chunks: &mut mpsc::Receiver<Chunk>,
        preview: &mut Preview,
        mut tx: Option<&mut ImportTx>,
    ) -> Result<(), PassError> {
        let mut head = None;
        let mut seen = Seen::default();
        while let Some(chunk) = chunks.recv().await {
            self.step(&chunk);
            let mut rows = Vec::with_capacity(chunk.rows.len());
            for raw in &chunk.rows {
                let Some(head) = &head else {
                    let found = Head::of(What::Members, raw)?;
                    preview.unknown_columns.clone_from(&found.unknown);
                    head = Some(found);
                    continue;
                };
                let row = members::row_of(head, raw, self.tree, |org| self.may(org));
                let row = row.and_then(|row| match seen.add(&row.code) {
                    true => Ok(row),
                    false => Err(vec![Problem::new(
                        row.row,
                        super::columns::MEMBER_CODE,
                        &row.code,
                        "与文件中前面的行重复，请删去一行或改用其他编号",
                    )]),
                });
                match row {
                    Ok(row) => rows.push(row),
                    Err(problems) => preview.add(bad(&problems), problems, vec![]),
                }
            }
            if rows.is_empty() {
                continue;
            }
            let codes: Vec<&str> = rows.iter().map(|row| row.code.as_str()).collect();
            let there = self.store.members().by_codes(&codes).await?;
            let plan = members::plan(rows, there, |org| self.may(org), new_id);
            preview.add(plan.counts, plan.problems, plan.examples);
            if let Some(tx) = &mut tx
                && preview.counts.problems == 0
            {
                tx.put_members(&plan.puts).await?;
            }
        }
        if tx.is_none() {
            let mut orgs = self.tree.subtree(self.job.scope);
            let branch = |org| self.tree.get(org).is_some_and(|node| node.kind.is_branch());
            orgs.retain(|org| branch(*org) && self.may(*org));
            let all = self.store.members().count_in(&orgs).await?;
            preview.counts.missing = all.saturating_sub(preview.counts.matched);
        }
        preview.problems.sort_by_key(|problem| problem.row);
        Ok(())
    }
}

fn bad(problems: &[Problem]) -> Counts {
    Counts { problems: problems.len() as u64, ..Counts::default() }
}

struct Chunk {
    rows: Vec<RawRow>,
    done: u32,
}

/// Reads the file into the channel; ends when nobody listens any more.
fn read(path: &Path, to: &mpsc::Sender<Chunk>) -> Result<(), FileProblem> {
    let mut rows = Vec::with_capacity(CHUNK);
    let mut last = 0;
    read_rows(path, &mut |row, done| {
        last = done;
        rows.push(row);
        if rows.len() < CHUNK {
            return ControlFlow::Continue(());
        }
        let full = std::mem::replace(&mut rows, Vec::with_capacity(CHUNK));
        match to.blocking_send(Chunk { rows: full, done }) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    let _ = to.blocking_send(Chunk { rows, done: last });
    Ok(())
}
