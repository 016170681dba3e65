//! `cargo dev bench`: the figures of the README, in one run, as a table and JSON.

use crate::{packages, place, run, web};

pub fn bench(args: &[String]) -> Result<(), String> {
    packages::ensure(packages::BUILD)?;
    web::build()?;
    run::finish(run::cargo(&["build", "--release", "--package", "harness", "--bins"]))?;
    let mut bench = run::command(place::binary("release", "bench"), &[], &place::root());
    bench.args(args);
    run::finish(bench)
}
