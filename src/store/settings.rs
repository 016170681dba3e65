//! Small facts of the installation (its id, policy defaults). Keys are files, not rows.

use super::db::{Store, args};
use super::error::StoreError;

pub struct Settings<'a>(pub(super) &'a Store);

impl Settings<'_> {
    pub async fn get(&self, key: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT value FROM settings WHERE key = $1";
        self.0.first(sql, args![key]).await?.map(|row| row.text("value")).transpose()
    }

    pub async fn set(&self, key: &str, value: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO settings (key, value) VALUES ($1, $2)
                   ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        self.0.execute(sql, args![key, value]).await.map(drop)
    }

    /// Writes `value` if there is none, and returns what stands there afterwards.
    pub async fn get_or_set(&self, key: &str, value: &str) -> Result<String, StoreError> {
        let sql = "INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";
        self.0.execute(sql, args![key, value]).await?;
        self.get(key).await?.ok_or(StoreError::NotFound("setting"))
    }
}
