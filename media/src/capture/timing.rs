//! From RTP time to session time.
//!
//! Arrival times alone put picture and sound of one person 80–120 ms apart, because each takes its
//! own way through encoder, pacer and network. Sender reports name one instant in RTP time and in
//! the sender's clock; all tracks of a sender share that clock. So: RTP → sender's clock by the
//! reports (piecewise linear, so that a stall of the capture stays where it was and is not smeared
//! over the meeting), and sender's clock → session time by one offset for all tracks of the sender,
//! taken from the packets that travelled fastest. The offset may creep (clocks drift) but not jump.
//!
//! A stream without reports falls back on its own RTP clock and its fastest packets.

use std::collections::BTreeMap;

/// Window over which the fastest packet is taken.
const WINDOW_US: i64 = 10_000_000;
/// Windows to either side that may lower an offset, and how much later they may make it: clocks
/// drift by up to 200 ppm, which is 2 ms a window.
const REACH: i64 = 6;
const CREEP_US: i64 = 2_000;
/// A step of more than this between two reports is a clock that was set, not a slow network.
const EPOCH_STEP_US: i64 = 3_000_000;
/// The same without reports: the stream's own clock stood still or jumped.
const STALL_STEP_US: i64 = 1_000_000;
/// Clocks of one person's tracks nearer than this are one clock.
const SAME_CLOCK_US: i64 = 500_000;

#[derive(Debug, Clone, Copy)]
struct Point {
    rtp: i64,
    /// The sender's clock.
    clock_us: i64,
    at_us: i64,
}

/// What is known of the clock of one RTP stream (one SSRC), gathered in arrival order.
#[derive(Debug, Clone)]
pub struct StreamClock {
    rate: i64,
    reports: Vec<Point>,
    /// The fastest packet of each second.
    samples: Vec<Point>,
}

impl StreamClock {
    /// `clock_rate` in Hz.
    pub fn new(clock_rate: u32) -> StreamClock {
        StreamClock { rate: i64::from(clock_rate.max(1)), reports: Vec::new(), samples: Vec::new() }
    }

    /// A packet with extended timestamp `rtp` arrived at session time `at_us`.
    pub fn packet(&mut self, rtp: i64, at_us: u64) {
        let at_us = at_us as i64;
        let point = Point { rtp, clock_us: ticks_to_us(rtp, self.rate), at_us };
        match self.samples.last_mut() {
            Some(last) if last.at_us / 1_000_000 == at_us / 1_000_000 => {
                if point.at_us - point.clock_us < last.at_us - last.clock_us {
                    *last = point;
                }
            }
            _ => self.samples.push(point),
        }
    }

    /// A sender report arrived: `rtp` extended, `ntp` as sent (32.32 fixed point seconds).
    pub fn report(&mut self, rtp: i64, ntp: u64, at_us: u64) {
        self.reports.push(Point { rtp, clock_us: ntp_to_us(ntp), at_us: at_us as i64 });
    }

    /// Whether sender reports were seen.
    pub fn has_reports(&self) -> bool {
        !self.reports.is_empty()
    }
}

/// Maps extended RTP timestamps of one stream to session time.
#[derive(Debug, Clone)]
pub struct TimeMap {
    rate: i64,
    /// Each holds (rtp, session µs), rising in both; a new piece begins where a clock was set.
    pieces: Vec<Vec<(i64, i64)>>,
}

impl TimeMap {
    /// Session time in µs of the extended timestamp `rtp`; negative before the session's opening.
    pub fn at(&self, rtp: i64) -> i64 {
        let index = self
            .pieces
            .partition_point(|piece| piece.first().is_some_and(|p| p.0 <= rtp))
            .saturating_sub(1);
        match self.pieces.get(index) {
            Some(piece) => interpolate(piece, rtp, self.rate),
            None => ticks_to_us(rtp, self.rate),
        }
    }
}

/// One stretch of one stream in which its clock ran on.
struct Piece {
    stream: usize,
    reported: bool,
    points: Vec<(i64, i64)>,
    /// Smallest (arrival − clock) of its points.
    base_us: i64,
    /// Span of its arrivals.
    from_us: i64,
    to_us: i64,
    samples: Vec<(i64, i64)>,
}

/// Solves the streams of one person together; the maps come in the order of `streams`.
pub fn solve(streams: &[&StreamClock]) -> Vec<TimeMap> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (index, stream) in streams.iter().enumerate() {
        pieces.extend(pieces_of(index, stream));
    }
    let mut maps: Vec<TimeMap> =
        streams.iter().map(|s| TimeMap { rate: s.rate, pieces: Vec::new() }).collect();
    for group in groups(&pieces) {
        let offsets = Offsets::of(group.iter().map(|&i| &pieces[i]));
        for &i in &group {
            let piece = &pieces[i];
            let mut mapped: Vec<(i64, i64)> = Vec::with_capacity(piece.points.len());
            for &(rtp, clock_us) in &piece.points {
                let us = clock_us + offsets.at(clock_us + piece.base_us);
                if mapped.last().is_none_or(|last| us > last.1) {
                    mapped.push((rtp, us));
                }
            }
            maps[piece.stream].pieces.push(mapped);
        }
    }
    for map in &mut maps {
        map.pieces.sort_by_key(|piece| piece.first().map(|p| p.0));
    }
    maps
}

