//! The estimator against a simulated bottleneck, on virtual time: real feedback bytes over a link
//! with a queue, jitter, loss and a capacity that changes.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::estimator::Estimator;
use super::feedback::Feedback;
use super::twcc::Recorder;
use crate::testing::origin;

const MS: u64 = 1_000;
const SECOND: u64 = 1_000 * MS;
/// Bit/s of the layers of the one picture that is sent, and of sound.
const LAYERS: [u64; 3] = [150_000, 500_000, 1_500_000];
const AUDIO: u64 = 44_000;

struct Link {
    /// (from, bit/s)
    capacity: Vec<(u64, u64)>,
    latency: u64,
    /// Added from a time until another one, µs.
    detour: (u64, u64, u64),
    jitter: u64,
    loss: f64,
    /// Longest queue, µs.
    queue: u64,
    free: u64,
    random: u64,
}

impl Link {
    fn new(capacity: &[(u64, u64)]) -> Link {
        let capacity = capacity.iter().map(|(at, rate)| (at * SECOND, *rate)).collect();
        Link {
            capacity,
            latency: 30 * MS,
            detour: (0, 0, 0),
            jitter: 0,
            loss: 0.0,
            queue: 400 * MS,
            free: 0,
            random: 7,
        }
    }

    fn random(&mut self) -> f64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) as f64 / (1u64 << 31) as f64
    }

    /// When a packet arrives, if it does.
    fn send(&mut self, now: u64, size: usize) -> Option<u64> {
        let rate = self.capacity.iter().rfind(|(from, _)| *from <= now)?.1;
        let begin = self.free.max(now);
        if begin - now > self.queue || self.random() < self.loss {
            return None;
        }
        self.free = begin + size as u64 * 8 * SECOND / rate;
        let jitter = (self.random() * 2.0 - 1.0) * self.jitter as f64;
        let (from, until, more) = self.detour;
        let latency = self.latency + if (from..until).contains(&now) { more } else { 0 };
        Some((self.free + latency).saturating_add_signed(jitter as i64))
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Audio,
    /// Of the frame with this number.
    Video(u64),
    Padding,
}

/// What a second of the run looked like.
#[derive(Debug, Clone, Copy, Default)]
struct Second {
    estimate: u64,
    layer: Option<usize>,
    audio_sent: u32,
    audio_in_time: u32,
}

struct Run {
    base: Instant,
    now: u64,
    link: Link,
    estimator: Estimator,
    recorder: Recorder,
    layer: Option<usize>,
    queue: VecDeque<(usize, u64)>,
    queued: usize,
    frame: u64,
    flying: BTreeMap<(u64, u64), (u16, Kind, usize, u64)>,
    order: u64,
    feedback: VecDeque<(u64, Vec<u8>)>,
    drop_feedback: f64,
    seconds: Vec<Second>,
    /// Packets of frames still to come, and when whole frames came.
    missing: BTreeMap<u64, usize>,
    frames: Vec<u64>,
    layers: Vec<(u64, Option<usize>)>,
    padding: u64,
    audio_at: u64,
    audio_gap: u64,
}

impl Run {
    fn new(link: Link) -> Run {
        let base = origin();
        let mut estimator = Estimator::new(base);
        estimator.set_wanted(LAYERS[2] + AUDIO);
        Run {
            base,
            now: 0,
            link,
            estimator,
            recorder: Recorder::new(base),
            layer: Some(2),
            queue: VecDeque::new(),
            queued: 0,
            frame: 0,
            flying: BTreeMap::new(),
            order: 0,
            feedback: VecDeque::new(),
            drop_feedback: 0.0,
            seconds: vec![],
            missing: BTreeMap::new(),
            frames: vec![],
            layers: vec![],
            padding: 0,
            audio_at: 0,
            audio_gap: 0,
        }
    }

    fn at(&self) -> Instant {
        self.base + Duration::from_micros(self.now)
    }

    fn transmit(&mut self, size: usize, kind: Kind) {
        let number = self.estimator.sent(self.at(), size);
        if let Some(arrival) = self.link.send(self.now, size) {
            self.order += 1;
            self.flying.insert((arrival, self.order), (number, kind, size, self.now));
        }
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds * 1_000 {
            self.step();
        }
    }

