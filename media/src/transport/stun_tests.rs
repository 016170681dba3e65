use proptest::prelude::*;

use super::*;

/// RFC 5769 section 2.1: sample request with short-term credentials.
const SAMPLE_REQUEST: [u8; 108] = [
    0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73,
    0x74, 0x20, 0x63, 0x6c, 0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff,
    0x80, 0x29, 0x00, 0x08, 0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09,
    0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76, 0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14,
    0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49,
    0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf,
];

/// RFC 5769 section 2.2: sample IPv4 response.
const SAMPLE_RESPONSE: [u8; 80] = [
    0x01, 0x01, 0x00, 0x3c, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63,
    0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43,
    0x00, 0x08, 0x00, 0x14, 0x2b, 0x91, 0xf5, 0x99, 0xfd, 0x9e, 0x90, 0xc3, 0x8c, 0x74, 0x89, 0xf9,
    0x2a, 0xf9, 0xba, 0x53, 0xf0, 0x6b, 0xe7, 0xd7, 0x80, 0x28, 0x00, 0x04, 0xc0, 0x7d, 0x4c, 0x96,
];

const SAMPLE_PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

#[test]
fn sample_request_of_the_rfc() {
    let message = Message::parse(&SAMPLE_REQUEST).unwrap();
    assert_eq!(message.class, Class::Request);
    assert_eq!(message.username, Some("evtj:h6vY"));
    assert_eq!(message.priority, Some(0x6e00_01ff));
    assert_eq!(message.controlled, Some(0x932f_f9b1_5126_3b36));
    assert!(message.verify(&integrity_key(SAMPLE_PASSWORD)));
    assert!(!message.verify(&integrity_key("another password of 22")));
    assert_eq!(local_ufrag(&SAMPLE_REQUEST), Some("evtj"));
}

#[test]
fn sample_response_of_the_rfc() {
    let message = Message::parse(&SAMPLE_RESPONSE).unwrap();
    assert_eq!(message.class, Class::Success);
    assert_eq!(message.mapped, Some("192.0.2.1:32853".parse().unwrap()));
    assert!(message.verify(&integrity_key(SAMPLE_PASSWORD)));
    assert_eq!(local_ufrag(&SAMPLE_RESPONSE), None);
}

#[test]
fn answers_say_where_the_request_came_from() {
    let key = integrity_key("a password of 22 chars");
    for from in ["198.51.100.7:40000", "[2001:db8::7]:40000"] {
        let from = from.parse().unwrap();
        let bytes = success(&[7; 12], from, &key);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.mapped, Some(from));
        assert_eq!(message.transaction, [7; 12]);
        assert!(message.verify(&key));
    }
}

#[test]
fn refusals_carry_their_codes() {
    for (why, code) in [
        (Refusal::BadRequest, 400),
        (Refusal::Unauthenticated, 401),
        (Refusal::UnknownAttribute(0x7777), 420),
        (Refusal::RoleConflict, 487),
    ] {
        let bytes = refusal(&[1; 12], why, None);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.class, message.error_code), (Class::Error, Some(code)));
    }
}

#[test]
fn attributes_behind_integrity_are_not_believed() {
    let key = integrity_key("a password of 22 chars");
    let mut bytes = request(&[1; 12], "a:b", 5, false, &key);
    bytes.truncate(bytes.len() - 8);
    bytes.extend([0, 0x25, 0, 0]);
    let length = (bytes.len() - HEADER_LEN) as u16;
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    let message = Message::parse(&bytes).unwrap();
    assert!(message.verify(&key));
    assert!(!message.use_candidate);
}

proptest! {
    #[test]
    fn truncations_are_errors(cut in 0usize..108) {
        prop_assert!(Message::parse(&SAMPLE_REQUEST[..cut]).is_err());
    }

    /// Up to FINGERPRINT, which itself is not covered by the integrity.
    #[test]
    fn a_flipped_bit_is_never_authentic(at in 0usize..100, bit in 0u8..8) {
        let mut bytes = SAMPLE_REQUEST;
        bytes[at] ^= 1 << bit;
        let authentic = Message::parse(&bytes)
            .is_ok_and(|message| message.verify(&integrity_key(SAMPLE_PASSWORD)));
        prop_assert!(!authentic);
    }

    #[test]
    fn junk_never_panics(mut junk in prop::collection::vec(any::<u8>(), 0..200), fix: bool) {
        if fix && junk.len() >= HEADER_LEN {
            junk.truncate(junk.len() / 4 * 4);
            let length = (junk.len() - HEADER_LEN) as u16;
            junk[..2].copy_from_slice(&[0, 1]);
            junk[2..4].copy_from_slice(&length.to_be_bytes());
            junk[4..8].copy_from_slice(&COOKIE);
        }
        if let Ok(message) = Message::parse(&junk) {
            prop_assert!(!message.verify(&integrity_key(SAMPLE_PASSWORD)));
        }
        let _ = local_ufrag(&junk);
    }
}
