//! What a client sends is what can be read from the disk.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use media::capture::{GapReason, Record, SegmentReader};
use media_io::{CaptureError, CaptureProblem, CaptureStatus, CaptureTarget};

use super::rig::{Camera, ROOM, Rig, SOON, body};

/// A folder of this test's own, taken away at the end; the flag says that it is a mount.
struct Folder(PathBuf, bool);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("yuntang-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path, false)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.1 {
            let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
        }
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn start(rig: &Rig, dir: &Path) {
    let target =
        CaptureTarget { dir: dir.to_owned(), origin: Instant::now(), origin_mono_us: 1_000_000 };
    rig.runtime.block_on(rig.media.start_capture(ROOM, target)).unwrap();
}

/// Everything captured, in order: packet bodies, and gaps by reason.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Frame(Vec<u8>),
    Gap(GapReason),
    End,
}

fn read(dir: &Path) -> Vec<Seen> {
    let mut files = Vec::new();
    for track in std::fs::read_dir(dir).unwrap() {
        for file in std::fs::read_dir(track.unwrap().path()).unwrap() {
            files.push(file.unwrap().path());
        }
    }
    files.sort();
    let mut seen = Vec::new();
    for file in files {
        let bytes = std::fs::read(file).unwrap();
        let Ok(reader) = SegmentReader::new(&bytes) else { continue };
        seen.extend(reader.filter_map(|stamped| match stamped.record {
            Record::Rtp(packet) => {
                let extension = if packet[0] & 0x10 != 0 {
                    4 + 4 * usize::from(u16::from_be_bytes([packet[14], packet[15]]))
                } else {
                    0
                };
                Some(Seen::Frame(body(&packet[12 + extension..]).to_vec()))
            }
            Record::Gap { reason, .. } => Some(Seen::Gap(reason)),
            Record::TrackEnd => Some(Seen::End),
            _ => None,
        }));
    }
    seen
}

fn status(
    rig: &Rig,
    camera: &mut Camera,
    mut wanted: impl FnMut(&CaptureStatus) -> bool,
) -> CaptureStatus {
    let receiver = rig.media.capture_status(ROOM);
    let deadline = Instant::now() + SOON;
    loop {
        let status = *receiver.borrow();
        if wanted(&status) {
            return status;
        }
        assert!(Instant::now() < deadline, "{status:?}");
        camera.frame();
    }
}

/// Sends frames until the server has taken in that many packets more.
fn frames(rig: &Rig, camera: &mut Camera, count: usize) -> Vec<Vec<u8>> {
    let sent = (0..count).map(|_| body(&camera.frame()).to_vec()).collect();
    let before = rig.media.stats().shards[0].io.datagrams_in;
    // One more round trip through the same socket: then everything before it was taken in.
    let deadline = Instant::now() + SOON;
    camera.client.socket().send_to(&[0xff], rig.port()).unwrap();
    while rig.media.stats().shards[0].io.datagrams_in <= before {
        assert!(Instant::now() < deadline);
        camera.step();
    }
    sent
}

#[test]
fn the_capture_holds_what_was_sent_and_stop_means_on_disk() {
    let folder = Folder::new("capture");
    let rig = Rig::start();
    let mut camera = rig.publisher(1);
    camera.only_keyframes = true;
    frames(&rig, &mut camera, 5);
    start(&rig, &folder.0);
    let sent = frames(&rig, &mut camera, 100);
    let safe = status(&rig, &mut camera, |status| status.safe_mono_us.is_some());
    assert!(safe.safe_mono_us.unwrap() > 1_000_000 && safe.problem.is_none());
    rig.runtime.block_on(rig.media.stop_capture(ROOM)).unwrap();
    let seen = read(&folder.0);
    let first = seen.iter().position(|seen| *seen == Seen::Frame(sent[0].clone()));
    let first = first.expect("the first frame after the start is there");
    let expected: Vec<Seen> = sent.into_iter().map(Seen::Frame).collect();
    assert_eq!(seen[first..first + 100], expected);
    assert_eq!(seen.last(), Some(&Seen::End));
    let again = rig.runtime.block_on(rig.media.stop_capture(ROOM));
    assert_eq!(again, Err(CaptureError::NotStarted));
}

#[test]
fn nothing_sent_during_a_pause_is_captured() {
    let folder = Folder::new("pause");
    let rig = Rig::start();
    let mut camera = rig.publisher(1);
    camera.only_keyframes = true;
    frames(&rig, &mut camera, 5);
    start(&rig, &folder.0);
    let before = frames(&rig, &mut camera, 20);
    rig.runtime.block_on(rig.media.pause_capture(ROOM)).unwrap();
    let during = frames(&rig, &mut camera, 20);
    rig.runtime.block_on(rig.media.resume_capture(ROOM)).unwrap();
    let after = frames(&rig, &mut camera, 20);
    rig.runtime.block_on(rig.media.stop_capture(ROOM)).unwrap();
    let seen = read(&folder.0);
    let has = |frame: &Vec<u8>| seen.contains(&Seen::Frame(frame.clone()));
    assert!(before.iter().all(has) && after.iter().all(has));
    assert!(!during.iter().any(has));
    assert_eq!(seen.iter().filter(|seen| **seen == Seen::Gap(GapReason::Pause)).count(), 1);
}

#[test]
fn a_full_disk_is_a_problem_of_the_capture_and_not_of_the_room() {
    let mut folder = Folder::new("full");
    let path = folder.0.clone();
    let mount = |arguments: &[&str]| {
        Command::new("mount").args(arguments).arg(&path).status().is_ok_and(|s| s.success())
    };
    if !mount(&["-t", "tmpfs", "-o", "size=128k", "tmpfs"]) {
        eprintln!("skipped: mounting a small tmpfs needs root (the file layer tests cover it)");
        return;
    }
    folder.1 = true;
    let rig = Rig::start();
    let mut camera = rig.publisher(1);
    camera.only_keyframes = true;
    let mut viewer = rig.subscriber(2);
    start(&rig, &folder.0);
    let full = status(&rig, &mut camera, |status| status.problem.is_some());
    assert_eq!(full.problem, Some(CaptureProblem::DiskFull));
    super::rig::watch(&mut camera, &mut viewer, 20);
    assert!(mount(&["-o", "remount,size=16m", "-t", "tmpfs"]));
    status(&rig, &mut camera, |status| status.problem.is_none());
    let sent = frames(&rig, &mut camera, 10);
    rig.runtime.block_on(rig.media.stop_capture(ROOM)).unwrap();
    let seen = read(&folder.0);
    assert!(seen.contains(&Seen::Gap(GapReason::Storage)));
    assert!(sent.iter().all(|frame| seen.contains(&Seen::Frame(frame.clone()))));
}
