//! SRTP in place (RFC 3711, RFC 7714): no queue, no copy, no allocation per packet.

use thiserror::Error;

use super::srtp_cm::{self, Cm};
use super::srtp_gcm::{self, Gcm};
use super::srtp_kdf::Master;
use super::srtp_replay::ReplayWindow;

/// Bytes a packet buffer must have after the plain packet for any profile's tag.
pub const TAG_SPACE: usize = 16;

/// Synchronisation sources with state, per peer and direction. A browser with three layers, their
/// retransmissions, a screen and two voices has ten.
pub const MAX_SOURCES: usize = 128;

/// The protection profile of one association (RFC 5764 section 4.1.2, RFC 7714 section 14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    AeadAes128Gcm,
    Aes128CmSha1_80,
}

impl Profile {
    /// Bytes of master salt.
    pub(super) fn salt_len(self) -> usize {
        match self {
            Profile::AeadAes128Gcm => 12,
            Profile::Aes128CmSha1_80 => 14,
        }
    }

    /// Bytes of authentication tag.
    pub fn tag_len(self) -> usize {
        match self {
            Profile::AeadAes128Gcm => srtp_gcm::TAG_LEN,
            Profile::Aes128CmSha1_80 => srtp_cm::TAG_LEN,
        }
    }
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

/// The keys of one direction.
pub(super) enum Cipher {
    Gcm(Gcm),
    Cm(Box<Cm>),
}

impl Cipher {
    fn new(profile: Profile, master: &Master) -> Result<Self, SrtpError> {
        Ok(match profile {
            Profile::AeadAes128Gcm => Cipher::Gcm(Gcm::new(master)?),
            Profile::Aes128CmSha1_80 => Cipher::Cm(Box::new(Cm::new(master)?)),
        })
    }
}

/// Both directions from what the DTLS exporter gave (RFC 5764 section 4.2).
pub fn contexts(
    profile: Profile,
    material: &[u8],
    we_are_client: bool,
) -> Result<(SrtpTx, SrtpRx), SrtpError> {
    let (client, server) = Master::split(profile, material)?;
    let (ours, theirs) = if we_are_client { (client, server) } else { (server, client) };
    Ok((
        SrtpTx { profile, cipher: Cipher::new(profile, &ours)?, rtcp_index: 0 },
        SrtpRx {
            profile,
            cipher: Cipher::new(profile, &theirs)?,
            rtp: Sources::default(),
            rtcp: Sources::default(),
        },
    ))
}

/// The sending half. For RTP it has no state: the caller's extended sequence number is the index.
pub struct SrtpTx {
    profile: Profile,
    pub(super) cipher: Cipher,
    pub(super) rtcp_index: u32,
}

impl SrtpTx {
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Bytes the authentication tag adds.
    pub fn tag_len(&self) -> usize {
        self.profile.tag_len()
    }

    /// Encrypts `packet[header_len..plain_len]` in place and appends the tag.
    ///
    /// `packet` is header and payload (`plain_len` bytes) followed by at least [`TAG_SPACE`]
    /// bytes; `roc` is the upper part of the caller's extended sequence number. A packet index of
    /// one SSRC must not be sealed with two different contents. Returns the sealed length, or 0
    /// when the lengths contradict each other (nothing must be sent then).
    #[inline]
    pub fn seal_rtp(
        &self,
        roc: u32,
        packet: &mut [u8],
        header_len: usize,
        plain_len: usize,
    ) -> usize {
        let sealed_len = plain_len + self.tag_len();
        if header_len < 12 || header_len > plain_len || sealed_len > packet.len() {
            return 0;
        }
        let (plain, space) = packet.split_at_mut(plain_len);
        let appended = match &self.cipher {
            Cipher::Gcm(gcm) => {
                let (header, payload) = plain.split_at_mut(header_len);
                gcm.seal_rtp(roc, header, payload)
                    .map(|tag| space[..srtp_gcm::TAG_LEN].copy_from_slice(&tag))
            }
            Cipher::Cm(cm) => cm
                .seal_rtp(roc, plain, header_len)
                .map(|tag| space[..srtp_cm::TAG_LEN].copy_from_slice(&tag)),
        };
        if appended.is_ok() { sealed_len } else { 0 }
    }
}

/// Replay windows by SSRC. Few entries, so a scan that starts where the last packet was found
/// beats a hash; bounded by [`MAX_SOURCES`].
#[derive(Default)]
pub(super) struct Sources {
    list: Vec<(u32, ReplayWindow)>,
    last: usize,
}

impl Sources {
    #[inline]
    pub(super) fn get_mut(&mut self, ssrc: u32) -> Option<&mut ReplayWindow> {
        if self.list.get(self.last).is_none_or(|(s, _)| *s != ssrc) {
            self.last = self.list.iter().position(|(s, _)| *s == ssrc)?;
        }
        self.list.get_mut(self.last).map(|(_, window)| window)
    }

