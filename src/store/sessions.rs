//! Sessions: what is planned, what was frozen, and where in their life they are.

use sqlx::AssertSqlSafe;

use super::db::{Row, Store, Tx, args};
use super::error::StoreError;
use crate::domain::member::{class_from_id, class_id};
use crate::domain::session::transition;
use crate::domain::{
    AgendaItem, MeetingKind, OrgId, PersonId, Policy, Roster, RosterEntry, SessionId, SessionState,
};
use crate::journal::{Header, verify};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub org_id: OrgId,
    pub org_name: String,
    pub kind: MeetingKind,
    pub title: String,
    pub state: SessionState,
    pub planned_start_us: i64,
    pub duration_min: u32,
    pub agenda: Vec<AgendaItem>,
    pub chair: PersonId,
    pub recorder: Option<PersonId>,
    pub policy: Policy,
    pub opened_us: Option<i64>,
    pub declared_open_us: Option<i64>,
    pub declared_closed_us: Option<i64>,
    /// Set at opening.
    pub boot: Option<BootAnchor>,
    pub cancel_reason: Option<String>,
}

/// Ties monotonic zero of a session to one boot of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootAnchor {
    pub boot_id: String,
    /// Time since that boot at which the session opened, microseconds; negative when the session
    /// opened before this boot.
    pub boot_mono_us: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    pub id: SessionId,
    pub org_id: OrgId,
    pub kind: MeetingKind,
    pub title: String,
    pub planned_start_us: i64,
    pub duration_min: u32,
    pub agenda: Vec<AgendaItem>,
    pub chair: PersonId,
    pub recorder: Option<PersonId>,
    pub policy: Policy,
    pub roster: Roster,
    pub created_us: i64,
}

/// The opening: the journal's header with the roster and policy that count from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSession {
    pub header: Header,
    pub boot: BootAnchor,
}

pub struct Sessions<'a>(pub(super) &'a Store);

const COLUMNS: &str = "SELECT s.id, s.org_id, o.name AS org_name, s.kind, s.title, s.state,
    s.planned_start_us, s.duration_min, s.agenda, s.chair_id, s.recorder_id, s.late_after_s,
    s.early_before_s, s.min_ratio_permille, s.bridge_s, s.opened_us, s.declared_open_us,
    s.declared_closed_us, s.boot_id, s.boot_mono_us, s.cancel_reason
  FROM sessions s JOIN orgs o ON o.id = s.org_id";

/// Running first, then the newest.
const ORDER: &str = "ORDER BY CASE s.state WHEN 'declared_open' THEN 0 WHEN 'opened' THEN 1 ELSE 2
    END, s.planned_start_us DESC, s.id DESC";

/// The stable word in the database, the same as on the wire.
const fn state_id(state: SessionState) -> &'static str {
    match state {
        SessionState::Planned => "planned",
        SessionState::Opened => "opened",
        SessionState::DeclaredOpen => "declared_open",
        SessionState::DeclaredClosed => "declared_closed",
        SessionState::Archived => "archived",
        SessionState::Cancelled => "cancelled",
    }
}

fn state_from_id(id: &str) -> Option<SessionState> {
    use SessionState::{Archived, Cancelled, DeclaredClosed, DeclaredOpen, Opened, Planned};
    [Planned, Opened, DeclaredOpen, DeclaredClosed, Archived, Cancelled]
        .into_iter()
        .find(|s| state_id(*s) == id)
}

fn session(row: &Row) -> Result<Session, StoreError> {
    let boot = match (row.opt_text("boot_id")?, row.opt_int("boot_mono_us")?) {
        (Some(boot_id), Some(boot_mono_us)) => Some(BootAnchor { boot_id, boot_mono_us }),
        _ => None,
    };
    Ok(Session {
        id: row.id("id")?,
        org_id: row.id("org_id")?,
        org_name: row.text("org_name")?,
        kind: row.word("kind", MeetingKind::from_id)?,
        title: row.text("title")?,
        state: row.word("state", state_from_id)?,
        planned_start_us: row.int("planned_start_us")?,
        duration_min: row.uint("duration_min")?,
        agenda: row.json("agenda")?,
        chair: row.id("chair_id")?,
        recorder: row.opt_id("recorder_id")?,
        policy: Policy {
            late_after_s: row.uint("late_after_s")?,
            early_before_s: row.uint("early_before_s")?,
            min_ratio_permille: row.uint("min_ratio_permille")?,
            bridge_s: row.uint("bridge_s")?,
        },
        opened_us: row.opt_int("opened_us")?,
        declared_open_us: row.opt_int("declared_open_us")?,
        declared_closed_us: row.opt_int("declared_closed_us")?,
        boot,
        cancel_reason: row.opt_text("cancel_reason")?,
    })
}

