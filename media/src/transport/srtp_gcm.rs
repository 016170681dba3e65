//! AEAD_AES_128_GCM for SRTP and SRTCP (RFC 7714).

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::SrtpError;
use super::srtp_kdf::{Label, Master};

pub(super) const TAG_LEN: usize = 16;

/// Keys of one direction, expanded once.
pub(super) struct Gcm {
    rtp: LessSafeKey,
    rtp_salt: [u8; 12],
    rtcp: LessSafeKey,
    rtcp_salt: [u8; 12],
}

impl Gcm {
    pub(super) fn new(master: &Master) -> Result<Self, SrtpError> {
        Self::from_session_keys(
            &master.derive(Label::RtpKey)?,
            master.derive(Label::RtpSalt)?,
            &master.derive(Label::RtcpKey)?,
            master.derive(Label::RtcpSalt)?,
        )
    }

    fn from_session_keys(
        rtp: &[u8; 16],
        rtp_salt: [u8; 12],
        rtcp: &[u8; 16],
        rtcp_salt: [u8; 12],
    ) -> Result<Self, SrtpError> {
        let expand = |key: &[u8; 16]| {
            UnboundKey::new(&AES_128_GCM, key)
                .map(LessSafeKey::new)
                .map_err(|_| SrtpError::NotReady)
        };
        Ok(Self { rtp: expand(rtp)?, rtp_salt, rtcp: expand(rtcp)?, rtcp_salt })
    }

    /// RFC 7714 section 8.1: two zeros, SSRC, rollover counter, sequence number; xor salt.
    #[inline]
    fn rtp_nonce(&self, header: &[u8], roc: u32) -> Nonce {
        let mut iv = self.rtp_salt;
        xor(&mut iv[2..6], &header[8..12]);
        xor(&mut iv[6..10], &roc.to_be_bytes());
        xor(&mut iv[10..12], &header[2..4]);
        Nonce::assume_unique_for_key(iv)
    }

    /// RFC 7714 section 9.1: two zeros, SSRC, two zeros, index; xor salt.
    #[inline]
    fn rtcp_nonce(&self, ssrc: &[u8], index: u32) -> Nonce {
        let mut iv = self.rtcp_salt;
        xor(&mut iv[2..6], ssrc);
        xor(&mut iv[8..12], &index.to_be_bytes());
        Nonce::assume_unique_for_key(iv)
    }

    /// `header` is at least twelve bytes; the tag has [`TAG_LEN`].
    #[inline]
    pub(super) fn seal_rtp(
        &self,
        roc: u32,
        header: &[u8],
        payload: &mut [u8],
    ) -> Result<[u8; TAG_LEN], SrtpError> {
        let nonce = self.rtp_nonce(header, roc);
        let tag = self
            .rtp
            .seal_in_place_separate_tag(nonce, Aad::from(header), payload)
            .map_err(|_| SrtpError::Malformed)?;
        let mut out = [0; TAG_LEN];
        out.copy_from_slice(tag.as_ref());
        Ok(out)
    }

    /// `payload` is ciphertext and tag.
    #[inline]
    pub(super) fn open_rtp(
        &self,
        roc: u32,
        header: &[u8],
        payload: &mut [u8],
    ) -> Result<(), SrtpError> {
        let nonce = self.rtp_nonce(header, roc);
        self.rtp
            .open_in_place(nonce, Aad::from(header), payload)
            .map(drop)
            .map_err(|_| SrtpError::Authentication)
    }

    /// Encrypts all behind the first eight bytes; appends tag and index word.
    pub(super) fn seal_rtcp(&self, index: u32, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let word = (index | 1 << 31).to_be_bytes();
        let (header, body) = packet.split_at_mut_checked(8).ok_or(SrtpError::Malformed)?;
        let tag = self
            .rtcp
            .seal_in_place_separate_tag(
                self.rtcp_nonce(&header[4..8], index),
                Aad::from(rtcp_aad(header, word)),
                body,
            )
            .map_err(|_| SrtpError::Malformed)?;
        packet.extend_from_slice(tag.as_ref());
        packet.extend_from_slice(&word);
        Ok(())
    }

    /// `packet` is header, ciphertext, tag and index word; returns the plain length.
    pub(super) fn open_rtcp(
        &self,
        index: u32,
        encrypted: bool,
        packet: &mut [u8],
    ) -> Result<usize, SrtpError> {
        let end = packet.len() - 4;
        let (packet, word) = packet.split_at_mut(end);
        let word = [word[0], word[1], word[2], word[3]];
        let plain = end - TAG_LEN;
        let nonce = self.rtcp_nonce(&packet[4..8], index);
        if encrypted {
            let (header, body) = packet.split_at_mut(8);
            self.rtcp.open_in_place(nonce, Aad::from(rtcp_aad(header, word)), body)
        } else {
            // All of an unencrypted packet is associated data (RFC 7714 section 9.3). Rare enough
            // for an allocation.
            let (all, tag) = packet.split_at_mut(plain);
            self.rtcp.open_in_place(nonce, Aad::from([&*all, &word].concat()), tag)
        }
        .map_err(|_| SrtpError::Authentication)?;
        Ok(plain)
    }
}

fn rtcp_aad(header: &[u8], word: [u8; 4]) -> [u8; 12] {
    let mut aad = [0; 12];
    aad[..8].copy_from_slice(header);
    aad[8..].copy_from_slice(&word);
    aad
}

#[inline]
fn xor(to: &mut [u8], with: &[u8]) {
    to.iter_mut().zip(with).for_each(|(a, b)| *a ^= b);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// The session keys of RFC 7714 sections 16 and 17.
    fn gcm() -> Gcm {
        let key: [u8; 16] = std::array::from_fn(|i| i as u8);
        let salt: [u8; 12] = hex("517569642070726f2071756f").try_into().unwrap();
        Gcm::from_session_keys(&key, salt, &key, salt).unwrap()
    }

    /// RFC 7714 section 16.1.1.
    #[test]
    fn rtp_vector() {
        let header = hex("8040f17b 8041f8d3 5501a0b2");
        let plain = hex("47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 \
                         696e2070 61727465 73207472 6573");
        let sealed = hex("f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f \
                          42a5f47a 51c7d19b 36de3adf 8833");
        let tag = hex("899d7f27beb16a9152cf765ee4390cce");

        let mut payload = plain.clone();
        assert_eq!(gcm().seal_rtp(0, &header, &mut payload).unwrap().to_vec(), tag);
        assert_eq!(payload, sealed);
        payload.extend(tag);
        gcm().open_rtp(0, &header, &mut payload).unwrap();
        assert_eq!(&payload[..plain.len()], plain);
    }

    /// RFC 7714 section 17.1.
    #[test]
    fn rtcp_vector() {
        let plain = hex("81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 \
                         deadbeef deadbeef deadbeef deadbeef deadbeef");
        let sealed =
            hex("81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d \
                          c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 \
                          45d9eade 800005d4");
        let mut packet = plain.clone();
        gcm().seal_rtcp(0x5d4, &mut packet).unwrap();
        assert_eq!(packet, sealed);
        assert_eq!(gcm().open_rtcp(0x5d4, true, &mut packet), Ok(plain.len()));
        assert_eq!(&packet[..plain.len()], plain);
    }
}
