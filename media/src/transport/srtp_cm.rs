//! AES_CM_128_HMAC_SHA1_80 for SRTP and SRTCP (RFC 3711), for peers without GCM.

use aws_lc_rs::cipher::EncryptingKey;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

use super::SrtpError;
use super::srtp_kdf::{Label, Master, counter_key, counter_mode};

pub(super) const TAG_LEN: usize = 10;

/// Cipher and authentication keys of RTP or RTCP.
struct Half {
    key: EncryptingKey,
    salt: [u8; 14],
    auth: hmac::Key,
}

impl Half {
    fn new(key: [u8; 16], salt: [u8; 14], auth: [u8; 20]) -> Result<Self, SrtpError> {
        Ok(Self {
            key: counter_key(&key)?,
            salt,
            auth: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth),
        })
    }

    /// RFC 3711 section 4.1.1: salt, SSRC and index, shifted into place.
    #[inline]
    fn cipher(&self, ssrc: &[u8], index: u64, in_out: &mut [u8]) -> Result<(), SrtpError> {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&self.salt);
        iv[4..8].iter_mut().zip(ssrc).for_each(|(a, b)| *a ^= b);
        iv[8..14].iter_mut().zip(&index.to_be_bytes()[2..]).for_each(|(a, b)| *a ^= b);
        counter_mode(&self.key, iv, in_out)
    }

    #[inline]
    fn tag(&self, packet: &[u8], suffix: &[u8]) -> [u8; TAG_LEN] {
        let mut context = hmac::Context::with_key(&self.auth);
        context.update(packet);
        context.update(suffix);
        let mut out = [0; TAG_LEN];
        out.copy_from_slice(&context.sign().as_ref()[..TAG_LEN]);
        out
    }
}

/// Keys of one direction, expanded once.
pub(super) struct Cm {
    rtp: Half,
    rtcp: Half,
}

impl Cm {
    pub(super) fn new(master: &Master) -> Result<Self, SrtpError> {
        Ok(Self {
            rtp: Half::new(
                master.derive(Label::RtpKey)?,
                master.derive(Label::RtpSalt)?,
                master.derive(Label::RtpAuth)?,
            )?,
            rtcp: Half::new(
                master.derive(Label::RtcpKey)?,
                master.derive(Label::RtcpSalt)?,
                master.derive(Label::RtcpAuth)?,
            )?,
        })
    }

    fn rtp_cipher(&self, roc: u32, header: &[u8], payload: &mut [u8]) -> Result<(), SrtpError> {
        let seq = u16::from_be_bytes([header[2], header[3]]);
        let index = u64::from(roc) << 16 | u64::from(seq);
        self.rtp.cipher(&header[8..12], index, payload)
    }

    /// `packet` is header and payload; encrypts behind `header_len` and returns the tag.
    #[inline]
    pub(super) fn seal_rtp(
        &self,
        roc: u32,
        packet: &mut [u8],
        header_len: usize,
    ) -> Result<[u8; TAG_LEN], SrtpError> {
        let (header, payload) = packet.split_at_mut(header_len);
        self.rtp_cipher(roc, header, payload)?;
        Ok(self.rtp.tag(packet, &roc.to_be_bytes()))
    }

    /// `packet` is header, ciphertext and tag.
    #[inline]
    pub(super) fn open_rtp(
        &self,
        roc: u32,
        packet: &mut [u8],
        header_len: usize,
    ) -> Result<(), SrtpError> {
        let (packet, tag) = packet.split_at_mut(packet.len() - TAG_LEN);
        verify_slices_are_equal(&self.rtp.tag(packet, &roc.to_be_bytes()), tag)
            .map_err(|_| SrtpError::Authentication)?;
        let (header, payload) = packet.split_at_mut(header_len);
        self.rtp_cipher(roc, header, payload)
    }

    /// Encrypts all behind the first eight bytes; appends index word and tag.
    pub(super) fn seal_rtcp(&self, index: u32, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let (header, body) = packet.split_at_mut_checked(8).ok_or(SrtpError::Malformed)?;
        self.rtcp.cipher(&header[4..8], u64::from(index), body)?;
        packet.extend_from_slice(&(index | 1 << 31).to_be_bytes());
        let tag = self.rtcp.tag(packet, &[]);
        packet.extend_from_slice(&tag);
        Ok(())
    }

    /// `packet` is header, ciphertext, index word and tag; returns the plain length.
    pub(super) fn open_rtcp(
        &self,
        index: u32,
        encrypted: bool,
        packet: &mut [u8],
    ) -> Result<usize, SrtpError> {
        let (packet, tag) = packet.split_at_mut(packet.len() - TAG_LEN);
        verify_slices_are_equal(&self.rtcp.tag(packet, &[]), tag)
            .map_err(|_| SrtpError::Authentication)?;
        let plain = packet.len() - 4;
        if encrypted {
            let (header, body) = packet[..plain].split_at_mut(8);
            self.rtcp.cipher(&header[4..8], u64::from(index), body)?;
        }
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference packet of libsrtp's test driver (`srtp_validate`, AES_CM_128_HMAC_SHA1_80).
    #[test]
    fn rtp_reference_packet() {
        let master = Master {
            key: [
                0xe1, 0xf9, 0x7a, 0x0d, 0x3e, 0x01, 0x8b, 0xe0, 0xd6, 0x4f, 0xa3, 0x2c, 0x06, 0xde,
                0x41, 0x39,
            ],
            salt: [
                0x0e, 0xc6, 0x75, 0xad, 0x49, 0x8a, 0xfe, 0xeb, 0xb6, 0x96, 0x0b, 0x3a, 0xab, 0xe6,
            ],
        };
        let mut packet =
            vec![0x80, 0x0f, 0x12, 0x34, 0xde, 0xca, 0xfb, 0xad, 0xca, 0xfe, 0xba, 0xbe];
        packet.extend([0xab; 16]);
        let cm = Cm::new(&master).unwrap();
        let tag = cm.seal_rtp(0, &mut packet, 12).unwrap();
        assert_eq!(
            packet[12..],
            [
                0x4e, 0x55, 0xdc, 0x4c, 0xe7, 0x99, 0x78, 0xd8, 0x8c, 0xa4, 0xd2, 0x15, 0x94, 0x9d,
                0x24, 0x02
            ]
        );
        assert_eq!(tag, [0xb7, 0x8d, 0x6a, 0xcc, 0x99, 0xea, 0x17, 0x9b, 0x8d, 0xbb]);
        packet.extend(tag);
        cm.open_rtp(0, &mut packet, 12).unwrap();
        assert_eq!(packet[12..28], [0xab; 16]);
    }
}
