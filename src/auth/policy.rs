//! The one place that says who may do what. Pure: every fact is handed in.
//!
//! HTTP handlers and the websocket's join ask [`allow`]; a refusal names its rule, and the rule
//! has the words a member is shown.

use signaling::view::Role;
use signaling::{ErrorCode, WireError};

use super::role::{Grant, keeps_records, manages, observes, runs_meetings, sees_members};
use crate::domain::{AccountId, OrgId, OrgRole, OrgTree, PersonId};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub account: AccountId,
    pub person: PersonId,
    pub grants: Vec<Grant>,
    /// Signed in with a password that somebody else chose.
    pub must_change_password: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Own account: look, change the password, sign out.
    ManageOwnAccount,
    /// Lists that hold only what the actor may see.
    ListSessions,
    ListPeople,
    CreateSession,
    ReadSession,
    OpenSession,
    CancelSession,
    /// Thresholds, while the session is planned.
    SetPolicy,
    JoinSession,
    ReadArchive,
    RenderAgain,
    /// Write the minutes, and sign them as the recorder.
    EditMinutes,
    /// Sign them as the one who presided (`SessionFacts::chair` is the last who did).
    ConfirmMinutes,
    /// 退回
    ReturnMinutes,
    /// 异议
    ObjectToMinutes,
    /// Answer objections, seal, correct after the seal.
    KeepMinutes,
    /// Objection days of an organisation.
    SetMinutesPolicy,
    /// Daily chain of an organisation.
    ReadDailyChain,
    /// Bitrates, losses and paths of a running room; no names, no content.
    ReadStatistics,
    /// The calculator: counts in, decision out; no content of any meeting.
    Calculate,
    /// Rules of an organisation, as they hold there.
    ReadRules,
    /// Rules that an organisation lays over those of its superiors.
    SetRules,
    /// Scans of tally sheets and written opinions of a session.
    KeepBallots,
    /// Have a room with many people before one device take part.
    OpenSite,
    /// Check in at a site, ask for leave: for oneself.
    CheckIn,
    AskLeave,
    /// 准假 of somebody: [`Resource::Leave`].
    DecideLeave,
    /// The list of who is where, with leave and its reasons.
    ReadAttendance,
    /// 更正 of the roster and of attendance.
    CorrectAttendance,
    /// Ask to come in without being on the roster.
    Knock,
    /// Let such people in.
    AnswerKnock,
    /// Give out tokens that publish into the session or play it (WHIP, WHEP), and answer for them
    /// as long as they are used.
    Stream,
    /// Names, kinds and places of organisations.
    ViewOrg,
    /// Names, classes, groups and seats of the members of an organisation.
    ViewMembers,
    /// Create below, edit, close, import organisations; both ends of a move.
    ManageOrg,
    /// An organisation without a superior.
    CreateRoot,
    /// Add, edit and import members, give them seats and accounts; see their phone numbers.
    ManageMembers,
    /// Grant and revoke roles at an organisation.
    ManageRoles,
    /// Make somebody a system administrator.
    ManageAdministrators,
}

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub enum Resource<'a> {
    Own,
    Org(OrgId),
    Session(&'a SessionFacts),
    /// Somebody's request for leave.
    Leave(&'a SessionFacts, &'a LeaveFacts),
}

/// What the policy needs to know of who asks for leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaveFacts {
    pub asker: PersonId,
    /// 书记 of the organisation: cannot grant leave to themselves.
    pub is_secretary: bool,
    /// 党小组
    pub group: Option<OrgId>,
}

