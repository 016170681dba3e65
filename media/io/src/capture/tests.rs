use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use media::api::{Codec, OwnerId, RoomId, Source, Tap, TrackId};
use media::capture::{GapReason, Record, SegmentReader};
use media::shard::TapSink;
use tokio::sync::{oneshot, watch};

use super::files::{CaptureFile, CaptureFiles};
use super::tap::{BLOCKS, Block, BlockTap};
use super::writer::{Message, Writer};
use super::{CaptureProblem, CaptureStatus, CaptureTarget};

const ROOM: RoomId = RoomId(7);
const TRACK: TrackId = TrackId(3);

/// A disk in memory: what was appended and what of it is durable, and how much it can hold.
#[derive(Default)]
struct State {
    files: BTreeMap<PathBuf, (Vec<u8>, usize)>,
    space: Option<usize>,
    syncs: usize,
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<State>>);

struct MemoryFile(Memory, PathBuf);

impl Memory {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }

    /// What is left after power was lost.
    fn durable(&self) -> Vec<Vec<u8>> {
        self.with(|state| state.files.values().map(|(data, len)| data[..*len].to_vec()).collect())
    }

    fn all(&self) -> Vec<Vec<u8>> {
        self.with(|state| state.files.values().map(|(data, _)| data.clone()).collect())
    }
}

impl CaptureFiles for Memory {
    fn create_folder(&mut self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn create(&mut self, path: &Path) -> io::Result<Box<dyn CaptureFile>> {
        self.with(|state| state.files.insert(path.to_owned(), (Vec::new(), 0)));
        Ok(Box::new(MemoryFile(self.clone(), path.to_owned())))
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.with(|state| state.files.remove(path));
        Ok(())
    }
}

impl CaptureFile for MemoryFile {
    fn append(&mut self, data: &[u8]) -> io::Result<()> {
        self.0.with(|state| {
            if let Some(space) = &mut state.space {
                *space = space.checked_sub(data.len()).ok_or(io::ErrorKind::StorageFull)?;
            }
            state.files.get_mut(&self.1).unwrap().0.extend_from_slice(data);
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.with(|state| {
            state.syncs += 1;
            let file = state.files.get_mut(&self.1).unwrap();
            file.1 = file.0.len();
        });
        Ok(())
    }
}

/// Tap, queue and writer without the shard between them.
struct Rig {
    disk: Memory,
    tap: BlockTap,
    queue: SyncSender<Message>,
    status: watch::Receiver<CaptureStatus>,
    thread: std::thread::JoinHandle<()>,
}

fn parts(disk: &Memory) -> (BlockTap, SyncSender<Message>, Receiver<Message>, Writer) {
    let (queue, messages) = sync_channel(BLOCKS + 16);
    let (tap, give_back) = BlockTap::new(0, queue.clone());
    let writer = Writer::new(Box::new(disk.clone()), vec![give_back], Arc::default(), 1);
    (tap, queue, messages, writer)
}

fn start() -> Rig {
    let disk = Memory::default();
    let (tap, queue, messages, writer) = parts(&disk);
    let sender = Arc::new(watch::Sender::default());
    let status = sender.subscribe();
    let now = Instant::now();
    let target = CaptureTarget { dir: "capture".into(), origin: now, origin_mono_us: 5_000_000 };
    queue.send(Message::Start { shard: 0, room: ROOM, target, status: sender }).unwrap();
    let thread = std::thread::spawn(move || writer.run(&messages));
    Rig { disk, tap, queue, status, thread }
}

impl Rig {
    fn track(&mut self) {
        self.tap.set_now(Instant::now());
        self.tap.tap(Tap::TrackStart {
            room: ROOM,
            owner: OwnerId(9),
            track: TRACK,
            source: Source::Camera,
            codec: Codec::Vp8,
        });
    }

    fn packets(&mut self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            self.tap.set_now(Instant::now());
            self.tap.tap(Tap::Rtp { room: ROOM, track: TRACK, packet: &packet(number) });
        }
    }

    fn end(&mut self) {
        self.tap.tap(Tap::TrackEnd { room: ROOM, track: TRACK });
    }

    /// Ends the capture and says whether the writer had it all on disk.
    fn stop(&mut self) -> bool {
        self.tap.hand_over(Instant::now());
        let (done, finished) = oneshot::channel();
        self.queue.send(Message::Stop { room: ROOM, done: Some(done) }).unwrap();
        finished.blocking_recv().unwrap()
    }

    fn finish(self) -> Memory {
        drop((self.tap, self.queue));
        self.thread.join().unwrap();
        self.disk
    }
}

fn packet(number: u32) -> Vec<u8> {
    let mut packet = vec![number as u8; 1_000];
    packet[..4].copy_from_slice(&number.to_be_bytes());
    packet
}

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Packet(u32),
    Gap(GapReason, u32),
    End,
    Other,
}

/// Everything that can be read from the files, in order.
fn read(files: &[Vec<u8>]) -> Vec<Seen> {
    let mut seen = Vec::new();
    for file in files {
        let Ok(reader) = SegmentReader::new(file) else { continue };
        seen.extend(reader.map(|stamped| match stamped.record {
            Record::Rtp(data) => {
                let number = u32::from_be_bytes(data[..4].try_into().unwrap());
                assert_eq!(data, packet(number), "the packet is what was sent");
                Seen::Packet(number)
            }
            Record::Gap { reason, dropped, .. } => Seen::Gap(reason, dropped),
            Record::TrackEnd => Seen::End,
            _ => Seen::Other,
        }));
    }
    seen
}

fn packets(numbers: std::ops::Range<u32>) -> Vec<Seen> {
    numbers.map(Seen::Packet).collect()
}

/// Waits on the status, as the room does, until `ready`.
fn wait(status: &mut watch::Receiver<CaptureStatus>, ready: impl FnMut(&CaptureStatus) -> bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(10), status.wait_for(ready))
            .await
            .expect("the status came within 10 s")
            .unwrap();
    });
}

