//! Accounts: how a person signs in.

use super::audit::{self, AuditEntry};
use super::db::{Row, Store, args};
use super::error::StoreError;
use crate::domain::{AccountId, PersonId};

#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub person_id: PersonId,
    pub login: String,
    /// PHC string of argon2.
    pub password_hash: String,
    pub must_change_password: bool,
    /// 大字版
    pub large_type: bool,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("id", &self.id).finish_non_exhaustive()
    }
}

pub struct Accounts<'a>(pub(super) &'a Store);

const COLUMNS: &str = "SELECT id, person_id, login, password_hash, must_change_password, large_type
                       FROM accounts";

fn account(row: &Row) -> Result<Account, StoreError> {
    Ok(Account {
        id: row.id("id")?,
        person_id: row.id("person_id")?,
        login: row.text("login")?,
        password_hash: row.text("password_hash")?,
        must_change_password: row.flag("must_change_password")?,
        large_type: row.flag("large_type")?,
    })
}

impl Accounts<'_> {
    /// # Errors
    /// [`StoreError::Conflict`] if the login or the person has an account already.
    pub async fn create(&self, a: &Account) -> Result<(), StoreError> {
        let sql = "INSERT INTO accounts
                     (id, person_id, login, password_hash, must_change_password, large_type)
                   VALUES ($1, $2, $3, $4, $5, $6)";
        let args = args![
            a.id,
            a.person_id,
            &a.login,
            &a.password_hash,
            a.must_change_password,
            a.large_type,
        ];
        self.0.execute(sql, args).await.map(drop)
    }

    /// As [`Accounts::create`], in the audit trail.
    ///
    /// # Errors
    /// As there.
    pub async fn create_on_record(&self, a: &Account, by: &AuditEntry) -> Result<(), StoreError> {
        let sql = "INSERT INTO accounts
                     (id, person_id, login, password_hash, must_change_password, large_type)
                   VALUES ($1, $2, $3, $4, $5, $6)";
        let flags = (a.must_change_password, a.large_type);
        let args = args![a.id, a.person_id, &a.login, &a.password_hash, flags.0, flags.1];
        let mut tx = self.0.begin().await?;
        tx.execute(sql, args).await?;
        audit::write(&mut tx, by).await?;
        tx.commit().await
    }

    pub async fn get(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = $1"));
        self.0.first(sql, args![id]).await?.as_ref().map(account).transpose()
    }

    pub async fn by_person(&self, person: PersonId) -> Result<Option<Account>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE person_id = $1"));
        self.0.first(sql, args![person]).await?.as_ref().map(account).transpose()
    }

    pub async fn by_login(&self, login: &str) -> Result<Option<Account>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE login = $1"));
        self.0.first(sql, args![login]).await?.as_ref().map(account).transpose()
    }

    pub async fn count(&self) -> Result<i64, StoreError> {
        let row = self.0.first("SELECT COUNT(*) AS n FROM accounts", vec![]).await?;
        row.map_or(Ok(0), |r| r.int("n"))
    }

    /// # Errors
    /// [`StoreError::NotFound`] for an unknown account.
    pub async fn set_password(
        &self,
        id: AccountId,
        password_hash: &str,
        must_change: bool,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE accounts SET password_hash = $2, must_change_password = $3 WHERE id = $1";
        found(self.0.execute(sql, args![id, password_hash, must_change]).await?)
    }

    /// # Errors
    /// [`StoreError::NotFound`] for an unknown account.
    pub async fn set_large_type(&self, id: AccountId, on: bool) -> Result<(), StoreError> {
        let sql = "UPDATE accounts SET large_type = $2 WHERE id = $1";
        found(self.0.execute(sql, args![id, on]).await?)
    }
}

fn found(rows: u64) -> Result<(), StoreError> {
    if rows == 0 { Err(StoreError::NotFound("account")) } else { Ok(()) }
}
