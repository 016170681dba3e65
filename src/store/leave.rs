//! 请假: requests and how they stand.

use super::db::{Row, Store, args};
use super::error::StoreError;
use crate::domain::leave::{LeaveKind, LeaveState};
use crate::domain::{PersonId, SessionId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaveRequest {
    pub person_id: PersonId,
    pub kind: LeaveKind,
    pub reason: String,
    pub state: LeaveState,
    pub asked_us: i64,
    /// 事后补假: asked for after the start.
    pub late: bool,
    pub decided_by: Option<PersonId>,
    pub decided_us: Option<i64>,
    /// In words, by who decided.
    pub decision: Option<String>,
}

pub struct Leave<'a>(pub(super) &'a Store);

const COLUMNS: &str = "SELECT person_id, kind, reason, state, asked_us, late, decided_by,
    decided_us, decision FROM leave_requests";

fn request(row: &Row) -> Result<LeaveRequest, StoreError> {
    Ok(LeaveRequest {
        person_id: row.id("person_id")?,
        kind: row.word("kind", LeaveKind::from_id)?,
        reason: row.text("reason")?,
        state: row.word("state", LeaveState::from_id)?,
        asked_us: row.int("asked_us")?,
        late: row.flag("late")?,
        decided_by: row.opt_id("decided_by")?,
        decided_us: row.opt_int("decided_us")?,
        decision: row.opt_text("decision")?,
    })
}

impl Leave<'_> {
    /// A new request takes the place of one that was denied or withdrawn.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] while one waits or is granted.
    pub async fn ask(&self, session: SessionId, r: &LeaveRequest) -> Result<(), StoreError> {
        let sql = "INSERT INTO leave_requests
                     (session_id, person_id, kind, reason, state, asked_us, late)
                   VALUES ($1, $2, $3, $4, 'asked', $5, $6)
                   ON CONFLICT (session_id, person_id) DO UPDATE SET kind = excluded.kind,
                     reason = excluded.reason, state = 'asked', asked_us = excluded.asked_us,
                     late = excluded.late, decided_by = NULL, decided_us = NULL, decision = NULL
                   WHERE leave_requests.state IN ('denied', 'withdrawn')";
        let args = args![session, r.person_id, r.kind.id(), &r.reason, r.asked_us, r.late];
        changed(self.0.execute(sql, args).await?)
    }

    /// Grants, denies or withdraws.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] unless the request is in `from`.
    pub async fn decide(
        &self,
        session: SessionId,
        from: LeaveState,
        r: &LeaveRequest,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE leave_requests SET state = $4, decided_by = $5, decided_us = $6,
                     decision = $7 WHERE session_id = $1 AND person_id = $2 AND state = $3";
        let decision = r.decision.clone();
        let args = args![
            session,
            r.person_id,
            from.id(),
            r.state.id(),
            r.decided_by,
            r.decided_us,
            decision
        ];
        changed(self.0.execute(sql, args).await?)
    }

    pub async fn get(
        &self,
        session: SessionId,
        person: PersonId,
    ) -> Result<Option<LeaveRequest>, StoreError> {
        let sql =
            sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE session_id = $1 AND person_id = $2"));
        self.0.first(sql, args![session, person]).await?.as_ref().map(request).transpose()
    }

    /// All of a session, in the order in which they were asked.
    pub async fn of_session(&self, session: SessionId) -> Result<Vec<LeaveRequest>, StoreError> {
        let sql = format!("{COLUMNS} WHERE session_id = $1 ORDER BY asked_us, person_id");
        let rows = self.0.all(sqlx::AssertSqlSafe(sql), args![session]).await?;
        rows.iter().map(request).collect()
    }
}

fn changed(rows: u64) -> Result<(), StoreError> {
    match rows {
        0 => Err(StoreError::Conflict("the request is not in that state".into())),
        _ => Ok(()),
    }
}
