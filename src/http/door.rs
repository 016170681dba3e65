//! How many connections the port takes, in all and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard};

/// Most at once.
#[derive(Debug, Clone, Copy)]
pub struct DoorLimits {
    /// Open connections of one address. A school behind one NAT is one address.
    pub open: u32,
    /// Those of them that have not yet shown what they are: a handshake, a first byte, a first
    /// valid check.
    pub unknown: u32,
}

impl Default for DoorLimits {
    fn default() -> Self {
        Self { open: 5_000, unknown: 512 }
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    open: u32,
    unknown: u32,
}

/// Counts by address. As large as the number of open connections, which the listener limits.
#[derive(Debug, Default)]
pub struct Door {
    limits: DoorLimits,
    counts: Mutex<HashMap<IpAddr, Count>>,
}

impl Door {
    pub fn new(limits: DoorLimits) -> Arc<Self> {
        Arc::new(Self { limits, counts: Mutex::default() })
    }

    /// A place for a connection from there, or none if it has too many.
    pub fn enter(self: &Arc<Self>, from: IpAddr) -> Option<(Place, UnknownPlace)> {
        let from = household(from);
        {
            let mut counts = self.lock();
            let count = counts.entry(from).or_default();
            if count.open >= self.limits.open || count.unknown >= self.limits.unknown {
                return None;
            }
            count.open += 1;
            count.unknown += 1;
        }
        let door = Arc::clone(self);
        Some((Place { door, from }, UnknownPlace { door: Arc::clone(self), from }))
    }

    fn leave(&self, from: IpAddr, change: impl FnOnce(&mut Count)) {
        let mut counts = self.lock();
        let Some(count) = counts.get_mut(&from) else { return };
        change(count);
        if count.open == 0 && count.unknown == 0 {
            counts.remove(&from);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Count>> {
        self.counts.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// One person has a whole IPv6 network of 64 bits.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) >> 64 << 64).into(),
        v4 => v4,
    }
}

/// Held as long as the connection is open.
#[derive(Debug)]
pub struct Place {
    door: Arc<Door>,
    from: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.door.leave(self.from, |count| count.open -= 1);
    }
}

/// Held until the connection has shown what it is.
#[derive(Debug)]
pub struct UnknownPlace {
    door: Arc<Door>,
    from: IpAddr,
}

impl Drop for UnknownPlace {
    fn drop(&mut self) {
        self.door.leave(self.from, |count| count.unknown -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_the_places_of_others() {
        let door = Door::new(DoorLimits { open: 3, unknown: 2 });
        let (here, there) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let first = door.enter(here).unwrap();
        let (place, unknown) = door.enter(here).unwrap();
        assert!(door.enter(here).is_none(), "two are unknown");
        assert!(door.enter(there).is_some());
        drop(unknown);
        let third = door.enter(here).unwrap();
        assert!(door.enter(here).is_none());
        drop((first, third));
        drop(place);
        assert!(door.lock().is_empty(), "nothing stays of those who left");
    }

    #[test]
    fn an_ipv6_network_counts_as_one() {
        let door = Door::new(DoorLimits { open: 1, unknown: 1 });
        let _held = door.enter("2001:db8:1:2::a".parse().unwrap()).unwrap();
        assert!(door.enter("2001:db8:1:2:ffff::b".parse().unwrap()).is_none());
        assert!(door.enter("2001:db8:1:3::a".parse().unwrap()).is_some());
    }
}
