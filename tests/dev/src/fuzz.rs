//! `cargo dev fuzz`: libFuzzer on every target of `tests/fuzz`, a minute each.
//!
//! The toolchain is the ordinary one: coverage comes from LLVM's sanitizer-coverage pass, which
//! stable rustc can be asked for. What is found lands in `tests/fuzz/crashes/<target>/`, where the
//! ordinary tests replay it from then on.

use std::path::Path;
use std::process::Command;

use crate::run::{Steps, cargo, command, finish};
use crate::{packages, place};

const TARGETS: [&str; 6] = ["stun", "dtls", "rtp", "rtcp", "sdp", "shard"];

const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1";

pub fn fuzz(args: &[String]) -> Result<(), String> {
    let (mut seconds, mut names) = (60u32, Vec::new());
    let mut rest = args.iter();
    while let Some(word) = rest.next() {
        if word == "--seconds" {
            let number = rest.next().and_then(|text| text.parse().ok());
            seconds = number.ok_or("--seconds wants a whole number")?;
        } else if TARGETS.contains(&word.as_str()) {
            names.push(word.as_str());
        } else {
            return Err(format!("unknown target {word}; there are {}", TARGETS.join(", ")));
        }
    }
    let names = if names.is_empty() { TARGETS.to_vec() } else { names };
    packages::ensure(&[packages::BUILD, packages::FUZZ].concat())?;
    let triple = host()?;
    let target_dir = place::cache_dir().join("fuzz-target");
    let mut steps = Steps::default();
    let mut built = false;
    steps.step("instrumented build", 900, || {
        let mut build =
            cargo(&["build", "--release", "--package", "fuzz", "--features", "libfuzzer"]);
        build.args(["--bins", "--target", &triple]);
        build.env("CARGO_TARGET_DIR", &target_dir).env("RUSTFLAGS", COVERAGE);
        // A wrong sum is a finding too.
        build.env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true");
        build.env("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true");
        finish(build).inspect(|()| built = true)
    });
    if built {
        for name in names {
            let program = target_dir.join(&triple).join("release").join(format!("fuzz-{name}"));
            steps.step(name, u64::from(seconds) + 30, || run(name, &program, seconds));
        }
    }
    steps.close()
}

fn run(name: &str, program: &Path, seconds: u32) -> Result<(), String> {
    let folder = place::root().join("tests/fuzz");
    let corpus = place::cache_dir().join("fuzz").join(name);
    let crashes = folder.join("crashes").join(name);
    for dir in [&corpus, &crashes] {
        std::fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    }
    let mut fuzzer = command(program, &[], &folder);
    fuzzer.arg(&corpus).arg(folder.join("seeds").join(name)).args([
        &format!("-max_total_time={seconds}"),
        "-timeout=30",
        "-rss_limit_mb=2048",
        "-max_len=4096",
        "-print_final_stats=1",
        "-verbosity=0",
        &format!("-artifact_prefix={}/", crashes.display()),
    ]);
    let result = finish(fuzzer);
    // Empty unless something was found.
    let _ = std::fs::remove_dir(&crashes);
    result
}

fn host() -> Result<String, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let out = Command::new(rustc).arg("-vV").output().map_err(|error| format!("rustc: {error}"))?;
    let text = String::from_utf8_lossy(&out.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned).ok_or_else(|| "rustc -vV names no host".to_owned())
}
