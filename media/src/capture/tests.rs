//! What a reader may rely on, whatever happened to the file.

use super::repair::{Reorder, SeqUnwrapper, Step, TimestampUnwrapper};
use super::*;
use crate::api::{Codec, OwnerId, RoomId, Source, TrackId};
use proptest::prelude::*;

fn header() -> SegmentHeader {
    SegmentHeader {
        session: RoomId(0x0192_0000_dead_beef),
        track: TrackId(7),
        owner: OwnerId(42),
        source: Source::Camera,
        codec: Codec::Vp8,
        clock_rate: 90_000,
        number: 3,
        start_us: 1_000_000,
    }
}

#[derive(Debug, Clone)]
enum Owned {
    Rtp(Vec<u8>),
    Other(Record<'static>),
}

impl Owned {
    fn record(&self) -> Record<'_> {
        match self {
            Owned::Rtp(packet) => Record::Rtp(packet),
            Owned::Other(record) => *record,
        }
    }
}

fn any_record() -> impl Strategy<Value = Owned> {
    let gap = (0usize..3, any::<u32>(), any::<u64>()).prop_map(|(r, dropped, length_us)| {
        let reason = [GapReason::Pause, GapReason::Overflow, GapReason::Storage][r];
        Owned::Other(Record::Gap { reason, dropped, length_us })
    });
    prop_oneof![
        5 => proptest::collection::vec(any::<u8>(), 0..200).prop_map(Owned::Rtp),
        // Payloads that look like the format itself.
        1 => proptest::collection::vec(prop_oneof![Just(0xf5u8), Just(0x9c), Just(1), Just(0)], 0..60)
            .prop_map(Owned::Rtp),
        1 => (any::<u32>(), any::<u64>(), any::<u32>())
            .prop_map(|(ssrc, ntp, rtp)| Owned::Other(Record::SenderReport { ssrc, ntp, rtp })),
        1 => any::<u32>().prop_map(|ssrc| Owned::Other(Record::LayerSwitch { ssrc })),
        1 => gap,
        1 => Just(Owned::Other(Record::TrackEnd)),
    ]
}

fn log() -> impl Strategy<Value = Vec<(u32, Owned)>> {
    proptest::collection::vec((any::<u32>(), any_record()), 0..20)
}

fn write(log: &[(u32, Owned)]) -> Vec<u8> {
    let header = header();
    let encoder = SegmentEncoder::new(&header);
    let mut bytes = header.encode().to_vec();
    let mut buffer = [0u8; RECORD_OVERHEAD + MAX_PAYLOAD];
    for (at, record) in log {
        let at_us = header.start_us + u64::from(*at);
        let n = encoder.encode(at_us, &record.record(), &mut buffer).expect("fits");
        assert_eq!(n, record.record().encoded_len());
        bytes.extend_from_slice(&buffer[..n]);
    }
    bytes
}

