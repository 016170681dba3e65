//! Asking a publisher for key frames: many wishes, few requests.

use std::time::{Duration, Instant};

/// At most two requests a second per layer.
const SPACING: Duration = Duration::from_millis(500);
/// A publisher that does not answer is asked this often; then at the slower pace.
const PATIENT: u8 = 8;
const SLOW_SPACING: Duration = Duration::from_secs(2);
/// Longest time for which a key frame is taken to be still on its way to a viewer.
const MAX_FLIGHT: Duration = Duration::from_millis(300);

/// The state of one layer: repeated until a key frame arrives.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyframeRequest {
    wanted: bool,
    last: Option<Instant>,
    granted: Option<Instant>,
    unanswered: u8,
    /// A key frame up to this number does not help: what came after it is lost.
    lost_to: u64,
}

impl KeyframeRequest {
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// Packets up to this extended number are lost for good.
    pub fn want_after(&mut self, number: u64) {
        self.wanted = true;
        self.lost_to = self.lost_to.max(number);
    }

    /// A viewer's picture is broken. Not a wish of its own if it was sent before the viewer can
    /// have had the newest key frame; `rtt` is the viewer's.
    pub fn want_for(&mut self, now: Instant, rtt: Duration) {
        let flight = rtt.min(MAX_FLIGHT);
        let crossed = self.granted.is_some_and(|at| now.saturating_duration_since(at) < flight);
        self.wanted |= !crossed;
    }

    /// A key frame of this number came: all wishes are granted, unless it is an old one that was
    /// sent again.
    pub fn arrived(&mut self, now: Instant, number: u64) {
        if number <= self.lost_to {
            return;
        }
        self.granted = Some(now);
        self.unanswered = 0;
        self.wanted = false;
    }

    /// Nobody waits any more.
    pub fn cancel(&mut self) {
        self.wanted = false;
    }

    pub fn due(&self, now: Instant) -> Option<Instant> {
        let spacing = if self.unanswered < PATIENT { SPACING } else { SLOW_SPACING };
        self.wanted.then(|| self.last.map_or(now, |last| last + spacing))
    }

    /// True when a request must be sent now.
    pub fn poll(&mut self, now: Instant) -> bool {
        let due = self.due(now).is_some_and(|due| due <= now);
        if due {
            self.last = Some(now);
            self.unanswered = self.unanswered.saturating_add(1);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn wishes_are_merged_and_repeated_until_granted() {
        let t0 = crate::testing::origin();
        let mut request = KeyframeRequest::default();
        let mut sent = 0;
        for at in 0..2_000 {
            if at < 1_600 {
                request.want();
            } else if at == 1_600 {
                request.arrived(t0 + ms(at), 1);
            }
            sent += u32::from(request.poll(t0 + ms(at)));
        }
        assert_eq!(sent, 4, "at 0, 500, 1000 and 1500 ms");
    }

    #[test]
    fn a_request_that_crossed_the_key_frame_is_not_another_wish() {
        let t0 = crate::testing::origin();
        let mut request = KeyframeRequest::default();
        request.arrived(t0, 1);
        request.want_for(t0 + ms(50), ms(80));
        assert!(!request.poll(t0 + ms(50)));
        request.want_for(t0 + ms(90), ms(80));
        assert!(request.poll(t0 + ms(90)), "it has seen the key frame and needs another");
    }

    #[test]
    fn a_key_frame_from_before_a_loss_grants_nothing() {
        let t0 = crate::testing::origin();
        let mut request = KeyframeRequest::default();
        request.want_after(50);
        request.arrived(t0, 40);
        assert!(request.poll(t0));
        request.arrived(t0 + ms(10), 51);
        assert_eq!(request.due(t0 + ms(10)), None);
    }

    #[test]
    fn a_publisher_that_never_answers_is_asked_ever_less() {
        let t0 = crate::testing::origin();
        let mut request = KeyframeRequest::default();
        let polls = |request: &mut KeyframeRequest, from: u64| {
            (from..from + 10_000)
                .filter(|at| {
                    request.want();
                    request.poll(t0 + ms(*at))
                })
                .count()
        };
        assert!(polls(&mut request, 0) <= 8 + 4);
        assert!(polls(&mut request, 10_000) <= 5);
    }
}
