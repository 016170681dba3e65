//! Jobs of the worker: at most one is being made for a session, every attempt is counted.

use super::db::{Row, Store, args};
use super::error::StoreError;
use crate::domain::{RenderJobId, SessionId};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenderState {
    Waiting,
    Running,
    Done,
    Failed,
}

impl RenderState {
    pub const fn id(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    fn from_id(id: &str) -> Option<Self> {
        [Self::Waiting, Self::Running, Self::Done, Self::Failed].into_iter().find(|s| s.id() == id)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderJob {
    pub id: RenderJobId,
    pub session_id: SessionId,
    pub state: RenderState,
    pub stage: Option<String>,
    pub permille: u32,
    pub attempts: u32,
    /// Why the last attempt failed.
    pub message: Option<String>,
    /// JSON of what the worker made.
    pub result: Option<String>,
}

pub struct RenderJobs<'a>(pub(super) &'a Store);

const COLUMNS: &str = "SELECT id, session_id, state, stage, permille, attempts, message, result
                       FROM render_jobs";

fn job(row: &Row) -> Result<RenderJob, StoreError> {
    Ok(RenderJob {
        id: row.id("id")?,
        session_id: row.id("session_id")?,
        state: row.word("state", RenderState::from_id)?,
        stage: row.opt_text("stage")?,
        permille: row.uint("permille")?,
        attempts: row.uint("attempts")?,
        message: row.opt_text("message")?,
        result: row.opt_text("result")?,
    })
}

impl RenderJobs<'_> {
    /// Puts a new job in line.
    pub async fn create(
        &self,
        id: RenderJobId,
        session: SessionId,
        now_us: i64,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO render_jobs
                     (id, session_id, state, permille, attempts, created_us, updated_us)
                   VALUES ($1, $2, 'waiting', 0, 0, $3, $3)";
        self.0.execute(sql, args![id, session, now_us]).await.map(drop)
    }

    /// The newest job of a session.
    pub async fn of_session(&self, session: SessionId) -> Result<Option<RenderJob>, StoreError> {
        let sql =
            format!("{COLUMNS} WHERE session_id = $1 ORDER BY created_us DESC, id DESC LIMIT 1");
        let row = self.0.first(sqlx::AssertSqlSafe(sql), args![session]).await?;
        row.as_ref().map(job).transpose()
    }

    /// Takes the oldest waiting job, if any, as running; one more attempt is counted.
    pub async fn claim(&self, now_us: i64) -> Result<Option<RenderJob>, StoreError> {
        let sql = format!("{COLUMNS} WHERE state = 'waiting' ORDER BY created_us, id LIMIT 1");
        loop {
            let row = self.0.first(sqlx::AssertSqlSafe(sql.clone()), vec![]).await?;
            let Some(mut job) = row.as_ref().map(job).transpose()? else {
                return Ok(None);
            };
            let take = "UPDATE render_jobs SET state = 'running', stage = NULL, permille = 0,
                          attempts = attempts + 1, updated_us = $2
                        WHERE id = $1 AND state = 'waiting'";
            // Zero rows: another server was faster, look for the next one.
            if self.0.execute(take, args![job.id, now_us]).await? == 1 {
                job.state = RenderState::Running;
                job.stage = None;
                job.permille = 0;
                job.attempts += 1;
                return Ok(Some(job));
            }
        }
    }

    pub async fn progress(
        &self,
        id: RenderJobId,
        stage: &str,
        permille: u32,
        now_us: i64,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE render_jobs SET stage = $2, permille = $3, updated_us = $4
                   WHERE id = $1 AND state = 'running'";
        self.0.execute(sql, args![id, stage, permille.min(1000), now_us]).await.map(drop)
    }

    /// `result`: JSON of what was made.
    pub async fn finish(
        &self,
        id: RenderJobId,
        result: &str,
        now_us: i64,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE render_jobs SET state = 'done', permille = 1000, message = NULL,
                     result = $2, updated_us = $3 WHERE id = $1 AND state = 'running'";
        running(self.0.execute(sql, args![id, result, now_us]).await?)
    }

    /// `retry`: back in line, else failed for good.
    pub async fn fail(
        &self,
        id: RenderJobId,
        message: &str,
        retry: bool,
        now_us: i64,
    ) -> Result<(), StoreError> {
        let state = if retry { RenderState::Waiting } else { RenderState::Failed };
        let sql = "UPDATE render_jobs SET state = $2, message = $3, updated_us = $4
                   WHERE id = $1 AND state = 'running'";
        running(self.0.execute(sql, args![id, state.id(), message, now_us]).await?)
    }

    /// After a restart of the only server: what was running has died with it and waits again.
    pub async fn requeue_running(&self, now_us: i64) -> Result<u64, StoreError> {
        let sql = "UPDATE render_jobs SET state = 'waiting', updated_us = $1
                   WHERE state = 'running'";
        self.0.execute(sql, args![now_us]).await
    }
}

fn running(rows: u64) -> Result<(), StoreError> {
    if rows == 0 { Err(StoreError::Conflict("the job is not running".into())) } else { Ok(()) }
}
