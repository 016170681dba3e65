//! The shell around the SFU core: threads, sockets and files.
//!
//! - [`Media`]: the handle that the rest of the server holds; bounded queues to the shards.
//! - `shard_thread`: one thread for one UDP port, around `media::shard::Shard`.
//! - `udp`: batches in (recvmmsg with UDP_GRO) and out (sendmmsg of UDP_SEGMENT runs).
//! - `link`: other ways to peers: ICE-TCP streams and relays, served by the async runtime.
//! - `turn`: our own TURN server, on the UDP ports and over streams.
//! - [`capture`]: the tap's bounded blocks and the one writer thread of the process.
//!
//! Overflow of each queue (law 3 of docs/ARCHITECTURE.md):
//!
//! | queue | when it is full |
//! |---|---|
//! | commands to a shard | the caller gets `Overloaded`; nothing is lost silently |
//! | events of a room | kept and retried, repeated states merged; 4,096 behind: the room fails |
//! | datagrams to the kernel | dropped and counted, as a network would |
//! | messages from streams and relays to a shard | the stream is not read on: TCP slows its sender |
//! | datagrams to a stream | video first dropped and counted (256 KiB wait), then the rest (64 KiB) |
//! | blocks to the capture writer | packets dropped and counted, a gap written in the track |

pub mod capture;
mod command;
mod config;
mod entropy;
mod error;
mod handle;
mod link;
mod load;
mod room_events;
mod shard_thread;
mod span;
mod stats;
mod turn;
mod udp;
mod wake;

pub use capture::{CaptureProblem, CaptureStatus, CaptureTarget};
pub use config::MediaConfig;
pub use error::{CaptureError, MediaError, StartError};
pub use handle::Media;
pub use link::{IceTcpEnd, IceTcpTimes};
pub use stats::{CaptureStats, IoStats, MediaStats, ShardStats};
pub use turn::{TurnConfig, TurnEnd, TurnTimes};