/// What the policy needs to know of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionFacts {
    pub org: OrgId,
    pub chair: PersonId,
    /// Who presides in the running room; `None` when nobody does, or it does not run.
    pub presiding: Option<PersonId>,
    pub recorder: Option<PersonId>,
    /// The actor is on the roster (frozen and corrected, or as it would be frozen now).
    pub on_roster: bool,
    /// When it was opened; `None`: it belongs to the tree of now. A host that moved since does not
    /// take its past with it (`domain.md` §4.5).
    pub at_us: Option<i64>,
    /// The chair let the actor in as 列席.
    pub admitted: bool,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    ChangePasswordFirst,
    AdministratorsSeeNoContent,
    NotInCharge,
    NotChairOrSecretary,
    NotRecorder,
    MayNotWriteMinutes,
    MayNotConfirmMinutes,
    MayNotReturnMinutes,
    MayNotObject,
    NotForDailyChain,
    NotForStatistics,
    NotApprover,
    NotForAttendance,
    OnlyForMembers,
    MayNotStream,
    NotManager,
    NotBallotKeeper,
    NotInvitedAndNotSuperior,
    NotYourOrg,
    MayNotManageOrg,
    MayNotManageMembers,
    MayNotManageRoles,
    OnlyAdministrators,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("refused: {rule:?}")]
pub struct Denied {
    pub rule: Rule,
}

impl Rule {
    /// What the refused person is told: the rule, and what to do.
    pub const fn message(self) -> &'static str {
        match self {
            Self::ChangePasswordFirst => "这是初始密码，请先修改密码再继续",
            Self::AdministratorsSeeNoContent => "系统管理员只维护系统，不查看、不参加会议",
            Self::NotInCharge => "只有本组织的书记、支部委员或组织管理员可以安排会议",
            Self::NotChairOrSecretary => "只有主持人或本组织的书记、支部委员可以开放或取消会议",
            Self::NotRecorder => "只有主持人、记录人或本组织的书记、支部委员可以重新生成录像",
            Self::MayNotWriteMinutes => {
                "只有记录人、主持人或本组织的书记、支部委员可以办理会议记录"
            }
            Self::MayNotConfirmMinutes => "会议记录由会议主持人确认",
            Self::MayNotReturnMinutes => "只有会议主持人或上级党组织可以退回会议记录",
            Self::MayNotObject => "只有应到会的人员可以对会议记录提出异议",
            Self::NotForDailyChain => {
                "只有本组织的书记、支部委员、记录人和上级党组织可以查看封存链"
            }
            Self::NotForStatistics => {
                "只有主持人、记录人、本组织的书记、支部委员和系统管理员可以查看会议质量"
            }
            Self::NotApprover => {
                "请假由本组织书记或本人所在党小组组长批准；书记请假由支部委员或上级批准，本人不能批准自己"
            }
            Self::NotForAttendance => {
                "只有主持人、记录人或本组织的书记、支部委员可以查看和更正考勤"
            }
            Self::OnlyForMembers => "您不在本次会议的名册内。如应参会，请联系主持人或记录人",
            Self::MayNotStream => {
                "只有主持人、记录人或本组织的书记、支部委员签发的推流、播放令牌有效"
            }
            Self::NotManager => {
                "只有本组织的党组织管理员可以更改会议规则，本组织的工作人员可以查看"
            }
            Self::NotBallotKeeper => {
                "只有主持人、记录人或本组织的书记、支部委员可以上传、查看计票单和书面意见"
            }
            Self::NotYourOrg => "只能查看您管理或督导的组织及其下级组织",
            Self::MayNotManageOrg => {
                "只有本组织或上级组织的管理员和系统管理员可以调整组织；移动组织须有原上级和新上级两方的权限"
            }
            Self::MayNotManageMembers => {
                "只有本组织的书记、本组织或上级组织的管理员和系统管理员可以维护党员名册"
            }
            Self::MayNotManageRoles => "只有本组织或上级组织的管理员和系统管理员可以授予或收回角色",
            Self::OnlyAdministrators => "只有系统管理员可以进行这项操作",
            Self::NotInvitedAndNotSuperior => {
                "您不在本次会议的名册内，您所在的组织也不是该组织的上级，不能进入。如应参会，请联系主持人"
            }
        }
    }

    pub const fn code(self) -> ErrorCode {
        match self {
            Self::ChangePasswordFirst => ErrorCode::PasswordChangeRequired,
            _ => ErrorCode::Forbidden,
        }
    }
}

