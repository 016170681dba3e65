//! What a datagram is, by its first bytes (RFC 7983 section 7, RFC 5761 section 4).

/// The protocol of a received datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
    Unknown,
}

/// Tells the protocols on one port apart; looks at two bytes and the length only.
#[inline]
pub fn classify(datagram: &[u8]) -> Packet {
    match datagram {
        [0..=3, ..] if datagram.len() >= 20 => Packet::Stun,
        [20..=63, ..] if datagram.len() >= 13 => Packet::Dtls,
        // 192..=223 are the RTCP packet types (RFC 5761): as RTP they would be a marker bit with
        // payload types 64..=95, which an answer never assigns.
        [128..=191, 192..=223, ..] if datagram.len() >= 8 => Packet::Rtcp,
        [128..=191, _, ..] if datagram.len() >= 12 => Packet::Rtp,
        _ => Packet::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_decide() {
        let of = |first: u8, second: u8| {
            let mut datagram = [0u8; 20];
            (datagram[0], datagram[1]) = (first, second);
            classify(&datagram)
        };
        assert_eq!(of(0, 1), Packet::Stun);
        assert_eq!(of(3, 1), Packet::Stun);
        assert_eq!(of(4, 0), Packet::Unknown);
        assert_eq!(of(16, 0), Packet::Unknown, "ZRTP");
        assert_eq!(of(22, 254), Packet::Dtls);
        assert_eq!(of(64, 0), Packet::Unknown, "TURN channel");
        assert_eq!(of(0x80, 200), Packet::Rtcp);
        assert_eq!(of(0x81, 205), Packet::Rtcp);
        assert_eq!(of(0x80, 96), Packet::Rtp);
        assert_eq!(of(0x80, 0x80 | 111), Packet::Rtp, "marker bit with a dynamic payload type");
        assert_eq!(of(0xc0, 0), Packet::Unknown);
    }

    #[test]
    fn too_short_is_unknown() {
        for first in 0..=255u8 {
            assert_eq!(classify(&[first, 200]), Packet::Unknown);
            assert_eq!(classify(&[first]), Packet::Unknown);
        }
        assert_eq!(classify(&[]), Packet::Unknown);
    }
}
