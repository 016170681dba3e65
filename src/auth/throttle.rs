//! Failed sign-ins, counted per account and per address: guessing gets slow, people do not.
//!
//! Pure: told the time. Bounded: beyond [`MAX_KEYS`] the entry whose last failure is oldest goes.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

/// Failures of one account within [`WINDOW_US`] before it must wait (GB/T 22239 §8.1.4.1).
pub const ACCOUNT_FAILURES: usize = 5;
/// Failures from one address: a whole office may sit behind it, so more than for an account.
pub const ADDRESS_FAILURES: usize = 20;
/// 15 minutes.
pub const WINDOW_US: i64 = 15 * 60 * 1_000_000;
/// Keys remembered of each sort.
pub const MAX_KEYS: usize = 20_000;

#[derive(Default)]
pub struct Throttle {
    accounts: Window<String>,
    addresses: Window<IpAddr>,
}

impl Throttle {
    /// Counts an attempt as failed before its password is even looked at, so that attempts made
    /// at once cannot slip past the limit; a success takes it back by [`Throttle::succeeded`].
    ///
    /// # Errors
    /// Microseconds to wait, when the account or the address has failed too often.
    pub fn begin(&mut self, login: &str, address: IpAddr, now_us: i64) -> Result<(), i64> {
        let login = login.to_lowercase();
        let address = network(address);
        let wait = self.accounts.wait(&login, ACCOUNT_FAILURES, now_us).max(self.addresses.wait(
            &address,
            ADDRESS_FAILURES,
            now_us,
        ));
        if wait > 0 {
            return Err(wait);
        }
        self.accounts.add(login, ACCOUNT_FAILURES, now_us);
        self.addresses.add(address, ADDRESS_FAILURES, now_us);
        Ok(())
    }

    /// The attempt begun at `begun_us` was right: the account starts anew, and the address loses
    /// only this one mark, or one known password would buy endless guesses at others.
    pub fn succeeded(&mut self, login: &str, address: IpAddr, begun_us: i64) {
        self.accounts.failures.remove(&login.to_lowercase());
        self.addresses.take_back(&network(address), begun_us);
    }
}

/// One subscriber of IPv6 has a /64, not an address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let s = v6.segments();
            IpAddr::V6(Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

struct Window<K> {
    /// Times of the last failures, oldest first; never empty, never longer than the limit.
    failures: HashMap<K, VecDeque<i64>>,
}

impl<K> Default for Window<K> {
    fn default() -> Self {
        Self { failures: HashMap::new() }
    }
}

impl<K: Hash + Eq + Clone> Window<K> {
    fn wait(&self, key: &K, limit: usize, now_us: i64) -> i64 {
        match self.failures.get(key) {
            Some(times) if times.len() >= limit => {
                times.front().map_or(0, |oldest| (oldest + WINDOW_US - now_us).max(0))
            }
            _ => 0,
        }
    }

    fn add(&mut self, key: K, limit: usize, now_us: i64) {
        if self.failures.len() >= MAX_KEYS && !self.failures.contains_key(&key) {
            self.make_room(now_us);
        }
        let times = self.failures.entry(key).or_default();
        times.push_back(now_us);
        while times.len() > limit || times.front().is_some_and(|t| t + WINDOW_US <= now_us) {
            times.pop_front();
        }
    }

    fn take_back(&mut self, key: &K, at_us: i64) {
        if let Some(times) = self.failures.get_mut(key) {
            if let Some(index) = times.iter().rposition(|t| *t == at_us) {
                times.remove(index);
            }
            if times.is_empty() {
                self.failures.remove(key);
            }
        }
    }

    fn make_room(&mut self, now_us: i64) {
        let last = |times: &VecDeque<i64>| times.back().copied().unwrap_or(i64::MIN);
        self.failures.retain(|_, times| last(times) + WINDOW_US > now_us);
        if self.failures.len() >= MAX_KEYS {
            let oldest = self.failures.iter().min_by_key(|(_, t)| last(t)).map(|(k, _)| k.clone());
            if let Some(key) = oldest {
                self.failures.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn address(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    #[test]
    fn the_sixth_attempt_waits_until_the_first_is_fifteen_minutes_old() {
        let mut throttle = Throttle::default();
        for i in 0..5 {
            assert_eq!(throttle.begin("zhang", address(i), i64::from(i) * SECOND), Ok(()));
        }
        assert_eq!(throttle.begin("ZHANG", address(9), 5 * SECOND), Err(WINDOW_US - 5 * SECOND));
        assert_eq!(throttle.begin("li", address(9), 5 * SECOND), Ok(()));
        assert_eq!(throttle.begin("zhang", address(9), WINDOW_US), Ok(()));
        assert_eq!(throttle.begin("zhang", address(9), WINDOW_US), Err(SECOND));
    }

    #[test]
    fn a_success_clears_the_account_but_not_the_address() {
        let mut throttle = Throttle::default();
        let from = address(1);
        for i in 0..(ADDRESS_FAILURES as i64 - 1) {
            assert_eq!(throttle.begin(&format!("u{i}"), from, i), Ok(()));
        }
        assert_eq!(throttle.begin("mine", from, 100), Ok(()));
        throttle.succeeded("mine", from, 100);
        assert_eq!(throttle.begin("other", from, 101), Ok(()));
        assert!(throttle.begin("another", from, 102).is_err());
        assert!(throttle.begin("mine", from, 102).is_err());
        assert_eq!(throttle.begin("mine", address(2), 102), Ok(()));
    }

    #[test]
    fn one_ipv6_network_is_one_address() {
        let mut throttle = Throttle::default();
        for i in 0..ADDRESS_FAILURES {
            let from: IpAddr = format!("2001:db8::{i:x}").parse().unwrap();
            assert_eq!(throttle.begin(&format!("u{i}"), from, 0), Ok(()));
        }
        assert!(throttle.begin("x", "2001:db8::ffff".parse().unwrap(), 0).is_err());
        assert_eq!(throttle.begin("x", "2001:db8:0:1::1".parse().unwrap(), 0), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let mut throttle = Throttle::default();
        for i in 0..(MAX_KEYS as i64 + 50) {
            let from = IpAddr::from((i as u32).to_be_bytes());
            assert_eq!(throttle.begin(&format!("u{i}"), from, i), Ok(()));
        }
        assert_eq!(throttle.accounts.failures.len(), MAX_KEYS);
        assert!(!throttle.accounts.failures.contains_key("u0"));
    }
}
