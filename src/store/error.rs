//! What can go wrong with the store, by what the caller does about it.

use crate::journal::Tampered;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Full disk, lost connection, overload: later it may work. Nothing was acknowledged.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// Another value stands there already, or the row has moved on meanwhile.
    #[error("conflict: {0}")]
    Conflict(String),
    #[error("not found: {0}")]
    NotFound(&'static str),
    /// Journal, edges of the tree and audit trail are append-only, also for us.
    #[error("what is written there cannot be changed")]
    AppendOnly,
    /// A stored value is not what was once written.
    #[error("stored {0} is damaged")]
    Corrupt(&'static str),
    #[error("the journal was changed at {0}")]
    Tampered(#[from] Tampered),
    /// The value given cannot be stored.
    #[error("invalid: {0}")]
    Invalid(String),
    /// A bug of ours or an unknown answer of the database.
    #[error("database: {0}")]
    Database(sqlx::Error),
}

/// Raised by the triggers of both engines.
pub(super) const APPEND_ONLY_MESSAGE: &str = "is append-only";

impl From<sqlx::Error> for StoreError {
    fn from(e: sqlx::Error) -> Self {
        use sqlx::Error as E;
        use sqlx::error::ErrorKind as K;
        match e {
            E::Database(db) if db.message().contains(APPEND_ONLY_MESSAGE) => Self::AppendOnly,
            E::Database(db) => match db.kind() {
                K::UniqueViolation => Self::Conflict("it exists already".into()),
                K::ForeignKeyViolation => Self::Conflict(
                    "something it belongs to does not exist, or still needs it".into(),
                ),
                K::CheckViolation | K::NotNullViolation => Self::Invalid(db.message().to_owned()),
                _ if is_transient(db.code().as_deref()) => {
                    Self::Unavailable(db.message().to_owned())
                }
                _ => Self::Database(E::Database(db)),
            },
            E::Io(_)
            | E::PoolTimedOut
            | E::PoolClosed
            | E::WorkerCrashed
            | E::Tls(_)
            // The server went away in the middle of an answer.
            | E::Protocol(_) => {
                Self::Unavailable(e.to_string())
            }
            E::RowNotFound => Self::NotFound("row"),
            E::ColumnDecode { .. } | E::Decode(_) => Self::Corrupt("column"),
            other => Self::Database(other),
        }
    }
}

/// SQLite's primary result codes busy 5, locked 6, I/O 10, full 13, cannot open 14 (the extended
/// code keeps them in its low byte); PostgreSQL's classes 08, 40, 53, 57 and 58.
fn is_transient(code: Option<&str>) -> bool {
    let Some(code) = code else { return false };
    if code.len() == 5 && code.is_ascii() {
        return matches!(&code[..2], "08" | "40" | "53" | "57" | "58");
    }
    code.parse::<u32>().is_ok_and(|n| matches!(n & 0xff, 5 | 6 | 10 | 13 | 14))
}
