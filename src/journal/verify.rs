//! Verification of a journal, line by line, in constant memory.
//!
//! Every line must be the one canonical spelling of what it says, so changing any byte of a file is
//! found; the answer names the first place that is wrong.

use std::fmt;
use std::io::{self, BufRead, Read as _};

use serde_json::{Map, Value, json};

use super::canonical;
use super::chain::Digest;
use super::event::{Envelope, FORMAT_VERSION, Header, SignPurpose};
use super::hash::HashAlgorithm;
use super::sign::{HeadSigner, HeadStatement, sign_head};
use crate::domain::SessionId;

/// Longest accepted line: a checkpoint of some 100,000 connections.
pub const MAX_LINE_BYTES: u64 = 8 * 1024 * 1024;

/// How the signed last line begins, in its one canonical spelling.
pub(super) const TRAILER: &str = "{\"trailer\":";

/// Where the record is first found wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Header,
    Seq(u64),
    /// The signed last line of a file, or its absence.
    Trailer,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("header"),
            Self::Seq(seq) => write!(f, "seq {seq}"),
            Self::Trailer => f.write_str("trailer"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    #[error("not a canonical JSON line")]
    NotCanonical,
    #[error("a field is missing or of the wrong type")]
    Malformed,
    #[error("format version {0} is not known")]
    UnknownFormat(u64),
    #[error("hash algorithm {0} is not known")]
    UnknownHash(String),
    #[error("another sequence number stands here: {0}")]
    Sequence(u64),
    #[error("does not follow from the line before")]
    PrevHash,
    #[error("content does not match its hash")]
    Hash,
    #[error("signature is not the installation's")]
    Signature,
    #[error("installation key is not the expected one")]
    Key,
    #[error("the end is missing")]
    CutTail,
    #[error("something follows the end")]
    AfterTrailer,
    #[error("line is longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
}

/// The first thing that is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {flaw}")]
pub struct Tampered {
    pub place: Place,
    pub flaw: Flaw,
}

impl Tampered {
    /// Sequence number for `first_bad_seq`: 0 is the header; the trailer has none.
    pub fn seq(&self) -> Option<u64> {
        match self.place {
            Place::Header => Some(0),
            Place::Seq(seq) => Some(seq),
            Place::Trailer => None,
        }
    }
}

/// What an intact journal says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub format: u32,
    pub session: SessionId,
    pub hash_algorithm: HashAlgorithm,
    /// Ed25519 public key that all signatures are by; compare it with the installation's.
    pub installation_key: String,
    pub events: u64,
    pub head_hash: Digest,
    /// Signed heads inside the chain (散会, seal), in order.
    pub signed_heads: Vec<(u64, SignPurpose)>,
    /// The signed last line is there.
    pub trailer: bool,
}

impl Verified {
    /// Signed at 散会 or at the seal.
    pub fn is_signed(&self) -> bool {
        !self.signed_heads.is_empty()
    }
}

/// Header line: the canonical header with its own hash in it.
pub fn header_line(header: &Header) -> Result<(String, Digest), canonical::NotCanonical> {
    let hash = super::chain::header_hash(header)?;
    let mut value = canonical::value_of(header)?;
    if let Value::Object(map) = &mut value {
        map.insert("hash".into(), hash.to_string().into());
    }
    Ok((canonical::text(&value)?, hash))
}

/// One event's line.
pub fn event_line(envelope: &Envelope) -> Result<String, canonical::NotCanonical> {
    canonical::of(envelope)
}

/// One event's line from what a database row holds; `event` is the canonical text of the event.
pub fn event_line_of_row(
    seq: u64,
    at_us: i64,
    mono_us: i64,
    actor: &str,
    event: &str,
    prev_hash: &str,
    hash: &str,
) -> Result<String, canonical::NotCanonical> {
    let event: Value = serde_json::from_str(event)?;
    canonical::text(&json!({
        "seq": seq, "at_us": at_us, "mono_us": mono_us, "actor": actor, "event": event,
        "prev_hash": prev_hash, "hash": hash,
    }))
}

