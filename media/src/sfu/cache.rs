//! Recent packets of one publisher layer, for retransmission to its subscribers: bounded in time
//! and in bytes, kept once for all of them.
//!
//! Two rings: places by sequence number, and bytes. The oldest are overwritten; a packet costs no
//! allocation. The rings begin small and double while they turn faster than packets age, up to
//! their bounds, so that a quiet microphone or an unused layer holds a few kilobytes.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// Grows to 1.5 s of 5 Mbit/s.
pub const VIDEO: Size = Size { packets: 64..=2048, bytes: 32 * 1024..=1024 * 1024 };
/// Grows to more than a second of 20 ms frames with redundancy.
pub const AUDIO: Size = Size { packets: 32..=128, bytes: 4 * 1024..=32 * 1024 };
/// Older packets are not sent again: their time on screen is over.
const MAX_AGE: Duration = Duration::from_millis(1_500);

/// First and greatest sizes of the rings.
#[derive(Debug, Clone)]
pub struct Size {
    pub packets: RangeInclusive<usize>,
    pub bytes: RangeInclusive<usize>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// 0: empty.
    seq: u64,
    /// Position in an endless stream of bytes; the ring holds its last `bytes`.
    position: u64,
    /// Milliseconds since the cache began.
    at: u32,
    len: u16,
}

pub struct PacketCache {
    size: Size,
    base: Instant,
    places: Box<[Place]>,
    bytes: Box<[u8]>,
    head: u64,
    /// When the byte ring last began a turn.
    turned: Instant,
}

impl PacketCache {
    pub fn new(now: Instant, size: &Size) -> PacketCache {
        PacketCache {
            base: now,
            places: vec![Place::default(); *size.packets.start()].into(),
            bytes: vec![0; *size.bytes.start()].into(),
            head: 0,
            turned: now,
            size: size.clone(),
        }
    }

    /// Keeps the concatenation of `parts`. `seq` is an extended number and never 0.
    pub fn insert(&mut self, now: Instant, seq: u64, parts: [&[u8]; 2]) {
        let len = parts[0].len() + parts[1].len();
        let Ok(short) = u16::try_from(len) else { return };
        if seq == 0 || len > *self.size.bytes.end() {
            return;
        }
        let at = self.millis(now);
        let place = self.places[seq as usize % self.places.len()];
        if place.seq != 0 && place.seq < seq && self.is_fresh(at, &place) {
            self.grow_places();
        }
        loop {
            let capacity = self.bytes.len();
            let room = capacity - self.head as usize % capacity;
            if room >= len {
                break;
            }
            // A turn of the ring ends: was it long enough?
            let short_turn = now.saturating_duration_since(self.turned) < MAX_AGE;
            if (short_turn || len > capacity) && self.grow_bytes(at) {
                continue;
            }
            self.turned = now;
            self.head += room as u64;
            break;
        }
        let from = self.head as usize % self.bytes.len();
        let middle = from + parts[0].len();
        self.bytes[from..middle].copy_from_slice(parts[0]);
        self.bytes[middle..from + len].copy_from_slice(parts[1]);
        let index = seq as usize % self.places.len();
        self.places[index] = Place { seq, position: self.head, at, len: short };
        self.head += len as u64;
    }

    pub fn get(&self, now: Instant, seq: u64) -> Option<&[u8]> {
        self.find(now, seq).map(|(packet, _)| packet)
    }

    /// A packet and how long ago it came.
    pub fn find(&self, now: Instant, seq: u64) -> Option<(&[u8], Duration)> {
        let place = &self.places[seq as usize % self.places.len()];
        let at = self.millis(now);
        if place.seq != seq || seq == 0 || !self.is_fresh(at, place) || !self.is_whole(place) {
            return None;
        }
        let from = (place.position % self.bytes.len() as u64) as usize;
        let packet = &self.bytes[from..from + usize::from(place.len)];
        Some((packet, Duration::from_millis(u64::from(at.saturating_sub(place.at)))))
    }

    /// Bytes of memory held.
    pub fn footprint(&self) -> usize {
        self.bytes.len() + self.places.len() * size_of::<Place>()
    }

