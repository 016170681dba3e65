//! What all clients of TURN share: the key, the peers, the limits and the counters.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::attr;
use super::counters::{SharedCounters, TurnCounters};
use super::credentials::{Credentials, ServerKey};
use super::quota::{Limits, Quota};
use super::rate::SharedRate;
use crate::transport::{Remote, Via};

/// Peers that an id of a relayed way has room for.
const MAX_PEERS: usize = 256;

/// Who may be relayed to: the shards' own addresses and nobody else.
#[derive(Debug, Clone)]
pub struct Config {
    pub realm: String,
    /// Makes and checks the credentials.
    pub key: [u8; 32],
    /// One moment by both clocks: the monotonic one and seconds since 1970.
    pub at: Instant,
    pub unix_s: u64,
    /// The address of each shard under each address that clients are told, with the shard.
    pub shards: Vec<(SocketAddr, usize)>,
    /// An address that echoes what it is sent, for tests of the protocol. Nothing leaves the
    /// process for it.
    pub echo: Option<SocketAddr>,
    pub limits: Limits,
}

/// Where data for a peer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Shard(usize),
    Echo,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub address: SocketAddr,
    pub target: Target,
}

/// The part of TURN that is the same for every client.
pub struct Server {
    pub(super) realm: String,
    pub(super) key: ServerKey,
    pub(super) limits: Limits,
    pub(super) quota: Quota,
    pub(super) rate: SharedRate,
    counters: SharedCounters,
    at: Instant,
    unix_s: u64,
    peers: Vec<Peer>,
    by_address: HashMap<SocketAddr, u8>,
    relayed: [Option<IpAddr>; 2],
}

impl Server {
    pub fn new(config: Config) -> Self {
        let shards = config.shards.iter().map(|&(address, shard)| (address, Target::Shard(shard)));
        let echo = config.echo.into_iter().flat_map(|address| {
            // The next port, too: coturn's client binds a channel to where RTCP would be.
            let rtcp = SocketAddr::new(address.ip(), address.port().saturating_add(1));
            [(address, Target::Echo), (rtcp, Target::Echo)]
        });
        let mut peers = Vec::new();
        let mut by_address = HashMap::new();
        let all = echo.chain(shards).filter(|(address, _)| names_a_host(*address));
        for (address, target) in all.take(MAX_PEERS) {
            by_address.entry(address).or_insert_with(|| {
                peers.push(Peer { address, target });
                (peers.len() - 1) as u8
            });
        }
        let relayed = [attr::IPV4, attr::IPV6].map(|family| relayed_address(&peers, family));
        Self {
            realm: config.realm,
            key: ServerKey::new(&config.key),
            quota: Quota::new(&config.limits),
            rate: SharedRate::new(config.limits.total_bytes_per_s),
            limits: config.limits,
            counters: SharedCounters::default(),
            at: config.at,
            unix_s: config.unix_s,
            peers,
            by_address,
            relayed,
        }
    }

    /// Credentials for `id` (see [`ServerKey::issue`]), until `expires_s` (seconds since 1970).
    pub fn issue(&self, id: &str, expires_s: u64) -> Credentials {
        self.key.issue(id, expires_s)
    }

    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// For the shell, which counts what its queues drop.
    pub fn shared_counters(&self) -> &SharedCounters {
        &self.counters
    }

    pub fn counters(&self) -> TurnCounters {
        TurnCounters { allocations: self.quota.used() as u64, ..self.counters.read() }
    }

    pub(super) fn count(&self, counter: impl Fn(&SharedCounters) -> &std::sync::atomic::AtomicU64) {
        counter(&self.counters).fetch_add(1, Relaxed);
    }

    pub(super) fn relayed_in(&self, bytes: usize) {
        self.counters.datagrams_in.fetch_add(1, Relaxed);
        self.counters.bytes_in.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn relayed_out(&self, bytes: usize) {
        self.counters.datagrams_out.fetch_add(1, Relaxed);
        self.counters.bytes_out.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn ns(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.at).as_nanos() as u64
    }

    pub(super) fn unix_s(&self, now: Instant) -> u64 {
        self.unix_s.saturating_add(now.saturating_duration_since(self.at).as_secs())
    }

    /// When a moment of the wall clock comes, if it can be said.
    pub(super) fn instant(&self, unix_s: u64) -> Option<Instant> {
        self.at.checked_add(Duration::from_secs(unix_s.checked_sub(self.unix_s)?))
    }

    pub(super) fn peer(&self, index: u8) -> Option<Peer> {
        self.peers.get(usize::from(index)).copied()
    }

    pub(super) fn peer_at(&self, address: SocketAddr) -> Option<u8> {
        self.by_address.get(&address).copied()
    }

    /// Whether any peer has this address: what a permission is about.
    pub(super) fn has_peer_on(&self, ip: IpAddr) -> bool {
        self.peers.iter().any(|peer| peer.address.ip() == ip)
    }

    /// The address part of relayed transport addresses. Nobody listens there: it only names an
    /// allocation in ICE.
    pub(super) fn relayed_ip(&self, family: u8) -> Option<IpAddr> {
        self.relayed.get(usize::from(family).checked_sub(1)?).copied().flatten()
    }
}

fn relayed_address(peers: &[Peer], family: u8) -> Option<IpAddr> {
    let of_family = |peer: &&Peer| peer.address.is_ipv6() == (family == attr::IPV6);
    let mut found = peers.iter().filter(of_family).map(|peer| peer.address.ip());
    // An address that a browser takes for a relay's, where there is one.
    let usable = |ip: &IpAddr| !ip.is_loopback();
    let first = found.clone().next();
    found.find(usable).or(first)
}

fn names_a_host(address: SocketAddr) -> bool {
    let ip = address.ip();
    !ip.is_unspecified() && !ip.is_multicast() && ip.to_canonical() == ip && address.port() != 0
}

/// The number by which the shard knows an allocation and the address that its client reached it
/// under: an answer must come from there.
pub(super) fn way(serial: u32, peer: u8) -> u32 {
    serial << 8 | u32::from(peer)
}

/// The allocation's serial number, and the peer.
pub(super) fn of_way(remote: Remote) -> Option<(u32, u8)> {
    match remote.via {
        Via::Turn(way) => Some((way >> 8, way as u8)),
        _ => None,
    }
}
