//! SRTP in place (RFC 3711, RFC 7714): no queue, no copy, no allocation per packet.

use thiserror::Error;

/// Bytes a packet buffer must have after the plain packet for any profile's tag.
pub const TAG_SPACE: usize = 16;

/// The protection profile of one association (RFC 5764 section 4.1.2, RFC 7714 section 14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    AeadAes128Gcm,
    Aes128CmSha1_80,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SrtpError {
    #[error("not an RTP or RTCP packet")]
    Malformed,
    #[error("authentication failed")]
    Authentication,
    #[error("seen before or too old")]
    Replayed,
    #[error("more synchronisation sources than a peer may have")]
    TooManySources,
    #[error("the packet counter is used up")]
    Exhausted,
    #[error("no keys yet")]
    NotReady,
}

/// An authenticated packet, decrypted in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Bytes of fixed header, CSRCs and extensions.
    pub header_len: usize,
    /// End of the payload (padding included).
    pub payload_end: usize,
    /// Rollover counter and sequence number: `roc << 16 | seq`.
    pub ext_seq: u64,
}

/// The sending half. Stateless: the caller's extended sequence number is the packet index.
pub struct SrtpTx {
    profile: Profile,
}

impl SrtpTx {
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Bytes the authentication tag adds.
    pub fn tag_len(&self) -> usize {
        match self.profile {
            Profile::AeadAes128Gcm => 16,
            Profile::Aes128CmSha1_80 => 10,
        }
    }

    /// Encrypts `packet[header_len..plain_len]` in place and appends the tag.
    ///
    /// `packet` is header and payload (`plain_len` bytes) followed by at least [`TAG_SPACE`]
    /// bytes; `roc` is the upper part of the caller's extended sequence number. A packet index of
    /// one SSRC must not be sealed with two different contents. Returns the sealed length, or 0
    /// when the lengths contradict each other (nothing must be sent then).
    pub fn seal_rtp(
        &self,
        _roc: u32,
        _packet: &mut [u8],
        _header_len: usize,
        _plain_len: usize,
    ) -> usize {
        0
    }
}

/// The receiving half, with rollover counter and replay window per SSRC.
pub struct SrtpRx {
    profile: Profile,
}

impl SrtpRx {
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Authenticates and decrypts in place. State of an SSRC is made only after its first packet
    /// was authenticated.
    pub fn open_rtp(&mut self, _packet: &mut [u8]) -> Result<Opened, SrtpError> {
        Err(SrtpError::NotReady)
    }
}
