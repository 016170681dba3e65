//! The chain: what is frozen for format version 1, and that tampering is found and named.

use proptest::prelude::*;
use yuntang::domain::MemberClass;
use yuntang::journal::attendance::read_file;
use yuntang::journal::verify::Flaw;
use yuntang::journal::{
    Envelope, Event, HashAlgorithm, Header, Place, SignPurpose, Tampered, sha256, verify,
};

use crate::journal_support::{
    TestKey, chain, entry, file, header, id, join, leave, new_event, signed_head,
};

/// Made once by this file's own writer and never changed again: whoever changes the format makes
/// version 2 and keeps this.
const VECTOR_V1: &str = include_str!("fixtures/journal_v1.jsonl");

/// The same meeting bound by SM3; `openssl dgst -sm3` gives the same hashes.
const VECTOR_V1_SM3: &str = include_str!("fixtures/journal_v1_sm3.jsonl");

fn small() -> (Header, Vec<Envelope>) {
    small_by(HashAlgorithm::Sha256)
}

fn small_by(hash_algorithm: HashAlgorithm) -> (Header, Vec<Envelope>) {
    let key = TestKey::new(7);
    let roster = vec![entry(1, MemberClass::Full), entry(2, MemberClass::Probationary)];
    let header = Header { hash_algorithm, ..header(id(1), roster, &key) };
    let mut events = vec![
        new_event(-1800, Event::SessionOpened),
        new_event(-60, join(1, 11, "desktop")),
        new_event(0, Event::DeclaredOpen),
        new_event(60, Event::Chat { id: id(500), digest: sha256("同意 \"\u{1f600}\"".as_bytes()) }),
        new_event(600, leave(600, 1, 11, signaling::LeaveReason::User)),
        new_event(700, Event::DeclaredClosed { auto: false }),
    ];
    let so_far = chain(&header, events.clone());
    events.push(new_event(700, signed_head(&header, &so_far, &key, SignPurpose::Closed)));
    let so_far = chain(&header, events.clone());
    events.push(new_event(701, Event::Export { format: "jsonl".into() }));
    assert_eq!(so_far.len(), 7);
    let events = chain(&header, events);
    (header, events)
}

fn check(text: &str) -> Result<yuntang::journal::Verified, Tampered> {
    verify(text.as_bytes(), None, |_| {})
}

#[test]
fn format_version_1_is_written_as_it_always_was() {
    let (header, events) = small();
    assert_eq!(file(&header, &events, &TestKey::new(7)), VECTOR_V1);
}

#[test]
fn format_version_1_stays_verifiable() {
    let verified = check(VECTOR_V1).unwrap();
    assert_eq!((verified.format, verified.events, verified.trailer), (1, 8, true));
    assert_eq!(verified.signed_heads, [(7, SignPurpose::Closed)]);
    let read = read_file(VECTOR_V1.as_bytes(), None).unwrap();
    assert_eq!((read.header, read.events), small());
}

#[test]
fn a_journal_bound_by_sm3_says_so_and_stays_verifiable() {
    let (header, events) = small_by(HashAlgorithm::Sm3);
    assert_eq!(file(&header, &events, &TestKey::new(7)), VECTOR_V1_SM3);
    let verified = check(VECTOR_V1_SM3).unwrap();
    assert_eq!((verified.hash_algorithm, verified.events), (HashAlgorithm::Sm3, 8));
    // Claiming the other hash breaks it at the header, an unknown one is named.
    let claimed = VECTOR_V1_SM3.replacen("\"hash_algorithm\":\"sm3\",", "", 1);
    assert!(matches!(check(&claimed), Err(Tampered { place: Place::Header, flaw: Flaw::Hash })));
    let unknown = VECTOR_V1_SM3.replacen("\"sm3\"", "\"md5\"", 1);
    assert_eq!(check(&unknown).unwrap_err().to_string(), "header: hash algorithm md5 is not known");
}

#[test]
fn a_flipped_byte_in_a_journal_bound_by_sm3_is_found() {
    for at in (0..VECTOR_V1_SM3.len()).step_by(7) {
        let mut bytes = VECTOR_V1_SM3.as_bytes().to_vec();
        bytes[at] ^= 1;
        assert!(verify(&bytes[..], None, |_| {}).is_err(), "byte {at}");
    }
}

#[test]
fn the_hash_is_computed_as_documented() {
    // By hand from the file's text, with nothing of ours but SHA-256.
    let lines: Vec<&str> = VECTOR_V1.lines().collect();
    let value: serde_json::Value = serde_json::from_str(lines[1]).unwrap();
    let (hash, prev) = (value["hash"].as_str().unwrap(), value["prev_hash"].as_str().unwrap());
    let body = lines[1]
        .replace(&format!("\"hash\":\"{hash}\","), "")
        .replace(&format!("\"prev_hash\":\"{prev}\","), "");
    let mut bytes: Vec<u8> =
        (0..32).map(|n| u8::from_str_radix(&prev[2 * n..2 * n + 2], 16).unwrap()).collect();
    bytes.extend(body.as_bytes());
    assert_eq!(sha256(&bytes).to_string(), hash);
    let without = lines[0].replace(&format!("\"hash\":\"{prev}\","), "");
    assert_eq!(sha256(without.as_bytes()).to_string(), prev);
}

