//! DTLS 1.2 of one peer over `rtc::dtls`.

use thiserror::Error;

use super::Fingerprint;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DtlsError {
    #[error("certificate: {0}")]
    Certificate(String),
    #[error("the certificate does not match the fingerprint of the offer")]
    FingerprintMismatch,
    #[error("no common SRTP profile")]
    NoProfile,
    #[error("handshake: {0}")]
    Handshake(String),
    #[error("no answer from the peer")]
    TimedOut,
}

/// The process's certificate: one ECDSA P-256 key for all peers.
pub struct DtlsIdentity {
    fingerprint: Fingerprint,
}

impl DtlsIdentity {
    /// A fresh key and self-signed certificate, for the life of the process.
    pub fn generate() -> Result<Self, DtlsError> {
        Err(DtlsError::Certificate("being built".into()))
    }

    /// SHA-256 of the certificate, for the answer's `a=fingerprint`.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}
