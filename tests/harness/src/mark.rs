//! Who sent a packet and which one it was, written at the end of the payload.
//!
//! Whatever is rewritten on the way, the payload's end is not: so what a receiver or a capture
//! holds can be compared with what the sender's own log says.

/// Bytes of a mark.
pub const LEN: usize = 12;
const MAGIC: [u8; 4] = *b"YTbt";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// The bot: its seed.
    pub bot: u32,
    /// The stream's packet (str0m bots, from 1, the RTP sequence number) or frame (webrtc bots).
    pub number: u32,
}

impl Mark {
    /// Overwrites the last [`LEN`] bytes; a shorter payload stays unmarked.
    pub fn write(self, payload: &mut [u8]) {
        if let Some(tail) = payload.last_chunk_mut::<LEN>() {
            tail[..4].copy_from_slice(&MAGIC);
            tail[4..8].copy_from_slice(&self.bot.to_be_bytes());
            tail[8..].copy_from_slice(&self.number.to_be_bytes());
        }
    }

    pub fn read(payload: &[u8]) -> Option<Self> {
        let [a, b, c, d, bot @ .., n0, n1, n2, n3] = payload.last_chunk::<LEN>()?;
        let (magic, number) = ([*a, *b, *c, *d], [*n0, *n1, *n2, *n3]);
        (magic == MAGIC)
            .then_some(Self { bot: u32::from_be_bytes(*bot), number: u32::from_be_bytes(number) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_written_and_nothing_else_is_one() {
        let mut payload = vec![0x55; 40];
        assert_eq!(Mark::read(&payload), None);
        let mark = Mark { bot: 7, number: 70_000 };
        mark.write(&mut payload);
        assert_eq!(Mark::read(&payload), Some(mark));
        assert!(payload[..28].iter().all(|byte| *byte == 0x55));
        Mark { bot: 1, number: 1 }.write(&mut payload[..5]);
        assert_eq!(Mark::read(&payload[..5]), None);
    }
}
