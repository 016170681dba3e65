//! H.264 payloads (RFC 6184 §5): only what finds key frames.

const IDR: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// True for a packet at which decoding can start: it carries the parameter set or, where the
/// sender repeats none, the first part of an IDR picture.
pub fn is_key_frame(payload: &[u8]) -> bool {
    let Some(&first) = payload.first() else { return false };
    match first & 0x1f {
        SPS | IDR => true,
        STAP_A => {
            let mut rest = &payload[1..];
            while let [high, low, nal, ..] = rest {
                if matches!(nal & 0x1f, SPS | IDR) {
                    return true;
                }
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                match rest.get(2 + length..) {
                    Some(next) => rest = next,
                    None => return false,
                }
            }
            false
        }
        FU_A => payload.get(1).is_some_and(|head| head & 0x80 != 0 && head & 0x1f == IDR),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_key_frame;

    #[test]
    fn parameter_sets_and_idr_pictures() {
        assert!(is_key_frame(&[0x67, 0x42]) && is_key_frame(&[0x65, 0x88]));
        assert!(is_key_frame(&[0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68]));
        assert!(is_key_frame(&[0x78, 0, 1, 0x09, 0, 2, 0x65, 0]));
        assert!(is_key_frame(&[0x7c, 0x85]) && !is_key_frame(&[0x7c, 0x45]));
        assert!(!is_key_frame(&[0x61, 0x9a]) && !is_key_frame(&[0x78, 0xff, 0xff, 0x09]));
        assert!(!is_key_frame(&[]) && !is_key_frame(&[0x78]));
    }
}
