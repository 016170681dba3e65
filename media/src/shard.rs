//! One shard: rooms, peers and the datagrams of one UDP port, on one thread, without I/O.
//!
//! The shell calls [`Shard::handle_batch`] with what one receive call returned, sends what is in
//! [`Egress`], clears it, and calls [`Shard::handle_timeout`] no later than
//! [`Shard::next_timeout`]. After each call it drains [`Shard::poll_event`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::api::{Event, OfferAnswer, OfferError, OfferRequest, PeerId, RoomId, Source};
use crate::transport::DtlsIdentity;

/// One received datagram; decrypted in place.
pub struct Datagram<'a> {
    pub src: SocketAddr,
    pub data: &'a mut [u8],
}

/// Sealed datagrams to send, laid out so that each run is one GSO message.
#[derive(Default)]
pub struct Egress {
    pub bytes: Vec<u8>,
    pub runs: Vec<Run>,
}

/// `len` bytes from `start`: datagrams of `segment` bytes each, the last may be shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub dst: SocketAddr,
    pub start: usize,
    pub len: usize,
    pub segment: u16,
}

impl Egress {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.runs.clear();
    }
}

/// Where captured packets go; must not block (the capture writer's bounded ring).
pub trait TapSink {
    fn tap(&mut self, tap: crate::api::Tap<'_>);
}

/// Random bytes for ICE credentials and SSRCs, injected (law 1).
pub trait Entropy: Send {
    fn fill(&mut self, out: &mut [u8]);
}

/// How much a shard takes on; what is beyond is refused or dropped with a counter.
#[derive(Debug, Clone)]
pub struct Limits {
    pub rooms: usize,
    pub peers: usize,
    pub peers_per_room: usize,
    /// Receive m-lines of one peer that are used, per kind.
    pub slots: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { rooms: 1_000, peers: 5_000, peers_per_room: 1_000, slots: 64 }
    }
}

pub struct ShardConfig {
    /// Certificate of the process.
    pub identity: Arc<DtlsIdentity>,
    /// Host candidates written into answers.
    pub advertised: Vec<SocketAddr>,
    pub limits: Limits,
}

/// Rooms, peers and tracks of one UDP port.
pub struct Shard {
    config: ShardConfig,
    entropy: Box<dyn Entropy>,
    counters: Counters,
}

impl Shard {
    pub fn new(config: ShardConfig, entropy: Box<dyn Entropy>) -> Shard {
        Shard { config, entropy, counters: Counters::default() }
    }

    /// Idempotent. A room over the limit is not opened: its offers are answered `NoSuchRoom`.
    pub fn open_room(&mut self, _room: RoomId) {
        let _ = (&self.config, &mut self.entropy);
    }

    /// Ends all peers of the room.
    pub fn close_room(&mut self, _now: Instant, _room: RoomId) {}

    pub fn offer(
        &mut self,
        _now: Instant,
        _request: OfferRequest,
    ) -> Result<OfferAnswer, OfferError> {
        Err(OfferError::NoSuchRoom)
    }

    pub fn remove_peer(&mut self, _now: Instant, _room: RoomId, _peer: PeerId) {}

    /// Server-enforced mute: while off, nothing of this source is forwarded or captured. Holds
    /// also for tracks that the peer publishes later.
    pub fn set_enabled(
        &mut self,
        _now: Instant,
        _room: RoomId,
        _peer: PeerId,
        _source: Source,
        _on: bool,
    ) {
    }

    /// Starts or stops the capture of a room. Its `Tap`s are given out by the next
    /// [`Shard::handle_batch`] or [`Shard::handle_timeout`] ([`Shard::next_timeout`] is due then).
    pub fn set_capture(&mut self, _room: RoomId, _on: bool) {}

    /// False: the peer's tracks are not captured.
    pub fn set_may_capture(&mut self, _peer: PeerId, _on: bool) {}

    pub fn handle_batch(
        &mut self,
        _now: Instant,
        _batch: &mut [Datagram<'_>],
        _egress: &mut Egress,
        _tap: &mut dyn TapSink,
    ) {
    }

    pub fn handle_timeout(&mut self, _now: Instant, _egress: &mut Egress, _tap: &mut dyn TapSink) {}

    pub fn next_timeout(&self) -> Option<Instant> {
        None
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// Totals since the shard began; each drop has its reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams and bytes received, whatever they were.
    pub datagrams_in: u64,
    pub bytes_in: u64,
    /// Media packets accepted, and sealed copies of them sent.
    pub packets_in: u64,
    pub packets_forwarded: u64,
    /// Retransmissions sent to subscribers, and NACKed numbers they asked for.
    pub rtx_sent: u64,
    pub nacks_in: u64,
    /// Sequence numbers asked of publishers, retransmissions that came, and those that filled a gap.
    pub nacks_out: u64,
    pub rtx_in: u64,
    pub rtx_repaired: u64,
    /// Audio frames taken from redundancy.
    pub red_recovered: u64,
    pub plis_in: u64,
    pub plis_out: u64,
    /// Not STUN, DTLS, RTP or RTCP.
    pub drop_unknown: u64,
    /// Media or DTLS from an address that no authenticated check came from.
    pub drop_unmapped: u64,
    /// STUN refused or for nobody.
    pub drop_stun: u64,
    /// SRTP or SRTCP that failed authentication.
    pub drop_authentication: u64,
    pub drop_replayed: u64,
    /// Authentic, but not readable as RTP or RTCP.
    pub drop_malformed: u64,
    /// An SSRC that belongs to no negotiated media section, or too many of them.
    pub drop_unknown_ssrc: u64,
    pub drop_payload_type: u64,
    pub drop_duplicate: u64,
    /// Padding without media; used for feedback only.
    pub drop_padding: u64,
    /// Of a source that is switched off.
    pub drop_disabled: u64,
    /// No room in the egress arithmetic (a packet too large to rewrite).
    pub drop_oversize: u64,
}
