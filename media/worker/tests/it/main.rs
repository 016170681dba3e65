//! Captures in, recordings out: what is seen and heard must be who was there, when they were.

mod stage;
mod watch;

use media::api::{Codec, Source};
use media_worker::{Chapter, ErrorCode, Gap, Line};
use stage::{BLUE, CALM, GREEN, Network, RED, Track, WHITE, YELLOW, Yuv, tone};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::Stdio;
use watch::{Film, Place, run, seeks_anywhere, tool, worker};

const A: u128 = 0xa;
const B: u128 = 0xb;
const C: u128 = 0xc;
const CAMERA: (u32, u32) = (160, 90);

/// Our tone is at 0.4; a strength of half that would be a perfect recording of it.
const HEARD: f64 = 0.08;
const NOT_HEARD: f64 = 0.02;

fn track(id: u64, owner: u128, source: Source, from_us: u64, to_us: u64) -> Track {
    // Each person's clock is elsewhere.
    let ntp_base = 3_900_000_000 + (owner as u64) * 12_345;
    Track { id, owner, source, network: CALM, ntp_base, from_us, to_us }
}

/// A bad but honest network: what is lost is repaired, and picture and sound take different ways.
fn rough(delay_us: u64) -> Network {
    Network {
        delay_us,
        jitter_us: 20_000,
        repaired_every: 50,
        lost_every: u64::MAX,
        swapped_every: 40,
    }
}

fn person(
    capture: &Path,
    owner: u128,
    colour: Yuv,
    hz: f64,
    times: (u64, u64),
    speech: (f64, f64),
) {
    let id = owner as u64 * 10;
    let camera =
        Track { network: rough(120_000), ..track(id, owner, Source::Camera, times.0, times.1) };
    camera.film(capture, |_| (CAMERA, colour));
    let mic = Track {
        network: rough(40_000),
        ..track(id + 1, owner, Source::Microphone, times.0, times.1)
    };
    mic.speak(capture, |s| tone(hz, s, (speech.0..speech.1).contains(&s)));
}

