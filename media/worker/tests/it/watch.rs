//! Runs the worker as the server does and looks at what it made with the ffmpeg command line: an
//! eye that is not the worker's own.

use crate::stage::Yuv;
use media_worker::{Job, Line, Mp4, Participant, Span};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub const WIDTH: usize = 320;
pub const HEIGHT: usize = 180;
pub const FPS: usize = 25;

/// A folder of its own for each test, removed when the test has passed.
pub struct Place(PathBuf);

impl Place {
    pub fn new(name: &str) -> Place {
        let path = std::env::temp_dir().join(format!("yuntang-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(path.join("capture")).expect("folder");
        Place(path)
    }

    pub fn dir(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn job(&self, start_us: u64, end_us: u64, people: &[(u128, &str)]) -> Job {
        Job {
            version: media_worker::JOB_VERSION,
            session: "01920000-0000-7000-8000-000000000001".into(),
            capture_dir: self.dir("capture"),
            tracks_dir: self.dir("tracks"),
            out_dir: self.dir("out"),
            title: "支部党员大会".into(),
            official: Span { start_us, end_us },
            gaps: Vec::new(),
            participants: people
                .iter()
                .map(|&(id, name)| Participant {
                    id: uuid(id),
                    name: name.into(),
                    role: "党员".into(),
                })
                .collect(),
            chapters: Vec::new(),
            mp4: Mp4 {
                width: WIDTH as u32,
                height: HEIGHT as u32,
                fps: FPS as u32,
                preset: "ultrafast".into(),
            },
            created: Some("2026-11-22T08:00:00Z".into()),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

fn uuid(id: u128) -> String {
    let hex = format!("{id:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

pub fn worker(job: &Job, dir: &Path) -> Command {
    let path = dir.join("job.json");
    std::fs::write(&path, serde_json::to_string(job).expect("job")).expect("job file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_media-worker"));
    command.arg(path).stdin(Stdio::null());
    command
}

/// Runs a job to its end; the lines must be well formed and progress must never fall.
pub fn run(job: &Job) -> Vec<Line> {
    let dir = job.out_dir.parent().expect("parent");
    let output = worker(job, dir).output().expect("worker");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Line> =
        text.lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
    let permille: Vec<u32> = lines
        .iter()
        .filter_map(|line| match line {
            Line::Progress { permille, .. } => Some(*permille),
            _ => None,
        })
        .collect();
    assert!(permille.is_sorted() && permille.last() == Some(&1000), "{permille:?}");
    assert!(matches!(lines.last(), Some(Line::Done { .. })));
    let parts = [&job.out_dir, &job.tracks_dir].into_iter().flat_map(std::fs::read_dir).flatten();
    assert!(parts.flatten().all(|f| f.path().extension().is_none_or(|e| e != "part")));
    lines
}

pub fn tool(program: &str, args: &[&str]) -> (Vec<u8>, String) {
    let output = Command::new(program).args(args).output().expect("the FFmpeg tools");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Every key frame is a place to begin: what follows decodes without a word of complaint.
pub fn seeks_anywhere(path: &Path) {
    let path = path.to_str().expect("path");
    let args = ["-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time,flags"];
    let (out, _) = tool("ffprobe", &[&args[..], &["-of", "csv=p=0", path]].concat());
    let packets = String::from_utf8(out).expect("ffprobe");
    let keys = packets.lines().filter_map(|line| line.split_once(",K").map(|(at, _)| at));
    let mut count = 0;
    for at in keys {
        let (_, complaints) = tool(
            "ffmpeg",
            &["-v", "warning", "-ss", at, "-i", path, "-frames:v", "8", "-f", "null", "-"],
        );
        assert_eq!(complaints, "", "from the key frame at {at} s");
        count += 1;
    }
    assert!(count > 1, "one key frame only");
}

/// A recording, decoded.
pub struct Film {
    pub frames: Vec<Vec<u8>>,
    /// Mono, 48 kHz.
    pub sound: Vec<f32>,
    pub seconds: f64,
}

impl Film {
    /// Decodes a recording that must have one picture and one sound stream, begin with its index,
    /// and decode without a word of complaint.
    pub fn open(path: &Path) -> Film {
        let path_text = path.to_str().expect("path");
        let probe =
            ["-v", "error", "-show_entries", "stream=codec_type,codec_name:format=duration"];
        let (out, _) = tool("ffprobe", &[&probe[..], &["-of", "json", path_text]].concat());
        let probe: serde_json::Value = serde_json::from_slice(&out).expect("ffprobe");
        let streams = probe["streams"].as_array().expect("streams");
        let names = |kind: &str| {
            let of_kind = streams.iter().filter(|s| s["codec_type"] == kind);
            of_kind.map(|s| s["codec_name"].as_str().unwrap_or("")).collect::<Vec<_>>()
        };
        assert_eq!((names("video"), names("audio")), (vec!["h264"], vec!["aac"]));
        let seconds = probe["format"]["duration"].as_str().and_then(|d| d.parse().ok());
        let head = std::fs::read(path).expect("file");
        let place = |tag: &[u8]| head.windows(4).position(|w| w == tag);
        assert!(place(b"moov") < place(b"mdat"), "not faststart");
        let video = ["-map", "0:v", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"];
        let audio = ["-map", "0:a", "-f", "f32le", "-ac", "1", "-ar", "48000", "-"];
        let input = ["-v", "warning", "-i", path_text];
        let (pictures, complaints) = tool("ffmpeg", &[&input[..], &video].concat());
        assert_eq!(complaints, "");
        let (sound, complaints) = tool("ffmpeg", &[&input[..], &audio].concat());
        assert_eq!(complaints, "");
        Film {
            frames: pictures.chunks_exact(WIDTH * HEIGHT * 3 / 2).map(<[u8]>::to_vec).collect(),
            sound: sound
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
            seconds: seconds.expect("duration"),
        }
    }

    /// Colour at a place given in parts of width and height, at a time in seconds.
    pub fn colour(&self, seconds: f64, x: f64, y: f64) -> Yuv {
        let frame = &self.frames[(seconds * FPS as f64) as usize];
        let (x, y) = ((x * WIDTH as f64) as usize, (y * HEIGHT as f64) as usize);
        let chroma = y / 2 * (WIDTH / 2) + x / 2;
        let (u, v) = (WIDTH * HEIGHT, WIDTH * HEIGHT * 5 / 4);
        [frame[y * WIDTH + x], frame[u + chroma], frame[v + chroma]]
    }

    pub fn shows(&self, seconds: f64, x: f64, y: f64, colour: Yuv) {
        let seen = self.colour(seconds, x, y);
        let off = seen.iter().zip(colour).map(|(a, b)| a.abs_diff(b)).max();
        assert!(off < Some(30), "at {seconds} s, ({x}, {y}): {seen:?} instead of {colour:?}");
    }

    /// Strength of a tone (Goertzel) over 0.2 s from `seconds`: about 0.2 for ours.
    pub fn tone(&self, seconds: f64, hz: f64) -> f64 {
        let from = (seconds * 48_000.0) as usize;
        let window = &self.sound[from..from + 9_600];
        let w = std::f64::consts::TAU * hz / 48_000.0;
        let (mut s1, mut s2) = (0.0, 0.0);
        for &sample in window {
            (s1, s2) = (f64::from(sample) + 2.0 * w.cos() * s1 - s2, s1);
        }
        (s1 * s1 + s2 * s2 - 2.0 * w.cos() * s1 * s2).max(0.0).sqrt() / window.len() as f64
    }
}
