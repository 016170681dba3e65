//! Ed25519 (RFC 8032) signatures of a journal's head, by the installation's key.
//!
//! The hash chain alone is found intact after a cut tail or after somebody with the database has
//! computed it anew; a signature that they cannot make is not.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::chain::{Digest, decode_hex};
use super::event::SignPurpose;
use crate::domain::SessionId;

/// What is signed: this session's journal up to `seq` ends in `hash`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadStatement {
    pub session: SessionId,
    pub purpose: SignPurpose,
    pub seq: u64,
    pub hash: Digest,
}

impl HeadStatement {
    /// The first line keeps signatures of other things from being passed off as this one.
    fn bytes(&self) -> Vec<u8> {
        let purpose = match self.purpose {
            SignPurpose::Closed => "closed",
            SignPurpose::Sealed => "sealed",
            SignPurpose::Export => "export",
        };
        format!(
            "yuntang journal head v1\n{}\n{purpose}\n{}\n{}\n",
            self.session, self.seq, self.hash
        )
        .into_bytes()
    }

    /// Whether `signature` (hex) is one of this statement by `public_key` (hex).
    pub fn is_signed_by(&self, public_key: &str, signature: &str) -> bool {
        let (Some(key), Some(signature)) =
            (decode_hex::<32>(public_key), decode_hex::<64>(signature))
        else {
            return false;
        };
        UnparsedPublicKey::new(&ED25519, key).verify(&self.bytes(), &signature).is_ok()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the installation's signing key is damaged")]
pub struct InvalidKey;

/// The installation's private key. Deterministic: signing draws no randomness.
pub struct HeadSigner {
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for HeadSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeadSigner").field("public_key", &self.public_key()).finish_non_exhaustive()
    }
}

impl HeadSigner {
    /// From the 32 bytes of RFC 8032's private key; [`crate::store::keys`] makes and keeps them.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, InvalidKey> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(|pair| Self { pair }).map_err(|_| InvalidKey)
    }

    /// 64 hex digits, for [`super::Header::installation_key`].
    pub fn public_key(&self) -> String {
        hex(self.pair.public_key().as_ref())
    }

    /// 128 hex digits.
    pub fn sign(&self, statement: &HeadStatement) -> String {
        hex(self.pair.sign(&statement.bytes()).as_ref())
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, b| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}
