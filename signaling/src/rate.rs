//! Token buckets by class of request: a client may be lively, not ruthless.
//!
//! Integers only (millionths of a token), so that the same times give the same answers.

use crate::message::Request;

/// Classes with their own bucket; what is expensive to serve refills slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Negotiation: parsing SDP and touching the media shard.
    Offer,
    /// Chat: stored and sent to all.
    Chat,
    /// Switches and hands of one's own.
    Own,
    /// What is shown: follows windows that are dragged.
    View,
    /// What the chair and recorder do to the meeting.
    Chair,
    /// Hello and leave.
    Session,
}

impl Class {
    pub fn of(request: &Request) -> Self {
        match request {
            Request::Offer(_) => Class::Offer,
            Request::Chat { .. } => Class::Chat,
            Request::MediaState { .. }
            | Request::Hand { .. }
            | Request::RollcallAnswer { .. }
            | Request::BallotVote { .. }
            | Request::BallotToken { .. } => Class::Own,
            Request::View { .. } => Class::View,
            Request::DeclareOpen
            | Request::DeclareClose
            | Request::Agenda { .. }
            | Request::HandOver { .. }
            | Request::TakeOver
            | Request::Mute { .. }
            | Request::LowerHand { .. }
            | Request::Remove { .. }
            | Request::RecordingPause { .. }
            | Request::BallotOpen { .. }
            | Request::BallotVoteFor { .. }
            | Request::BallotCount { .. }
            | Request::BallotPaper { .. }
            | Request::BallotStart { .. }
            | Request::BallotClose { .. }
            | Request::BallotWithdraw { .. }
            | Request::BallotApproval { .. }
            | Request::BallotOpinion { .. }
            | Request::Pause { .. }
            | Request::RollcallOpen { .. }
            | Request::RollcallPlan { .. }
            | Request::RollcallMark { .. }
            | Request::CheckIn { .. }
            | Request::CheckInDecide { .. }
            | Request::CheckOut { .. } => Class::Chair,
            Request::Hello(_) | Request::Leave => Class::Session,
        }
    }

    /// (burst, tokens a second)
    fn rate(self) -> (u32, u32) {
        match self {
            Class::Offer => (20, 4),
            Class::Chat => (8, 1),
            Class::Own => (20, 5),
            Class::View => (20, 10),
            Class::Chair => (40, 10),
            Class::Session => (4, 1),
        }
    }
}

const TOKEN: u64 = 1_000_000;

#[derive(Debug, Clone)]
pub struct Bucket {
    /// Millionths of a token, which is also: microseconds × tokens a second.
    level: u64,
    burst: u64,
    per_second: u64,
    at_us: u64,
}

impl Bucket {
    pub fn new(burst: u32, per_second: u32, now_us: u64) -> Self {
        let burst = u64::from(burst) * TOKEN;
        Self { level: burst, burst, per_second: u64::from(per_second), at_us: now_us }
    }

    /// Takes one token, or says in how many milliseconds there will be one.
    pub fn take(&mut self, now_us: u64) -> Result<(), u32> {
        let elapsed = now_us.saturating_sub(self.at_us);
        self.at_us = self.at_us.max(now_us);
        self.level =
            self.level.saturating_add(elapsed.saturating_mul(self.per_second)).min(self.burst);
        if self.level >= TOKEN {
            self.level -= TOKEN;
            return Ok(());
        }
        let wait_us = (TOKEN - self.level).div_ceil(self.per_second.max(1));
        Err(u32::try_from(wait_us.div_ceil(1_000)).unwrap_or(u32::MAX))
    }
}

/// One bucket a class, and one for frames of any kind.
#[derive(Debug, Clone)]
pub struct Limiter {
    classes: [Bucket; 6],
    frames: Bucket,
}

impl Limiter {
    pub fn new(now_us: u64) -> Self {
        let bucket = |class: Class| {
            let (burst, per_second) = class.rate();
            Bucket::new(burst, per_second, now_us)
        };
        Self {
            classes: [
                bucket(Class::Offer),
                bucket(Class::Chat),
                bucket(Class::Own),
                bucket(Class::View),
                bucket(Class::Chair),
                bucket(Class::Session),
            ],
            frames: Bucket::new(200, 50, now_us),
        }
    }

    pub fn frame(&mut self, now_us: u64) -> Result<(), u32> {
        self.frames.take(now_us)
    }

    pub fn request(&mut self, class: Class, now_us: u64) -> Result<(), u32> {
        self.classes[class as usize].take(now_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::new(3, 2, 0);
        assert_eq!((0..3).map(|_| bucket.take(0)).collect::<Vec<_>>(), [Ok(()); 3]);
        assert_eq!(bucket.take(0), Err(500));
        assert_eq!(bucket.take(499_999), Err(1));
        assert_eq!(bucket.take(500_000), Ok(()));
    }

    proptest! {
        #[test]
        fn no_window_gives_more_than_burst_plus_rate(steps in prop::collection::vec(0u64..400_000, 1..200)) {
            let mut bucket = Bucket::new(5, 4, 0);
            let (mut now, mut taken) = (0u64, 0u64);
            for step in steps {
                now += step;
                taken += u64::from(bucket.take(now).is_ok());
            }
            prop_assert!(taken <= 5 + now * 4 / 1_000_000);
        }

        #[test]
        fn the_wait_it_names_is_enough(step in 0u64..300_000, takes in 1usize..20) {
            let mut bucket = Bucket::new(2, 3, 0);
            for _ in 0..takes {
                if let Err(wait_ms) = bucket.take(step) {
                    prop_assert_eq!(bucket.clone().take(step + u64::from(wait_ms) * 1_000), Ok(()));
                }
            }
        }
    }
}
