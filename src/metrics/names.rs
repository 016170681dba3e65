//! Every name that Prometheus sees, chosen once. `yuntang_` in front, base units, `_total` for what
//! only grows; labels are `shard`, `stage`, `reason`, `grade`, `path`, never a person, a room or an
//! address.

use media::shard::Total;
use media_io::{CaptureStats, IoStats, MediaStats};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
}

#[derive(Debug, Clone, Copy)]
pub struct Family {
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, help }
}

pub const BUILD_INFO: Family = gauge("yuntang_build_info", "Version of the server");
pub const READY: Family = gauge("yuntang_ready", "1 once open sessions are taken up again");
pub const ROOMS: Family = gauge("yuntang_rooms", "Rooms running");
pub const PARTICIPANTS: Family =
    gauge("yuntang_participants", "People present, observers included");
pub const ROOM_PANICS: Family = counter("yuntang_room_panics_total", "Rooms ended by a bug");
pub const DATABASE_AWAY: Family =
    gauge("yuntang_database_away", "1 while the journal is kept in the local spool");
pub const SPOOL_BYTES: Family = gauge("yuntang_spool_bytes", "Bytes that the database has not got");
pub const SPOOL_RECORDS: Family = counter(
    "yuntang_spool_records_total",
    "Records kept in the spool, replayed into the database, and put aside because they do not fit",
);
pub const OUTAGES: Family =
    counter("yuntang_database_outages_total", "Times that the database went away");
pub const JOURNAL_QUEUE: Family =
    gauge("yuntang_journal_queue", "Calls that wait for the journal's writer");
pub const PEERS_BY_QUALITY: Family =
    gauge("yuntang_peers_by_quality", "Devices by connection quality (docs/STATISTICS.md)");
pub const PEERS_BY_PATH: Family =
    gauge("yuntang_peers_by_path", "Connected devices by the way media takes");
pub const FREEZES: Family =
    gauge("yuntang_camera_freezes", "Freezes over 500 ms of the cameras now shown, since shown");
pub const DROPPED: Family = counter(
    "yuntang_media_packets_dropped_total",
    "Packets not forwarded, not sent, not resent or not captured, by reason",
);
pub const TURN_ALLOCATIONS: Family = gauge("yuntang_turn_allocations", "TURN allocations");
pub const TURN: Family = counter(
    "yuntang_turn_events_total",
    "What the TURN server did, refused and dropped, by the counter's name",
);
pub const RESIDENT: Family = gauge("process_resident_memory_bytes", "Resident memory");
pub const OPEN_FDS: Family = gauge("process_open_fds", "Open file descriptors");
pub const TASKS: Family = gauge("yuntang_runtime_tasks", "Tasks that have not ended");
pub const THREADS: Family = gauge("process_threads", "Threads");

/// The name of each total of a media shard.
pub const fn total(total: Total) -> Family {
    match total {
        Total::DatagramsIn => {
            counter("yuntang_media_datagrams_received_total", "Datagrams received")
        }
        Total::BytesIn => counter("yuntang_media_received_bytes_total", "Bytes received"),
        Total::PacketsIn => counter("yuntang_media_packets_accepted_total", "RTP packets accepted"),
        Total::PacketsForwarded => {
            counter("yuntang_media_packets_forwarded_total", "Sealed copies sent to subscribers")
        }
        Total::RtxSent => counter("yuntang_media_rtx_sent_total", "Retransmissions to subscribers"),
        Total::NacksIn => {
            counter("yuntang_media_nacks_received_total", "Sequence numbers subscribers asked for")
        }
        Total::NacksOut => {
            counter("yuntang_media_nacks_sent_total", "Sequence numbers asked of publishers")
        }
        Total::RtxIn => counter("yuntang_media_rtx_received_total", "Retransmissions received"),
        Total::RtxRepaired => {
            counter("yuntang_media_rtx_repaired_total", "Retransmissions that filled a gap")
        }
        Total::RedRecovered => {
            counter("yuntang_media_red_recovered_total", "Audio frames taken from redundancy")
        }
        Total::PlisIn => {
            counter("yuntang_media_plis_received_total", "Key frame requests of subscribers")
        }
        Total::PlisRefused => {
            counter("yuntang_media_plis_refused_total", "Key frame requests beyond one a second")
        }
        Total::PlisOut => {
            counter("yuntang_media_plis_sent_total", "Key frames asked of publishers")
        }
        Total::ProbesOut => counter(
            "yuntang_media_probes_sent_total",
            "Packets sent to find out what a connection can take",
        ),
    }
}