/// The signed last line of a file.
pub fn trailer_line(
    signer: &dyn HeadSigner,
    session: SessionId,
    seq: u64,
    head: Digest,
) -> Result<String, canonical::NotCanonical> {
    let statement = HeadStatement { session, purpose: SignPurpose::Export, seq, hash: head };
    canonical::text(&json!({
        "trailer": { "seq": seq, "hash": head.to_string(), "signature": sign_head(signer, &statement) }
    }))
}

/// The state of a verification: feed header, events and trailer in order.
#[derive(Debug, Default)]
pub struct Verifier {
    verified: Option<Verified>,
    expected_key: Option<String>,
}

impl Verifier {
    /// `expected_key`: the installation's public key if it is known from elsewhere; without it a
    /// whole journal made anew under another key is told only by looking at the key.
    pub fn new(expected_key: Option<String>) -> Self {
        Self { verified: None, expected_key }
    }

    /// Takes the next line, without its line feed.
    pub fn line(&mut self, line: &str) -> Result<(), Tampered> {
        let place = self.place();
        self.take(line).map_err(|flaw| {
            // A trailer that counts more events than came says that the next one is missing.
            let missing = matches!(flaw, Flaw::Sequence(_));
            let trailer = line.starts_with(TRAILER) && place != Place::Header && !missing;
            Tampered { place: if trailer { Place::Trailer } else { place }, flaw }
        })
    }

    /// Sequence number that the next event must have, or the header before the first line.
    pub fn place(&self) -> Place {
        match &self.verified {
            None => Place::Header,
            Some(v) if v.trailer => Place::Trailer,
            Some(v) => Place::Seq(v.events + 1),
        }
    }

    /// Ends a verification of database rows, which have no trailer.
    pub fn finish_rows(self) -> Result<Verified, Tampered> {
        self.verified.ok_or(Tampered { place: Place::Header, flaw: Flaw::CutTail })
    }

    /// Ends a verification of a file: without its signed last line the tail may have been cut.
    pub fn finish(self) -> Result<Verified, Tampered> {
        let verified = self.finish_rows()?;
        if !verified.trailer {
            return Err(Tampered { place: Place::Trailer, flaw: Flaw::CutTail });
        }
        Ok(verified)
    }

    fn take(&mut self, line: &str) -> Result<(), Flaw> {
        let value: Value = serde_json::from_str(line).map_err(|_| Flaw::NotCanonical)?;
        if canonical::text(&value).map_err(|_| Flaw::NotCanonical)? != line {
            return Err(Flaw::NotCanonical);
        }
        let Value::Object(mut map) = value else {
            return Err(Flaw::Malformed);
        };
        match &mut self.verified {
            None => {
                let verified = header(&mut map)?;
                if self.expected_key.as_ref().is_some_and(|k| *k != verified.installation_key) {
                    return Err(Flaw::Key);
                }
                self.verified = Some(verified);
                Ok(())
            }
            Some(v) if v.trailer => Err(Flaw::AfterTrailer),
            Some(v) => match map.remove("trailer") {
                Some(end) if map.is_empty() => trailer(v, &end),
                _ => event(v, map),
            },
        }
    }
}

fn text(value: Option<&Value>) -> Result<&str, Flaw> {
    value.and_then(Value::as_str).ok_or(Flaw::Malformed)
}

fn take_digest(map: &mut Map<String, Value>, key: &str) -> Result<Digest, Flaw> {
    text(map.remove(key).as_ref())?.parse().map_err(|_| Flaw::Malformed)
}

