//! The data folder: one place names every path in it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir(PathBuf);

#[derive(Debug, Error)]
pub enum DataDirError {
    #[error("数据目录 {path} 不可写：{source}")]
    Unwritable { path: PathBuf, source: io::Error },
}

impl DataDir {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    pub fn database(&self) -> PathBuf {
        self.0.join("yuntang.db")
    }

    pub fn capture(&self) -> PathBuf {
        self.0.join("capture")
    }

    pub fn tracks(&self) -> PathBuf {
        self.0.join("tracks")
    }

    pub fn archive(&self) -> PathBuf {
        self.0.join("archive")
    }

    /// Scans of tally sheets and written opinions, a folder a session.
    pub fn scans(&self) -> PathBuf {
        self.0.join("scans")
    }

    pub fn spool(&self) -> PathBuf {
        self.0.join("spool")
    }

    /// Uploaded tables until they are confirmed; emptied at every start.
    pub fn imports(&self) -> PathBuf {
        self.0.join("imports")
    }

    pub fn demo_json(&self) -> PathBuf {
        self.0.join("demo.json")
    }

    /// Makes the folders, for the owner alone, and proves that a file can be written and synced.
    ///
    /// # Errors
    /// [`DataDirError::Unwritable`] with the system's reason.
    pub fn prepare(&self) -> Result<(), DataDirError> {
        let unwritable =
            |path: &Path, source| DataDirError::Unwritable { path: path.to_owned(), source };
        for folder in [
            self.0.clone(),
            self.keys(),
            self.capture(),
            self.tracks(),
            self.archive(),
            self.scans(),
            self.spool(),
        ] {
            make_private(&folder).map_err(|e| unwritable(&folder, e))?;
        }
        let probe = self.0.join(format!(".writable-{}", std::process::id()));
        let written = fs::File::create(&probe).and_then(|mut file| {
            file.write_all(b"yuntang")?;
            file.sync_all()
        });
        let removed = fs::remove_file(&probe);
        written.and(removed).map_err(|e| unwritable(&self.0, e))
    }
}

fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
