//! How many allocations there may be, of all, of one user and of one source address.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use super::rate::network;

/// The first port of relayed transport addresses; there are 16,384 up to the last.
const FIRST_PORT: u16 = 49_152;
const MAX_ALLOCATIONS: usize = 16_384;

/// What TURN takes on; what is beyond is refused or dropped with a counter.
#[derive(Debug, Clone)]
pub struct Limits {
    /// At most 16,384.
    pub allocations: usize,
    /// Browsers make one for each network interface, way and address family.
    pub allocations_per_user: u32,
    /// Of an IPv4 address or an IPv6 network of /64: a whole office may be behind one.
    pub allocations_per_address: u32,
    pub permissions: usize,
    pub channels: usize,
    /// Bytes of data a second, both ways together.
    pub bytes_per_s: u64,
    /// The same of all allocations together.
    pub total_bytes_per_s: u64,
    /// Answers a second to one address over UDP before it has proven a password.
    pub unproven_answers_per_s: u32,
    pub nonce_s: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            allocations: 4_096,
            allocations_per_user: 32,
            allocations_per_address: 1_024,
            permissions: 32,
            channels: 32,
            bytes_per_s: 4 << 20,
            total_bytes_per_s: 128 << 20,
            unproven_answers_per_s: 50,
            nonce_s: 600,
        }
    }
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// 486
    Quota,
    /// 508
    Capacity,
}

#[derive(Default)]
struct Places {
    users: HashMap<String, u32>,
    addresses: HashMap<IpAddr, u32>,
    /// Ports not in use, the one used longest ago first.
    ports: VecDeque<u16>,
    used: usize,
    last: u32,
}

/// Shared by all threads. Its lock is taken when an allocation begins and ends, for no packet.
pub(super) struct Quota {
    places: Arc<Mutex<Places>>,
    allocations: usize,
    per_user: u32,
    per_address: u32,
}

/// The place of one allocation, given back when it is dropped.
pub(super) struct Ticket {
    places: Arc<Mutex<Places>>,
    user: String,
    address: IpAddr,
    /// Port of its relayed transport address.
    pub port: u16,
    /// 24 bits, not used again for a long time.
    pub serial: u32,
}

impl Quota {
    pub fn new(limits: &Limits) -> Self {
        let allocations = limits.allocations.min(MAX_ALLOCATIONS);
        let ports = (0..allocations).map(|place| FIRST_PORT + place as u16).collect();
        Self {
            places: Arc::new(Mutex::new(Places { ports, ..Places::default() })),
            allocations,
            per_user: limits.allocations_per_user,
            per_address: limits.allocations_per_address,
        }
    }

    /// `even`: with an even port.
    pub fn take(&self, user: &str, address: IpAddr, even: bool) -> Result<Ticket, Full> {
        let address = network(address);
        let mut places = lock(&self.places);
        let of_user = places.users.get(user).copied().unwrap_or(0);
        let of_address = places.addresses.get(&address).copied().unwrap_or(0);
        if of_user >= self.per_user || of_address >= self.per_address {
            return Err(Full::Quota);
        }
        if places.used >= self.allocations {
            return Err(Full::Capacity);
        }
        let place = places.ports.iter().position(|port| !even || port % 2 == 0);
        let port = place.and_then(|at| places.ports.remove(at)).ok_or(Full::Capacity)?;
        places.used += 1;
        places.last = (places.last + 1) & 0x00ff_ffff;
        let serial = places.last;
        places.users.insert(user.to_owned(), of_user + 1);
        places.addresses.insert(address, of_address + 1);
        Ok(Ticket {
            places: Arc::clone(&self.places),
            user: user.to_owned(),
            address,
            port,
            serial,
        })
    }

    /// Allocations that there are.
    pub fn used(&self) -> usize {
        lock(&self.places).used
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut places = lock(&self.places);
        places.used -= 1;
        places.ports.push_back(self.port);
        let places = &mut *places;
        give_back(&mut places.users, &self.user);
        give_back(&mut places.addresses, &self.address);
    }
}

fn give_back<K, Q>(counts: &mut HashMap<K, u32>, key: &Q)
where
    K: std::borrow::Borrow<Q> + Eq + std::hash::Hash,
    Q: Eq + std::hash::Hash + ?Sized,
{
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

fn lock(places: &Mutex<Places>) -> MutexGuard<'_, Places> {
    places.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(allocations: usize, per_user: u32, per_address: u32) -> Quota {
        let limits = Limits {
            allocations,
            allocations_per_user: per_user,
            allocations_per_address: per_address,
            ..Limits::default()
        };
        Quota::new(&limits)
    }

    fn ip(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn each_quota_holds_and_is_given_back() {
        let quota = quota(4, 2, 3);
        let mut held =
            vec![quota.take("a", ip(1), false).unwrap(), quota.take("a", ip(1), false).unwrap()];
        assert_eq!(quota.take("a", ip(2), false).err(), Some(Full::Quota), "of the user");
        held.push(quota.take("b", ip(1), false).unwrap());
        assert_eq!(quota.take("c", ip(1), false).err(), Some(Full::Quota), "of the address");
        held.push(quota.take("c", ip(2), false).unwrap());
        assert_eq!(quota.take("d", ip(3), false).err(), Some(Full::Capacity));
        let ports: std::collections::BTreeSet<_> = held.iter().map(|ticket| ticket.port).collect();
        let serials: std::collections::BTreeSet<_> = held.iter().map(|t| t.serial).collect();
        assert_eq!((ports.len(), serials.len()), (4, 4));
        drop(held);
        let even = [quota.take("a", ip(1), true).unwrap(), quota.take("b", ip(1), true).unwrap()];
        assert!(even.iter().all(|ticket| ticket.port % 2 == 0));
        assert_eq!(quota.take("c", ip(2), true).err(), Some(Full::Capacity), "none is left");
        drop(even);
        assert_eq!(quota.used(), 0);
        let places = lock(&quota.places);
        assert!(places.users.is_empty() && places.addresses.is_empty());
        assert_eq!(places.ports.len(), 4);
    }
}
