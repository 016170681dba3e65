//! STUN binding requests and answers (RFC 8489, RFC 8445 section 7).

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::hmac;
use thiserror::Error;

use super::stun_attr as attr;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEADER_LEN: usize = 20;
/// XORed into the CRC of FINGERPRINT (RFC 8489 section 14.7).
const FINGERPRINT_XOR: u32 = 0x5354_554e;

pub type Transaction = [u8; 12];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum StunError {
    #[error("not a STUN message")]
    NotStun,
    #[error("an attribute runs past the end or has a wrong length")]
    Malformed,
    #[error("wrong FINGERPRINT")]
    Fingerprint,
    #[error("not a binding method")]
    Method,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Request,
    Indication,
    Success,
    Error,
}

/// A parsed binding message; borrows the datagram.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    raw: &'a [u8],
    integrity_at: Option<usize>,
    pub class: Class,
    pub transaction: Transaction,
    pub username: Option<&'a str>,
    pub priority: Option<u32>,
    pub use_candidate: bool,
    /// Tie breaker of ICE-CONTROLLED.
    pub controlled: Option<u64>,
    /// Tie breaker of ICE-CONTROLLING.
    pub controlling: Option<u64>,
    pub error_code: Option<u16>,
    pub mapped: Option<SocketAddr>,
    /// The first comprehension-required attribute that we do not know.
    pub unknown: Option<u16>,
}

impl<'a> Message<'a> {
    /// Reads a whole datagram. Attributes behind MESSAGE-INTEGRITY are ignored but for
    /// FINGERPRINT, which is checked when present (RFC 8489 section 14.5).
    pub fn parse(datagram: &'a [u8]) -> Result<Self, StunError> {
        let header = datagram.first_chunk::<HEADER_LEN>().ok_or(StunError::NotStun)?;
        let kind = u16::from_be_bytes([header[0], header[1]]);
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if kind & 0xc000 != 0
            || header[4..8] != COOKIE
            || length % 4 != 0
            || length != datagram.len() - HEADER_LEN
        {
            return Err(StunError::NotStun);
        }
        let class = match kind {
            0x0001 => Class::Request,
            0x0011 => Class::Indication,
            0x0101 => Class::Success,
            0x0111 => Class::Error,
            _ => return Err(StunError::Method),
        };
        let mut transaction = [0; 12];
        transaction.copy_from_slice(&header[8..]);
        let mut message = Self {
            raw: datagram,
            integrity_at: None,
            class,
            transaction,
            username: None,
            priority: None,
            use_candidate: false,
            controlled: None,
            controlling: None,
            error_code: None,
            mapped: None,
            unknown: None,
        };
        let mut at = HEADER_LEN;
        while at < datagram.len() {
            at = message.attribute(at)?;
        }
        Ok(message)
    }

    /// Takes the attribute at `at`; returns where the next one begins.
    fn attribute(&mut self, at: usize) -> Result<usize, StunError> {
        let raw = self.raw;
        let head = raw.get(at..at + 4).ok_or(StunError::Malformed)?;
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = raw.get(at + 4..at + 4 + len).ok_or(StunError::Malformed)?;
        let next = at + 4 + len.next_multiple_of(4);
        if kind == attr::FINGERPRINT {
            let crc = crc32fast::hash(&raw[..at]) ^ FINGERPRINT_XOR;
            if value != crc.to_be_bytes() || next != raw.len() {
                return Err(StunError::Fingerprint);
            }
            return Ok(next);
        }
        if self.integrity_at.is_some() {
            return Ok(next);
        }
        let u32_of =
            |v: &[u8]| v.try_into().map(u32::from_be_bytes).map_err(|_| StunError::Malformed);
        let u64_of =
            |v: &[u8]| v.try_into().map(u64::from_be_bytes).map_err(|_| StunError::Malformed);
        match kind {
            attr::USERNAME => {
                let text = std::str::from_utf8(value).map_err(|_| StunError::Malformed)?;
                self.username.get_or_insert(text);
            }
            attr::MESSAGE_INTEGRITY => {
                if len != attr::INTEGRITY_LEN {
                    return Err(StunError::Malformed);
                }
                self.integrity_at = Some(at);
            }
            attr::PRIORITY => self.priority = Some(u32_of(value)?),
            attr::USE_CANDIDATE => self.use_candidate = true,
            attr::ICE_CONTROLLED => self.controlled = Some(u64_of(value)?),
            attr::ICE_CONTROLLING => self.controlling = Some(u64_of(value)?),
            attr::ERROR_CODE => {
                let code = value.get(2..4).ok_or(StunError::Malformed)?;
                self.error_code = Some(u16::from(code[0] & 7) * 100 + u16::from(code[1]));
            }
            attr::XOR_MAPPED_ADDRESS => {
                self.mapped = Some(xor_address(value, &self.transaction)?);
            }
            0x8000.. => {}
            _ => {
                self.unknown.get_or_insert(kind);
            }
        }
        Ok(next)
    }

