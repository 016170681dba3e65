//! `cargo dev bot`: participants without browsers for a server that is running.

use crate::{packages, place, run};

pub fn bot(args: &[String]) -> Result<(), String> {
    packages::ensure(packages::BUILD)?;
    run::finish(run::cargo(&["build", "--package", "harness", "--bin", "bot"]))?;
    let mut bot = run::command(place::binary("debug", "bot"), &[], &place::root());
    bot.args(args);
    run::finish(bot)
}
