//! How much state a shard holds, so that tests and `/metrics` can see that strangers add none.

use crate::shard::Shard;

/// Entries of each table of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    pub rooms: usize,
    pub peers: usize,
    pub tracks: usize,
    /// Source addresses that an authenticated check came from.
    pub addresses: usize,
    /// ICE user names that checks may name; two a peer while its ICE restarts.
    pub ufrags: usize,
}

impl Shard {
    pub fn footprint(&self) -> Footprint {
        Footprint {
            rooms: self.rooms.len(),
            peers: self.peers.len(),
            tracks: self.tracks.len(),
            addresses: self.addresses.len(),
            ufrags: self.ufrags.len(),
        }
    }
}
