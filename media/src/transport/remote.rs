//! Where a peer is reached: an address, and the way its datagrams take to us.

use std::fmt;
use std::net::SocketAddr;

/// The way between us and a remote address. The shell names streams and relays by numbers that
/// it does not use again while anything of the old one may be on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Via {
    /// Our UDP socket.
    Udp,
    /// A stream framed by RFC 4571 (ICE-TCP, RFC 6544).
    Tcp(u32),
    /// An allocation of our own TURN server (RFC 8656).
    Turn(u32),
}

/// A remote transport address as ICE sees it: `addr` is what STUN answers tell the client, and
/// two remotes of the same address but another way are two candidate pairs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Remote {
    pub addr: SocketAddr,
    pub via: Via,
}

impl Remote {
    pub const fn udp(addr: SocketAddr) -> Self {
        Self { addr, via: Via::Udp }
    }

    /// As [`Remote::udp`], of a stream.
    pub const fn tcp(addr: SocketAddr, stream: u32) -> Self {
        Self { addr, via: Via::Tcp(stream) }
    }

    /// `addr` is the allocation's relayed transport address.
    pub const fn turn(addr: SocketAddr, allocation: u32) -> Self {
        Self { addr, via: Via::Turn(allocation) }
    }
}

impl From<SocketAddr> for Remote {
    fn from(addr: SocketAddr) -> Self {
        Self::udp(addr)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} over {:?}", self.addr, self.via)
    }
}
