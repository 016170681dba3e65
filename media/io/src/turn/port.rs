//! TURN and plain STUN on a shard's UDP port.

use std::sync::Arc;
use std::time::Instant;

use media::shard::{Datagram, Egress, Run};
use media::transport::{Remote, Via};
use media::turn::{Outcome, Server, UdpClients, is_turn};

pub(crate) struct TurnPort {
    clients: UdpClients,
    message: Vec<u8>,
    /// For clients, not yet sent.
    pub egress: Egress,
}

impl TurnPort {
    pub fn new(server: Arc<Server>, shard: usize) -> Self {
        let clients = UdpClients::new(server, shard);
        Self { clients, message: Vec::with_capacity(2_048), egress: Egress::default() }
    }

    /// Answers what is for TURN, and leaves what is for the shard at the front, in order: its own
    /// datagrams, and those relayed to it as if they came from the relayed address. Says how many.
    pub fn take(&mut self, now: Instant, batch: &mut [Datagram<'_>]) -> usize {
        let mut kept = 0;
        for at in 0..batch.len() {
            let datagram = &mut batch[at];
            if is_turn(datagram.data) && !self.relays(now, datagram) {
                continue;
            }
            batch.swap(kept, at);
            kept += 1;
        }
        kept
    }

    /// True: the datagram is now one for the shard.
    fn relays(&mut self, now: Instant, datagram: &mut Datagram<'_>) -> bool {
        let client = datagram.src.addr;
        self.message.clear();
        match self.clients.handle(now, client, datagram.data, &mut self.message) {
            Outcome::Relay { remote, data, .. } => {
                datagram.src = remote;
                datagram.data = &mut std::mem::take(&mut datagram.data)[data];
                true
            }
            Outcome::Answer { .. } => {
                self.egress.push(Remote::udp(client), &self.message);
                false
            }
            Outcome::Nothing | Outcome::Dropped => false,
        }
    }

    /// Whether a run goes to one of these clients.
    fn owns(&self, run: &Run) -> bool {
        matches!(run.dst.via, Via::Turn(_)) && self.clients.owns(run.dst)
    }

    /// Wraps what the shard sends to these clients, and takes it out of `egress`.
    pub fn wrap(&mut self, now: Instant, egress: &mut Egress) {
        if self.clients.is_empty() {
            return;
        }
        for run in &egress.runs {
            if !self.owns(run) {
                continue;
            }
            let data = &egress.bytes[run.start..run.start + run.len];
            for datagram in data.chunks(usize::from(run.segment).max(1)) {
                self.message.clear();
                let to = self.clients.to_client(now, run.dst, datagram, &mut self.message);
                if let Some(to) = to {
                    self.egress.push(Remote::udp(to), &self.message);
                }
            }
        }
        egress.runs.retain(|run| !self.owns(run));
    }

    /// When [`TurnPort::sweep`] is wanted.
    pub fn next_sweep(&self) -> Option<Instant> {
        self.clients.next_sweep()
    }

    /// Ends allocations whose time is over.
    pub fn sweep(&mut self, now: Instant) {
        self.clients.sweep(now);
    }
}
