//! One captured track: its folder, its open segment, and what happens when the disk says no.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use media::api::TrackId;
use media::capture::{EncodeError, GapReason, MAX_PAYLOAD, Record, SegmentEncoder, SegmentHeader};

use super::CaptureProblem;
use super::files::{CaptureFile, CaptureFiles};
use super::tap::TrackInfo;

/// A new segment after so much (docs/CAPTURE.md).
const SEGMENT_BYTES: u64 = 16 << 20;
const SEGMENT_US: u64 = 60_000_000;
/// Collected before a write call.
const BUFFER: usize = 64 * 1024;
/// Between attempts after a failure.
const RETRY: Duration = Duration::from_millis(if cfg!(test) { 200 } else { 3_000 });

pub(super) struct Track {
    id: TrackId,
    info: TrackInfo,
    folder: PathBuf,
    next_number: u32,
    state: State,
    /// Session time of the last record.
    last_us: u64,
    paused_since_us: Option<u64>,
}

enum State {
    /// The next record opens a segment.
    Between,
    Writing(Segment),
    Failed {
        retry_at: Instant,
        since_us: u64,
        dropped: u32,
    },
}

struct Segment {
    file: Box<dyn CaptureFile>,
    encoder: SegmentEncoder,
    start_us: u64,
    buffer: Vec<u8>,
    written: u64,
    unsynced: bool,
}

/// What an operation wrote and lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub bytes: u64,
    pub segments: u64,
    pub dropped: u64,
    pub problem: Option<CaptureProblem>,
}

impl Outcome {
    pub fn add(&mut self, other: Outcome) {
        self.bytes += other.bytes;
        self.segments += other.segments;
        self.dropped += other.dropped;
        self.problem = other.problem.or(self.problem);
    }
}

impl Track {
    pub fn new(id: TrackId, info: TrackInfo, folder: PathBuf) -> Self {
        let state = State::Between;
        Self { id, info, folder, next_number: 0, state, last_us: 0, paused_since_us: None }
    }

    pub fn info(&self) -> &TrackInfo {
        &self.info
    }

    pub fn failed(&self) -> bool {
        matches!(self.state, State::Failed { .. })
    }

    pub fn pause(&mut self, at_us: u64) {
        self.paused_since_us.get_or_insert(at_us.max(self.last_us));
    }

