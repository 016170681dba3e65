//! The daily chain of an organisation (`domain.md` §3.2): the sessions it sealed, day by day, each
//! bound to the one before and signed. A session's journal cannot be exchanged afterwards, nor a
//! session be left out, without breaking it; the root of a day is the hash of its last entry, to
//! be printed or given to somebody outside.
//!
//! An exported file: line 0 the header, then the entries, then a signed trailer, all canonical
//! JSON as in a journal.

use std::io::BufRead;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::canonical::{self, NotCanonical};
use super::chain::Digest;
use super::hash::HashAlgorithm;
use super::sign::{HeadSigner, is_signature, sign_text};
use super::verify::{Flaw, MAX_LINE_BYTES, TRAILER};
use crate::domain::{OrgId, SessionId};

/// Version of the file's form.
pub const DAILY_FORMAT: u32 = 1;
/// How a file of this sort begins, in its one canonical spelling.
const BEGINS: &str = "{\"daily_chain\":";

/// Line 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHeader {
    /// [`DAILY_FORMAT`]
    pub daily_chain: u32,
    pub org: OrgId,
    pub org_name: String,
    #[serde(default, skip_serializing_if = "HashAlgorithm::is_default")]
    pub hash_algorithm: HashAlgorithm,
    pub installation: String,
    /// Ed25519 public key of the installation, 64 hex digits.
    pub installation_key: String,
}

/// One sealed session, without its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedSession {
    pub session: SessionId,
    pub title: String,
    /// When it was sealed, microseconds UTC.
    pub at_us: i64,
    /// That day in Beijing, `2026-11-21`.
    pub day: String,
    /// Sequence number and hash of the session's event `sealed`.
    pub seq: u64,
    pub head: Digest,
    /// Hash of the sealed minutes.
    pub minutes: Digest,
}

/// One entry in its place: `n` counts from 1 without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub n: u64,
    pub sealed: SealedSession,
    pub prev_hash: Digest,
    pub hash: Digest,
    /// Signs this hash as the head of its day, 128 hex digits.
    pub signature: String,
}

impl ChainHeader {
    /// Hash of the canonical header: what entry 1 follows.
    ///
    /// # Errors
    /// Never for a header made by us.
    pub fn hash(&self) -> Result<Digest, NotCanonical> {
        Ok(self.hash_algorithm.of(canonical::of(self)?.as_bytes()))
    }

    /// The first line of a file.
    ///
    /// # Errors
    /// As [`ChainHeader::hash`].
    pub fn line(&self) -> Result<String, NotCanonical> {
        let mut value = canonical::value_of(self)?;
        if let Value::Object(map) = &mut value {
            map.insert("hash".into(), self.hash()?.to_string().into());
        }
        canonical::text(&value)
    }

    /// Gives a sealed session its place after entry `n - 1`, whose hash is `prev`.
    ///
    /// # Errors
    /// [`NotCanonical::Number`] for a number beyond ±(2^53−1).
    pub fn link(
        &self,
        n: u64,
        prev: Digest,
        sealed: SealedSession,
        signer: &dyn HeadSigner,
    ) -> Result<Entry, NotCanonical> {
        let hash = self.hash_algorithm.next(&prev, &body(n, &sealed)?);
        let signature = sign_text(signer, &self.statement(&sealed.day, n, &hash));
        Ok(Entry { n, sealed, prev_hash: prev, hash, signature })
    }

    /// The last line of a file.
    ///
    /// # Errors
    /// As [`ChainHeader::hash`].
    pub fn trailer(
        &self,
        n: u64,
        head: Digest,
        signer: &dyn HeadSigner,
    ) -> Result<String, NotCanonical> {
        let signature = sign_text(signer, &self.statement("export", n, &head));
        canonical::text(&json!({
            "trailer": { "hash": head.to_string(), "n": n, "signature": signature }
        }))
    }

    /// The first line keeps signatures of other things from being passed off as this one.
    fn statement(&self, purpose: &str, n: u64, hash: &Digest) -> String {
        format!("yuntang daily chain v1\n{}\n{purpose}\n{n}\n{hash}\n", self.org)
    }
}

