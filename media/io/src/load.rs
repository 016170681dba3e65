//! How much a shard's thread has to do: the time in which it did not wait, and what the kernel had
//! to drop meanwhile.

use std::mem::size_of;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use media::shard::Load;

/// Places of `SO_MEMINFO` (linux/sock_diag.h), and that of the drops.
const MEMINFO: usize = 9;
const DROPS: usize = 8;

/// Since the last look.
pub(crate) struct LoadWatch {
    since: Instant,
    waited: Duration,
    drops: Option<u32>,
}

impl LoadWatch {
    pub fn new(now: Instant) -> Self {
        Self { since: now, waited: Duration::ZERO, drops: None }
    }

    /// The thread waited from `begun` to `ended`.
    pub fn waited(&mut self, begun: Instant, ended: Instant) {
        self.waited += ended.saturating_duration_since(begun);
    }

    /// What it was since the last call.
    pub fn load(&mut self, now: Instant, socket: &UdpSocket) -> Load {
        let whole = now.saturating_duration_since(self.since).as_micros().max(1);
        let busy = whole.saturating_sub(self.waited.as_micros()) * 1_000 / whole;
        let drops = dropped(socket);
        let missed = match (self.drops, drops) {
            (Some(before), Some(now)) => now.wrapping_sub(before),
            _ => 0,
        };
        *self = Self { since: now, waited: Duration::ZERO, drops: drops.or(self.drops) };
        Load { busy_permille: busy.min(1_000) as u16, missed: missed.into() }
    }
}

/// Datagrams that the kernel has dropped at this socket; None where it does not say (Linux < 4.12).
fn dropped(socket: &UdpSocket) -> Option<u32> {
    let mut info = [0u32; MEMINFO];
    let mut length = size_of::<[u32; MEMINFO]>() as libc::socklen_t;
    // SAFETY: a writable buffer of `length` bytes and an open descriptor.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            info.as_mut_ptr().cast(),
            &mut length,
        )
    };
    (result == 0 && length as usize >= size_of::<[u32; MEMINFO]>()).then_some(info[DROPS])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_fetches_is_missed_and_waiting_is_not_being_busy() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let begun = Instant::now();
        let mut watch = LoadWatch::new(begun);
        let at = |ms| begun + Duration::from_millis(ms);
        watch.waited(begun, at(75));
        assert_eq!(watch.load(at(100), &socket), Load { busy_permille: 250, missed: 0 });
        for _ in 0..20_000 {
            sender.send_to(&[0; 1_200], socket.local_addr().unwrap()).unwrap();
        }
        let load = watch.load(at(200), &socket);
        assert_eq!(load.busy_permille, 1_000);
        assert!(load.missed > 0 && load.missed < 20_000, "{load:?}");
    }
}
