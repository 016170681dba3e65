use proptest::prelude::*;

use super::testing::{Failing, FakeFile};
use super::*;
use crate::domain::SessionState;

fn record(n: i64) -> Record {
    let session = uuid::Uuid::from_u128(7).into();
    Record::State { session, state: SessionState::DeclaredOpen, at_us: n }
}

fn numbers(spool: &mut Spool<FakeFile>) -> Vec<i64> {
    let chunk = spool.peek(usize::MAX).unwrap();
    let number = |record: &Record| match record {
        Record::State { at_us, .. } => *at_us,
        other => panic!("{other:?}"),
    };
    chunk.records.iter().map(number).collect()
}

fn open(file: &FakeFile) -> (Spool<FakeFile>, Found) {
    Spool::open(file.reopened(), 1 << 20).unwrap()
}

#[test]
fn what_was_appended_is_read_in_order_after_the_power_failed() {
    let file = FakeFile::default();
    let (mut spool, found) = open(&file);
    assert_eq!(found, Found { records: 0, torn: 0 });
    spool.append(&[record(1), record(2)]).unwrap();
    spool.append(&[]).unwrap();
    spool.append(&[record(3)]).unwrap();
    file.crash(0);
    let (mut spool, found) = open(&file);
    assert_eq!(found, Found { records: 3, torn: 0 });
    assert_eq!(numbers(&mut spool), [1, 2, 3]);
    assert!(spool.bytes() > 0);
}

#[test]
fn a_torn_tail_is_cut_off_and_what_is_before_it_stays() {
    let file = FakeFile::default();
    open(&file).0.append(&[record(1), record(2)]).unwrap();
    let whole = file.bytes();
    for cut in MAGIC.len()..whole.len() {
        file.put(whole[..cut].to_vec());
        let (mut spool, found) = open(&file);
        let left = numbers(&mut spool);
        assert!(left.len() < 2 && [1, 2].starts_with(&left), "{left:?} of {cut} bytes");
        assert_eq!(found.records, left.len() as u64);
        // The next record stands where the torn one stood.
        spool.append(&[record(9)]).unwrap();
        assert_eq!(numbers(&mut open(&file).0), [left, vec![9]].concat());
    }
}

#[test]
fn a_flipped_bit_ends_what_is_believed() {
    let file = FakeFile::default();
    open(&file).0.append(&[record(1), record(2), record(3)]).unwrap();
    let whole = file.bytes();
    for at in MAGIC.len()..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        file.put(bytes);
        let left = numbers(&mut open(&file).0);
        assert!(left.len() < 3 && [1, 2, 3].starts_with(&left), "{left:?}");
    }
}

#[test]
fn a_file_of_another_kind_is_left_alone() {
    let file = FakeFile::default();
    file.put(b"SQLite format 3\0 and more".to_vec());
    assert!(matches!(Spool::open(file.reopened(), 1 << 20), Err(SpoolError::Format)));
    assert_eq!(file.bytes(), b"SQLite format 3\0 and more");
}

#[test]
fn a_full_spool_takes_nothing_and_keeps_what_it_has() {
    let file = FakeFile::default();
    let (mut spool, _) = Spool::open(file.reopened(), 300).unwrap();
    let mut kept = vec![];
    for n in 0.. {
        match spool.append(&[record(n)]) {
            Ok(()) => kept.push(n),
            Err(SpoolError::Full) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(!kept.is_empty());
    assert!(file.bytes().len() <= 300);
    assert_eq!(numbers(&mut spool), kept);
    let all = spool.peek(usize::MAX).unwrap().next;
    spool.advance(all);
    spool.clear().unwrap();
    spool.append(&[record(77)]).unwrap();
    assert_eq!(numbers(&mut spool), [77]);
}

#[test]
fn nothing_is_acknowledged_that_the_disk_did_not_take() {
    for failing in [Failing::Write, Failing::Sync, Failing::Everything] {
        let file = FakeFile::default();
        let (mut spool, _) = open(&file);
        spool.append(&[record(1)]).unwrap();
        file.fail(Some(failing));
        assert!(spool.append(&[record(2)]).is_err());
        file.fail(None);
        // What failed is not read, and does not stand in the way of what comes after it.
        assert_eq!(numbers(&mut spool), [1]);
        spool.append(&[record(3)]).unwrap();
        file.crash(0);
        assert_eq!(numbers(&mut open(&file).0), [1, 3], "{failing:?}");
    }
}

proptest! {
    /// The power may fail at any moment and keep any part of what was not synced.
    #[test]
    fn every_acknowledged_record_survives_once_and_in_order(
        steps in prop::collection::vec((0u8..8, 0usize..=1000), 1..40),
    ) {
        let file = FakeFile::default();
        let (mut spool, _) = open(&file);
        // What the file must hold, and how much of it was read.
        let (mut next, mut held, mut done) = (0, vec![], 0);
        for (step, n) in steps {
            match step {
                0..=3 => {
                    next += 2;
                    if spool.append(&[record(next - 2), record(next - 1)]).is_ok() {
                        held.extend([next - 2, next - 1]);
                    }
                }
                4 => file.fail(match n % 4 {
                    0 => None,
                    1 => Some(Failing::Write),
                    2 => Some(Failing::Sync),
                    _ => Some(Failing::Everything),
                }),
                5 => {
                    file.crash(n);
                    spool = open(&file).0;
                    let found = numbers(&mut spool);
                    // What was asked for and not acknowledged may have arrived, or some of it.
                    prop_assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
                    let sure: Vec<_> = found.iter().copied().filter(|n| held.contains(n)).collect();
                    prop_assert_eq!(sure, held);
                    (held, done) = (found, 0);
                }
                6 => {
                    let chunk = spool.peek(1 + n % 3).unwrap();
                    done += chunk.records.len();
                    spool.advance(chunk.next);
                    if spool.is_empty() {
                        // Where cutting the file fails what it held may come back once more.
                        let _ = spool.clear();
                        (held, done) = (vec![], 0);
                    }
                }
                _ => {
                    let found = numbers(&mut spool);
                    prop_assert_eq!(&found, &held[done..]);
                }
            }
        }
    }
}
