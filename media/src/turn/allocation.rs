//! One allocation: permissions, channels and how long everything lasts (RFC 8656 sections 5 to 12).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::message::Transaction;
use super::quota::Ticket;
use super::rate::Rate;
use super::server::Server;

/// Lifetimes: RFC 8656 sections 3.2, 9 and 12.
pub(super) const DEFAULT_LIFETIME: u32 = 600;
pub(super) const MAX_LIFETIME: u32 = 3_600;
const PERMISSION: Duration = Duration::from_secs(300);
const CHANNEL: Duration = Duration::from_secs(600);

/// Which relayed addresses an allocation has, in the order IPv4, IPv6.
pub(super) type Relayed = [Option<SocketAddr>; 2];

#[derive(Debug, Clone, Copy)]
struct Channel {
    number: u16,
    peer: u8,
    expires: Instant,
}

pub(super) struct Allocation {
    pub username: String,
    /// Of the request that made it: a retransmission of that is no second allocation.
    pub transaction: Transaction,
    pub relayed: Relayed,
    pub expires: Instant,
    /// When the credentials it was made with end.
    pub credentials_end: Instant,
    pub ticket: Ticket,
    permissions: Vec<(IpAddr, Instant)>,
    channels: Vec<Channel>,
    rate: Rate,
}

/// Why a permission or channel was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotGiven {
    /// The channel or the peer is bound otherwise.
    Conflict,
    Full,
}

impl Allocation {
    pub fn new(
        server: &Server,
        ticket: Ticket,
        username: &str,
        transaction: Transaction,
        relayed: Relayed,
        credentials_end: Instant,
    ) -> Self {
        Self {
            username: username.to_owned(),
            transaction,
            relayed,
            expires: credentials_end,
            credentials_end,
            ticket,
            permissions: Vec::new(),
            channels: Vec::new(),
            rate: Rate::new(server.limits.bytes_per_s),
        }
    }

    /// Sets the lifetime by what was asked for; returns it in seconds. Never beyond the end of
    /// the credentials.
    pub fn extend(&mut self, now: Instant, wanted_s: Option<u32>) -> u32 {
        let wanted = wanted_s.unwrap_or(DEFAULT_LIFETIME).clamp(DEFAULT_LIFETIME, MAX_LIFETIME);
        let left = self.credentials_end.saturating_duration_since(now);
        let lifetime = Duration::from_secs(wanted.into()).min(left);
        self.expires = now + lifetime;
        lifetime.as_secs() as u32
    }

    pub fn is_live(&self, now: Instant) -> bool {
        self.expires > now
    }

    pub fn has_family_of(&self, address: IpAddr) -> bool {
        self.relayed_for(address).is_some()
    }

    /// The relayed address that this peer sees.
    pub fn relayed_for(&self, peer: IpAddr) -> Option<SocketAddr> {
        self.relayed[usize::from(peer.is_ipv6())]
    }

    /// Whether permissions for `ips` have room, counting those that are new once.
    pub fn has_room_for(
        &mut self,
        now: Instant,
        limit: usize,
        ips: impl Iterator<Item = IpAddr>,
    ) -> bool {
        self.permissions.retain(|(_, expires)| *expires > now);
        let mut new: Vec<IpAddr> =
            ips.filter(|ip| !self.permissions.iter().any(|(held, _)| held == ip)).collect();
        new.sort_unstable();
        new.dedup();
        self.permissions.len() + new.len() <= limit
    }

    /// Installs or refreshes a permission; [`Allocation::has_room_for`] it was asked before.
    pub fn permit(&mut self, now: Instant, ip: IpAddr) {
        let expires = now + PERMISSION;
        match self.permissions.iter_mut().find(|(held, _)| *held == ip) {
            Some((_, until)) => *until = expires,
            None => self.permissions.push((ip, expires)),
        }
    }

    pub fn is_permitted(&self, now: Instant, ip: IpAddr) -> bool {
        self.permissions.iter().any(|(held, expires)| *held == ip && *expires > now)
    }

    /// Binds or refreshes a channel, with the permission that this implies.
    pub fn bind(
        &mut self,
        now: Instant,
        server: &Server,
        number: u16,
        peer: (u8, IpAddr),
    ) -> Result<(), NotGiven> {
        self.channels.retain(|channel| channel.expires > now);
        let touches = |c: &&mut Channel| c.number == number || c.peer == peer.0;
        let expires = now + CHANNEL;
        if !self.has_room_for(now, server.limits.permissions, std::iter::once(peer.1)) {
            return Err(NotGiven::Full);
        }
        let full = self.channels.len() >= server.limits.channels;
        match self.channels.iter_mut().find(touches) {
            Some(held) if held.number == number && held.peer == peer.0 => held.expires = expires,
            Some(_) => return Err(NotGiven::Conflict),
            None if full => return Err(NotGiven::Full),
            None => self.channels.push(Channel { number, peer: peer.0, expires }),
        }
        self.permit(now, peer.1);
        Ok(())
    }

    pub fn channel_peer(&self, now: Instant, number: u16) -> Option<u8> {
        let live = |c: &&Channel| c.number == number && c.expires > now;
        self.channels.iter().find(live).map(|channel| channel.peer)
    }

    pub fn channel_of(&self, now: Instant, peer: u8) -> Option<u16> {
        let live = |c: &&Channel| c.peer == peer && c.expires > now;
        self.channels.iter().find(live).map(|channel| channel.number)
    }

    /// Whether `bytes` may pass, by its own rate and by that of all.
    pub fn may_pass(&mut self, now_ns: u64, server: &Server, bytes: usize) -> bool {
        self.rate.pass(now_ns, bytes) && server.rate.pass(now_ns, bytes)
    }

    /// How many permissions and channels it holds.
    #[cfg(test)]
    pub fn sizes(&self) -> (usize, usize) {
        (self.permissions.len(), self.channels.len())
    }
}
