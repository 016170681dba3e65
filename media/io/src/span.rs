//! Rooms that are too big for one core: on which shard a peer is, and what the shards of a room
//! hand each other.
//!
//! A room is at home on one shard, chosen by its id: publishers, capture and everybody else are
//! there. From [`MediaConfig::span`](crate::MediaConfig::span) peers on, new ones who publish
//! nothing are put on the shard of the room that has the fewest, home included. A peer stays
//! where it is for as long as it is there, also when it begins to publish.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use media::api::{Event, PeerId};
use media::relay::Batch;
use media::shard::{Egress, Shard, TapSink};
use tokio::sync::mpsc;

use crate::stats::{SharedIo, add};
use crate::wake::Waker;

/// Batches on their way between two shards: a few milliseconds of a busy one. Beyond that packets
/// are left out and counted; words wait.
const RING: usize = 64;

/// Who is on which shard of a room. Shared by the handle, which adds, and the shards, which take
/// away; never touched while a packet waits.
#[derive(Debug, Default)]
pub(crate) struct Members(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    peers: HashMap<PeerId, usize>,
    /// Shards that the room is on, a bit each.
    shards: u64,
    failed: bool,
}

impl Members {
    pub fn at_home(home: usize) -> Self {
        Self(Mutex::new(Places { shards: 1 << home, ..Places::default() }))
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Where a peer is or, if it is nowhere yet, where it is put.
    pub fn place(
        &self,
        peer: PeerId,
        home: usize,
        count: usize,
        span: usize,
        publishes: bool,
    ) -> usize {
        let mut places = self.places();
        if let Some(at) = places.peers.get(&peer) {
            return *at;
        }
        let mut on = vec![0_usize; count];
        for at in places.peers.values() {
            on[*at] += 1;
        }
        let fewest = (0..count).min_by_key(|at| (on[*at], *at != home)).unwrap_or(home);
        let at = if publishes || on[home] < span { home } else { fewest };
        places.peers.insert(peer, at);
        at
    }

    pub fn find(&self, peer: PeerId) -> Option<usize> {
        self.places().peers.get(&peer).copied()
    }

    /// The peer is gone from `shard`, or was never taken there.
    pub fn remove(&self, peer: PeerId, shard: usize) {
        let mut places = self.places();
        if places.peers.get(&peer) == Some(&shard) {
            places.peers.remove(&peer);
        }
    }

    pub fn shards(&self) -> u64 {
        self.places().shards
    }

    /// Notes that the room is on `shard`; gives the shards that it was on before.
    pub fn spread(&self, shard: usize) -> u64 {
        let mut places = self.places();
        let before = places.shards;
        places.shards |= 1 << shard;
        before
    }

    /// A shard lost its part of the room.
    pub fn fail(&self) {
        self.places().failed = true;
    }

    pub fn has_failed(&self) -> bool {
        self.places().failed
    }
}

/// The numbers of the shards in `bits`.
pub(crate) fn each(bits: u64) -> impl Iterator<Item = usize> {
    (0..64).filter(move |shard| bits >> shard & 1 != 0)
}

/// A room that the handle has opened.
#[derive(Clone)]
pub(crate) struct OpenRoom {
    pub members: Arc<Members>,
    /// The shards alone keep the channel open.
    pub events: mpsc::WeakSender<Event>,
}

/// One direction between two shards, this end.
struct Out {
    empty: Receiver<Batch>,
    full: SyncSender<Batch>,
    waker: Waker,
}

/// One direction between two shards, that end.
struct In {
    full: Receiver<Batch>,
    empty: SyncSender<Batch>,
}

/// A shard's ends of all rings, by number of the other shard.
#[derive(Default)]
pub(crate) struct Rings {
    out: Vec<Option<Out>>,
    input: Vec<Option<In>>,
}

/// Rings between all shards; `wakers` are theirs. Nothing is allocated for batches before they are
/// used.
pub(crate) fn rings(wakers: &[Waker]) -> Vec<Rings> {
    let count = wakers.len();
    let mut all: Vec<Rings> = Vec::new();
    all.resize_with(count, Rings::default);
    for rings in &mut all {
        rings.out.resize_with(count, || None);
        rings.input.resize_with(count, || None);
    }
    for from in 0..count {
        for to in (0..count).filter(|to| *to != from) {
            let (full, filled) = sync_channel(RING);
            let (give_back, empty) = sync_channel(RING);
            for _ in 0..RING {
                let _ = give_back.try_send(Batch::default());
            }
            all[from].out[to] = Some(Out { empty, full, waker: wakers[to].clone() });
            all[to].input[from] = Some(In { full: filled, empty: give_back });
        }
    }
    all
}

impl Rings {
    /// Hands over what waits in the core for other shards.
    pub fn carry(&mut self, core: &mut Shard, io: &SharedIo) {
        for (to, out) in self.out.iter_mut().enumerate() {
            let Some(out) = out else { continue };
            let Some(waiting) = core.relay_out(to as u8) else { continue };
            match out.empty.try_recv() {
                Ok(mut batch) => {
                    std::mem::swap(waiting, &mut batch);
                    add(&io.relay_packets_out, batch.packets() as u64);
                    // There is a place for each batch that exists; a shard that has ended needs
                    // nothing.
                    if out.full.try_send(batch).is_ok() {
                        out.waker.wake();
                    }
                }
                Err(TryRecvError::Disconnected) => waiting.clear(),
                Err(TryRecvError::Empty) => {
                    add(&io.relay_dropped, waiting.shed() as u64);
                    if waiting.is_stuck() {
                        tracing::error!(to, "a media shard does not take what others have for it");
                        waiting.clear();
                    }
                }
            }
        }
    }

