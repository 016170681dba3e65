//! One shard: rooms, peers and the datagrams of one UDP port, on one thread, without I/O.
//!
//! The shell calls [`Shard::handle_batch`] with what one receive call returned, sends what is in
//! [`Egress`], clears it, and calls [`Shard::handle_timeout`] no later than
//! [`Shard::next_timeout`]. After each call it drains [`Shard::poll_event`].

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use slotmap::SlotMap;

use crate::api::{
    Event, GoneReason, LARGE_ROOM, OfferAnswer, OfferError, OfferRequest, OwnerId, PeerId,
    Programme, RoomId, Source, TrackView, VOICES,
};
pub use crate::counters::{Counters, DropReason, Stage, Total};
use crate::sfu::peer::{Peer, PeerKey};
pub use crate::sfu::pressure::Load;
use crate::sfu::room::{Room, RoomKey};
use crate::sfu::track::{Track, TrackKey};
use crate::sfu::{Entry, Mark, Pressure, Relay, Work};
use crate::transport::{DtlsIdentity, Remote};

/// One received datagram; decrypted in place.
pub struct Datagram<'a> {
    pub src: Remote,
    /// How long before `now` of the call it arrived, as far as that is known: one call brings what
    /// came since the last one, and congestion control must not take that for a burst.
    pub waited: Duration,
    pub data: &'a mut [u8],
}

impl<'a> Datagram<'a> {
    /// One that arrived just now.
    pub fn new(src: Remote, data: &'a mut [u8]) -> Datagram<'a> {
        Datagram { src, waited: Duration::ZERO, data }
    }
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
    pub dst: Remote,
    pub start: usize,
    pub len: usize,
    pub segment: u16,
    pub class: Class,
}

/// What a run carries: a way that cannot take everything leaves video out first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// STUN, DTLS and RTCP.
    Control,
    Audio,
    Video,
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
    /// With more microphones than this only the loudest are forwarded, and so many of them.
    pub large_room: usize,
    pub voices: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            rooms: 1_000,
            peers: 5_000,
            peers_per_room: 1_000,
            slots: 64,
            large_room: LARGE_ROOM,
            voices: VOICES,
        }
    }
}

pub struct ShardConfig {
    /// Certificate of the process.
    pub identity: Arc<DtlsIdentity>,
    /// Of all shards of the process, below 64: written into ufrags, so that a stream finds its
    /// shard ([`crate::transport::IceCredentials::shard_of`]).
    pub index: u8,
    /// Host candidates written into answers: UDP, and streams that we wait for (RFC 6544).
    pub advertised: Vec<SocketAddr>,
    pub advertised_tcp: Vec<SocketAddr>,
    pub limits: Limits,
}

/// Rooms, peers and tracks of one UDP port.
pub struct Shard {
    pub(crate) config: ShardConfig,
    pub(crate) entropy: Box<dyn Entropy>,
    pub(crate) counters: Counters,
    pub(crate) rooms: SlotMap<RoomKey, Room>,
    pub(crate) room_ids: HashMap<RoomId, RoomKey>,
    pub(crate) peers: SlotMap<PeerKey, Peer>,
    pub(crate) peer_ids: HashMap<PeerId, PeerKey>,
    /// By source address, once a check from there was authenticated.
    pub(crate) addresses: HashMap<Remote, PeerKey>,
    pub(crate) ufrags: HashMap<String, PeerKey>,
    pub(crate) tracks: SlotMap<TrackKey, Track>,
    pub(crate) next_track: u64,
    /// Deadlines; an entry counts only if it is its peer's `timer`.
    pub(crate) timers: BinaryHeap<Reverse<(Instant, PeerKey)>>,
    pub(crate) events: VecDeque<Event>,
    /// Time of the latest call that told it.
    pub(crate) now: Option<Instant>,
    /// What waits for the next call that brings an egress or a sink.
    pub(crate) touched: Vec<PeerKey>,
    pub(crate) changed_maps: Vec<PeerKey>,
    pub(crate) marks: Vec<Mark>,
    /// Tracks of which other layers may be wanted now.
    pub(crate) reviews: Vec<TrackKey>,
    pub(crate) farewells: Vec<(Remote, Vec<u8>)>,
    pub(crate) relay: Relay,
    pub(crate) pressure: Pressure,
    /// Buffers kept between calls, so that the packet path allocates nothing.
    pub(crate) work: Vec<Work>,
    pub(crate) scratch: Vec<u8>,
    pub(crate) rtcp: Vec<u8>,
    pub(crate) nacks: Vec<u64>,
    /// Voices that came in during this batch.
    pub(crate) entries: Vec<Entry>,
}

impl Shard {
    pub fn new(config: ShardConfig, mut entropy: Box<dyn Entropy>) -> Shard {
        // Track ids name capture files: they must not repeat after a restart. 20 random bits
        // above 32 counted ones stay exact in JSON.
        let mut random = [0; 4];
        entropy.fill(&mut random);
        let next_track = u64::from(u32::from_be_bytes(random) >> 12) << 32;
        Shard {
            config,
            entropy,
            counters: Counters::default(),
            rooms: SlotMap::with_key(),
            room_ids: HashMap::new(),
            peers: SlotMap::with_key(),
            peer_ids: HashMap::new(),
            addresses: HashMap::new(),
            ufrags: HashMap::new(),
            tracks: SlotMap::with_key(),
            next_track,
            timers: BinaryHeap::with_capacity(1024),
            events: VecDeque::new(),
            now: None,
            touched: Vec::with_capacity(64),
            changed_maps: Vec::new(),
            marks: Vec::new(),
            reviews: Vec::new(),
            farewells: Vec::new(),
            relay: Relay::default(),
            pressure: Pressure::default(),
            work: Vec::with_capacity(256),
            scratch: Vec::with_capacity(2048),
            rtcp: Vec::with_capacity(2048),
            nacks: Vec::with_capacity(256),
            entries: Vec::new(),
        }
    }

