//! What the shards of one room say to each other: a room too big for one core spans several.
//!
//! Every peer is on one shard. A shard gives the accepted packets of its own publishers, decrypted
//! and repaired, to the other shards of the room, and each of them forwards to its own subscribers
//! as if the publisher were there. Wishes for key frames go back. All of it is data: the shell
//! carries a [`Batch`] from [`Shard::relay_out`](crate::shard::Shard::relay_out) of one shard to
//! [`Shard::handle_relay`](crate::shard::Shard::handle_relay) of another.

use std::time::Instant;

use crate::api::{OwnerId, PeerId, RoomId, Source, TrackId};
use crate::sfu::elsewhere::Wish;
use crate::sfu::layer::MAX_SPATIAL;
use crate::transport::Negotiated;

/// Shards that a room can span.
pub const MAX_SHARDS: usize = 64;
/// Control words that wait for a link at most; beyond that the link is given up.
pub const MAX_WORDS: usize = 4_096;
/// Packet bytes that wait for a link at most, a second of a large lecture; beyond that packets are
/// left out and counted.
const MAX_BYTES: usize = 4 << 20;

/// What one shard has for another: words in order, then packets in order.
#[derive(Debug, Default)]
pub struct Batch {
    pub(crate) words: Vec<Word>,
    pub(crate) packets: Vec<Packet>,
    pub(crate) bytes: Vec<u8>,
}

/// A decrypted RTP packet: the next `len` bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet {
    pub track: TrackId,
    pub layer: u8,
    pub len: u16,
}

#[derive(Debug)]
pub(crate) enum Word {
    /// A track that the receiving shard has to know; also when its negotiation has changed.
    Published(Box<Published>),
    Ended {
        track: TrackId,
    },
    Enabled {
        track: TrackId,
        on: bool,
    },
    /// The sender report that places a layer in time.
    Report {
        track: TrackId,
        layer: u8,
        ntp: u64,
        rtp: u32,
        at: Instant,
    },
    /// Which layers the publisher was told to send: those that are missing were not given up.
    Layers {
        track: TrackId,
        active: [bool; MAX_SPATIAL],
    },
    /// Back to the publisher's shard: what is of use here, when that has changed.
    Wanted {
        track: TrackId,
        wish: Wish,
    },
    /// Back to the publisher's shard: subscribers wait for a picture.
    KeyFrame {
        track: TrackId,
        layer: u8,
    },
}

#[derive(Debug)]
pub(crate) struct Published {
    pub room: RoomId,
    pub peer: PeerId,
    pub owner: OwnerId,
    pub may_capture: bool,
    pub track: TrackId,
    pub source: Source,
    pub enabled: bool,
    pub negotiated: Negotiated,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.packets.is_empty()
    }

    /// Packets in it.
    pub fn packets(&self) -> usize {
        self.packets.len()
    }

    /// True when so many words wait that the link must be given up: the other side does not read.
    pub fn is_stuck(&self) -> bool {
        self.words.len() > MAX_WORDS
    }

    /// Leaves the packets out and keeps the words: media that waits is worth nothing, what exists
    /// must be known. Gives how many packets went.
    pub fn shed(&mut self) -> usize {
        let count = self.packets.len();
        self.packets.clear();
        self.bytes.clear();
        count
    }

    pub fn clear(&mut self) {
        self.words.clear();
        self.shed();
    }

    /// False when it is full.
    #[inline]
    pub(crate) fn push(&mut self, track: TrackId, layer: u8, bytes: &[u8]) -> bool {
        let Ok(len) = u16::try_from(bytes.len()) else { return false };
        if self.bytes.len() + bytes.len() > MAX_BYTES {
            return false;
        }
        self.bytes.extend_from_slice(bytes);
        self.packets.push(Packet { track, layer, len });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_must_shed_keeps_its_words() {
        let mut batch = Batch::default();
        assert!(batch.push(TrackId(1), 0, &[1, 2, 3]));
        batch.words.push(Word::Ended { track: TrackId(2) });
        assert_eq!(batch.shed(), 1);
        assert!(!batch.is_empty());
        assert_eq!((batch.packets(), batch.words.len()), (0, 1));
    }

    #[test]
    fn a_batch_has_an_end() {
        let mut batch = Batch::default();
        let packet = vec![0; 1 << 15];
        let taken = (0..1_000).filter(|_| batch.push(TrackId(1), 0, &packet)).count();
        assert_eq!(taken, MAX_BYTES >> 15);
        batch.words.extend((0..=MAX_WORDS as u64).map(|n| Word::Ended { track: TrackId(n) }));
        assert!(batch.is_stuck());
    }
}