    /// Lets the core take what other shards have for it, at most what the rings hold; `after` each
    /// batch its output is sent.
    pub fn take(
        &mut self,
        core: &mut Shard,
        egress: &mut Egress,
        tap: &mut dyn TapSink,
        io: &SharedIo,
        mut after: impl FnMut(&mut Egress),
    ) {
        for (from, input) in self.input.iter_mut().enumerate() {
            let Some(input) = input else { continue };
            for _ in 0..RING {
                let Ok(mut batch) = input.full.try_recv() else { break };
                add(&io.relay_packets_in, batch.packets() as u64);
                core.handle_relay(Instant::now(), from as u8, &mut batch, egress, tap);
                batch.clear();
                let _ = input.empty.try_send(batch);
                after(egress);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: usize = 1;

    #[test]
    fn a_room_stays_at_home_until_it_is_large() {
        let members = Members::at_home(HOME);
        let place = |n: u128, publishes| members.place(PeerId(n), HOME, 2, 3, publishes);
        assert_eq!([1, 2, 3].map(|n| place(n, false)), [HOME; 3]);
        assert_eq!(place(4, false), 0, "the fourth viewer");
        assert_eq!(place(5, true), HOME, "who publishes is at home");
        assert_eq!([6, 7, 8].map(|n| place(n, false)), [0, 0, 0], "until they are level");
        assert_eq!(place(9, false), HOME);
        assert_eq!(place(4, true), 0, "who is somewhere stays there");
    }

    #[test]
    fn who_is_gone_makes_room() {
        let members = Members::at_home(HOME);
        for n in 0..4 {
            members.place(PeerId(n), HOME, 2, 2, false);
        }
        assert_eq!(members.find(PeerId(2)), Some(0));
        members.remove(PeerId(2), HOME);
        assert_eq!(members.find(PeerId(2)), Some(0), "another shard's word does not count");
        members.remove(PeerId(2), 0);
        assert_eq!(members.find(PeerId(2)), None);
        assert_eq!(members.place(PeerId(9), HOME, 2, 2, false), 0);
    }

    #[test]
    fn shards_are_counted_once() {
        let members = Members::at_home(HOME);
        assert_eq!(each(members.spread(0)).collect::<Vec<_>>(), [HOME]);
        assert_eq!(each(members.spread(0)).collect::<Vec<_>>(), [0, HOME]);
        assert_eq!(members.shards(), 3);
    }
}