    fn step(&mut self) {
        self.now += MS;
        let now = self.now;
        let at = self.at();
        let second = (now / SECOND) as usize;
        self.seconds.resize(second + 1, Second::default());
        while let Some(entry) = self.flying.first_entry().filter(|e| e.key().0 <= now) {
            let ((arrival, _), (number, kind, _, sent)) = entry.remove_entry();
            self.recorder.record(self.base + Duration::from_micros(arrival), number, 1);
            match kind {
                Kind::Audio => {
                    self.audio_gap = self.audio_gap.max(arrival - self.audio_at);
                    self.audio_at = arrival;
                    let in_time = 400 * MS + self.link.latency + self.link.jitter;
                    // Of the second in which it was sent.
                    let second = &mut self.seconds[(sent / SECOND) as usize];
                    second.audio_in_time += u32::from(arrival - sent < in_time);
                }
                Kind::Video(frame) => {
                    let left = self.missing.entry(frame).or_default();
                    *left -= 1;
                    if *left == 0 {
                        self.frames.push(arrival);
                    }
                }
                _ => {}
            }
        }
        let mut bytes = Vec::new();
        self.recorder.write(at, 9, &mut bytes);
        if !bytes.is_empty() && self.link.random() >= self.drop_feedback {
            self.feedback.push_back((now + self.link.latency, bytes));
        }
        while self.feedback.front().is_some_and(|(due, _)| *due <= now) {
            let (_, bytes) = self.feedback.pop_front().unwrap();
            let mut rest = &bytes[..];
            while let Some(head) = rest.first_chunk::<4>() {
                let length = 4 + 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
                self.estimator.feedback(at, &Feedback::parse(&rest[..length]).unwrap());
                rest = &rest[length..];
            }
        }
        self.choose();
        if now.is_multiple_of(20 * MS) {
            self.seconds[second].audio_sent += 1;
            self.transmit(110, Kind::Audio);
        }
        if now.is_multiple_of(40 * MS)
            && let Some(layer) = self.layer
        {
            let mut left = (LAYERS[layer] / 25 / 8) as usize;
            self.missing.insert(self.frame, left.div_ceil(1200));
            while left > 0 {
                let size = left.min(1200);
                left -= size;
                self.queue.push_back((size, self.frame));
                self.queued += size;
            }
            self.frame += 1;
        }
        while let Some((size, frame)) = self.queue.front().copied() {
            if !self.estimator.is_free(at, self.queued) {
                break;
            }
            self.queue.pop_front();
            self.queued -= size;
            self.transmit(size, Kind::Video(frame));
        }
        self.estimator.poll(at);
        while let Some((behind, size)) =
            self.estimator.padding(at).filter(|(behind, _)| *behind > 0)
        {
            self.padding += size as u64;
            self.transmit(size.min(behind.max(200) as usize), Kind::Padding);
        }
        self.seconds[second].estimate = self.estimator.estimate().unwrap_or(0);
        self.seconds[second].layer = self.layer;
    }

    /// The best layer that fits; up only with room to spare.
    fn choose(&mut self) {
        let Some(estimate) = self.estimator.estimate() else { return };
        let spare = |layer: usize| match Some(layer) > self.layer {
            true => LAYERS[layer] * 115 / 100,
            false => LAYERS[layer],
        };
        let next = (0..LAYERS.len()).rfind(|layer| spare(*layer) + AUDIO <= estimate);
        if next != self.layer {
            self.layer = next;
            self.layers.push((self.now, next));
            // What waits of another layer is not sent any more.
            for (_, frame) in self.queue.drain(..) {
                self.missing.remove(&frame);
            }
            self.queued = 0;
        }
    }

    /// First second from `from` on in which the estimate is within a range, relative to `from`.
    fn until(&self, from: usize, within: impl Fn(u64) -> bool) -> usize {
        let found = self.seconds[from..].iter().position(|second| within(second.estimate));
        found.unwrap_or(usize::MAX)
    }

    fn lowest_audio(&self) -> f64 {
        let whole = self.seconds.iter().filter(|second| second.audio_sent == 50).skip(1);
        let share = whole.map(|s| f64::from(s.audio_in_time) / f64::from(s.audio_sent));
        share.fold(1.0, f64::min)
    }

    fn longest_freeze(&self, from: u64) -> Duration {
        let frames: Vec<u64> = self.frames.iter().copied().filter(|at| *at > from).collect();
        let gap = frames.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max();
        Duration::from_micros(gap.unwrap_or(u64::MAX))
    }

    fn report(&self, name: &str) {
        let line: Vec<String> = (self.seconds.iter().enumerate())
            .map(|(at, s)| {
                let layer = s.layer.map_or("-".into(), |l| l.to_string());
                format!("{at}:{}k/{layer}/{}", s.estimate / 1000, s.audio_in_time)
            })
            .collect();
        println!("{name}: {}", line.join(" "));
        println!(
            "  changes {:?}, probes {}, padding {} kB, freeze {:?}, audio {:.2}, loss {:.2}",
            self.layers.iter().map(|(at, l)| (at / MS, *l)).collect::<Vec<_>>(),
            self.estimator.probes(),
            self.padding / 1000,
            self.longest_freeze(0),
            self.lowest_audio(),
            self.estimator.loss(),
        );
    }
}

