//! One thin layer over both engines: a value, a row, a transaction. Everything above is plain SQL
//! that both read.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{
    Arguments as _, Connection as _, PgConnection, Postgres, Row as _, SqlSafeStr, Sqlite,
    Transaction,
};

use super::error::StoreError;
use crate::domain::ids::InvalidId;

/// Longest wait for a connection, and for another writer of SQLite.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest statement on PostgreSQL, milliseconds.
const STATEMENT_TIMEOUT_MS: &str = "15000";
/// Pages the one writing connection of SQLite keeps, in KiB (negative: that is how SQLite says so).
/// It mostly appends; the usual 2 MiB would fill over the first hour of a meeting and look like a
/// leak.
const WRITER_CACHE_KIB: &str = "-512";

/// PostgreSQL's `too_many_connections`.
const FULL_HOUSE: &str = "53300";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// A handle to the database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pools: Pools,
    /// Set while the journal's writer keeps a spool: until the database has all of it, it is asked
    /// nothing, so that nobody waits for it in vain or reads half a journal.
    away: Arc<AtomicBool>,
}

#[derive(Debug, Clone)]
enum Pools {
    /// SQLite has one writer at a time: one connection for it queues in order instead of by luck.
    Sqlite {
        read: SqlitePool,
        write: SqlitePool,
    },
    Postgres(PgPool),
}

impl Store {
    /// Opens `postgres://…` or a SQLite file (`sqlite://PATH`, made if missing) and brings its
    /// schema up to date. `migration_url`: PostgreSQL as a role that may change the schema, so that
    /// the serving role needs no more than SELECT, INSERT and, except on the journal, UPDATE and
    /// DELETE.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database cannot be reached or opened.
    pub async fn connect(url: &str, migration_url: Option<&str>) -> Result<Self, StoreError> {
        let store = Self::open(url).await?;
        match migration_url {
            Some(other) => {
                let migrating = Self::open(other).await?;
                super::migrate::run(&migrating).await?;
                super::grants::grant(&migrating, &store).await?;
                migrating.close().await;
            }
            None => super::migrate::run(&store).await?,
        }
        Ok(store)
    }

    /// Opens the SQLite file of a data folder, `yuntang.db`.
    ///
    /// # Errors
    /// As [`Store::connect`].
    pub async fn connect_folder(data: &Path) -> Result<Self, StoreError> {
        let store = Self::open_sqlite(&data.join("yuntang.db")).await?;
        super::migrate::run(&store).await?;
        Ok(store)
    }