    fn millis(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.base).as_millis() as u32
    }

    fn is_fresh(&self, at: u32, place: &Place) -> bool {
        at.saturating_sub(place.at) <= MAX_AGE.as_millis() as u32
    }

    /// Not yet overwritten.
    fn is_whole(&self, place: &Place) -> bool {
        place.position + self.bytes.len() as u64 >= self.head
    }

    fn grow_places(&mut self) {
        let wanted = self.places.len() * 2;
        if wanted > *self.size.packets.end() {
            return;
        }
        let mut larger = vec![Place::default(); wanted];
        for place in self.places.iter().filter(|place| place.seq != 0) {
            larger[place.seq as usize % wanted] = *place;
        }
        self.places = larger.into();
    }

    /// Doubles the byte ring, keeping what is there. False at the bound.
    fn grow_bytes(&mut self, at: u32) -> bool {
        let wanted = self.bytes.len() * 2;
        if wanted > *self.size.bytes.end() {
            return false;
        }
        let mut larger = vec![0; wanted];
        for index in 0..self.places.len() {
            let place = self.places[index];
            if !self.is_fresh(at, &place) || !self.is_whole(&place) {
                self.places[index] = Place::default();
            }
        }
        let mut kept: Vec<&mut Place> =
            self.places.iter_mut().filter(|place| place.seq != 0).collect();
        kept.sort_unstable_by_key(|place| place.position);
        let mut head = 0;
        for place in kept {
            let from = (place.position % self.bytes.len() as u64) as usize;
            let len = usize::from(place.len);
            larger[head..head + len].copy_from_slice(&self.bytes[from..from + len]);
            place.position = head as u64;
            head += len;
        }
        self.bytes = larger.into();
        self.head = head as u64;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fill(seq: u64, len: usize) -> Vec<u8> {
        vec![seq as u8; len]
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_was_put(
            lengths in proptest::collection::vec((0usize..300, 0u64..600), 1..120),
        ) {
            let t0 = crate::testing::origin();
            let mut now = t0;
            let mut cache = PacketCache::new(t0, &Size { packets: 8..=32, bytes: 512..=2048 });
            for (at, (len, wait)) in lengths.iter().enumerate() {
                now += Duration::from_millis(*wait);
                let seq = at as u64 + 1;
                let packet = fill(seq, *len);
                cache.insert(now, seq, [&packet[..len / 2], &packet[len / 2..]]);
                prop_assert!(cache.footprint() <= 2048 + 32 * 24);
                for (back, (length, _)) in lengths.iter().enumerate().take(at + 1) {
                    let expected = fill(back as u64 + 1, *length);
                    match cache.get(now, back as u64 + 1) {
                        Some(found) => prop_assert_eq!(found, &expected[..]),
                        // The last packet is always there.
                        None => prop_assert!(back != at),
                    }
                }
            }
        }
    }

    #[test]
    fn the_old_is_not_sent_again() {
        let now = crate::testing::origin();
        let mut cache = PacketCache::new(now, &AUDIO);
        cache.insert(now, 5, [&[1], &[2]]);
        assert_eq!(cache.get(now + MAX_AGE, 5), Some(&[1u8, 2][..]));
        assert_eq!(cache.find(now + MAX_AGE, 5).unwrap().1, MAX_AGE);
        assert_eq!(cache.get(now + MAX_AGE + Duration::from_millis(1), 5), None);
    }

    /// Packets a second, bytes each: (milliseconds back that are there after 5 s, memory).
    fn reach(size: &Size, rate: u64, len: usize) -> (u64, usize) {
        let t0 = crate::testing::origin();
        let mut cache = PacketCache::new(t0, size);
        let at = |seq: u64| t0 + Duration::from_micros(seq * 1_000_000 / rate);
        let last = rate * 5;
        for seq in 1..=last {
            cache.insert(at(seq), seq, [&fill(seq, len), &[]]);
        }
        let oldest = (1..=last).find(|seq| cache.get(at(last), *seq).is_some()).unwrap();
        ((last - oldest) * 1000 / rate, cache.footprint())
    }

    #[test]
    fn it_holds_the_time_it_should_with_the_memory_it_needs() {
        let (back, memory) = reach(&AUDIO, 50, 80);
        assert!(back >= 1_200 && memory <= 20 * 1024, "a voice: {back} ms in {memory} bytes");
        let (back, memory) = reach(&VIDEO, 300, 1_100);
        assert!(back >= 1_400 && memory <= 1_100_000, "a camera: {back} ms in {memory} bytes");
        let (back, memory) = reach(&VIDEO, 20, 400);
        assert!(back >= 1_400 && memory <= 70_000, "the lowest layer: {back} ms in {memory} bytes");
        let (back, memory) = reach(&VIDEO, 5_000, 1_200);
        assert!(back >= 100 && memory <= 1_100_000, "a flood: {back} ms in {memory} bytes");
    }
}
