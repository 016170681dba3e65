//! SRTCP: index, replay and layout for both profiles (RFC 3711 section 3.4, RFC 7714 section 9).

use super::srtp::{Cipher, SrtpRx, SrtpTx};
use super::{Profile, SrtpError};

/// Bytes of the word with the E bit and the 31-bit index.
const INDEX_LEN: usize = 4;

impl SrtpTx {
    /// Encrypts a compound RTCP packet and appends index and tag.
    ///
    /// # Errors
    /// [`SrtpError::Malformed`] below eight bytes; [`SrtpError::Exhausted`] after 2³¹ packets,
    /// when the peer must be dropped.
    pub fn seal_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        if self.rtcp_index >= 1 << 31 {
            return Err(SrtpError::Exhausted);
        }
        if packet.len() < 8 {
            return Err(SrtpError::Malformed);
        }
        // One counter for all sources: each still sees rising indices, as RFC 3711 asks.
        let index = self.rtcp_index;
        match &self.cipher {
            Cipher::Gcm(gcm) => gcm.seal_rtcp(index, packet)?,
            Cipher::Cm(cm) => cm.seal_rtcp(index, packet)?,
        }
        self.rtcp_index += 1;
        Ok(())
    }
}

impl SrtpRx {
    /// Authenticates and decrypts a compound packet in place; returns its plain length.
    ///
    /// # Errors
    /// As [`SrtpRx::open_rtp`].
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let tag_len = self.profile().tag_len();
        if packet.len() < 8 + INDEX_LEN + tag_len || packet[0] >> 6 != 2 {
            return Err(SrtpError::Malformed);
        }
        let word_at = match self.profile() {
            Profile::AeadAes128Gcm => packet.len() - INDEX_LEN,
            Profile::Aes128CmSha1_80 => packet.len() - tag_len - INDEX_LEN,
        };
        let be32 = |at: usize| {
            u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]])
        };
        let (ssrc, word) = (be32(4), be32(word_at));
        let (index, encrypted) = (word & !(1 << 31), word >> 31 == 1);
        match self.rtcp.get_mut(ssrc) {
            Some(window) => window.check(u64::from(index))?,
            None => self.rtcp.has_room()?,
        }
        let plain_len = match &self.cipher {
            Cipher::Gcm(gcm) => gcm.open_rtcp(index, encrypted, packet)?,
            Cipher::Cm(cm) => cm.open_rtcp(index, encrypted, packet)?,
        };
        match self.rtcp.get_mut(ssrc) {
            Some(window) => window.accept(u64::from(index)),
            None => self.rtcp.add(ssrc, u64::from(index)),
        }
        Ok(plain_len)
    }
}
