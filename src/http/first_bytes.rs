//! What a connection speaks, by its first bytes.
//!
//! | first bytes | protocol |
//! |---|---|
//! | 0x16 | TLS (a handshake record, RFC 8446 section 5.1) |
//! | 0x00–0x03, a binding request with its magic cookie after two bytes of length | ICE-TCP (RFC 4571, RFC 6544) |
//! | 0x00–0x03, the magic cookie at the fifth byte | TURN (RFC 8656 section 3.1: STUN on a stream stands by itself) |
//! | anything else | HTTP |

/// Bytes that are enough to tell.
pub const ENOUGH: usize = 10;

/// RFC 8489 section 5.
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoken {
    Tls,
    Http,
    IceTcp,
    Turn,
    /// Begins like STUN and is none.
    Unknown,
}

/// `None`: more bytes are needed, [`ENOUGH`] at most. The same inside TLS, where TLS again makes no
/// sense and the caller refuses it.
pub fn spoken(bytes: &[u8]) -> Option<Spoken> {
    match *bytes.first()? {
        0x16 => return Some(Spoken::Tls),
        0x00..=0x03 => {}
        _ => return Some(Spoken::Http),
    }
    let bytes = bytes.get(..ENOUGH)?;
    Some(if bytes[4..8] == COOKIE {
        Spoken::Turn
    } else if bytes[2..4] == BINDING_REQUEST && bytes[6..10] == COOKIE {
        Spoken::IceTcp
    } else {
        Spoken::Unknown
    })
}

#[cfg(test)]
mod tests {
    use media::transport::{rfc4571, stun};
    use proptest::prelude::*;

    use super::*;

    fn check() -> Vec<u8> {
        stun::request(
            &[5; 12],
            "ours:theirs",
            1,
            true,
            &stun::integrity_key("of 22 characters or so"),
        )
    }

    #[test]
    fn each_protocol_is_known_by_its_first_bytes() {
        let check = check();
        let framed = [&rfc4571::head(check.len())[..], &check].concat();
        // Allocate (0x0003), 0 bytes of attributes.
        let allocate = [&[0x00, 0x03, 0x00, 0x08][..], &COOKIE, &[7; 12]].concat();
        for (bytes, expected) in [
            (&framed[..], Spoken::IceTcp),
            (&allocate, Spoken::Turn),
            // Binding over TCP is for the TURN server, too: there is no frame around it.
            (&check, Spoken::Turn),
            (b"GET / HTTP/1.1\r\n", Spoken::Http),
            (b"\r\nGET /", Spoken::Http),
            (b"\x16\x03\x01\x02\x00", Spoken::Tls),
            (&[0; 16], Spoken::Unknown),
            (&[0x01, 0x02, 0x00, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x43], Spoken::Unknown),
        ] {
            assert_eq!(spoken(bytes), Some(expected), "{bytes:x?}");
        }
    }

    proptest! {
        /// Once told, more bytes never change it, and ten always suffice.
        #[test]
        fn more_bytes_never_change_the_answer(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0u8..4], 1..40),
            stun in any::<bool>(),
        ) {
            let bytes = if stun { [&rfc4571::head(100)[..], &check()].concat() } else { bytes };
            let told: Vec<_> = (0..=bytes.len()).map(|len| spoken(&bytes[..len])).collect();
            let first = told.iter().flatten().next();
            prop_assert!(told.iter().flatten().all(|spoken| Some(spoken) == first));
            prop_assert!(bytes.len() < ENOUGH || first.is_some());
        }
    }
}