    async fn open(url: &str) -> Result<Self, StoreError> {
        if let Some(path) = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")) {
            return Self::open_sqlite(Path::new(path)).await;
        }
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(StoreError::Invalid(
                "a database URL starts with postgres: or sqlite:".into(),
            ));
        }
        let options = PgConnectOptions::from_str(url)?
            .options([("statement_timeout", STATEMENT_TIMEOUT_MS)])
            .application_name("yuntang");
        let pool = PgPoolOptions::new()
            .max_connections(16)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options)
            .await?;
        Ok(Self::of(Pools::Postgres(pool)))
    }

    async fn open_sqlite(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            // What was deleted is overwritten: ballots do not linger in free pages.
            .pragma("secure_delete", "ON")
            .foreign_keys(true)
            .busy_timeout(ACQUIRE_TIMEOUT);
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone().pragma("cache_size", WRITER_CACHE_KIB))
            .await?;
        let read = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options)
            .await?;
        Ok(Self::of(Pools::Sqlite { read, write }))
    }

    fn of(pools: Pools) -> Self {
        Self { pools, away: Arc::default() }
    }

    /// For the journal's writer, who finds out when the database is back: the same connections,
    /// whatever [`Store::set_away`] says.
    pub(super) fn for_writer(&self) -> Self {
        Self::of(self.pools.clone())
    }

    /// Everybody else is told at once that the database is away.
    pub(super) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    fn reachable(&self) -> Result<(), StoreError> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(StoreError::Unavailable("the database is away".into())),
            false => Ok(()),
        }
    }

    /// Asks the database server itself, past the pool; a file is always there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it cannot be reached.
    pub(super) async fn knock(&self) -> Result<(), StoreError> {
        match &self.pools {
            Pools::Sqlite { .. } => self.ping().await,
            Pools::Postgres(pool) => {
                match PgConnection::connect_with(&pool.connect_options()).await {
                    Ok(mut connection) => {
                        connection.ping().await?;
                        Ok(connection.close().await?)
                    }
                    // There is a server without a place for one more: those of the pool may do.
                    Err(sqlx::Error::Database(e)) if e.code().as_deref() == Some(FULL_HOUSE) => {
                        self.ping().await
                    }
                    Err(error) => Err(error.into()),
                }
            }
        }
    }

    pub fn engine(&self) -> Engine {
        match self.pools {
            Pools::Sqlite { .. } => Engine::Sqlite,
            Pools::Postgres(_) => Engine::Postgres,
        }
    }

    /// SQLite: everything in the write-ahead log goes into the file and the log is emptied.
    /// Nothing to do on PostgreSQL.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] while somebody still reads from it.
    pub(super) async fn truncate_log(&self) -> Result<(), StoreError> {
        let Pools::Sqlite { write, .. } = &self.pools else { return Ok(()) };
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(write).await?;
        let busy: i64 = row.try_get(0)?;
        match busy {
            0 => Ok(()),
            _ => Err(StoreError::Unavailable("the write-ahead log is being read".into())),
        }
    }

    /// For `/readyz`: asks the database one question.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if no answer comes.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.all("SELECT 1 AS one", vec![]).await.map(drop)
    }

    /// Closes all connections; on SQLite this folds the write-ahead log into the file.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }

    pub(super) async fn begin(&self) -> Result<Tx, StoreError> {
        self.reachable()?;
        Ok(match &self.pools {
            // IMMEDIATE: a transaction that turns from reading to writing half-way may fail.
            Pools::Sqlite { write, .. } => Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Pools::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Rows of a query that changes nothing.
    pub(super) async fn all(
        &self,
        sql: impl SqlSafeStr,
        args: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        self.reachable()?;
        let sql = sql.into_sql_str();
        Ok(match &self.pools {
            Pools::Sqlite { read, .. } => {
                let rows = sqlx::query_with(sql, sqlite(args)?).fetch_all(read).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Pools::Postgres(pool) => {
                let rows = sqlx::query_with(sql, postgres(args)?).fetch_all(pool).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    pub(super) async fn first(
        &self,
        sql: impl SqlSafeStr,
        args: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.all(sql, args).await?.into_iter().next())
    }

    /// One change; the number of rows it touched.
    pub(super) async fn execute(
        &self,
        sql: impl SqlSafeStr,
        args: Vec<Value>,
    ) -> Result<u64, StoreError> {
        self.reachable()?;
        let sql = sql.into_sql_str();
        Ok(match &self.pools {
            Pools::Sqlite { write, .. } => {
                sqlx::query_with(sql, sqlite(args)?).execute(write).await?.rows_affected()
            }
            Pools::Postgres(pool) => {
                sqlx::query_with(sql, postgres(args)?).execute(pool).await?.rows_affected()
            }
        })
    }
}

/// A transaction; dropped without [`Tx::commit`] it never was.
pub(super) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub async fn execute(
        &mut self,
        sql: impl SqlSafeStr,
        args: Vec<Value>,
    ) -> Result<u64, StoreError> {
        let sql = sql.into_sql_str();
        Ok(match self {
            Self::Sqlite(tx) => {
                sqlx::query_with(sql, sqlite(args)?).execute(&mut **tx).await?.rows_affected()
            }
            Self::Postgres(tx) => {
                sqlx::query_with(sql, postgres(args)?).execute(&mut **tx).await?.rows_affected()
            }
        })
    }

    pub async fn first(
        &mut self,
        sql: impl SqlSafeStr,
        args: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        let sql = sql.into_sql_str();
        Ok(match self {
            Self::Sqlite(tx) => sqlx::query_with(sql, sqlite(args)?)
                .fetch_optional(&mut **tx)
                .await?
                .map(Row::Sqlite),
            Self::Postgres(tx) => sqlx::query_with(sql, postgres(args)?)
                .fetch_optional(&mut **tx)
                .await?
                .map(Row::Postgres),
        })
    }

    pub async fn all(
        &mut self,
        sql: impl SqlSafeStr,
        args: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        let sql = sql.into_sql_str();
        Ok(match self {
            Self::Sqlite(tx) => {
                let rows = sqlx::query_with(sql, sqlite(args)?).fetch_all(&mut **tx).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(tx) => {
                let rows = sqlx::query_with(sql, postgres(args)?).fetch_all(&mut **tx).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// A whole script without parameters.
    pub async fn script(&mut self, sql: &'static str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => sqlx::raw_sql(sql).execute(&mut **tx).await.map(drop)?,
            Self::Postgres(tx) => sqlx::raw_sql(sql).execute(&mut **tx).await.map(drop)?,
        }
        Ok(())
    }

    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// A parameter. Its type is known even when it is null, as PostgreSQL wants.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(Option<String>),
    Int(Option<i64>),
}

macro_rules! from_display {
    ($($t:ty),*) => {$(
        impl From<$t> for Value {
            fn from(v: $t) -> Self {
                Self::Text(Some(v.to_string()))
            }
        }

        impl From<Option<$t>> for Value {
            fn from(v: Option<$t>) -> Self {
                Self::Text(v.map(|v| v.to_string()))
            }
        }
    )*};
}

macro_rules! from_int {
    ($($t:ty),*) => {$(
        impl From<$t> for Value {
            fn from(v: $t) -> Self {
                Self::Int(Some(i64::from(v)))
            }
        }

        impl From<Option<$t>> for Value {
            fn from(v: Option<$t>) -> Self {
                Self::Int(v.map(i64::from))
            }
        }
    )*};
}

from_display!(
    &str,
    String,
    &String,
    crate::domain::AccountId,
    crate::domain::BallotId,
    crate::domain::ChatId,
    crate::domain::OrgId,
    crate::domain::PersonId,
    crate::domain::RenderJobId,
    crate::domain::SessionId,
    crate::journal::Actor,
    crate::journal::Digest
);
from_int!(i64, u32, bool);

/// `args![a, b]`: parameters `$1`, `$2`, …
macro_rules! args {
    ($($v:expr),* $(,)?) => { vec![$($crate::store::db::Value::from($v)),*] };
}
pub(super) use args;

fn sqlite(args: Vec<Value>) -> Result<SqliteArguments, StoreError> {
    let mut out = SqliteArguments::default();
    for arg in args {
        let added = match arg {
            Value::Text(v) => sqlx::Arguments::add(&mut out, v),
            Value::Int(v) => sqlx::Arguments::add(&mut out, v),
        };
        added.map_err(|e| StoreError::Database(sqlx::Error::Encode(e)))?;
    }
    Ok(out)
}

fn postgres(args: Vec<Value>) -> Result<PgArguments, StoreError> {
    let mut out = PgArguments::default();
    for arg in args {
        let added = match arg {
            Value::Text(v) => out.add(v),
            Value::Int(v) => out.add(v),
        };
        added.map_err(|e| StoreError::Database(sqlx::Error::Encode(e)))?;
    }
    Ok(out)
}

/// One row, read by column names.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    pub fn opt_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        let value = match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        };
        value.map_err(|_| StoreError::Corrupt(column))
    }

    pub fn opt_int(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        let value = match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        };
        value.map_err(|_| StoreError::Corrupt(column))
    }

    pub fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.opt_text(column)?.ok_or(StoreError::Corrupt(column))
    }

    pub fn int(&self, column: &'static str) -> Result<i64, StoreError> {
        self.opt_int(column)?.ok_or(StoreError::Corrupt(column))
    }

    pub fn uint(&self, column: &'static str) -> Result<u32, StoreError> {
        u32::try_from(self.int(column)?).map_err(|_| StoreError::Corrupt(column))
    }

    pub fn flag(&self, column: &'static str) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }

    pub fn id<T: FromStr<Err = InvalidId>>(&self, column: &'static str) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|_| StoreError::Corrupt(column))
    }

    pub fn opt_id<T: FromStr<Err = InvalidId>>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let text = self.opt_text(column)?;
        text.map(|t| t.parse().map_err(|_| StoreError::Corrupt(column))).transpose()
    }

    /// A value stored as one of our stable words.
    pub fn word<T>(
        &self,
        column: &'static str,
        from_id: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        from_id(&self.text(column)?).ok_or(StoreError::Corrupt(column))
    }

    pub fn json<T: serde::de::DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|_| StoreError::Corrupt(column))
    }
}
