//! Data between a client and the shards.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Instant;

use super::association::{Association, Transport};
use super::attr;
use super::frame::{self, CHANNEL_HEADER};
use super::message::{COOKIE, Class, HEADER, Message};
use super::server::{Server, Target, of_way, way};
use super::write::Writer;
use crate::transport::Remote;

/// What became of a message of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Something for the client is at the end of the buffer. `proven`: it signed what it said,
    /// or the address is known to be its own.
    Answer { proven: bool },
    /// `data` of the message goes to this shard, from `remote`.
    Relay { shard: usize, remote: Remote, data: Range<usize> },
    /// Good, but nothing follows.
    Nothing,
    /// Counted.
    Dropped,
}

impl Association {
    /// Takes one message of the client: all of a datagram, or what [`frame::next_frame`] cut from
    /// a stream.
    pub fn handle(
        &mut self,
        server: &Server,
        now: Instant,
        message: &[u8],
        out: &mut Vec<u8>,
    ) -> Outcome {
        match message.first() {
            Some(0x40..=0x7f) => self.on_channel_data(server, now, message, out),
            _ => self.on_message(server, now, message, out),
        }
    }

    fn on_channel_data(
        &mut self,
        server: &Server,
        now: Instant,
        message: &[u8],
        out: &mut Vec<u8>,
    ) -> Outcome {
        let Some((number, len)) = frame::channel_data(message) else {
            server.count(|counters| &counters.drop_malformed);
            return Outcome::Dropped;
        };
        let Some(allocation) = self.allocation.as_ref().filter(|a| a.is_live(now)) else {
            server.count(|counters| &counters.drop_no_allocation);
            return Outcome::Dropped;
        };
        let Some(peer) = allocation.channel_peer(now, number) else {
            server.count(|counters| &counters.drop_no_channel);
            return Outcome::Dropped;
        };
        self.relay(server, now, peer, message, CHANNEL_HEADER..CHANNEL_HEADER + len, out)
    }

    /// RFC 8656 section 11.2.
    pub(super) fn on_send(
        &mut self,
        server: &Server,
        now: Instant,
        message: &Message<'_>,
        raw: &[u8],
        out: &mut Vec<u8>,
    ) -> Outcome {
        let mut peers = message.peers();
        let (Some(address), None, Some(data)) = (peers.next(), peers.next(), message.data.clone())
        else {
            server.count(|counters| &counters.drop_malformed);
            return Outcome::Dropped;
        };
        if !message.unknown().is_empty() || message.bad_attribute {
            server.count(|counters| &counters.drop_malformed);
            return Outcome::Dropped;
        }
        if self.allocation.is_none() {
            server.count(|counters| &counters.drop_no_allocation);
            return Outcome::Dropped;
        }
        let Some(peer) = server.peer_at(address) else {
            server.count(|counters| &counters.drop_forbidden);
            return Outcome::Dropped;
        };
        self.relay(server, now, peer, raw, data, out)
    }

    fn relay(
        &mut self,
        server: &Server,
        now: Instant,
        index: u8,
        message: &[u8],
        data: Range<usize>,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let (Some(allocation), Some(peer)) = (&mut self.allocation, server.peer(index)) else {
            return Outcome::Dropped;
        };
        let ip = peer.address.ip();
        let relayed = allocation.relayed_for(ip).filter(|_| allocation.is_permitted(now, ip));
        let Some(relayed) = relayed else {
            server.count(|counters| &counters.drop_no_permission);
            return Outcome::Dropped;
        };
        if !allocation.may_pass(server.ns(now), server, data.len()) {
            server.count(|counters| &counters.drop_rate);
            return Outcome::Dropped;
        }
        server.relayed_in(data.len());
        match peer.target {
            Target::Shard(shard) => {
                let remote = Remote::turn(relayed, way(allocation.ticket.serial, index));
                Outcome::Relay { shard, remote, data }
            }
            Target::Echo => {
                server.count(|counters| &counters.echoed);
                match self.wrap(server, now, index, &message[data], out) {
                    true => Outcome::Answer { proven: true },
                    false => Outcome::Dropped,
                }
            }
        }
    }

