//! What answers look like: the objects of docs/API.md.

use serde::Serialize;
use signaling::view::{Counts, MemberClass, RecordingState, Role, SessionState};

use super::caller::Caller;
use super::error::ApiResult;
use crate::app::App;
use crate::auth::policy::{Action, Resource, SessionFacts, session_role};
use crate::auth::role;
use crate::domain::minutes::{State, are_due, overdue};
use crate::domain::{
    AccountId, AgendaItem, MeetingKind, OrgId, OrgRole, PersonId, Policy, Roster, SessionId,
    live_counts,
};
use crate::store::{Person, Session};

/// `{"items": […]}`
#[derive(Serialize)]
pub struct Items<T> {
    pub items: Vec<T>,
}

impl<T> From<Vec<T>> for Items<T> {
    fn from(items: Vec<T>) -> Self {
        Self { items }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct Me {
    account_id: AccountId,
    person_id: PersonId,
    name: String,
    org_id: OrgId,
    org_name: String,
    large_type: bool,
    must_change_password: bool,
    roles: Vec<MyRole>,
    can_create: Vec<OrgId>,
    can_observe: bool,
    /// Sees 组织与党员: some organisation is theirs to look after.
    can_view_orgs: bool,
}

#[derive(Serialize, utoipa::ToSchema)]
struct MyRole {
    org_id: OrgId,
    org_name: String,
    role: OrgRole,
}

impl Me {
    pub fn of(caller: &Caller) -> Self {
        let name_of = |org: OrgId| caller.tree.get(org).map_or(String::new(), |o| o.name.clone());
        let account = &caller.signed_in.account;
        let grants = &caller.actor.grants;
        let mut can_create: Vec<OrgId> = grants
            .iter()
            .map(|g| g.org)
            .filter(|org| caller.allows(Action::CreateSession, Resource::Org(*org)))
            .collect();
        can_create.sort_unstable();
        can_create.dedup();
        Self {
            account_id: account.id,
            person_id: caller.person.id,
            name: caller.person.name.clone(),
            org_id: caller.person.org_id,
            org_name: name_of(caller.person.org_id),
            large_type: account.large_type,
            must_change_password: account.must_change_password,
            roles: grants
                .iter()
                .map(|g| MyRole { org_id: g.org, org_name: name_of(g.org), role: g.role })
                .collect(),
            can_create,
            can_observe: grants.iter().any(|g| role::observes(g.role)),
            can_view_orgs: grants
                .iter()
                .any(|g| caller.allows(Action::ViewOrg, Resource::Org(g.org))),
        }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct SessionCard {
    id: SessionId,
    kind: MeetingKind,
    title: String,
    org_id: OrgId,
    org_name: String,
    #[schema(value_type = String)]
    state: SessionState,
    planned_start_us: i64,
    duration_min: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    declared_open_us: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    declared_closed_us: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::http::openapi::wire::Counts>)]
    counts: Option<Counts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    my_role: Option<Role>,
    #[schema(value_type = String)]
    recording: RecordingState,
    #[serde(skip_serializing_if = "Option::is_none")]
    minutes: Option<MinutesGlance>,
}

/// How far the minutes of a meeting that is over have come.
#[derive(Serialize, utoipa::ToSchema)]
pub struct MinutesGlance {
    state: State,
    /// Unfinished a day after 散会.
    overdue: bool,
}

impl SessionCard {
    /// `roster` is the session's own, frozen or planned.
    pub fn of(app: &App, caller: &Caller, session: &Session, roster: &Roster) -> Self {
        let facts = super::caller::facts(session, roster.contains(caller.actor.person), None);
        let live = app.rooms.glance(session.id);
        let counts = match (&live, session.state) {
            (Some(live), _) => Some(live.counts),
            (None, SessionState::Planned | SessionState::Opened) => {
                Some(live_counts(roster, |_| false, |_| false, |_| false, 0))
            }
            // Of the past the archive tells.
            _ => None,
        };
        Self {
            id: session.id,
            kind: session.kind,
            title: session.title.clone(),
            org_id: session.org_id,
            org_name: session.org_name.clone(),
            state: session.state,
            planned_start_us: session.planned_start_us,
            duration_min: session.duration_min,
            declared_open_us: session.declared_open_us,
            declared_closed_us: session.declared_closed_us,
            counts,
            my_role: session_role(&caller.tree, &caller.actor, &facts),
            recording: live.map_or(RecordingState::Off, |live| live.recording),
            minutes: None,
        }
    }

    /// The same with how far the minutes have come.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn with_minutes(mut self, app: &App) -> ApiResult<Self> {
        if are_due(self.state) {
            let row = app.store.minutes().row(self.id).await?;
            let state = row.map_or(State::Draft, |row| row.state);
            let overdue = overdue(state, self.declared_closed_us, app.clock.now_us());
            self.minutes = Some(MinutesGlance { state, overdue });
        }
        Ok(self)
    }
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct SessionDetail {
    #[serde(flatten)]
    card: SessionCard,
    #[schema(value_type = Vec<crate::http::openapi::wire::AgendaItem>)]
    agenda: Vec<AgendaItem>,
    roster: Vec<RosterPerson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chair: Option<PersonRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recorder: Option<PersonRef>,
    policy: Policy,
    join_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_reason: Option<String>,
    can: Can,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct RosterPerson {
    pub person_id: PersonId,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub class: Option<MemberClass>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_name: Option<String>,
    pub voter: bool,
}

#[derive(Serialize, utoipa::ToSchema)]
struct PersonRef {
    person_id: PersonId,
    name: String,
}

impl From<Person> for PersonRef {
    fn from(person: Person) -> Self {
        Self { person_id: person.id, name: person.name }
    }
}

/// What the caller may do now: the policy and the state of the session together.
#[derive(Serialize, utoipa::ToSchema)]
struct Can {
    open: bool,
    join: bool,
    observe: bool,
    archive: bool,
    edit: bool,
}

impl SessionDetail {
    /// # Errors
    /// When the store fails.
    pub async fn of(app: &App, caller: &Caller, session: Session, origin: &str) -> ApiResult<Self> {
        let roster = app.store.sessions().roster(session.id).await?;
        let facts = caller.facts(app, &session).await?;
        let chair = app.store.persons().get(session.chair).await?;
        let recorder = match session.recorder {
            Some(recorder) => app.store.persons().get(recorder).await?,
            None => None,
        };
        Ok(Self {
            card: SessionCard::of(app, caller, &session, &roster).with_minutes(app).await?,
            can: Can::of(caller, &session, &facts),
            agenda: session.agenda,
            roster: roster
                .iter()
                .map(|e| RosterPerson {
                    person_id: e.person_id,
                    name: e.name.clone(),
                    class: Some(e.class),
                    group_name: e.group_name.clone(),
                    voter: e.voter,
                })
                .collect(),
            chair: chair.map(PersonRef::from),
            recorder: recorder.map(PersonRef::from),
            policy: session.policy,
            join_url: format!("{origin}/s/{}", session.id),
            cancel_reason: session.cancel_reason,
        })
    }
}

impl Can {
    fn of(caller: &Caller, session: &Session, facts: &SessionFacts) -> Self {
        use SessionState as S;
        let may = |action| caller.allows(action, Resource::Session(facts));
        let role = session_role(&caller.tree, &caller.actor, facts);
        let planned = session.state == S::Planned;
        let running = matches!(session.state, S::Opened | S::DeclaredOpen);
        let over = matches!(session.state, S::DeclaredClosed | S::Archived);
        let observer = role == Some(Role::Observer);
        Self {
            open: planned && may(Action::OpenSession),
            join: running && !observer && may(Action::JoinSession),
            observe: running && observer && may(Action::JoinSession),
            archive: over && may(Action::ReadArchive),
            edit: planned && may(Action::CancelSession),
        }
    }
}
