//! `cargo dev soak`: a long meeting of bots on the real server.

use crate::run::{cargo, command, finish};
use crate::{packages, place, web};

/// Against the release build.
pub fn soak(args: &[String]) -> Result<(), String> {
    packages::ensure(packages::BUILD)?;
    web::build()?;
    finish(cargo(&["build", "--release", "--package", "harness", "--package", "yuntang"]))?;
    run("release", args)
}

/// The gate's: three minutes against the build that is tested anyway.
pub fn short() -> Result<(), String> {
    finish(cargo(&["build", "--package", "yuntang"]))?;
    finish(cargo(&["build", "--package", "harness", "--bin", "soak"]))?;
    run("debug", &["--minutes".to_owned(), "3".to_owned()])
}

fn run(profile: &str, args: &[String]) -> Result<(), String> {
    let mut soak = command(place::binary(profile, "soak"), &[], &place::root());
    soak.arg("--bin").arg(place::binary(profile, "yuntang")).args(args);
    finish(soak)
}
