//! `cargo dev VERB`: the project's own dispatcher. It needs nothing but std, so that it compiles
//! in seconds on a fresh machine, and it installs or names whatever else is missing.

mod bench;
mod bot;
mod counts;
mod fuzz;
mod gate;
mod packages;
mod place;
mod run;
mod soak;
mod up;
mod web;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo dev VERB

  up [--debug] [--port N] [--data DIR] [--no-open]
          set up this machine, build everything, create ./data with a demo organisation, serve
  test    set up, then fmt, clippy, unit, property and integration tests, web tests, e2e
  check   the quick part of test: fmt, clippy, web lint and types
  e2e [NAME…]
          only the runs in real browsers
  bench [--only lecture,meeting,shards,viewers,journal] [--subscribers N,N] [--seconds S]
          [--json FILE]
          the figures of the README: paced floor, forwarding, memory, journal (release build)
  bench --counts [save]
          instructions of the packet path under valgrind, beside media/benches/counts.txt
  bot [--open] [--as KEY,KEY] [--session KEY|ID] [--seconds N] [--url URL] [--demo FILE]
          participants without browsers for the server that is running
  fuzz [--seconds N] [stun|dtls|rtp|rtcp|sdp|shard …]
          libFuzzer on everything that reads bytes from the network, a minute each
  soak [--minutes N] [--people N]
          an hour of a meeting of 25 bots: memory flat, nothing left after it (release build)
  gen     TypeScript from the Rust wire types
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest = args.get(1..).unwrap_or_default();
    // `cargo dev bench -- --seconds 3` means the same as without the dashes.
    let rest = rest.strip_prefix(&["--".to_owned()]).unwrap_or(rest);
    let result = match args.first().map(String::as_str) {
        Some("up") => up::up(rest),
        Some("test") => gate::test(),
        Some("check") => gate::check(),
        Some("e2e") => gate::e2e_only(rest),
        Some("bench") => bench::bench(rest),
        Some("bot") => bot::bot(rest),
        Some("fuzz") => fuzz::fuzz(rest),
        Some("soak") => soak::soak(rest),
        Some("gen") => web::generate().and_then(|()| web::write_openapi()),
        Some("help" | "--help" | "-h") => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(USAGE.to_string()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{}", message.trim_end());
            ExitCode::FAILURE
        }
    }
}
