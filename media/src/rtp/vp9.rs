//! VP9 payload descriptor (RFC 9628 §4.2): only what finds key frames.

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
    use super::is_key_frame;

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