#[test]
fn a_meeting_is_recorded_as_it_was() {
    let place = Place::new("meeting");
    let capture = place.dir("capture");
    // Session times; the official part is 1 s … 13 s.
    person(&capture, A, RED, 440.0, (0, 14_000_000), (1.0, 4.0));
    person(&capture, B, GREEN, 620.0, (2_000_000, 14_000_000), (4.0, 7.0));
    person(&capture, C, BLUE, 830.0, (3_000_000, 8_000_000), (7.0, 7.9));
    let screen = Track { ..track(7, A, Source::Screen, 9_000_000, 11_000_000) };
    screen.film(&capture, |us| {
        let size = if us < 10_000_000 { (320, 180) } else { (240, 180) };
        (size, YELLOW)
    });
    let mut job = place.job(1_000_000, 13_000_000, &[(A, "王书记"), (B, "李同志"), (C, "赵同志")]);
    job.gaps.push(Gap { from_us: 11_500_000, to_us: 12_500_000 });
    job.chapters.push(Chapter { at_us: 4_000_000, title: "学习".into() });
    // The preset of real recordings: it has cuts within a group of pictures.
    job.mp4.preset = "veryfast".into();
    let lines = run(&job);
    let film = Film::open(&job.out_dir.join("recording.mp4"));
    seeks_anywhere(&job.out_dir.join("recording.mp4"));

    assert!((film.seconds - 12.0).abs() <= 0.040, "{} s", film.seconds);
    assert_eq!(film.frames.len(), 300);
    let (main, full) = ((0.37, 0.5), (0.5, 0.5));
    let beside = [(0.87, 0.25), (0.87, 0.5), (0.87, 0.75)];
    // A alone, full screen; then B comes and stands beside.
    film.shows(0.5, full.0, full.1, RED);
    film.shows(0.5, 0.05, 0.5, RED);
    film.shows(1.5, main.0, main.1, RED);
    film.shows(1.5, beside[0].0, beside[0].1, GREEN);
    film.shows(2.5, beside[1].0, beside[1].1, BLUE);
    // B speaks from 3 s of the recording on, C at 6.
    film.shows(4.5, main.0, main.1, GREEN);
    film.shows(4.5, beside[0].0, beside[0].1, RED);
    film.shows(6.7, main.0, main.1, BLUE);
    // C has left: the others remain.
    let left: Vec<Yuv> = (0..2).map(|i| film.colour(7.6, beside[i].0, beside[i].1)).collect();
    assert!(left.iter().all(|c| c[1].abs_diff(BLUE[1]) > 40), "{left:?}");
    // The shared screen, wide and then narrower, and the last speaker still here beside it.
    film.shows(8.5, 0.37, 0.5, YELLOW);
    film.shows(8.5, 0.37, 0.2, YELLOW);
    film.shows(9.5, 0.37, 0.15, YELLOW);
    // The pause is black and silent and keeps its length; after it the meeting goes on.
    film.shows(11.0, 0.5, 0.5, [16, 128, 128]);
    film.shows(11.9, beside[0].0, beside[0].1, film.colour(10.3, beside[0].0, beside[0].1));

    for (at, loud) in [(1.0, 440.0), (4.5, 620.0), (6.4, 830.0)] {
        for hz in [440.0, 620.0, 830.0] {
            let strength = film.tone(at, hz);
            let as_it_was = if hz == loud { strength > HEARD } else { strength < NOT_HEARD };
            assert!(as_it_was, "{hz} Hz at {at} s: {strength}");
        }
    }
    // The changes of voice lie where they were spoken.
    for (before, after, at) in [(440.0, 620.0, 3.0), (620.0, 830.0, 6.0)] {
        assert!(film.tone(at - 0.25, before) > HEARD && film.tone(at - 0.25, after) < NOT_HEARD);
        assert!(film.tone(at + 0.1, after) > HEARD && film.tone(at + 0.1, before) < NOT_HEARD);
    }

    let tracks = lines.iter().filter_map(|line| match line {
        Line::Track(track) => Some(track),
        _ => None,
    });
    let tracks: Vec<_> = tracks.collect();
    assert_eq!(tracks.len(), 7);
    for track in tracks {
        assert_eq!((track.lost_packets, track.unreadable_bytes), (0, 0), "{track:?}");
        let file = track.file.to_str().expect("path");
        let (_, complaints) = tool("ffmpeg", &["-v", "warning", "-i", file, "-f", "null", "-"]);
        assert_eq!(complaints, "", "{file}");
    }
    assert!(std::fs::metadata(job.out_dir.join("poster.jpg")).expect("poster").len() > 500);
    let file = job.out_dir.join("recording.mp4");
    let args = ["-v", "error", "-show_chapters", "-show_format", "-of", "json"];
    let (about, _) = tool("ffprobe", &[&args[..], &[file.to_str().expect("path")]].concat());
    let about: serde_json::Value = serde_json::from_slice(&about).expect("ffprobe");
    assert_eq!(about["format"]["tags"]["title"], "支部党员大会");
    let chapters: Vec<_> = about["chapters"]
        .as_array()
        .expect("chapters")
        .iter()
        .map(|c| {
            (c["start_time"].as_str().unwrap_or(""), c["tags"]["title"].as_str().unwrap_or(""))
        })
        .collect();
    assert_eq!(chapters, [("0.000000", "支部党员大会"), ("3.000000", "学习")]);
}

#[test]
fn flash_and_beep_stay_together_through_loss_delay_and_wrapping_counters() {
    let place = Place::new("sync");
    let capture = place.dir("capture");
    let on = |s: f64| s.fract() < 0.2;
    let video = Network { lost_every: u64::MAX, ..rough(180_000) };
    let camera = Track { network: video, ..track(1, A, Source::Camera, 0, 9_000_000) };
    camera.film(&capture, |us| (CAMERA, if on(us as f64 / 1e6) { WHITE } else { RED }));
    // One audio packet in 37 never comes: the holes must not pull the rest forward.
    let audio = Network { lost_every: 37, ..rough(40_000) };
    let mic = Track { network: audio, ..track(2, A, Source::Microphone, 0, 9_000_000) };
    mic.speak(&capture, |s| tone(1000.0, s, on(s)));
    let job = place.job(500_000, 8_500_000, &[(A, "王书记")]);
    run(&job);
    let film = Film::open(&job.out_dir.join("recording.mp4"));
    let mut offsets = Vec::new();
    for beep in 1..8 {
        // The beep of session second `beep` is at beep − 0.5 s of the recording.
        let from = beep as f64 - 0.7;
        let flash = (0..15)
            .map(|n| from + n as f64 * 0.04)
            .find(|&t| film.colour(t + 1e-6, 0.5, 0.8)[2] < 180)
            .map(|t| (t * 25.0).round() / 25.0);
        let start = (from * 48_000.0) as usize;
        let beep = (start..start + 28_800).find(|&i| film.sound[i].abs() > 0.1);
        let (Some(flash), Some(beep)) = (flash, beep) else { panic!("no flash or beep") };
        offsets.push(flash - beep as f64 / 48_000.0);
    }
    assert!(offsets.iter().all(|o| o.abs() <= 0.060), "{offsets:?}");
    let spread = offsets.iter().fold(0.0f64, |m, o| m.max((o - offsets[0]).abs()));
    assert!(spread <= 0.041, "{offsets:?}");
}

