//! The web client: its packages, its build, its checks, and the types generated for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use crate::{place, run};

pub fn dir() -> PathBuf {
    place::root().join("web-client")
}

/// Node 20 or newer, or one sentence.
pub fn need_node() -> Result<(), String> {
    let version = Command::new("node").arg("--version").stderr(Stdio::null()).output();
    let text = version.map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
    let major = text.ok().and_then(|text| {
        text.trim().trim_start_matches('v').split('.').next()?.parse::<u32>().ok()
    });
    match major {
        Some(20..) => Ok(()),
        Some(old) => Err(format!("Node {old} is too old: install Node 20 or newer, with npm.")),
        None => Err("Node is missing: install Node 20 or newer, with npm.".into()),
    }
}

/// `npm ci`, only when the lock file differs from the one last installed.
pub fn install(dir: &Path) -> Result<(), String> {
    need_node()?;
    let lock = fs::read(dir.join("package-lock.json"))
        .map_err(|error| format!("{}: {error}", dir.join("package-lock.json").display()))?;
    let stamp = dir.join("node_modules/.installed-lock");
    if fs::read(&stamp).is_ok_and(|old| old == lock) {
        return Ok(());
    }
    npm(dir, &["ci", "--no-audit", "--no-fund", "--loglevel=error"])?;
    fs::write(&stamp, lock).map_err(|error| format!("{}: {error}", stamp.display()))
}

pub fn npm(dir: &Path, args: &[&str]) -> Result<(), String> {
    run::finish(run::command("npm", args, dir))
}

/// Builds `web-client/dist` unless it is newer than every source.
pub fn build() -> Result<(), String> {
    let dir = dir();
    install(&dir)?;
    let built = modified(&dir.join("dist/index.html"));
    let newest = ["src", "public", "index.html", "package-lock.json", "vite.config.ts"]
        .iter()
        .filter_map(|name| newest(&dir.join(name)))
        .max();
    if built.is_some() && built >= newest {
        return Ok(());
    }
    npm(&dir, &["run", "--silent", "build"])
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

fn newest(path: &Path) -> Option<SystemTime> {
    let own = modified(path)?;
    let Ok(entries) = fs::read_dir(path) else { return Some(own) };
    entries.flatten().filter_map(|entry| newest(&entry.path())).max().max(Some(own))
}

const GENERATED: &str = "web-client/src/protocol/generated";

/// Writes the TypeScript of the wire types.
pub fn generate() -> Result<(), String> {
    run::finish(run::cargo(&[
        "run",
        "--quiet",
        "--package",
        "signaling",
        "--example",
        "gen_ts",
        "--",
        GENERATED,
    ]))
}

/// Writes `docs/openapi.json`; a test of the server's package knows how, and compares it otherwise.
pub fn write_openapi() -> Result<(), String> {
    let args = ["test", "--quiet", "--package=yuntang", "--test=it", "the_file_in_docs_is_current"];
    let mut test = run::cargo(&args);
    test.env("YUNTANG_WRITE", "1");
    run::finish(test)
}

/// Fails when the committed TypeScript is not what the Rust types say.
pub fn generated_is_current() -> Result<(), String> {
    let root = place::root();
    let before = read_all(&root.join(GENERATED));
    generate()?;
    if before == read_all(&root.join(GENERATED)) {
        Ok(())
    } else {
        Err(format!("{GENERATED} was out of date; it is written anew: commit it (`cargo dev gen`)"))
    }
}

fn read_all(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.path(), fs::read(entry.path()).ok()?)))
        .collect();
    files.sort();
    files
}
