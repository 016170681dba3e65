//! The few file operations that capture needs, so that tests can lose power and fill disks.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// A file system.
pub trait CaptureFiles: Send {
    /// Makes a folder and its parents; one that exists is no error.
    fn create_folder(&mut self, path: &Path) -> io::Result<()>;
    /// Makes a new file for appending; its name is durable after the file's first sync.
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn CaptureFile>>;
    /// Takes away a file that never became a segment.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
}

/// A file open for appending.
pub trait CaptureFile: Send {
    fn append(&mut self, data: &[u8]) -> io::Result<()>;
    /// Returns when all that was appended is on the disk (fdatasync).
    fn sync(&mut self) -> io::Result<()>;
}

/// The real file system.
#[derive(Debug, Default)]
pub struct Disk;

impl CaptureFiles for Disk {
    fn create_folder(&mut self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn create(&mut self, path: &Path) -> io::Result<Box<dyn CaptureFile>> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        // The names too must survive a power cut: of the file, and of its new folder.
        for folder in path.ancestors().skip(1).take(2) {
            File::open(folder)?.sync_all()?;
        }
        Ok(Box::new(DiskFile(file)))
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

struct DiskFile(File);

impl CaptureFile for DiskFile {
    fn append(&mut self, data: &[u8]) -> io::Result<()> {
        self.0.write_all(data)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}