impl From<Denied> for WireError {
    fn from(denied: Denied) -> Self {
        Self::new(denied.rule.code(), denied.rule.message())
    }
}

/// Whether the actor may do this.
///
/// # Errors
/// The rule that forbids it.
pub fn allow(
    tree: &OrgTree,
    actor: &Actor,
    action: Action,
    resource: Resource<'_>,
) -> Result<(), Denied> {
    let deny = |rule| Err(Denied { rule });
    if action == Action::ManageOwnAccount {
        return Ok(());
    }
    if actor.must_change_password {
        return deny(Rule::ChangePasswordFirst);
    }
    if matches!(action, Action::ListSessions | Action::Calculate) {
        return Ok(());
    }
    if actor.grants.iter().any(|g| g.role == OrgRole::Administrator) {
        // They keep the system running and its books in order: figures, organisations, people and
        // roles, but no content of any meeting.
        if matches!(
            action,
            Action::ReadStatistics
                | Action::ViewOrg
                | Action::ViewMembers
                | Action::ManageOrg
                | Action::CreateRoot
                | Action::ManageMembers
                | Action::ManageRoles
                | Action::ManageAdministrators
        ) {
            return Ok(());
        }
        return deny(Rule::AdministratorsSeeNoContent);
    }
    let allowed = match (action, resource) {
        (Action::CreateSession | Action::ListPeople, Resource::Org(org)) => {
            has_at(actor, org, runs_meetings) || leads_group(actor, org)
        }
        (
            Action::OpenSession | Action::CancelSession | Action::SetPolicy,
            Resource::Session(session),
        ) => in_charge(actor, session),
        (Action::SetRules, Resource::Org(org)) => {
            has_at(actor, org, |role| role == OrgRole::Manager)
        }
        (Action::ReadRules, Resource::Org(org)) => {
            has_at(actor, org, |role| role == OrgRole::Manager || runs_meetings(role))
                || has_at(actor, org, keeps_records)
        }
        (Action::KeepBallots, Resource::Session(session)) => {
            presides(actor, session) || in_charge(actor, session) || records(actor, session)
        }
        (Action::RenderAgain | Action::Stream, Resource::Session(session)) => {
            in_charge(actor, session) || records(actor, session)
        }
        (Action::OpenSite, Resource::Session(session)) => {
            presides(actor, session)
                || in_charge(actor, session)
                || records(actor, session)
                || session.on_roster
        }
        (Action::CheckIn | Action::AskLeave, Resource::Session(session)) => session.on_roster,
        (
            Action::ReadAttendance | Action::CorrectAttendance | Action::AnswerKnock,
            Resource::Session(session),
        ) => {
            presides(actor, session)
                || in_charge(actor, session)
                || action != Action::AnswerKnock && records(actor, session)
        }
        (Action::DecideLeave, Resource::Leave(session, asked)) => {
            decides_leave(tree, actor, session, asked)
        }
        // The door is there for everybody who has the link.
        (Action::Knock, Resource::Session(_)) => true,
        (Action::EditMinutes, Resource::Session(session)) => records(actor, session),
        (Action::KeepMinutes, Resource::Session(session)) => {
            records(actor, session) || session.chair == actor.person
        }
        (Action::ConfirmMinutes, Resource::Session(session)) => session.chair == actor.person,
        (Action::ReturnMinutes, Resource::Session(session)) => {
            session.chair == actor.person || can_observe(tree, actor, session.org, session.at_us)
        }
        (Action::ObjectToMinutes, Resource::Session(session)) => {
            session.on_roster
                || session.chair == actor.person
                || session.recorder == Some(actor.person)
        }
        (Action::SetMinutesPolicy, Resource::Org(org)) => has_at(actor, org, runs_meetings),
        (Action::ReadDailyChain, Resource::Org(org)) => {
            has_at(actor, org, keeps_records) || can_observe(tree, actor, org, None)
        }
        (Action::ReadStatistics, Resource::Session(session)) => {
            presides(actor, session) || runs(actor, session) || records(actor, session)
        }
        (
            Action::ReadSession | Action::ReadArchive | Action::JoinSession,
            Resource::Session(session),
        ) => {
            session_role(tree, actor, session).is_some() || {
                action != Action::JoinSession && has_at(actor, session.org, keeps_records)
            }
        }
        (Action::ViewOrg | Action::ViewMembers, Resource::Org(org)) => {
            reaches_with(tree, actor, org, sees_members) || sees_own(tree, actor, org)
        }
        (Action::ManageOrg | Action::ManageRoles, Resource::Org(org)) => {
            reaches_with(tree, actor, org, manages)
        }
        (Action::ManageMembers, Resource::Org(org)) => {
            reaches_with(tree, actor, org, manages)
                || own_branch(tree, org)
                    .is_some_and(|branch| has_at(actor, branch, |role| role == OrgRole::Secretary))
        }
        // An action on the wrong sort of thing is nobody's right.
        _ => false,
    };
    if allowed {
        return Ok(());
    }
    deny(match action {
        Action::ViewOrg | Action::ViewMembers => Rule::NotYourOrg,
        Action::ManageOrg => Rule::MayNotManageOrg,
        Action::ManageMembers => Rule::MayNotManageMembers,
        Action::ManageRoles => Rule::MayNotManageRoles,
        Action::CreateRoot | Action::ManageAdministrators => Rule::OnlyAdministrators,
        Action::EditMinutes | Action::KeepMinutes if is_known(tree, actor, resource) => {
            Rule::MayNotWriteMinutes
        }
        Action::ConfirmMinutes if is_known(tree, actor, resource) => Rule::MayNotConfirmMinutes,
        Action::ReturnMinutes if is_known(tree, actor, resource) => Rule::MayNotReturnMinutes,
        Action::ObjectToMinutes if is_known(tree, actor, resource) => Rule::MayNotObject,
        Action::ReadDailyChain => Rule::NotForDailyChain,
        Action::SetMinutesPolicy | Action::CreateSession | Action::ListPeople => Rule::NotInCharge,
        Action::OpenSession | Action::CancelSession | Action::SetPolicy
            if is_known(tree, actor, resource) =>
        {
            Rule::NotChairOrSecretary
        }
        Action::CheckIn | Action::AskLeave | Action::OpenSite
            if is_known(tree, actor, resource) =>
        {
            Rule::OnlyForMembers
        }
        Action::ReadAttendance | Action::CorrectAttendance | Action::AnswerKnock
            if is_known(tree, actor, resource) =>
        {
            Rule::NotForAttendance
        }
        Action::DecideLeave => Rule::NotApprover,
        Action::ReadStatistics if is_known(tree, actor, resource) => Rule::NotForStatistics,
        Action::Stream => Rule::MayNotStream,
        Action::ReadRules | Action::SetRules => Rule::NotManager,
        Action::KeepBallots => Rule::NotBallotKeeper,
        Action::RenderAgain if is_known(tree, actor, resource) => Rule::NotRecorder,
        _ => Rule::NotInvitedAndNotSuperior,
    })
}

