//! An accepted packet on its way from ingress to its subscribers.

use std::ops::Range;
use std::time::Duration;

use super::track::TrackKey;
use crate::rtp::ext::{ExtKind, elements};
use crate::rtp::packet::Header;
use crate::rtp::{dd, vp8};

type Span = (u16, u16);

fn span(range: Range<usize>) -> Span {
    (range.start as u16, range.end as u16)
}

pub fn range(span: Span) -> Range<usize> {
    usize::from(span.0)..usize::from(span.1)
}

/// Extension values that are carried over to subscribers; positions in the packet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Carried {
    pub level: Option<u8>,
    pub orientation: Option<u8>,
    pub capture_time: Span,
    pub dependency: Span,
}

/// Extension values that the SFU itself reads.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scan {
    pub carried: Carried,
    pub mid: Span,
    pub rid: Span,
    pub repaired_rid: Span,
    pub twcc: Option<u16>,
}

impl Scan {
    #[inline]
    pub fn read(packet: &[u8], header: &Header, kinds: &[Option<ExtKind>; 256]) -> Scan {
        let mut scan = Scan::default();
        for (id, at) in elements(packet, header) {
            let Some(kind) = kinds[usize::from(id)] else { continue };
            let value = &packet[at.clone()];
            match kind {
                ExtKind::Mid => scan.mid = span(at),
                ExtKind::Rid => scan.rid = span(at),
                ExtKind::RepairedRid => scan.repaired_rid = span(at),
                ExtKind::AudioLevel => scan.carried.level = value.first().copied(),
                ExtKind::VideoOrientation => scan.carried.orientation = value.first().copied(),
                ExtKind::AbsCaptureTime => scan.carried.capture_time = span(at),
                ExtKind::DependencyDescriptor => scan.carried.dependency = span(at),
                ExtKind::TransportCc => {
                    scan.twcc = value.first_chunk().map(|bytes| u16::from_be_bytes(*bytes));
                }
                ExtKind::AbsSendTime => {}
            }
        }
        scan
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Work {
    pub track: TrackKey,
    pub order: u32,
    /// Where the bytes are: index into the batch, and offset of the packet in the datagram.
    pub datagram: u32,
    pub offset: u16,
    pub header: Header,
    pub layer: u8,
    pub seq: u64,
    /// A decoder can start here.
    pub key: bool,
    /// Only takes a sequence number.
    pub padding: bool,
    /// Taken from redundancy: not for those who get the redundancy themselves.
    pub recovered: bool,
    pub red: bool,
    /// The single frame inside: all of the payload unless RED.
    pub primary: Span,
    /// Numbers of VP8 and VP9.
    pub picture: vp8::Descriptor,
    /// Of the dependency descriptor; read with the structure that its layer has now.
    pub dependency: Option<dd::Frame>,
    pub carried: Carried,
    /// How long ago it came: not zero for what a voice said before it was chosen.
    pub waited: Duration,
    /// One byte of RTP padding makes this packet as long as the others of its frame.
    pub pad: bool,
}

/// Marks packets that are one byte shorter than the longest of their frame: libwebrtc splits a
/// frame n, n, n+1, n+1, and with equal lengths a frame is one GSO message.
pub fn level_frames(group: &mut [Work]) {
    let mut from = 0;
    while from < group.len() {
        let frame = |work: &Work| (work.layer, work.header.timestamp);
        let same = group[from..].iter().take_while(|w| frame(w) == frame(&group[from])).count();
        let packets = &mut group[from..from + same];
        let longest = packets.iter().map(|w| w.header.payload_len()).max().unwrap_or(0);
        for work in packets {
            work.pad = work.header.payload_len() + 1 == longest && !work.padding;
        }
        from += same;
    }
}
