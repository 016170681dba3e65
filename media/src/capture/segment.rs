//! The header of a segment file and the encoder of its records.

use crate::api::{Codec, OwnerId, RoomId, Source, TrackId};
use thiserror::Error;

pub(super) const MAGIC: [u8; 8] = *b"YTCAP\r\n\x1a";
/// Of the layout; a reader refuses a newer one.
pub const VERSION: u16 = 1;
/// Bytes of a segment header.
pub const HEADER_LEN: usize = 80;
/// Bytes of a record around its payload.
pub const RECORD_OVERHEAD: usize = 13;
/// Largest payload of a record. Ours are datagrams of at most an MTU; the bound also keeps a
/// reader that looks for the next good record from summing megabytes at every false start.
pub const MAX_PAYLOAD: usize = 4096;

pub(super) const SYNC: [u8; 2] = [0xf5, 0x9c];
pub(super) const CRC_AT: usize = 9;

/// What a segment file says about itself, so that it can be understood alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    pub session: RoomId,
    pub track: TrackId,
    pub owner: OwnerId,
    pub source: Source,
    pub codec: Codec,
    /// RTP ticks a second.
    pub clock_rate: u32,
    /// Counts from 0 in each track.
    pub number: u32,
    /// Session time (µs since the session's opening) that arrivals in this segment count from.
    pub start_us: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HeaderError {
    #[error("shorter than a segment header")]
    Truncated,
    #[error("not a capture segment")]
    NotACapture,
    #[error("capture format version {0} is newer than this program")]
    Version(u16),
    #[error("the segment header is damaged")]
    Checksum,
    #[error("the segment header has an unknown source or codec")]
    Unknown,
}

impl SegmentHeader {
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut b = [0u8; HEADER_LEN];
        b[0..8].copy_from_slice(&MAGIC);
        b[8..10].copy_from_slice(&VERSION.to_le_bytes());
        b[10..12].copy_from_slice(&(HEADER_LEN as u16).to_le_bytes());
        b[12] = source_code(self.source);
        b[13] = codec_code(self.codec);
        b[16..20].copy_from_slice(&self.clock_rate.to_le_bytes());
        b[20..24].copy_from_slice(&self.number.to_le_bytes());
        b[24..40].copy_from_slice(&self.session.0.to_le_bytes());
        b[40..56].copy_from_slice(&self.owner.0.to_le_bytes());
        b[56..64].copy_from_slice(&self.track.0.to_le_bytes());
        b[64..72].copy_from_slice(&self.start_us.to_le_bytes());
        let crc = crc32c::crc32c(&b[..76]);
        b[76..80].copy_from_slice(&crc.to_le_bytes());
        b
    }

    /// Reads the header at the start of a segment.
    pub fn decode(bytes: &[u8]) -> Result<SegmentHeader, HeaderError> {
        let b = bytes.get(..HEADER_LEN).ok_or(HeaderError::Truncated)?;
        if b[0..8] != MAGIC {
            return Err(HeaderError::NotACapture);
        }
        // The sum first: a flipped bit in the version must not read as "newer program".
        if crc32c::crc32c(&b[..76]) != u32_at(b, 76) {
            return Err(HeaderError::Checksum);
        }
        let version = u16::from_le_bytes([b[8], b[9]]);
        if version != VERSION {
            return Err(HeaderError::Version(version));
        }
        Ok(SegmentHeader {
            session: RoomId(u128_at(b, 24)),
            owner: OwnerId(u128_at(b, 40)),
            track: TrackId(u64_at(b, 56)),
            source: source_of(b[12]).ok_or(HeaderError::Unknown)?,
            codec: codec_of(b[13]).ok_or(HeaderError::Unknown)?,
            clock_rate: u32_at(b, 16),
            number: u32_at(b, 20),
            start_us: u64_at(b, 64),
        })
    }
}

/// Why packets are missing from the capture though they may have been received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// The recording was paused.
    Pause,
    /// The writer's ring was full: the disk was too slow.
    Overflow,
    /// The disk was full or failed.
    Storage,
}

/// One entry of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record<'a> {
    /// A decrypted RTP packet (RFC 3550 §5.1), RTX and RED unwrapped, original SSRC and sequence.
    Rtp(&'a [u8]),
    /// NTP time (RFC 3550 §4, 32.32 fixed point) and RTP time of a sender report.
    SenderReport { ssrc: u32, ntp: u64, rtp: u32 },
    /// Another simulcast layer is captured from here on.
    LayerSwitch { ssrc: u32 },
    /// The capture misses the `length_us` before this record, with `dropped` packets (0: unknown).
    Gap { reason: GapReason, dropped: u32, length_us: u64 },
    /// The track ended in order.
    TrackEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EncodeError {
    #[error("the payload is larger than {MAX_PAYLOAD} bytes")]
    TooLarge,
    #[error("the buffer is too small for the record")]
    NoRoom,
    /// 2^32 µs (71 minutes) after its start a segment can hold no more: begin the next one.
    #[error("the segment is too long in time")]
    SegmentOver,
}

impl Record<'_> {
    /// Bytes that [`SegmentEncoder::encode`] writes.
    pub fn encoded_len(&self) -> usize {
        RECORD_OVERHEAD
            + match self {
                Record::Rtp(packet) => packet.len(),
                Record::SenderReport { .. } => 16,
                Record::LayerSwitch { .. } => 4,
                Record::Gap { .. } => 13,
                Record::TrackEnd => 0,
            }
    }
}

