//! Parses the command line and calls; everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    yuntang::cli::run()
}
