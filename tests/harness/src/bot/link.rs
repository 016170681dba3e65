//! A link that loses media datagrams, repeatably.

/// Loses a share of RTP datagrams (retransmissions too); never STUN, DTLS or RTCP.
pub(super) struct Link {
    threshold: u64,
    state: u64,
}

impl Link {
    pub(super) fn new(loss: f64, seed: u64) -> Self {
        let threshold = (loss.clamp(0.0, 1.0) * u64::MAX as f64) as u64;
        Self { threshold, state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    pub(super) fn loses(&mut self, datagram: &[u8]) -> bool {
        is_rtp(datagram) && self.threshold > 0 && self.random() < self.threshold
    }

    /// xorshift64*
    fn random(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// RFC 7983 and RFC 5761.
fn is_rtp(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, second, ..] if !(192..=223).contains(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loses_about_the_share_asked_for_and_media_only() {
        let mut link = Link::new(0.03, 7);
        let lost = (0..100_000).filter(|_| link.loses(&[0x80, 96, 0, 0])).count();
        assert!((2_700..3_300).contains(&lost), "{lost}");
        assert!((0..1_000).all(|_| !link.loses(&[0x80, 200, 0, 0])), "reports pass");
        assert!((0..1_000).all(|_| !link.loses(&[22, 254, 0, 0])), "DTLS passes");
        let mut none = Link::new(0.0, 7);
        assert!((0..1_000).all(|_| !none.loses(&[0x80, 96, 0, 0])));
    }

    #[test]
    fn the_same_seed_loses_the_same() {
        let run = |seed| {
            let mut link = Link::new(0.1, seed);
            (0..64).map(|_| link.loses(&[0x80, 96])).collect::<Vec<_>>()
        };
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
    }
}
