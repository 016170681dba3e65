//! Session keys from the master key (RFC 3711 section 4.3, RFC 7714 section 11).

use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

use super::{Profile, SrtpError};

/// What a session key is for (the labels of RFC 3711 section 4.3.1).
#[derive(Debug, Clone, Copy)]
pub(super) enum Label {
    RtpKey = 0,
    RtpAuth = 1,
    RtpSalt = 2,
    RtcpKey = 3,
    RtcpAuth = 4,
    RtcpSalt = 5,
}

/// Master key and salt of one direction.
#[derive(Clone)]
pub(super) struct Master {
    pub(super) key: [u8; 16],
    /// 14 bytes for counter mode; 12 for GCM, followed by two zeros (RFC 7714 section 11).
    pub(super) salt: [u8; 14],
}

impl Master {
    /// Bytes that the DTLS exporter must give for both directions (RFC 5764 section 4.2).
    pub(super) fn exported_len(profile: Profile) -> usize {
        2 * (16 + profile.salt_len())
    }

    /// Splits exported keying material into the client's and the server's write keys.
    pub(super) fn split(profile: Profile, material: &[u8]) -> Result<(Self, Self), SrtpError> {
        let salt_len = profile.salt_len();
        if material.len() != Self::exported_len(profile) {
            return Err(SrtpError::NotReady);
        }
        let (keys, salts) = material.split_at(32);
        let make = |key: &[u8], salt: &[u8]| {
            let mut master = Self { key: [0; 16], salt: [0; 14] };
            master.key.copy_from_slice(key);
            master.salt[..salt_len].copy_from_slice(salt);
            master
        };
        Ok((make(&keys[..16], &salts[..salt_len]), make(&keys[16..], &salts[salt_len..])))
    }

    /// The first `N` bytes of the key stream of a label, at key derivation rate 0.
    pub(super) fn derive<const N: usize>(&self, label: Label) -> Result<[u8; N], SrtpError> {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&self.salt);
        iv[7] ^= label as u8;
        let mut out = [0; N];
        counter_mode(&counter_key(&self.key)?, iv, &mut out)?;
        Ok(out)
    }
}

/// An expanded AES-128 key for counter mode.
pub(super) fn counter_key(key: &[u8; 16]) -> Result<EncryptingKey, SrtpError> {
    UnboundCipherKey::new(&AES_128, key)
        .and_then(EncryptingKey::ctr)
        .map_err(|_| SrtpError::NotReady)
}

/// Adds the AES counter-mode key stream that starts at `iv`.
#[inline]
pub(super) fn counter_mode(
    key: &EncryptingKey,
    iv: [u8; 16],
    in_out: &mut [u8],
) -> Result<(), SrtpError> {
    key.less_safe_encrypt(in_out, EncryptionContext::Iv128(FixedLength::from(iv)))
        .map(drop)
        .map_err(|_| SrtpError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
    }

    /// RFC 3711 appendix B.3.
    #[test]
    fn key_derivation_vectors() {
        let master = Master {
            key: hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
            salt: hex("0EC675AD498AFEEBB6960B3AABE6"),
        };
        assert_eq!(
            master.derive::<16>(Label::RtpKey).unwrap(),
            hex("C61E7A93744F39EE10734AFE3FF7A087")
        );
        assert_eq!(
            master.derive::<14>(Label::RtpSalt).unwrap(),
            hex("30CBBC08863D8C85D49DB34A9AE1")
        );
        assert_eq!(
            master.derive::<20>(Label::RtpAuth).unwrap(),
            hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")
        );
    }

    /// RFC 3711 appendix B.2.
    #[test]
    fn counter_mode_vector() {
        let key = counter_key(&hex("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap();
        let mut stream = [0; 48];
        counter_mode(&key, hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000"), &mut stream).unwrap();
        assert_eq!(
            stream,
            hex("E03EAD0935C95E80E166B16DD92B4EB4\
                 D23513162B02D0F72A43A2FE4A5F97AB\
                 41E95B3BB0A2E8DD477901E4FCA894C0")
        );
    }

    #[test]
    fn exported_material_is_client_key_server_key_client_salt_server_salt() {
        let material: Vec<u8> = (0..56).collect();
        let (client, server) = Master::split(Profile::AeadAes128Gcm, &material).unwrap();
        assert_eq!((client.key[0], server.key[0]), (0, 16));
        assert_eq!((client.salt[0], client.salt[12]), (32, 0));
        assert_eq!((server.salt[0], server.salt[11], server.salt[13]), (44, 55, 0));
        let material: Vec<u8> = (0..60).collect();
        let (client, server) = Master::split(Profile::Aes128CmSha1_80, &material).unwrap();
        assert_eq!((client.salt[0], client.salt[13]), (32, 45));
        assert_eq!((server.salt[0], server.salt[13]), (46, 59));
        assert!(Master::split(Profile::Aes128CmSha1_80, &material[..56]).is_err());
    }
}