fn is_subsequence(got: &[Stamped<'_>], log: &[(u32, Owned)]) -> bool {
    let mut rest = log.iter();
    got.iter().all(|stamped| {
        rest.any(|(at, record)| {
            stamped.at_us == header().start_us + u64::from(*at) && stamped.record == record.record()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_written_is_read_back(log in log()) {
        let bytes = write(&log);
        let mut reader = SegmentReader::new(&bytes).expect("header");
        prop_assert_eq!(reader.header(), &header());
        let got: Vec<_> = reader.by_ref().collect();
        prop_assert_eq!(got.len(), log.len());
        prop_assert!(is_subsequence(&got, &log));
        let clean = ReadReport { records: log.len() as u64, ..ReadReport::default() };
        prop_assert_eq!(*reader.report(), clean);
    }

    #[test]
    fn a_torn_tail_costs_only_the_torn_record(log in log(), cut in any::<prop::sample::Index>()) {
        let bytes = write(&log);
        let cut = cut.index(bytes.len() + 1);
        let Ok(mut reader) = SegmentReader::new(&bytes[..cut]) else {
            prop_assert!(cut < HEADER_LEN);
            return Ok(());
        };
        let whole = log
            .iter()
            .scan(HEADER_LEN, |end, (_, r)| { *end += r.record().encoded_len(); Some(*end) })
            .filter(|&end| end <= cut)
            .count();
        let got: Vec<_> = reader.by_ref().collect();
        prop_assert_eq!(got.len(), whole);
        prop_assert!(is_subsequence(&got, &log));
        let read: usize = log[..whole].iter().map(|(_, r)| r.record().encoded_len()).sum();
        prop_assert_eq!(reader.report().torn_bytes as usize, cut - HEADER_LEN - read);
    }

    #[test]
    fn a_flipped_byte_yields_no_false_record_and_costs_one(
        log in log(),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
    ) {
        let mut bytes = write(&log);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let Ok(reader) = SegmentReader::new(&bytes) else {
            prop_assert!(at < HEADER_LEN);
            return Ok(());
        };
        prop_assert!(at >= HEADER_LEN);
        let got: Vec<_> = reader.collect();
        prop_assert!(got.len() + 1 >= log.len());
        prop_assert!(is_subsequence(&got, &log));
    }

    #[test]
    fn any_damage_is_survived(
        log in log(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        removed in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let mut bytes = write(&log);
        for (at, value) in &damage {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        let (a, b) = (removed.0.index(bytes.len() + 1), removed.1.index(bytes.len() + 1));
        bytes.drain(a.min(b)..a.max(b));
        if let Ok(mut reader) = SegmentReader::new(&bytes) {
            let got: Vec<_> = reader.by_ref().collect();
            prop_assert!(is_subsequence(&got, &log));
            let report = reader.report();
            let read: usize = got.iter().map(|s| s.record.encoded_len()).sum();
            prop_assert_eq!(
                HEADER_LEN + read + (report.skipped_bytes + report.torn_bytes) as usize,
                bytes.len()
            );
        }
    }

    #[test]
    fn junk_is_never_a_segment_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(SegmentReader::new(&bytes).is_err());
    }

    #[test]
    fn counters_unwrap_through_any_number_of_wraps(
        start in any::<u16>(),
        steps in proptest::collection::vec(-1000i64..20_000, 1..200),
    ) {
        let mut unwrapper = SeqUnwrapper::default();
        let mut truth = i64::from(start);
        let first = unwrapper.unwrap(u32::from(start));
        let mut highest = truth;
        for step in steps {
            truth = highest + step;
            highest = highest.max(truth);
            let got = unwrapper.unwrap(truth.rem_euclid(1 << 16) as u32);
            prop_assert_eq!(got - first, truth - i64::from(start));
        }
    }

    #[test]
    fn shuffled_packets_come_out_in_order_and_losses_are_counted(
        count in 1i64..400,
        lost in proptest::collection::btree_set(0i64..400, 0..60),
        delays in proptest::collection::vec(0i64..30, 400),
    ) {
        let mut arriving: Vec<i64> = (0..count).filter(|seq| !lost.contains(seq)).collect();
        arriving.sort_by_key(|&seq| (seq + delays[seq as usize], seq));
        let (mut reorder, mut out, mut missing) = (Reorder::new(64), Vec::new(), 0);
        let mut drain = |reorder: &mut Reorder<i64>| while let Some(step) = reorder.pop() {
            match step {
                Step::Packet { seq, item } => { assert_eq!(seq, item); out.push(seq) }
                Step::Lost(n) => missing += n,
            }
        };
        for &seq in &arriving {
            reorder.push(seq, seq);
            drain(&mut reorder);
        }
        reorder.finish();
        drain(&mut reorder);
        let mut sent = arriving.clone();
        sent.sort_unstable();
        let between = sent.first().map_or(0, |f| sent[sent.len() - 1] - f + 1 - sent.len() as i64);
        prop_assert_eq!(out, sent);
        prop_assert_eq!(missing as i64, between);
        prop_assert_eq!(reorder.late(), 0);
    }
}

#[test]
fn a_record_of_another_segment_is_not_taken_for_one_of_this() {
    let (mine, mut other) = (header(), header());
    other.number += 1;
    let mut bytes = mine.encode().to_vec();
    let mut buffer = [0u8; 64];
    let n =
        SegmentEncoder::new(&other).encode(2_000_000, &Record::Rtp(b"old"), &mut buffer).unwrap();
    bytes.extend_from_slice(&buffer[..n]);
    let mut reader = SegmentReader::new(&bytes).unwrap();
    assert_eq!(reader.next(), None);
    assert_eq!(reader.report().torn_bytes, n as u64);
}

#[test]
fn limits_are_errors() {
    let encoder = SegmentEncoder::new(&header());
    let mut buffer = [0u8; RECORD_OVERHEAD + MAX_PAYLOAD + 1];
    let big = [0u8; MAX_PAYLOAD + 1];
    let start = header().start_us;
    assert_eq!(encoder.encode(start, &Record::Rtp(&big), &mut buffer), Err(EncodeError::TooLarge));
    assert_eq!(
        encoder.encode(start + (1 << 32), &Record::TrackEnd, &mut buffer),
        Err(EncodeError::SegmentOver)
    );
    assert_eq!(encoder.encode(start, &Record::TrackEnd, &mut [0; 12]), Err(EncodeError::NoRoom));
    assert_eq!(encoder.encode(0, &Record::TrackEnd, &mut buffer), Ok(RECORD_OVERHEAD));
}

#[test]
fn segments_are_ordered_and_strangers_rejected() {
    let h = |number, track| SegmentHeader { number, track: TrackId(track), ..header() };
    let ordered = order_segments([
        ("b", Ok(h(1, 7))),
        ("x", Err(HeaderError::Truncated)),
        ("a", Ok(h(0, 7))),
        ("s", Ok(h(2, 8))),
        ("a2", Ok(h(0, 7))),
    ]);
    let names: Vec<_> = ordered.segments.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(
        ordered.rejected,
        [
            ("x", Rejected::Header(HeaderError::Truncated)),
            ("s", Rejected::OtherTrack),
            ("a2", Rejected::Duplicate)
        ]
    );
}

mod time {
    use super::super::timing::{StreamClock, solve};
    use super::*;

    /// NTP time of `us` on a sender's clock that began at `base` seconds.
    fn ntp(base: u64, us: i64) -> u64 {
        let us = base as i64 * 1_000_000 + us;
        (((us / 1_000_000) as u64) << 32) | ((((us % 1_000_000) as u64) << 32) / 1_000_000)
    }

    /// A stream of `rate` captured each `every_us` from 1 s to 61 s, arriving `delay_us` later.
    fn stream(rate: u32, every_us: i64, delay_us: i64, reports: bool, ppm: i64) -> StreamClock {
        let mut clock = StreamClock::new(rate);
        let mut unwrap = TimestampUnwrapper::default();
        for (n, us) in (1_000_000..61_000_000).step_by(every_us as usize).enumerate() {
            let rtp = (us + us * ppm / 1_000_000) * i64::from(rate) / 1_000_000 + 4_294_000_000;
            let jitter = (n as i64 * 7919 % 20) * 1000;
            let rtp = unwrap.unwrap(rtp.rem_euclid(1 << 32) as u32);
            clock.packet(rtp, (us + delay_us + jitter) as u64);
            if reports && n % 50 == 25 {
                clock.report(rtp, ntp(3_900_000_000, us), (us + delay_us + jitter) as u64);
            }
        }
        clock
    }

    #[test]
    fn picture_and_sound_of_one_sender_meet_though_their_ways_differ() {
        let audio = stream(48_000, 20_000, 40_000, true, 100);
        let video = stream(90_000, 40_000, 180_000, true, 0);
        let maps = solve(&[&audio, &video]);
        for second in 1..60i64 {
            let us = second * 1_000_000;
            let a = maps[0].at((us + us * 100 / 1_000_000) * 48 / 1000 + 4_294_000_000);
            let v = maps[1].at(us * 90 / 1000 + 4_294_000_000);
            assert!((a - v).abs() < 1_000, "at {second} s: {} µs apart", a - v);
            assert!((a - us - 40_000).abs() < 20_000, "at {second} s: {a}");
        }
    }

    #[test]
    fn without_reports_the_fastest_packets_decide() {
        let audio = stream(48_000, 20_000, 40_000, false, 0);
        let map = &solve(&[&audio])[0];
        let at = map.at(30_000_000 * 48 / 1000 + 4_294_000_000);
        assert!((at - 30_040_000).abs() < 3_000, "{at}");
    }

    #[test]
    fn a_stalled_capture_keeps_later_sound_in_its_place() {
        // At 20 s the microphone stands still for 2 s: RTP time does not advance.
        let mut clock = StreamClock::new(48_000);
        for us in (0..40_000_000i64).step_by(20_000) {
            if (20_000_000..22_000_000).contains(&us) {
                continue;
            }
            let rtp = if us < 20_000_000 { us } else { us - 2_000_000 } * 48 / 1000;
            clock.packet(rtp, us as u64 + 30_000);
            if us % 1_000_000 == 0 {
                clock.report(rtp, ntp(1_000, us), us as u64 + 30_000);
            }
        }
        let map = &solve(&[&clock])[0];
        for us in [5_000_000i64, 18_000_000, 24_000_000, 39_000_000] {
            let rtp = if us < 20_000_000 { us } else { us - 2_000_000 } * 48 / 1000;
            assert!((map.at(rtp) - us - 30_000).abs() < 3_000, "{us}: {}", map.at(rtp));
        }
    }

    #[test]
    fn a_sender_clock_that_is_set_does_not_move_the_recording() {
        let mut clock = StreamClock::new(48_000);
        for us in (0..60_000_000i64).step_by(20_000) {
            clock.packet(us * 48 / 1000, us as u64 + 30_000);
            if us % 1_000_000 == 0 {
                let base = if us < 30_000_000 { 1_000 } else { 5_000 };
                clock.report(us * 48 / 1000, ntp(base, us), us as u64 + 30_000);
            }
        }
        let map = &solve(&[&clock])[0];
        for us in [1_000_000i64, 29_500_000, 30_500_000, 59_000_000] {
            assert!((map.at(us * 48 / 1000) - us - 30_000).abs() < 5_000, "{us}");
        }
    }

    #[test]
    fn a_stream_of_nothing_maps_without_panic() {
        assert_eq!(solve(&[&StreamClock::new(90_000)])[0].at(90_000), 1_000_000);
    }
}
