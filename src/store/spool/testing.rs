//! A disk that forgets what was not synced, and fails when it is told to.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::SpoolFile;

#[derive(Debug, Default)]
struct Disk {
    /// As a reader of the running system sees it.
    cached: Vec<u8>,
    /// As it is after the power failed, at least.
    synced: Vec<u8>,
    failing: Option<Failing>,
    unfit: String,
    /// Only the newest handle reaches the disk: the process of the others is dead.
    holder: u32,
}

/// How the disk fails until told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// Half of what is written arrives.
    Write,
    /// The bytes are there and no sync says so.
    Sync,
    /// Neither can anything be cut off again.
    Everything,
}

/// A file on it; the disk outlives the file.
#[derive(Debug, Default)]
pub struct FakeFile {
    disk: Arc<Mutex<Disk>>,
    handle: u32,
}

impl FakeFile {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As a process opens it; those who had it open before are dead.
    pub fn reopened(&self) -> Self {
        let mut disk = self.disk();
        disk.holder += 1;
        Self { disk: Arc::clone(&self.disk), handle: disk.holder }
    }

    fn mine(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let disk = self.disk();
        if disk.holder == self.handle { Ok(disk) } else { Err(broken()) }
    }

    pub fn fail(&self, failing: Option<Failing>) {
        self.disk().failing = failing;
    }

    /// The power fails: of what was not synced, `kept` bytes in a thousand arrive, from the end of
    /// the file backwards, so that holes of zeros come before what is whole.
    pub fn crash(&self, kept: usize) {
        let mut disk = self.disk();
        let Disk { cached, synced, .. } = &mut *disk;
        let torn = cached.len().saturating_sub(synced.len());
        let arrived = torn * kept.min(1000) / 1000;
        if arrived > 0 && cached.starts_with(synced) {
            let mut after = synced.clone();
            after.resize(cached.len() - arrived, 0);
            after.extend_from_slice(&cached[cached.len() - arrived..]);
            *synced = after;
        }
        *cached = synced.clone();
        disk.failing = None;
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.disk().cached.clone()
    }

    /// What the database did not take.
    pub fn unfit(&self) -> String {
        self.disk().unfit.clone()
    }

    /// Somebody changes the file.
    pub fn put(&self, bytes: Vec<u8>) {
        let mut disk = self.disk();
        disk.synced.clone_from(&bytes);
        disk.cached = bytes;
    }
}

fn broken() -> io::Error {
    io::Error::other("the disk fails, for the test")
}

impl SpoolFile for FakeFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.mine()?.cached.len() as u64)
    }

    fn read_at(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let disk = self.mine()?;
        let from = usize::try_from(at).unwrap().min(disk.cached.len());
        let got = buffer.len().min(disk.cached.len() - from);
        buffer[..got].copy_from_slice(&disk.cached[from..from + got]);
        Ok(got)
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.mine()?;
        let at = usize::try_from(at).unwrap();
        let failing = matches!(disk.failing, Some(Failing::Write | Failing::Everything));
        let bytes = if failing { &bytes[..bytes.len() / 2] } else { bytes };
        if disk.cached.len() < at + bytes.len() {
            disk.cached.resize(at + bytes.len(), 0);
        }
        disk.cached[at..at + bytes.len()].copy_from_slice(bytes);
        if failing { Err(broken()) } else { Ok(()) }
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let mut disk = self.mine()?;
        if disk.failing == Some(Failing::Everything) {
            return Err(broken());
        }
        disk.cached.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn keep_unfit(&mut self, lines: &str) -> io::Result<()> {
        self.mine()?.unfit.push_str(lines);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.mine()?;
        if disk.failing.is_some() {
            return Err(broken());
        }
        disk.synced = disk.cached.clone();
        Ok(())
    }
}