    /// Appends `record`, which arrived at session time `at_us`.
    pub fn write(
        &mut self,
        files: &mut dyn CaptureFiles,
        now: Instant,
        at_us: u64,
        record: Record<'_>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        if matches!(record, Record::Rtp(packet) if packet.len() > MAX_PAYLOAD) {
            outcome.dropped = 1;
            return outcome;
        }
        if let Some(since) = self.paused_since_us.take() {
            let length_us = at_us.saturating_sub(since);
            let gap = Record::Gap { reason: GapReason::Pause, dropped: 0, length_us };
            self.append(files, now, at_us, gap, &mut outcome);
        }
        self.append(files, now, at_us, record, &mut outcome);
        outcome
    }

    fn append(
        &mut self,
        files: &mut dyn CaptureFiles,
        now: Instant,
        at_us: u64,
        record: Record<'_>,
        outcome: &mut Outcome,
    ) {
        self.last_us = self.last_us.max(at_us);
        let result = self.ready(files, now, at_us, outcome).and_then(|open| match open {
            Some(segment) => segment.append(at_us, &record, outcome).map(|()| true),
            None => Ok(false),
        });
        match result {
            Ok(true) => {}
            Ok(false) => self.drop_one(&record, outcome),
            Err(error) => {
                self.fail(now, at_us, &error, outcome);
                self.drop_one(&record, outcome);
            }
        }
    }

    /// The segment to write to; none while waiting after a failure.
    fn ready(
        &mut self,
        files: &mut dyn CaptureFiles,
        now: Instant,
        at_us: u64,
        outcome: &mut Outcome,
    ) -> io::Result<Option<&mut Segment>> {
        if let State::Writing(segment) = &mut self.state
            && segment.is_full(at_us)
        {
            segment.sync(outcome)?;
            self.state = State::Between;
        }
        let gap = match &self.state {
            State::Failed { retry_at, .. } if now < *retry_at => return Ok(None),
            State::Failed { since_us, dropped, .. } => Some(Record::Gap {
                reason: GapReason::Storage,
                dropped: *dropped,
                length_us: at_us.saturating_sub(*since_us),
            }),
            _ => None,
        };
        if !matches!(self.state, State::Writing(_)) {
            let mut segment = self.open(files, at_us, outcome)?;
            if let Some(gap) = gap {
                segment.append(at_us, &gap, outcome)?;
                // Space for a header is not space for media: believe the disk once it took this.
                segment.sync(outcome)?;
            }
            self.state = State::Writing(segment);
        }
        Ok(match &mut self.state {
            State::Writing(segment) => Some(segment),
            _ => None,
        })
    }

    fn open(
        &mut self,
        files: &mut dyn CaptureFiles,
        at_us: u64,
        outcome: &mut Outcome,
    ) -> io::Result<Segment> {
        // Each attempt has a number of its own: a file that half exists is never written again.
        let number = self.next_number;
        self.next_number += 1;
        let header = SegmentHeader {
            session: self.info.room,
            track: self.id,
            owner: self.info.owner,
            source: self.info.source,
            codec: self.info.codec,
            clock_rate: self.info.codec.clock_rate(),
            number,
            start_us: at_us,
        };
        files.create_folder(&self.folder)?;
        let path = self.folder.join(format!("{number:06}.cap"));
        let mut file = files.create(&path)?;
        let bytes = header.encode();
        if let Err(error) = file.append(&bytes) {
            // Without a header nobody can tell whose it is.
            let _ = files.remove(&path);
            return Err(error);
        }
        outcome.segments += 1;
        outcome.bytes += bytes.len() as u64;
        Ok(Segment {
            file,
            encoder: SegmentEncoder::new(&header),
            start_us: at_us,
            buffer: Vec::with_capacity(BUFFER),
            written: bytes.len() as u64,
            unsynced: true,
        })
    }

    /// Makes durable what was appended; costs nothing when there is nothing.
    pub fn sync(&mut self, now: Instant) -> Outcome {
        let mut outcome = Outcome::default();
        if let State::Writing(segment) = &mut self.state
            && let Err(error) = segment.sync(&mut outcome)
        {
            self.fail(now, self.last_us, &error, &mut outcome);
        }
        outcome
    }

    /// The track ended in order.
    pub fn end(&mut self, files: &mut dyn CaptureFiles, now: Instant, at_us: u64) -> Outcome {
        // A track that ends while paused ended with its last packet, as far as the capture knows.
        let at_us = self.paused_since_us.take().unwrap_or(at_us.max(self.last_us));
        let mut outcome = Outcome::default();
        self.append(files, now, at_us, Record::TrackEnd, &mut outcome);
        outcome.add(self.sync(now));
        outcome
    }

    /// After a bug in the writer: the open segment may be torn, so a new one follows.
    pub fn give_up_segment(&mut self, now: Instant) {
        let since_us = self.last_us;
        self.state = State::Failed { retry_at: now, since_us, dropped: 0 };
    }

    fn fail(&mut self, now: Instant, at_us: u64, error: &io::Error, outcome: &mut Outcome) {
        let (since_us, dropped) = match &self.state {
            State::Failed { since_us, dropped, .. } => (*since_us, *dropped),
            // What was buffered or not yet synced may be gone too; how much, nobody knows.
            _ => (at_us, 0),
        };
        self.state = State::Failed { retry_at: now + RETRY, since_us, dropped };
        outcome.problem = Some(match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => CaptureProblem::DiskFull,
            kind => CaptureProblem::Storage(kind),
        });
    }

    fn drop_one(&mut self, record: &Record<'_>, outcome: &mut Outcome) {
        if let (State::Failed { dropped, .. }, Record::Rtp(_)) = (&mut self.state, record) {
            *dropped = dropped.saturating_add(1);
            outcome.dropped += 1;
        }
    }
}

impl Segment {
    fn is_full(&self, at_us: u64) -> bool {
        self.written + self.buffer.len() as u64 >= SEGMENT_BYTES
            || at_us.saturating_sub(self.start_us) >= SEGMENT_US
    }

    fn append(&mut self, at_us: u64, record: &Record<'_>, outcome: &mut Outcome) -> io::Result<()> {
        let len = record.encoded_len();
        if self.buffer.len() + len > BUFFER {
            self.flush(outcome)?;
        }
        let start = self.buffer.len();
        self.buffer.resize(start + len, 0);
        match self.encoder.encode(at_us, record, &mut self.buffer[start..]) {
            Ok(_) => Ok(()),
            Err(
                error @ (EncodeError::TooLarge | EncodeError::NoRoom | EncodeError::SegmentOver),
            ) => {
                self.buffer.truncate(start);
                Err(io::Error::other(error))
            }
        }
    }

    fn flush(&mut self, outcome: &mut Outcome) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.file.append(&self.buffer)?;
        self.written += self.buffer.len() as u64;
        outcome.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        self.unsynced = true;
        Ok(())
    }

    fn sync(&mut self, outcome: &mut Outcome) -> io::Result<()> {
        self.flush(outcome)?;
        if self.unsynced {
            self.file.sync()?;
            self.unsynced = false;
        }
        Ok(())
    }
}