fn body(n: u64, sealed: &SealedSession) -> Result<String, NotCanonical> {
    let mut value = canonical::value_of(sealed)?;
    if let Value::Object(map) = &mut value {
        map.insert("n".into(), n.into());
    }
    canonical::text(&value)
}

impl Entry {
    /// Its line in a file.
    ///
    /// # Errors
    /// Never for an entry made by [`ChainHeader::link`].
    pub fn line(&self) -> Result<String, NotCanonical> {
        let mut value = canonical::value_of(&self.sealed)?;
        if let Value::Object(map) = &mut value {
            map.insert("n".into(), self.n.into());
            map.insert("prev_hash".into(), self.prev_hash.to_string().into());
            map.insert("hash".into(), self.hash.to_string().into());
            map.insert("signature".into(), self.signature.clone().into());
        }
        canonical::text(&value)
    }
}

/// Where a file is first found wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DailyPlace {
    Header,
    /// The day as far as the line can be read.
    Entry(u64, Option<String>),
    Trailer,
}

impl std::fmt::Display for DailyPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header => f.write_str("header"),
            Self::Entry(n, Some(day)) => write!(f, "entry {n} ({day})"),
            Self::Entry(n, None) => write!(f, "entry {n}"),
            Self::Trailer => f.write_str("trailer"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{place}: {flaw}")]
pub struct DailyTampered {
    pub place: DailyPlace,
    pub flaw: Flaw,
}

/// What an intact chain says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyVerified {
    pub header: ChainHeader,
    pub entries: u64,
    pub head: Digest,
    /// Day, sessions sealed on it, and its root.
    pub days: Vec<(String, u64, Digest)>,
}

/// Whether a file is a daily chain, by its first bytes.
pub fn is_daily(begins: &[u8]) -> bool {
    begins.starts_with(BEGINS.as_bytes())
}

/// Verifies a whole exported file.
///
/// # Errors
/// The first place that is wrong.
pub fn verify_daily(
    mut file: impl BufRead,
    expected_key: Option<&str>,
) -> Result<DailyVerified, DailyTampered> {
    let mut verified: Option<DailyVerified> = None;
    let mut ended = false;
    loop {
        let place = match &verified {
            None => DailyPlace::Header,
            Some(_) if ended => DailyPlace::Trailer,
            Some(v) => DailyPlace::Entry(v.entries + 1, None),
        };
        let Some(line) =
            read_line(&mut file).map_err(|flaw| DailyTampered { place: place.clone(), flaw })?
        else {
            return match verified {
                Some(verified) if ended => Ok(verified),
                None => Err(DailyTampered { place, flaw: Flaw::CutTail }),
                Some(_) => Err(DailyTampered { place: DailyPlace::Trailer, flaw: Flaw::CutTail }),
            };
        };
        match &mut verified {
            None => {
                let header = header(&line, expected_key)
                    .map_err(|flaw| DailyTampered { place: DailyPlace::Header, flaw })?;
                verified = Some(header);
            }
            Some(_) if ended => {
                return Err(DailyTampered { place: DailyPlace::Trailer, flaw: Flaw::AfterTrailer });
            }
            Some(v) if line.starts_with(TRAILER) => {
                trailer(v, &line).map_err(|flaw| {
                    // A trailer that counts more entries says that the next one is missing.
                    let missing = matches!(flaw, Flaw::Sequence(_));
                    let place = if missing { place } else { DailyPlace::Trailer };
                    DailyTampered { place, flaw }
                })?;
                ended = true;
            }
            Some(v) => entry(v, &line).map_err(|flaw| {
                let day = serde_json::from_str::<Value>(&line).ok();
                let day = day.and_then(|v| v["day"].as_str().map(str::to_owned));
                DailyTampered { place: DailyPlace::Entry(v.entries + 1, day), flaw }
            })?,
        }
    }
}

