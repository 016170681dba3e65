//! RTP header extensions (RFC 8285): reading both forms, writing the shorter one that fits.

use std::ops::Range;

use super::packet::Header;

const ONE_BYTE: u16 = 0xbede;
const TWO_BYTE: u16 = 0x1000;

/// The extensions that the SFU reads or rewrites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExtKind {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid` (RFC 9143)
    Mid,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id` (RFC 8852)
    Rid,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id` (RFC 8852)
    RepairedRid,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level` (RFC 6464)
    AudioLevel,
    AbsSendTime,
    TransportCc,
    /// `urn:3gpp:video-orientation`
    VideoOrientation,
    AbsCaptureTime,
    /// AV1 RTP specification, appendix A
    DependencyDescriptor,
}

pub const KINDS: usize = 9;

/// Ids of one media section; 0 means not negotiated (RFC 8285 §4.2 reserves it for padding).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExtIds([u8; KINDS]);

impl ExtIds {
    pub fn set(&mut self, kind: ExtKind, id: u8) {
        self.0[kind as usize] = id;
    }

    #[inline]
    pub fn get(&self, kind: ExtKind) -> Option<u8> {
        match self.0[kind as usize] {
            0 => None,
            id => Some(id),
        }
    }
}

/// Elements of a packet's extension block as (id, bytes of the packet); stops at what is broken.
pub fn elements<'a>(packet: &'a [u8], header: &Header) -> Elements<'a> {
    Elements {
        packet,
        range: header.extension_range(),
        two_byte: header.extension_profile & 0xfff0 == TWO_BYTE,
        known: header.extension_profile == ONE_BYTE
            || header.extension_profile & 0xfff0 == TWO_BYTE,
    }
}

pub struct Elements<'a> {
    packet: &'a [u8],
    range: Range<usize>,
    two_byte: bool,
    known: bool,
}

impl Iterator for Elements<'_> {
    type Item = (u8, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        if !self.known {
            return None;
        }
        loop {
            let at = self.range.start;
            if at >= self.range.end {
                return None;
            }
            let first = *self.packet.get(at)?;
            if first == 0 {
                self.range.start += 1;
                continue;
            }
            let (id, length, head) = if self.two_byte {
                if at + 1 >= self.range.end {
                    return None;
                }
                (first, usize::from(*self.packet.get(at + 1)?), 2)
            } else {
                (first >> 4, usize::from(first & 0x0f) + 1, 1)
            };
            let end = at + head + length;
            // Id 15 of the one-byte form ends the block (RFC 8285 §4.2).
            if (!self.two_byte && id == 15) || end > self.range.end {
                self.range.start = self.range.end;
                return None;
            }
            self.range.start = end;
            return Some((id, at + head..end));
        }
    }
}

/// Builds an extension block on the stack.
///
/// Elements are pushed in the one-byte form; the first that does not fit it (id above 14, value
/// empty or above 16 bytes) turns the block into the two-byte form.
pub struct ExtWriter {
    block: [u8; Self::CAPACITY],
    len: usize,
    two_byte: bool,
}

impl Default for ExtWriter {
    fn default() -> ExtWriter {
        ExtWriter::new()
    }
}

impl ExtWriter {
    /// Bytes that a block can have, with its four-byte head.
    pub const CAPACITY: usize = 256;

    #[inline]
    pub fn new() -> ExtWriter {
        ExtWriter { block: [0; Self::CAPACITY], len: 4, two_byte: false }
    }

    /// Adds an element and gives its bytes, which may be changed until the next call; what does not
    /// fit the capacity is left out, and gives none.
    #[inline]
    pub fn push(&mut self, id: u8, value: &[u8]) -> &mut [u8] {
        let short = id <= 14 && !value.is_empty() && value.len() <= 16;
        if !self.two_byte && !short {
            self.widen();
        }
        let head = if self.two_byte { 2 } else { 1 };
        // Three bytes stay free for the final alignment.
        if id == 0 || value.len() > 255 || self.len + head + value.len() + 3 > Self::CAPACITY {
            return &mut [];
        }
        if self.two_byte {
            self.block[self.len] = id;
            self.block[self.len + 1] = value.len() as u8;
        } else {
            self.block[self.len] = id << 4 | (value.len() - 1) as u8;
        }
        self.len += head;
        let from = self.len;
        self.len += value.len();
        let element = &mut self.block[from..self.len];
        element.copy_from_slice(value);
        element
    }

    /// Rewrites what is there in the two-byte form; rare, so done by copying.
    fn widen(&mut self) {
        let old = self.block;
        let end = self.len;
        self.two_byte = true;
        self.len = 4;
        let mut at = 4;
        while at < end {
            let length = usize::from(old[at] & 0x0f) + 1;
            self.push(old[at] >> 4, &old[at + 1..at + 1 + length]);
            at += 1 + length;
        }
    }

    /// The finished block with its head, padded to words; empty when nothing was pushed.
    #[inline]
    pub fn finish(&mut self) -> &[u8] {
        if self.len == 4 {
            return &[];
        }
        while !self.len.is_multiple_of(4) {
            self.block[self.len] = 0;
            self.len += 1;
        }
        let profile = if self.two_byte { TWO_BYTE } else { ONE_BYTE };
        self.block[..2].copy_from_slice(&profile.to_be_bytes());
        self.block[2..4].copy_from_slice(&((self.len / 4 - 1) as u16).to_be_bytes());
        &self.block[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet_with(block: &[u8]) -> Vec<u8> {
        let mut packet = vec![0u8; 12];
        packet[0] = 0x80;
        if !block.is_empty() {
            packet[0] |= 0x10;
            packet.extend_from_slice(block);
        }
        packet
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            wanted in proptest::collection::vec(
                (1u8..=30, proptest::collection::vec(any::<u8>(), 0..24)), 0..6),
        ) {
            let mut writer = ExtWriter::new();
            for (id, value) in &wanted {
                writer.push(*id, value);
            }
            let packet = packet_with(writer.finish());
            let header = Header::parse(&packet).unwrap();
            let read: Vec<(u8, Vec<u8>)> =
                elements(&packet, &header).map(|(id, range)| (id, packet[range].to_vec())).collect();
            prop_assert_eq!(read, wanted);
        }

        #[test]
        fn broken_blocks_end_the_iteration(
            bytes in proptest::collection::vec(any::<u8>(), 0..40), two: bool,
        ) {
            let mut block = if two { vec![0x10, 0] } else { vec![0xbe, 0xde] };
            let words = bytes.len() / 4;
            block.extend_from_slice(&(words as u16).to_be_bytes());
            block.extend_from_slice(&bytes[..words * 4]);
            let packet = packet_with(&block);
            let header = Header::parse(&packet).unwrap();
            for (_, range) in elements(&packet, &header) {
                prop_assert!(range.end <= packet.len());
            }
        }
    }

    #[test]
    fn small_elements_use_the_one_byte_form() {
        let mut writer = ExtWriter::new();
        writer.push(3, &[1, 2]);
        assert_eq!(writer.finish(), [0xbe, 0xde, 0, 1, 0x31, 1, 2, 0]);
    }
}
