//! What a role in an organisation brings (`domain.md` §4.5).

use crate::domain::{OrgId, OrgRole};

/// A role at an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grant {
    pub org: OrgId,
    pub role: OrgRole,
    /// Reaches down to every organisation below.
    pub inherits: bool,
}

/// Creates, opens and cancels the meetings of the organisation.
pub const fn runs_meetings(role: OrgRole) -> bool {
    matches!(role, OrgRole::Secretary | OrgRole::CommitteeMember | OrgRole::Manager)
}

/// Sits in on meetings of the organisation and, where the role reaches down, below it.
pub const fn observes(role: OrgRole) -> bool {
    matches!(role, OrgRole::Observer | OrgRole::Manager)
}

/// Sees the archive of the organisation's meetings and may have it rendered again.
pub const fn keeps_records(role: OrgRole) -> bool {
    runs_meetings(role) || matches!(role, OrgRole::Recorder)
}

/// Keeps the books of the organisation and, where the role reaches down, below it: organisations,
/// members, roles.
pub const fn manages(role: OrgRole) -> bool {
    matches!(role, OrgRole::Manager)
}

/// Sees organisations and their members.
pub const fn sees_members(role: OrgRole) -> bool {
    observes(role)
}
