//! Our own TURN server (RFC 8656) and plain STUN (RFC 8489), without sockets or clocks.
//!
//! It relays to the addresses of this process's shards and to nobody else. There is therefore no
//! relay socket: data enters the shard under the allocation's relayed transport address, which is
//! only a name ([`Remote::turn`](crate::transport::Remote::turn)), and what the shard sends to
//! that name comes back to the client.
//!
//! - [`Server`]: what all clients share: key, quotas, counters.
//! - [`Association`]: one client (five-tuple) with its allocation; a stream has one.
//! - [`UdpClients`]: those of a UDP port. Who has proven nothing leaves no state there.
//! - [`Credentials`]: `expiry:id` and an HMAC of it; nothing allocated outlives them.
//!
//! No lock is taken for a packet; the one of the quotas is, when an allocation begins and ends.

mod allocation;
mod association;
pub mod attr;
mod counters;
mod credentials;
mod frame;
mod message;
mod quota;
mod rate;
mod relay;
mod server;
mod udp;
mod write;

pub use association::{Association, Transport};
pub use counters::{SharedCounters, TurnCounters};
pub use credentials::{Credentials, LongTermKey, ServerKey};
pub use frame::{Frame, MAX_FRAME, channel_data, next_frame};
pub use message::{Class, IntegrityKind, Message, Transaction};
pub use quota::Limits;
pub use relay::{Outcome, is_turn};
pub use server::{Config, Server};
pub use udp::UdpClients;
pub use write::Writer;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod relay_tests;
#[cfg(test)]
mod request_tests;
#[cfg(test)]
mod testing;