/// In what role the actor enters the room; `None`: not at all.
///
/// Who is due enters as themselves, whatever else they are: a superior who is a member of the
/// branch is counted (双重组织生活).
pub fn session_role(tree: &OrgTree, actor: &Actor, session: &SessionFacts) -> Option<Role> {
    if session.chair == actor.person {
        Some(Role::Chair)
    } else if session.recorder == Some(actor.person) {
        Some(Role::Recorder)
    } else if session.on_roster {
        Some(Role::Member)
    } else if session.admitted || can_observe(tree, actor, session.org, session.at_us) {
        Some(Role::Observer)
    } else {
        None
    }
}

/// `can_observe(u, s)` of `domain.md` §4.5: a role that observes, at the host or above it. With a
/// time: above it as the tree stood then, so that a superior keeps what was theirs before the host
/// moved away, and the new one gets what comes after.
pub fn can_observe(tree: &OrgTree, actor: &Actor, host: OrgId, at_us: Option<i64>) -> bool {
    let above = |org| match at_us {
        Some(at_us) => tree.was_ancestor_or_self(org, host, at_us),
        None => tree.is_ancestor_or_self(org, host),
    };
    let reaches = |g: &Grant| g.org == host || g.inherits && above(g.org);
    actor.grants.iter().any(|g| observes(g.role) && reaches(g))
}

