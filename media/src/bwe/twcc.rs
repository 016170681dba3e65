//! Transport-wide congestion control feedback to publishers
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

use std::time::{Duration, Instant};

use crate::rtp::rtcp_write;
use crate::rtp::seq::{FIRST_TURN, extend16};

/// Packets remembered between two feedbacks; beyond it the oldest are not reported.
const WINDOW: usize = 1024;
/// Statuses in one feedback packet: with two-byte deltas it stays below 1,200 bytes.
const MAX_STATUSES: u64 = 400;
/// Time from the first unreported packet to its feedback.
pub const INTERVAL: Duration = Duration::from_millis(80);

/// A packet this far behind the highest is reported although its loss has been: it was overtaken.
const LATE: u64 = 512;

/// Arrival times of one publisher's packets, by transport-wide sequence number.
pub struct Recorder {
    base: Instant,
    /// Arrival in units of 250 µs since `base`, 0 = not received. Made with the first packet: who
    /// only receives costs nothing.
    arrivals: Box<[u32]>,
    /// The first number ever; nothing is said of those before.
    first: u64,
    /// First number not yet reported and highest received; equal numbers mean nothing is due.
    next: u64,
    highest: u64,
    /// Any packet received since the last feedback.
    fresh: bool,
    first_fresh: Instant,
    /// SSRC of the latest packet: feedback must name one that the publisher sends, or Chromium
    /// ignores it.
    media_ssrc: u32,
    feedback_count: u8,
}

impl Recorder {
    pub fn new(now: Instant) -> Recorder {
        Recorder {
            base: now,
            arrivals: Box::default(),
            first: 0,
            next: 0,
            highest: 0,
            fresh: false,
            first_fresh: now,
            media_ssrc: 0,
            feedback_count: 0,
        }
    }

    /// Records a packet of any kind: media, retransmission or padding.
    #[inline]
    pub fn record(&mut self, now: Instant, sequence: u16, ssrc: u32) {
        self.media_ssrc = ssrc;
        let number = if self.next == 0 {
            let first = FIRST_TURN + u64::from(sequence);
            self.arrivals = vec![0; WINDOW].into();
            self.first = first;
            self.next = first;
            self.highest = first;
            first
        } else {
            extend16(self.highest, sequence)
        };
        if number < self.next {
            // Reported as lost already. The next feedback begins there, so that the sender learns
            // that it was only overtaken; what it says twice of others is ignored.
            if number + LATE <= self.highest || number < self.first || self.at(number) != 0 {
                return;
            }
            self.next = number;
        }
        if number > self.highest {
            let from = (self.highest + 1).max(number.saturating_sub(WINDOW as u64 - 1));
            for gap in from..number {
                self.arrivals[gap as usize % WINDOW] = 0;
            }
            self.highest = number;
            self.next = self.next.max((number + 1).saturating_sub(WINDOW as u64));
        }
        if !self.fresh {
            self.fresh = true;
            self.first_fresh = now;
        }
        self.arrivals[number as usize % WINDOW] = self.ticks(now);
    }

