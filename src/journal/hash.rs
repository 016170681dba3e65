//! Which hash binds a chain: SHA-256 (FIPS 180-4), or SM3 (GB/T 32905-2016) where domestic
//! cryptography is required. Chosen once an installation, named in every header.

use serde::{Deserialize, Serialize};
use sm3::Digest as _;

use super::chain::Digest;

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum HashAlgorithm {
    /// What a header means that names none: all journals before there was a choice.
    #[default]
    Sha256,
    Sm3,
}

impl HashAlgorithm {
    /// The stable id, as in headers and settings.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sm3 => "sm3",
        }
    }

    /// The name people know it by.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Sm3 => "SM3",
        }
    }

    pub fn from_id(id: &str) -> Option<Self> {
        [Self::Sha256, Self::Sm3].into_iter().find(|a| a.id() == id)
    }

    /// For serde: the default is not written, so that old headers keep their one spelling.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Of one piece of bytes, e.g. of a chat message's text.
    pub fn of(self, bytes: &[u8]) -> Digest {
        self.of_parts(&[bytes])
    }

    /// Of an event whose canonical text without `hash` and `prev_hash` is given.
    pub fn next(self, prev: &Digest, canonical: &str) -> Digest {
        self.of_parts(&[&prev.0, canonical.as_bytes()])
    }

    fn of_parts(self, parts: &[&[u8]]) -> Digest {
        let mut out = [0; 32];
        match self {
            Self::Sha256 => {
                let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
                parts.iter().for_each(|part| context.update(part));
                out.copy_from_slice(context.finish().as_ref());
            }
            Self::Sm3 => {
                let mut context = sm3::Sm3::new();
                parts.iter().for_each(|part| context.update(part));
                out.copy_from_slice(&context.finalize());
            }
        }
        Digest(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sm3_gives_the_values_of_the_standard() {
        // GB/T 32905-2016, annex A.1 and A.2.
        assert_eq!(
            HashAlgorithm::Sm3.of(b"abc").to_string(),
            "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
        );
        assert_eq!(
            HashAlgorithm::Sm3.of("abcd".repeat(16).as_bytes()).to_string(),
            "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"
        );
    }

    #[test]
    fn sha256_gives_the_value_of_the_standard() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            HashAlgorithm::Sha256.of(b"abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn ids_are_those_of_the_serialised_form() {
        for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Sm3] {
            assert_eq!(serde_json::to_value(algorithm).unwrap(), algorithm.id());
            assert_eq!(HashAlgorithm::from_id(algorithm.id()), Some(algorithm));
        }
        assert_eq!(HashAlgorithm::from_id("md5"), None);
    }
}
