//! PostgreSQL with two roles: one owns and migrates, the other serves and cannot change what is
//! written once.

use serde_json::json;
use sqlx::{Connection as _, Executor as _, PgConnection};
use yuntang::cli::demo;
use yuntang::clock::Clock;
use yuntang::store::Store;
use yuntang::store::grants::APPEND_ONLY;

use crate::http_support::{NOW_US, TestApp};
use crate::store_support::Postgres;

/// Two ordinary roles and a database of the first.
async fn roles(n: &str) -> (String, String) {
    let server = Postgres::running();
    let mut admin = PgConnection::connect(&server.url("postgres")).await.unwrap();
    for sql in [
        format!("CREATE ROLE owner{n} LOGIN"),
        format!("CREATE ROLE \"Serving-{n}\" LOGIN"),
        format!("CREATE DATABASE roles{n} OWNER owner{n}"),
    ] {
        admin.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    }
    let url = |role: String| server.url_as(&role, &format!("roles{n}"));
    (url(format!("owner{n}")), url(format!("Serving-{n}")))
}

async fn refusal(url: &str, sql: String) -> String {
    let mut c = PgConnection::connect(url).await.unwrap();
    let done = c.execute(sqlx::AssertSqlSafe(sql)).await;
    done.expect_err("must be refused").to_string()
}

#[tokio::test]
async fn the_serving_role_runs_a_meeting_and_cannot_change_its_journal() {
    let (owner, serving) = roles("a").await;
    let store = Store::connect(&serving, Some(&owner)).await.unwrap();
    store.close().await;
    let app = TestApp::start_on_postgres_with(&serving, Some(&owner)).await;
    let secretary = app.open().await;
    let (mut chair, _) = app.enter(&secretary).await;
    for request in [
        json!({"method": "declare_open"}),
        json!({"method": "chat", "text": "同意"}),
        json!({"method": "declare_close"}),
    ] {
        assert_eq!(chair.ask(request).await["reply"]["kind"], "done");
    }
    app.until_ended(&app.session()).await;
    let journal = app.server.app.store.journal();
    let verified = journal.verify(app.session().parse().unwrap(), None).await.unwrap().unwrap();
    assert!(verified.is_signed());

    // By privilege, before any trigger: the words are PostgreSQL's own.
    for table in APPEND_ONLY {
        for sql in [
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table} CASCADE"),
            format!("UPDATE {table} SET org_id = org_id"),
            format!("ALTER TABLE {table} DISABLE TRIGGER ALL"),
            format!("DROP TABLE {table} CASCADE"),
        ] {
            let message = refusal(&serving, sql.clone()).await;
            let column = message.contains("does not exist") && sql.starts_with("UPDATE");
            let refused =
                message.contains("permission denied") || message.contains("must be owner");
            assert!(refused || column, "{sql}: {message}");
        }
    }
    let update = "UPDATE journal SET event = '{}' WHERE seq = 1";
    assert!(refusal(&serving, update.into()).await.contains("permission denied"));
    let migrations = "UPDATE schema_migrations SET name = 'x'";
    assert!(refusal(&serving, migrations.into()).await.contains("permission denied"));
    // The owner meets the trigger, as on SQLite.
    assert!(refusal(&owner, update.into()).await.contains("journal is append-only"));
    app.stop().await;
}

#[tokio::test]
async fn granting_again_takes_back_what_was_given_by_hand() {
    let (owner, serving) = roles("b").await;
    Store::connect(&serving, Some(&owner)).await.unwrap().close().await;
    let mut c = PgConnection::connect(&owner).await.unwrap();
    c.execute("GRANT ALL ON journal TO \"Serving-b\"").await.unwrap();
    let store = Store::connect(&serving, Some(&owner)).await.unwrap();
    demo_accounts(&store).await;
    let update = "UPDATE journal SET event = '{}' WHERE seq = 1";
    assert!(refusal(&serving, update.into()).await.contains("permission denied"));
    store.close().await;
}

/// Ordinary tables are written as before.
async fn demo_accounts(store: &Store) {
    let folder = std::env::temp_dir().join(format!("yuntang-it-{}", uuid::Uuid::new_v4()));
    let config = yuntang::config::Config::new(yuntang::config::DataDir::new(&folder));
    config.data.prepare().unwrap();
    demo::ensure(store, &config, &Clock::fixed(NOW_US)).await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}
