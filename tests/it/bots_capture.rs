//! Reads a capture back: which packets of which bot's source it holds, by the marks in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use harness::mark::Mark;
use media::capture::{GapReason, Record, SegmentReader, order_segments};
use signaling::message::Source;

/// One track of the capture.
#[derive(Debug, Default)]
pub struct Track {
    /// Person that the header names.
    pub owner: u128,
    /// Marks of its packets.
    pub numbers: BTreeSet<u32>,
    /// RTP sequence numbers that are not their marks' low halves.
    pub renumbered: usize,
    pub gaps: Vec<GapReason>,
    pub ended: bool,
    /// Bytes that hold no good record.
    pub damaged: u64,
}

/// All tracks below `capture/<session>`, by bot and source.
pub fn read(dir: &Path) -> BTreeMap<(u32, Source), Track> {
    let mut tracks = BTreeMap::new();
    for folder in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let files = std::fs::read_dir(folder.path()).unwrap();
        let files = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        let headed = files.map(|bytes| {
            let header = SegmentReader::new(&bytes).map(|reader| *reader.header());
            (bytes, header)
        });
        let ordered = order_segments(headed.collect::<Vec<_>>());
        assert!(ordered.rejected.is_empty(), "{:?}", folder.path());
        if let Some((key, track)) = one(&ordered.segments) {
            let twice = tracks.insert(key, track).is_some();
            assert!(!twice, "two tracks of bot {key:?}");
        }
    }
    tracks
}

/// `None` for a track without a packet.
fn one(segments: &[(Vec<u8>, media::capture::SegmentHeader)]) -> Option<((u32, Source), Track)> {
    let header = segments.first()?.1;
    let source = match header.source {
        media::api::Source::Microphone => Source::Microphone,
        media::api::Source::Camera => Source::Camera,
        other => panic!("bots send no {other:?}"),
    };
    let mut track = Track { owner: header.owner.0, ..Track::default() };
    let mut bots = BTreeSet::new();
    for (bytes, _) in segments {
        let mut reader = SegmentReader::new(bytes).unwrap();
        for stamped in reader.by_ref() {
            track.ended = stamped.record == Record::TrackEnd;
            match stamped.record {
                Record::Rtp(packet) => {
                    let mark = Mark::read(packet).expect("a bot's packet is marked");
                    let sequence = u16::from_be_bytes([packet[2], packet[3]]);
                    track.renumbered += usize::from(sequence != mark.number as u16);
                    track.numbers.insert(mark.number);
                    bots.insert(mark.bot);
                }
                Record::Gap { reason, .. } => track.gaps.push(reason),
                _ => {}
            }
        }
        track.damaged += reader.report().skipped_bytes + reader.report().torn_bytes;
    }
    assert!(bots.len() <= 1, "one track holds one sender: {bots:?}");
    Some(((bots.pop_first()?, source), track))
}
