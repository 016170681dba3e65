//! `cargo dev test` and its parts. `.ci/run` calls it; nothing lands that fails it.

use crate::run::{Steps, cargo, command, finish};
use crate::{packages, place, soak, web};

fn set_up(steps: &mut Steps) {
    steps.step("system packages", 300, || {
        packages::ensure(&[packages::BUILD, packages::TEST].concat())
    });
}

fn quick(steps: &mut Steps) {
    steps.step("format", 10, || finish(cargo(&["fmt", "--all", "--check"])));
    let dir = web::dir();
    steps.step("web packages", 120, || web::install(&dir));
    steps.step("web lint", 60, || web::npm(&dir, &["run", "--silent", "lint"]));
    steps.step("web types", 60, || web::npm(&dir, &["run", "--silent", "typecheck"]));
    // Before any Rust is compiled: the server embeds it.
    steps.step("web build", 90, web::build);
    steps.step("generated types", 120, web::generated_is_current);
    steps.step("clippy", 600, || {
        finish(cargo(&[
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ]))
    });
}

pub fn check() -> Result<(), String> {
    let mut steps = Steps::default();
    quick(&mut steps);
    steps.close()
}

pub fn test() -> Result<(), String> {
    let mut steps = Steps::default();
    set_up(&mut steps);
    quick(&mut steps);
    steps.step("licences and sources", 600, deny);
    steps.step("web unit tests", 60, || web::npm(&web::dir(), &["run", "--silent", "test"]));
    steps.step("unit, property and integration tests", 900, || {
        finish(cargo(&["test", "--workspace", "--no-fail-fast"]))
    });
    steps.step("end to end", 1_200, || end_to_end(&[]));
    steps.step("soak, three minutes", 600, soak::short);
    steps.close()
}

/// `cargo deny` without its advisory database; the tool is built once per user.
fn deny() -> Result<(), String> {
    let tools = place::cache_dir().join("tools");
    let program = tools.join("bin/cargo-deny");
    if !program.exists() {
        let root = tools.display().to_string();
        finish(cargo(&["install", "--locked", "--quiet", "cargo-deny", "--root", &root]))?;
    }
    let args = ["--log-level", "error", "check", "bans", "licenses", "sources"];
    finish(command(program, &args, &place::root()))
}

pub fn e2e_only(names: &[String]) -> Result<(), String> {
    let mut steps = Steps::default();
    set_up(&mut steps);
    steps.step("web build", 90, web::build);
    steps.step("end to end", 600, || end_to_end(names));
    steps.close()
}

/// Real browsers against the real server, one file after the other.
fn end_to_end(names: &[String]) -> Result<(), String> {
    finish(cargo(&["build", "--package", "yuntang"]))?;
    let dir = place::root().join("tests/e2e");
    web::install(&dir)?;
    let mut files: Vec<String> = std::fs::read_dir(&dir)
        .map_err(|error| format!("{}: {error}", dir.display()))?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".test.mjs"))
        .filter(|name| names.is_empty() || names.iter().any(|part| name.contains(part.as_str())))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(format!("no end-to-end test is named {names:?}"));
    }
    let mut node = command("node", &["--test", "--test-concurrency=1"], &dir);
    node.args(["--test-reporter=spec", "--test-timeout=420000"]);
    node.args(&files).env("YUNTANG_BIN", place::binary("debug", "yuntang"));
    finish(node)
}
