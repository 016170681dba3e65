//! A log on the local disk for what the database could not take: written before it is
//! acknowledged, read back in order, emptied when the database has it all.
//!
//! One file, `data/spool/journal.spool`: eight bytes that name the format, then records of
//! `length u32 LE · CRC-32C of the payload u32 LE · payload (JSON)`. A record is acknowledged only
//! after a sync, so a tail that does not check out was acknowledged by nobody: it is put aside and
//! cut off. Overflow: beyond its limit in bytes the spool takes nothing more, and whoever wanted it
//! to is told so; what it holds stays.

mod disk;
mod record;

use std::io;

use thiserror::Error;

pub use disk::{DiskFile, SpoolFile};
pub use record::{Record, StoredEvent};

/// Bytes a server keeps while its database is away: an hour of a hundred meetings of a hundred.
pub const SPOOL_LIMIT: u64 = 512 * 1024 * 1024;
/// Longest record; a longer length is no length.
const MAX_RECORD: usize = 16 * 1024 * 1024;

const MAGIC: &[u8; 8] = b"YTSPOOL1";
const HEAD: usize = 8;

#[derive(Debug, Error)]
pub enum SpoolError {
    /// Nothing of it was written.
    #[error("the local spool is full")]
    Full,
    /// Nothing of it will be read back.
    #[error("the local spool: {0}")]
    Io(#[from] io::Error),
    /// Another program's file, or a newer version's.
    #[error("the local spool is not in a format of this version")]
    Format,
    #[error("a record for the local spool: {0}")]
    Encode(#[from] serde_json::Error),
    #[error("a record is too long for the local spool")]
    TooLong,
}

/// The log. Positions are bytes of the file.
#[derive(Debug)]
pub struct Spool<F> {
    file: F,
    limit: u64,
    /// Behind the last synced record.
    end: u64,
    /// Everything before is in the database already.
    read: u64,
    /// Bytes behind `end` may be anything: they are cut off before the next write.
    dirty: bool,
}

/// What opening found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    pub records: u64,
    /// Bytes of a tail that was never acknowledged.
    pub torn: u64,
}

/// Records read, and where the next ones begin.
#[derive(Debug)]
pub struct Chunk {
    pub records: Vec<Record>,
    pub next: u64,
}

impl<F: SpoolFile> Spool<F> {
    /// Reads the whole file once and cuts off a torn tail.
    ///
    /// # Errors
    /// [`SpoolError::Format`] for a file of another kind, which is left as it is.
    pub fn open(file: F, limit: u64) -> Result<(Self, Found), SpoolError> {
        let start = MAGIC.len() as u64;
        let mut spool = Self { file, limit, end: start, read: start, dirty: false };
        let len = spool.file.size()?;
        let mut magic = [0; MAGIC.len()];
        let got = spool.fill(0, &mut magic)?;
        if got < MAGIC.len() || magic == [0; MAGIC.len()] {
            // New, or cut off before its first sync: nothing was ever acknowledged from it.
            if !MAGIC.starts_with(&magic[..got]) && magic[..got].iter().any(|b| *b != 0) {
                return Err(SpoolError::Format);
            }
            spool.file.set_len(0)?;
            spool.file.write_at(0, MAGIC)?;
            spool.file.sync()?;
            return Ok((spool, Found { records: 0, torn: 0 }));
        }
        if magic != *MAGIC {
            return Err(SpoolError::Format);
        }
        let mut records = 0;
        while let Some((_, next)) = spool.record_at(spool.end, len)? {
            spool.end = next;
            records += 1;
        }
        let torn = len.saturating_sub(spool.end);
        if torn > 0 {
            spool.file.keep_tail(spool.end, torn)?;
            spool.cut()?;
        }
        Ok((spool, Found { records, torn }))
    }

    /// Bytes that are not in the database yet.
    pub fn bytes(&self) -> u64 {
        self.end - self.read
    }

    pub fn is_empty(&self) -> bool {
        self.read == self.end
    }

