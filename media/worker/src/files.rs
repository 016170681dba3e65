//! Results appear whole or not at all: written beside as `.part`, synced, renamed.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A file that is not there yet; dropped without [`Part::commit`] it leaves nothing.
#[derive(Debug)]
pub struct Part {
    part: PathBuf,
    target: PathBuf,
    done: bool,
}

impl Part {
    /// For `target`, whose folder is made if it is missing.
    pub fn create(target: &Path) -> io::Result<Part> {
        if let Some(dir) = target.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let mut name = target.file_name().unwrap_or_default().to_os_string();
        name.push(".part");
        let part = target.with_file_name(name);
        // FFmpeg would leak on a path it cannot write; this says so first.
        File::create(&part)?;
        Ok(Part { part, target: target.to_path_buf(), done: false })
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.part
    }

    /// Makes the file durable under its name; returns its size.
    pub fn commit(mut self) -> io::Result<u64> {
        let file = File::open(&self.part)?;
        file.sync_all()?;
        let size = file.metadata()?.len();
        std::fs::rename(&self.part, &self.target)?;
        self.done = true;
        if let Some(dir) = self.target.parent() {
            File::open(dir)?.sync_all()?;
        }
        Ok(size)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.done {
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

/// Removes what a worker that was killed left behind.
pub fn remove_parts(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.extension().is_some_and(|e| e == "part") {
            let _ = std::fs::remove_file(path);
        }
    }
}
