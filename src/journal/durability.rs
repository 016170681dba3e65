//! What may wait on this machine while the database is away.

use super::event::Event;

/// Where an event has to be before anybody is told that it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// On the disk of this machine is enough: it is put into the database later, in its place.
    Spool,
    /// In the database or refused: two servers, or an operator who restores a backup, must never
    /// come to different counts of a ballot.
    Database,
}

impl Event {
    /// Every type is listed, so that a new one cannot be forgotten here.
    pub const fn durability(&self) -> Durability {
        match self {
            Self::SessionOpened
            | Self::RosterFrozen { .. }
            | Self::Join { .. }
            | Self::Rejoin { .. }
            | Self::Leave { .. }
            | Self::ObserverEnter { .. }
            | Self::ObserverExit { .. }
            | Self::Checkpoint { .. }
            | Self::DeclaredOpen
            | Self::DeclaredClosed { .. }
            | Self::Paused
            | Self::Resumed
            | Self::MediaState { .. }
            | Self::Hand { .. }
            | Self::Chat { .. }
            | Self::Chair { .. }
            | Self::Agenda { .. }
            | Self::RecordingStart
            | Self::RecordingPause
            | Self::RecordingResume
            | Self::RecordingStop { .. }
            | Self::Consent { .. }
            | Self::Muted { .. }
            | Self::Kick { .. }
            | Self::SiteEnter { .. }
            | Self::SiteExit { .. }
            | Self::RoomCheckin { .. }
            | Self::RoomCheckout { .. }
            | Self::CheckinDecided { .. }
            | Self::RollcallPlanned { .. }
            | Self::RollcallOpened { .. }
            | Self::RollcallAnswered { .. }
            | Self::RollcallExpired { .. }
            | Self::LeaveRequested { .. }
            | Self::LeaveApproved { .. }
            | Self::LeaveDenied { .. }
            | Self::Knock { .. }
            | Self::KnockAnswered { .. }
            | Self::RulesFrozen { .. }
            // Nothing is counted by it, and 散会 may bring it about.
            | Self::BallotWithdrawn { .. }
            | Self::Spoke { .. }
            | Self::Correction { .. }
            | Self::ServerRestart { .. }
            | Self::Export { .. }
            | Self::HeadSigned { .. } => Durability::Spool,
            Self::BallotApproval { .. }
            | Self::BallotOpinion { .. }
            | Self::BallotRefused(_)
            | Self::BallotSnapshot(_)
            | Self::BallotToken { .. }
            | Self::BallotStarted { .. }
            | Self::BallotCast { .. }
            | Self::BallotCounted { .. }
            | Self::BallotPaper { .. }
            | Self::BallotClosed(_) => Durability::Database,
            // Signatures and what they are about: nobody is told "signed" on a disk's word.
            Self::MinutesSaved { .. }
            | Self::MinutesSubmitted { .. }
            | Self::MinutesReturned { .. }
            | Self::MinutesConfirmed { .. }
            | Self::MinutesObjection { .. }
            | Self::MinutesAnswer { .. }
            | Self::MinutesSealed { .. }
            | Self::MinutesCorrected { .. } => Durability::Database,
            // A seal says that the records are complete where they are kept. What a newer version
            // wrote is not ours to judge.
            Self::Sealed | Self::Unknown => Durability::Database,
        }
    }
}