    pub fn has_integrity(&self) -> bool {
        self.integrity_at.is_some()
    }

    /// Whether MESSAGE-INTEGRITY is there and right under `key` (RFC 8489 section 14.5).
    pub fn verify(&self, key: &hmac::Key) -> bool {
        let Some(at) = self.integrity_at else { return false };
        let end = at + 4 + attr::INTEGRITY_LEN;
        // The header's length counts up to and with this attribute, whatever follows it.
        let mut header = [0; HEADER_LEN];
        header.copy_from_slice(&self.raw[..HEADER_LEN]);
        header[2..4].copy_from_slice(&((end - HEADER_LEN) as u16).to_be_bytes());
        let mut context = hmac::Context::with_key(key);
        context.update(&header);
        context.update(&self.raw[HEADER_LEN..at]);
        aws_lc_rs::constant_time::verify_slices_are_equal(
            context.sign().as_ref(),
            &self.raw[at + 4..end],
        )
        .is_ok()
    }
}

/// The local half of USERNAME (`ours:theirs`) of a binding request, unauthenticated: enough to
/// find the peer, not to believe anything. `None` if this is no binding request with a USERNAME.
pub fn local_ufrag(datagram: &[u8]) -> Option<&str> {
    let message = Message::parse(datagram).ok()?;
    if message.class != Class::Request {
        return None;
    }
    message.username?.split_once(':').map(|(ours, _)| ours)
}

/// The key of short-term credentials (RFC 8489 section 9.1.1); the password is ASCII.
pub fn integrity_key(pwd: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, pwd.as_bytes())
}

fn xor_mask(transaction: &Transaction) -> [u8; 16] {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&COOKIE);
    mask[4..].copy_from_slice(transaction);
    mask
}

/// Reads XOR-MAPPED-ADDRESS (RFC 8489 section 14.2).
fn xor_address(value: &[u8], transaction: &Transaction) -> Result<SocketAddr, StunError> {
    let &[_, family, p0, p1, ref address @ ..] = value else { return Err(StunError::Malformed) };
    let port = u16::from_be_bytes([p0 ^ COOKIE[0], p1 ^ COOKIE[1]]);
    let mask = xor_mask(transaction);
    let ip = match (family, address.len()) {
        (1, 4) => IpAddr::from(std::array::from_fn::<u8, 4, _>(|i| address[i] ^ mask[i])),
        (2, 16) => IpAddr::from(std::array::from_fn::<u8, 16, _>(|i| address[i] ^ mask[i])),
        _ => return Err(StunError::Malformed),
    };
    Ok(SocketAddr::new(ip, port))
}

/// Writes one message.
struct Writer(Vec<u8>);

