//! What reads bytes from the network, as functions that must not panic and must keep their word.
//!
//! `cargo dev fuzz` runs libFuzzer on each; `tests/replay.rs` runs the seeds and every input that
//! once failed (`seeds/`, `crashes/`) in the ordinary tests.

mod meeting;
mod parsers;
mod shard;

pub use parsers::{dtls, rtcp, rtp, sdp, stun};
pub use shard::shard;

/// A target by its name.
pub fn target(name: &str) -> Option<fn(&[u8])> {
    Some(match name {
        "stun" => stun,
        "dtls" => dtls,
        "rtp" => rtp,
        "rtcp" => rtcp,
        "sdp" => sdp,
        "shard" => shard,
        _ => return None,
    })
}

pub const TARGETS: [&str; 6] = ["stun", "dtls", "rtp", "rtcp", "sdp", "shard"];
