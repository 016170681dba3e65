//! Recent packets of one publisher layer, for retransmission to its subscribers.
//!
//! Two rings made once: places by sequence number, and bytes. Nothing is allocated or freed per
//! packet; the oldest bytes are overwritten.

use std::time::{Duration, Instant};

/// Video: about 1.6 s at 2.5 Mbit/s.
pub const VIDEO: Size = Size { packets: 1024, bytes: 512 * 1024 };
/// Audio: more than a second of 20 ms frames with redundancy.
pub const AUDIO: Size = Size { packets: 128, bytes: 32 * 1024 };
/// Older packets are not sent again: their time on screen is over.
const MAX_AGE: Duration = Duration::from_millis(1_500);

#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub packets: usize,
    pub bytes: usize,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    seq: u64,
    /// Position in an endless stream of bytes; the ring holds its last `bytes`.
    position: u64,
    len: u16,
    at: Instant,
}

pub struct PacketCache {
    places: Box<[Option<Place>]>,
    bytes: Box<[u8]>,
    head: u64,
}

impl PacketCache {
    pub fn new(size: Size) -> PacketCache {
        PacketCache {
            places: vec![None; size.packets].into(),
            bytes: vec![0; size.bytes].into(),
            head: 0,
        }
    }

    /// Keeps the concatenation of `parts`.
    pub fn insert(&mut self, now: Instant, seq: u64, parts: [&[u8]; 2]) {
        let len = parts[0].len() + parts[1].len();
        let capacity = self.bytes.len();
        let Ok(short) = u16::try_from(len) else { return };
        if len > capacity {
            return;
        }
        let room = capacity - self.head as usize % capacity;
        if room < len {
            self.head += room as u64;
        }
        let from = self.head as usize % capacity;
        let middle = from + parts[0].len();
        self.bytes[from..middle].copy_from_slice(parts[0]);
        self.bytes[middle..from + len].copy_from_slice(parts[1]);
        let index = seq as usize % self.places.len();
        self.places[index] = Some(Place { seq, position: self.head, len: short, at: now });
        self.head += len as u64;
    }

    pub fn get(&self, now: Instant, seq: u64) -> Option<&[u8]> {
        let place = self.places[seq as usize % self.places.len()].filter(|p| p.seq == seq)?;
        let capacity = self.bytes.len() as u64;
        let old = now.saturating_duration_since(place.at) > MAX_AGE;
        if old || place.position + capacity < self.head {
            return None;
        }
        let from = (place.position % capacity) as usize;
        Some(&self.bytes[from..from + usize::from(place.len)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_found_is_what_was_put(lengths in proptest::collection::vec(0usize..300, 1..60)) {
            let now = crate::testing::origin();
            let mut cache = PacketCache::new(Size { packets: 16, bytes: 1000 });
            let fill = |seq: u64, len: usize| vec![seq as u8; len];
            for (seq, len) in lengths.iter().enumerate() {
                let packet = fill(seq as u64, *len);
                cache.insert(now, seq as u64, [&packet[..len / 2], &packet[len / 2..]]);
                for (back, length) in lengths.iter().enumerate().take(seq + 1) {
                    let expected = fill(back as u64, *length);
                    match cache.get(now, back as u64) {
                        Some(found) => prop_assert_eq!(found, &expected[..]),
                        // The last packet is always there.
                        None => prop_assert!(back != seq),
                    }
                }
            }
        }
    }

    #[test]
    fn the_old_is_not_sent_again() {
        let now = crate::testing::origin();
        let mut cache = PacketCache::new(AUDIO);
        cache.insert(now, 5, [&[1], &[2]]);
        assert_eq!(cache.get(now + MAX_AGE, 5), Some(&[1u8, 2][..]));
        assert_eq!(cache.get(now + MAX_AGE + Duration::from_millis(1), 5), None);
    }
}
