//! Serial numbers: the 16- and 32-bit counters of RTP made endless.
//!
//! A counter on the wire wraps; everything inside the SFU works on its extension to 64 bits, so
//! that comparisons are plain and a long meeting has no special moments.

/// Where extended counters begin: one full turn up, so that packets reordered before the first
/// one seen still have a number.
pub const FIRST_TURN: u64 = 1 << 16;

/// The 64-bit number nearest to `reference` whose low 16 bits are `low` (RFC 3550 appendix A.1).
#[inline]
pub fn extend16(reference: u64, low: u16) -> u64 {
    let distance = low.wrapping_sub(reference as u16) as i16;
    reference.wrapping_add_signed(i64::from(distance))
}

/// The 64-bit number nearest to `reference` whose low 32 bits are `low`.
#[inline]
pub fn extend32(reference: u64, low: u32) -> u64 {
    let distance = low.wrapping_sub(reference as u32) as i32;
    reference.wrapping_add_signed(i64::from(distance))
}

/// True when timestamp `a` is later than `b`, by the shorter way round.
#[inline]
pub fn newer32(a: u32, b: u32) -> bool {
    a != b && a.wrapping_sub(b) < 1 << 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn extension_inverts_truncation_within_half_a_turn(
            reference in FIRST_TURN..u64::MAX / 2, distance in -0x7fff_i64..0x8000,
        ) {
            let number = reference.wrapping_add_signed(distance);
            prop_assert_eq!(extend16(reference, number as u16), number);
            let number = reference.wrapping_add_signed(distance << 16);
            prop_assert_eq!(extend32(reference.max(1 << 33), number as u32) as u32, number as u32);
        }

        #[test]
        fn newer_is_antisymmetric(a: u32, b: u32) {
            prop_assume!(a != b && a.wrapping_sub(b) != 1 << 31);
            prop_assert!(newer32(a, b) != newer32(b, a));
        }
    }

    #[test]
    fn a_wrap_goes_up_and_a_late_packet_goes_back() {
        assert_eq!(extend16(0x1_ffff, 0), 0x2_0000);
        assert_eq!(extend16(0x2_0000, 0xffff), 0x1_ffff);
        assert!(newer32(0, u32::MAX));
    }
}
