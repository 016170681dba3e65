//! What is known of a session before anybody comes.

use std::sync::Arc;

use signaling::view::{AgendaItem, ChatMessage};

use crate::auth::CheckinKey;
use crate::domain::rules::Rules;
use crate::domain::{MeetingKind, OrgKind, PersonId, Roster, SessionId};
use crate::journal::HashAlgorithm;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSetup {
    pub session: SessionId,
    pub kind: MeetingKind,
    pub title: String,
    pub org_name: String,
    /// What binds the journal, and so what digests of chat are made with.
    pub hash_algorithm: HashAlgorithm,
    pub planned_start_us: i64,
    pub agenda: Vec<AgendaItem>,
    /// As frozen at opening.
    pub roster: Roster,
    /// As frozen at opening.
    pub rules: Arc<Rules>,
    /// Of the organisation, now; a 临时党支部 may not decide everything.
    pub org_kind: OrgKind,
    /// Designated 记录人.
    pub recorder: Option<PersonId>,
    /// Signs the codes on the screens of sites.
    pub checkin: CheckinKey,
    /// Designated 主持人.
    pub chair: Option<PersonId>,
    /// Secretaries of the organisation: first in line when the chair is lost.
    pub secretaries: Vec<PersonId>,
    /// The last messages, oldest first (after a restart).
    pub chat: Vec<ChatMessage>,
}