fn header(map: &mut Map<String, Value>) -> Result<Verified, Flaw> {
    let format = map.get("format").and_then(Value::as_u64).ok_or(Flaw::Malformed)?;
    if format != u64::from(FORMAT_VERSION) {
        return Err(Flaw::UnknownFormat(format));
    }
    let hash = take_digest(map, "hash")?;
    let session = text(map.get("session"))?.parse().map_err(|_| Flaw::Malformed)?;
    let installation_key = text(map.get("installation_key"))?.to_owned();
    let hash_algorithm = match map.get("hash_algorithm") {
        None => HashAlgorithm::default(),
        named => {
            let id = text(named)?;
            HashAlgorithm::from_id(id).ok_or_else(|| Flaw::UnknownHash(id.to_owned()))?
        }
    };
    let body = canonical::text(&Value::Object(std::mem::take(map)));
    if hash_algorithm.of(body.map_err(|_| Flaw::NotCanonical)?.as_bytes()) != hash {
        return Err(Flaw::Hash);
    }
    Ok(Verified {
        format: FORMAT_VERSION,
        session,
        hash_algorithm,
        installation_key,
        events: 0,
        head_hash: hash,
        signed_heads: Vec::new(),
        trailer: false,
    })
}

fn event(v: &mut Verified, mut map: Map<String, Value>) -> Result<(), Flaw> {
    let seq = map.get("seq").and_then(Value::as_u64).ok_or(Flaw::Malformed)?;
    if seq != v.events + 1 {
        return Err(Flaw::Sequence(seq));
    }
    if take_digest(&mut map, "prev_hash")? != v.head_hash {
        return Err(Flaw::PrevHash);
    }
    let hash = take_digest(&mut map, "hash")?;
    let body = Value::Object(map);
    let canonical = canonical::text(&body).map_err(|_| Flaw::NotCanonical)?;
    if v.hash_algorithm.next(&v.head_hash, &canonical) != hash {
        return Err(Flaw::Hash);
    }
    let event = &body["event"];
    if event["type"] == "head_signed" {
        let purpose = serde_json::from_value(event["purpose"].clone());
        let purpose: SignPurpose = purpose.map_err(|_| Flaw::Malformed)?;
        check_signature(v, purpose, text(event.get("signature"))?)?;
        v.signed_heads.push((seq, purpose));
    }
    v.events = seq;
    v.head_hash = hash;
    Ok(())
}

fn trailer(v: &mut Verified, end: &Value) -> Result<(), Flaw> {
    let seq = end.get("seq").and_then(Value::as_u64).ok_or(Flaw::Malformed)?;
    if seq != v.events {
        return Err(Flaw::Sequence(seq));
    }
    if text(end.get("hash"))? != v.head_hash.to_string() {
        return Err(Flaw::PrevHash);
    }
    check_signature(v, SignPurpose::Export, text(end.get("signature"))?)?;
    v.trailer = true;
    Ok(())
}

fn check_signature(v: &Verified, purpose: SignPurpose, signature: &str) -> Result<(), Flaw> {
    let statement = HeadStatement { session: v.session, purpose, seq: v.events, hash: v.head_hash };
    if statement.is_signed_by(&v.installation_key, signature) {
        Ok(())
    } else {
        Err(Flaw::Signature)
    }
}

/// Verifies a whole exported file; `each` sees every line once it is known to be good.
pub fn verify(
    mut file: impl BufRead,
    expected_key: Option<String>,
    mut each: impl FnMut(&str),
) -> Result<Verified, Tampered> {
    let mut verifier = Verifier::new(expected_key);
    let mut line = Vec::new();
    loop {
        let place = verifier.place();
        let at = |flaw: Flaw| Tampered { place, flaw };
        line.clear();
        let mut limited = (&mut file).take(MAX_LINE_BYTES);
        if limited.read_until(b'\n', &mut line).map_err(|e| at(e.into()))? == 0 {
            return verifier.finish();
        }
        if line.pop() != Some(b'\n') {
            let full = line.len() as u64 + 1 >= MAX_LINE_BYTES;
            return Err(at(if full { Flaw::TooLong } else { Flaw::CutTail }));
        }
        let text = std::str::from_utf8(&line).map_err(|_| at(Flaw::NotCanonical))?;
        verifier.line(text)?;
        each(text);
    }
}
