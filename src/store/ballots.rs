//! The box of online secret ballots. Papers lie in it under random ids, with nothing that says
//! whose they are or when they came (docs/BALLOTS.md).

use super::db::{Engine, Row, Store, args};
use super::error::StoreError;
use crate::domain::{BallotId, SessionId};
use crate::room::ballots::BoxedPaper;

pub struct Ballots<'a>(pub(super) &'a Store);

/// What became of a paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    In,
    /// The very same paper lay in it already: a page that asked again.
    Again,
    /// Another paper of the same token lies in it.
    Taken,
    /// The box is closed.
    Closed,
}

fn paper(row: &Row) -> Result<BoxedPaper, StoreError> {
    Ok(BoxedPaper { id: row.text("id")?, choices: row.text("choices")? })
}

const MAKE_BOX: &str = "INSERT INTO ballot_boxes (ballot_id, session_id, is_open)
    VALUES ($1, $2, 1) ON CONFLICT (ballot_id) DO NOTHING";

impl Ballots<'_> {
    /// Durable when it returns.
    pub async fn put(
        &self,
        session: SessionId,
        ballot: BallotId,
        new: &BoxedPaper,
    ) -> Result<Put, StoreError> {
        let mut tx = self.0.begin().await?;
        tx.execute(MAKE_BOX, args![ballot, session]).await?;
        // Holds the box against a closing that comes at the same moment.
        let hold = "UPDATE ballot_boxes SET is_open = is_open WHERE ballot_id = $1 AND is_open = 1";
        if tx.execute(hold, args![ballot]).await? == 0 {
            return Ok(Put::Closed);
        }
        let sql = "SELECT id, choices FROM ballot_papers WHERE ballot_id = $1 AND id = $2";
        let known = tx.first(sql, args![ballot, &new.id]).await?;
        if let Some(known) = known.as_ref().map(paper).transpose()? {
            return Ok(if known == *new { Put::Again } else { Put::Taken });
        }
        let sql = "INSERT INTO ballot_papers (ballot_id, id, choices) VALUES ($1, $2, $3)";
        tx.execute(sql, args![ballot, &new.id, &new.choices]).await?;
        tx.commit().await?;
        Ok(Put::In)
    }

    /// Closes the box for good and gives its papers in the order of their ids. They are written
    /// anew in this order, and where they lay before is cleared. Again it gives the same.
    pub async fn close(
        &self,
        session: SessionId,
        ballot: BallotId,
    ) -> Result<Vec<BoxedPaper>, StoreError> {
        let mut tx = self.0.begin().await?;
        tx.execute(MAKE_BOX, args![ballot, session]).await?;
        let sql = "UPDATE ballot_boxes SET is_open = 0 WHERE ballot_id = $1";
        tx.execute(sql, args![ballot]).await?;
        tx.commit().await?;
        let sql = "SELECT id, choices FROM ballot_papers WHERE ballot_id = $1 ORDER BY id";
        let rows = self.0.all(sql, args![ballot]).await?;
        let papers = rows.iter().map(paper).collect::<Result<Vec<_>, _>>()?;
        let mut tx = self.0.begin().await?;
        for paper in &papers {
            let sql = "INSERT INTO counted_papers (ballot_id, id, choices) VALUES ($1, $2, $3)
                       ON CONFLICT (ballot_id, id) DO NOTHING";
            tx.execute(sql, args![ballot, &paper.id, &paper.choices]).await?;
        }
        let sql = "DELETE FROM ballot_papers WHERE ballot_id = $1";
        tx.execute(sql, args![ballot]).await?;
        tx.commit().await?;
        self.forget_order().await;
        self.counted(session, ballot).await
    }

    /// The list that is published, in the order of the ids; empty before closing.
    pub async fn counted(
        &self,
        session: SessionId,
        ballot: BallotId,
    ) -> Result<Vec<BoxedPaper>, StoreError> {
        let sql = "SELECT p.id, p.choices FROM counted_papers p
                   JOIN ballot_boxes b ON b.ballot_id = p.ballot_id
                   WHERE b.session_id = $1 AND p.ballot_id = $2 ORDER BY p.id";
        self.0.all(sql, args![session, ballot]).await?.iter().map(paper).collect()
    }

    /// SQLite: the write-ahead log, which holds pages in the order of writing, is emptied; freed
    /// pages were overwritten (`secure_delete`). PostgreSQL: the table is written anew, where the
    /// role may. A failure loses no vote and is told to the operator.
    async fn forget_order(&self) {
        let done = match self.0.engine() {
            Engine::Sqlite => self.0.truncate_log().await,
            Engine::Postgres => self.0.execute("VACUUM FULL ballot_papers", vec![]).await.map(drop),
        };
        if let Err(error) = done {
            tracing::warn!(%error, "the order in which ballots were written was not cleared");
        }
    }
}