fn pieces_of(index: usize, stream: &StreamClock) -> Vec<Piece> {
    let reported = stream.has_reports();
    let (source, step) =
        if reported { (&stream.reports, EPOCH_STEP_US) } else { (&stream.samples, STALL_STEP_US) };
    let mut pieces: Vec<Piece> = Vec::new();
    for p in source {
        let delta = p.at_us - p.clock_us;
        let open = pieces.last_mut().filter(|piece| (delta - piece.base_us).abs() <= step);
        if let Some(piece) = open {
            piece.samples.push((p.at_us, delta));
            piece.base_us = piece.base_us.min(delta);
            piece.to_us = p.at_us;
            let last = piece.points[piece.points.len() - 1];
            if p.rtp > last.0 && p.clock_us > last.1 {
                piece.points.push((p.rtp, p.clock_us));
            }
        } else {
            pieces.push(Piece {
                stream: index,
                reported,
                points: vec![(p.rtp, p.clock_us)],
                base_us: delta,
                from_us: p.at_us,
                to_us: p.at_us,
                samples: vec![(p.at_us, delta)],
            });
        }
    }
    if reported {
        for s in &stream.samples {
            let piece = pieces.partition_point(|p| p.points[0].0 <= s.rtp).saturating_sub(1);
            if let Some(piece) =
                pieces.get_mut(piece).filter(|p| steady(&p.points, s.rtp, stream.rate))
            {
                let delta = s.at_us - interpolate(&piece.points, s.rtp, stream.rate);
                piece.samples.push((s.at_us, delta));
            }
        }
    }
    pieces
}

/// Pieces that tell the same clock: reported ones with nearly the same offset at the same time.
/// A piece without reports stands alone.
fn groups(pieces: &[Piece]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    order.sort_by_key(|&i| (pieces[i].base_us, i));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for i in order {
        let piece = &pieces[i];
        let home = groups.iter_mut().find(|group| {
            let first = &pieces[group[0]];
            piece.reported
                && first.reported
                && piece.base_us - first.base_us <= SAME_CLOCK_US
                && group.iter().any(|&g| {
                    piece.from_us <= pieces[g].to_us + WINDOW_US
                        && pieces[g].from_us <= piece.to_us + WINDOW_US
                })
        });
        match home {
            Some(group) => group.push(i),
            None => groups.push(vec![i]),
        }
    }
    groups
}

/// (session − sender's clock) over session time.
struct Offsets(Vec<(i64, i64)>);

impl Offsets {
    fn of<'a>(pieces: impl Iterator<Item = &'a Piece>) -> Offsets {
        let mut fastest: BTreeMap<i64, i64> = BTreeMap::new();
        for &(at_us, delta) in pieces.flat_map(|p| &p.samples) {
            let least = fastest.entry(at_us.div_euclid(WINDOW_US)).or_insert(delta);
            *least = (*least).min(delta);
        }
        let smooth = fastest.keys().map(|&w| {
            let least = fastest
                .range(w - REACH..=w + REACH)
                .map(|(&other, &delta)| delta + CREEP_US * (other - w).abs())
                .min();
            (w * WINDOW_US + WINDOW_US / 2, least.unwrap_or(fastest[&w]))
        });
        Offsets(smooth.collect())
    }

    fn at(&self, session_us: i64) -> i64 {
        let after = self.0.partition_point(|p| p.0 <= session_us);
        match (after.checked_sub(1).map(|i| self.0[i]), self.0.get(after)) {
            (Some(a), Some(&b)) => lerp(a, b, session_us),
            (Some(a), None) => a.1,
            (None, Some(b)) => b.1,
            (None, None) => 0,
        }
    }
}

/// Between two points linear, outside at the nominal rate.
fn interpolate(points: &[(i64, i64)], rtp: i64, rate: i64) -> i64 {
    let after = points.partition_point(|p| p.0 <= rtp);
    match (after.checked_sub(1).map(|i| points[i]), points.get(after)) {
        (Some(a), Some(&b)) => lerp(a, b, rtp),
        (Some(a), None) => a.1 + ticks_to_us(rtp - a.0, rate),
        (None, Some(b)) => b.1 - ticks_to_us(b.0 - rtp, rate),
        (None, None) => ticks_to_us(rtp, rate),
    }
}

/// Whether the clock ran at its nominal rate around `rtp`. Within a stall nobody knows when a packet
/// was captured, so it says nothing about the network.
fn steady(points: &[(i64, i64)], rtp: i64, rate: i64) -> bool {
    let after = points.partition_point(|p| p.0 <= rtp);
    match (after.checked_sub(1).map(|i| points[i]), points.get(after)) {
        (Some(a), Some(b)) => {
            let nominal = ticks_to_us(b.0 - a.0, rate);
            (b.1 - a.1 - nominal).abs() <= nominal / 100
        }
        _ => true,
    }
}

fn lerp(a: (i64, i64), b: (i64, i64), x: i64) -> i64 {
    let (dx, dy) = (i128::from(b.0 - a.0), i128::from(b.1 - a.1));
    if dx == 0 {
        return a.1;
    }
    a.1 + (i128::from(x - a.0) * dy / dx) as i64
}

fn ticks_to_us(ticks: i64, rate: i64) -> i64 {
    (i128::from(ticks) * 1_000_000 / i128::from(rate)) as i64
}

fn ntp_to_us(ntp: u64) -> i64 {
    let whole = (ntp >> 32) as i64 * 1_000_000;
    whole + (((ntp & 0xffff_ffff) * 1_000_000) >> 32) as i64
}
