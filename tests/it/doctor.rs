//! `yuntang doctor` as an operator runs it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use yuntang::config::DataDir;

fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("yt-doctor-{}", uuid::Uuid::now_v7()))
}

fn doctor(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_yuntang"))
        .args(["doctor", "--data"])
        .arg(folder)
        .args(args)
        .env_remove("DATABASE_URL")
        .output()
        .unwrap()
}

fn findings(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn level(findings: &Value, key: &str) -> String {
    let checks = findings["checks"].as_array().unwrap();
    let found = checks.iter().find(|one| one["key"] == key);
    found.unwrap_or_else(|| panic!("{key} is not looked at"))["level"].as_str().unwrap().to_owned()
}

#[test]
fn everything_is_looked_at_and_the_exit_code_says_whether_it_works() {
    let folder = folder();
    // The port is another program's.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    let taken = doctor(&folder, &["--json", "--listen", "127.0.0.1", "--port", &port]);
    let found = findings(&taken);
    assert_eq!((level(&found, "tcp_port").as_str(), taken.status.code()), ("fails", Some(1)));
    assert_eq!(found["ok"], false);
    for key in [
        "data_folder",
        "disk_space",
        "disk_sync",
        "database",
        "tcp_port",
        "udp_ports",
        "addresses",
        "clock",
        "open_files",
        "udp_offload",
        "socket_buffers",
        "certificate",
        "ffmpeg",
    ] {
        let level = level(&found, key);
        assert!(["fine", "mind", "fails"].contains(&level.as_str()), "{key}: {level}");
    }
    for check in found["checks"].as_array().unwrap() {
        assert!(check["found"]["zh"].is_string() && check["found"]["en"].is_string(), "{check}");
        assert_eq!(check["advice"].is_null(), check["level"] == "fine", "{check}");
    }
    drop(other);
    let free = findings(&doctor(&folder, &["--json", "--listen", "127.0.0.1", "--port", &port]));
    assert_eq!(level(&free, "tcp_port"), "fine");
    assert_eq!(level(&free, "database"), "mind", "there is no account yet");
    assert_eq!(level(&free, "ffmpeg"), "fine");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_person_reads_it_in_either_language() {
    let folder = folder();
    let args = ["--listen", "127.0.0.1", "--port", "0"];
    let zh = String::from_utf8(doctor(&folder, &args).stdout).unwrap();
    assert!(zh.lines().any(|line| line.starts_with("正常  TCP 端口：")), "{zh}");
    assert!(zh.contains("      → "), "{zh}");
    let en = doctor(&folder, &["--lang", "en", "--listen", "127.0.0.1", "--port", "0"]);
    let en = String::from_utf8(en.stdout).unwrap();
    assert!(en.lines().any(|line| line.starts_with("fine  TCP port: ")), "{en}");
    assert!(!en.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{en}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_folder_that_cannot_be_used_fails_with_advice() {
    let file = folder();
    std::fs::write(&file, "not a folder").unwrap();
    let output = doctor(&file, &["--json", "--port", "0"]);
    let found = findings(&output);
    assert_eq!(output.status.code(), Some(1));
    for key in ["data_folder", "disk_sync", "database"] {
        assert_eq!(level(&found, key), "fails", "{key}");
    }
    assert!(DataDir::new(&file).path().is_file(), "left as it was");
    std::fs::remove_file(&file).unwrap();
}
