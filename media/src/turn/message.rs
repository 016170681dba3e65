//! Reading any STUN message of TURN (RFC 8489 section 5, RFC 8656 section 18), without copying.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

use super::attr;
use super::credentials::LongTermKey;

pub const HEADER: usize = 20;
pub(super) const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// XORed into the CRC of FINGERPRINT (RFC 8489 section 14.7).
pub(super) const FINGERPRINT_XOR: u32 = 0x5354_554e;
/// XOR-PEER-ADDRESS attributes read of one request, and unknown attributes named in a 420.
pub const MAX_PEERS: usize = 16;
const MAX_UNKNOWN: usize = 8;

pub type Transaction = [u8; 12];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Request,
    Indication,
    Success,
    Error,
}

/// Which HMAC a message is signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntegrityKind {
    Sha1,
    Sha256,
}

#[derive(Debug, Clone, Copy)]
struct Integrity {
    at: usize,
    len: usize,
    kind: IntegrityKind,
}

/// A message whose attributes are all inside it; borrows the bytes.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    raw: &'a [u8],
    integrity: Option<Integrity>,
    pub class: Class,
    pub method: u16,
    pub transaction: Transaction,
    pub username: Option<&'a str>,
    pub realm: Option<&'a [u8]>,
    pub nonce: Option<&'a [u8]>,
    pub lifetime_s: Option<u32>,
    pub channel: Option<u16>,
    pub requested_transport: Option<u8>,
    pub requested_family: Option<u8>,
    pub additional_family: Option<u8>,
    /// EVEN-PORT, with its R bit.
    pub even_port: Option<bool>,
    pub reservation_token: bool,
    pub password_algorithm: bool,
    pub fingerprint: bool,
    /// Where DATA's value lies in the message.
    pub data: Option<Range<usize>>,
    /// XOR-MAPPED-ADDRESS, XOR-RELAYED-ADDRESS (the first two) and ERROR-CODE: of answers.
    pub mapped: Option<SocketAddr>,
    pub relayed: [Option<SocketAddr>; 2],
    pub error_code: Option<u16>,
    peers: [Option<SocketAddr>; MAX_PEERS],
    peer_count: usize,
    unknown: [u16; MAX_UNKNOWN],
    unknown_count: usize,
    /// An attribute that we know has a value that it cannot have: 400.
    pub bad_attribute: bool,
}

impl<'a> Message<'a> {
    /// Reads a whole message. `None`: not STUN, an attribute runs past the end, or a wrong
    /// FINGERPRINT; such a message is dropped without an answer (RFC 8489 section 6.3).
    pub fn parse(raw: &'a [u8]) -> Option<Self> {
        let header = raw.first_chunk::<HEADER>()?;
        let kind = u16::from_be_bytes([header[0], header[1]]);
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if kind & 0xc000 != 0
            || header[4..8] != COOKIE
            || length % 4 != 0
            || length != raw.len() - HEADER
        {
            return None;
        }
        let class = match kind & 0x0110 {
            0x0000 => Class::Request,
            0x0010 => Class::Indication,
            0x0100 => Class::Success,
            _ => Class::Error,
        };
        let mut transaction = [0; 12];
        transaction.copy_from_slice(&header[8..]);
        let mut message = Self {
            raw,
            integrity: None,
            class,
            method: kind & 0x000f | (kind & 0x00e0) >> 1 | (kind & 0x3e00) >> 2,
            transaction,
            username: None,
            realm: None,
            nonce: None,
            lifetime_s: None,
            channel: None,
            requested_transport: None,
            requested_family: None,
            additional_family: None,
            even_port: None,
            reservation_token: false,
            password_algorithm: false,
            fingerprint: false,
            data: None,
            mapped: None,
            relayed: [None; 2],
            error_code: None,
            peers: [None; MAX_PEERS],
            peer_count: 0,
            unknown: [0; MAX_UNKNOWN],
            unknown_count: 0,
            bad_attribute: false,
        };
        let mut at = HEADER;
        while at < raw.len() {
            at = message.attribute(at)?;
        }
        Some(message)
    }

