//! The machine's own name and addresses: what the certificate is made for.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses of all interfaces that are up, loopback included, IPv6 link-local excluded (it needs
/// a scope and no certificate can name one). Sorted; loopback alone if the system will not say.
pub fn interface_addresses() -> Vec<IpAddr> {
    let mut found: BTreeSet<IpAddr> = listed();
    found.insert(Ipv4Addr::LOCALHOST.into());
    found.insert(Ipv6Addr::LOCALHOST.into());
    found.into_iter().collect()
}

/// The host name, if it can stand in a certificate.
pub fn machine_name() -> Option<String> {
    let mut buffer = [0u8; 256];
    // SAFETY: the buffer is writable for the length given; the last byte stays zero.
    let result = unsafe { libc::gethostname(buffer.as_mut_ptr().cast(), buffer.len() - 1) };
    if result != 0 {
        return None;
    }
    let name = buffer.split(|b| *b == 0).next().unwrap_or_default();
    let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    let valid = !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    valid.then_some(name)
}

fn listed() -> BTreeSet<IpAddr> {
    let mut found = BTreeSet::new();
    let mut head: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: `head` is a valid place for the list's pointer.
    if unsafe { libc::getifaddrs(&mut head) } != 0 {
        return found;
    }
    let mut next = head;
    while !next.is_null() {
        // SAFETY: the system's list is valid until `freeifaddrs`.
        let entry = unsafe { &*next };
        next = entry.ifa_next;
        let up = entry.ifa_flags & (libc::IFF_UP as libc::c_uint) != 0;
        if !up || entry.ifa_addr.is_null() {
            continue;
        }
        // SAFETY: `ifa_addr` is not null, and its family says how long it is.
        let address = unsafe { read_address(entry.ifa_addr) };
        found.extend(address.filter(|a| match a {
            IpAddr::V4(v4) => !v4.is_unspecified(),
            IpAddr::V6(v6) => !v6.is_unicast_link_local() && !v6.is_unspecified(),
        }));
    }
    // SAFETY: `head` came from `getifaddrs` and is freed once.
    unsafe { libc::freeifaddrs(head) };
    found
}

/// # Safety
/// `address` points to a `sockaddr` as long as its family says.
unsafe fn read_address(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: promised by the caller; read unaligned, because a `sockaddr` promises less.
    unsafe {
        match i32::from((*address).sa_family) {
            libc::AF_INET => {
                let v4 = address.cast::<libc::sockaddr_in>().read_unaligned();
                Some(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)).into())
            }
            libc::AF_INET6 => {
                let v6 = address.cast::<libc::sockaddr_in6>().read_unaligned();
                Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_always_among_the_addresses() {
        let found = interface_addresses();
        assert!(found.contains(&IpAddr::from([127, 0, 0, 1])));
        assert!(found.iter().all(|a| !matches!(a, IpAddr::V6(v6) if v6.is_unicast_link_local())));
    }
}
