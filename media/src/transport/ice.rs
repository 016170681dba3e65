//! The ICE-lite agent of one peer (RFC 8445).

use std::fmt;

/// User fragment and password of one side (RFC 8445 section 5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    pub ufrag: String,
    pub pwd: String,
}

impl IceCredentials {
    /// Bytes of entropy that [`IceCredentials::from_random`] takes.
    pub const RANDOM_LEN: usize = 24;

    /// An eight-character ufrag (48 bits) and a password of 24 characters (144 bits), in the
    /// ice-char alphabet.
    pub fn from_random(random: &[u8; Self::RANDOM_LEN]) -> Self {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let text: String = random
            .chunks_exact(3)
            .flat_map(|chunk| {
                let bits = u32::from_be_bytes([0, chunk[0], chunk[1], chunk[2]]);
                [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift & 63) as usize] as char)
            })
            .collect();
        let (ufrag, pwd) = text.split_at(8);
        Self { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() }
    }
}

impl fmt::Debug for IceCredentials {
    /// The password never reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}
