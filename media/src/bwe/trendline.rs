//! Is a queue growing on the way? One-way delay gradient by linear regression, compared with an
//! adaptive threshold (Carlucci et al., "Analysis and design of the Google congestion control for
//! WebRTC", 2016; draft-ietf-rmcat-gcc-02 §5).

use super::floor::Floor;

/// Packets sent within this are one group: a frame or what a pacer let go at once (µs).
const GROUP: i64 = 5_000;
/// A group that a stall on the way held together is not longer than this (µs).
const BURST: i64 = 100_000;
/// A step of the receiver's clock, not of the way (µs).
const CLOCK_STEP: i64 = 3_000_000;
/// Groups under regression.
const WINDOW: usize = 20;
/// Weight of the past in the smoothed delay.
const SMOOTHING: f32 = 0.9;
/// Scales a slope to milliseconds, so that it can be compared with the threshold.
const GAIN: f32 = 4.0;
const MAX_DELTAS: u32 = 60;
/// How long the slope must be above the threshold, ms.
const OVERUSE_TIME: f32 = 10.0;
/// Threshold and its adaptation, ms and 1/ms.
const THRESHOLD: f32 = 12.5;
const THRESHOLD_RANGE: (f32, f32) = (6.0, 600.0);
const GAIN_UP: f32 = 0.0087;
const GAIN_DOWN: f32 = 0.039;
/// The least delay of late must have risen, too, by this much (ms) and this
/// share of the usual change between groups: jitter moves the slope, only a queue moves the floor.
const RISE: f32 = 6.0;
const RISE_OF_JITTER: f32 = 1.25;
/// And it must go on rising, or else it was another way that packets took from then on: by this
/// much since it was first seen, ms and share of what the delays lie apart.
const ONWARD: f32 = 8.0;
const ONWARD_OF_WIDTH: f32 = 0.4;
/// and for so long, µs.
const ONWARD_TIME: i64 = 80_000;
/// Until then the least delays are in part those from before (µs): as long as they are kept.
const SETTLED: i64 = 250_000;
/// Where less comes than is sent, a queue that is full does not grow any more; rates are known this
/// long after (µs).
const CHOKED: i64 = 400_000;
/// A rise that has not gone on after this was none (µs), unless by this part of what it must.
const REFUTED: i64 = 600_000;
const HARDLY: f32 = 0.4;
/// Overuse that has not been seen again for this long is over, µs.
const OVER: i64 = 1_000_000;
/// Spikes further from the threshold do not move it, ms.
const MAX_ADAPT: f32 = 15.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Usage {
    #[default]
    Normal,
    /// A queue grows.
    Over,
    /// A queue drains.
    Under,
}

/// Packets that left together. Times are µs of the sender's and of the receiver's clock.
#[derive(Debug, Clone, Copy)]
struct Group {
    first_sent: i64,
    last_sent: i64,
    first_arrival: i64,
    last_arrival: i64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Point {
    /// ms since the first arrival, and the smoothed delay in ms.
    time: f32,
    delay: f32,
}

/// Overuse that has been seen, and is believed when more speaks for it.
#[derive(Debug, Clone, Copy)]
struct Suspicion {
    /// When it was first and last seen (arrival time, µs).
    since: i64,
    last: i64,
    /// The least delay when what was sent before had gone, ms.
    level: f32,
    /// How far delays lay apart at most, ms.
    width: f32,
    /// The least delay is above that since then.
    onward: Option<i64>,
    confirmed: bool,
}

#[derive(Debug, Clone)]
pub struct Trendline {
    current: Option<Group>,
    previous: Option<Group>,
    floor: Floor,
    suspicion: Option<Suspicion>,
    /// Mean change of delay from group to group, ms.
    jitter: f32,
    /// Difference of the clocks, µs: delays stay small numbers.
    clocks: Option<i64>,
    origin: Option<i64>,
    deltas: u32,
    accumulated: f32,
    smoothed: f32,
    points: [Point; WINDOW],
    count: usize,
    slope_before: f32,
    over_for: Option<f32>,
    over_count: u32,
    threshold: f32,
    adapted_at: Option<i64>,
    usage: Usage,
}

impl Default for Trendline {
    fn default() -> Trendline {
        Trendline {
            current: None,
            previous: None,
            floor: Floor::default(),
            suspicion: None,
            jitter: 0.0,
            clocks: None,
            origin: None,
            deltas: 0,
            accumulated: 0.0,
            smoothed: 0.0,
            points: [Point::default(); WINDOW],
            count: 0,
            slope_before: 0.0,
            over_for: None,
            over_count: 0,
            threshold: THRESHOLD,
            adapted_at: None,
            usage: Usage::Normal,
        }
    }
}

impl Trendline {
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Mean change of delay from group to group, µs.
    pub fn jitter(&self) -> u64 {
        (self.jitter * 1000.0) as u64
    }

