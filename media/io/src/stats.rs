//! Counters and gauges, read without disturbing the shards.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use media::shard::Counters;
use media::turn::TurnCounters;

/// All that media counts.
#[derive(Debug, Clone, Default)]
pub struct MediaStats {
    /// In the order of the UDP addresses.
    pub shards: Vec<ShardStats>,
    pub capture: CaptureStats,
    /// Zeros where TURN is not offered.
    pub turn: TurnCounters,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct ShardStats {
    /// Of the core, since it last began (a panic begins a new one); at most half a second old.
    pub core: Counters,
    pub io: IoStats,
}

/// What a shard's thread did. Totals since the start but for the gauges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IoStats {
    /// Gauge: open rooms.
    pub rooms: u64,
    /// Gauge: commands waiting.
    pub commands_waiting: u64,
    /// Receive calls that returned datagrams, and the datagrams.
    pub receives: u64,
    pub datagrams_in: u64,
    /// Longer than the receive buffer: not looked at.
    pub datagrams_truncated: u64,
    /// Dropped by the kernel because the socket's buffer was full.
    pub receive_overflow: u64,
    /// Gauge: share of the time in which the thread was not waiting, in thousandths.
    pub busy_permille: u64,
    /// Gauge: steps of quality held back because the shard has too much to do.
    pub pressure: u64,
    pub datagrams_out: u64,
    pub bytes_out: u64,
    /// Messages given to the kernel (a GSO run is one) and the calls it took.
    pub messages_out: u64,
    pub sends: u64,
    /// Datagrams that the kernel did not take: its buffer stayed full, or the address is bad.
    pub send_dropped: u64,
    /// Runs sent one by one because the kernel refused them as one.
    pub gso_refused: u64,
    /// Gauge: datagrams are still batched by the kernel on the way out.
    pub gso: bool,
    /// Speaker events that a newer one replaced before they were read.
    pub events_merged: u64,
    /// Rooms failed because nobody read their events.
    pub rooms_unread: u64,
    pub panics: u64,
    /// Packets handed to and taken from other shards of a room, and those that one was too busy
    /// to take.
    pub relay_packets_out: u64,
    pub relay_packets_in: u64,
    pub relay_dropped: u64,
    /// Gauge: streams and relays open.
    pub links: u64,
    /// Datagrams that came over them, and those given to them.
    pub link_datagrams_in: u64,
    pub link_datagrams_out: u64,
    pub link_bytes_out: u64,
    /// Datagrams that did not fit into a stream's queue.
    pub link_dropped_video: u64,
    pub link_dropped_other: u64,
    /// For a stream or relay that has ended.
    pub link_unknown: u64,
    /// Packets that did not fit into the capture's blocks.
    pub capture_dropped: u64,
}

/// Totals of the capture writer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CaptureStats {
    /// Gauge: rooms captured.
    pub rooms: u64,
    pub bytes: u64,
    pub segments: u64,
    pub syncs: u64,
    /// Failed writes, creations and syncs.
    pub errors: u64,
    /// Packets not written because of them.
    pub dropped: u64,
    pub panics: u64,
}

macro_rules! shared {
    ($shared:ident, $plain:ident, $($field:ident),+) => {
        /// The same as atomics: one writer, any reader.
        #[derive(Debug, Default)]
        pub(crate) struct $shared {
            $(pub $field: AtomicU64,)+
        }

        impl $shared {
            pub fn read(&self) -> $plain {
                #[allow(clippy::needless_update)]
                $plain { $($field: self.$field.load(Relaxed),)+ ..Default::default() }
            }
        }
    };
}

shared!(
    SharedIo,
    IoStats,
    rooms,
    receives,
    datagrams_in,
    datagrams_truncated,
    receive_overflow,
    busy_permille,
    pressure,
    datagrams_out,
    bytes_out,
    messages_out,
    sends,
    send_dropped,
    gso_refused,
    events_merged,
    rooms_unread,
    panics,
    relay_packets_out,
    relay_packets_in,
    relay_dropped,
    links,
    link_datagrams_in,
    link_datagrams_out,
    link_bytes_out,
    link_dropped_video,
    link_dropped_other,
    link_unknown,
    capture_dropped
);
shared!(SharedCapture, CaptureStats, rooms, bytes, segments, syncs, errors, dropped, panics);

/// Adds to a counter that only the calling thread writes.
pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Relaxed) + amount, Relaxed);
}

/// What a shard's thread leaves for [`MediaStats`].
#[derive(Debug, Default)]
pub(crate) struct SharedShard {
    pub io: SharedIo,
    pub gso: AtomicBool,
    /// Written twice a second, never while a packet waits.
    pub core: Mutex<Counters>,
}

impl SharedShard {
    pub fn read(&self, commands_waiting: usize) -> ShardStats {
        let core = *self.core.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let gso = self.gso.load(Relaxed);
        ShardStats {
            core,
            io: IoStats { commands_waiting: commands_waiting as u64, gso, ..self.io.read() },
        }
    }
}
