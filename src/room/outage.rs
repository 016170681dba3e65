//! While the database is away: the meeting goes on, its records wait on this machine, and what
//! must not wait is refused.
//!
//! Only requests may lead to events that must not wait
//! ([`crate::journal::Durability::Database`]); the actor takes a whole batch back when the database
//! goes away under such a request, and nobody was told anything yet.

use signaling::{Event, Request};

use super::effect::{Effect, Input};
use super::refusal;
use super::state::RoomState;

/// Requests whose events must be in the database before they count: ballots. Every request is
/// listed, so that a new one cannot be forgotten here.
pub(super) const fn needs_database(request: &Request) -> bool {
    match request {
        Request::Hello(_)
        | Request::Offer(_)
        | Request::MediaState { .. }
        | Request::View { .. }
        | Request::Chat { .. }
        | Request::Hand { .. }
        | Request::DeclareOpen
        | Request::DeclareClose
        | Request::Agenda { .. }
        | Request::HandOver { .. }
        | Request::TakeOver
        | Request::Mute { .. }
        | Request::LowerHand { .. }
        | Request::Remove { .. }
        | Request::RecordingPause { .. }
        // Nothing is counted by it.
        | Request::BallotWithdraw { .. }
        | Request::Pause { .. }
        | Request::RollcallOpen { .. }
        | Request::RollcallPlan { .. }
        | Request::RollcallAnswer { .. }
        | Request::RollcallMark { .. }
        | Request::CheckIn { .. }
        | Request::CheckInDecide { .. }
        | Request::CheckOut { .. }
        | Request::Leave => false,
        Request::BallotOpen { .. }
        | Request::BallotVote { .. }
        | Request::BallotVoteFor { .. }
        | Request::BallotCount { .. }
        | Request::BallotPaper { .. }
        | Request::BallotToken { .. }
        | Request::BallotStart { .. }
        | Request::BallotClose { .. }
        | Request::BallotApproval { .. }
        | Request::BallotOpinion { .. } => true,
    }
}

impl Input {
    pub(super) fn needs_database(&self) -> bool {
        matches!(self, Self::Request { request, .. } if needs_database(request))
    }
}

impl RoomState {
    /// The records wait on this machine, or the database has everything again.
    pub(super) fn set_records_away(&mut self, away: bool) {
        if self.records_away != away {
            self.records_away = away;
            self.out.push(Effect::Broadcast(Event::Records { away }));
        }
    }

    /// # Errors
    /// `storage_unavailable` for a request that must not wait, while the database is away.
    pub(super) fn may_be_recorded(&self, request: &Request) -> Result<(), signaling::WireError> {
        match self.records_away && needs_database(request) {
            true => Err(refusal::database_away()),
            false => Ok(()),
        }
    }
}
