//! Reading transport-wide congestion control feedback
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

/// Unit of the reference time, µs.
const REFERENCE: i64 = 64_000;
/// Unit of a receive delta, µs.
const DELTA: i64 = 250;

/// One feedback packet whose chunks and deltas have been checked against its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feedback<'a> {
    base: u16,
    count: u16,
    /// 24 bits, 64 ms each; wraps after twelve days.
    reference: u32,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

/// What a feedback says of one packet; it says nothing of what lies outside of its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Transport-wide number, as on the wire.
    pub number: u16,
    /// Microseconds after the feedback's reference time; None: not received.
    pub arrival: Option<i64>,
}

impl<'a> Feedback<'a> {
    /// Reads a whole RTCP packet (type 205, format 15), head included. None when it is malformed.
    pub fn parse(packet: &'a [u8]) -> Option<Feedback<'a>> {
        let fixed: &[u8; 20] = packet.first_chunk()?;
        let count = u16::from_be_bytes([fixed[14], fixed[15]]);
        let rest = &packet[20..];
        // Deltas begin behind the last chunk, which only walking the chunks finds.
        let (mut at, mut statuses, mut bytes) = (0, 0usize, 0usize);
        while statuses < usize::from(count) {
            let chunk = Chunk::read(rest.get(at..at + 2)?);
            let take = chunk.len().min(usize::from(count) - statuses);
            bytes += chunk.delta_bytes(take)?;
            statuses += take;
            at += 2;
        }
        let (chunks, deltas) = rest.split_at(at);
        Some(Feedback {
            base: u16::from_be_bytes([fixed[12], fixed[13]]),
            count,
            reference: u32::from_be_bytes([0, fixed[16], fixed[17], fixed[18]]),
            chunks,
            deltas: deltas.get(..bytes)?,
        })
    }

    /// Reference time in µs, unwrapped to the turn nearest to `near` (the last one, or 0).
    pub fn reference(&self, near: i64) -> i64 {
        let turn = 1 << 24;
        let near = near.div_euclid(REFERENCE);
        let mut distance = (i64::from(self.reference) - near).rem_euclid(turn);
        if distance >= turn / 2 {
            distance -= turn;
        }
        (near + distance) * REFERENCE
    }

    /// Statuses in ascending order of the numbers.
    pub fn statuses(&self) -> impl Iterator<Item = Status> + 'a {
        let Feedback { base, count, chunks, deltas, .. } = *self;
        let mut deltas = deltas;
        let mut time = 0;
        let symbols = chunks.chunks_exact(2).flat_map(|bytes| {
            let chunk = Chunk::read(bytes);
            (0..chunk.len()).map(move |at| chunk.symbol(at))
        });
        symbols.take(usize::from(count)).enumerate().map(move |(index, symbol)| {
            let number = base.wrapping_add(index as u16);
            let mut step = |size: usize| {
                let (delta, rest) = deltas.split_at_checked(size)?;
                deltas = rest;
                time += DELTA
                    * match *delta {
                        [small] => i64::from(small),
                        [high, low] => i64::from(i16::from_be_bytes([high, low])),
                        _ => 0,
                    };
                Some(time)
            };
            let arrival = match symbol {
                1 => step(1),
                2 => step(2),
                _ => None,
            };
            Status { number, arrival }
        })
    }
}

/// Sixteen bits that describe one to 8,191 packets.
#[derive(Clone, Copy)]
enum Chunk {
    Run { symbol: u8, len: u16 },
    OneBit(u16),
    TwoBit(u16),
}

impl Chunk {
    fn read(bytes: &[u8]) -> Chunk {
        let word = u16::from_be_bytes([bytes[0], bytes[1]]);
        match word >> 14 {
            0 | 1 => Chunk::Run { symbol: (word >> 13 & 3) as u8, len: word & 0x1fff },
            2 => Chunk::OneBit(word),
            _ => Chunk::TwoBit(word),
        }
    }

    fn len(self) -> usize {
        match self {
            Chunk::Run { len, .. } => usize::from(len),
            Chunk::OneBit(_) => 14,
            Chunk::TwoBit(_) => 7,
        }
    }

