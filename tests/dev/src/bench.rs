//! `cargo dev bench`: the figures of the README, in one run, as a table and JSON.

use std::path::PathBuf;
use std::process::Stdio;

use crate::{counts, packages, place, run};

pub fn bench(args: &[String]) -> Result<(), String> {
    match args {
        [first] if first == "--counts" => return counts::compare(),
        [first, second] if first == "--counts" && second == "save" => return counts::save(),
        _ => {}
    }
    packages::ensure(packages::BUILD)?;
    let built = build()?;
    let mut bench = run::command(place::binary("release", "bench"), &[], &place::root());
    bench.args(args).arg("--journal-program").arg(built);
    run::finish(bench)
}

/// Builds everything in one call, so that it is built with one set of features; gives the journal's
/// measurement, whose file name cargo alone knows.
fn build() -> Result<PathBuf, String> {
    let mut build = run::cargo(&[
        "build",
        "--release",
        "--package=harness",
        "--package=yuntang",
        "--bin=bench",
        "--bench=journal",
        "--message-format=json-render-diagnostics",
    ]);
    let output = build.stderr(Stdio::inherit()).output().map_err(|e| format!("cargo: {e}"))?;
    if !output.status.success() {
        return Err(format!("failed ({}): cargo build of the benchmark", output.status));
    }
    executable(&String::from_utf8_lossy(&output.stdout), "journal")
        .ok_or_else(|| "cargo did not name the journal's measurement".to_owned())
}

/// The program of a benchmark target in cargo's messages, one JSON object a line.
fn executable(messages: &str, target: &str) -> Option<PathBuf> {
    let name = format!("\"name\":\"{target}\"");
    let line = messages
        .lines()
        .find(|line| line.contains("\"kind\":[\"bench\"]") && line.contains(&name))?;
    let (_, rest) = line.split_once("\"executable\":\"")?;
    let (path, _) = rest.split_once('"')?;
    Some(PathBuf::from(path.replace("\\\\", "\\")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"journal"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"kind":["bench"],"name":"journal"},"executable":"/t/deps/journal-1"}"#,
            "\n",
        );
        assert_eq!(executable(messages, "journal"), Some(PathBuf::from("/t/deps/journal-1")));
        assert_eq!(executable(messages, "other"), None);
    }
}
