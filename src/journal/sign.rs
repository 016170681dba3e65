//! Ed25519 (RFC 8032) signatures of a journal's head, by the installation's key.
//!
//! The hash chain alone is found intact after a cut tail or after somebody with the database has
//! computed it anew; a signature that they cannot make is not.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

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
        verifies(public_key, &self.bytes(), signature)
    }
}

fn verifies(public_key: &str, bytes: &[u8], signature: &str) -> bool {
    let (Some(key), Some(signature)) = (decode_hex::<32>(public_key), decode_hex::<64>(signature))
    else {
        return false;
    };
    UnparsedPublicKey::new(&ED25519, key).verify(bytes, &signature).is_ok()
}

/// Whether `signature` (hex) is one of `text` by `public_key` (hex).
pub(super) fn is_signature(public_key: &str, text: &str, signature: &str) -> bool {
    verifies(public_key, text.as_bytes(), signature)
}

/// 128 hex digits. `text` begins with a line that says what sort of statement it is.
pub(super) fn sign_text(signer: &dyn HeadSigner, text: &str) -> String {
    hex(&signer.sign(text.as_bytes()))
}

/// The installation's private key, wherever it is kept ([`crate::auth::InstallationKey`]).
pub trait HeadSigner: Send + Sync {
    /// 32 bytes, RFC 8032.
    fn public_key(&self) -> [u8; 32];

    /// 64 bytes, RFC 8032: deterministic, no randomness is drawn.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}

/// 64 hex digits, for [`super::Header::installation_key`].
pub fn public_key_hex(signer: &dyn HeadSigner) -> String {
    hex(&signer.public_key())
}

/// 128 hex digits.
pub fn sign_head(signer: &dyn HeadSigner, statement: &HeadStatement) -> String {
    hex(&signer.sign(&statement.bytes()))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, b| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}
