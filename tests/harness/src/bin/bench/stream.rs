//! What a subscriber knows of one stream that it receives, read from the clear headers.

/// By SSRC.
#[derive(Debug, Clone)]
pub struct Stream {
    pub ssrc: u32,
    /// Its publisher, and what its timestamps are ahead of the publisher's, once decrypted.
    pub origin: Option<(u8, u32)>,
    /// Extended sequence numbers: the first that counts, and the highest.
    first: u64,
    highest: u64,
    received: u64,
}

impl Stream {
    pub fn new(ssrc: u32, sequence: u16) -> Self {
        let number = (1 << 16) + u64::from(sequence);
        Self { ssrc, origin: None, first: number, highest: number, received: 0 }
    }

    pub fn arrived(&mut self, sequence: u16) {
        let ahead = i64::from(sequence.wrapping_sub(self.highest as u16) as i16);
        let number = self.highest.saturating_add_signed(ahead);
        self.highest = self.highest.max(number);
        self.received += u64::from(number >= self.first);
    }

    /// Counts from the next packet on.
    pub fn begin(&mut self) {
        self.first = self.highest + 1;
        self.received = 0;
    }

    /// Packets that were sent since, and those of them that came.
    pub fn expected_and_received(&self) -> (u64, u64) {
        ((self.highest + 1).saturating_sub(self.first), self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_counted_across_the_turn_of_the_numbers() {
        let mut stream = Stream::new(1, 65_530);
        for sequence in [65_530, 65_531] {
            stream.arrived(sequence);
        }
        stream.begin();
        for sequence in [65_532, 65_534, 65_533, 65_535, 1, 2] {
            stream.arrived(sequence);
        }
        assert_eq!(stream.expected_and_received(), (7, 6), "0 did not come");
    }
}
