//! The server under test: its own process on data of its own, and what the kernel and `/metrics`
//! say of it.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::http::{Account, Demo, Place};

use crate::figures::Sample;

const START: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(500);

pub struct Program {
    child: Child,
    folder: PathBuf,
    pub place: Place,
    /// Everybody who takes part; the first presides.
    pub accounts: Vec<Account>,
    pub session: String,
}

impl Program {
    /// New data with the demo organisation and as many members of the branch as wanted.
    pub fn start(program: &Path, people: usize) -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("yuntang-soak-{}", std::process::id()));
        let data = folder.display().to_string();
        verb(program, &["init", "--demo", "--data", &data])?;
        let demo: Demo = serde_json::from_slice(&std::fs::read(folder.join("demo.json"))?)?;
        let session = demo.sessions.first().ok_or_else(|| io::Error::other("no demo session"))?;
        let secretary = demo.account("secretary")?.clone();
        let mut child = Command::new(program)
            .args(["serve", "--no-open", "--port", "0", "--listen", "127.0.0.1", "--data", &data])
            .env_remove("DATABASE_URL")
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no stdout"))?;
        let mut lines = BufReader::new(stdout).lines();
        let begun = Instant::now();
        let url = loop {
            let line = lines.next().ok_or_else(|| io::Error::other("the server ended"))??;
            if let Some(at) = line.find("http://localhost:") {
                break line[at..].trim().to_owned();
            }
            if begun.elapsed() > START {
                return Err(io::Error::other("the server does not start"));
            }
        };
        // Somebody must read on, or the server blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let place = Place::of(&url)?;
        let mut this =
            Self { child, folder, place, accounts: vec![secretary], session: session.id.clone() };
        let branch = this.place.sign_in(&this.accounts[0])?.branch()?;
        for number in 1..people {
            let account = this.add(program, &data, &branch, number)?;
            this.accounts.push(account);
        }
        this.place.sign_in(&this.accounts[0])?.open(&this.session)?;
        Ok(this)
    }

    fn add(&self, program: &Path, data: &str, org: &str, number: usize) -> io::Result<Account> {
        let login = format!("soak{number}");
        let name = format!("测试党员{number}");
        let said =
            verb(program, &["user", "add", &login, "--data", data, "--name", &name, "--org", org])?;
        let first = said.split_whitespace().last().unwrap_or_default().to_owned();
        let mut account =
            Account { key: login.clone(), login, password: first, name, person_id: String::new() };
        let own = format!("{}-own", account.password);
        self.place.sign_in(&account)?.change_password(&account.password, &own)?;
        account.password = own;
        Ok(account)
    }

    pub fn sample(&self, at: Duration) -> io::Result<Sample> {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = std::fs::read_to_string(proc.join("status"))?;
        let field = |name: &str| -> io::Result<u64> {
            let line = status.lines().find(|line| line.starts_with(name));
            let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
            number.ok_or_else(|| io::Error::other(format!("no {name} in the status")))
        };
        let metrics = self.place.text("/metrics")?;
        let tasks = metrics.lines().find_map(|line| line.strip_prefix("yuntang_runtime_tasks "));
        let tasks = tasks.and_then(|value| value.trim().parse().ok());
        Ok(Sample {
            at,
            memory_mb: field("RssAnon:")? as f64 / 1_024.0,
            files: std::fs::read_dir(proc.join("fd"))?.count() as u64,
            threads: field("Threads:")?,
            tasks: tasks.ok_or_else(|| io::Error::other("/metrics tells no tasks"))?,
        })
    }

    /// Looks until nothing is left over `wanted`, or nothing has changed for a while, at most
    /// `limit`; the last look.
    pub fn settled(&self, limit: Duration, wanted: Option<&Sample>) -> io::Result<Sample> {
        let begun = Instant::now();
        let (mut last, mut same_since) = (self.sample(Duration::ZERO)?, Instant::now());
        loop {
            std::thread::park_timeout(LOOK);
            let now = self.sample(Duration::ZERO)?;
            let counts = |s: &Sample| (s.files, s.threads, s.tasks);
            if counts(&now) != counts(&last) {
                same_since = Instant::now();
            }
            last = now;
            let done = wanted.is_some_and(|w| {
                now.files <= w.files && now.threads <= w.threads && now.tasks <= w.tasks
            });
            // Without a goal: as long as consent and parking take.
            let quiet = wanted.is_none() && same_since.elapsed() > Duration::from_secs(65);
            if done || quiet || begun.elapsed() > limit {
                return Ok(now);
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn verb(program: &Path, arguments: &[&str]) -> io::Result<String> {
    let out = Command::new(program).args(arguments).env_remove("DATABASE_URL").output()?;
    if !out.status.success() {
        let why = String::from_utf8_lossy(&out.stderr).into_owned();
        return Err(io::Error::other(format!("{}: {why}", arguments.join(" "))));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}
