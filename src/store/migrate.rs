//! Ordered migrations, embedded. Each runs once in its own transaction and never changes after a
//! release; what differs between the engines is in a file of its own, or empty.

use std::time::{SystemTime, UNIX_EPOCH};

use super::db::{Engine, Store, args};
use super::error::StoreError;

struct Migration {
    version: i64,
    name: &'static str,
    both: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "base",
        both: include_str!("migrations/0001_base.sql"),
        sqlite: include_str!("migrations/0001_append_only.sqlite.sql"),
        postgres: include_str!("migrations/0001_append_only.postgres.sql"),
    },
    Migration {
        version: 2,
        name: "orgs",
        both: include_str!("migrations/0002_orgs.sql"),
        sqlite: include_str!("migrations/0002_orgs.sqlite.sql"),
        postgres: include_str!("migrations/0002_orgs.postgres.sql"),
    },
    Migration {
        version: 3,
        name: "attendance",
        both: include_str!("migrations/0003_attendance.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        version: 4,
        name: "ballots",
        both: include_str!("migrations/0004_ballots.sql"),
        sqlite: include_str!("migrations/0004_ballots.sqlite.sql"),
        postgres: include_str!("migrations/0004_ballots.postgres.sql"),
    },
    Migration {
        version: 5,
        name: "minutes",
        both: include_str!("migrations/0005_minutes.sql"),
        sqlite: include_str!("migrations/0005_append_only.sqlite.sql"),
        postgres: include_str!("migrations/0005_append_only.postgres.sql"),
    },
];

/// Number that only we lock with; keeps two servers from migrating at once.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7214095513)";

pub(super) async fn run(store: &Store) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    if store.engine() == Engine::Postgres {
        tx.script(LOCK).await?;
    }
    tx.script(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
           version BIGINT PRIMARY KEY, name TEXT NOT NULL, at_us BIGINT NOT NULL)",
    )
    .await?;
    let done = done_in(&mut tx).await?;
    let newest = done.iter().copied().max().unwrap_or(0);
    if newest > MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0) {
        return Err(StoreError::Invalid("the database was made by a newer version".into()));
    }
    for migration in MIGRATIONS.iter().filter(|m| !done.contains(&m.version)) {
        let own = match store.engine() {
            Engine::Sqlite => migration.sqlite,
            Engine::Postgres => migration.postgres,
        };
        for script in [migration.both, own].into_iter().filter(|script| !script.is_empty()) {
            tx.script(script).await?;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        tx.execute(
            "INSERT INTO schema_migrations (version, name, at_us) VALUES ($1, $2, $3)",
            args![migration.version, migration.name, i64::try_from(now).unwrap_or(i64::MAX)],
        )
        .await?;
    }
    tx.commit().await
}

/// Versions that this database has; a branch may have brought a higher one before a lower.
async fn done_in(tx: &mut super::db::Tx) -> Result<std::collections::BTreeSet<i64>, StoreError> {
    let mut done = std::collections::BTreeSet::new();
    for migration in MIGRATIONS {
        let sql = "SELECT version FROM schema_migrations WHERE version = $1";
        if tx.first(sql, args![migration.version]).await?.is_some() {
            done.insert(migration.version);
        }
    }
    let newest = tx.first("SELECT MAX(version) AS newest FROM schema_migrations", vec![]).await?;
    if let Some(newest) = newest.map(|row| row.opt_int("newest")).transpose()?.flatten() {
        done.insert(newest);
    }
    Ok(done)
}