    /// Whether a new source may be added; asked before the cost of authentication.
    pub(super) fn has_room(&self) -> Result<(), SrtpError> {
        if self.list.len() < MAX_SOURCES { Ok(()) } else { Err(SrtpError::TooManySources) }
    }

    /// Only for a packet that was authenticated.
    pub(super) fn add(&mut self, ssrc: u32, index: u64) {
        self.list.push((ssrc, ReplayWindow::starting_at(index)));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }
}

/// The receiving half, with rollover counter and replay window per SSRC.
pub struct SrtpRx {
    profile: Profile,
    pub(super) cipher: Cipher,
    rtp: Sources,
    pub(super) rtcp: Sources,
}

impl SrtpRx {
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Authenticates and decrypts in place. State of an SSRC is made only after its first packet
    /// was authenticated, and of at most [`MAX_SOURCES`].
    ///
    /// # Errors
    /// On any error the packet's contents are undefined and nothing was remembered.
    #[inline]
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<Opened, SrtpError> {
        let header_len = rtp_header_len(packet)?;
        let payload_end = packet
            .len()
            .checked_sub(self.profile.tag_len())
            .filter(|end| *end >= header_len)
            .ok_or(SrtpError::Malformed)?;
        let seq = u16::from_be_bytes([packet[2], packet[3]]);
        let ssrc = u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]);
        let ext_seq = match self.rtp.get_mut(ssrc) {
            Some(window) => {
                let index = window.estimate(seq).ok_or(SrtpError::Exhausted)?;
                window.check(index)?;
                index
            }
            None => {
                self.rtp.has_room()?;
                u64::from(seq)
            }
        };
        let roc = (ext_seq >> 16) as u32;
        match &self.cipher {
            Cipher::Gcm(gcm) => {
                let (header, payload) = packet.split_at_mut(header_len);
                gcm.open_rtp(roc, header, payload)?;
            }
            Cipher::Cm(cm) => cm.open_rtp(roc, packet, header_len)?,
        }
        match self.rtp.get_mut(ssrc) {
            Some(window) => window.accept(ext_seq),
            None => self.rtp.add(ssrc, ext_seq),
        }
        Ok(Opened { header_len, payload_end, ext_seq })
    }

    #[cfg(test)]
    pub(super) fn sources(&self) -> usize {
        self.rtp.len() + self.rtcp.len()
    }
}

/// Bytes of fixed header, CSRC list and extension block (RFC 3550 section 5.1, 5.3.1).
#[inline]
fn rtp_header_len(packet: &[u8]) -> Result<usize, SrtpError> {
    let &[first, _, ..] = packet else { return Err(SrtpError::Malformed) };
    let mut len = 12 + 4 * usize::from(first & 0x0f);
    if first >> 6 != 2 || packet.len() < len {
        return Err(SrtpError::Malformed);
    }
    if first & 0x10 != 0 {
        let words = packet.get(len + 2..len + 4).ok_or(SrtpError::Malformed)?;
        len += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    if packet.len() < len { Err(SrtpError::Malformed) } else { Ok(len) }
}

#[cfg(test)]
#[path = "srtp_tests.rs"]
mod tests;
