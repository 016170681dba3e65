//! Maps from ids, as quick as arrays nearly: a fold of a lecture looks up millions of ids.
//!
//! Ids are made by the server, so nobody can choose them to collide, and a hash without a secret
//! keeps pure code free of randomness. The order of such a map means nothing.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map whose keys are ids.
pub type ById<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// Multiplies and folds eight bytes at a time.
#[derive(Debug, Clone, Copy, Default)]
pub struct IdHasher(u64);

/// Odd, with bits in no pattern (2^64 divided by the golden ratio).
const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let mixed = u128::from(self.0.rotate_left(29) ^ u64::from_le_bytes(word)) * SPREAD;
            // Both halves: what is in the highest bits alone reaches the lowest too.
            self.0 = (mixed as u64) ^ ((mixed >> 64) as u64);
        }
    }

    /// The length in front of the bytes: ids all have the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        let spread = (self.0 ^ (self.0 >> 32)).wrapping_mul(SPREAD as u64);
        spread ^ (spread >> 29)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::hash::{BuildHasher, BuildHasherDefault};

    use super::*;
    use crate::domain::PersonId;

    #[test]
    fn neighbouring_ids_spread_over_buckets_and_tags() {
        let hasher: BuildHasherDefault<IdHasher> = BuildHasherDefault::default();
        let hash = |n: u128| hasher.hash_one(PersonId::from(uuid::Uuid::from_u128(n)));
        let counted = (0..4096).map(hash).collect::<Vec<_>>();
        let buckets: BTreeSet<u64> = counted.iter().map(|h| h & 0xfff).collect();
        let tags: BTreeSet<u64> = counted.iter().map(|h| h >> 57).collect();
        // By chance alone 63 in 100 buckets of as many are hit.
        assert!(buckets.len() > 2_400, "{} buckets", buckets.len());
        assert_eq!(tags.len(), 128);
        assert_eq!(counted.iter().collect::<BTreeSet<_>>().len(), 4096);
    }
}
