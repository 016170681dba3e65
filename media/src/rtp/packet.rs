//! A view of one decrypted RTP packet (RFC 3550 §5.1).

use std::ops::Range;

use thiserror::Error;

/// The fixed part of an RTP header, in bytes.
pub const FIXED_HEADER: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PacketError {
    #[error("shorter than its header says")]
    Short,
    #[error("not RTP version 2")]
    Version,
    #[error("padding longer than the payload")]
    Padding,
    #[error("longer than a datagram")]
    Long,
}

/// What a header says; positions are byte offsets into the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    /// Profile of the header extension (0xBEDE one-byte, 0x100x two-byte form), 0 if there is none.
    pub extension_profile: u16,
    pub(crate) extension: (u16, u16),
    /// Length of the whole header: the payload begins here.
    pub header_len: u16,
    /// End of the payload: padding is cut off.
    pub payload_end: u16,
}

impl Header {
    /// Reads a decrypted packet, padding included.
    pub fn parse(packet: &[u8]) -> Result<Header, PacketError> {
        let mut header = Header::parse_clear(packet)?;
        if packet[0] & 0x20 != 0 {
            let padding = usize::from(*packet.last().ok_or(PacketError::Short)?);
            let payload = packet.len() - usize::from(header.header_len);
            if padding == 0 || padding > payload {
                return Err(PacketError::Padding);
            }
            header.payload_end -= padding as u16;
        }
        Ok(header)
    }

    /// Reads only what is in the clear before decryption; `payload_end` is the packet's end.
    pub fn parse_clear(packet: &[u8]) -> Result<Header, PacketError> {
        let fixed: &[u8; FIXED_HEADER] = packet.first_chunk().ok_or(PacketError::Short)?;
        if fixed[0] >> 6 != 2 {
            return Err(PacketError::Version);
        }
        let length = u16::try_from(packet.len()).map_err(|_| PacketError::Long)?;
        let mut at = FIXED_HEADER + 4 * usize::from(fixed[0] & 0x0f);
        let mut profile = 0;
        let mut extension = (0, 0);
        if fixed[0] & 0x10 != 0 {
            let head: &[u8; 4] =
                packet.get(at..).and_then(|rest| rest.first_chunk()).ok_or(PacketError::Short)?;
            profile = u16::from_be_bytes([head[0], head[1]]);
            let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let end = at + 4 + 4 * words;
            if end > packet.len() {
                return Err(PacketError::Short);
            }
            extension = ((at + 4) as u16, end as u16);
            at = end;
        }
        if at > packet.len() {
            return Err(PacketError::Short);
        }
        Ok(Header {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            extension_profile: profile,
            extension,
            header_len: at as u16,
            payload_end: length,
        })
    }

    /// Bytes of the header extension, without its four-byte head.
    #[inline]
    pub fn extension_range(&self) -> Range<usize> {
        usize::from(self.extension.0)..usize::from(self.extension.1)
    }

    #[inline]
    pub fn payload_range(&self) -> Range<usize> {
        usize::from(self.header_len)..usize::from(self.payload_end)
    }

    #[inline]
    pub fn payload_len(&self) -> usize {
        usize::from(self.payload_end - self.header_len)
    }
}

pub fn set_payload_type(packet: &mut [u8], payload_type: u8) {
    packet[1] = packet[1] & 0x80 | payload_type & 0x7f;
}

pub fn set_sequence(packet: &mut [u8], sequence: u16) {
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
}

pub fn set_timestamp(packet: &mut [u8], timestamp: u32) {
    packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
}

pub fn set_ssrc(packet: &mut [u8], ssrc: u32) {
    packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
}

/// Clears the padding bit of a packet whose padding was cut off.
pub fn clear_padding_bit(packet: &mut [u8]) {
    packet[0] &= !0x20;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_field() {
        let packet = [
            0xb1, 0xe0, 0x12, 0x34, 0, 0, 0, 9, 0, 0, 0, 7, 1, 2, 3, 4, 0xbe, 0xde, 0, 1, 0x10, 5,
            0, 0, 0xaa, 0xbb, 0, 2,
        ];
        let header = Header::parse(&packet).unwrap();
        assert!(header.marker);
        assert_eq!(
            (header.payload_type, header.sequence, header.timestamp, header.ssrc),
            (96, 0x1234, 9, 7)
        );
        assert_eq!(header.extension_profile, 0xbede);
        assert_eq!(&packet[header.extension_range()], [0x10, 5, 0, 0]);
        assert_eq!(&packet[header.payload_range()], [0xaa, 0xbb]);
    }

    #[test]
    fn refuses_padding_that_eats_the_header() {
        let mut packet = [0u8; 14];
        packet[0] = 0xa0;
        packet[13] = 3;
        assert_eq!(Header::parse(&packet), Err(PacketError::Padding));
        packet[13] = 2;
        assert_eq!(Header::parse(&packet).unwrap().payload_len(), 0);
    }

    proptest! {
        #[test]
        fn never_panics_and_stays_inside(mut packet in proptest::collection::vec(any::<u8>(), 0..90), v2: bool) {
            if v2 && !packet.is_empty() {
                packet[0] = 0x80 | packet[0] & 0x3f;
            }
            if let Ok(header) = Header::parse(&packet) {
                prop_assert!(packet.get(header.payload_range()).is_some());
                prop_assert!(packet.get(header.extension_range()).is_some());
            }
        }
    }
}
