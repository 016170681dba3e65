//! `cargo dev soak`: a long meeting of bots against the release build.

use crate::run::{cargo, command, finish};
use crate::{packages, place, web};

pub fn soak(args: &[String]) -> Result<(), String> {
    packages::ensure(packages::BUILD)?;
    web::build()?;
    finish(cargo(&["build", "--release", "--package", "harness", "--package", "yuntang"]))?;
    let mut soak = command(place::binary("release", "soak"), &[], &place::root());
    soak.arg("--bin").arg(place::binary("release", "yuntang")).args(args);
    finish(soak)
}