    /// Units of 250 µs, never 0 (which means "not received"). Turns after twelve days, together with
    /// the reference time.
    fn ticks(&self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.base).as_micros() / 250;
        (since as u32).wrapping_add(256).max(1)
    }

    fn at(&self, number: u64) -> u32 {
        self.arrivals[number as usize % WINDOW]
    }

    /// When the next feedback is due.
    pub fn due(&self) -> Option<Instant> {
        self.fresh.then(|| self.first_fresh + INTERVAL)
    }

    /// Appends all feedback packets due at `now`.
    pub fn write(&mut self, now: Instant, sender_ssrc: u32, out: &mut Vec<u8>) {
        if self.due().is_none_or(|due| due > now) {
            return;
        }
        self.fresh = false;
        while self.next <= self.highest {
            self.write_one(sender_ssrc, out);
        }
    }

    fn write_one(&mut self, sender_ssrc: u32, out: &mut Vec<u8>) {
        // Leading losses of the window carry no time to start from: begin at a received packet
        // but name the numbers before it, so that they count as lost.
        let limit = (self.highest + 1).min(self.next + MAX_STATUSES);
        let Some(first) =
            (self.next..limit).map(|number| self.at(number)).find(|ticks| *ticks != 0)
        else {
            self.next = limit;
            return;
        };
        let reference = first / 256;
        let mut last = reference * 256;
        let mut end = self.next;
        let mut statuses = [0u8; MAX_STATUSES as usize];
        let mut deltas = [0i16; MAX_STATUSES as usize];
        let mut received = 0;
        while end < limit {
            let ticks = self.at(end);
            if ticks != 0 {
                let Ok(delta) = i16::try_from(ticks.wrapping_sub(last) as i32) else { break };
                last = ticks;
                deltas[received] = delta;
                received += 1;
                statuses[(end - self.next) as usize] =
                    if (0..=255).contains(&delta) { 1 } else { 2 };
            }
            end += 1;
        }
        let count = (end - self.next) as usize;
        let start = rtcp_write::begin(out, 15, 205);
        out.extend_from_slice(&sender_ssrc.to_be_bytes());
        out.extend_from_slice(&self.media_ssrc.to_be_bytes());
        out.extend_from_slice(&(self.next as u16).to_be_bytes());
        out.extend_from_slice(&(count as u16).to_be_bytes());
        out.extend_from_slice(&reference.to_be_bytes()[1..]);
        out.push(self.feedback_count);
        self.feedback_count = self.feedback_count.wrapping_add(1);
        // Status vectors of seven two-bit symbols.
        for seven in statuses[..count].chunks(7) {
            let mut chunk = 0b11u16 << 14;
            for (at, status) in seven.iter().enumerate() {
                chunk |= u16::from(*status) << (12 - 2 * at);
            }
            out.extend_from_slice(&chunk.to_be_bytes());
        }
        for delta in &deltas[..received] {
            match u8::try_from(*delta) {
                Ok(small) => out.push(small),
                Err(_) => out.extend_from_slice(&delta.to_be_bytes()),
            }
        }
        rtcp_write::finish(out, start);
        self.next = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bwe::feedback::Feedback;
    use proptest::prelude::*;

    /// Reads feedback back: (sequence, arrival in 250 µs ticks if received).
    fn read(mut bytes: &[u8]) -> Vec<(u16, Option<i64>)> {
        let mut all = Vec::new();
        while !bytes.is_empty() {
            let length = 4 + 4 * usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
            let packet = &bytes[..length];
            bytes = &bytes[length..];
            let base = u16::from_be_bytes([packet[12], packet[13]]);
            let count = u16::from_be_bytes([packet[14], packet[15]]) as usize;
            let reference = u32::from_be_bytes([0, packet[16], packet[17], packet[18]]);
            let chunks = count.div_ceil(7);
            let mut at = 20 + 2 * chunks;
            let mut time = i64::from(reference) * 256;
            for index in 0..count {
                let c = 20 + 2 * (index / 7);
                let chunk = u16::from_be_bytes([packet[c], packet[c + 1]]);
                let status = chunk >> (12 - 2 * (index % 7)) & 3;
                let seq = base.wrapping_add(index as u16);
                match status {
                    0 => all.push((seq, None)),
                    1 => {
                        time += i64::from(packet[at]);
                        at += 1;
                        all.push((seq, Some(time)));
                    }
                    _ => {
                        time += i64::from(i16::from_be_bytes([packet[at], packet[at + 1]]));
                        at += 2;
                        all.push((seq, Some(time)));
                    }
                }
            }
        }
        all
    }

    proptest! {
        #[test]
        fn every_packet_is_reported_once_with_its_time(
            start: u16, steps in proptest::collection::vec((0u16..5, 0u64..300_000), 1..300),
        ) {
            let base = origin();
            let mut recorder = Recorder::new(base);
            let (mut seq, mut at) = (start, Duration::ZERO);
            let mut sent = Vec::new();
            for (gap, micros) in steps {
                at += Duration::from_micros(micros);
                recorder.record(base + at, seq, 7);
                sent.push((seq, (at.as_micros() / 250) as i64));
                seq = seq.wrapping_add(1 + gap);
            }
            let mut out = Vec::new();
            recorder.write(base + at + INTERVAL, 1, &mut out);
            let heard: Vec<(u16, i64)> = read(&out)
                .into_iter()
                .filter_map(|(seq, time)| time.map(|time| (seq, time - 256)))
                .collect();
            // What fell out of the window is not reported.
            let kept = sent.len() - heard.len();
            prop_assert_eq!(&sent[kept..], &heard[..]);
            prop_assert!(kept == 0 || seq.wrapping_sub(start) as usize > WINDOW);
            prop_assert!(recorder.due().is_none());
        }
    }

    #[test]
    fn the_reference_time_turns_after_twelve_days() {
        let base = origin();
        let turn = Duration::from_micros(250 << 32) - Duration::from_millis(64);
        let (mut recorder, mut reference) = (Recorder::new(base), 0);
        for (round, seq) in (0..400u64).step_by(4).enumerate() {
            let at =
                base + turn - Duration::from_secs(5) + Duration::from_millis(100) * round as u32;
            let mut out = Vec::new();
            for more in 0..4 {
                let sent = at + Duration::from_millis(more * 7);
                recorder.record(sent, (seq + more) as u16, 7);
            }
            recorder.write(at + INTERVAL, 1, &mut out);
            let feedback = Feedback::parse(&out).unwrap();
            if reference == 0 {
                // The reader was there from the beginning.
                reference = turn.as_micros() as i64;
            }
            reference = feedback.reference(reference);
            for (status, more) in feedback.statuses().zip(0i64..) {
                let arrival = Duration::from_micros((reference + status.arrival.unwrap()) as u64);
                let expected = at - base + Duration::from_millis(64 + 7 * more as u64);
                assert!(arrival.abs_diff(expected) < Duration::from_millis(1), "{arrival:?}");
            }
        }
    }

    #[test]
    fn who_was_overtaken_is_reported_after_its_loss() {
        let base = origin();
        let mut recorder = Recorder::new(base);
        let at = |ms: u64| base + Duration::from_millis(ms);
        for (ms, seq) in [(0, 65_534), (10, 65_535), (20, 1), (30, 2)] {
            recorder.record(at(ms), seq, 7);
        }
        let mut out = Vec::new();
        recorder.write(at(80), 1, &mut out);
        let lost: Vec<u16> =
            read(&out).iter().filter(|(_, at)| at.is_none()).map(|(seq, _)| *seq).collect();
        assert_eq!(lost, [0]);
        recorder.record(at(90), 0, 7);
        recorder.record(at(95), 65_535, 7);
        recorder.record(at(100), 3, 7);
        out.clear();
        recorder.write(at(170), 1, &mut out);
        let told = read(&out);
        assert_eq!(told.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(told[0].1, Some(90 * 4 + 256));
        assert_eq!(told[1].1, Some(20 * 4 + 256), "as before");
    }

    fn origin() -> Instant {
        crate::testing::origin()
    }
}