#[test]
fn capacity_falls_and_comes_back() {
    for queue in [150, 400, 1_000] {
        let mut run = Run::new(Link::new(&[(0, 2_000_000), (20, 300_000), (50, 2_000_000)]));
        run.link.queue = queue * MS;
        run.run(90);
        run.report(&format!("2 M, 300 k, 2 M; queue {queue} ms"));
        assert!(run.until(20, |rate| rate < 330_000) <= 3, "down in 3 s");
        assert!(run.until(50, |rate| rate > LAYERS[2] + AUDIO) <= 15, "up in 15 s");
        assert!(run.audio_gap < 500 * MS, "audio goes on: {} ms", run.audio_gap / MS);
        let late = run.seconds[24..].iter().filter(|s| s.audio_in_time < 45).count();
        assert!(late <= 1, "and is in time again when the queue has drained");
        assert!(run.longest_freeze(0) < Duration::from_secs(2));
        assert_eq!(run.layer, Some(2));
    }
}

#[test]
fn a_link_with_room_is_found_to_have_it() {
    for latency in [5, 50, 150] {
        let mut run = Run::new(Link::new(&[(0, 10_000_000)]));
        run.link.latency = latency * MS;
        run.run(30);
        run.report(&format!("10 M; {latency} ms"));
        assert!(run.layers.is_empty(), "nothing is changed");
        assert!(run.until(0, |rate| rate > 2_300_000) < 2);
        assert!(run.padding < 40_000, "and no more asked for than needed");
    }
}

#[test]
fn jitter_is_no_queue() {
    for seed in 0..5 {
        let mut link = Link::new(&[(0, 4_000_000)]);
        (link.latency, link.jitter, link.random) = (200 * MS, 50 * MS, seed);
        let mut run = Run::new(link);
        run.run(60);
        run.report("200 ± 50 ms");
        let high = run.seconds[10..].iter().filter(|s| s.layer == Some(2)).count();
        assert!(high >= 38, "{high} of 50 s");
    }
}

#[test]
fn a_longer_way_is_no_queue() {
    for (more, jitter) in [(60, 0), (200, 0), (60, 20), (200, 50), (100, 100)] {
        for seed in 0..6 {
            let mut link = Link::new(&[(0, 4_000_000)]);
            link.latency = 110 * MS;
            link.detour = (8 * SECOND, 16 * SECOND, more * MS);
            (link.jitter, link.random) = (jitter * MS, seed);
            let mut run = Run::new(link);
            run.run(25);
            run.report(&format!("{more} ms more, ± {jitter} ms"));
            assert_eq!(run.layers, [], "{more} ms more, ± {jitter} ms, seed {seed}");
        }
    }
}

#[test]
fn a_queue_is_a_queue_on_a_jittery_way_too() {
    for seed in 0..6 {
        let mut link = Link::new(&[(0, 4_000_000), (15, 1_000_000)]);
        (link.latency, link.jitter, link.random) = (100 * MS, 50 * MS, seed);
        let mut run = Run::new(link);
        run.run(40);
        run.report("1 M ± 50 ms");
        assert!(run.until(15, |rate| rate < 1_100_000) <= 3, "seed {seed}");
    }
}

#[test]
fn loss_that_is_the_links_own_does_not_starve() {
    for (seed, loss) in [(1, 0.1), (2, 0.1), (3, 0.1), (4, 0.3), (5, 0.03)] {
        let mut link = Link::new(&[(0, 3_000_000)]);
        (link.loss, link.random) = (loss, seed);
        let mut run = Run::new(link);
        run.run(60);
        run.report(&format!("{loss} loss"));
        let high = run.seconds[15..].iter().filter(|s| s.layer == Some(2)).count();
        assert!(high >= 36, "{high} of 45 s");
    }
}

#[test]
fn lost_feedback_changes_little_and_none_at_all_slows_down() {
    let mut run = Run::new(Link::new(&[(0, 3_000_000)]));
    run.drop_feedback = 0.3;
    run.run(30);
    run.report("30 % of feedback lost");
    assert!(run.layers.len() <= 2);
    let before = run.estimator.estimate().unwrap();
    run.drop_feedback = 1.0;
    run.run(5);
    assert!(run.estimator.estimate().unwrap() <= before / 4);
    run.drop_feedback = 0.0;
    run.run(20);
    run.report("and none");
    assert_eq!(run.layer, Some(2), "and comes back");
}

#[test]
fn before_any_feedback_nothing_is_limited() {
    let mut run = Run::new(Link::new(&[(0, 2_000_000)]));
    run.drop_feedback = 1.0;
    run.run(10);
    assert_eq!(run.estimator.estimate(), None);
    assert_eq!((run.layer, run.padding), (Some(2), 0));
    assert!(run.estimator.memory() < 4_096, "{}", run.estimator.memory());
}

#[test]
fn a_thin_link_from_the_start_is_found_at_once() {
    let mut run = Run::new(Link::new(&[(0, 250_000)]));
    run.run(30);
    run.report("250 k");
    assert!(run.until(0, |rate| rate < 275_000) <= 2);
    let late = run.layers.iter().filter(|(at, _)| *at > 5 * SECOND).count();
    assert!(late <= 4, "{late} changes");
}
