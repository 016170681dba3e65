//! The one thread that writes captures.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use media::api::{RoomId, TrackId};
use media::capture::{GapReason, Record};
use tokio::sync::{oneshot, watch};

use super::files::CaptureFiles;
use super::tap::{Block, Entry, Stamped, TrackInfo};
use super::track::{Outcome, Track};
use super::{CaptureProblem, CaptureStatus, CaptureTarget};
use crate::stats::{SharedCapture, add};

/// Between two syncs.
const SYNC: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 1_000 });

/// What the shards tell the writer, in order.
pub(crate) enum Message {
    Block {
        shard: usize,
        block: Block,
    },
    Start {
        shard: usize,
        room: RoomId,
        target: CaptureTarget,
        status: Arc<watch::Sender<CaptureStatus>>,
    },
    Pause {
        room: RoomId,
        at: Instant,
    },
    Resume {
        room: RoomId,
    },
    /// Ends the room's tracks; the answer, after the last sync, says whether all is on disk.
    Stop {
        room: RoomId,
        done: Option<oneshot::Sender<bool>>,
    },
}

struct Room {
    shard: usize,
    target: CaptureTarget,
    status: Arc<watch::Sender<CaptureStatus>>,
    /// Everything that its shard received up to here has been given to the tracks.
    complete_to: Option<Instant>,
    paused: bool,
    /// Since the last sync.
    too_slow: bool,
}

pub(crate) struct Writer {
    files: Box<dyn CaptureFiles>,
    give_back: Vec<SyncSender<Block>>,
    counters: Arc<SharedCapture>,
    /// First half of the names of this process's track folders; the second half counts.
    nonce: u64,
    folders: u64,
    rooms: HashMap<RoomId, Room>,
    tracks: HashMap<(usize, TrackId), Track>,
}

impl Writer {
    /// `nonce` must differ from that of every other process that writes to the same folders.
    pub fn new(
        files: Box<dyn CaptureFiles>,
        give_back: Vec<SyncSender<Block>>,
        counters: Arc<SharedCapture>,
        nonce: u64,
    ) -> Self {
        Self {
            files,
            give_back,
            counters,
            nonce,
            folders: 0,
            rooms: HashMap::new(),
            tracks: HashMap::new(),
        }
    }