    /// 0 not received, 1 and 2 with a delta of so many bytes, 3 reserved.
    fn symbol(self, at: usize) -> u8 {
        match self {
            Chunk::Run { symbol, .. } => symbol,
            Chunk::OneBit(word) => (word >> (13 - at) & 1) as u8,
            Chunk::TwoBit(word) => (word >> (12 - 2 * at) & 3) as u8,
        }
    }

    /// Bytes of the deltas of its first `take` packets; None when a reserved symbol is among them,
    /// or when the chunk is empty: a walk over those would not end.
    fn delta_bytes(self, take: usize) -> Option<usize> {
        if take == 0 {
            return None;
        }
        let of = |symbol: u8| (symbol != 3).then_some(usize::from(symbol));
        match self {
            Chunk::Run { symbol, .. } => of(symbol).map(|bytes| bytes * take),
            _ => (0..take).try_fold(0, |sum, at| of(self.symbol(at)).map(|bytes| sum + bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(base: u16, count: u16, reference: u32, chunks: &[u16], deltas: &[u8]) -> Vec<u8> {
        let mut out = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
        out.extend_from_slice(&base.to_be_bytes());
        out.extend_from_slice(&count.to_be_bytes());
        out.extend_from_slice(&reference.to_be_bytes()[1..]);
        out.push(0);
        chunks.iter().for_each(|chunk| out.extend_from_slice(&chunk.to_be_bytes()));
        out.extend_from_slice(deltas);
        while !out.len().is_multiple_of(4) {
            out.push(0);
        }
        out
    }

    fn read(bytes: &[u8]) -> Vec<(u16, Option<i64>)> {
        let feedback = Feedback::parse(bytes).unwrap();
        feedback.statuses().map(|status| (status.number, status.arrival)).collect()
    }

    #[test]
    fn every_kind_of_chunk_is_read_over_the_turn_of_the_numbers() {
        // A run of three small deltas, one-bit vector (received, lost, received, 11 lost), two-bit
        // vector (large, lost, small).
        let chunks = [1 << 13 | 3, 0b1010_1000_0000_0000, 0b1110_0001_0000_0000];
        let deltas = [4, 4, 4, 8, 8, 0xff, 0xff, 12];
        let all = read(&packet(65_534, 20, 1, &chunks, &deltas));
        assert_eq!(all.len(), 20);
        assert_eq!(
            all[..5],
            [
                (65_534, Some(1_000)),
                (65_535, Some(2_000)),
                (0, Some(3_000)),
                (1, Some(5_000)),
                (2, None),
            ]
        );
        assert_eq!(all[5], (3, Some(7_000)));
        assert_eq!(all[17], (15, Some(6_750)), "a delta below zero: reordered on the way");
        assert_eq!(all[18..], [(16, None), (17, Some(9_750))]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let run = 1 << 13 | 3;
        assert!(Feedback::parse(&packet(0, 3, 0, &[run], &[1, 1, 1])).is_some());
        assert!(
            Feedback::parse(&packet(0, 9, 0, &[1 << 13 | 9], &[1])).is_none(),
            "too few deltas"
        );
        assert!(Feedback::parse(&packet(0, 9, 0, &[run], &[])).is_none(), "too few chunks");
        assert!(Feedback::parse(&packet(0, 1, 0, &[3 << 13 | 1], &[1, 1])).is_none(), "reserved");
        assert!(Feedback::parse(&packet(0, 1, 0, &[1 << 13], &[])).is_none(), "empty run");
        assert!(Feedback::parse(&[0x8f; 19]).is_none());
    }

    #[test]
    fn the_reference_time_goes_on_after_its_turn() {
        let last = (1 << 24) - 1;
        let bytes = packet(0, 0, last, &[], &[]);
        let before = Feedback::parse(&bytes).unwrap().reference(0x7f_ffff * REFERENCE * 2);
        assert_eq!(before, i64::from(last) * REFERENCE);
        let bytes = packet(0, 0, 0, &[], &[]);
        assert_eq!(Feedback::parse(&bytes).unwrap().reference(before), before + REFERENCE);
    }

    proptest! {
        #[test]
        fn never_panics_and_gives_what_it_counts(
            count in 0u16..600, chunks in proptest::collection::vec(any::<u16>(), 0..40),
            deltas in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let bytes = packet(9, count, 5, &chunks, &deltas);
            if let Some(feedback) = Feedback::parse(&bytes) {
                prop_assert_eq!(feedback.statuses().count(), usize::from(count));
            }
        }
    }
}
