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
    let newest = tx
        .first("SELECT COALESCE(MAX(version), 0) AS newest FROM schema_migrations", vec![])
        .await?
        .map_or(Ok(0), |row| row.int("newest"))?;
    if newest > MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0) {
        return Err(StoreError::Invalid("the database was made by a newer version".into()));
    }
    for migration in MIGRATIONS.iter().filter(|m| m.version > newest) {
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