/// Why a shard's sockets dropped a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IoDrop {
    /// The kernel's buffer was full: the shard did not fetch in time.
    Overflow,
    /// Longer than the receive buffer.
    Truncated,
    /// The kernel's buffer stayed full, or the address is bad.
    SendRefused,
    /// Did not fit into the queue of a TCP stream or relay: video, which gives way first.
    StreamFullVideo,
    /// The same, of anything else.
    StreamFull,
    /// For a TCP stream or relay that has ended.
    StreamEnded,
    /// Of a room on several shards: the other one was too busy.
    ShardFull,
}

impl IoDrop {
    pub const ALL: [Self; 7] = [
        Self::Overflow,
        Self::Truncated,
        Self::SendRefused,
        Self::StreamFullVideo,
        Self::StreamFull,
        Self::StreamEnded,
        Self::ShardFull,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Overflow => "receive_overflow",
            Self::Truncated => "truncated",
            Self::SendRefused => "send_refused",
            Self::StreamFullVideo => "stream_full_video",
            Self::StreamFull => "stream_full",
            Self::StreamEnded => "stream_ended",
            Self::ShardFull => "shard_full",
        }
    }

    pub const fn of(self, io: &IoStats) -> u64 {
        match self {
            Self::Overflow => io.receive_overflow,
            Self::Truncated => io.datagrams_truncated,
            Self::SendRefused => io.send_dropped,
            Self::StreamFullVideo => io.link_dropped_video,
            Self::StreamFull => io.link_dropped_other,
            Self::StreamEnded => io.link_unknown,
            Self::ShardFull => io.relay_dropped,
        }
    }
}

/// Why a packet is missing in the capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureDrop {
    /// The writer was behind: no block was free.
    NoBlock,
    /// A write failed.
    Disk,
}

impl CaptureDrop {
    pub const ALL: [Self; 2] = [Self::NoBlock, Self::Disk];

    pub const fn name(self) -> &'static str {
        match self {
            Self::NoBlock => "no_block",
            Self::Disk => "disk",
        }
    }

    pub fn of(self, stats: &MediaStats) -> u64 {
        match self {
            Self::NoBlock => stats.shards.iter().map(|shard| shard.io.capture_dropped).sum(),
            Self::Disk => stats.capture.dropped,
        }
    }
}

type Io = (Family, fn(&IoStats) -> u64);
type Capture = (Family, fn(&CaptureStats) -> u64);

/// Of each shard's thread, besides drops.
pub const IO: &[Io] = &[
    (gauge("yuntang_media_rooms", "Rooms on the shard"), |io| io.rooms),
    (gauge("yuntang_media_commands_waiting", "Commands in the shard's queue"), |io| {
        io.commands_waiting
    }),
    (counter("yuntang_media_receive_calls_total", "Receive calls that brought something"), |io| {
        io.receives
    }),
    (counter("yuntang_media_datagrams_sent_total", "Datagrams sent"), |io| io.datagrams_out),
    (counter("yuntang_media_sent_bytes_total", "Bytes sent"), |io| io.bytes_out),
    (counter("yuntang_media_messages_sent_total", "Messages given to the kernel"), |io| {
        io.messages_out
    }),
    (counter("yuntang_media_send_calls_total", "Calls that sent them"), |io| io.sends),
    (counter("yuntang_media_gso_refused_total", "Runs the kernel refused as one"), |io| {
        io.gso_refused
    }),
    (gauge("yuntang_media_gso", "1 while the kernel splits runs"), |io| u64::from(io.gso)),
    (counter("yuntang_media_events_merged_total", "Events a newer one replaced"), |io| {
        io.events_merged
    }),
    (counter("yuntang_media_rooms_unread_total", "Rooms failed: events not read"), |io| {
        io.rooms_unread
    }),
    (gauge("yuntang_media_streams", "TCP streams and relays open"), |io| io.links),
    (counter("yuntang_media_stream_datagrams_received_total", "Datagrams over streams"), |io| {
        io.link_datagrams_in
    }),
    (counter("yuntang_media_stream_datagrams_sent_total", "Datagrams given to streams"), |io| {
        io.link_datagrams_out
    }),
    (counter("yuntang_media_stream_sent_bytes_total", "Bytes given to streams"), |io| {
        io.link_bytes_out
    }),
    (counter("yuntang_media_relayed_out_total", "Packets given to other shards of a room"), |io| {
        io.relay_packets_out
    }),
    (counter("yuntang_media_relayed_in_total", "Packets taken from other shards"), |io| {
        io.relay_packets_in
    }),
    (gauge("yuntang_media_busy_permille", "Share of its time that a shard works"), |io| {
        io.busy_permille
    }),
    (gauge("yuntang_media_pressure", "Steps of quality held back: too much to do"), |io| {
        io.pressure
    }),
    (counter("yuntang_media_panics_total", "Shards begun again after a bug"), |io| io.panics),
];

