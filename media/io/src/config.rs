//! What a person may set about media.

use std::net::{IpAddr, SocketAddr};

pub use media::shard::Limits;

use crate::turn::TurnConfig;

/// Two thirds of what one core forwards of a lecture with headroom for key frames and joins.
const SPAN: usize = 150;

/// Where media listens and how much it takes on.
#[derive(Debug, Clone)]
pub struct MediaConfig {
    /// One address, and so one thread, per shard. `[::]` takes IPv4 too; port 0 lets the kernel
    /// choose.
    pub udp: Vec<SocketAddr>,
    /// The addresses that clients are told; the ports are those of the bound sockets.
    pub advertised: Vec<IpAddr>,
    /// The port that streams of peers come to, of each advertised address: `None` offers no
    /// ICE-TCP. Whoever listens there hands connections to [`crate::Media::serve_ice_tcp`].
    pub tcp_port: Option<u16>,
    /// TURN on the UDP ports and for [`crate::Media::serve_turn`]; `None`: not offered.
    pub turn: Option<TurnConfig>,
    /// Of each shard.
    pub limits: Limits,
    /// Peers of a room on its own shard from which on viewers are put on others too.
    pub span: usize,
    /// Kernel buffer of each socket, in bytes, each way. More than `net.core.[rw]mem_max` needs
    /// CAP_NET_ADMIN; without it the kernel gives what it allows.
    pub socket_buffer: usize,
    /// False: never ask the kernel to split or merge datagrams (GSO, GRO).
    pub offload: bool,
}

impl MediaConfig {
    /// One shard per address, everything else as recommended.
    pub fn new(udp: Vec<SocketAddr>, advertised: Vec<IpAddr>) -> Self {
        Self {
            udp,
            advertised,
            tcp_port: None,
            turn: None,
            limits: Limits::default(),
            span: SPAN,
            socket_buffer: 8 << 20,
            offload: true,
        }
    }
}
