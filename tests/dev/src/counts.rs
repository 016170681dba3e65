//! `cargo dev bench --counts`: instructions of the packet path, beside those in the repository.
//!
//! Times move with the machine; instructions move with the code. A count that has grown by more
//! than the tolerance fails; who means it writes the new ones down with `--counts save`.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Stdio;

use crate::{packages, place, run};

/// Of the crate in Cargo.toml: the two only understand each other in the same version.
const RUNNER: &str = "0.20.0";
/// Hash maps and keys are seeded anew in each run: counts move by some tenths of a percent.
const TOLERANCE_PERCENT: f64 = 2.0;

/// Name and instructions, in the order of the benchmark.
type Counts = Vec<(String, u64)>;

pub fn compare() -> Result<(), String> {
    // Nothing kept yet is no fault: all are shown as new.
    let text = std::fs::read_to_string(file()).unwrap_or_default();
    let (table, grown) = table(&read(&text), &count()?);
    print!("{table}");
    if grown { Err("instructions have grown".into()) } else { Ok(()) }
}

pub fn save() -> Result<(), String> {
    let counts = count()?;
    let mut text = String::new();
    for (name, count) in &counts {
        let _ = writeln!(text, "{count:>8} {name}");
    }
    print!("{text}");
    std::fs::write(file(), text).map_err(|e| format!("{}: {e}", file().display()))
}

fn file() -> PathBuf {
    place::root().join("media/benches/counts.txt")
}

fn count() -> Result<Counts, String> {
    packages::ensure(packages::COUNTS)?;
    let runner = runner()?;
    let mut bench = run::cargo(&[
        "bench",
        "--package=media-benches",
        "--features=counts",
        "--bench=packet_path",
    ]);
    bench.env("GUNGRAUN_RUNNER", runner).env("GUNGRAUN_COLOR", "never").env("NO_COLOR", "1");
    let output = bench.stderr(Stdio::inherit()).output().map_err(|e| format!("cargo: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err(format!("{text}\nfailed ({}): cargo bench", output.status));
    }
    let counts = parse(&text);
    if counts.is_empty() { Err(format!("no counts in:\n{text}")) } else { Ok(counts) }
}

/// The runner, built once per user.
fn runner() -> Result<PathBuf, String> {
    let tools = place::cache_dir().join("tools");
    let program = tools.join("bin/gungraun-runner");
    if !program.exists() {
        let root = tools.display().to_string();
        let version = ["install", "--locked", "--quiet", "gungraun-runner", "--version", RUNNER];
        let mut install = run::cargo(&version);
        install.args(["--root", &root]);
        run::finish(install)?;
    }
    Ok(program)
}

/// Reads what gungraun prints: a line that names a benchmark, then its figures, indented.
fn parse(text: &str) -> Counts {
    let mut counts = Counts::new();
    let mut name = None;
    for line in text.lines() {
        // File, group, function and its case, a colon, and the case's arguments.
        let function = line.splitn(3, "::").nth(2).filter(|_| !line.starts_with(' '));
        if let Some(function) = function {
            name = function.split(':').next().map(str::to_owned);
        }
        let figure = line.trim_start().strip_prefix("Instructions:");
        let count = figure.and_then(|rest| rest.trim_start().split('|').next()?.parse().ok());
        if let (Some(count), Some(name)) = (count, name.take_if(|_| count.is_some())) {
            counts.push((name, count));
        }
    }
    counts
}

fn read(text: &str) -> Counts {
    text.lines()
        .filter_map(|line| {
            let (count, name) = line.trim().split_once(' ')?;
            Some((name.to_owned(), count.parse().ok()?))
        })
        .collect()
}

/// Both side by side, and whether one has grown.
fn table(kept: &Counts, now: &Counts) -> (String, bool) {
    let (mut out, mut grown) = (String::new(), false);
    for (name, count) in now {
        let before = kept.iter().find(|(kept, _)| kept == name).map(|(_, count)| *count);
        let Some(before) = before else {
            let _ = writeln!(out, "{count:>8}  {:>8}  {name}: not kept yet", "");
            continue;
        };
        let percent = (*count as f64 / before as f64 - 1.0) * 100.0;
        let more = percent > TOLERANCE_PERCENT;
        grown |= more;
        let word = if more { "  GROWN" } else { "" };
        let _ = writeln!(out, "{count:>8}  {percent:>+7.1}%  {name}{word}");
    }
    (out, grown)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
packet_path::packet::parse video:packet(1)
  Instructions:                 210|N/A                  (*********)
  L1 Hits:                      300|N/A                  (*********)
packet_path::packet::seal gcm:sealer(Profile::AeadAes128Gcm)
  Instructions:                2900|2800                 (+3.57143%) [+1.03571x]
";

    #[test]
    fn counts_are_read_from_what_is_printed() {
        let name = |text: &str| text.to_owned();
        let expected = vec![(name("parse video"), 210), (name("seal gcm"), 2_900)];
        assert_eq!(parse(PRINTED), expected);
    }

    #[test]
    fn what_has_grown_beyond_the_tolerance_is_found() {
        let kept = read("     210 parse video\n    2800 seal gcm\n");
        let now = |seal| vec![("parse video".to_owned(), 211), ("seal gcm".to_owned(), seal)];
        assert!(!table(&kept, &now(2_850)).1);
        assert!(table(&kept, &now(2_900)).1);
        assert!(!table(&kept, &now(2_000)).1, "less is no fault");
    }
}