    /// Takes a received packet, in the order of sending. True when the judgement was renewed.
    pub fn packet(&mut self, sent: i64, arrival: i64) -> bool {
        let clocks = *self.clocks.get_or_insert(arrival - sent);
        self.floor.add(arrival, (arrival - sent - clocks) as f32 / 1000.0);
        let Some(group) = &mut self.current else {
            self.current = Some(Group::of(sent, arrival));
            return false;
        };
        if sent < group.first_sent {
            return false;
        }
        if group.takes(sent, arrival) {
            group.last_sent = group.last_sent.max(sent);
            group.last_arrival = group.last_arrival.max(arrival);
            return false;
        }
        let done = *group;
        self.current = Some(Group::of(sent, arrival));
        let Some(before) = self.previous.replace(done) else { return false };
        let (sent, came) =
            (done.last_sent - before.last_sent, done.last_arrival - before.last_arrival);
        if (came - sent).abs() > CLOCK_STEP {
            let threshold = self.threshold;
            *self = Trendline { threshold, ..Trendline::default() };
            return false;
        }
        let change = (came - sent) as f32 / 1000.0;
        self.jitter += 0.05 * (change.abs() - self.jitter);
        if came < 0 {
            // Overtaken: later groups are compared with the one before it.
            self.previous = Some(before);
            return false;
        }
        self.delta(sent as f32 / 1000.0, came as f32 / 1000.0, done.last_arrival);
        true
    }

    fn delta(&mut self, sent: f32, came: f32, arrival: i64) {
        let origin = *self.origin.get_or_insert(arrival);
        self.deltas = (self.deltas + 1).min(1000);
        self.accumulated += came - sent;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.accumulated;
        if self.count == WINDOW {
            self.points.rotate_left(1);
            self.count -= 1;
        }
        let time = (arrival - origin) as f32 / 1000.0;
        self.points[self.count] = Point { time, delay: self.smoothed };
        self.count += 1;
        let slope = if self.count == WINDOW {
            slope(&self.points).unwrap_or(self.slope_before)
        } else {
            self.slope_before
        };
        self.detect(slope, sent, arrival);
        // Small floats keep their precision: the regression only knows differences.
        if time > 60_000.0 {
            let (first, offset) = (self.points[0].time, self.smoothed);
            for point in &mut self.points[..self.count] {
                point.time -= first;
                point.delay -= offset;
            }
            self.origin = Some(origin + (first * 1000.0) as i64);
            self.accumulated -= offset;
            self.smoothed = 0.0;
        }
    }

    fn suspect(&mut self, arrival: i64) {
        let Some(level) = self.floor.level() else { return };
        let before = self.suspicion.filter(|before| arrival - before.last < OVER);
        let new = Suspicion {
            since: arrival,
            last: arrival,
            level,
            width: 0.0,
            onward: None,
            confirmed: false,
        };
        self.suspicion = Some(Suspicion { last: arrival, ..before.unwrap_or(new) });
    }

    /// Is the overuse real? It is when the delay goes on rising, or when less comes than is sent
    /// (`choked`). One step up is another way that packets take: delays are compared with it from
    /// then on.
    pub fn confirms(&mut self, choked: bool) -> bool {
        let (Some(before), Some(level)) = (&mut self.suspicion, self.floor.level()) else {
            return false;
        };
        if before.confirmed {
            return true;
        }
        before.width = before.width.max(self.floor.width());
        let took = before.last - before.since;
        if took < SETTLED {
            before.level = before.level.max(level);
            return false;
        }
        let onward = ONWARD.max(ONWARD_OF_WIDTH * before.width);
        if level > before.level + onward {
            let from = *before.onward.get_or_insert(before.last);
            before.confirmed = before.last - from >= ONWARD_TIME;
        } else {
            before.onward = None;
        }
        before.confirmed |= choked && took > CHOKED;
        let confirmed = before.confirmed;
        if !confirmed && took > REFUTED && level < before.level + HARDLY * onward {
            self.suspicion = None;
            self.floor.forget();
        }
        confirmed
    }

