//! The daily chain: exported, verified, and every change found and named.

use proptest::prelude::*;
use yuntang::journal::daily::{
    ChainHeader, DAILY_FORMAT, DailyPlace, SealedSession, is_daily, verify_daily,
};
use yuntang::journal::{HashAlgorithm, public_key_hex, sha256};

use crate::journal_support::{START_US, TestKey, id};

fn chain(hash_algorithm: HashAlgorithm, days: &[&str]) -> String {
    let key = TestKey::new(7);
    let header = ChainHeader {
        daily_chain: DAILY_FORMAT,
        org: id(900),
        org_name: "第一党支部".into(),
        hash_algorithm,
        installation: "test".into(),
        installation_key: public_key_hex(&key),
    };
    let mut lines = vec![header.line().unwrap()];
    let (mut n, mut head) = (0, header.hash().unwrap());
    for day in days {
        let sealed = SealedSession {
            session: id(100 + n as u32),
            title: "支部党员大会".into(),
            at_us: START_US,
            day: (*day).into(),
            seq: 42,
            head: sha256(day.as_bytes()),
            minutes: sha256(b"minutes"),
        };
        let entry = header.link(n + 1, head, sealed, &key).unwrap();
        (n, head) = (entry.n, entry.hash);
        lines.push(entry.line().unwrap());
    }
    lines.push(header.trailer(n, head, &key).unwrap());
    lines.join("\n") + "\n"
}

const DAYS: [&str; 3] = ["2026-11-21", "2026-11-21", "2026-11-22"];

#[test]
fn a_chain_tells_its_days_and_their_roots() {
    for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Sm3] {
        let text = chain(algorithm, &DAYS);
        assert!(is_daily(text.as_bytes()));
        let verified = verify_daily(text.as_bytes(), None).unwrap();
        let days: Vec<(&str, u64)> =
            verified.days.iter().map(|(day, n, _)| (day.as_str(), *n)).collect();
        assert_eq!(days, [("2026-11-21", 2), ("2026-11-22", 1)]);
        assert_eq!(verified.days[1].2, verified.head);
        assert_eq!(verified.header.hash_algorithm, algorithm);
    }
}

#[test]
fn what_is_left_out_exchanged_or_added_is_named() {
    let text = chain(HashAlgorithm::Sha256, &DAYS);
    let lines: Vec<&str> = text.lines().collect();
    let place = |lines: Vec<&str>| {
        verify_daily((lines.join("\n") + "\n").as_bytes(), None).unwrap_err().place
    };
    let day = |n, day: &str| DailyPlace::Entry(n, Some(day.into()));
    assert_eq!(place(vec![lines[0], lines[1], lines[3], lines[4]]), day(2, "2026-11-22"));
    assert_eq!(place(vec![lines[0], lines[1], lines[2], lines[4]]), DailyPlace::Entry(3, None));
    assert_eq!(place(lines[..4].to_vec()), DailyPlace::Trailer);
    assert_eq!(place(vec![lines[0], lines[2]]), day(1, "2026-11-21"));
    let other = chain(HashAlgorithm::Sha256, &["2026-11-20"]);
    let other: Vec<&str> = other.lines().collect();
    assert_eq!(place(vec![lines[0], lines[1], other[1]]), day(2, "2026-11-20"));
    let mut after = lines.clone();
    after.push(lines[4]);
    assert_eq!(place(after), DailyPlace::Trailer);
    let error = verify_daily(text.as_bytes(), Some(&"0".repeat(64))).unwrap_err();
    assert_eq!(error.place, DailyPlace::Header);
}

#[test]
fn the_same_session_is_bound_to_its_day_by_a_signature() {
    // Computed anew by somebody without the key: the hash fits, the signature does not.
    let text = chain(HashAlgorithm::Sha256, &DAYS);
    let wrong = text.replacen("\"signature\":\"", "\"signature\":\"00", 1);
    let error = verify_daily(wrong.as_bytes(), None).unwrap_err();
    assert_eq!(error.to_string(), "entry 1 (2026-11-21): signature is not the installation's");
}

proptest! {
    #[test]
    fn flipping_any_byte_is_found(at in 0..1_000_000_usize, bit in 0..8_u8) {
        let mut bytes = chain(HashAlgorithm::Sm3, &DAYS).into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        prop_assert!(verify_daily(&bytes[..], None).is_err(), "byte {at}");
    }
}
