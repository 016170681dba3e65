//! Statistics of a room: [`RoomStats`] is a snapshot of totals that [`crate::shard::Shard::stats`]
//! gives when asked; a [`Sampler`] makes rates of two snapshots, and from the rates the
//! connection quality of each peer in three grades ([`Grade`], docs/STATISTICS.md).

mod quality;
mod sampler;

use std::time::Duration;

use crate::api::{Codec, OwnerId, PeerId, Source, TrackId};
use crate::transport::Via;

pub use crate::sfu::MAX_LAYERS;
pub use quality::{Figures, Grade, Grader};
pub use sampler::{LayerRates, PeerReport, Report, Sampler, SlotReport, TrackReport};

/// A camera whose frames pause for longer than this stands still for its viewer. Screens are left
/// out: a page that does not change sends nothing.
pub const FREEZE: Duration = Duration::from_millis(500);

/// By which way media reaches a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Path {
    Udp,
    Tcp,
    Turn,
}

impl Path {
    pub const fn name(self) -> &'static str {
        match self {
            Path::Udp => "udp",
            Path::Tcp => "tcp",
            Path::Turn => "turn",
        }
    }
}

impl From<Via> for Path {
    fn from(via: Via) -> Path {
        match via {
            Via::Udp => Path::Udp,
            Via::Tcp(_) => Path::Tcp,
            Via::Turn(_) => Path::Turn,
        }
    }
}

/// Totals of one room.
#[derive(Debug, Clone, Default)]
pub struct RoomStats {
    pub peers: Vec<PeerStats>,
    /// What is published and has begun.
    pub tracks: Vec<TrackStats>,
    /// What is subscribed: each receive slot that has a track.
    pub slots: Vec<SlotStats>,
}

impl RoomStats {
    /// Takes in what another shard of the same room counts. A track is told by the shard of its
    /// publisher, which counts its own subscribers.
    pub fn add(&mut self, part: RoomStats) {
        self.peers.extend(part.peers);
        self.tracks.extend(part.tracks);
        self.slots.extend(part.slots);
    }
}

#[derive(Debug, Clone, Copy)]
pub struct PeerStats {
    pub peer: PeerId,
    pub owner: OwnerId,
    /// The keys are there.
    pub connected: bool,
    /// None before an address was nominated.
    pub path: Option<Path>,
    /// Smoothed, from the peer's reports on our sender reports (RFC 3550 §6.4.1); none while it is
    /// sent nothing.
    pub rtt: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
pub struct TrackStats {
    pub track: TrackId,
    pub peer: PeerId,
    pub source: Source,
    pub codec: Codec,
    /// False: switched off by its owner or the chair.
    pub enabled: bool,
    pub subscribers: u32,
    pub layer_count: u8,
    pub(crate) layers: [LayerStats; MAX_LAYERS],
}

impl TrackStats {
    /// Lowest quality first; one without simulcast.
    pub fn layers(&self) -> &[LayerStats] {
        &self.layers[..usize::from(self.layer_count)]
    }
}

/// One simulcast layer as it arrives.
#[derive(Debug, Clone, Copy, Default)]
pub struct LayerStats {
    /// 0 before it was seen. Another SSRC begins `expected` and `lost` anew.
    pub ssrc: u32,
    /// Something came within the last second.
    pub active: bool,
    pub packets: u64,
    pub bytes: u64,
    /// RFC 3550 §6.4.1: what should have come of this SSRC, and what did not at first.
    pub expected: u64,
    pub lost: u64,
    /// Of the lost ones, those that a retransmission or redundancy brought.
    pub repaired: u64,
    pub jitter: Duration,
    /// Sequence numbers and key frames asked of the publisher.
    pub nacks: u64,
    pub plis: u64,
}

/// One receive slot of a subscriber. Totals are the slot's, whatever it showed before.
#[derive(Debug, Clone, Copy)]
pub struct SlotStats {
    pub peer: PeerId,
    /// Which of the peer's slots.
    pub slot: u16,
    pub track: TrackId,
    /// The publisher.
    pub from: PeerId,
    pub source: Source,
    /// The layer shown; none while the slot waits for a key frame.
    pub layer: Option<u8>,
    pub packets: u64,
    pub resent: u64,
    pub bytes: u64,
    pub nacks: u64,
    pub plis: u64,
    /// Of cameras.
    pub frames: u64,
    pub freezes: u64,
    pub frozen: Duration,
    /// From the subscriber's last report: share since the one before in 1/256, and in total.
    pub fraction_lost: u8,
    pub lost: i32,
    pub jitter: Duration,
}
