//! The SFU core: pure state machines, told the time, tested on virtual time.
//!
//! - [`api`]: what the outside says to a shard and hears from it.
//! - `transport`: ICE-lite, STUN, DTLS, SRTP fast path, SDP.
//! - `rtp`: zero-copy packet view, header extensions, codec descriptors.
//! - `sfu`: room, publisher, subscriber, forwarding, repair, slots, speaker, stats.
//! - `bwe`: transport-wide feedback.
//! - `stats`: what is told of tracks and subscribers, rates, and quality in three grades.
//! - `footprint`: how much state a shard holds.
//! - `turn`: TURN and plain STUN, relaying to our own shards only.
//! - `capture`: the log format of recorded media.
//!
//! No socket, thread, clock or random number is touched here (law 1 of docs/ARCHITECTURE.md).

pub mod api;
pub mod bwe;
pub mod capture;
mod counters;
pub mod footprint;
pub mod relay;
pub mod rtp;
pub mod sfu;
pub mod shard;
pub mod stats;
pub mod transport;
pub mod turn;

#[cfg(test)]
mod testing;
