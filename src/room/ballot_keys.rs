//! Keys of online secret ballots (RFC 9474, RSABSSA-SHA384-PSS-Randomized).
//!
//! A key is made for one ballot, lives in this process alone and is gone when casting begins: it is
//! in no file and no backup. The public key stands in the journal, so that papers can be verified.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blind_rsa_signatures::{
    DefaultRng, KeyPair, MessageRandomizer, Options, PublicKey, SecretKey, Signature,
};
use signaling::{ErrorCode, WireError};
use tokio::task::JoinHandle;

use crate::domain::BallotId;

const BITS: usize = 2_048;

#[derive(Default)]
pub struct BallotKeys {
    /// Made ahead: it takes up to some seconds.
    spare: Option<JoinHandle<Option<KeyPair>>>,
    keys: HashMap<BallotId, SecretKey>,
}

fn make() -> Option<KeyPair> {
    KeyPair::generate(&mut DefaultRng, BITS).ok()
}

fn failed() -> WireError {
    WireError::new(ErrorCode::Internal, "选票的密钥未能生成，请再试一次")
}

impl BallotKeys {
    pub fn prepare(&mut self) {
        if self.spare.is_none() {
            self.spare = Some(tokio::task::spawn_blocking(make));
        }
    }

    /// The public key of a new ballot, DER (SPKI) in base64.
    ///
    /// # Errors
    /// `internal` when no key could be made.
    pub async fn make(&mut self, ballot: BallotId) -> Result<String, WireError> {
        self.prepare();
        let Some(spare) = self.spare.take() else { return Err(failed()) };
        let pair = spare.await.ok().flatten().ok_or_else(failed)?;
        let public = pair.pk.to_der().map_err(|_| failed())?;
        self.keys.insert(ballot, pair.sk);
        Ok(STANDARD.encode(public))
    }

    /// Signs a blinded paper; the same one twice gives the same signature.
    ///
    /// # Errors
    /// `validation` when it is none, `conflict` when the key is gone.
    pub fn sign(&self, ballot: BallotId, blinded: &str) -> Result<String, WireError> {
        let gone = || WireError::new(ErrorCode::Conflict, "投票已经开始，不再发放选票");
        let key = self.keys.get(&ballot).ok_or_else(gone)?;
        let bad = || WireError::new(ErrorCode::Validation, "选票的内容不正确，请刷新页面");
        let blinded = STANDARD.decode(blinded).map_err(|_| bad())?;
        let signature = key.blind_sign(&blinded).map_err(|_| bad())?;
        Ok(STANDARD.encode(signature.0))
    }

    pub fn drop_key(&mut self, ballot: BallotId) {
        self.keys.remove(&ballot);
    }
}

/// Whether a token was signed under this key.
pub fn is_signed(public_key: &str, token: &[u8], randomizer: [u8; 32], signature: Vec<u8>) -> bool {
    let Ok(der) = STANDARD.decode(public_key) else { return false };
    let Ok(key) = PublicKey::from_der(&der) else { return false };
    let randomizer = Some(MessageRandomizer(randomizer));
    key.verify(&Signature(signature), randomizer, token, &Options::default()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of RFC 9474 that the web client's tests hold too: what one side makes the other
    /// takes.
    #[test]
    fn a_signature_that_the_page_unblinds_is_one_that_the_server_takes() {
        let vector = include_str!("../../web-client/src/ballots/rfc9474.json");
        let vector: serde_json::Value = serde_json::from_str(vector).unwrap();
        let bytes = |key: &str| STANDARD.decode(vector[key].as_str().unwrap()).unwrap();
        let key = vector["public_key"].as_str().unwrap();
        let randomizer: [u8; 32] = bytes("randomizer").try_into().unwrap();
        let (token, signature) = (bytes("message"), bytes("signature"));
        assert!(is_signed(key, &token, randomizer, signature.clone()));
        assert!(!is_signed(key, b"another", randomizer, signature.clone()));
        assert!(!is_signed(key, &token, [0; 32], signature));
        assert!(!is_signed("no key", &token, randomizer, vec![1; 256]));
    }
}
