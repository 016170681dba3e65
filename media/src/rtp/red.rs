//! Redundant audio (RFC 2198): a packet carries its own frame and earlier ones again.

use std::ops::Range;

/// Most redundant blocks read from one packet; Chromium sends one or two.
pub const MAX_REDUNDANT: usize = 8;

/// Blocks of one RED payload; ranges are offsets into the payload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Blocks {
    redundant: [Block; MAX_REDUNDANT],
    count: u8,
    pub primary_type: u8,
    primary: (u16, u16),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Block {
    pub payload_type: u8,
    /// How much earlier than the packet's timestamp, in RTP ticks.
    pub timestamp_offset: u16,
    start: u16,
    end: u16,
}

impl Block {
    pub fn range(&self) -> Range<usize> {
        usize::from(self.start)..usize::from(self.end)
    }
}

impl Blocks {
    /// None when the payload is not well-formed RED.
    pub fn parse(payload: &[u8]) -> Option<Blocks> {
        let total = u16::try_from(payload.len()).ok()?;
        let mut blocks = Blocks::default();
        let mut at = 0;
        let mut lengths = [0u16; MAX_REDUNDANT];
        loop {
            let first = *payload.get(at)?;
            if first & 0x80 == 0 {
                blocks.primary_type = first;
                at += 1;
                break;
            }
            let head: &[u8; 4] = payload.get(at..)?.first_chunk()?;
            let index = usize::from(blocks.count);
            if index == MAX_REDUNDANT {
                return None;
            }
            let bits = u32::from_be_bytes(*head);
            blocks.redundant[index].payload_type = first & 0x7f;
            blocks.redundant[index].timestamp_offset = (bits >> 10 & 0x3fff) as u16;
            lengths[index] = (bits & 0x3ff) as u16;
            blocks.count += 1;
            at += 4;
        }
        let mut at = at as u16;
        for (block, length) in blocks.redundant[..usize::from(blocks.count)].iter_mut().zip(lengths)
        {
            block.start = at;
            at = at.checked_add(length).filter(|end| *end <= total)?;
            block.end = at;
        }
        blocks.primary = (at, total);
        Some(blocks)
    }

    /// Redundant blocks, oldest first.
    pub fn redundant(&self) -> &[Block] {
        &self.redundant[..usize::from(self.count)]
    }

    pub fn primary(&self) -> Range<usize> {
        usize::from(self.primary.0)..usize::from(self.primary.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Builds a RED payload of Opus (type 111) from earlier frames and the current one.
    fn build(earlier: &[(u16, Vec<u8>)], primary: &[u8]) -> Vec<u8> {
        let mut payload = Vec::new();
        for (offset, frame) in earlier {
            let bits = 1 << 31 | 111 << 24 | u32::from(*offset) << 10 | frame.len() as u32;
            payload.extend_from_slice(&bits.to_be_bytes());
        }
        payload.push(111);
        for (_, frame) in earlier {
            payload.extend_from_slice(frame);
        }
        payload.extend_from_slice(primary);
        payload
    }

    proptest! {
        #[test]
        fn reads_what_was_built(
            earlier in proptest::collection::vec(
                (0u16..0x4000, proptest::collection::vec(any::<u8>(), 0..60)), 0..=MAX_REDUNDANT),
            primary in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let payload = build(&earlier, &primary);
            let blocks = Blocks::parse(&payload).unwrap();
            prop_assert_eq!(blocks.primary_type, 111);
            prop_assert_eq!(&payload[blocks.primary()], &primary[..]);
            prop_assert_eq!(blocks.redundant().len(), earlier.len());
            for (block, (offset, frame)) in blocks.redundant().iter().zip(&earlier) {
                prop_assert_eq!(block.timestamp_offset, *offset);
                prop_assert_eq!(&payload[block.range()], &frame[..]);
            }
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Some(blocks) = Blocks::parse(&bytes) {
                prop_assert!(bytes.get(blocks.primary()).is_some());
            }
        }
    }
}
