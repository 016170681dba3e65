//! Debian packages that a build or a test needs: installed as root or by sudo, otherwise named.

use std::path::Path;
use std::process::{Command, Stdio};

/// Needed to compile and run the server.
pub const BUILD: &[&str] = &[
    "clang",
    "gcc",
    "libavcodec-dev",
    "libavformat-dev",
    "libavutil-dev",
    "libc6-dev",
    "libclang-dev",
    "libswresample-dev",
    "libswscale-dev",
    "make",
    "pkg-config",
    // Names on the composed picture.
    "fonts-noto-cjk",
];

/// Needed by the tests besides.
pub const TEST: &[&str] = &[
    "chromium",
    // turnutils_uclient
    "coturn",
    // A clock that steps.
    "faketime",
    "ffmpeg",
    "firefox-esr",
    "iproute2",
    "nftables",
    // pdftotext
    "poppler-utils",
    "postgresql-15",
    // Clients by others: PyAV and aiortc.
    "python3-venv",
    // Firefox wants a sound device.
    "pulseaudio",
];

/// libFuzzer is C++.
pub const FUZZ: &[&str] = &["g++"];

/// Needed to count instructions.
pub const COUNTS: &[&str] = &["valgrind"];

fn installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Status}", package])
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|out| out.status.success() && out.stdout.starts_with(b"installed"))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout.trim_ascii() == b"0")
}

/// Installs what is missing of `wanted`.
pub fn ensure(wanted: &[&str]) -> Result<(), String> {
    let missing: Vec<&str> = wanted.iter().copied().filter(|name| !installed(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let advice = format!("run: apt-get install --no-install-recommends {}", missing.join(" "));
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(format!(
            "Missing system packages ({}); this is not a Debian system, so install their \
             counterparts by hand.",
            missing.join(", ")
        ));
    }
    let prefix: &[&str] = if is_root() {
        &[]
    } else if Command::new("sudo")
        .args(["-n", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
    {
        &["sudo", "-n"]
    } else {
        return Err(format!("Missing system packages. As root, {advice}"));
    };
    println!("installing {}", missing.join(" "));
    let install = [&["apt-get", "install", "-y", "-q", "--no-install-recommends"], &missing[..]];
    // A fresh image has no package lists at all, an old one stale ones.
    apt(prefix, &["apt-get", "update", "-q"], &advice)?;
    apt(prefix, &install.concat(), &advice)
}

fn apt(prefix: &[&str], args: &[&str], advice: &str) -> Result<(), String> {
    let words = [prefix, args].concat();
    let status = Command::new(words[0])
        .args(&words[1..])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(Stdio::null())
        .stdin(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!("{} failed; as root, {advice}", args[..2].join(" "))),
    }
}
