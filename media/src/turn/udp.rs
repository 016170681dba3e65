//! The clients of TURN on one UDP port.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::association::{Association, Transport};
use super::rate::Damper;
use super::relay::Outcome;
use super::server::{Server, of_way};
use crate::transport::Remote;

/// Allocations whose time is over are looked for so often.
const SWEEP: Duration = Duration::from_secs(5);

/// Associations by address: only those that hold an allocation, so that who has proven nothing
/// leaves no state.
pub struct UdpClients {
    server: Arc<Server>,
    /// The shard whose port it is: what is sent to its addresses stays on its thread.
    shard: usize,
    /// With the serial number of the allocation.
    clients: HashMap<SocketAddr, (u32, Association)>,
    by_serial: HashMap<u32, SocketAddr>,
    damper: Damper,
    next_sweep: Option<Instant>,
}

impl UdpClients {
    pub fn new(server: Arc<Server>, shard: usize) -> Self {
        let damper = Damper::new(server.limits.unproven_answers_per_s);
        let (clients, by_serial) = (HashMap::new(), HashMap::new());
        Self { server, shard, clients, by_serial, damper, next_sweep: None }
    }

    /// Takes a datagram that [`super::is_turn`]. What is for the client is appended to `out`.
    /// What is for another shard is dropped: the way to that is its own port.
    pub fn handle(
        &mut self,
        now: Instant,
        client: SocketAddr,
        datagram: &[u8],
        out: &mut Vec<u8>,
    ) -> Outcome {
        let server = Arc::clone(&self.server);
        let before = out.len();
        let outcome = match self.clients.get_mut(&client) {
            Some((_, known)) => {
                let outcome = known.handle(&server, now, datagram, out);
                if !known.is_live(now) {
                    self.forget(client);
                }
                outcome
            }
            None => {
                let mut fresh = Association::new(client, Transport::Udp);
                let outcome = fresh.handle(&server, now, datagram, out);
                if let Some(allocation) = &fresh.allocation {
                    let serial = allocation.ticket.serial;
                    self.by_serial.insert(serial, client);
                    self.clients.insert(client, (serial, fresh));
                    self.next_sweep.get_or_insert(now + SWEEP);
                }
                outcome
            }
        };
        match outcome {
            Outcome::Answer { proven: false } if !self.damper.pass(server.ns(now), client.ip()) => {
                out.truncate(before);
                server.count(|counters| &counters.drop_damped);
                Outcome::Dropped
            }
            Outcome::Relay { shard, .. } if shard != self.shard => {
                server.count(|counters| &counters.drop_forbidden);
                Outcome::Dropped
            }
            other => other,
        }
    }

    /// Whether `remote` is the relayed address of one of these clients.
    pub fn owns(&self, remote: Remote) -> bool {
        of_way(remote).is_some_and(|(serial, _)| self.by_serial.contains_key(&serial))
    }

    /// Wraps a datagram of the shard at the end of `out`; says to whom it goes.
    pub fn to_client(
        &mut self,
        now: Instant,
        remote: Remote,
        datagram: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<SocketAddr> {
        let found = of_way(remote)
            .and_then(|(serial, _)| self.by_serial.get(&serial))
            .and_then(|address| self.clients.get_mut(address));
        let Some((_, client)) = found else {
            self.server.count(|counters| &counters.drop_ended);
            return None;
        };
        let sent = client.to_client(&self.server, now, remote, datagram, out);
        sent.then_some(client.client)
    }

    /// When [`UdpClients::sweep`] is wanted.
    pub fn next_sweep(&self) -> Option<Instant> {
        self.next_sweep
    }

    pub fn sweep(&mut self, now: Instant) {
        if self.next_sweep.is_none_or(|at| at > now) {
            return;
        }
        let over = |(address, (_, client)): (&SocketAddr, &(u32, Association))| {
            (!client.is_live(now)).then_some(*address)
        };
        let ended: Vec<SocketAddr> = self.clients.iter().filter_map(over).collect();
        for address in ended {
            self.forget(address);
        }
        self.next_sweep = (!self.clients.is_empty()).then_some(now + SWEEP);
    }

    /// How many clients hold an allocation, and how many numbers are known of them.
    pub fn len(&self) -> usize {
        debug_assert_eq!(self.clients.len(), self.by_serial.len());
        self.clients.len()
    }

    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Permissions and channels that each holds.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.clients.values().filter_map(|(_, client)| Some(client.allocation.as_ref()?.sizes()))
    }

    fn forget(&mut self, address: SocketAddr) {
        let Some((serial, mut client)) = self.clients.remove(&address) else { return };
        self.by_serial.remove(&serial);
        client.close(&self.server);
    }
}