#[test]
fn voices_without_pictures_are_shown_by_name() {
    let place = Place::new("names");
    let capture = place.dir("capture");
    let mic = |id, owner| track(id, owner, Source::Microphone, 0, 3_000_000);
    mic(1, A).speak(&capture, |s| tone(440.0, s, true));
    mic(2, B).speak(&capture, |s| tone(620.0, s, false));
    let job = place.job(500_000, 2_500_000, &[(A, "王书记"), (B, "李同志")]);
    run(&job);
    let film = Film::open(&job.out_dir.join("recording.mp4"));
    assert!((film.seconds - 2.0).abs() <= 0.040);
    // The corner of a tile is its colour; letters brighten some of the middle.
    film.shows(1.0, 0.04, 0.2, [44, 140, 122]);
    let bright = (0..WIDTH_PARTS).any(|i| {
        let x = 0.1 + 0.55 * f64::from(i) / f64::from(WIDTH_PARTS);
        (0..40).any(|j| film.colour(1.0, x, 0.3 + f64::from(j) * 0.01)[0] > 120)
    });
    let has_font = Path::new("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf").exists();
    assert_eq!(bright, has_font);
    assert!(film.tone(1.0, 440.0) > HEARD);
}

const WIDTH_PARTS: u32 = 160;

#[test]
fn an_empty_capture_still_gives_a_recording_of_the_official_length() {
    let place = Place::new("empty");
    std::fs::remove_dir(place.dir("capture")).expect("remove");
    let job = place.job(0, 1_537_000, &[]);
    let lines = run(&job);
    let film = Film::open(&job.out_dir.join("recording.mp4"));
    assert!((film.seconds - 1.537).abs() <= 0.040, "{}", film.seconds);
    assert!(film.sound.iter().all(|s| s.abs() < 1e-3));
    assert!(matches!(lines.last(), Some(Line::Done { duration_us: 1_520_000, .. })));
}

