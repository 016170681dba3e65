//! H.264 payloads (RFC 6184 §5): what finds key frames and their size.

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

/// Width and height by the sequence parameter set in a packet, if it has one (H.264 §7.3.2.1.1);
/// cropped to what is shown. The profiles with chroma formats of their own are not read.
pub fn size(payload: &[u8]) -> Option<(u16, u16)> {
    match payload.first()? & 0x1f {
        SPS => sps_size(&payload[1..]),
        STAP_A => {
            let mut rest = &payload[1..];
            loop {
                let [high, low, after @ ..] = rest else { return None };
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let (unit, next) = after.split_at_checked(length)?;
                if unit.first().is_some_and(|nal| nal & 0x1f == SPS) {
                    return sps_size(&unit[1..]);
                }
                rest = next;
            }
        }
        _ => None,
    }
}

fn sps_size(sps: &[u8]) -> Option<(u16, u16)> {
    let mut read = Golomb { bytes: sps, at: 0, zeros: 0 };
    let profile = read.bits(8)?;
    read.bits(16)?;
    read.number()?;
    if matches!(profile, 100 | 110 | 122 | 244 | 44) {
        let chroma = read.number()?;
        if chroma != 1 {
            return None;
        }
        read.number()?;
        read.number()?;
        read.bits(1)?;
        if read.bits(1)? != 0 {
            return None;
        }
    }
    read.number()?;
    match read.number()? {
        0 => {
            read.number()?;
        }
        1 => return None,
        _ => {}
    }
    read.number()?;
    read.bits(1)?;
    let width = (read.number()?.checked_add(1)?).checked_mul(16)?;
    let units = read.number()?.checked_add(1)?;
    let frames_only = read.bits(1)?;
    if frames_only == 0 {
        read.bits(1)?;
    }
    let height = units.checked_mul(16 * (2 - frames_only))?;
    read.bits(1)?;
    let mut crop = [0; 4];
    if read.bits(1)? != 0 {
        for side in &mut crop {
            *side = read.number()?;
        }
    }
    let across = crop[0].checked_add(crop[1])?.checked_mul(2)?;
    let down = crop[2].checked_add(crop[3])?.checked_mul(2 * (2 - frames_only))?;
    let size = (width.checked_sub(across)?, height.checked_sub(down)?);
    Some((size.0.try_into().ok()?, size.1.try_into().ok()?))
}

/// Bits of a parameter set, without its emulation prevention bytes (§7.4.1).
struct Golomb<'a> {
    bytes: &'a [u8],
    at: usize,
    zeros: u8,
}

impl Golomb<'_> {
    fn bit(&mut self) -> Option<u32> {
        if self.at.is_multiple_of(8) {
            if self.zeros >= 2 && *self.bytes.get(self.at / 8)? == 3 {
                self.at += 8;
                self.zeros = 0;
            }
            let byte = *self.bytes.get(self.at / 8)?;
            self.zeros = if byte == 0 { self.zeros + 1 } else { 0 };
        }
        let bit = self.bytes.get(self.at / 8)? >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(u32::from(bit))
    }

    fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | self.bit()?;
        }
        Some(value)
    }

    /// ue(v) of §9.1
    fn number(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 20 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.bits(zeros)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_size_of_a_parameter_set() {
        // x264, constrained baseline, 640 × 360 cropped from 368 lines.
        let sps = [
            0x67, 0x42, 0xc0, 0x16, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03,
            0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x1e, 0x0f, 0x16, 0x2e, 0x48,
        ];
        assert_eq!(size(&sps), Some((640, 360)));
        let mut together = vec![0x78, 0, sps.len() as u8];
        together.extend(sps);
        assert_eq!(size(&together), Some((640, 360)));
        assert_eq!(size(&[0x65, 0x88]), None);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            size(&bytes);
            let mut sps = vec![0x67];
            sps.extend(bytes);
            size(&sps);
        }
    }

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
