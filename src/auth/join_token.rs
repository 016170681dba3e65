//! The token that lets one person into one session, in one role.
//!
//! HS256 (RFC 7519) with a key kept in `data/keys/`, valid for twelve hours: a page that lost its
//! server says `hello` again with the token it has, so that a restart needs no new sign-in.

use std::path::Path;

use serde::{Deserialize, Serialize};
use signaling::view::{MemberClass, Role};
use uuid::Uuid;

use super::keys::KeyError;
use super::signer::{Signer, TokenError};

/// Validity of a join token in seconds.
pub const JOIN_TOKEN_S: i64 = 12 * 3600;

const AUDIENCE: &str = "yuntang/join";

/// What a join token says; the server signed it, so the room may believe it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinClaims {
    pub session: Uuid,
    pub person: Uuid,
    pub account: Uuid,
    /// The sign-in that asked for the token, by the hash of its cookie: a sign-in that was ended
    /// admits nobody any more ([`super::SignIns::touch`]).
    pub account_session: String,
    pub role: Role,
    pub name: String,
    pub org_id: Uuid,
    pub org_name: String,
    /// Absent for observers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<MemberClass>,
    /// For the device of a room site; `person` is who opened it, `name` the site's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteClaims>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteClaims {
    pub id: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<u32>,
}

/// Signs and verifies join tokens.
pub struct JoinTokens(Signer<JoinClaims>);

impl JoinTokens {
    /// Reads `join_token.key` from the folder of keys, or makes it.
    ///
    /// # Errors
    /// [`KeyError`] when the file cannot be read or written, or is shorter than 32 bytes.
    pub fn load_or_create(folder: &Path) -> Result<Self, KeyError> {
        Signer::load_or_create(folder, "join_token.key", AUDIENCE).map(Self)
    }

    /// From 32 or more bytes of key.
    pub fn new(key: &[u8]) -> Self {
        Self(Signer::new(key, AUDIENCE))
    }

    /// The token, and the wall time in microseconds at which it expires.
    pub fn sign(&self, claims: &JoinClaims, now_us: i64) -> (String, i64) {
        self.0.sign(claims, now_us, JOIN_TOKEN_S)
    }

    /// What the token says, if this installation signed it and it is still valid at `now_us`.
    ///
    /// # Errors
    /// [`TokenError::Invalid`] for anything not signed by this key, else `Expired`.
    pub fn verify(&self, token: &str, now_us: i64) -> Result<JoinClaims, TokenError> {
        self.0.verify(token, now_us).map(|verified| verified.claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000_000_000;

    fn claims() -> JoinClaims {
        JoinClaims {
            session: Uuid::from_u128(1),
            person: Uuid::from_u128(2),
            account: Uuid::from_u128(3),
            account_session: "ab".repeat(32),
            role: Role::Member,
            name: "张三".into(),
            org_id: Uuid::from_u128(5),
            org_name: "第一党支部".into(),
            class: Some(MemberClass::Full),
            site: None,
        }
    }

    #[test]
    fn a_signed_token_says_what_was_signed_until_it_expires() {
        let tokens = JoinTokens::new(&[7; 32]);
        let (token, expires) = tokens.sign(&claims(), NOW);
        assert_eq!(expires, NOW + JOIN_TOKEN_S * 1_000_000);
        assert_eq!(tokens.verify(&token, NOW), Ok(claims()));
        assert_eq!(tokens.verify(&token, expires - 1), Ok(claims()));
        assert_eq!(tokens.verify(&token, expires), Err(TokenError::Expired));
    }

    #[test]
    fn tokens_of_another_key_or_altered_ones_are_refused() {
        let tokens = JoinTokens::new(&[7; 32]);
        let (token, _) = JoinTokens::new(&[8; 32]).sign(&claims(), NOW);
        assert_eq!(tokens.verify(&token, NOW), Err(TokenError::Invalid));
        let (token, _) = tokens.sign(&claims(), NOW);
        let (other, _) = tokens.sign(&JoinClaims { role: Role::Chair, ..claims() }, NOW);
        let parts: Vec<_> = token.split('.').collect();
        let swapped =
            format!("{}.{}.{}", parts[0], other.split('.').nth(1).unwrap_or_default(), parts[2]);
        assert_eq!(tokens.verify(&swapped, NOW), Err(TokenError::Invalid));
        for junk in ["", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
            assert_eq!(tokens.verify(junk, NOW), Err(TokenError::Invalid));
        }
    }
}
