//! The crypto library of DTLS, with one curve more for what it verifies.
//!
//! FFmpeg built with GnuTLS signs with a certificate on P-224 unless it is given another (its WHIP
//! encoder does). The library knows no such scheme and takes the 57 bytes of the point for one of
//! P-256. AWS-LC itself knows the curve.

use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_sys as lc;
use rtc::crypto::providers::AwsLcRsProvider;
use rtc::crypto::{
    ActiveKeyExchange, AeadAlgorithm, AeadCipher, BlockCipherAlgorithm, CbcAlgorithm, CbcCipher,
    CryptoAlgorithm, CryptoError, HashAlgorithm, HmacAlgorithm, KeyExchangeAlgorithm, Mac,
    PublicKey, PublicKeyEncoding, RTCCrypto, RTCCryptoProvider, RTCRandom, SignatureScheme,
    SigningKey, StreamCipher, StreamCipherAlgorithm,
};

/// An uncompressed point of P-224 (SEC 1 section 2.3.3).
const P224_POINT: usize = 1 + 2 * 28;

pub(super) struct Provider {
    inner: AwsLcRsProvider,
}

impl Provider {
    pub(super) fn new() -> Self {
        Self { inner: AwsLcRsProvider::new() }
    }
}

impl RTCCryptoProvider for Provider {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        self
    }

    fn random(&self) -> &dyn RTCRandom {
        self.inner.random()
    }
}

impl RTCCrypto for Provider {
    fn supports(&self, algorithm: CryptoAlgorithm) -> bool {
        self.inner.crypto().supports(algorithm)
    }

    fn hash(&self, algorithm: HashAlgorithm, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.crypto().hash(algorithm, data)
    }

    fn block_encrypt(
        &self,
        algorithm: BlockCipherAlgorithm,
        key: &[u8],
        block: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.inner.crypto().block_encrypt(algorithm, key, block)
    }

    fn new_hmac(&self, algorithm: HmacAlgorithm, key: &[u8]) -> Result<Box<dyn Mac>, CryptoError> {
        self.inner.crypto().new_hmac(algorithm, key)
    }

