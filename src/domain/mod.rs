//! What a Party meeting is: pure types and computations, told the time.
//!
//! Nothing here reads a clock, draws a random number or does input and output. Times ending in
//! `_us` are microseconds: wall clock in UTC unless the name says `mono`, which counts from the
//! opening of the session and does not move when the server's clock is set.

pub mod attendance;
pub mod ballot;
pub mod by_id;
pub mod committee;
pub mod fields;
pub mod ids;
pub mod intervals;
pub mod kind;
pub mod leave;
pub mod member;
pub mod minutes;
pub mod org;
pub mod report;
pub mod roster;
pub mod rules;
pub mod session;
pub mod strokes;

pub use attendance::{PersonPresence, Presence, PresenceEnd, SessionPresence, evaluate};
pub use by_id::ById;
pub use committee::{Post, Seat, has_committee};
pub use ids::{
    AccountId, BallotId, ChatId, EndpointId, OrgId, PersonId, RenderJobId, SessionId, SiteId,
    TrackId,
};
pub use kind::{MeetingKind, RULES_VERSION};
pub use leave::{LeaveKind, LeaveState, Standing};
pub use member::{MemberClass, Rights, rights_of};
pub use org::{Edge, MoveError, OrgExtra, OrgKind, OrgNode, OrgRole, OrgTree};
pub use report::{
    AttendanceMode, AttendanceReport, AttendanceRow, AttendanceStatus, AttendanceTotals, LeaveNote,
    OfficialWindow, ReportInterval,
};
pub use roster::{Roster, RosterEntry, live_counts};
pub use session::{AgendaItem, Policy, SessionState};
