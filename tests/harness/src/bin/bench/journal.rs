//! The journal's figures, measured by a program of the server's package (`tests/bench/journal.rs`):
//! this one does not link the server.

use std::fmt::Write;
use std::io;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub struct Journal {
    pub callers: u32,
    pub events: u32,
    /// Durable before the caller goes on.
    pub events_per_second: f64,
    pub one_caller_per_second: f64,
    /// 99 of 100 calls were acknowledged within this time.
    pub p99_ms: f64,
    /// The same on PostgreSQL; absent where it is not installed.
    pub postgres_events_per_second: Option<f64>,
    pub postgres_one_caller_per_second: Option<f64>,
    pub postgres_p99_ms: Option<f64>,
    pub fold_people: u32,
    pub fold_events: u32,
    pub fold_ms: f64,
    pub fold_ms_worst: f64,
    pub lecture_people: u32,
    pub lecture_events: u32,
    pub lecture_fold_ms: f64,
}

pub fn measure(program: &Path) -> io::Result<Journal> {
    let output = Command::new(program).stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{}: {}", program.display(), output.status)));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

pub fn table(journal: &Journal) -> String {
    let mut out = String::new();
    let mut line = |name: String, value: String| {
        let _ = writeln!(out, "{name:<60}{value:>12}");
    };
    line(
        format!("journal, durable events/s by {} callers (goal >= 5000)", journal.callers),
        format!("{:.0}", journal.events_per_second),
    );
    line(
        "journal, durable events/s by one caller".into(),
        format!("{:.0}", journal.one_caller_per_second),
    );
    line("journal, acknowledgement, p99 (ms, goal <= 50)".into(), format!("{:.1}", journal.p99_ms));
    if let (Some(rate), Some(alone), Some(p99)) = (
        journal.postgres_events_per_second,
        journal.postgres_one_caller_per_second,
        journal.postgres_p99_ms,
    ) {
        line("the same on PostgreSQL (goal >= 5000)".into(), format!("{rate:.0}"));
        line("on PostgreSQL by one caller".into(), format!("{alone:.0}"));
        line("on PostgreSQL, p99 (ms, goal <= 50)".into(), format!("{p99:.1}"));
    }
    line(
        format!("fold of {} events (ms, goal <= 20)", journal.fold_events),
        format!("{:.1}", journal.fold_ms),
    );
    line(
        format!("fold of a lecture of {} people (ms, goal <= 1000)", journal.lecture_people),
        format!("{:.1}", journal.lecture_fold_ms),
    );
    out
}
