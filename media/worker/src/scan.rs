//! Reads a session's capture: which tracks there are, and when their packets were captured.

use crate::error::WorkerError;
use media::api::{Codec, Source};
use media::capture::repair::TimestampUnwrapper;
use media::capture::timing::{StreamClock, TimeMap, solve};
use media::capture::{ReadReport, Record, SegmentHeader, SegmentReader, Stamped, order_segments};
use media::rtp::packet::Header;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// One track's folder, scanned.
pub struct TrackCapture {
    /// The folder's name.
    pub name: String,
    pub header: SegmentHeader,
    segments: Vec<PathBuf>,
    /// Bytes that could not be read.
    pub unreadable: u64,
    /// Arrival of the last record.
    pub last_us: u64,
    clocks: Vec<(u32, StreamClock)>,
    maps: HashMap<u32, TimeMap>,
}

/// Extended timestamps by SSRC; the same records in the same order give the same numbers.
#[derive(Default)]
pub struct Timestamps(HashMap<u32, TimestampUnwrapper>);

impl Timestamps {
    pub fn extend(&mut self, header: &Header) -> i64 {
        self.0.entry(header.ssrc).or_default().unwrap(header.timestamp)
    }

    fn of_report(&self, ssrc: u32, rtp: u32) -> Option<i64> {
        self.0.get(&ssrc)?.peek(rtp)
    }
}

impl TrackCapture {
    pub fn source(&self) -> Source {
        self.header.source
    }

    pub fn codec(&self) -> Codec {
        self.header.codec
    }

    /// Session time of an extended timestamp, once the person's tracks are solved.
    pub fn time_of(&self, ssrc: u32, rtp: i64) -> Option<i64> {
        self.maps.get(&ssrc).map(|map| map.at(rtp))
    }

    /// Visits every readable record in order; returns what was unreadable.
    pub fn for_each(
        &self,
        mut visit: impl FnMut(Stamped<'_>) -> Result<(), WorkerError>,
        mut read: impl FnMut(u64) -> Result<(), WorkerError>,
    ) -> Result<ReadReport, WorkerError> {
        let mut report = ReadReport::default();
        for path in &self.segments {
            let bytes = std::fs::read(path)?;
            if let Ok(mut reader) = SegmentReader::new(&bytes) {
                for stamped in reader.by_ref() {
                    visit(stamped)?;
                }
                report.add(reader.report());
            }
            read(bytes.len() as u64)?;
        }
        Ok(report)
    }

    /// Scans one folder; `None` if it holds no readable segment.
    fn scan(
        dir: &Path,
        read: &mut dyn FnMut(u64) -> Result<(), WorkerError>,
    ) -> Result<Option<TrackCapture>, WorkerError> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(dir)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|e| e == "cap"))
            .collect();
        files.sort();
        let mut found = Vec::with_capacity(files.len());
        let mut unreadable = 0;
        for path in files {
            let header = read_header(&path)?;
            let len = std::fs::metadata(&path)?.len();
            found.push(((path, len), SegmentHeader::decode(&header)));
        }
        let ordered = order_segments(found);
        for ((_, len), _) in &ordered.rejected {
            unreadable += len;
        }
        let Some(&(_, header)) = ordered.segments.first() else { return Ok(None) };
        let mut track = TrackCapture {
            name: dir.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            header,
            segments: ordered.segments.into_iter().map(|((path, _), _)| path).collect(),
            unreadable,
            last_us: header.start_us,
            clocks: Vec::new(),
            maps: HashMap::new(),
        };
        track.read_clocks(read)?;
        Ok(Some(track))
    }

    fn read_clocks(
        &mut self,
        read: &mut dyn FnMut(u64) -> Result<(), WorkerError>,
    ) -> Result<(), WorkerError> {
        let rate = self.header.clock_rate;
        let mut clocks: Vec<(u32, StreamClock)> = Vec::new();
        let mut times = Timestamps::default();
        // Reports that came before the first packet of their stream.
        let mut early: Vec<(u32, u64, u32, u64)> = Vec::new();
        let mut last_us = self.last_us;
        let report = self.for_each(
            |stamped| {
                last_us = last_us.max(stamped.at_us);
                match stamped.record {
                    Record::Rtp(packet) => {
                        let Ok(header) = Header::parse(packet) else { return Ok(()) };
                        let rtp = times.extend(&header);
                        let ssrc = header.ssrc;
                        let clock = match clocks.iter_mut().position(|(s, _)| *s == ssrc) {
                            Some(at) => &mut clocks[at].1,
                            None => {
                                clocks.push((ssrc, StreamClock::new(rate)));
                                let at = clocks.len() - 1;
                                &mut clocks[at].1
                            }
                        };
                        clock.packet(rtp, stamped.at_us);
                        early.retain(|&(s, ntp, rtp, at_us)| {
                            if s == ssrc
                                && let Some(rtp) = times.of_report(s, rtp)
                            {
                                clock.report(rtp, ntp, at_us);
                            }
                            s != ssrc
                        });
                    }
                    Record::SenderReport { ssrc, ntp, rtp } => {
                        let clock = clocks.iter_mut().find(|(s, _)| *s == ssrc);
                        match (times.of_report(ssrc, rtp), clock) {
                            (Some(rtp), Some((_, clock))) => {
                                clock.report(rtp, ntp, stamped.at_us);
                            }
                            _ if early.len() < 64 => early.push((ssrc, ntp, rtp, stamped.at_us)),
                            _ => {}
                        }
                    }
                    _ => {}
                }
                Ok(())
            },
            read,
        )?;
        self.unreadable += report.skipped_bytes + report.torn_bytes;
        self.last_us = last_us;
        self.clocks = clocks;
        Ok(())
    }
}