    /// Idempotent. A room over the limit is not opened: its offers are answered `NoSuchRoom`.
    pub fn open_room(&mut self, room: RoomId) {
        self.add_room(room);
    }

    /// Ends all peers of the room.
    pub fn close_room(&mut self, now: Instant, room: RoomId) {
        self.now = Some(now);
        self.drop_room(now, room);
    }

    /// Answers an offer. The first of a peer creates it; one with a new DTLS identity replaces its
    /// connection (a reloaded page).
    ///
    /// # Errors
    /// See [`OfferError`]; a refused offer changes nothing.
    pub fn offer(
        &mut self,
        now: Instant,
        request: OfferRequest,
    ) -> Result<OfferAnswer, OfferError> {
        self.now = Some(now);
        self.negotiate(now, &request)
    }

    pub fn remove_peer(&mut self, now: Instant, room: RoomId, peer: PeerId) {
        self.now = Some(now);
        if let Some(key) = self.peer_in(room, peer) {
            self.drop_peer(now, key, Some(GoneReason::Removed));
            self.tell_changed_maps();
        }
    }

    /// A stream or relay has ended: nothing comes from there any more.
    pub fn forget_remote(&mut self, remote: Remote) {
        let Some(key) = self.addresses.remove(&remote) else { return };
        if let Some(peer) = self.peers.get_mut(key) {
            peer.addresses.retain(|address| *address != remote);
            peer.transport.forget_remote(remote);
        }
    }

    /// Server-enforced mute: while off, nothing of this source is forwarded or captured. Holds
    /// also for tracks that the peer publishes later.
    pub fn set_enabled(
        &mut self,
        now: Instant,
        room: RoomId,
        peer: PeerId,
        source: Source,
        on: bool,
    ) {
        if let Some(key) = self.peer_in(room, peer) {
            self.switch_source(now, key, source, on);
        }
    }

    /// What a peer shows of the tracks it is sent, all of it. A track that is not named is sent in
    /// its lowest layer; one that is not visible, not at all. Without this call all are sent in full.
    pub fn set_view(&mut self, now: Instant, room: RoomId, peer: PeerId, views: &[TrackView]) {
        self.now = Some(now);
        if let Some(key) = self.peer_in(room, peer) {
            self.shows(key, views);
        }
    }

    /// Whom the room's programme shows from now on ([`crate::api::Watch::Programme`]).
    pub fn set_programme(&mut self, now: Instant, room: RoomId, programme: Programme) {
        self.now = Some(now);
        if let Some(key) = self.room_ids.get(&room).copied() {
            self.switch_programme(now, key, programme);
        }
    }

    /// Who presides: goes before others when a large room chooses its voices. Who shares a screen
    /// does by itself.
    pub fn set_chair(&mut self, now: Instant, room: RoomId, chair: Option<OwnerId>) {
        self.now = Some(now);
        if let Some(key) = self.room_ids.get(&room).copied() {
            self.seat(now, key, chair);
            self.tell_changed_maps();
        }
    }

    /// Starts or stops the capture of a room. Its `Tap`s are given out by the next
    /// [`Shard::handle_batch`] or [`Shard::handle_timeout`] ([`Shard::next_timeout`] is due then).
    pub fn set_capture(&mut self, room: RoomId, on: bool) {
        if let Some(key) = self.room_ids.get(&room).copied() {
            self.switch_capture(key, on);
        }
    }

    /// False: the peer's tracks are not captured.
    pub fn set_may_capture(&mut self, peer: PeerId, on: bool) {
        if let Some(key) = self.peer_by_id(peer) {
            self.switch_may_capture(key, on);
        }
    }

    /// Takes what one receive call returned; each arrived [`Datagram::waited`] before `now`.
    pub fn handle_batch(
        &mut self,
        now: Instant,
        batch: &mut [Datagram<'_>],
        egress: &mut Egress,
        tap: &mut dyn TapSink,
    ) {
        self.now = Some(now);
        self.mark_capture(tap);
        self.ingest(now, batch, egress, tap);
        self.mark_capture(tap);
        self.settle(now, egress);
    }

    pub fn handle_timeout(&mut self, now: Instant, egress: &mut Egress, tap: &mut dyn TapSink) {
        self.now = Some(now);
        self.run_timers(now, egress);
        self.mark_capture(tap);
    }

    /// When [`Shard::handle_timeout`] is wanted; in the past when it is wanted at once.
    pub fn next_timeout(&self) -> Option<Instant> {
        let waiting =
            !(self.marks.is_empty() && self.farewells.is_empty() && self.touched.is_empty());
        if waiting && self.now.is_some() {
            return self.now;
        }
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Connects a peer with these keys, without a handshake; for the fuzz targets.
    #[cfg(feature = "given-keys")]
    pub fn connect_with(
        &mut self,
        peer: PeerId,
        keys: (crate::transport::SrtpTx, crate::transport::SrtpRx),
    ) {
        if let Some(key) = self.peer_by_id(peer)
            && let Some(peer) = self.peers.get_mut(key)
        {
            peer.transport.connect_with(keys);
            self.touch(key);
        }
    }

    /// Bit/s that can be sent to a peer; None while nothing is known.
    pub fn estimate(&self, peer: PeerId) -> Option<u64> {
        self.peers.get(self.peer_by_id(peer)?)?.downlink.estimate()
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