#[test]
fn a_torn_and_damaged_capture_loses_what_is_torn_and_no_more() {
    let place = Place::new("torn");
    let capture = place.dir("capture");
    person(&capture, A, RED, 440.0, (0, 6_000_000), (0.0, 6.0));
    let dir = capture.join("000101");
    // The sound: its last segment (4 s …) is cut in the middle, one byte before is flipped, and a
    // whole stranger lies among the segments.
    let last = dir.join("000002.cap");
    let bytes = std::fs::read(&last).expect("segment");
    std::fs::write(&last, &bytes[..bytes.len() / 2 + 7]).expect("cut");
    let _ = std::fs::remove_file(dir.join("000003.cap"));
    let first = dir.join("000000.cap");
    let mut bytes = std::fs::read(&first).expect("segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    std::fs::write(&first, bytes).expect("flip");
    std::fs::write(dir.join("000009.cap"), b"not a capture").expect("stranger");
    let job = place.job(0, 6_000_000, &[(A, "王书记")]);
    let lines = run(&job);
    let film = Film::open(&job.out_dir.join("recording.mp4"));
    assert!((film.seconds - 6.0).abs() <= 0.040);
    for at in [0.3, 0.9, 1.3, 2.5, 3.5, 4.6] {
        assert!(film.tone(at, 440.0) > HEARD, "at {at} s");
        film.shows(at, 0.5, 0.5, RED);
    }
    assert!(film.tone(5.6, 440.0) < NOT_HEARD, "what is torn is silent");
    film.shows(5.6, 0.5, 0.5, RED);
    let torn = lines.iter().find_map(|line| match line {
        Line::Track(t) if t.source == "microphone" => Some((t.lost_packets, t.unreadable_bytes)),
        _ => None,
    });
    let (lost, unreadable) = torn.expect("track");
    assert!(lost == 1 && unreadable > 13, "{lost} {unreadable}");
}

#[test]
fn after_a_loss_nobody_repaired_the_picture_freezes_until_a_key_frame() {
    let place = Place::new("loss");
    let capture = place.dir("capture");
    let network = Network { lost_every: 60, ..CALM };
    let camera = Track { network, ..track(1, A, Source::Camera, 0, 8_000_000) };
    camera.film(&capture, |us| (CAMERA, if us < 5_000_000 { RED } else { BLUE }));
    let job = place.job(0, 8_000_000, &[(A, "王书记")]);
    let lines = run(&job);
    let film = Film::open(&job.out_dir.join("recording.mp4"));
    film.shows(1.0, 0.5, 0.7, RED);
    film.shows(4.5, 0.5, 0.7, RED);
    film.shows(7.9, 0.5, 0.7, BLUE);
    let Some(Line::Track(track)) = lines.iter().find(|l| matches!(l, Line::Track(_))) else {
        panic!("no track")
    };
    assert!(track.lost_packets >= 3 && track.frames < 200, "{track:?}");
    let file = track.file.to_str().expect("path");
    let (_, complaints) = tool("ffmpeg", &["-v", "warning", "-i", file, "-f", "null", "-"]);
    assert_eq!(complaints, "");
}

#[test]
fn other_codecs_are_recorded_too() {
    let place = Place::new("codecs");
    let capture = place.dir("capture");
    let camera = |id, owner| Track {
        network: rough(30_000),
        ..track(id, owner, Source::Camera, 0, 3_000_000)
    };
    let change = |us: u64| if us < 1_500_000 { (320, 180) } else { CAMERA };
    camera(1, A).film_as(Codec::H264, &capture, |us| (change(us), RED));
    camera(2, B).film_as(Codec::Vp9, &capture, |us| (change(us), GREEN));
    camera(3, C).film_as(Codec::Av1, &capture, |us| (change(us), BLUE));
    let job = place.job(0, 2_800_000, &[(A, "王书记"), (B, "李同志"), (C, "赵同志")]);
    let lines = run(&job);
    let film = Film::open(&job.out_dir.join("recording.mp4"));
    for at in [0.5, 2.5] {
        // Nobody speaks: who comes first is a matter of the network.
        for colour in [RED, GREEN, BLUE] {
            let places = [(0.37, 0.6), (0.87, 0.28), (0.87, 0.53)];
            let seen = places.map(|(x, y)| film.colour(at, x, y));
            let near = |c: &Yuv| (0..3).all(|i| c[i].abs_diff(colour[i]) < 20);
            assert!(seen.iter().any(near), "{colour:?} at {at} s: {seen:?}");
        }
    }
    let mut codecs = Vec::new();
    for line in lines {
        let Line::Track(track) = line else { continue };
        // A frame for each of 25 pictures a second: nothing was thrown away.
        assert_eq!((track.lost_packets, track.frames), (0, 75), "{track:?}");
        let file = track.file.to_str().expect("path");
        let (_, complaints) = tool("ffmpeg", &["-v", "error", "-i", file, "-f", "null", "-"]);
        assert_eq!(complaints, "", "{file}");
        codecs.push(track.codec);
    }
    codecs.sort();
    assert_eq!(codecs, ["av1", "h264", "vp9"]);
}

#[test]
fn a_screen_that_changes_its_codec_goes_on_in_the_picture() {
    let place = Place::new("change");
    let capture = place.dir("capture");
    // As the shard captures it: another track from the key frame on.
    let screen = |id, from_us, to_us| track(id, A, Source::Screen, from_us, to_us);
    let size = (320, 180);
    screen(1, 0, 2_000_000).film_as(Codec::Vp9, &capture, |_| (size, GREEN));
    screen(2, 2_000_000, 4_000_000).film_as(Codec::Vp8, &capture, |_| (size, YELLOW));
    screen(3, 4_000_000, 6_000_000).film_as(Codec::Av1, &capture, |_| (size, BLUE));
    let job = place.job(0, 6_000_000, &[(A, "王书记")]);
    run(&job);
    let film = Film::open(&job.out_dir.join("recording.mp4"));
    for (at, colour) in
        [(0.5, GREEN), (1.8, GREEN), (2.2, YELLOW), (3.8, YELLOW), (4.2, BLUE), (5.8, BLUE)]
    {
        film.shows(at, 0.5, 0.5, colour);
    }
}

#[test]
fn of_spatial_layers_the_highest_is_recorded() {
    let place = Place::new("spatial");
    let capture = place.dir("capture");
    let layers = [((80, 44), RED), ((160, 90), YELLOW), ((320, 180), GREEN)];
    track(1, A, Source::Screen, 0, 2_000_000).film_layers(&capture, &layers);
    let job = place.job(0, 2_000_000, &[(A, "王书记")]);
    let lines = run(&job);
    let film = Film::open(&job.out_dir.join("recording.mp4"));
    for at in [0.2, 1.0, 1.8] {
        film.shows(at, 0.5, 0.5, GREEN);
    }
    let track = lines.iter().find_map(|line| match line {
        Line::Track(track) => Some(track),
        _ => None,
    });
    let track = track.expect("a track");
    assert_eq!((track.lost_packets, track.frames), (0, 50), "{track:?}");
    let file = track.file.to_str().expect("path");
    // One picture for each frame, in its full size, by the decoder that knows layers.
    let decode = ["-v", "error", "-c:v", "libvpx-vp9", "-i", file, "-f", "rawvideo", "-"];
    let (pictures, complaints) = tool("ffmpeg", &decode);
    assert_eq!((complaints.as_str(), pictures.len()), ("", 50 * 320 * 180 * 3 / 2));
}

#[test]
fn someone_seen_only_later_is_taken_up_at_a_key_frame() {
    let place = Place::new("later");
    let capture = place.dir("capture");
    // Five cameras, four places: the last to come is first seen when its owner speaks at 5 s.
    for owner in 1..=5u128 {
        let colour = |us| if owner == 5 && us >= 4_500_000 { BLUE } else { RED };
        track(owner as u64, owner, Source::Camera, owner as u64 * 100_000, 8_000_000)
            .film(&capture, |us| (CAMERA, colour(us)));
    }
    let mic = |id, owner| track(id, owner, Source::Microphone, 0, 8_000_000);
    mic(11, 1).speak(&capture, |s| tone(440.0, s, s < 5.0));
    mic(15, 5).speak(&capture, |s| tone(620.0, s, s >= 5.0));
    let job = place.job(0, 8_000_000, &[]);
    run(&job);
    let film = Film::open(&job.out_dir.join("recording.mp4"));
    film.shows(4.8, 0.37, 0.7, RED);
    for place in [0.25, 0.5, 0.75] {
        film.shows(4.8, 0.87, place + 0.05, RED);
    }
    film.shows(5.4, 0.37, 0.7, BLUE);
    film.shows(7.5, 0.37, 0.7, BLUE);
}

#[test]
fn cancelling_leaves_nothing_behind() {
    let place = Place::new("cancel");
    // Long enough that nobody is done before being asked to stop.
    let job = place.job(0, 3_600_000_000, &[]);
    for by_signal in [false, true] {
        let mut child = worker(&job, &place.dir(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("worker");
        let mut out = BufReader::new(child.stdout.take().expect("stdout"));
        let mut line = String::new();
        out.read_line(&mut line).expect("a line of progress");
        if by_signal {
            let id = child.id().to_string();
            tool("kill", &["-TERM", &id]);
        } else {
            child.stdin.take().expect("stdin").write_all(b"cancel\n").expect("cancel");
        }
        let mut rest = String::new();
        out.read_to_string(&mut rest).expect("text");
        assert_eq!(child.wait().expect("exit").code(), Some(3));
        let last: Line = serde_json::from_str(rest.lines().last().expect("line")).expect("json");
        assert!(matches!(last, Line::Error { code: ErrorCode::Cancelled, .. }));
        let left = std::fs::read_dir(&job.out_dir).expect("folder").flatten();
        let names: Vec<_> = left.map(|f| f.file_name()).filter(|n| n != "poster.jpg").collect();
        assert!(names.is_empty(), "{names:?}");
    }
}

#[test]
fn an_impossible_job_is_refused_for_good() {
    let place = Place::new("refused");
    let mut job = place.job(5, 5, &[]);
    let refused = |job: &media_worker::Job| {
        let output = worker(job, &place.dir("")).output().expect("worker");
        let line: Line = serde_json::from_slice(&output.stdout).expect("a line");
        assert!(matches!(line, Line::Error { code: ErrorCode::InvalidJob, .. }), "{line:?}");
        output.status.code()
    };
    assert_eq!(refused(&job), Some(2));
    job.official.end_us = 1_000_000;
    job.mp4.width = 321;
    assert_eq!(refused(&job), Some(2));
    job.mp4.width = 320;
    job.version = 99;
    assert_eq!(refused(&job), Some(2));
}