    /// Wraps a datagram that a shard sent to `remote`, which [`Outcome::Relay`] named, at the end
    /// of `out`. False: it is dropped and counted, because nothing (any more) permits it.
    pub fn to_client(
        &mut self,
        server: &Server,
        now: Instant,
        remote: Remote,
        datagram: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        let serial = self.allocation.as_ref().map(|allocation| allocation.ticket.serial);
        match of_way(remote).filter(|(of, _)| Some(*of) == serial) {
            Some((_, peer)) => self.wrap(server, now, peer, datagram, out),
            None => {
                server.count(|counters| &counters.drop_ended);
                false
            }
        }
    }

    fn wrap(
        &mut self,
        server: &Server,
        now: Instant,
        peer: u8,
        datagram: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        let live = self.allocation.as_mut().filter(|allocation| allocation.is_live(now));
        let (Some(allocation), Some(address)) = (live, server.peer(peer).map(|p| p.address)) else {
            server.count(|counters| &counters.drop_ended);
            return false;
        };
        let ip = address.ip();
        if !allocation.has_family_of(ip) || !allocation.is_permitted(now, ip) {
            server.count(|counters| &counters.drop_no_permission);
            return false;
        }
        let Ok(len) = u16::try_from(datagram.len() + 64) else {
            server.count(|counters| &counters.drop_malformed);
            return false;
        };
        if !allocation.may_pass(server.ns(now), server, datagram.len()) {
            server.count(|counters| &counters.drop_rate);
            return false;
        }
        server.relayed_out(datagram.len());
        match allocation.channel_of(now, peer) {
            Some(number) => {
                out.extend_from_slice(&number.to_be_bytes());
                out.extend_from_slice(&(len - 64).to_be_bytes());
                out.extend_from_slice(datagram);
                if self.transport == Transport::Stream {
                    let padding = datagram.len().next_multiple_of(4) - datagram.len();
                    out.extend_from_slice(&[0; 3][..padding]);
                }
            }
            None => self.indicate(address, datagram, out),
        }
        true
    }

    /// A Data indication (RFC 8656 section 11.4).
    fn indicate(&mut self, peer: SocketAddr, datagram: &[u8], out: &mut Vec<u8>) {
        self.indications = self.indications.wrapping_add(1);
        let mut transaction = [0; 12];
        transaction[8..].copy_from_slice(&self.indications.to_be_bytes());
        Writer::new(out, Class::Indication, attr::DATA_METHOD, &transaction)
            .address(attr::XOR_PEER_ADDRESS, peer)
            .attribute(attr::DATA, datagram)
            .finish();
    }
}

/// Whether a datagram on a shard's port is for TURN or plain STUN rather than for a peer of the
/// shard: ChannelData, any method but Binding, and Binding requests without USERNAME.
pub fn is_turn(datagram: &[u8]) -> bool {
    match datagram {
        [0x40..=0x7f, ..] => true,
        [first @ 0..=3, second, ..] if datagram.len() >= HEADER && datagram[4..8] == COOKIE => {
            match u16::from_be_bytes([*first, *second]) {
                0x0001 => !has_username(datagram),
                0x0011 | 0x0101 | 0x0111 => false,
                _ => true,
            }
        }
        _ => false,
    }
}

fn has_username(datagram: &[u8]) -> bool {
    let mut rest = &datagram[HEADER..];
    while let Some((&[k0, k1, l0, l1], after)) = rest.split_first_chunk::<4>() {
        if u16::from_be_bytes([k0, k1]) == attr::USERNAME {
            return true;
        }
        let len = usize::from(u16::from_be_bytes([l0, l1])).next_multiple_of(4);
        let Some(next) = after.get(len..) else { break };
        rest = next;
    }
    false
}
