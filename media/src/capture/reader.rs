//! Reads a segment that may be torn, flipped or overwritten in places.
//!
//! A record counts only when its checksum holds; after a bad place the reader looks for the next
//! record that does, and says how much it stepped over.

use super::segment::{
    CRC_AT, HEADER_LEN, HeaderError, MAX_PAYLOAD, RECORD_OVERHEAD, Record, SYNC, SegmentHeader,
    decode_payload, record_crc, u32_at,
};

/// A record with the session time of its arrival, in µs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamped<'a> {
    pub at_us: u64,
    pub record: Record<'a>,
}

/// What reading a segment met, complete when the reader is exhausted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadReport {
    /// Good records yielded.
    pub records: u64,
    /// Damaged places with good records after them.
    pub damaged: u64,
    /// Bytes stepped over in them.
    pub skipped_bytes: u64,
    /// Bytes at the end that hold no further record (a write cut short).
    pub torn_bytes: u64,
    /// Whole records of a kind that this program does not know.
    pub unknown: u64,
}

impl ReadReport {
    pub fn add(&mut self, other: &ReadReport) {
        self.records += other.records;
        self.damaged += other.damaged;
        self.skipped_bytes += other.skipped_bytes;
        self.torn_bytes += other.torn_bytes;
        self.unknown += other.unknown;
    }
}

/// Iterates over the good records of one segment.
#[derive(Debug, Clone)]
pub struct SegmentReader<'a> {
    header: SegmentHeader,
    bytes: &'a [u8],
    at: usize,
    seed: u32,
    report: ReadReport,
}

impl<'a> SegmentReader<'a> {
    /// Starts on a whole segment file. A segment without a good header is lost as a whole: nothing
    /// says whose it is or when it began.
    pub fn new(bytes: &'a [u8]) -> Result<SegmentReader<'a>, HeaderError> {
        let header = SegmentHeader::decode(bytes)?;
        let seed = u32_at(bytes, HEADER_LEN - 4);
        Ok(SegmentReader { header, bytes, at: HEADER_LEN, seed, report: ReadReport::default() })
    }

    pub fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// Final once `next` has returned `None`.
    pub fn report(&self) -> &ReadReport {
        &self.report
    }

    /// Length of the good record at `at`, if there is one.
    fn good_at(&self, at: usize) -> Option<usize> {
        let head = self.bytes.get(at..at + RECORD_OVERHEAD)?;
        if head[0..2] != SYNC {
            return None;
        }
        let payload_len = usize::from(u16::from_le_bytes([head[3], head[4]]));
        if payload_len > MAX_PAYLOAD {
            return None;
        }
        let len = RECORD_OVERHEAD + payload_len;
        let payload = self.bytes.get(at + RECORD_OVERHEAD..at + len)?;
        let sum = record_crc(self.seed, &head[..CRC_AT], payload);
        (sum == u32_at(head, CRC_AT)).then_some(len)
    }

    fn find_next(&self, from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            let rest = self.bytes.get(at..)?;
            at += rest.windows(2).position(|w| w == SYNC)?;
            if self.good_at(at).is_some() {
                return Some(at);
            }
            at += 1;
        }
    }
}

impl<'a> Iterator for SegmentReader<'a> {
    type Item = Stamped<'a>;

    fn next(&mut self) -> Option<Stamped<'a>> {
        while self.at < self.bytes.len() {
            let Some(len) = self.good_at(self.at) else {
                match self.find_next(self.at + 1) {
                    Some(next) => {
                        self.report.damaged += 1;
                        self.report.skipped_bytes += (next - self.at) as u64;
                        self.at = next;
                    }
                    None => {
                        self.report.torn_bytes = (self.bytes.len() - self.at) as u64;
                        self.at = self.bytes.len();
                    }
                }
                continue;
            };
            let record = &self.bytes[self.at..self.at + len];
            self.at += len;
            match decode_payload(record[2], &record[RECORD_OVERHEAD..]) {
                Some(decoded) => {
                    self.report.records += 1;
                    let at_us = self.header.start_us.saturating_add(u64::from(u32_at(record, 5)));
                    return Some(Stamped { at_us, record: decoded });
                }
                None => self.report.unknown += 1,
            }
        }
        None
    }
}
