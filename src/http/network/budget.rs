//! Tokens per address: lively testing by a whole branch behind one router fits, a flood does not.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use signaling::rate::Bucket;

/// One test costs some 20 tokens: six people of one house can test at once, then one every 5 s.
const BURST: u32 = 120;
const PER_SECOND: u32 = 4;
/// Addresses remembered. When it is full all are forgotten, which costs an attacker with so many
/// addresses little, and the server no memory.
const ADDRESSES: usize = 4_096;

#[derive(Default)]
pub struct Budget {
    buckets: Mutex<HashMap<Option<IpAddr>, Bucket>>,
}

impl Budget {
    /// Takes `cost` tokens, or says in how many milliseconds there may be enough.
    pub fn take(&self, address: Option<IpAddr>, cost: u32, now_us: u64) -> Result<(), u32> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let key = address.map(network);
        if buckets.len() >= ADDRESSES && !buckets.contains_key(&key) {
            buckets.clear();
        }
        let bucket = buckets.entry(key).or_insert_with(|| Bucket::new(BURST, PER_SECOND, now_us));
        (0..cost).try_for_each(|_| bucket.take(now_us))
    }
}

/// A household of IPv6 has a /64, not an address.
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let kept = u128::from(v6) & !u128::from(u64::MAX);
            IpAddr::V6(kept.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));

    #[test]
    fn a_flood_is_told_to_wait_and_others_are_not() {
        let budget = Budget::default();
        let taken = (0..1_000).filter(|_| budget.take(A, 2, 0).is_ok()).count();
        assert_eq!(taken, BURST as usize / 2);
        let wait_ms = budget.take(A, 2, 0).unwrap_err();
        assert!((1..=1_000).contains(&wait_ms));
        assert!(budget.take(None, 2, 0).is_ok());
        assert!(budget.take(A, 2, 1_000_000).is_ok(), "it fills again");
    }

    #[test]
    fn addresses_of_one_household_share_and_memory_is_bounded() {
        let budget = Budget::default();
        let v6 = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        for _ in 0..BURST {
            budget.take(v6("2001:db8::1"), 1, 0).unwrap();
        }
        assert!(budget.take(v6("2001:db8::ffff:2"), 1, 0).is_err());
        assert!(budget.take(v6("2001:db8:0:1::2"), 1, 0).is_ok());
        for n in 0..10_000u32 {
            let _ = budget.take(Some(IpAddr::V4(n.into())), 1, 0);
        }
        assert!(budget.buckets.lock().unwrap().len() <= ADDRESSES);
    }
}
