//! What the serving role of PostgreSQL may do, when another role migrates and owns the tables.
//!
//! The owner grants after every migration, so that new tables are covered without anybody's
//! thinking of it: everything on ordinary tables, only SELECT and INSERT on those below, nothing
//! on the list of migrations but reading it. On SQLite and where one role does both, triggers are
//! the guard.

use sqlx::AssertSqlSafe;

use super::db::{Engine, Store, args};
use super::error::StoreError;

/// Tables whose rows are never changed and never deleted, by anybody.
pub const APPEND_ONLY: &[&str] = &[
    "journals",
    "journal",
    "minutes_versions",
    "daily_chains",
    "daily_entries",
    "org_edges",
    "audit",
];

/// As `owner`, gives the role behind `serving` what a server needs and no more.
///
/// # Errors
/// When the database refuses, e.g. because `owner` does not own the tables.
pub(super) async fn grant(owner: &Store, serving: &Store) -> Result<(), StoreError> {
    if owner.engine() != Engine::Postgres || serving.engine() != Engine::Postgres {
        return Ok(());
    }
    let who = |store: Store| async move {
        let sql = "SELECT quote_ident(current_user) AS quoted, current_user::text AS role";
        let row = store.first(sql, vec![]).await?.ok_or(StoreError::NotFound("role"))?;
        Ok::<_, StoreError>((row.text("quoted")?, row.text("role")?))
    };
    let (role, name) = who(serving.clone()).await?;
    if who(owner.clone()).await?.1 == name {
        return Ok(());
    }
    let sql = "SELECT quote_ident(schemaname) AS schema, quote_ident(tablename) AS quoted,
                 tablename::text AS name
               FROM pg_tables WHERE schemaname = current_schema() AND tableowner = current_user
               ORDER BY tablename";
    let tables = owner.all(sql, vec![]).await?;
    let mut tx = owner.begin().await?;
    for (n, row) in tables.iter().enumerate() {
        let (schema, table, name) = (row.text("schema")?, row.text("quoted")?, row.text("name")?);
        if n == 0 {
            let sql = format!("GRANT USAGE ON SCHEMA {schema} TO {role}");
            tx.execute(AssertSqlSafe(sql), args![]).await?;
        }
        let rights = match name.as_str() {
            "schema_migrations" => "SELECT",
            name if APPEND_ONLY.contains(&name) => "SELECT, INSERT",
            _ => "SELECT, INSERT, UPDATE, DELETE",
        };
        for sql in [
            format!("REVOKE ALL ON {schema}.{table} FROM {role}"),
            format!("GRANT {rights} ON {schema}.{table} TO {role}"),
        ] {
            tx.execute(AssertSqlSafe(sql), args![]).await?;
        }
    }
    tx.commit().await
}
