//! The worker alone, for its tests and for running a job by hand; the server ships the same as
//! `yuntang worker`.

use std::path::Path;

fn main() {
    let job = std::env::args_os().nth(1).unwrap_or_else(|| "-".into());
    std::process::exit(media_worker::run(Path::new(&job)));
}
