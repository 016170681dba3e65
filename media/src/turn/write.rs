//! Writing STUN messages into a buffer that the caller keeps.

use std::net::SocketAddr;

use aws_lc_rs::hmac;

use super::attr;
use super::credentials::LongTermKey;
use super::message::{
    COOKIE, Class, FINGERPRINT_XOR, HEADER, IntegrityKind, Transaction, write_address,
};

/// One message at the end of `out`.
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    transaction: Transaction,
}

impl<'a> Writer<'a> {
    pub fn new(
        out: &'a mut Vec<u8>,
        class: Class,
        method: u16,
        transaction: &Transaction,
    ) -> Writer<'a> {
        let start = out.len();
        let class = match class {
            Class::Request => 0x0000,
            Class::Indication => 0x0010,
            Class::Success => 0x0100,
            Class::Error => 0x0110,
        };
        let kind = class | method & 0x000f | (method & 0x0070) << 1 | (method & 0x0f80) << 2;
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&COOKIE);
        out.extend_from_slice(transaction);
        Writer { out, start, transaction: *transaction }
    }

    pub fn attribute(self, kind: u16, value: &[u8]) -> Self {
        self.out.extend_from_slice(&kind.to_be_bytes());
        self.out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        self.out.extend_from_slice(value);
        let padding = value.len().next_multiple_of(4) - value.len();
        self.out.extend_from_slice(&[0; 3][..padding]);
        self
    }

    pub fn number(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_be_bytes())
    }

    /// An XOR-…-ADDRESS.
    pub fn address(self, kind: u16, address: SocketAddr) -> Self {
        let (value, len) = write_address(address, &self.transaction);
        self.attribute(kind, &value[..len])
    }

    /// ERROR-CODE, with a reason for whoever reads a trace.
    pub fn error(self, code: u16, reason: &str) -> Self {
        let mut value = [0u8; 36];
        let reason = reason.as_bytes();
        let len = reason.len().min(value.len() - 4);
        (value[2], value[3]) = ((code / 100) as u8, (code % 100) as u8);
        value[4..4 + len].copy_from_slice(&reason[..len]);
        self.attribute(attr::ERROR_CODE, &value[..4 + len])
    }

    /// Sets the header's length as if `more` bytes followed.
    fn set_length(&mut self, more: usize) {
        let length = (self.out.len() - self.start - HEADER + more) as u16;
        self.out[self.start + 2..self.start + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// MESSAGE-INTEGRITY of this kind.
    pub fn sign(mut self, key: &LongTermKey, kind: IntegrityKind) -> Self {
        let (number, len) = match kind {
            IntegrityKind::Sha1 => (attr::MESSAGE_INTEGRITY, 20),
            IntegrityKind::Sha256 => (attr::MESSAGE_INTEGRITY_SHA256, 32),
        };
        self.set_length(4 + len);
        let tag = hmac::sign(&key.hmac(kind), &self.out[self.start..]);
        self.attribute(number, tag.as_ref())
    }

    pub fn fingerprint(mut self) -> Self {
        self.set_length(8);
        let crc = crc32fast::hash(&self.out[self.start..]) ^ FINGERPRINT_XOR;
        self.number(attr::FINGERPRINT, crc)
    }

    pub fn finish(mut self) {
        self.set_length(0);
    }
}