fn read_line(file: &mut impl BufRead) -> Result<Option<String>, Flaw> {
    use std::io::Read as _;
    let mut line = Vec::new();
    if file.take(MAX_LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        let full = line.len() as u64 + 1 >= MAX_LINE_BYTES;
        return Err(if full { Flaw::TooLong } else { Flaw::CutTail });
    }
    String::from_utf8(line).map(Some).map_err(|_| Flaw::NotCanonical)
}

fn object(line: &str) -> Result<Map<String, Value>, Flaw> {
    let value: Value = serde_json::from_str(line).map_err(|_| Flaw::NotCanonical)?;
    if canonical::text(&value).map_err(|_| Flaw::NotCanonical)? != line {
        return Err(Flaw::NotCanonical);
    }
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(Flaw::Malformed),
    }
}

fn take_text(map: &mut Map<String, Value>, key: &str) -> Result<String, Flaw> {
    match map.remove(key) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(Flaw::Malformed),
    }
}

fn take_digest(map: &mut Map<String, Value>, key: &str) -> Result<Digest, Flaw> {
    take_text(map, key)?.parse().map_err(|_| Flaw::Malformed)
}

fn header(line: &str, expected_key: Option<&str>) -> Result<DailyVerified, Flaw> {
    let mut map = object(line)?;
    let format = map.get("daily_chain").and_then(Value::as_u64).ok_or(Flaw::Malformed)?;
    if format != u64::from(DAILY_FORMAT) {
        return Err(Flaw::UnknownFormat(format));
    }
    let hash = take_digest(&mut map, "hash")?;
    // Hashed as it stands, not as this version would write it.
    let text = canonical::text(&Value::Object(map.clone())).map_err(|_| Flaw::NotCanonical)?;
    let header: ChainHeader =
        serde_json::from_value(Value::Object(map)).map_err(|_| Flaw::Malformed)?;
    if header.hash_algorithm.of(text.as_bytes()) != hash {
        return Err(Flaw::Hash);
    }
    if expected_key.is_some_and(|key| key != header.installation_key) {
        return Err(Flaw::Key);
    }
    Ok(DailyVerified { header, entries: 0, head: hash, days: Vec::new() })
}

fn entry(v: &mut DailyVerified, line: &str) -> Result<(), Flaw> {
    let mut map = object(line)?;
    let n = map.get("n").and_then(Value::as_u64).ok_or(Flaw::Malformed)?;
    if n != v.entries + 1 {
        return Err(Flaw::Sequence(n));
    }
    if take_digest(&mut map, "prev_hash")? != v.head {
        return Err(Flaw::PrevHash);
    }
    let hash = take_digest(&mut map, "hash")?;
    let signature = take_text(&mut map, "signature")?;
    let day = map.get("day").and_then(Value::as_str).ok_or(Flaw::Malformed)?.to_owned();
    let text = canonical::text(&Value::Object(map)).map_err(|_| Flaw::NotCanonical)?;
    if v.header.hash_algorithm.next(&v.head, &text) != hash {
        return Err(Flaw::Hash);
    }
    let statement = v.header.statement(&day, n, &hash);
    if !is_signature(&v.header.installation_key, &statement, &signature) {
        return Err(Flaw::Signature);
    }
    (v.entries, v.head) = (n, hash);
    match v.days.last_mut() {
        Some((last, count, root)) if *last == day => (*count, *root) = (*count + 1, hash),
        // The clock may have been set back; the order is that of the chain all the same.
        _ => v.days.push((day, 1, hash)),
    }
    Ok(())
}

fn trailer(v: &DailyVerified, line: &str) -> Result<(), Flaw> {
    let map = object(line)?;
    let end = &map["trailer"];
    let n = end["n"].as_u64().ok_or(Flaw::Malformed)?;
    if n != v.entries {
        return Err(Flaw::Sequence(n));
    }
    if end["hash"].as_str() != Some(v.head.to_string().as_str()) || map.len() != 1 {
        return Err(Flaw::PrevHash);
    }
    let signature = end["signature"].as_str().ok_or(Flaw::Malformed)?;
    let statement = v.header.statement("export", n, &v.head);
    match is_signature(&v.header.installation_key, &statement, signature) {
        true => Ok(()),
        false => Err(Flaw::Signature),
    }
}
