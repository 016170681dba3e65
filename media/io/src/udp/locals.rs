//! By which of the host's addresses a peer reaches us: answers leave by the same one. A client that
//! only takes what comes from where it asked, and every NAT on the way, would not see them otherwise.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

/// Peers remembered that use another address than most. When it is full all are forgotten, and
/// learned again from the next packet of each.
const REMOTES: usize = 8_192;

/// Of a socket that is bound to all addresses.
pub(crate) struct Locals {
    /// The address that was asked first, of IPv4 and of IPv6: on most hosts all use it.
    usual: [Option<IpAddr>; 2],
    others: HashMap<SocketAddr, IpAddr>,
}

impl Default for Locals {
    fn default() -> Locals {
        // Twice the room, all of it now: the packet path allocates nothing, and where entries come
        // and go the table is swept in place. Memory that was never written costs nothing.
        Locals { usual: [None; 2], others: HashMap::with_capacity(2 * REMOTES) }
    }
}

impl Locals {
    /// A datagram from `remote` was sent to `local`.
    #[inline]
    pub fn note(&mut self, remote: SocketAddr, local: IpAddr) {
        let usual = match local.is_loopback() {
            // The machine's own programs say nothing of others; the first loopback address is what
            // the system chooses for them.
            true => local == IpAddr::from([127, 0, 0, 1]) || local.is_ipv6(),
            false => *self.usual[usize::from(local.is_ipv6())].get_or_insert(local) == local,
        };
        if usual {
            if !self.others.is_empty() {
                self.others.remove(&remote);
            }
            return;
        }
        if self.others.len() >= REMOTES && !self.others.contains_key(&remote) {
            self.others.clear();
        }
        self.others.insert(remote, local);
    }

    /// From which address `remote` expects to be answered; `None`: the system may choose.
    #[inline]
    pub fn of(&self, remote: SocketAddr) -> Option<IpAddr> {
        let other = if self.others.is_empty() { None } else { self.others.get(&remote).copied() };
        let usual = || self.usual[usize::from(remote.is_ipv6())];
        other.or_else(|| if remote.ip().is_loopback() { None } else { usual() })
    }

    /// The host does not have this address any more.
    pub fn forget(&mut self, gone: IpAddr) {
        self.usual.iter_mut().filter(|usual| **usual == Some(gone)).for_each(|usual| *usual = None);
        self.others.retain(|_, local| *local != gone);
    }
}

/// An address that can be named as the source of an answer: one host's own, and the same on all links.
pub(crate) fn nameable(local: IpAddr) -> bool {
    let link = matches!(local, IpAddr::V6(v6) if v6.segments()[0] & 0xffc0 == 0xfe80);
    !(local.is_unspecified() || local.is_multicast() || link)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    fn remote(n: u16) -> SocketAddr {
        SocketAddr::from(([198, 51, 100, 1], n))
    }

    #[test]
    fn each_peer_is_answered_from_where_it_asked_and_the_rest_from_where_most_ask() {
        let mut locals = Locals::default();
        assert_eq!(locals.of(remote(1)), None);
        locals.note(remote(1), ip(1));
        locals.note(remote(2), ip(2));
        assert_eq!(
            [1, 2, 3].map(|n| locals.of(remote(n))),
            [Some(ip(1)), Some(ip(2)), Some(ip(1))]
        );
        locals.note(remote(2), ip(1));
        assert_eq!(locals.of(remote(2)), Some(ip(1)));
        assert_eq!(locals.of("[2001:db8::1]:1".parse().unwrap()), None);
        locals.forget(ip(1));
        assert_eq!(locals.of(remote(1)), None);
    }

    #[test]
    fn a_flood_of_remotes_holds_no_memory() {
        let mut locals = Locals::default();
        let room = locals.others.capacity();
        locals.note(remote(0), ip(1));
        for n in 0..100_000u32 {
            locals.note(SocketAddr::from((n.to_be_bytes(), 1)), ip(2));
            // Most go back to the usual address, which leaves gaps behind.
            if n % 16 != 0 {
                locals.note(SocketAddr::from(((n / 2).to_be_bytes(), 1)), ip(1));
            }
            assert!(locals.others.len() <= REMOTES);
        }
        locals.others.clear();
        assert_eq!(locals.others.capacity(), room, "it grew");
    }
}