    fn new_stream_cipher(
        &self,
        algorithm: StreamCipherAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn StreamCipher>, CryptoError> {
        self.inner.crypto().new_stream_cipher(algorithm, key)
    }

    fn new_aead(
        &self,
        algorithm: AeadAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn AeadCipher>, CryptoError> {
        self.inner.crypto().new_aead(algorithm, key)
    }

    fn new_cbc(
        &self,
        algorithm: CbcAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn CbcCipher>, CryptoError> {
        self.inner.crypto().new_cbc(algorithm, key)
    }

    fn start_key_exchange(
        &self,
        algorithm: KeyExchangeAlgorithm,
    ) -> Result<Box<dyn ActiveKeyExchange>, CryptoError> {
        self.inner.crypto().start_key_exchange(algorithm)
    }

    fn generate_signing_key(
        &self,
        scheme: SignatureScheme,
    ) -> Result<Arc<dyn SigningKey>, CryptoError> {
        self.inner.crypto().generate_signing_key(scheme)
    }

    fn import_signing_key(
        &self,
        scheme: SignatureScheme,
        pkcs8_der: &[u8],
    ) -> Result<Arc<dyn SigningKey>, CryptoError> {
        self.inner.crypto().import_signing_key(scheme, pkcs8_der)
    }

    fn verify_signature(
        &self,
        scheme: SignatureScheme,
        public_key: PublicKey<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        let is_p224 = public_key.encoding == PublicKeyEncoding::EcUncompressedPoint
            && public_key.bytes.len() == P224_POINT;
        if !is_p224 {
            return self.inner.crypto().verify_signature(scheme, public_key, message, signature);
        }
        // The library names schemes by curve and hash: with the curve wrong, the hash still counts.
        let hash = match scheme {
            SignatureScheme::EcdsaP256Sha256 => &digest::SHA256,
            SignatureScheme::EcdsaP384Sha384 => &digest::SHA384,
            _ => return Err(CryptoError::InvalidSignature),
        };
        let digest = digest::digest(hash, message);
        match verify_p224(public_key.bytes, digest.as_ref(), signature) {
            true => Ok(()),
            false => Err(CryptoError::InvalidSignature),
        }
    }
}

/// ECDSA on P-224; the signature is in DER.
fn verify_p224(point: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    // SAFETY: each pointer comes from the library, is checked for null before use and freed once,
    // by the guard that was made with it; slices are passed with their own lengths, and the calls
    // keep none of them.
    unsafe {
        let key = Owned(lc::EC_KEY_new_by_curve_name(lc::NID_secp224r1), lc::EC_KEY_free);
        if key.0.is_null() {
            return false;
        }
        let group = lc::EC_KEY_get0_group(key.0);
        let place = Owned(lc::EC_POINT_new(group), lc::EC_POINT_free);
        let read = !place.0.is_null()
            && lc::EC_POINT_oct2point(
                group,
                place.0,
                point.as_ptr(),
                point.len(),
                std::ptr::null_mut(),
            ) == 1
            && lc::EC_KEY_set_public_key(key.0, place.0) == 1;
        let verified = read
            && lc::ECDSA_verify(
                0,
                digest.as_ptr(),
                digest.len(),
                signature.as_ptr(),
                signature.len(),
                key.0,
            ) == 1;
        if !verified {
            // What went wrong is of no use to anybody, and would be left for the next caller.
            lc::ERR_clear_error();
        }
        verified
    }
}

/// Frees what the library gave (null is allowed).
struct Owned<T>(*mut T, unsafe extern "C" fn(*mut T));

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer is the library's, or null, and nobody frees it but this guard.
        unsafe { (self.1)(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with the Python package `cryptography`.
    const MESSAGE: &[u8] = b"a handshake to be signed";
    const POINT: [u8; 57] = [
        0x04, 0xa2, 0x83, 0xcd, 0x26, 0xae, 0x6d, 0xd2, 0x94, 0x3d, 0xad, 0xdf, 0x48, 0xe1, 0x31,
        0x7a, 0x74, 0x7e, 0xa1, 0x3a, 0xaf, 0xc7, 0x0b, 0xb5, 0x4e, 0x70, 0x29, 0x67, 0xcb, 0x09,
        0x26, 0xaa, 0x45, 0x8c, 0x84, 0xca, 0x83, 0x3e, 0x55, 0x71, 0x43, 0xd3, 0x2d, 0xd0, 0xaf,
        0x62, 0xfb, 0x13, 0x4c, 0x25, 0x97, 0xe9, 0xd8, 0xb0, 0x30, 0x8c, 0x95,
    ];
    const SIGNATURE: [u8; 63] = [
        0x30, 0x3d, 0x02, 0x1c, 0x60, 0x11, 0x50, 0x02, 0x15, 0x1b, 0x66, 0x44, 0xe7, 0x7a, 0x83,
        0x06, 0x61, 0x64, 0xad, 0x90, 0x53, 0xfe, 0xc8, 0x12, 0x85, 0xe0, 0x5e, 0x31, 0x94, 0x8d,
        0x30, 0xdf, 0x02, 0x1d, 0x00, 0xa7, 0x58, 0xa1, 0xd6, 0x67, 0x0d, 0x08, 0x8c, 0xf2, 0x34,
        0xba, 0x4e, 0xf2, 0xe3, 0x43, 0xd2, 0xec, 0x79, 0x89, 0xf9, 0x50, 0x61, 0x6c, 0xf3, 0x6e,
        0x68, 0xfc, 0xb4,
    ];

    fn verify(point: &[u8], message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let key = PublicKey { encoding: PublicKeyEncoding::EcUncompressedPoint, bytes: point };
        Provider::new().verify_signature(SignatureScheme::EcdsaP256Sha256, key, message, signature)
    }

    #[test]
    fn a_signature_on_p224_counts_and_no_altered_one() {
        assert_eq!(verify(&POINT, MESSAGE, &SIGNATURE), Ok(()));
        assert!(verify(&POINT, b"another message", &SIGNATURE).is_err());
        for at in 0..SIGNATURE.len() {
            let mut altered = SIGNATURE;
            altered[at] ^= 1;
            assert!(verify(&POINT, MESSAGE, &altered).is_err(), "byte {at}");
        }
        for at in 0..POINT.len() {
            let mut altered = POINT;
            altered[at] ^= 1;
            assert!(verify(&altered, MESSAGE, &SIGNATURE).is_err(), "byte {at} of the key");
        }
        assert!(verify(&POINT, MESSAGE, &[]).is_err());
    }
}