    /// Durable when it returns; on an error nothing of it will ever be read back.
    ///
    /// # Errors
    /// [`SpoolError`]
    pub fn append(&mut self, records: &[Record]) -> Result<(), SpoolError> {
        let mut bytes = Vec::new();
        for record in records {
            let payload = serde_json::to_vec(record)?;
            if payload.len() > MAX_RECORD {
                return Err(SpoolError::TooLong);
            }
            let len = u32::try_from(payload.len()).map_err(|_| SpoolError::TooLong)?;
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(&crc32c::crc32c(&payload).to_le_bytes());
            bytes.extend_from_slice(&payload);
        }
        if bytes.is_empty() {
            return Ok(());
        }
        if self.end + bytes.len() as u64 > self.limit {
            return Err(SpoolError::Full);
        }
        if self.dirty {
            self.cut()?;
        }
        let written = self.file.write_at(self.end, &bytes).and_then(|()| self.file.sync());
        if let Err(error) = written {
            // Some of it may be there, even synced: away with it, now or before the next write.
            self.dirty = true;
            let _ = self.cut();
            return Err(error.into());
        }
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// The next records in order, at most about `limit`; none when all are in the database.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn peek(&mut self, limit: usize) -> Result<Chunk, SpoolError> {
        let mut chunk = Chunk { records: Vec::new(), next: self.read };
        while chunk.records.len() < limit {
            let Some((payload, next)) = self.record_at(chunk.next, self.end)? else { break };
            chunk.records.push(serde_json::from_slice(&payload)?);
            chunk.next = next;
        }
        Ok(chunk)
    }

    /// Everything before `next` of a [`Chunk`] is in the database. Kept in memory alone: after a
    /// crash the replay begins anew, and finds what is there already.
    pub fn advance(&mut self, next: u64) {
        self.read = next.clamp(self.read, self.end);
    }

    /// Gives the disk back what was replayed. Does nothing while something waits.
    ///
    /// # Errors
    /// When the file cannot be cut; it stays as it was and goes on growing.
    pub fn clear(&mut self) -> Result<(), SpoolError> {
        if !self.is_empty() {
            return Ok(());
        }
        let (end, read) = (self.end, self.read);
        (self.end, self.read) = (MAGIC.len() as u64, MAGIC.len() as u64);
        let cut = self.cut();
        if cut.is_err() {
            // Whether the file was cut is not known; what is behind `end` does not count either
            // way, and a hole where it was cut would hide what comes after it.
            (self.end, self.read) = match self.file.size() {
                Ok(len) if len >= end => (end, read),
                _ => (self.end, self.read),
            };
        }
        cut
    }

    /// Puts lines aside that the database will not take.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn keep_unfit(&mut self, lines: &str) -> Result<(), SpoolError> {
        Ok(self.file.keep_unfit(lines)?)
    }

    fn cut(&mut self) -> Result<(), SpoolError> {
        self.dirty = true;
        self.file.set_len(self.end)?;
        self.file.sync()?;
        self.dirty = false;
        Ok(())
    }

    /// The payload at `at` and where the next record begins; none where no whole record is.
    fn record_at(&mut self, at: u64, end: u64) -> Result<Option<(Vec<u8>, u64)>, SpoolError> {
        let mut head = [0; HEAD];
        if at + HEAD as u64 > end || self.fill(at, &mut head)? < HEAD {
            return Ok(None);
        }
        let [a, b, c, d, e, f, g, h] = head;
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        let next = at + (HEAD + len) as u64;
        // A length of zero is a page that never reached the disk.
        if len == 0 || len > MAX_RECORD || next > end {
            return Ok(None);
        }
        let mut payload = vec![0; len];
        if self.fill(at + HEAD as u64, &mut payload)? < len {
            return Ok(None);
        }
        let whole = crc32c::crc32c(&payload) == u32::from_le_bytes([e, f, g, h]);
        Ok(whole.then_some((payload, next)))
    }

    /// Reads until `buffer` is full or the file ends.
    fn fill(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut got = 0;
        while got < buffer.len() {
            match self.file.read_at(at + got as u64, &mut buffer[got..])? {
                0 => break,
                more => got += more,
            }
        }
        Ok(got)
    }
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
