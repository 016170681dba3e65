//! Signed-in browsers, by the hash of their cookie.

use super::db::{Store, args};
use super::error::StoreError;
use crate::domain::AccountId;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSession {
    pub account_id: AccountId,
    pub created_us: i64,
    pub expires_us: i64,
}

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
        self.0.execute(sql, args![token_hash]).await.map(drop)
    }

    /// Sign out everywhere; the number of browsers signed out.
    pub async fn revoke_all(&self, account: AccountId) -> Result<u64, StoreError> {
        self.0.execute("DELETE FROM web_sessions WHERE account_id = $1", args![account]).await
    }

    pub async fn delete_expired(&self, now_us: i64) -> Result<u64, StoreError> {
        self.0.execute("DELETE FROM web_sessions WHERE expires_us <= $1", args![now_us]).await
    }
}
