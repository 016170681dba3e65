//! The hash chain: `hash = H(prev_hash ‖ canonical event without hash and prev_hash)`; `H` is what
//! the header names ([`HashAlgorithm`]).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::canonical::{self, MAX_SAFE_INTEGER, NotCanonical};
use super::event::{Envelope, Header, NewEvent};
use super::hash::HashAlgorithm;

/// SHA-256 or SM3, written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a digest of 64 lower-case hex digits")]
pub struct InvalidDigest;

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        decode_hex(text).map(Self).ok_or(InvalidDigest)
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Lower case only: one value has one spelling.
pub(super) fn decode_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    fn digit(c: u8) -> Option<u8> {
        match c {
            b'0'..=b'9' => Some(c - b'0'),
            b'a'..=b'f' => Some(c - b'a' + 10),
            _ => None,
        }
    }
    if text.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

/// SHA-256 of one piece of bytes.
pub fn sha256(bytes: &[u8]) -> Digest {
    HashAlgorithm::Sha256.of(bytes)
}

/// `H_0`: the hash of the header's canonical text, by the algorithm that the header names.
pub fn header_hash(header: &Header) -> Result<Digest, NotCanonical> {
    Ok(header.hash_algorithm.of(canonical::of(header)?.as_bytes()))
}

/// An event in its place, with its canonical text for whoever stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    pub envelope: Envelope,
    /// Canonical JSON of `envelope.event`.
    pub event_text: String,
}

/// Gives `event` its place after `prev`.
///
/// # Errors
/// [`NotCanonical::Number`] for a time or a number beyond ±(2^53−1).
pub fn link_by(
    algorithm: HashAlgorithm,
    seq: u64,
    prev: Digest,
    event: NewEvent,
) -> Result<Linked, NotCanonical> {
    let event_text = canonical::of(&event.event)?;
    let NewEvent { at_us, mono_us, actor, event } = event;
    let times_fit = [at_us, mono_us].iter().all(|t| t.unsigned_abs() <= MAX_SAFE_INTEGER);
    if !times_fit || seq > MAX_SAFE_INTEGER {
        return Err(NotCanonical::Number);
    }
    // Keys in canonical order; an actor is an id or a word and needs no escapes.
    let body = format!(
        r#"{{"actor":"{actor}","at_us":{at_us},"event":{event_text},"mono_us":{mono_us},"seq":{seq}}}"#
    );
    let hash = algorithm.next(&prev, &body);
    let envelope = Envelope { seq, at_us, mono_us, actor, event, prev_hash: prev, hash };
    Ok(Linked { envelope, event_text })
}
