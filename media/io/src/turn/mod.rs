//! The I/O of TURN: on each shard's UDP port, and over streams.
//!
//! Overflow: what a slow stream cannot take is dropped, video first; a stream whose shard is
//! behind waits and is not read meanwhile.

mod port;
mod stream;

pub(crate) use port::TurnPort;
pub(crate) use stream::serve;
pub use stream::{TurnEnd, TurnTimes};

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use media::turn::{Config, Limits, Server};

/// What a person may set about TURN.
#[derive(Clone)]
pub struct TurnConfig {
    /// Makes and checks the credentials; secret.
    pub key: [u8; 32],
    /// Seconds since 1970, now: credentials end by this clock.
    pub unix_s: u64,
    /// An address that echoes, for tests of the protocol only.
    pub echo: Option<SocketAddr>,
    pub limits: Limits,
}

impl fmt::Debug for TurnConfig {
    /// The key never reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnConfig").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Named to clients in every challenge; not secret.
const REALM: &str = "yuntang";

/// `shards`: every address under which a shard can be reached, with the shard.
pub(crate) fn server(config: &TurnConfig, shards: Vec<(SocketAddr, usize)>) -> Arc<Server> {
    Arc::new(Server::new(Config {
        realm: REALM.into(),
        key: config.key,
        at: Instant::now(),
        unix_s: config.unix_s,
        shards,
        echo: config.echo,
        limits: config.limits.clone(),
    }))
}

#[cfg(test)]
mod tests;