#[test]
fn what_was_tapped_is_read_back_with_session_times() {
    let mut rig = start();
    rig.track();
    rig.packets(0..500);
    rig.tap.tap(Tap::SenderReport { room: ROOM, track: TRACK, ssrc: 1, ntp: 2, rtp: 3 });
    rig.tap.tap(Tap::LayerSwitch { room: ROOM, track: TRACK, ssrc: 4 });
    rig.end();
    assert!(rig.stop());
    let files = rig.finish().durable();
    assert_eq!(files.len(), 1);
    let reader = SegmentReader::new(&files[0]).unwrap();
    let header = *reader.header();
    assert_eq!((header.session, header.owner, header.track), (ROOM, OwnerId(9), TRACK));
    let times: Vec<u64> = reader.map(|stamped| stamped.at_us).collect();
    assert!(times.is_sorted());
    assert!((5_000_000..15_000_000).contains(&times[0]), "counted from the origin");
    let mut expected = packets(0..500);
    expected.extend([Seen::Other, Seen::Other, Seen::End]);
    assert_eq!(read(&files), expected);
}

#[test]
fn after_a_power_cut_everything_that_was_called_safe_is_there() {
    let mut rig = start();
    rig.track();
    rig.packets(0..100);
    let before = Instant::now();
    rig.tap.hand_over(before);
    let mut status = rig.status.clone();
    wait(&mut status, |status| status.safe_mono_us.is_some());
    rig.packets(100..200);
    rig.tap.hand_over(Instant::now());
    // The power goes: only what was synced is left.
    let left = read(&rig.disk.durable());
    assert!(left.len() >= 100, "{} of 100 safe packets", left.len());
    assert_eq!(left[..100], packets(0..100));
    assert!(rig.stop());
    rig.finish();
}

#[test]
fn a_torn_tail_costs_only_the_record_that_was_cut() {
    let mut rig = start();
    rig.track();
    rig.packets(0..50);
    rig.stop();
    let mut files = rig.finish().all();
    let len = files[0].len();
    // The last record is the 13 bytes of the track's end; cut into the packet before it.
    files[0].truncate(len - 20);
    assert_eq!(read(&files), packets(0..49));
}

#[test]
fn a_full_disk_is_told_and_capture_goes_on_when_there_is_space_again() {
    let mut rig = start();
    rig.track();
    rig.packets(0..10);
    rig.tap.hand_over(Instant::now());
    let mut status = rig.status.clone();
    wait(&mut status, |status| status.safe_mono_us.is_some());
    rig.disk.with(|state| state.space = Some(0));
    rig.packets(10..20);
    rig.tap.hand_over(Instant::now());
    wait(&mut status, |status| status.problem == Some(CaptureProblem::DiskFull));
    rig.disk.with(|state| state.space = None);
    // A packet now and then, until the writer has tried again.
    let mut next = 20;
    while status.borrow_and_update().problem.is_some() {
        rig.packets(next..next + 1);
        next += 1;
        rig.tap.hand_over(Instant::now());
        let news =
            async { tokio::time::timeout(Duration::from_millis(100), status.changed()).await };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _ = runtime.block_on(news);
        assert!(next < 200, "capture did not come back");
    }
    rig.packets(next..next + 1);
    assert!(rig.stop());
    let seen = read(&rig.finish().durable());
    assert_eq!(seen[..10], packets(0..10));
    assert!(matches!(seen[10], Seen::Gap(GapReason::Storage, dropped) if dropped > 0), "{seen:?}");
    assert_eq!(seen[seen.len() - 2..], [Seen::Packet(next), Seen::End]);
}

