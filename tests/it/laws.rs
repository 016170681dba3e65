//! The laws of docs/ARCHITECTURE.md that a machine can check.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// Of the cargo that runs the test: checkouts share a target folder.
fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> =
        LazyLock::new(|| std::env::var_os("CARGO_MANIFEST_DIR").expect("run by cargo").into());
    &ROOT
}

fn files_below(dir: &Path, ending: &str, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if name != "node_modules" && name != "target" && name != "dist" {
                files_below(&path, ending, out);
            }
        } else if name.to_string_lossy().ends_with(ending) {
            out.push(path);
        }
    }
}

#[test]
fn pure_folders_read_no_clock_and_draw_no_random_number() {
    let mut files = Vec::new();
    for dir in ["signaling/src", "media/src", "src/domain", "src/journal", "src/room/state"] {
        files_below(&root().join(dir), ".rs", &mut files);
    }
    files.push(root().join("src/room/state.rs"));
    let forbidden = [
        "Instant::now",
        "SystemTime::now",
        "Timestamp::now",
        "Zoned::now",
        "now_v7",
        "new_v4",
        "tokio::",
        "std::net::UdpSocket",
        "std::net::Tcp",
        "std::thread",
        "sqlx::",
        "rand::",
    ];
    let mut bad = Vec::new();
    // Files that are tests as a whole are told apart by their names.
    let is_test = |file: &PathBuf| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        name == "tests" || name == "testing" || name.ends_with("_tests")
    };
    for file in files.iter().filter(|file| file.exists() && !is_test(file)) {
        let text = fs::read_to_string(file).unwrap();
        // Tests inside a module may do as they like.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            let line = line.trim();
            if line.starts_with("//") {
                continue;
            }
            for word in forbidden.iter().filter(|word| line.contains(**word)) {
                bad.push(format!("{}:{}: {word}", file.display(), number + 1));
            }
        }
    }
    assert!(bad.is_empty(), "law 1 (told the time) is broken:\n{}", bad.join("\n"));
}

/// Names of all normal dependencies of a workspace package, transitively.
fn dependencies(package: &str) -> BTreeSet<String> {
    let out = Command::new(env!("CARGO"))
        .args(["tree", "--package", package, "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{p}", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout)
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_string)
        .collect()
}

#[test]
fn pure_crates_import_no_runtime_database_or_ffmpeg() {
    for package in ["signaling", "media"] {
        let all = dependencies(package);
        for name in ["axum", "sqlx", "ffmpeg-next", "hyper", "media-io", "yuntang"] {
            assert!(!all.contains(name), "{package} depends on {name}");
        }
    }
    assert!(!dependencies("signaling").contains("tokio"), "signaling depends on tokio");
    // The protocol crates of `rtc` name tokio nowhere on their normal edges either.
    assert!(!dependencies("media").contains("tokio"), "media depends on tokio");
}

#[test]
fn only_the_worker_names_ffmpeg() {
    let mut manifests = Vec::new();
    files_below(root(), "Cargo.toml", &mut manifests);
    let users: BTreeMap<_, _> = manifests
        .iter()
        .filter(|path| **path != root().join("Cargo.toml"))
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .filter(|(_, text)| text.contains("ffmpeg-next"))
        .collect();
    let names: Vec<_> = users.keys().collect();
    assert_eq!(names, [&root().join("media/worker/Cargo.toml")]);
}

#[test]
fn no_source_file_passes_800_lines() {
    let mut files = Vec::new();
    for ending in [".rs", ".ts", ".vue", ".mjs"] {
        files_below(root(), ending, &mut files);
    }
    // The words of a language are a table of data.
    let words = root().join("web-client/src/i18n");
    let long: Vec<String> = files
        .iter()
        .filter(|path| !path.starts_with(&words))
        .map(|path| (path, fs::read_to_string(path).unwrap_or_default().lines().count()))
        .filter(|(_, lines)| *lines > 800)
        .map(|(path, lines)| format!("{} {lines}", path.display()))
        .collect();
    assert!(long.is_empty(), "files over 800 lines:\n{}", long.join("\n"));
}

/// Half-width punctuation beside a Chinese character, in the texts of a source file.
fn half_width(source: &str) -> Vec<String> {
    let chinese = |c: char| ('\u{3001}'..='\u{9fff}').contains(&c) || c == '”';
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let texts = code.flat_map(|line| line.split('"').skip(1).step_by(2));
    let bad = |text: &&str| {
        let chars: Vec<char> = text.chars().collect();
        chars.windows(2).any(|pair| {
            let (left, right) = (",:;?!()".contains(pair[0]), ",:;?!()".contains(pair[1]));
            left && chinese(pair[1]) || right && chinese(pair[0])
        })
    };
    texts.filter(bad).map(str::to_owned).collect()
}

#[test]
fn chinese_texts_have_chinese_punctuation() {
    assert_eq!(half_width(r#"say("好,的"); say("好，的 (a)")"#), ["好,的"]);
    let mut files = Vec::new();
    for folder in ["src", "signaling/src", "media"] {
        files_below(&root().join(folder), ".rs", &mut files);
    }
    let found: Vec<_> = files
        .iter()
        .flat_map(|path| half_width(&fs::read_to_string(path).unwrap_or_default()))
        .collect();
    assert!(found.is_empty(), "half-width punctuation: {found:?}");
}
