//! One shard: rooms, peers and the datagrams of one UDP port, on one thread, without I/O.
//!
//! The shell calls [`Shard::handle_batch`] with what one receive call returned, sends what is in
//! [`Egress`], clears it, and calls [`Shard::handle_timeout`] no later than
//! [`Shard::next_timeout`]. After each call it drains [`Shard::poll_event`].

use std::net::SocketAddr;

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