    /// Takes the attribute at `at`; returns where the next one begins.
    fn attribute(&mut self, at: usize) -> Option<usize> {
        let raw = self.raw;
        let head = raw.get(at..at + 4)?;
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = raw.get(at + 4..at + 4 + len)?;
        let next = at + 4 + len.next_multiple_of(4);
        if next > raw.len() {
            return None;
        }
        if kind == attr::FINGERPRINT {
            let crc = crc32fast::hash(&raw[..at]) ^ FINGERPRINT_XOR;
            self.fingerprint = true;
            return (value == crc.to_be_bytes() && next == raw.len()).then_some(next);
        }
        // Behind MESSAGE-INTEGRITY only the other integrity and FINGERPRINT count (RFC 8489
        // sections 14.5 and 14.6).
        if let Some(integrity) = self.integrity
            && (integrity.kind == IntegrityKind::Sha256 || kind != attr::MESSAGE_INTEGRITY_SHA256)
        {
            return Some(next);
        }
        match kind {
            attr::MESSAGE_INTEGRITY if len == 20 => {
                self.integrity = Some(Integrity { at, len, kind: IntegrityKind::Sha1 });
            }
            attr::MESSAGE_INTEGRITY_SHA256 if (16..=32).contains(&len) && len % 4 == 0 => {
                self.integrity = Some(Integrity { at, len, kind: IntegrityKind::Sha256 });
            }
            attr::MESSAGE_INTEGRITY | attr::MESSAGE_INTEGRITY_SHA256 => return None,
            _ => {
                let range = at + 4..at + 4 + len;
                if self.value(kind, value, range).is_none() {
                    self.bad_attribute = true;
                }
            }
        }
        Some(next)
    }

    /// `None`: the value is not what this attribute may hold. Of a repeated attribute the first
    /// counts (RFC 8489 section 14), but for XOR-PEER-ADDRESS.
    fn value(&mut self, kind: u16, value: &'a [u8], range: Range<usize>) -> Option<()> {
        match kind {
            attr::USERNAME => {
                let text = std::str::from_utf8(value).ok()?;
                self.username.get_or_insert(text);
            }
            attr::REALM => _ = self.realm.get_or_insert(value),
            attr::NONCE => _ = self.nonce.get_or_insert(value),
            attr::LIFETIME => {
                self.lifetime_s.get_or_insert(u32::from_be_bytes(*array(value)?));
            }
            attr::CHANNEL_NUMBER => {
                let [a, b, _, _] = *array(value)?;
                self.channel.get_or_insert(u16::from_be_bytes([a, b]));
            }
            attr::REQUESTED_TRANSPORT => {
                let [protocol, ..] = *array::<4>(value)?;
                self.requested_transport.get_or_insert(protocol);
            }
            attr::REQUESTED_ADDRESS_FAMILY => {
                let [family, ..] = *array::<4>(value)?;
                self.requested_family.get_or_insert(family);
            }
            attr::ADDITIONAL_ADDRESS_FAMILY => {
                let [family, ..] = *array::<4>(value)?;
                self.additional_family.get_or_insert(family);
            }
            attr::EVEN_PORT => {
                let [bits] = *array(value)?;
                self.even_port.get_or_insert(bits & 0x80 != 0);
            }
            attr::RESERVATION_TOKEN => {
                array::<8>(value)?;
                self.reservation_token = true;
            }
            attr::DONT_FRAGMENT => _ = array::<0>(value)?,
            attr::PASSWORD_ALGORITHM => self.password_algorithm = true,
            attr::DATA => _ = self.data.get_or_insert(range),
            attr::XOR_PEER_ADDRESS => {
                let address = read_address(value, &self.transaction)?;
                *self.peers.get_mut(self.peer_count)? = Some(address);
                self.peer_count += 1;
            }
            attr::XOR_MAPPED_ADDRESS => {
                let address = read_address(value, &self.transaction)?;
                self.mapped.get_or_insert(address);
            }
            attr::XOR_RELAYED_ADDRESS => {
                let address = read_address(value, &self.transaction)?;
                let place = self.relayed.iter_mut().find(|place| place.is_none());
                if let Some(place) = place {
                    *place = Some(address);
                }
            }
            attr::ERROR_CODE => {
                let code = value.get(2..4)?;
                self.error_code = Some(u16::from(code[0] & 7) * 100 + u16::from(code[1]));
            }
            attr::UNKNOWN_ATTRIBUTES | 0x8000.. => {}
            _ => {
                if let Some(place) = self.unknown.get_mut(self.unknown_count) {
                    *place = kind;
                    self.unknown_count += 1;
                }
            }
        }
        Some(())
    }

