//! Media statistics of one room as the room keeps them: the latest report, and a short history
//! that a chart can be drawn from.

use std::collections::VecDeque;
use std::time::Instant;

use media::stats::{Grade as MediaGrade, Report, RoomStats, Sampler};
use signaling::view::Grade;
use uuid::Uuid;

use crate::domain::EndpointId;

/// Points of the history: five minutes at one every two seconds.
const HISTORY: usize = 150;

/// The latest statistics of a room's media.
#[derive(Debug, Clone, Default)]
pub struct MediaReport {
    /// Wall time of the sample; 0 before the first.
    pub at_us: i64,
    pub report: Report,
    /// Oldest first, the report itself last.
    pub history: Vec<Point>,
}

/// One sample of the whole room.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct Point {
    pub at_us: i64,
    /// Bits a second that came from publishers and went to subscribers.
    pub in_bps: u64,
    pub out_bps: u64,
    /// Worst loss of any peer, in thousandths.
    pub loss_permille: u32,
    /// Devices by connection quality.
    pub good: u32,
    pub fair: u32,
    pub poor: u32,
}

impl MediaReport {
    /// Of every endpoint that is graded.
    pub fn grades(&self) -> Vec<(EndpointId, Grade)> {
        let peers = self.report.peers.iter();
        peers
            .filter_map(|peer| {
                Some((Uuid::from_u128(peer.stats.peer.0).into(), wire_grade(peer.grade?)))
            })
            .collect()
    }
}

/// The sampler and what it said before.
#[derive(Debug, Default)]
pub struct MediaSampler {
    sampler: Sampler,
    history: VecDeque<Point>,
}

impl MediaSampler {
    pub fn take(&mut self, now: Instant, at_us: i64, stats: RoomStats) -> MediaReport {
        let report = self.sampler.take(now, stats);
        if !report.interval.is_zero() {
            if self.history.len() == HISTORY {
                self.history.pop_front();
            }
            self.history.push_back(point(at_us, &report));
        }
        MediaReport { at_us, report, history: self.history.iter().copied().collect() }
    }
}

fn point(at_us: i64, report: &Report) -> Point {
    let graded =
        |grade| report.peers.iter().filter(|peer| peer.grade == Some(grade)).count() as u32;
    let worst = report.peers.iter().map(|peer| peer.figures.loss).fold(0.0, f32::max);
    Point {
        at_us,
        in_bps: report.tracks.iter().flat_map(|t| &t.rates).map(|rates| rates.bitrate).sum(),
        out_bps: report.slots.iter().map(|slot| slot.bitrate).sum(),
        loss_permille: permille(worst),
        good: graded(MediaGrade::Good),
        fair: graded(MediaGrade::Fair),
        poor: graded(MediaGrade::Poor),
    }
}

/// A share of 0–1 in thousandths.
pub fn permille(share: f32) -> u32 {
    (share.clamp(0.0, 1.0) * 1_000.0).round() as u32
}

pub const fn wire_grade(grade: MediaGrade) -> Grade {
    match grade {
        MediaGrade::Good => Grade::Good,
        MediaGrade::Fair => Grade::Fair,
        MediaGrade::Poor => Grade::Poor,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_history_is_bounded_and_keeps_the_newest() {
        let mut sampler = MediaSampler::default();
        let start = tokio::time::Instant::now().into_std();
        let mut last = MediaReport::default();
        for n in 0..400 {
            last = sampler.take(start + Duration::from_secs(2 * n), n as i64, RoomStats::default());
        }
        assert_eq!(last.history.len(), HISTORY);
        assert_eq!((last.history[0].at_us, last.history[HISTORY - 1].at_us), (250, 399));
    }
}
