//! Running other programs: one step, one line about it, one clear sentence when it fails.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// A command in the repository with the shared target folder set.
pub fn command(program: impl AsRef<OsStr>, args: &[&str], dir: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(dir)
        .env("CARGO_TARGET_DIR", crate::place::target_dir())
        .stdin(Stdio::null());
    command
}

pub fn cargo(args: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = command(program, args, &crate::place::root());
    // Set by the cargo that started us; wrong for the packages that we build.
    for key in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
        command.env_remove(key);
    }
    command
}

/// Runs to the end with our own output; a failure names the command.
pub fn finish(mut command: Command) -> Result<(), String> {
    let shown = show(&command);
    let status = command.status().map_err(|error| format!("cannot start {shown}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("failed ({status}): {shown}")) }
}

fn show(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}

/// The steps of one gate run, each with its written time budget in seconds.
#[derive(Default)]
pub struct Steps {
    lines: Vec<String>,
    failed: usize,
}

impl Steps {
    /// Runs a step even after another failed, so that one run shows everything that is wrong.
    pub fn step(&mut self, name: &str, budget_s: u64, work: impl FnOnce() -> Result<(), String>) {
        println!("\n== {name} (budget {budget_s} s)");
        let begun = Instant::now();
        let result = work();
        let took = begun.elapsed().as_secs();
        let word = match &result {
            Err(_) => "FAILED",
            Ok(()) if took > budget_s => "ok, over budget",
            Ok(()) => "ok",
        };
        if let Err(message) = &result {
            self.failed += 1;
            println!("{}", message.trim_end());
        }
        self.lines.push(format!("{word:>15}  {took:>5} s of {budget_s:>4}  {name}"));
    }

    pub fn close(self) -> Result<(), String> {
        println!("\n== summary");
        for line in &self.lines {
            println!("{line}");
        }
        let passed = self.lines.len() - self.failed;
        println!("{passed} passed, {} failed", self.failed);
        if self.failed == 0 { Ok(()) } else { Err(format!("{} step(s) failed", self.failed)) }
    }
}
