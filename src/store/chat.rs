//! Chat text. The journal holds id and digest, so that a lawful deletion does not break the chain.

use serde::{Deserialize, Serialize};

use super::db::{Row, Store, Tx, args};
use super::error::StoreError;
use crate::domain::{ChatId, PersonId, SessionId};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredChat {
    pub id: ChatId,
    pub person_id: PersonId,
    /// As it was shown.
    pub name: String,
    pub at_us: i64,
    /// None: deleted.
    pub text: Option<String>,
}

pub struct Chat<'a>(pub(super) &'a Store);

fn message(row: &Row) -> Result<StoredChat, StoreError> {
    Ok(StoredChat {
        id: row.id("id")?,
        person_id: row.id("person_id")?,
        name: row.text("name")?,
        at_us: row.int("at_us")?,
        text: row.opt_text("body")?,
    })
}

/// In the transaction of its event. A message that is there already stays as it is.
pub(super) async fn insert(
    tx: &mut Tx,
    session: SessionId,
    m: &StoredChat,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO chat (id, session_id, person_id, name, at_us, body)
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING";
    let args = args![m.id, session, m.person_id, &m.name, m.at_us, m.text.clone()];
    tx.execute(sql, args).await.map(drop)
}

impl Chat<'_> {
    pub async fn add(&self, session: SessionId, m: &StoredChat) -> Result<(), StoreError> {
        let sql = "INSERT INTO chat (id, session_id, person_id, name, at_us, body)
                   VALUES ($1, $2, $3, $4, $5, $6)";
        let args = args![m.id, session, m.person_id, &m.name, m.at_us, m.text.clone()];
        self.0.execute(sql, args).await.map(drop)
    }

    /// All messages of a session, oldest first.
    pub async fn of_session(&self, session: SessionId) -> Result<Vec<StoredChat>, StoreError> {
        let sql = "SELECT id, person_id, name, at_us, body FROM chat
                   WHERE session_id = $1 ORDER BY at_us, id";
        self.0.all(sql, args![session]).await?.iter().map(message).collect()
    }

    /// The newest `limit` messages, oldest first.
    pub async fn last(
        &self,
        session: SessionId,
        limit: u32,
    ) -> Result<Vec<StoredChat>, StoreError> {
        let sql = "SELECT id, person_id, name, at_us, body FROM chat
                   WHERE session_id = $1 ORDER BY at_us DESC, id DESC LIMIT $2";
        let rows = self.0.all(sql, args![session, limit]).await?;
        rows.iter().rev().map(message).collect()
    }

    /// Deletes the text and keeps that there was a message.
    pub async fn erase(&self, id: ChatId) -> Result<(), StoreError> {
        self.0.execute("UPDATE chat SET body = NULL WHERE id = $1", args![id]).await.map(drop)
    }
}
