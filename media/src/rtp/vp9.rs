//! VP9 payload descriptor (RFC 9628 §4.2): what a forwarder reads.

use super::vp8::{Descriptor, PictureId};

/// Picture id, temporal layer and TL0PICIDX, in the form that VP8 has them. None when the payload
/// is shorter than its descriptor says.
pub fn descriptor(payload: &[u8]) -> Option<Descriptor> {
    let first = *payload.first()?;
    let start = first & 0x08 != 0;
    let mut read = Descriptor { start, key_frame: is_key_frame(payload), ..Descriptor::default() };
    let mut at = 1;
    if first & 0x80 != 0 {
        let high = *payload.get(at)?;
        let long = high & 0x80 != 0;
        let value = match long {
            true => u16::from(high & 0x7f) << 8 | u16::from(*payload.get(at + 1)?),
            false => u16::from(high),
        };
        read.picture_id = Some(PictureId { at: at as u8, value, long });
        at += 1 + usize::from(long);
    }
    if first & 0x20 != 0 {
        let layers = *payload.get(at)?;
        read.temporal = layers >> 5;
        read.sync = layers & 0x10 != 0;
        at += 1;
        if first & 0x10 == 0 {
            read.tl0_pic_idx = Some((at as u8, *payload.get(at)?));
        }
    }
    Some(read)
}

/// Sizes of the spatial layers, lowest first, where the scalability structure states them (§4.2.1).
pub fn sizes(payload: &[u8]) -> Option<impl Iterator<Item = (u16, u16)> + '_> {
    let read = descriptor(payload)?;
    let first = payload[0];
    if first & 0x02 == 0 {
        return None;
    }
    let mut at = 1 + read.picture_id.map_or(0, |id| 1 + usize::from(id.long));
    at += usize::from(first & 0x20 != 0) + usize::from(read.tl0_pic_idx.is_some());
    // Up to three references of a flexible picture.
    if first & 0x50 == 0x50 {
        for _ in 0..3 {
            let more = *payload.get(at)? & 1 != 0;
            at += 1;
            if !more {
                break;
            }
        }
    }
    let head = *payload.get(at)?;
    if head & 0x10 == 0 {
        return None;
    }
    let count = usize::from(head >> 5) + 1;
    let bytes = payload.get(at + 1..at + 1 + 4 * count)?;
    let number = |bytes: &[u8]| u16::from_be_bytes([bytes[0], bytes[1]]);
    Some(bytes.chunks_exact(4).map(move |size| (number(&size[..2]), number(&size[2..]))))
}

/// First packet of a key frame: begins a frame (B), is not inter-predicted (P = 0) and, with
/// layers, belongs to the lowest spatial one.
pub fn is_key_frame(payload: &[u8]) -> bool {
    let Some(&first) = payload.first() else { return false };
    let (picture_id, inter, layers, begin) =
        (first & 0x80 != 0, first & 0x40 != 0, first & 0x20 != 0, first & 0x08 != 0);
    if inter || !begin {
        return false;
    }
    if !layers {
        return true;
    }
    let mut at = 1;
    if picture_id {
        match payload.get(at) {
            Some(id) if id & 0x80 != 0 => at += 2,
            Some(_) => at += 1,
            None => return false,
        }
    }
    payload.get(at).is_some_and(|layer| layer >> 1 & 0x07 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_numbers_layers_and_sizes() {
        let packet = [0xaa, 0x81, 0x02, 0x50, 0x09, 0x30, 1, 0x40, 0, 0xb4, 2, 0x80, 1, 0x68];
        let read = descriptor(&packet).unwrap();
        assert_eq!(read.picture_id, Some(PictureId { at: 1, value: 0x102, long: true }));
        assert_eq!((read.temporal, read.sync, read.tl0_pic_idx), (2, true, Some((4, 9))));
        let sizes: Vec<_> = sizes(&packet).unwrap().collect();
        assert_eq!(sizes, [(320, 180), (640, 360)]);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..24), p: u16, t: u8) {
            if let Some(read) = descriptor(&bytes) {
                let mut copy = bytes.clone();
                read.rewrite(&mut copy, p, t);
            }
            let _ = sizes(&bytes).map(Iterator::count);
        }
    }

    #[test]
    fn key_frame_of_the_base_layer_only() {
        assert!(is_key_frame(&[0x8c, 0x81, 0x02]));
        assert!(!is_key_frame(&[0xcc, 0x81, 0x02]), "inter-predicted");
        assert!(!is_key_frame(&[0x84, 0x81, 0x02]), "not the beginning");
        assert!(is_key_frame(&[0xac, 0x81, 0x02, 0x00, 0x00]));
        assert!(!is_key_frame(&[0xac, 0x81, 0x02, 0x02, 0x00]), "upper spatial layer");
        assert!(!is_key_frame(&[0xac, 0x81]) && !is_key_frame(&[]));
    }
}