fn read_header(path: &Path) -> Result<Vec<u8>, WorkerError> {
    use std::io::Read;
    let mut head = Vec::with_capacity(media::capture::HEADER_LEN);
    let file = std::fs::File::open(path)?;
    file.take(media::capture::HEADER_LEN as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Scans all tracks of a session and solves their clocks, person by person. A session without a
/// capture folder has no tracks.
pub fn scan_session(
    capture_dir: &Path,
    read: &mut dyn FnMut(u64) -> Result<(), WorkerError>,
) -> Result<Vec<TrackCapture>, WorkerError> {
    let entries = match std::fs::read_dir(capture_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut dirs: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    dirs.sort();
    let mut tracks = Vec::new();
    for dir in dirs {
        tracks.extend(TrackCapture::scan(&dir, read)?);
    }
    solve_clocks(&mut tracks);
    Ok(tracks)
}

/// Bytes of all segments below `capture_dir`, for progress.
pub fn total_bytes(capture_dir: &Path) -> u64 {
    let Ok(dirs) = std::fs::read_dir(capture_dir) else { return 0 };
    dirs.filter_map(|dir| std::fs::read_dir(dir.ok()?.path()).ok())
        .flatten()
        .filter_map(|file| Some(file.ok()?.metadata().ok()?.len()))
        .sum()
}

fn solve_clocks(tracks: &mut [TrackCapture]) {
    let mut owners: Vec<u128> = tracks.iter().map(|t| t.header.owner.0).collect();
    owners.sort_unstable();
    owners.dedup();
    for owner in owners {
        let mut keys = Vec::new();
        let mut clocks = Vec::new();
        for (index, track) in tracks.iter().enumerate() {
            if track.header.owner.0 == owner {
                for (ssrc, clock) in &track.clocks {
                    keys.push((index, *ssrc));
                    clocks.push(clock);
                }
            }
        }
        let maps = solve(&clocks);
        for ((index, ssrc), map) in keys.into_iter().zip(maps) {
            tracks[index].maps.insert(ssrc, map);
        }
    }
}