    fn detect(&mut self, slope: f32, sent: f32, arrival: i64) {
        let trend = self.deltas.min(MAX_DELTAS) as f32 * slope * GAIN;
        let least = RISE.max(RISE_OF_JITTER * self.jitter);
        if trend > self.threshold && self.floor.rise().is_none_or(|rise| rise > least) {
            self.suspect(arrival);
            let over = self.over_for.map_or(sent / 2.0, |before| before + sent);
            self.over_for = Some(over);
            self.over_count += 1;
            if over > OVERUSE_TIME && self.over_count > 1 && slope >= self.slope_before {
                self.over_for = Some(0.0);
                self.over_count = 0;
                self.usage = Usage::Over;
            }
        } else {
            self.over_for = None;
            self.over_count = 0;
            let under = trend < -self.threshold;
            self.usage = if under { Usage::Under } else { Usage::Normal };
        }
        self.slope_before = slope;
        let distance = trend.abs() - self.threshold;
        let since = arrival - self.adapted_at.unwrap_or(arrival);
        self.adapted_at = Some(arrival);
        if distance > MAX_ADAPT {
            return;
        }
        let gain = if distance < 0.0 { GAIN_DOWN } else { GAIN_UP };
        let since = (since as f32 / 1000.0).clamp(0.0, 100.0);
        self.threshold =
            (self.threshold + gain * distance * since).clamp(THRESHOLD_RANGE.0, THRESHOLD_RANGE.1);
    }
}

impl Group {
    fn of(sent: i64, arrival: i64) -> Group {
        Group { first_sent: sent, last_sent: sent, first_arrival: arrival, last_arrival: arrival }
    }

    fn takes(&self, sent: i64, arrival: i64) -> bool {
        if sent - self.first_sent <= GROUP {
            return true;
        }
        // What comes faster than it was sent had been held up together.
        let came = arrival - self.last_arrival;
        came <= GROUP && came < sent - self.last_sent && arrival - self.first_arrival < BURST
    }
}

/// Least squares; None when all points have the same time.
fn slope(points: &[Point; WINDOW]) -> Option<f32> {
    let count = WINDOW as f32;
    let time = points.iter().map(|p| p.time).sum::<f32>() / count;
    let delay = points.iter().map(|p| p.delay).sum::<f32>() / count;
    let (mut above, mut below) = (0.0, 0.0);
    for point in points {
        above += (point.time - time) * (point.delay - delay);
        below += (point.time - time) * (point.time - time);
    }
    (below > 0.0).then_some(above / below)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups each 20 ms whose delay changes by `step` µs each.
    fn run(trend: &mut Trendline, from: i64, groups: i64, step: i64, delay: &mut i64) -> Usage {
        let mut seen = Usage::Normal;
        for group in from..from + groups {
            *delay += step;
            let sent = group * 20_000;
            for packet in 0..3 {
                if trend.packet(sent + packet * 100, sent + *delay + packet * 300)
                    && trend.usage() != Usage::Normal
                {
                    seen = trend.usage();
                }
            }
        }
        seen
    }

    #[test]
    fn a_growing_queue_is_seen_within_half_a_second_and_a_draining_one_too() {
        let mut trend = Trendline::default();
        let mut delay = 50_000;
        assert_eq!(run(&mut trend, 0, 100, 0, &mut delay), Usage::Normal);
        assert_eq!(run(&mut trend, 100, 25, 5_000, &mut delay), Usage::Over);
        assert_eq!(run(&mut trend, 125, 20, -5_000, &mut delay), Usage::Under);
        run(&mut trend, 145, 100, 0, &mut delay);
        assert_eq!(trend.usage(), Usage::Normal);
    }

    #[test]
    fn a_clock_that_drifts_is_no_queue() {
        let mut trend = Trendline::default();
        // 100 ppm over five minutes.
        let mut delay = 50_000;
        assert_eq!(run(&mut trend, 0, 15_000, 2, &mut delay), Usage::Normal);
    }
}