#[test]
fn a16_an_event_edited_in_storage_is_named() {
    let key = TestKey::new(7);
    let header = header(id(1), vec![entry(1, MemberClass::Full)], &key);
    let events = (0..100).map(|n| new_event(n, join(1, 11, "phone"))).collect();
    let events = chain(&header, events);
    let text = file(&header, &events, &key);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[57] = lines[57].replace("phone", "tablet");
    let error = check(&(lines.join("\n") + "\n")).unwrap_err();
    assert_eq!(error.place, Place::Seq(57));
    assert_eq!(error.to_string(), "seq 57: content does not match its hash");
}

#[test]
fn a_missing_or_moved_event_is_named() {
    let without = |n: usize| {
        let lines: Vec<&str> =
            VECTOR_V1.lines().enumerate().filter(|(i, _)| *i != n).map(|l| l.1).collect();
        check(&(lines.join("\n") + "\n")).unwrap_err().place
    };
    assert_eq!(without(3), Place::Seq(3));
    assert_eq!(without(8), Place::Seq(8));
    assert_eq!(without(9), Place::Trailer);
}

#[test]
fn a_cut_tail_is_found_at_every_byte() {
    for end in 1..VECTOR_V1.len() {
        if VECTOR_V1.is_char_boundary(end) {
            assert!(check(&VECTOR_V1[..end]).is_err(), "cut at {end}");
        }
    }
    assert!(matches!(check("").unwrap_err().flaw, Flaw::CutTail));
}

#[test]
fn a_chain_computed_anew_fails_at_the_first_signature() {
    let (header, events) = small();
    let forged: Vec<_> = events
        .iter()
        .map(|e| {
            let mut event = e.event.clone();
            if let Event::Join { name, .. } = &mut event {
                *name = "别人".into();
            }
            yuntang::journal::NewEvent { at_us: e.at_us, mono_us: e.mono_us, actor: e.actor, event }
        })
        .collect();
    let forged = chain(&header, forged);
    // Even with the right key for the export: the head signed at 散会 gives it away.
    let error = check(&file(&header, &forged, &TestKey::new(7))).unwrap_err();
    assert_eq!(error.place, Place::Seq(7));
    assert!(matches!(error.flaw, Flaw::Signature));
    // Another installation's key in the trailer.
    let error = check(&file(&header, &events, &TestKey::new(8))).unwrap_err();
    assert_eq!(error.place, Place::Trailer);
}

#[test]
fn a_journal_made_wholly_anew_needs_the_known_key() {
    let key = TestKey::new(8);
    let header = header(id(1), vec![], &key);
    let text = file(&header, &chain(&header, vec![new_event(0, Event::SessionOpened)]), &key);
    assert!(check(&text).is_ok());
    let known = yuntang::journal::public_key_hex(&TestKey::new(7));
    let error = verify(text.as_bytes(), Some(known), |_| {}).unwrap_err();
    assert_eq!((error.place, error.seq()), (Place::Header, Some(0)));
}

#[test]
fn an_event_of_a_newer_version_is_verified_and_skipped() {
    let (mut header, _) = small();
    header.roster.0.clear();
    let unknown = serde_json::json!({"type": "satellite_link", "dish": 3});
    let envelope: Envelope = serde_json::from_value(serde_json::json!({
        "seq": 1, "at_us": 0, "mono_us": 0, "actor": "system", "event": unknown,
        "prev_hash": sha256(b"").to_string(), "hash": sha256(b"").to_string(),
    }))
    .unwrap();
    assert_eq!(envelope.event, Event::Unknown);
}

/// The line in which a byte stands is the place that must be named, or the one before: changing the
/// line feed at a line's end spoils that line.
fn place_of(offset: usize) -> Place {
    let lines = VECTOR_V1.as_bytes()[..offset].iter().filter(|b| **b == b'\n').count();
    match lines {
        0 => Place::Header,
        9 => Place::Trailer,
        n => Place::Seq(n as u64),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn flipping_any_byte_is_found_and_named(offset in 0..VECTOR_V1.len(), flip in 1u8..=255) {
        let mut bytes = VECTOR_V1.as_bytes().to_vec();
        bytes[offset] ^= flip;
        let error = verify(bytes.as_slice(), None, |_| {}).unwrap_err();
        let named = match (place_of(offset), error.place) {
            // The last line is the trailer or a ninth event: who can tell a spoilt one.
            (Place::Trailer, Place::Seq(9)) => Place::Trailer,
            (_, place) => place,
        };
        prop_assert_eq!(named, place_of(offset), "{}", error);
    }
}