#[test]
fn stopping_on_a_full_disk_says_that_the_end_is_missing() {
    let mut rig = start();
    rig.disk.with(|state| state.space = Some(0));
    rig.track();
    rig.packets(0..10);
    assert!(!rig.stop());
    rig.finish();
}

#[test]
fn a_pause_is_a_marked_gap_in_the_same_track() {
    let mut rig = start();
    rig.track();
    rig.packets(0..5);
    rig.tap.hand_over(Instant::now());
    rig.queue.send(Message::Pause { room: ROOM, at: Instant::now() }).unwrap();
    rig.end();
    rig.tap.hand_over(Instant::now());
    rig.queue.send(Message::Resume { room: ROOM }).unwrap();
    rig.track();
    rig.packets(5..10);
    rig.stop();
    let files = rig.finish().durable();
    assert_eq!(files.len(), 1);
    let mut expected = packets(0..5);
    expected.push(Seen::Gap(GapReason::Pause, 0));
    expected.extend(packets(5..10));
    expected.push(Seen::End);
    assert_eq!(read(&files), expected);
}

#[test]
fn a_writer_that_stands_still_costs_packets_and_never_the_shard() {
    let disk = Memory::default();
    let (tap, queue, messages, writer) = parts(&disk);
    let sender = Arc::new(watch::Sender::default());
    let status = sender.subscribe();
    let target = CaptureTarget { dir: "capture".into(), origin: Instant::now(), origin_mono_us: 0 };
    queue.send(Message::Start { shard: 0, room: ROOM, target, status: sender }).unwrap();
    // The writer does not run yet: all blocks fill up.
    let (gate, opened) = sync_channel::<()>(1);
    let thread = std::thread::spawn(move || {
        opened.recv().unwrap();
        writer.run(&messages);
    });
    let mut rig = Rig { disk, tap, queue, status, thread };
    rig.track();
    rig.packets(0..20_000);
    let dropped = rig.tap.dropped();
    assert!(dropped > 0);
    rig.end();
    gate.send(()).unwrap();
    let mut status = rig.status.clone();
    // The end found no room either; it is told once blocks come back.
    while rig.tap.has_late_ends() {
        rig.tap.hand_over(Instant::now());
    }
    rig.tap.hand_over(Instant::now());
    wait(&mut status, |status| status.safe_mono_us.is_some());
    rig.stop();
    let seen = read(&rig.finish().durable());
    let kept = 20_000 - dropped as u32;
    let mut expected = packets(0..kept);
    expected.extend([Seen::Gap(GapReason::Overflow, dropped as u32), Seen::End]);
    assert_eq!(seen, expected);
}

#[test]
fn a_bug_in_the_file_layer_ends_a_segment_and_not_the_writer() {
    struct Panics(Memory, bool);
    impl CaptureFiles for Panics {
        fn create_folder(&mut self, path: &Path) -> io::Result<()> {
            assert!(!std::mem::take(&mut self.1), "the bug");
            self.0.create_folder(path)
        }
        fn create(&mut self, path: &Path) -> io::Result<Box<dyn CaptureFile>> {
            self.0.create(path)
        }
        fn remove(&mut self, path: &Path) -> io::Result<()> {
            self.0.remove(path)
        }
    }
    let disk = Memory::default();
    let (queue, messages) = sync_channel::<Message>(BLOCKS + 16);
    let (tap, give_back): (BlockTap, SyncSender<Block>) = BlockTap::new(0, queue.clone());
    let files = Box::new(Panics(disk.clone(), true));
    let counters = Arc::default();
    let writer = Writer::new(files, vec![give_back], Arc::clone(&counters), 1);
    let sender = Arc::new(watch::Sender::default());
    let status = sender.subscribe();
    let target = CaptureTarget { dir: "capture".into(), origin: Instant::now(), origin_mono_us: 0 };
    queue.send(Message::Start { shard: 0, room: ROOM, target, status: sender }).unwrap();
    let thread = std::thread::spawn(move || writer.run(&messages));
    let mut rig = Rig { disk, tap, queue, status, thread };
    rig.track();
    rig.packets(0..3);
    rig.tap.hand_over(Instant::now());
    rig.packets(3..6);
    assert!(rig.stop());
    let seen = read(&rig.finish().durable());
    assert_eq!(counters.read().panics, 1);
    assert!(matches!(seen[0], Seen::Gap(GapReason::Storage, _)));
    assert_eq!(seen[1..], [Seen::Packet(3), Seen::Packet(4), Seen::Packet(5), Seen::End]);
}
