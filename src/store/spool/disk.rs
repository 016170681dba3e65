//! The file under the spool, as a seam: tests put one there that forgets what was not synced.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::SpoolError;

/// A file that one writer owns.
pub trait SpoolFile: Send + 'static {
    /// # Errors
    /// The system's.
    fn size(&self) -> io::Result<u64>;
    /// Bytes read; zero at the end of the file.
    ///
    /// # Errors
    /// The system's.
    fn read_at(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// All of it, or an error that says nothing about how much of it.
    ///
    /// # Errors
    /// The system's.
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// # Errors
    /// The system's.
    fn set_len(&mut self, len: u64) -> io::Result<()>;
    /// Bytes and length are on the disk when it returns.
    ///
    /// # Errors
    /// The system's.
    fn sync(&mut self) -> io::Result<()>;
    /// Before a tail that does not check out is cut off: keeps it for a person to look at.
    ///
    /// # Errors
    /// The system's; the tail is not cut off then.
    fn keep_tail(&mut self, _from: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }
    /// Lines that the database will not take, for a person to look at.
    ///
    /// # Errors
    /// The system's; they stay in the spool then.
    fn keep_unfit(&mut self, lines: &str) -> io::Result<()>;
}

/// `data/spool/journal.spool`, readable for its owner alone: it holds chat texts.
#[derive(Debug)]
pub struct DiskFile {
    file: File,
    path: PathBuf,
}

impl DiskFile {
    /// Opens or makes the file, and sees to it that its name survives a crash.
    ///
    /// # Errors
    /// The system's.
    pub fn open(folder: &Path) -> Result<Self, SpoolError> {
        let path = folder.join("journal.spool");
        let file = private().read(true).create(true).truncate(false).open(&path)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        Ok(Self { file, path })
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

impl SpoolFile for DiskFile {
    fn size(&self) -> io::Result<u64> {
        self.file.metadata().map(|m| m.len())
    }

    fn read_at(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buffer, at)
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, at)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn keep_unfit(&mut self, lines: &str) -> io::Result<()> {
        let path = self.path.with_extension("unfit.jsonl");
        let mut kept = private().create(true).append(true).open(path)?;
        kept.write_all(lines.as_bytes())?;
        kept.sync_all()
    }

    fn keep_tail(&mut self, from: u64, len: u64) -> io::Result<()> {
        let mut kept =
            private().create(true).append(true).open(self.path.with_extension("torn"))?;
        let (mut at, end) = (from, from + len);
        let mut buffer = [0; 64 * 1024];
        while at < end {
            let want = usize::try_from(end - at).unwrap_or(buffer.len()).min(buffer.len());
            match self.file.read_at(&mut buffer[..want], at)? {
                0 => break,
                got => {
                    kept.write_all(&buffer[..got])?;
                    at += got as u64;
                }
            }
        }
        kept.sync_all()
    }
}
