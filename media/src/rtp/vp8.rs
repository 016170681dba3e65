//! VP8 payload descriptor (RFC 7741 §4.2): what a forwarder reads and rewrites.

/// Positions are offsets into the payload. VP9 has the same numbers ([`super::vp9::descriptor`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Descriptor {
    /// First packet of a key frame.
    pub key_frame: bool,
    /// First packet of a frame (S bit, partition 0).
    pub start: bool,
    pub picture_id: Option<PictureId>,
    pub tl0_pic_idx: Option<(u8, u8)>,
    /// Temporal layer; 0 where there are none.
    pub temporal: u8,
    /// Refers to the base layer only: who was sent the layers below can take this one up here.
    pub sync: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureId {
    pub at: u8,
    pub value: u16,
    /// 15 bits long, otherwise 7.
    pub long: bool,
}

impl Descriptor {
    /// None when the payload is shorter than its descriptor says.
    pub fn parse(payload: &[u8]) -> Option<Descriptor> {
        let first = *payload.first()?;
        let start = first & 0x10 != 0 && first & 0x07 == 0;
        let mut descriptor = Descriptor { start, ..Descriptor::default() };
        let mut at = 1;
        if first & 0x80 != 0 {
            let flags = *payload.get(1)?;
            at = 2;
            if flags & 0x80 != 0 {
                let high = *payload.get(at)?;
                if high & 0x80 != 0 {
                    let low = *payload.get(at + 1)?;
                    let value = u16::from(high & 0x7f) << 8 | u16::from(low);
                    descriptor.picture_id = Some(PictureId { at: at as u8, value, long: true });
                    at += 2;
                } else {
                    let value = u16::from(high);
                    descriptor.picture_id = Some(PictureId { at: at as u8, value, long: false });
                    at += 1;
                }
            }
            if flags & 0x40 != 0 {
                descriptor.tl0_pic_idx = Some((at as u8, *payload.get(at)?));
                at += 1;
            }
            if flags & 0x30 != 0 {
                let byte = *payload.get(at)?;
                if flags & 0x20 != 0 {
                    descriptor.temporal = byte >> 6;
                    descriptor.sync = byte & 0x20 != 0;
                }
                at += 1;
            }
        }
        // The P bit of the frame header is inverse: 0 is a key frame (RFC 6386 §9.1).
        let frame = *payload.get(at)?;
        descriptor.key_frame = start && frame & 1 == 0;
        Some(descriptor)
    }

    /// Width and height that the first packet of a key frame states (RFC 6386 §9.1).
    pub fn size(payload: &[u8]) -> Option<(u16, u16)> {
        // Behind the descriptor: frame tag, start code, and the two sizes.
        let mut at = 1;
        if *payload.first()? & 0x80 != 0 {
            let flags = *payload.get(1)?;
            at = 2;
            if flags & 0x80 != 0 {
                at += 1 + usize::from(*payload.get(at)? >> 7);
            }
            at += usize::from(flags & 0x40 != 0) + usize::from(flags & 0x30 != 0);
        }
        let frame: &[u8; 10] = payload.get(at..)?.first_chunk()?;
        let key = frame[0] & 1 == 0 && frame[3..6] == [0x9d, 0x01, 0x2a];
        let size = |at: usize| u16::from_le_bytes([frame[at], frame[at + 1]]) & 0x3fff;
        key.then(|| (size(6), size(8)))
    }

    /// Adds the offsets to picture id and TL0PICIDX in a copy of the same payload.
    #[inline]
    pub fn rewrite(&self, payload: &mut [u8], picture_offset: u16, tl0_offset: u8) {
        if let Some(id) = self.picture_id {
            let at = usize::from(id.at);
            let value = id.value.wrapping_add(picture_offset);
            if id.long {
                payload[at] = 0x80 | (value >> 8) as u8 & 0x7f;
                payload[at + 1] = value as u8;
            } else {
                payload[at] = value as u8 & 0x7f;
            }
        }
        if let Some((at, value)) = self.tl0_pic_idx {
            payload[usize::from(at)] = value.wrapping_add(tl0_offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_temporal_layers_and_the_size_of_a_key_frame() {
        let mut packet = vec![0x90, 0xf0, 0x81, 0x02, 0x07, 0x60];
        packet.extend([0x10, 0, 0, 0x9d, 0x01, 0x2a, 0xc0, 0x43, 0x1c, 0x02]);
        let read = Descriptor::parse(&packet).unwrap();
        assert!(read.sync && read.temporal == 1 && read.key_frame);
        assert_eq!(Descriptor::size(&packet), Some((960, 540)));
        assert_eq!(Descriptor::size(&packet[..12]), None);
        packet[6] |= 1;
        assert_eq!(Descriptor::size(&packet), None, "not a key frame");
    }

    const KEY: [u8; 8] = [0x90, 0xe0, 0x81, 0x02, 0x07, 0x20, 0x00, 0x55];

    #[test]
    fn reads_picture_id_and_key_frame() {
        let read = Descriptor::parse(&KEY).unwrap();
        assert!(read.key_frame && read.start);
        assert_eq!(read.picture_id, Some(PictureId { at: 2, value: 0x102, long: true }));
        assert_eq!(read.tl0_pic_idx, Some((4, 7)));
        let mut delta = KEY;
        delta[6] = 1;
        assert!(!Descriptor::parse(&delta).unwrap().key_frame);
        let mut later_packet = KEY;
        later_packet[0] = 0x80;
        assert!(!Descriptor::parse(&later_packet).unwrap().key_frame);
    }

    #[test]
    fn offsets_wrap_in_their_width() {
        let mut payload = KEY;
        Descriptor::parse(&KEY).unwrap().rewrite(&mut payload, 0x7fff, 0xff);
        let read = Descriptor::parse(&payload).unwrap();
        assert_eq!(read.picture_id.unwrap().value, 0x101);
        assert_eq!(read.tl0_pic_idx, Some((4, 6)));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..12), p: u16, t: u8) {
            Descriptor::size(&bytes);
            if let Some(read) = Descriptor::parse(&bytes) {
                let mut copy = bytes.clone();
                read.rewrite(&mut copy, p, t);
                prop_assert_eq!(copy.len(), bytes.len());
            }
        }
    }
}
