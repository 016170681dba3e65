//! Short-lived credentials and nonces, both without state: the server's key makes and knows them.
//!
//! USERNAME is `expiry:id` (seconds since 1970, and whom the quotas count for); the password is
//! the base64 of an HMAC of it. Who signs a request with it proves that this server gave it out
//! and until when.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

use super::message::IntegrityKind;

/// A longer USERNAME was not given out by us.
const MAX_USERNAME: usize = 128;
/// Expiry in eight hexadecimal digits, and 128 bits of HMAC in 32.
const NONCE_LEN: usize = 40;

/// What a client needs to use TURN.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub password: String,
    /// Seconds since 1970; nothing allocated with these lives longer.
    pub expires_s: u64,
}

impl fmt::Debug for Credentials {
    /// The password never reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("expires_s", &self.expires_s).finish_non_exhaustive()
    }
}

/// The server's key, split by purpose.
pub struct ServerKey {
    passwords: hmac::Key,
    nonces: hmac::Key,
}

impl ServerKey {
    pub fn new(key: &[u8; 32]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, key);
        let of =
            |purpose: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, purpose).as_ref());
        Self { passwords: of(b"turn password"), nonces: of(b"turn nonce") }
    }

    /// For whom `id` names, which must not say who that is: it travels in the clear.
    pub fn issue(&self, id: &str, expires_s: u64) -> Credentials {
        let username = format!("{expires_s}:{id}");
        let password = self.password(&username);
        Credentials { username, password, expires_s }
    }

    fn password(&self, username: &str) -> String {
        STANDARD.encode(hmac::sign(&self.passwords, username.as_bytes()))
    }

    /// The key of long-term credentials (RFC 8489 section 9.2.2) of a user name that we may have
    /// given out.
    pub fn long_term(&self, username: &str, realm: &str) -> LongTermKey {
        LongTermKey::new(username, realm, &self.password(username))
    }

    /// A nonce that this client may use until `expires_s`.
    pub fn nonce(&self, client: SocketAddr, expires_s: u32) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        let (head, tail) = nonce.split_at_mut(8);
        hex(&expires_s.to_be_bytes(), head);
        hex(&self.nonce_tag(client, expires_s).as_ref()[..16], tail);
        nonce
    }

    /// Whether `nonce` was given to this client and has not expired.
    pub fn nonce_is_valid(&self, client: SocketAddr, nonce: &[u8], now_s: u64) -> bool {
        let Some(digits) = nonce.get(..8).and_then(|head| std::str::from_utf8(head).ok()) else {
            return false;
        };
        let Ok(expires_s) = u32::from_str_radix(digits, 16) else { return false };
        let right = self.nonce(client, expires_s);
        u64::from(expires_s) > now_s && verify_slices_are_equal(nonce, &right).is_ok()
    }

    fn nonce_tag(&self, client: SocketAddr, expires_s: u32) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.nonces);
        context.update(&expires_s.to_be_bytes());
        match client.ip() {
            IpAddr::V4(ip) => context.update(&ip.octets()),
            IpAddr::V6(ip) => context.update(&ip.octets()),
        }
        context.update(&client.port().to_be_bytes());
        context.sign()
    }
}

/// Expiry (seconds since 1970) and id of a user name of ours.
pub(super) fn parts(username: &str) -> Option<(u64, &str)> {
    if username.len() > MAX_USERNAME {
        return None;
    }
    let (expiry, id) = username.split_once(':')?;
    let plain = expiry.bytes().all(|byte| byte.is_ascii_digit());
    Some((expiry.parse().ok().filter(|_| plain)?, id))
}

/// MD5 of `username:realm:password` (RFC 8489 section 9.2.2).
#[derive(Clone)]
pub struct LongTermKey([u8; 16]);

impl LongTermKey {
    pub fn new(username: &str, realm: &str, password: &str) -> Self {
        let mut hash = Md5::new();
        for part in [username, ":", realm, ":", password] {
            hash.update(part.as_bytes());
        }
        Self(hash.finalize().into())
    }

    pub(super) fn hmac(&self, kind: IntegrityKind) -> hmac::Key {
        let algorithm = match kind {
            IntegrityKind::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            IntegrityKind::Sha256 => hmac::HMAC_SHA256,
        };
        hmac::Key::new(algorithm, &self.0)
    }
}

fn hex(bytes: &[u8], out: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, digits) in bytes.iter().zip(out.chunks_exact_mut(2)) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 15)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "192.0.2.7:4000";

    #[test]
    fn a_password_belongs_to_its_user_name_and_key() {
        let key = ServerKey::new(&[1; 32]);
        let given = key.issue("a1", 2_000);
        assert_eq!(given.username, "2000:a1");
        assert_eq!(given, key.issue("a1", 2_000));
        assert_ne!(given.password, key.issue("a1", 2_001).password);
        assert_ne!(given.password, key.issue("a2", 2_000).password);
        assert_ne!(given.password, ServerKey::new(&[2; 32]).issue("a1", 2_000).password);
        assert!(!format!("{given:?}").contains(&given.password));
        assert_eq!(parts(&given.username), Some((2_000, "a1")));
        for bad in ["2000", ":a", "+2:a", "-1:a", "99999999999999999999:a", &"9".repeat(200)] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_nonce_is_for_one_client_and_a_while() {
        let key = ServerKey::new(&[1; 32]);
        let client: SocketAddr = CLIENT.parse().unwrap();
        let nonce = key.nonce(client, 100);
        assert!(key.nonce_is_valid(client, &nonce, 99));
        assert!(!key.nonce_is_valid(client, &nonce, 100));
        assert!(!key.nonce_is_valid("192.0.2.7:4001".parse().unwrap(), &nonce, 99));
        assert!(!key.nonce_is_valid("192.0.2.8:4000".parse().unwrap(), &nonce, 99));
        for at in 0..nonce.len() {
            let mut changed = nonce;
            changed[at] ^= 1;
            assert!(!key.nonce_is_valid(client, &changed, 99), "byte {at}");
        }
        assert!(!key.nonce_is_valid(client, &nonce[..39], 99));
        assert!(!key.nonce_is_valid(client, b"", 99));
    }

    #[test]
    fn the_long_term_key_is_that_of_the_rfc() {
        // RFC 5769 section 2.4 gives no key, but RFC 8489 section 9.2.2 does: user:realm:pass.
        let key = LongTermKey::new("user", "realm", "pass");
        let wanted = [
            0x84, 0x93, 0xfb, 0xc5, 0x3b, 0xa5, 0x82, 0xfb, 0x4c, 0x04, 0x4c, 0x45, 0x6b, 0xdc,
            0x40, 0xeb,
        ];
        assert_eq!(key.0, wanted);
    }
}
