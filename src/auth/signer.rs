//! Signed tokens: HS256 (RFC 7519), each sort with a key and an audience of its own.

use std::marker::PhantomData;
use std::path::Path;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::keys::{KeyError, random, read_or_create};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    #[error("not a token of this sort and installation")]
    Invalid,
    #[error("the token has expired")]
    Expired,
}

/// What a token says, and until when in wall microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<C> {
    pub claims: C,
    pub expires_us: i64,
}

#[derive(Serialize, Deserialize)]
struct Signed<C> {
    aud: String,
    /// Seconds UTC, as RFC 7519 has it.
    iat: i64,
    exp: i64,
    #[serde(flatten)]
    claims: C,
}

/// Signs and verifies the tokens of one sort.
pub struct Signer<C> {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
    audience: &'static str,
    claims: PhantomData<fn(C) -> C>,
}

impl<C: Serialize + DeserializeOwned + Clone> Signer<C> {
    /// Reads the key's file from the folder of keys, or makes it.
    ///
    /// # Errors
    /// [`KeyError`] when the file cannot be read or written, or is shorter than 32 bytes.
    pub fn load_or_create(
        folder: &Path,
        file: &str,
        audience: &'static str,
    ) -> Result<Self, KeyError> {
        let path = folder.join(file);
        let key = read_or_create(&path, || Ok(random::<32>()?.to_vec()))?;
        if key.len() < 32 {
            return Err(KeyError::Damaged(path));
        }
        Ok(Self::new(&key, audience))
    }

    /// From 32 or more bytes of key.
    pub fn new(key: &[u8], audience: &'static str) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[audience]);
        // The library would ask the system's clock; `verify` is told the time.
        validation.validate_exp = false;
        Self {
            signing: EncodingKey::from_secret(key),
            verifying: DecodingKey::from_secret(key),
            validation,
            audience,
            claims: PhantomData,
        }
    }

    /// The token, and the wall time in microseconds at which it expires.
    pub fn sign(&self, claims: &C, now_us: i64, ttl_s: i64) -> (String, i64) {
        let iat = now_us.div_euclid(1_000_000);
        let exp = iat + ttl_s;
        let aud = self.audience.to_owned();
        let signed = Signed { aud, iat, exp, claims: claims.clone() };
        // HMAC over a structure of ours cannot fail; an empty token is refused everywhere.
        let token =
            encode(&Header::new(Algorithm::HS256), &signed, &self.signing).unwrap_or_default();
        (token, exp * 1_000_000)
    }

    /// What the token says, if it is valid at `now_us`.
    ///
    /// # Errors
    /// [`TokenError::Invalid`] for anything not signed by this key for this audience, else
    /// `Expired`.
    pub fn verify(&self, token: &str, now_us: i64) -> Result<Verified<C>, TokenError> {
        let verified = self.read(token)?;
        if verified.expires_us <= now_us { Err(TokenError::Expired) } else { Ok(verified) }
    }

    /// What the token says, also when it has expired.
    ///
    /// # Errors
    /// As [`Signer::verify`], but for `Expired`.
    pub fn read(&self, token: &str) -> Result<Verified<C>, TokenError> {
        let signed = decode::<Signed<C>>(token, &self.verifying, &self.validation)
            .map_err(|_| TokenError::Invalid)?
            .claims;
        let expires_us = signed.exp.saturating_mul(1_000_000);
        Ok(Verified { claims: signed.claims, expires_us })
    }
}
