//! `cargo dev up`: from a fresh machine to a served meeting.

use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::{packages, place, run, web};

pub fn up(args: &[String]) -> Result<(), String> {
    let debug = args.iter().any(|arg| arg == "--debug");
    let passed: Vec<&str> =
        args.iter().map(String::as_str).filter(|arg| *arg != "--debug").collect();
    let data = value_of(&passed, "--data").unwrap_or("data");

    packages::ensure(packages::BUILD)?;
    web::build()?;
    let mut build = vec!["build", "--package", "yuntang"];
    if !debug {
        build.push("--release");
    }
    run::finish(run::cargo(&build))?;

    let server = place::binary(if debug { "debug" } else { "release" }, "yuntang");
    // `init` on existing data keeps it, passwords included.
    let root = place::root();
    let mut init = vec!["init", "--demo", "--data", data];
    if let Some(port) = value_of(&passed, "--port") {
        init.extend(["--port", port]);
    }
    run::finish(run::command(&server, &init, &root))?;

    let mut serve = run::command(&server, &["serve"], &root);
    serve.args(&passed);
    if !passed.contains(&"--data") {
        serve.args([Path::new("--data"), Path::new(data)]);
    }
    // The server takes our place, so that Ctrl-C reaches it and its exit code is ours.
    Err(format!("cannot start the server: {}", serve.exec()))
}

fn value_of<'a>(args: &[&'a str], name: &str) -> Option<&'a str> {
    args.iter().position(|arg| *arg == name).and_then(|at| args.get(at + 1)).copied()
}
