//! Versions of minutes (append-only), and a row a session that says how far they have come.
//!
//! The journal alone counts: a version that no `minutes_saved` event names is the leftover of a
//! crash, and the row is folded from events after each step.

use super::db::{Row, Store, args};
use super::error::StoreError;
use crate::domain::minutes::{Life, Minutes, State};
use crate::domain::{OrgId, SessionId};

/// The row of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinutesRow {
    pub state: State,
    pub objections_until_us: Option<i64>,
    pub open_objections: u32,
}

/// One version to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion<'a> {
    /// Fresh.
    pub id: &'a str,
    pub session: SessionId,
    pub at_us: i64,
    /// `system` or a person's id.
    pub author: &'a str,
    pub digest: &'a str,
    /// Canonical JSON.
    pub content: &'a str,
}

pub struct MinutesStore<'a>(pub(super) &'a Store);

fn state(row: &Row) -> Result<MinutesRow, StoreError> {
    Ok(MinutesRow {
        state: row.word("state", State::from_id)?,
        objections_until_us: row.opt_int("objections_until_us")?,
        open_objections: row.uint("open_objections")?,
    })
}

impl MinutesStore<'_> {
    /// # Errors
    /// [`StoreError::Conflict`] if the id is taken.
    pub async fn add_version(&self, v: &NewVersion<'_>) -> Result<(), StoreError> {
        let sql = "INSERT INTO minutes_versions (id, session_id, at_us, author, digest, content)
                   VALUES ($1, $2, $3, $4, $5, $6)";
        let args = args![v.id, v.session, v.at_us, v.author, v.digest, v.content];
        self.0.execute(sql, args).await.map(drop)
    }

    /// # Errors
    /// [`StoreError::NotFound`], or [`StoreError::Corrupt`] if it is not what was once written.
    pub async fn version(&self, session: SessionId, id: &str) -> Result<Minutes, StoreError> {
        let sql = "SELECT content FROM minutes_versions WHERE session_id = $1 AND id = $2";
        let row = self.0.first(sql, args![session, id]).await?;
        row.ok_or(StoreError::NotFound("minutes"))?.json("content")
    }

    /// The row after a step.
    pub async fn note(
        &self,
        session: SessionId,
        life: &Life,
        now_us: i64,
    ) -> Result<(), StoreError> {
        let open = u32::try_from(life.unanswered()).unwrap_or(u32::MAX);
        let sql = "INSERT INTO minutes (session_id, state, objections_until_us, open_objections,
                     updated_us) VALUES ($1, $2, $3, $4, $5)
                   ON CONFLICT (session_id) DO UPDATE SET state = excluded.state,
                     objections_until_us = excluded.objections_until_us,
                     open_objections = excluded.open_objections, updated_us = excluded.updated_us";
        let args = args![session, life.state.id(), life.objections_until_us, open, now_us];
        self.0.execute(sql, args).await.map(drop)
    }

    /// `None`: nobody has touched them yet.
    pub async fn row(&self, session: SessionId) -> Result<Option<MinutesRow>, StoreError> {
        let sql = "SELECT state, objections_until_us, open_objections FROM minutes
                   WHERE session_id = $1";
        self.0.first(sql, args![session]).await?.as_ref().map(state).transpose()
    }

    /// Confirmed, past their objection days and without an open objection: due to be sealed,
    /// oldest first.
    pub async fn due(&self, now_us: i64, limit: u32) -> Result<Vec<SessionId>, StoreError> {
        let sql = "SELECT session_id FROM minutes
                   WHERE state = 'chair_confirmed' AND objections_until_us <= $1
                     AND open_objections = 0 ORDER BY objections_until_us, session_id LIMIT $2";
        self.0.all(sql, args![now_us, limit]).await?.iter().map(|r| r.id("session_id")).collect()
    }

    /// Objection days that the organisation set itself.
    pub async fn objection_days(&self, org: OrgId) -> Result<Option<u32>, StoreError> {
        let sql = "SELECT objection_days FROM minutes_policies WHERE org_id = $1";
        let row = self.0.first(sql, args![org]).await?;
        row.map(|row| row.uint("objection_days")).transpose()
    }

    /// # Errors
    /// [`StoreError::Invalid`] beyond 30 days.
    pub async fn set_objection_days(&self, org: OrgId, days: u32) -> Result<(), StoreError> {
        let sql = "INSERT INTO minutes_policies (org_id, objection_days) VALUES ($1, $2)
                   ON CONFLICT (org_id) DO UPDATE SET objection_days = excluded.objection_days";
        self.0.execute(sql, args![org, days]).await.map(drop)
    }
}
