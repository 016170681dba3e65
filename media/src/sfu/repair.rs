//! What one receive slot may cost by its complaints: retransmissions and key frame requests.
//!
//! An honest receiver stays far below; one that repeats its NACKs or PLIs without end gets a share
//! of what its own stream costs anyway, and cannot spoil the picture of others.

use std::time::{Duration, Instant};

/// Bytes of retransmissions that can be owed at once.
const AUDIO_BURST: u32 = 16 * 1024;
const VIDEO_BURST: u32 = 128 * 1024;
/// Key frame requests of one viewer that count at once, and the time in which one more is earned.
const PLI_BURST: u8 = 3;
const PLI_EVERY: Duration = Duration::from_secs(1);

/// Credit of one slot. Retransmitted bytes are at most half of the video bytes sent, or as many
/// as the audio bytes sent, and a burst.
#[derive(Debug, Clone, Copy)]
pub struct Repair {
    audio: bool,
    bytes: u32,
    plis: u8,
    earned: Instant,
}

impl Repair {
    pub fn new(now: Instant, audio: bool) -> Repair {
        let bytes = if audio { AUDIO_BURST } else { VIDEO_BURST };
        Repair { audio, bytes, plis: PLI_BURST, earned: now }
    }

    /// So many bytes of media were sent.
    #[inline]
    pub fn sent(&mut self, bytes: usize) {
        let (earned, most) = match self.audio {
            true => (bytes, AUDIO_BURST),
            false => (bytes / 2, VIDEO_BURST),
        };
        self.bytes = (self.bytes + earned as u32).min(most);
    }

    /// May so many bytes be sent again? Takes them.
    pub fn resend(&mut self, bytes: usize) -> bool {
        let left = u32::try_from(bytes).ok().and_then(|bytes| self.bytes.checked_sub(bytes));
        self.bytes = left.unwrap_or(self.bytes);
        left.is_some()
    }

    /// Does a key frame request count? Takes one.
    pub fn key_frame(&mut self, now: Instant) -> bool {
        while self.plis < PLI_BURST && now.saturating_duration_since(self.earned) >= PLI_EVERY {
            self.plis += 1;
            self.earned += PLI_EVERY;
        }
        if self.plis == PLI_BURST {
            self.earned = now;
        }
        let left = self.plis.checked_sub(1);
        self.plis = left.unwrap_or(0);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn key_frame_requests_of_one_viewer_are_one_a_second_after_a_burst() {
        let t0 = crate::testing::origin();
        let mut repair = Repair::new(t0, false);
        let counted =
            (0..10_000).filter(|at| repair.key_frame(t0 + Duration::from_millis(*at))).count();
        assert_eq!(counted, 3 + 9);
        let later = t0 + Duration::from_secs(3600);
        assert_eq!((0..10).filter(|_| repair.key_frame(later)).count(), 3, "nothing is saved up");
    }

    proptest! {
        #[test]
        fn retransmissions_are_a_share_of_what_was_sent(
            audio: bool, steps in proptest::collection::vec((any::<bool>(), 0usize..1500), 1..2000),
        ) {
            let mut repair = Repair::new(crate::testing::origin(), audio);
            let (mut sent, mut again) = (0, 0);
            for (send, bytes) in steps {
                if send {
                    repair.sent(bytes);
                    sent += bytes;
                } else if repair.resend(bytes) {
                    again += bytes;
                }
            }
            let burst = if audio { AUDIO_BURST } else { VIDEO_BURST } as usize;
            let share = if audio { sent } else { sent / 2 };
            prop_assert!(again <= burst + share);
        }
    }
}