async fn write_roster(tx: &mut Tx, id: SessionId, roster: &Roster) -> Result<(), StoreError> {
    tx.execute("DELETE FROM session_roster WHERE session_id = $1", args![id]).await?;
    for (position, e) in (0_i64..).zip(roster.iter()) {
        tx.execute(
            "INSERT INTO session_roster (session_id, position, person_id, name, class, org_name,
               group_name, voter, due) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            args![
                id,
                position,
                e.person_id,
                &e.name,
                class_id(e.class),
                &e.org_name,
                e.group_name.clone(),
                e.voter,
                e.due,
            ],
        )
        .await?;
    }
    Ok(())
}

impl Sessions<'_> {
    /// Plans a session with its roster.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if organisation, chair, recorder or a person of the roster does not
    /// exist.
    pub async fn create(&self, s: &NewSession) -> Result<(), StoreError> {
        let agenda = serde_json::to_string(&s.agenda);
        let agenda = agenda.map_err(|e| StoreError::Invalid(e.to_string()))?;
        let mut tx = self.0.begin().await?;
        tx.execute(
            "INSERT INTO sessions (id, org_id, kind, title, state, planned_start_us, duration_min,
               agenda, chair_id, recorder_id, late_after_s, early_before_s, min_ratio_permille,
               bridge_s, created_us)
             VALUES ($1, $2, $3, $4, 'planned', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
            args![
                s.id,
                s.org_id,
                s.kind.id(),
                &s.title,
                s.planned_start_us,
                s.duration_min,
                agenda,
                s.chair,
                s.recorder,
                s.policy.late_after_s,
                s.policy.early_before_s,
                s.policy.min_ratio_permille,
                s.policy.bridge_s,
                s.created_us,
            ],
        )
        .await?;
        write_roster(&mut tx, s.id, &s.roster).await?;
        tx.commit().await
    }

    pub async fn get(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let sql = AssertSqlSafe(format!("{COLUMNS} WHERE s.id = $1"));
        self.0.first(sql, args![id]).await?.as_ref().map(session).transpose()
    }

    /// The planned roster, or the one frozen at opening. Later corrections are in the journal.
    pub async fn roster(&self, id: SessionId) -> Result<Roster, StoreError> {
        let sql = "SELECT person_id, name, class, org_name, group_name, voter, due
                   FROM session_roster WHERE session_id = $1 ORDER BY position";
        let entry = |row: &Row| {
            Ok(RosterEntry {
                person_id: row.id("person_id")?,
                name: row.text("name")?,
                class: row.word("class", class_from_id)?,
                org_name: row.text("org_name")?,
                group_name: row.opt_text("group_name")?,
                voter: row.flag("voter")?,
                due: row.flag("due")?,
            })
        };
        let rows = self.0.all(sql, args![id]).await?;
        rows.iter().map(entry).collect::<Result<_, _>>().map(Roster)
    }

    /// Replaces the roster of a session that is still planned.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] once it is frozen.
    pub async fn plan_roster(&self, id: SessionId, roster: &Roster) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        // The update locks the row against an opening at the same moment.
        let sql = "UPDATE sessions SET state = 'planned' WHERE id = $1 AND state = 'planned'";
        moved(tx.execute(sql, args![id]).await?)?;
        write_roster(&mut tx, id, roster).await?;
        tx.commit().await
    }

    /// Sets the thresholds of a session that is still planned.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] once they are frozen.
    pub async fn plan_policy(&self, id: SessionId, policy: &Policy) -> Result<(), StoreError> {
        let sql = "UPDATE sessions SET late_after_s = $2, early_before_s = $3,
                     min_ratio_permille = $4, bridge_s = $5 WHERE id = $1 AND state = 'planned'";
        let args = args![
            id,
            policy.late_after_s,
            policy.early_before_s,
            policy.min_ratio_permille,
            policy.bridge_s,
        ];
        moved(self.0.execute(sql, args).await?)
    }

    /// Freezes roster and policy, starts the journal and sets the state to opened, all or nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] unless the session is planned.
    pub async fn open(&self, open: &OpenSession) -> Result<(), StoreError> {
        let OpenSession { header, boot } = open;
        let (line, hash) =
            verify::header_line(header).map_err(|e| StoreError::Invalid(e.to_string()))?;
        let mut tx = self.0.begin().await?;
        let policy = header.policy;
        let touched = tx
            .execute(
                "UPDATE sessions SET state = 'opened', opened_us = $2, boot_id = $3,
                   boot_mono_us = $4, late_after_s = $5, early_before_s = $6,
                   min_ratio_permille = $7, bridge_s = $8
                 WHERE id = $1 AND state = 'planned'",
                args![
                    header.session,
                    header.opened_at_us,
                    &boot.boot_id,
                    boot.boot_mono_us,
                    policy.late_after_s,
                    policy.early_before_s,
                    policy.min_ratio_permille,
                    policy.bridge_s,
                ],
            )
            .await?;
        moved(touched)?;
        write_roster(&mut tx, header.session, &header.roster).await?;
        tx.execute(
            "INSERT INTO journals (session_id, header, header_hash) VALUES ($1, $2, $3)",
            args![header.session, line, hash],
        )
        .await?;
        tx.commit().await
    }

    /// Moves a session on; `at_us` becomes the official start or end for 宣布开会 and 散会.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the session is not in `from`, or the step is not in its life.
    /// [`SessionState::Opened`] is reached by [`Sessions::open`] only.
    pub async fn advance(
        &self,
        id: SessionId,
        from: SessionState,
        to: SessionState,
        at_us: i64,
    ) -> Result<(), StoreError> {
        transition(from, to).map_err(|e| StoreError::Conflict(e.to_string()))?;
        let sql = match to {
            SessionState::DeclaredOpen => {
                "UPDATE sessions SET state = $3, declared_open_us = $4 WHERE id = $1 AND state = $2"
            }
            SessionState::DeclaredClosed => {
                "UPDATE sessions SET state = $3, declared_closed_us = $4 WHERE id = $1 AND state = $2"
            }
            SessionState::Archived => {
                let sql = "UPDATE sessions SET state = $3 WHERE id = $1 AND state = $2";
                return moved(self.0.execute(sql, args![id, state_id(from), state_id(to)]).await?);
            }
            _ => return Err(StoreError::Conflict("this step has a function of its own".into())),
        };
        moved(self.0.execute(sql, args![id, state_id(from), state_id(to), at_us]).await?)
    }

    /// # Errors
    /// [`StoreError::Conflict`] unless the session is planned or opened.
    pub async fn cancel(&self, id: SessionId, reason: &str) -> Result<(), StoreError> {
        let sql = "UPDATE sessions SET state = 'cancelled', cancel_reason = $2
                   WHERE id = $1 AND state IN ('planned', 'opened')";
        moved(self.0.execute(sql, args![id, reason]).await?)
    }

    /// The machine was booted anew: ties the session's monotonic zero to the new boot.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] unless the session is running.
    pub async fn set_boot(&self, id: SessionId, boot: &BootAnchor) -> Result<(), StoreError> {
        let sql = "UPDATE sessions SET boot_id = $2, boot_mono_us = $3
                   WHERE id = $1 AND state IN ('opened', 'declared_open')";
        moved(self.0.execute(sql, args![id, &boot.boot_id, boot.boot_mono_us]).await?)
    }

    /// The chair changed hands.
    pub async fn set_chair(&self, id: SessionId, chair: PersonId) -> Result<(), StoreError> {
        let sql = "UPDATE sessions SET chair_id = $2 WHERE id = $1";
        moved(self.0.execute(sql, args![id, chair]).await?)
    }

    /// Opened or declared open: what a restarted server has to take up again.
    pub async fn running(&self) -> Result<Vec<Session>, StoreError> {
        let sql = format!("{COLUMNS} WHERE s.state IN ('opened', 'declared_open') {ORDER}");
        self.0.all(AssertSqlSafe(sql), vec![]).await?.iter().map(session).collect()
    }

    /// All sessions in a state; for work that a crash may have cut off.
    pub async fn in_state(&self, state: SessionState) -> Result<Vec<Session>, StoreError> {
        let sql = format!("{COLUMNS} WHERE s.state = $1 {ORDER}");
        let rows = self.0.all(AssertSqlSafe(sql), args![state_id(state)]).await?;
        rows.iter().map(session).collect()
    }

    /// On the roster, in the chair or recording.
    pub async fn of_person(
        &self,
        person: PersonId,
        limit: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let sql = format!(
            "{COLUMNS} WHERE s.chair_id = $1 OR s.recorder_id = $1 OR EXISTS (
               SELECT 1 FROM session_roster r WHERE r.session_id = s.id AND r.person_id = $1)
             {ORDER} LIMIT $2"
        );
        let rows = self.0.all(AssertSqlSafe(sql), args![person, limit]).await?;
        rows.iter().map(session).collect()
    }

    /// Of this organisation and everything that stands or ever stood below it, so that sessions of
    /// before a move are among them; `state` narrows. Whose session it is by its time is the
    /// policy's to say.
    pub async fn of_subtree(
        &self,
        org: OrgId,
        state: Option<SessionState>,
        limit: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let sql = format!(
            "WITH RECURSIVE below (id) AS (
               SELECT id FROM orgs WHERE id = $1
               UNION
               SELECT e.org_id FROM org_edges e JOIN below b ON e.parent_id = b.id)
             {COLUMNS} WHERE s.org_id IN (SELECT id FROM below) AND ($2 = '' OR s.state = $2)
             {ORDER} LIMIT $3"
        );
        let args = args![org, state.map_or("", state_id), limit];
        self.0.all(AssertSqlSafe(sql), args).await?.iter().map(session).collect()
    }
}

fn moved(rows: u64) -> Result<(), StoreError> {
    if rows == 0 {
        return Err(StoreError::Conflict("the session is not in that state".into()));
    }
    Ok(())
}
