//! Rates in bytes a second and answers a second (the generic cell rate algorithm), without queues:
//! what is over the rate is dropped.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How far ahead of its rate a sender may run: a key frame comes at once.
const BURST_NS: u64 = 500_000_000;

/// Bytes a second with [`BURST_NS`].
#[derive(Debug, Clone, Copy)]
struct Pace {
    bytes_per_s: u64,
}

impl Pace {
    /// The next state, if `bytes` may pass at `now_ns`.
    fn pass(self, ahead: u64, now_ns: u64, bytes: usize) -> Option<u64> {
        let cost = (bytes as u64).saturating_mul(1_000_000_000) / self.bytes_per_s.max(1);
        let next = ahead.max(now_ns).saturating_add(cost);
        (next <= now_ns.saturating_add(BURST_NS)).then_some(next)
    }
}

/// Of one allocation.
#[derive(Debug, Clone)]
pub(super) struct Rate {
    pace: Pace,
    ahead: u64,
}

impl Rate {
    pub fn new(bytes_per_s: u64) -> Self {
        Self { pace: Pace { bytes_per_s }, ahead: 0 }
    }

    pub fn pass(&mut self, now_ns: u64, bytes: usize) -> bool {
        let next = self.pace.pass(self.ahead, now_ns, bytes);
        self.ahead = next.unwrap_or(self.ahead);
        next.is_some()
    }
}

/// Of all allocations, whatever thread they are on.
#[derive(Debug)]
pub(super) struct SharedRate {
    pace: Pace,
    ahead: AtomicU64,
}

impl SharedRate {
    pub fn new(bytes_per_s: u64) -> Self {
        Self { pace: Pace { bytes_per_s }, ahead: AtomicU64::new(0) }
    }

    pub fn pass(&self, now_ns: u64, bytes: usize) -> bool {
        self.ahead
            .fetch_update(Relaxed, Relaxed, |ahead| self.pace.pass(ahead, now_ns, bytes))
            .is_ok()
    }
}

/// Places of [`Damper`]; addresses that fall on one place share it.
const PLACES: usize = 1_024;

/// Bounds the answers to an address that nobody has proven to be its own, so that we are no
/// mirror for forged requests. Its size does not depend on how many addresses there are.
pub(super) struct Damper {
    gap_ns: u64,
    burst_ns: u64,
    ahead: Box<[u64]>,
    hasher: RandomState,
}

impl Damper {
    /// `per_s` answers a second to one address, and as many at once.
    pub fn new(per_s: u32) -> Self {
        let gap_ns = 1_000_000_000 / u64::from(per_s.max(1));
        Self {
            gap_ns,
            burst_ns: 1_000_000_000,
            ahead: vec![0; PLACES].into(),
            hasher: RandomState::new(),
        }
    }

    pub fn pass(&mut self, now_ns: u64, address: IpAddr) -> bool {
        let place = self.hasher.hash_one(network(address)) as usize % PLACES;
        let next = self.ahead[place].max(now_ns) + self.gap_ns;
        if next > now_ns + self.burst_ns {
            return false;
        }
        self.ahead[place] = next;
        true
    }
}

/// What counts as one source: an IPv4 address, or an IPv6 subscriber's network of /64.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => {
                let mut octets = v6.octets();
                octets[8..].fill(0);
                octets.into()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn a_rate_holds_over_time_and_takes_a_burst() {
        let mut rate = Rate::new(100_000);
        let passed = (0..10_000u64).filter(|ms| rate.pass(ms * S / 1_000, 1_000)).count();
        // Ten seconds, and half a second's burst.
        assert!((1_040..=1_051).contains(&passed), "{passed}");
        let shared = SharedRate::new(100_000);
        let passed = (0..10_000u64).filter(|ms| shared.pass(ms * S / 1_000, 1_000)).count();
        assert!((1_040..=1_051).contains(&passed), "{passed}");
        assert!(!Rate::new(0).pass(0, 1_000));
        assert!(!Rate::new(1_000).pass(5, usize::MAX), "no overflow");
    }

    #[test]
    fn one_address_is_damped_and_another_is_not() {
        let mut damper = Damper::new(50);
        let loud = IpAddr::from([192, 0, 2, 1]);
        let answered = (0..20_000).filter(|i| damper.pass(i * S / 20_000, loud)).count();
        assert!((99..=101).contains(&answered), "{answered} in one second with the burst");
        let others = (0..200u8).filter(|i| damper.pass(S, [198, 51, 100, *i].into())).count();
        assert!(others >= 190, "{others} of 200: few share the loud one's place");
        assert!(damper.pass(3 * S, loud), "after a rest it is answered again");
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