    /// All of XOR-PEER-ADDRESS, in order.
    pub fn peers(&self) -> impl Iterator<Item = SocketAddr> + Clone + '_ {
        self.peers[..self.peer_count].iter().flatten().copied()
    }

    /// Comprehension-required attributes that we do not know; the first few.
    pub fn unknown(&self) -> &[u16] {
        &self.unknown[..self.unknown_count]
    }

    /// How the message is signed, whether rightly or not.
    pub fn integrity_kind(&self) -> Option<IntegrityKind> {
        self.integrity.map(|integrity| integrity.kind)
    }

    /// Whether it is signed, and rightly so, with `key`.
    pub fn verify(&self, key: &LongTermKey) -> bool {
        let Some(Integrity { at, len, kind }) = self.integrity else { return false };
        // The header's length counts up to and with this attribute, whatever follows it.
        let mut header = [0; HEADER];
        header.copy_from_slice(&self.raw[..HEADER]);
        header[2..4].copy_from_slice(&((at + 4 + len - HEADER) as u16).to_be_bytes());
        let key = key.hmac(kind);
        let mut context = hmac::Context::with_key(&key);
        context.update(&header);
        context.update(&self.raw[HEADER..at]);
        let tag = context.sign();
        verify_slices_are_equal(&tag.as_ref()[..len], &self.raw[at + 4..at + 4 + len]).is_ok()
    }
}

fn array<const N: usize>(value: &[u8]) -> Option<&[u8; N]> {
    value.try_into().ok()
}

fn mask(transaction: &Transaction) -> [u8; 16] {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&COOKIE);
    mask[4..].copy_from_slice(transaction);
    mask
}

/// Reads an XOR-…-ADDRESS (RFC 8489 section 14.2).
fn read_address(value: &[u8], transaction: &Transaction) -> Option<SocketAddr> {
    let &[_, family, p0, p1, ref address @ ..] = value else { return None };
    let port = u16::from_be_bytes([p0 ^ COOKIE[0], p1 ^ COOKIE[1]]);
    let mask = mask(transaction);
    let ip = match (family, address.len()) {
        (attr::IPV4, 4) => IpAddr::from(std::array::from_fn::<u8, 4, _>(|i| address[i] ^ mask[i])),
        (attr::IPV6, 16) => {
            IpAddr::from(std::array::from_fn::<u8, 16, _>(|i| address[i] ^ mask[i]))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The value of an XOR-…-ADDRESS and how many of the bytes it takes.
pub(super) fn write_address(address: SocketAddr, transaction: &Transaction) -> ([u8; 20], usize) {
    let mut value = [0u8; 20];
    let len = match address.ip() {
        IpAddr::V4(ip) => {
            value[1] = attr::IPV4;
            value[4..8].copy_from_slice(&ip.octets());
            8
        }
        IpAddr::V6(ip) => {
            value[1] = attr::IPV6;
            value[4..20].copy_from_slice(&ip.octets());
            20
        }
    };
    value[2..4].copy_from_slice(&(address.port() ^ 0x2112).to_be_bytes());
    value[4..len].iter_mut().zip(mask(transaction)).for_each(|(a, b)| *a ^= b);
    (value, len)
}