/// A role that reaches down to the organisation, or stands at it.
fn reaches_with(
    tree: &OrgTree,
    actor: &Actor,
    org: OrgId,
    right: impl Fn(OrgRole) -> bool,
) -> bool {
    let reaches = |g: &Grant| g.org == org || g.inherits && tree.is_ancestor_or_self(g.org, org);
    actor.grants.iter().any(|g| right(g.role) && reaches(g))
}

/// The branch that an organisation is, or that a group belongs to.
fn own_branch(tree: &OrgTree, org: OrgId) -> Option<OrgId> {
    tree.ancestors_or_self(org).take(2).find(|o| o.kind.is_branch()).map(|o| o.id)
}

/// Who keeps the books of a branch sees the branch and its groups; a 组长 the group.
fn sees_own(tree: &OrgTree, actor: &Actor, org: OrgId) -> bool {
    leads_group(actor, org)
        || has_at(actor, org, keeps_records)
        || own_branch(tree, org).is_some_and(|branch| has_at(actor, branch, keeps_records))
}

fn in_charge(actor: &Actor, session: &SessionFacts) -> bool {
    session.chair == actor.person || runs(actor, session)
}

fn runs(actor: &Actor, session: &SessionFacts) -> bool {
    has_at(actor, session.org, runs_meetings) || leads_group(actor, session.org)
}

/// Whoever took over or was handed the chair; the designated chair while nobody presides.
fn presides(actor: &Actor, session: &SessionFacts) -> bool {
    session.presiding.unwrap_or(session.chair) == actor.person
}

/// 书记 of the organisation, or the 组长 of the asker's group (or of the group that meets); for a
/// 书记 the committee, or whoever runs an organisation above. Nobody for themselves.
fn decides_leave(
    tree: &OrgTree,
    actor: &Actor,
    session: &SessionFacts,
    asked: &LeaveFacts,
) -> bool {
    if actor.person == asked.asker {
        return false;
    }
    let secretary = has_at(actor, session.org, |role| role == OrgRole::Secretary);
    let leader = leads_group(actor, session.org)
        || asked.group.is_some_and(|group| leads_group(actor, group));
    if !asked.is_secretary {
        return secretary || leader;
    }
    let above = actor.grants.iter().any(|g| {
        g.org != session.org
            && matches!(g.role, OrgRole::Secretary | OrgRole::Manager)
            && tree.is_ancestor_or_self(g.org, session.org)
    });
    // A second 书记 is a 副书记 in this.
    above || secretary || has_at(actor, session.org, |role| role == OrgRole::CommitteeMember)
}

fn records(actor: &Actor, session: &SessionFacts) -> bool {
    session.recorder == Some(actor.person) || has_at(actor, session.org, keeps_records)
}

/// Rights of running meetings are not inherited: a superior observes and does not act.
fn has_at(actor: &Actor, org: OrgId, right: impl Fn(OrgRole) -> bool) -> bool {
    actor.grants.iter().any(|g| g.org == org && right(g.role))
}

/// A 组长 runs the meetings of the group (`Grant::org` is the group).
fn leads_group(actor: &Actor, org: OrgId) -> bool {
    has_at(actor, org, |role| role == OrgRole::GroupLeader)
}

fn is_known(tree: &OrgTree, actor: &Actor, resource: Resource<'_>) -> bool {
    matches!(resource, Resource::Session(s) if session_role(tree, actor, s).is_some()
        || has_at(actor, s.org, keeps_records))
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
