//! Signed-in browsers, by the hash of their cookie.
//!
//! Ending a sign-in changes a mark in the same transaction, so that a server notices by reading one
//! row that some have ended, also when another process (the command line) ended them.

use std::collections::HashSet;

use super::db::{Store, Value, args};
use super::error::StoreError;
use crate::domain::AccountId;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSession {
    pub account_id: AccountId,
    pub created_us: i64,
    pub expires_us: i64,
}

/// The mark's name in the settings.
const ENDINGS: &str = "sign_in_endings";

pub struct WebSessions<'a>(pub(super) &'a Store);

impl WebSessions<'_> {
    /// `token_hash`: hex of the cookie's SHA-256; the cookie itself is never stored.
    pub async fn create(&self, token_hash: &str, session: &WebSession) -> Result<(), StoreError> {
        let sql = "INSERT INTO web_sessions (token_hash, account_id, created_us, expires_us)
                   VALUES ($1, $2, $3, $4)";
        let args = args![token_hash, session.account_id, session.created_us, session.expires_us];
        self.0.execute(sql, args).await.map(drop)
    }

    /// None if unknown or expired at `now_us`.
    pub async fn get(
        &self,
        token_hash: &str,
        now_us: i64,
    ) -> Result<Option<WebSession>, StoreError> {
        let sql = "SELECT account_id, created_us, expires_us FROM web_sessions
                   WHERE token_hash = $1 AND expires_us > $2";
        let Some(row) = self.0.first(sql, args![token_hash, now_us]).await? else {
            return Ok(None);
        };
        Ok(Some(WebSession {
            account_id: row.id("account_id")?,
            created_us: row.int("created_us")?,
            expires_us: row.int("expires_us")?,
        }))
    }

    pub async fn revoke(&self, token_hash: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM web_sessions WHERE token_hash = $1";
        self.end(sql, args![token_hash]).await.map(drop)
    }

    /// Sign out everywhere; the number of browsers signed out.
    pub async fn revoke_all(&self, account: AccountId) -> Result<u64, StoreError> {
        self.end("DELETE FROM web_sessions WHERE account_id = $1", args![account]).await
    }

    /// Sign out everywhere else.
    pub async fn revoke_others(&self, account: AccountId, kept: &str) -> Result<u64, StoreError> {
        let sql = "DELETE FROM web_sessions WHERE account_id = $1 AND token_hash <> $2";
        self.end(sql, args![account, kept]).await
    }

    async fn end(&self, sql: &'static str, args: Vec<Value>) -> Result<u64, StoreError> {
        let mut tx = self.0.begin().await?;
        let ended = tx.execute(sql, args).await?;
        if ended > 0 {
            let mark = super::new_id::<uuid::Uuid>().to_string();
            let sql = "INSERT INTO settings (key, value) VALUES ($1, $2)
                       ON CONFLICT (key) DO UPDATE SET value = excluded.value";
            tx.execute(sql, args![ENDINGS, mark]).await?;
        }
        tx.commit().await?;
        Ok(ended)
    }

    /// Differs from an earlier answer when sign-ins were ended between the two.
    pub async fn endings(&self) -> Result<Option<String>, StoreError> {
        self.0.settings().get(ENDINGS).await
    }

    /// The hashes of all sign-ins that were not ended.
    pub async fn all(&self) -> Result<HashSet<String>, StoreError> {
        let rows = self.0.all("SELECT token_hash FROM web_sessions", vec![]).await?;
        rows.iter().map(|row| row.text("token_hash")).collect()
    }

    /// The sign-in lasts until then at least; nothing for one that was ended.
    pub async fn extend(&self, token_hash: &str, until_us: i64) -> Result<(), StoreError> {
        let sql = "UPDATE web_sessions SET expires_us = $2
                   WHERE token_hash = $1 AND expires_us < $2";
        self.0.execute(sql, args![token_hash, until_us]).await.map(drop)
    }

    pub async fn delete_expired(&self, now_us: i64) -> Result<u64, StoreError> {
        self.0.execute("DELETE FROM web_sessions WHERE expires_us <= $1", args![now_us]).await
    }
}