/// Writes the records of one segment.
#[derive(Debug, Clone, Copy)]
pub struct SegmentEncoder {
    start_us: u64,
    seed: u32,
}

impl SegmentEncoder {
    /// For the records that follow `header`.
    pub fn new(header: &SegmentHeader) -> SegmentEncoder {
        let bytes = header.encode();
        SegmentEncoder { start_us: header.start_us, seed: u32_at(&bytes, 76) }
    }

    /// Writes one record that arrived at `at_us` (session time; earlier than the segment's start
    /// counts as its start) to the beginning of `out`; returns the number of bytes written. On an
    /// error nothing that matters has been written.
    pub fn encode(
        &self,
        at_us: u64,
        record: &Record<'_>,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        let arrival = u32::try_from(at_us.saturating_sub(self.start_us))
            .map_err(|_| EncodeError::SegmentOver)?;
        let len = record.encoded_len();
        let payload_len = len - RECORD_OVERHEAD;
        if payload_len > MAX_PAYLOAD {
            return Err(EncodeError::TooLarge);
        }
        let out = out.get_mut(..len).ok_or(EncodeError::NoRoom)?;
        let (head, payload) = out.split_at_mut(RECORD_OVERHEAD);
        let kind = match *record {
            Record::Rtp(packet) => {
                payload.copy_from_slice(packet);
                1
            }
            Record::SenderReport { ssrc, ntp, rtp } => {
                payload[0..4].copy_from_slice(&ssrc.to_le_bytes());
                payload[4..12].copy_from_slice(&ntp.to_le_bytes());
                payload[12..16].copy_from_slice(&rtp.to_le_bytes());
                2
            }
            Record::LayerSwitch { ssrc } => {
                payload.copy_from_slice(&ssrc.to_le_bytes());
                3
            }
            Record::Gap { reason, dropped, length_us } => {
                payload[0] = match reason {
                    GapReason::Pause => 1,
                    GapReason::Overflow => 2,
                    GapReason::Storage => 3,
                };
                payload[1..5].copy_from_slice(&dropped.to_le_bytes());
                payload[5..13].copy_from_slice(&length_us.to_le_bytes());
                4
            }
            Record::TrackEnd => 5,
        };
        head[0..2].copy_from_slice(&SYNC);
        head[2] = kind;
        head[3..5].copy_from_slice(&(payload_len as u16).to_le_bytes());
        head[5..9].copy_from_slice(&arrival.to_le_bytes());
        let crc = record_crc(self.seed, &head[..CRC_AT], payload);
        head[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        Ok(len)
    }
}

/// The sum starts from the segment header's own, so that a record of another segment (an old block
/// that the file system handed out again) is never taken for one of this.
pub(super) fn record_crc(seed: u32, head: &[u8], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(seed, head), payload)
}

pub(super) fn decode_payload<'a>(kind: u8, p: &'a [u8]) -> Option<Record<'a>> {
    Some(match (kind, p.len()) {
        (1, _) => Record::Rtp(p),
        (2, 16) => {
            Record::SenderReport { ssrc: u32_at(p, 0), ntp: u64_at(p, 4), rtp: u32_at(p, 12) }
        }
        (3, 4) => Record::LayerSwitch { ssrc: u32_at(p, 0) },
        (4, 13) => Record::Gap {
            reason: match p[0] {
                1 => GapReason::Pause,
                2 => GapReason::Overflow,
                3 => GapReason::Storage,
                _ => return None,
            },
            dropped: u32_at(p, 1),
            length_us: u64_at(p, 5),
        },
        (5, 0) => Record::TrackEnd,
        _ => return None,
    })
}

fn source_code(source: Source) -> u8 {
    match source {
        Source::Microphone => 1,
        Source::Camera => 2,
        Source::Screen => 3,
        Source::ScreenAudio => 4,
    }
}

fn source_of(code: u8) -> Option<Source> {
    Some(match code {
        1 => Source::Microphone,
        2 => Source::Camera,
        3 => Source::Screen,
        4 => Source::ScreenAudio,
        _ => return None,
    })
}

fn codec_code(codec: Codec) -> u8 {
    match codec {
        Codec::Opus => 1,
        Codec::Vp8 => 2,
        Codec::Vp9 => 3,
        Codec::H264 => 4,
        Codec::Av1 => 5,
    }
}

fn codec_of(code: u8) -> Option<Codec> {
    Some(match code {
        1 => Codec::Opus,
        2 => Codec::Vp8,
        3 => Codec::Vp9,
        4 => Codec::H264,
        5 => Codec::Av1,
        _ => return None,
    })
}

fn le<const N: usize>(b: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&b[at..at + N]);
    out
}

pub(super) fn u32_at(b: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(le(b, at))
}

fn u64_at(b: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(le(b, at))
}

fn u128_at(b: &[u8], at: usize) -> u128 {
    u128::from_le_bytes(le(b, at))
}
