//! Where things are: the repository, the shared target folder, the built binaries.

use std::path::{Path, PathBuf};

/// Top of the repository (this crate lives in `tests/dev`). Asked of the cargo that runs us, not of
/// the one that built us: checkouts share a target folder, and with it this program.
pub fn root() -> PathBuf {
    let built_in = || PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let own = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(built_in, PathBuf::from);
    own.ancestors().nth(2).unwrap_or(Path::new(".")).to_path_buf()
}

/// One target folder for every checkout of this user, so that a fresh clone builds warm.
pub fn target_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("CARGO_TARGET_DIR") {
        return PathBuf::from(dir);
    }
    cache_dir().join("target")
}

/// `$XDG_CACHE_HOME/yuntang` or `~/.cache/yuntang`.
pub fn cache_dir() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    base.unwrap_or_else(|| root().join(".cache")).join("yuntang")
}

/// The server binary of a profile (`debug` or `release`).
pub fn binary(profile: &str, name: &str) -> PathBuf {
    target_dir().join(profile).join(name)
}
