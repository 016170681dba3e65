//! Databases for tests: a SQLite folder each, and one PostgreSQL for the whole test binary.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{Connection as _, PgConnection};
use yuntang::store::Store;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// An empty, migrated database; gone when dropped (PostgreSQL: with the server).
pub struct TestDb {
    pub store: Store,
    pub url: String,
    folder: Option<PathBuf>,
}

impl TestDb {
    pub async fn sqlite() -> Self {
        let n = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("yuntang-it-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let url = format!("sqlite://{}", folder.join("yuntang.db").display());
        let store = Store::connect(&url, None).await.unwrap();
        Self { store, url, folder: Some(folder) }
    }

    pub async fn postgres() -> Self {
        let server = Postgres::running();
        let name = format!("t{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut admin = PgConnection::connect(&server.url("postgres")).await.unwrap();
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(create).execute(&mut admin).await.unwrap();
        admin.close().await.unwrap();
        let url = server.url(&name);
        let store = Store::connect(&url, None).await.unwrap();
        Self { store, url, folder: None }
    }

    /// SQL past the store, as somebody with the database would do it; the database's message if it
    /// refuses.
    pub async fn raw(&self, sql: &'static str) -> Result<(), String> {
        if self.folder.is_some() {
            let mut c = sqlx::SqliteConnection::connect(&self.url).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut c).await.map(drop).map_err(|e| e.to_string())
        } else {
            let mut c = PgConnection::connect(&self.url).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut c).await.map(drop).map_err(|e| e.to_string())
        }
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// Debian's server on a socket in a temporary folder. A shell holds it and stops it, and removes the
/// folder, when its standard input ends: that is when this process does, however it ends.
pub struct Postgres {
    socket: String,
    shell: Child,
    words: BufReader<ChildStdout>,
}

/// A PostgreSQL of one test alone, which may stop and start it.
pub struct OwnPostgres {
    server: Postgres,
    pub url: String,
}

impl OwnPostgres {
    /// With one empty database.
    pub async fn start() -> Self {
        let server = tokio::task::spawn_blocking(Postgres::start).await.unwrap();
        let url = server.url("postgres");
        Self { server, url }
    }

    /// `fast` ends its connections, `immediate` falls over.
    pub fn stop(&mut self, mode: &str) {
        self.tell(mode);
    }

    pub fn start_again(&mut self) {
        self.tell("start");
    }

    fn tell(&mut self, word: &str) {
        let stdin = self.server.shell.stdin.as_mut().unwrap();
        writeln!(stdin, "{word}").unwrap();
        let mut answer = String::new();
        self.server.words.read_line(&mut answer).unwrap();
        assert_eq!(answer, "done\n", "PostgreSQL did not {word}");
    }
}

const BIN: &str = "/usr/lib/postgresql/15/bin";

const SCRIPT: &str = r#"
set -e
dir=$(mktemp -d)
stop() { "$BIN/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$dir"; }
trap stop EXIT
trap 'exit 1' INT TERM
"$BIN/initdb" -D "$dir/data" -U yuntang -A trust -E UTF8 --locale=C --no-sync >"$dir/log" 2>&1 \
  || { cat "$dir/log" >&2; exit 1; }
"$BIN/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 30 \
  -o "-c listen_addresses='' -c max_connections=300 -k $dir" start >/dev/null \
  || { cat "$dir/log" >&2; exit 1; }
echo "$dir"
while read -r word; do
  case $word in
    start) "$BIN/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 30 \
      -o "-c listen_addresses='' -c max_connections=300 -k $dir" start >/dev/null ;;
    *) "$BIN/pg_ctl" -D "$dir/data" -m "$word" -w stop >/dev/null ;;
  esac
  echo done
done
"#;

/// Whether Debian's PostgreSQL 15 is here.
pub fn installed() -> bool {
    Path::new(BIN).join("initdb").exists()
}

impl Postgres {
    pub fn running() -> &'static Self {
        static SERVER: OnceLock<Postgres> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    fn start() -> Self {
        assert!(
            installed(),
            "PostgreSQL 15 is not installed; run: apt-get install -y postgresql-15"
        );
        let as_root = std::fs::metadata("/proc/self").is_ok_and(|m| {
            use std::os::unix::fs::MetadataExt as _;
            m.uid() == 0
        });
        // initdb refuses to run as root.
        let mut command = if as_root {
            let mut c = Command::new("setpriv");
            c.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "sh", "-c", SCRIPT]);
            c
        } else {
            let mut c = Command::new("sh");
            c.args(["-c", SCRIPT]);
            c
        };
        let mut shell = command
            .env("BIN", BIN)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut socket = String::new();
        let mut words = BufReader::new(shell.stdout.take().unwrap());
        words.read_line(&mut socket).unwrap();
        let socket = socket.trim_end().to_owned();
        assert!(!socket.is_empty(), "PostgreSQL did not start; see above");
        Self { socket, shell, words }
    }

    pub fn url(&self, database: &str) -> String {
        self.url_as("yuntang", database)
    }

    pub fn url_as(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@localhost/{database}?host={}", self.socket)
    }
}

/// Runs each function on both engines.
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::store_support::TestDb::sqlite().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::store_support::TestDb::postgres().await).await;
            })*
        }
    };
}
pub(crate) use on_both_engines;
