//! The bearer token of an encoder (WHIP) or a player (WHEP): one session, one name, for a while.
//!
//! HS256 (RFC 7519) like the join token, with a key and an audience of its own. It speaks for the
//! account that issued it: when that account may no longer answer for the session, the token
//! opens nothing. Nowhere is it stored but where its holder keeps it (`demo.json` for the demo).

use std::path::Path;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::keys::KeyError;
use super::signer::{Signer, TokenError, Verified};

/// Longest validity in seconds: an encoder that is mounted for a course of a month.
pub const MAX_TTL_S: i64 = 31 * 86_400;

const AUDIENCE: &str = "yuntang/stream";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// Publishes, as a participant.
    Whip,
    /// Plays.
    Whep,
}

impl StreamKind {
    /// The first part of its paths, and its device in the journal.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Whip => "whip",
            Self::Whep => "whep",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamClaims {
    /// Whom the room takes the holder for: the same on every use.
    pub holder: Uuid,
    pub session: Uuid,
    pub kind: StreamKind,
    /// Shown in the room and written in the journal.
    pub name: String,
    /// The account that answers for it.
    pub issuer: Uuid,
    /// False: what it publishes is never recorded.
    pub recorded: bool,
}

pub struct StreamTokens(Signer<StreamClaims>);

impl StreamTokens {
    /// Reads `stream_token.key` from the folder of keys, or makes it.
    ///
    /// # Errors
    /// [`KeyError`] when the file cannot be read or written, or is shorter than 32 bytes.
    pub fn load_or_create(folder: &Path) -> Result<Self, KeyError> {
        Signer::load_or_create(folder, "stream_token.key", AUDIENCE).map(Self)
    }

    /// From 32 or more bytes of key.
    pub fn new(key: &[u8]) -> Self {
        Self(Signer::new(key, AUDIENCE))
    }

    /// The token; valid for `ttl_s` seconds, [`MAX_TTL_S`] at most.
    pub fn sign(&self, claims: &StreamClaims, now_us: i64, ttl_s: i64) -> String {
        self.0.sign(claims, now_us, ttl_s.clamp(1, MAX_TTL_S)).0
    }

    /// What the token says, if it is valid at `now_us`.
    ///
    /// # Errors
    /// `Invalid` for anything not signed by this key, else `Expired`.
    pub fn verify(&self, token: &str, now_us: i64) -> Result<Verified<StreamClaims>, TokenError> {
        self.0.verify(token, now_us)
    }

    /// What the token says, also when it has expired: a stream that runs may be ended, and its
    /// connection mended, by whoever began it.
    ///
    /// # Errors
    /// `Invalid` for anything not signed by this key.
    pub fn read(&self, token: &str) -> Result<Verified<StreamClaims>, TokenError> {
        self.0.read(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000_000_000;

    fn claims() -> StreamClaims {
        StreamClaims {
            holder: Uuid::from_u128(2),
            session: Uuid::from_u128(1),
            kind: StreamKind::Whip,
            name: "讲台摄像机".into(),
            issuer: Uuid::from_u128(3),
            recorded: true,
        }
    }

    #[test]
    fn a_token_says_what_was_signed_until_it_expires() {
        let tokens = StreamTokens::new(&[7; 32]);
        let token = tokens.sign(&claims(), NOW, 60);
        let verified = tokens.verify(&token, NOW + 59_999_999).unwrap();
        assert_eq!((verified.claims, verified.expires_us), (claims(), NOW + 60_000_000));
        assert_eq!(tokens.verify(&token, NOW + 60_000_000), Err(TokenError::Expired));
        assert_eq!(tokens.read(&token).unwrap().claims, claims());
    }

    #[test]
    fn no_token_is_valid_for_longer_than_a_month() {
        let tokens = StreamTokens::new(&[7; 32]);
        let token = tokens.sign(&claims(), NOW, i64::MAX);
        assert_eq!(tokens.read(&token).unwrap().expires_us, NOW + MAX_TTL_S * 1_000_000);
    }

    #[test]
    fn tokens_of_another_key_or_another_sort_are_refused() {
        let tokens = StreamTokens::new(&[7; 32]);
        let foreign = StreamTokens::new(&[8; 32]).sign(&claims(), NOW, 60);
        // Even with the same key: a join token lets nobody publish.
        let join = super::super::JoinClaims {
            session: Uuid::from_u128(1),
            person: Uuid::from_u128(2),
            account: Uuid::from_u128(3),
            account_session: String::new(),
            role: signaling::view::Role::Member,
            name: String::new(),
            org_id: Uuid::from_u128(5),
            org_name: String::new(),
            class: None,
            site: None,
        };
        let (join, _) = super::super::JoinTokens::new(&[7; 32]).sign(&join, NOW);
        for token in [foreign.as_str(), join.as_str(), "", "a.b.c"] {
            assert_eq!(tokens.verify(token, NOW), Err(TokenError::Invalid));
        }
    }
}
