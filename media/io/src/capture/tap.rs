//! The shard's end of the capture: copies into preallocated blocks, never blocks, never allocates
//! per packet.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use media::api::{Codec, OwnerId, RoomId, Source, Tap, TrackId};
use media::shard::TapSink;

use super::writer::Message;

/// Blocks of one shard, and their size: 8 MiB, seconds of a whole meeting.
pub(crate) const BLOCKS: usize = 32;
const BLOCK_BYTES: usize = 256 * 1024;
const BLOCK_ENTRIES: usize = 2_048;
/// A block is handed over at the latest this long after the one before it, empty or not, so that
/// the writer knows up to when it has everything.
const HAND_OVER: Duration = Duration::from_millis(200);

/// Whose track it is, as the segment header wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrackInfo {
    pub room: RoomId,
    pub owner: OwnerId,
    pub source: Source,
    pub codec: Codec,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Entry {
    Start(TrackInfo),
    /// Bytes of the block.
    Rtp {
        start: usize,
        len: usize,
    },
    SenderReport {
        ssrc: u32,
        ntp: u64,
        rtp: u32,
    },
    LayerSwitch {
        ssrc: u32,
    },
    /// So many packets before this found no room since then.
    Dropped {
        packets: u32,
        since: Instant,
    },
    End,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamped {
    pub track: TrackId,
    pub at: Instant,
    pub entry: Entry,
}

/// Packets on their way to the writer; comes back empty.
pub(crate) struct Block {
    pub entries: Vec<Stamped>,
    pub bytes: Vec<u8>,
    /// Everything that the shard received up to here is in this block or an earlier one.
    pub complete_to: Instant,
}

struct Known {
    info: TrackInfo,
    /// The writer has been told of the track.
    announced: bool,
    dropped: u32,
    dropped_since: Instant,
    ended: bool,
}

/// The sink that a shard taps into.
pub(crate) struct BlockTap {
    shard: usize,
    now: Instant,
    last: Instant,
    current: Option<Block>,
    free: Receiver<Block>,
    writer: SyncSender<Message>,
    tracks: HashMap<TrackId, Known>,
    dropped: u64,
}

impl BlockTap {
    /// The tap of shard number `shard`, and the way back for its blocks.
    pub fn new(shard: usize, writer: SyncSender<Message>) -> (Self, SyncSender<Block>) {
        let (give_back, free) = sync_channel(BLOCKS);
        let now = Instant::now();
        for _ in 0..BLOCKS {
            let block = Block {
                entries: Vec::with_capacity(BLOCK_ENTRIES),
                bytes: Vec::with_capacity(BLOCK_BYTES),
                complete_to: now,
            };
            // The channel has just been made with room for all of them.
            let _ = give_back.try_send(block);
        }
        let tap = Self {
            shard,
            now,
            last: now,
            current: None,
            free,
            writer,
            tracks: HashMap::with_capacity(64),
            dropped: 0,
        };
        (tap, give_back)
    }

    /// The arrival time of what is tapped next.
    pub fn set_now(&mut self, now: Instant) {
        self.now = now;
    }

    /// Packets dropped so far for want of a block.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// When [`BlockTap::hand_over_if_due`] is wanted next.
    pub fn next_hand_over(&self) -> Instant {
        self.last + HAND_OVER
    }

    pub fn hand_over_if_due(&mut self, now: Instant) {
        if now >= self.next_hand_over() {
            self.hand_over(now);
        }
    }

    /// Gives the writer all that was tapped up to `now`.
    pub fn hand_over(&mut self, now: Instant) {
        self.now = now;
        self.last = now;
        self.tell_late_ends();
        // Without a block nothing can be said; the next time is soon.
        if let Some(block) = self.current.take().or_else(|| self.free.try_recv().ok()) {
            self.give(block);
        }
    }

    /// Ends of tracks wait for a block.
    pub fn has_late_ends(&self) -> bool {
        self.tracks.values().any(|known| known.ended)
    }

    /// After a panic of the core: nothing of its tracks goes on.
    pub fn forget_tracks(&mut self) {
        self.tracks.clear();
    }

    fn give(&mut self, mut block: Block) {
        block.complete_to = self.now;
        match self.writer.try_send(Message::Block { shard: self.shard, block }) {
            Ok(()) => {}
            // The queue is sized for all blocks, so it is full of commands only for a moment:
            // keep the block and try again with the next packet.
            Err(TrySendError::Full(Message::Block { block, .. })) => self.current = Some(block),
            Err(_) => {}
        }
    }

    /// Ends that found no room are told as soon as there is some.
    fn tell_late_ends(&mut self) {
        if !self.has_late_ends() {
            return;
        }
        let ended: Vec<TrackId> =
            self.tracks.iter().filter(|(_, known)| known.ended).map(|(&id, _)| id).collect();
        for track in ended {
            self.push(track, Entry::End, &[]);
        }
    }

    /// Writes one entry with `payload`, preceded by what the writer must know first.
    fn push(&mut self, track: TrackId, entry: Entry, payload: &[u8]) {
        let now = self.now;
        let Some(known) = self.tracks.get(&track) else { return };
        // At most three entries: start, dropped, and the thing itself.
        let fits = |block: &Block| {
            block.bytes.capacity() - block.bytes.len() >= payload.len()
                && block.entries.capacity() - block.entries.len() >= 3
        };
        let ending = matches!(entry, Entry::End);
        let (announce, dropped) = (!known.announced, (known.dropped, known.dropped_since));
        let info = known.info;
        if let Some(full) = self.current.take_if(|block| !fits(block)) {
            self.give(full);
        }
        if self.current.is_none() {
            self.current = self.free.try_recv().ok();
        }
        let Some(known) = self.tracks.get_mut(&track) else { return };
        let Some(block) = self.current.as_mut().filter(|block| fits(block)) else {
            known.ended |= ending;
            if known.dropped == 0 {
                known.dropped_since = now;
            }
            if matches!(entry, Entry::Rtp { .. }) {
                known.dropped = known.dropped.saturating_add(1);
                self.dropped += 1;
            }
            return;
        };
        let mut write = |entry| block.entries.push(Stamped { track, at: now, entry });
        if announce {
            write(Entry::Start(info));
        }
        if dropped.0 > 0 {
            write(Entry::Dropped { packets: dropped.0, since: dropped.1 });
        }
        known.announced = true;
        known.dropped = 0;
        match entry {
            Entry::Rtp { .. } => {
                write(Entry::Rtp { start: block.bytes.len(), len: payload.len() });
                block.bytes.extend_from_slice(payload);
            }
            other => write(other),
        }
        if ending {
            self.tracks.remove(&track);
        }
    }
}

impl TapSink for BlockTap {
    fn tap(&mut self, tap: Tap<'_>) {
        match tap {
            Tap::TrackStart { room, owner, track, source, codec } => {
                let info = TrackInfo { room, owner, source, codec };
                self.tracks.insert(
                    track,
                    Known {
                        info,
                        announced: false,
                        dropped: 0,
                        dropped_since: self.now,
                        ended: false,
                    },
                );
            }
            Tap::Rtp { track, packet, .. } => {
                self.push(track, Entry::Rtp { start: 0, len: 0 }, packet);
            }
            Tap::SenderReport { track, ssrc, ntp, rtp, .. } => {
                self.push(track, Entry::SenderReport { ssrc, ntp, rtp }, &[]);
            }
            Tap::LayerSwitch { track, ssrc, .. } => {
                self.push(track, Entry::LayerSwitch { ssrc }, &[]);
            }
            Tap::TrackEnd { track, .. } => self.push(track, Entry::End, &[]),
        }
    }
}