    /// Until all shards have gone; then everything is synced.
    pub fn run(mut self, messages: &Receiver<Message>) {
        let mut next_sync = Instant::now() + SYNC;
        loop {
            let left = next_sync.saturating_duration_since(Instant::now());
            match messages.recv_timeout(left) {
                Ok(message) => self.handle(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = Instant::now();
            if now >= next_sync {
                next_sync = now + SYNC;
                self.guarded(|writer| writer.sync_all(now));
            }
        }
        self.guarded(|writer| {
            let rooms: Vec<RoomId> = writer.rooms.keys().copied().collect();
            for room in rooms {
                writer.stop(room);
            }
        });
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Block { shard, mut block } => {
                self.guarded(|writer| writer.block(shard, &block));
                block.entries.clear();
                block.bytes.clear();
                if let Some(way) = self.give_back.get(shard) {
                    // Fails only when the shard has gone.
                    let _ = way.try_send(block);
                }
            }
            Message::Start { shard, room, target, status } => {
                status.send_replace(CaptureStatus::default());
                let (complete_to, paused, too_slow) = (None, false, false);
                let state = Room { shard, target, status, complete_to, paused, too_slow };
                self.rooms.insert(room, state);
                self.count_rooms();
            }
            Message::Pause { room, at } => self.guarded(|writer| writer.pause(room, at)),
            Message::Resume { room } => {
                if let Some(room) = self.rooms.get_mut(&room) {
                    room.paused = false;
                }
            }
            Message::Stop { room, done } => {
                let mut safe = false;
                self.guarded(|writer| safe = writer.stop(room));
                if let Some(done) = done {
                    let _ = done.send(safe);
                }
            }
        }
    }

    /// A bug in here costs the open segments, not the thread (law 6).
    fn guarded(&mut self, work: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_ok() {
            return;
        }
        add(&self.counters.panics, 1);
        let now = Instant::now();
        for track in self.tracks.values_mut() {
            track.give_up_segment(now);
        }
        for room in self.rooms.values() {
            room.status.send_modify(|status| status.problem = Some(CaptureProblem::WriterFailed));
        }
    }

    fn block(&mut self, shard: usize, block: &Block) {
        for stamped in &block.entries {
            self.entry(shard, stamped, &block.bytes);
        }
        for room in self.rooms.values_mut().filter(|room| room.shard == shard) {
            room.complete_to = Some(block.complete_to);
        }
    }

    fn entry(&mut self, shard: usize, stamped: &Stamped, bytes: &[u8]) {
        let key = (shard, stamped.track);
        if let Entry::Start(info) = stamped.entry {
            self.start_track(key, info);
            return;
        }
        let Some(track) = self.tracks.get_mut(&key) else { return };
        let Some(room) = self.rooms.get_mut(&track.info().room) else { return };
        let now = Instant::now();
        let at_us = session_us(&room.target, stamped.at);
        let record = match stamped.entry {
            Entry::Start(_) => return,
            Entry::End if room.paused => return,
            Entry::End => {
                let outcome = track.end(self.files.as_mut(), now, at_us);
                let room = track.info().room;
                self.tracks.remove(&key);
                self.account(room, outcome);
                return;
            }
            Entry::Rtp { start, len } => Record::Rtp(&bytes[start..start + len]),
            Entry::SenderReport { ssrc, ntp, rtp } => Record::SenderReport { ssrc, ntp, rtp },
            Entry::LayerSwitch { ssrc } => Record::LayerSwitch { ssrc },
            Entry::Dropped { packets, since } => {
                room.too_slow = true;
                Record::Gap {
                    reason: GapReason::Overflow,
                    dropped: packets,
                    length_us: at_us.saturating_sub(session_us(&room.target, since)),
                }
            }
        };
        let outcome = track.write(self.files.as_mut(), now, at_us, record);
        let room = track.info().room;
        self.account(room, outcome);
    }

    fn start_track(&mut self, key: (usize, TrackId), info: TrackInfo) {
        // The same track again is one that goes on after a pause.
        if self.tracks.get(&key).is_some_and(|track| *track.info() == info) {
            return;
        }
        let Some(room) = self.rooms.get(&info.room) else { return };
        let name = format!("{:016x}{:016x}", self.nonce, self.folders);
        self.folders += 1;
        let track = Track::new(key.1, info, room.target.dir.join(name));
        self.tracks.insert(key, track);
    }

    fn pause(&mut self, room: RoomId, at: Instant) {
        let Some(state) = self.rooms.get_mut(&room) else { return };
        state.paused = true;
        let at_us = session_us(&state.target, at);
        for track in self.tracks.values_mut().filter(|track| track.info().room == room) {
            track.pause(at_us);
        }
    }

    /// Says whether everything is on disk.
    fn stop(&mut self, room: RoomId) -> bool {
        let Some(state) = self.rooms.get(&room) else { return true };
        let now = Instant::now();
        let at_us = session_us(&state.target, now);
        let mut outcome = Outcome::default();
        let mut failed = false;
        let files = self.files.as_mut();
        self.tracks.retain(|_, track| {
            if track.info().room != room {
                return true;
            }
            outcome.add(track.end(files, now, at_us));
            failed |= track.failed();
            false
        });
        self.account(room, outcome);
        self.publish(room, !failed);
        self.rooms.remove(&room);
        self.count_rooms();
        !failed
    }

    fn count_rooms(&self) {
        self.counters.rooms.store(self.rooms.len() as u64, Relaxed);
    }

    fn sync_all(&mut self, now: Instant) {
        let rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        for room in rooms {
            let mut outcome = Outcome::default();
            let mut failed = false;
            for track in self.tracks.values_mut().filter(|track| track.info().room == room) {
                outcome.add(track.sync(now));
                failed |= track.failed();
            }
            add(&self.counters.syncs, 1);
            self.account(room, outcome);
            self.publish(room, !failed);
        }
    }

    fn account(&self, room: RoomId, outcome: Outcome) {
        add(&self.counters.bytes, outcome.bytes);
        add(&self.counters.segments, outcome.segments);
        add(&self.counters.dropped, outcome.dropped);
        add(&self.counters.errors, u64::from(outcome.problem.is_some()));
        let Some(room) = self.rooms.get(&room) else { return };
        if outcome.bytes == 0 && outcome.problem.is_none() {
            return;
        }
        room.status.send_if_modified(|status| {
            status.bytes += outcome.bytes;
            let news = outcome.problem.is_some() && status.problem != outcome.problem;
            status.problem = outcome.problem.or(status.problem);
            news
        });
    }

    /// After a sync: what is safe now, and whether all is well again.
    fn publish(&mut self, room: RoomId, healthy: bool) {
        let Some(room) = self.rooms.get_mut(&room) else { return };
        let too_slow = std::mem::take(&mut room.too_slow);
        let complete_to = room.complete_to.filter(|_| healthy);
        let safe = complete_to.map(|at| room.target.session_us(at));
        room.status.send_modify(|status| {
            status.safe_mono_us = safe.or(status.safe_mono_us);
            if healthy {
                status.problem = too_slow.then_some(CaptureProblem::TooSlow);
            }
        });
    }
}

/// The format counts from the opening; nothing is captured before it.
fn session_us(target: &CaptureTarget, at: Instant) -> u64 {
    u64::try_from(target.session_us(at)).unwrap_or(0)
}