impl Writer {
    fn new(kind: u16, transaction: &Transaction) -> Self {
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&COOKIE);
        out.extend_from_slice(transaction);
        Self(out)
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.0.extend_from_slice(&kind.to_be_bytes());
        self.0.extend_from_slice(&(value.len() as u16).to_be_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    /// Sets the header's length as if `more` bytes followed.
    fn set_length(&mut self, more: usize) {
        let length = (self.0.len() - HEADER_LEN + more) as u16;
        self.0[2..4].copy_from_slice(&length.to_be_bytes());
    }

    /// MESSAGE-INTEGRITY if there is a key, FINGERPRINT always.
    fn finish(mut self, key: Option<&hmac::Key>) -> Vec<u8> {
        if let Some(key) = key {
            self.set_length(4 + attr::INTEGRITY_LEN);
            let tag = hmac::sign(key, &self.0);
            self.attribute(attr::MESSAGE_INTEGRITY, tag.as_ref());
        }
        self.set_length(8);
        let crc = crc32fast::hash(&self.0) ^ FINGERPRINT_XOR;
        self.attribute(attr::FINGERPRINT, &crc.to_be_bytes());
        self.0
    }
}

/// The answer to a good request: where it came from.
pub fn success(transaction: &Transaction, from: SocketAddr, key: &hmac::Key) -> Vec<u8> {
    let mut writer = Writer::new(0x0101, transaction);
    let mask = xor_mask(transaction);
    let port = (from.port() ^ 0x2112).to_be_bytes();
    let mut value = [0u8; 20];
    let len = match from.ip() {
        IpAddr::V4(ip) => {
            value[4..8].copy_from_slice(&ip.octets());
            8
        }
        IpAddr::V6(ip) => {
            value[4..20].copy_from_slice(&ip.octets());
            20
        }
    };
    value[1] = if len == 8 { 1 } else { 2 };
    value[2..4].copy_from_slice(&port);
    value[4..len].iter_mut().zip(mask).for_each(|(a, b)| *a ^= b);
    writer.attribute(attr::XOR_MAPPED_ADDRESS, &value[..len]);
    writer.finish(Some(key))
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 400: no USERNAME or MESSAGE-INTEGRITY.
    BadRequest,
    /// 401: unknown user or wrong integrity.
    Unauthenticated,
    /// 420: an attribute we would have to understand.
    UnknownAttribute(u16),
    /// 487: both sides think they are controlled.
    RoleConflict,
}

/// The answer to a bad request. `key` signs it where the requester proved to know the password.
pub fn refusal(transaction: &Transaction, why: Refusal, key: Option<&hmac::Key>) -> Vec<u8> {
    let (class, number, reason): (u8, u8, &str) = match why {
        Refusal::BadRequest => (4, 0, "Bad Request"),
        Refusal::Unauthenticated => (4, 1, "Unauthenticated"),
        Refusal::UnknownAttribute(_) => (4, 20, "Unknown Attribute"),
        Refusal::RoleConflict => (4, 87, "Role Conflict"),
    };
    let mut writer = Writer::new(0x0111, transaction);
    let mut value = vec![0, 0, class, number];
    value.extend_from_slice(reason.as_bytes());
    writer.attribute(attr::ERROR_CODE, &value);
    if let Refusal::UnknownAttribute(kind) = why {
        writer.attribute(attr::UNKNOWN_ATTRIBUTES, &kind.to_be_bytes());
    }
    writer.finish(key)
}

/// A connectivity check as a controlling agent sends it; for bots and tests.
pub fn request(
    transaction: &Transaction,
    username: &str,
    tie_breaker: u64,
    nominate: bool,
    key: &hmac::Key,
) -> Vec<u8> {
    let mut writer = Writer::new(0x0001, transaction);
    writer.attribute(attr::USERNAME, username.as_bytes());
    writer.attribute(attr::PRIORITY, &0x6e00_01ffu32.to_be_bytes());
    writer.attribute(attr::ICE_CONTROLLING, &tie_breaker.to_be_bytes());
    if nominate {
        writer.attribute(attr::USE_CANDIDATE, &[]);
    }
    writer.finish(Some(key))
}

#[cfg(test)]
#[path = "stun_tests.rs"]
mod tests;
