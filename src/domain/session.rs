//! A session's life and the policy that is frozen when it opens.

use serde::{Deserialize, Serialize};

pub use signaling::view::{AgendaItem, Role, SessionState};

/// Attendance thresholds: data of the session, inherited from the organisation, frozen at opening
/// and printed on every report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Policy {
    /// 迟到: arriving later than this after 宣布开会, seconds, strictly.
    pub late_after_s: u32,
    /// 早退: leaving earlier than this before 散会, seconds, strictly.
    pub early_before_s: u32,
    /// Least effective share of the official time for full attendance, in thousandths.
    pub min_ratio_permille: u32,
    /// Longest gap after a dropped line that still counts as present, seconds.
    pub bridge_s: u32,
}

impl Default for Policy {
    /// `domain.md` §3.3: 10 min, 10 min, 80 %, 60 s.
    fn default() -> Self {
        Self { late_after_s: 600, early_before_s: 600, min_ratio_permille: 800, bridge_s: 60 }
    }
}

/// The move is not in the life of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session cannot go from {from:?} to {to:?}")]
pub struct InvalidTransition {
    pub from: SessionState,
    pub to: SessionState,
}

/// Checks one step of `planned → opened → declared_open → declared_closed → archived`; a session
/// may be cancelled until it is declared open, and an opened one may close undeclared (empty room).
pub fn transition(from: SessionState, to: SessionState) -> Result<(), InvalidTransition> {
    use SessionState::{Archived, Cancelled, DeclaredClosed, DeclaredOpen, Opened, Planned};
    match (from, to) {
        (Planned, Opened | Cancelled)
        | (Opened, DeclaredOpen | DeclaredClosed | Cancelled)
        | (DeclaredOpen, DeclaredClosed)
        | (DeclaredClosed, Archived) => Ok(()),
        _ => Err(InvalidTransition { from, to }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_session_never_opens_again() {
        for to in [SessionState::Planned, SessionState::Opened, SessionState::DeclaredOpen] {
            assert!(transition(SessionState::DeclaredClosed, to).is_err());
            assert!(transition(SessionState::Archived, to).is_err());
        }
    }

    #[test]
    fn a_running_meeting_cannot_be_cancelled() {
        assert!(transition(SessionState::Opened, SessionState::Cancelled).is_ok());
        assert!(transition(SessionState::DeclaredOpen, SessionState::Cancelled).is_err());
    }
}
