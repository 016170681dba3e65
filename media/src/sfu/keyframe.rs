//! Asking a publisher for key frames: many wishes, few requests.

use std::time::{Duration, Instant};

/// At most two requests a second per layer.
const SPACING: Duration = Duration::from_millis(500);

/// The state of one layer: repeated until a key frame arrives.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyframeRequest {
    wanted: bool,
    last: Option<Instant>,
}

impl KeyframeRequest {
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// A key frame came: all wishes are granted.
    pub fn arrived(&mut self) {
        self.wanted = false;
    }

    pub fn due(&self, now: Instant) -> Option<Instant> {
        self.wanted.then(|| self.last.map_or(now, |last| last + SPACING))
    }

    /// True when a request must be sent now.
    pub fn poll(&mut self, now: Instant) -> bool {
        let due = self.due(now).is_some_and(|due| due <= now);
        if due {
            self.last = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_merged_and_repeated_until_granted() {
        let t0 = crate::testing::origin();
        let mut request = KeyframeRequest::default();
        let mut sent = 0;
        for ms in 0..2_000 {
            if ms < 1_600 {
                request.want();
            } else if ms == 1_600 {
                request.arrived();
            }
            sent += u32::from(request.poll(t0 + Duration::from_millis(ms)));
        }
        assert_eq!(sent, 4, "at 0, 500, 1000 and 1500 ms");
    }
}