/// Of the capture writer, besides drops.
pub const CAPTURE: &[Capture] = &[
    (gauge("yuntang_capture_rooms", "Rooms captured"), |c| c.rooms),
    (counter("yuntang_capture_bytes_total", "Bytes written"), |c| c.bytes),
    (counter("yuntang_capture_segments_total", "Segment files begun"), |c| c.segments),
    (counter("yuntang_capture_syncs_total", "Syncs to disk"), |c| c.syncs),
    (counter("yuntang_capture_errors_total", "Failed writes, creations and syncs"), |c| c.errors),
    (counter("yuntang_capture_panics_total", "Writer begun again after a bug"), |c| c.panics),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// A number in each field, and the sum of all that is told of them: a field that is added
    /// and not told does not compile here, or does not add up.
    #[test]
    fn everything_that_io_and_capture_count_is_told() {
        let io = IoStats {
            rooms: 1,
            commands_waiting: 1 << 1,
            receives: 1 << 2,
            datagrams_in: 0, // the core's own count of the same is told
            datagrams_truncated: 1 << 4,
            datagrams_out: 1 << 5,
            bytes_out: 1 << 6,
            messages_out: 1 << 7,
            sends: 1 << 8,
            send_dropped: 1 << 9,
            gso_refused: 1 << 10,
            gso: false,
            events_merged: 1 << 12,
            rooms_unread: 1 << 13,
            panics: 1 << 14,
            links: 1 << 15,
            link_datagrams_in: 1 << 16,
            link_datagrams_out: 1 << 17,
            link_bytes_out: 1 << 18,
            link_dropped_video: 1 << 19,
            link_dropped_other: 1 << 20,
            link_unknown: 1 << 21,
            capture_dropped: 1 << 22,
            relay_packets_out: 1 << 23,
            relay_packets_in: 1 << 24,
            relay_dropped: 1 << 25,
            receive_overflow: 1 << 26,
            busy_permille: 1 << 27,
            pressure: 1 << 28,
        };
        let capture = CaptureStats {
            rooms: 1,
            bytes: 1 << 1,
            segments: 1 << 2,
            syncs: 1 << 3,
            errors: 1 << 4,
            dropped: 1 << 5,
            panics: 1 << 6,
        };
        let shards = vec![media_io::ShardStats { io, ..Default::default() }];
        let stats = MediaStats { shards, capture, turn: Default::default() };
        let told: u64 = IO.iter().map(|(_, of)| of(&io)).sum::<u64>()
            + IoDrop::ALL.iter().map(|drop| drop.of(&io)).sum::<u64>()
            + CaptureDrop::NoBlock.of(&stats);
        assert_eq!(told, (1 << 29) - 1 - (1 << 3) - (1 << 11));
        let told: u64 =
            CAPTURE.iter().map(|(_, of)| of(&capture)).sum::<u64>() + CaptureDrop::Disk.of(&stats);
        assert_eq!(told, (1 << 7) - 1);
    }

    #[test]
    fn names_are_unique_and_counters_say_so() {
        let fixed = [
            BUILD_INFO,
            READY,
            ROOMS,
            PARTICIPANTS,
            ROOM_PANICS,
            PEERS_BY_QUALITY,
            PEERS_BY_PATH,
            FREEZES,
            DROPPED,
            TURN_ALLOCATIONS,
            TURN,
            RESIDENT,
            OPEN_FDS,
            THREADS,
        ];
        let totals = Total::ALL.iter().map(|t| total(*t));
        let io = IO.iter().map(|(family, _)| *family);
        let capture = CAPTURE.iter().map(|(family, _)| *family);
        let mut seen = HashSet::new();
        for family in fixed.into_iter().chain(totals).chain(io).chain(capture) {
            assert!(seen.insert(family.name), "{} is used twice", family.name);
            assert!(family.name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase()), "{family:?}");
            let total = family.name.ends_with("_total");
            assert_eq!(total, family.kind == Kind::Counter, "{}", family.name);
        }
    }
}
