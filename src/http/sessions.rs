//! `/api/sessions`: lists, planning, details, opening, cancelling.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use signaling::ErrorCode;
use signaling::view::{AgendaItem, SessionState};

use super::caller::{Caller, facts};
use super::error::{ApiError, ApiResult};
use super::extract::{Asked, At, Body};
use super::origin::Origin;
use super::view::{Items, SessionCard, SessionDetail};
use crate::app::{App, opening};
use crate::auth::policy::{Action, Resource, can_observe};
use crate::auth::role;
use crate::clock::local_day;
use crate::domain::kind::Due;
use crate::domain::{
    MeetingKind, OrgId, OrgKind, PersonId, Policy, Roster, SessionId, has_committee,
};
use crate::store::{NewSession, Session, new_id};

/// Sessions of one list.
const LIMIT: u32 = 200;
const MAX_TITLE: usize = 100;
const MAX_AGENDA: usize = 50;
const MAX_REASON: usize = 500;

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// On the roster or in charge.
    Mine,
    /// Those the caller may observe.
    Subtree,
}

#[derive(Deserialize)]
pub struct Filter {
    scope: Scope,
    #[serde(default)]
    state: Option<SessionState>,
}

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Asked(filter): Asked<Filter>,
) -> ApiResult<Json<Items<SessionCard>>> {
    caller.may(Action::ListSessions, Resource::Own)?;
    let mut found = match filter.scope {
        Scope::Mine => mine(&app, &caller).await?,
        Scope::Subtree => subtree(&app, &caller, filter.state).await?,
    };
    found.retain(|s| filter.state.is_none_or(|state| s.state == state));
    found.sort_by_key(|s| (order(s.state), std::cmp::Reverse(s.planned_start_us)));
    found.truncate(LIMIT as usize);
    let mut items = Vec::with_capacity(found.len());
    for session in &found {
        let roster = app.store.sessions().roster(session.id).await?;
        let facts = facts(session, roster.contains(caller.actor.person), None);
        // What cannot be read is not listed either: administrators see no content.
        if caller.allows(Action::ReadSession, Resource::Session(&facts)) {
            let card = SessionCard::of(&app, &caller, session, &roster);
            items.push(card.with_minutes(&app).await?);
        }
    }
    Ok(Json(items.into()))
}

/// Running first, then planned, then the past.
const fn order(state: SessionState) -> u8 {
    match state {
        SessionState::DeclaredOpen => 0,
        SessionState::Opened => 1,
        SessionState::Planned => 2,
        _ => 3,
    }
}

async fn mine(app: &App, caller: &Caller) -> ApiResult<Vec<Session>> {
    let mut found: HashMap<SessionId, Session> = HashMap::new();
    let own = app.store.sessions().of_person(caller.actor.person, LIMIT).await?;
    found.extend(own.into_iter().map(|s| (s.id, s)));
    for grant in caller.actor.grants.iter().filter(|g| role::keeps_records(g.role)) {
        let there = app.store.sessions().of_subtree(grant.org, None, LIMIT).await?;
        found.extend(there.into_iter().filter(|s| s.org_id == grant.org).map(|s| (s.id, s)));
    }
    Ok(found.into_values().collect())
}

async fn subtree(
    app: &App,
    caller: &Caller,
    state: Option<SessionState>,
) -> ApiResult<Vec<Session>> {
    let mut found: HashMap<SessionId, Session> = HashMap::new();
    for grant in caller.actor.grants.iter().filter(|g| role::observes(g.role)) {
        let there = app.store.sessions().of_subtree(grant.org, state, LIMIT).await?;
        let seen = there
            .into_iter()
            .filter(|s| can_observe(&caller.tree, &caller.actor, s.org_id, s.opened_us));
        found.extend(seen.map(|s| (s.id, s)));
    }
    Ok(found.into_values().collect())
}

#[derive(Deserialize, utoipa::ToSchema)]
pub struct Plan {
    org_id: OrgId,
    kind: MeetingKind,
    title: String,
    planned_start_us: i64,
    duration_min: u32,
    #[serde(default)]
    #[schema(value_type = Vec<crate::http::openapi::wire::AgendaItem>)]
    agenda: Vec<AgendaItem>,
    #[serde(default)]
    chair: Option<PersonId>,
    #[serde(default)]
    recorder: Option<PersonId>,
}

pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Origin(origin): Origin,
    Body(plan): Body<Plan>,
) -> ApiResult<(StatusCode, Json<SessionDetail>)> {
    caller.may(Action::CreateSession, Resource::Org(plan.org_id))?;
    let plan = checked(plan)?;
    let roster = due(&app, &caller, &plan).await?;
    let chair = plan.chair.unwrap_or(caller.actor.person);
    for person in [Some(chair), plan.recorder].into_iter().flatten() {
        if !roster.contains(person) && person != caller.actor.person {
            return Err(ApiError::validation("主持人和记录人须在参会名册内"));
        }
    }
    let id: SessionId = new_id();
    let session = NewSession {
        id,
        org_id: plan.org_id,
        kind: plan.kind,
        title: plan.title,
        planned_start_us: plan.planned_start_us,
        duration_min: plan.duration_min,
        agenda: plan.agenda,
        chair,
        recorder: plan.recorder,
        policy: Policy::default(),
        roster,
        created_us: app.clock.now_us(),
    };
    app.store.sessions().create(&session).await?;
    Ok((StatusCode::CREATED, Json(detail(&app, &caller, id, &origin).await?)))
}

/// 应到 of the plan, if the organisation can hold such a meeting.
async fn due(app: &App, caller: &Caller, plan: &Plan) -> ApiResult<Roster> {
    let org = caller.tree.get(plan.org_id).ok_or_else(ApiError::not_found)?;
    let group = org.kind == OrgKind::Group;
    if plan.kind.due() == Due::Group && !group {
        return Err(ApiError::validation("党小组会须选择一个党小组"));
    }
    if group && matches!(plan.kind.due(), Due::Committee | Due::LeadingBody) {
        return Err(ApiError::validation("党小组没有委员会，请选择所在的党支部"));
    }
    let today = local_day(app.clock.now_us());
    let roster = app.store.persons().roster_for(plan.org_id, plan.kind, &today).await?;
    match plan.kind.due() {
        Due::Committee if roster.is_empty() => {
            let (_, full, seats) = app.store.members().counts(plan.org_id, &today).await?;
            Err(ApiError::validation(if has_committee(full, seats) {
                "没有登记支委会委员，请先在“组织与党员”中登记委员职务"
            } else {
                "正式党员不足7人，不设支委会，请改为召开支部党员大会"
            }))
        }
        Due::LeadingBody if roster.is_empty() => {
            Err(ApiError::validation("没有登记领导班子成员，请先在“组织与党员”中登记班子成员"))
        }
        _ => Ok(Roster(roster)),
    }
}

fn checked(mut plan: Plan) -> ApiResult<Plan> {
    let refuse = |message: &str| Err(ApiError::validation(message));
    plan.title = plan.title.trim().to_owned();
    for item in &mut plan.agenda {
        item.title = item.title.trim().to_owned();
    }
    plan.agenda.retain(|item| !item.title.is_empty());
    let length = plan.title.chars().count();
    if length == 0 || length > MAX_TITLE {
        return refuse("会议名称须为1至100字");
    }
    if plan.agenda.len() > MAX_AGENDA
        || plan.agenda.iter().any(|i| i.title.chars().count() > 2 * MAX_TITLE)
    {
        return refuse("议题最多50项，每项最多200字");
    }
    if !(5..=24 * 60).contains(&plan.duration_min) {
        return refuse("会议时长须为5分钟至24小时");
    }
    // 2000 to 2100: a wrong unit would be a date that no page can show.
    if !(946_684_800_000_000..4_102_444_800_000_000).contains(&plan.planned_start_us) {
        return refuse("会议时间不正确");
    }
    Ok(plan)
}

async fn detail(
    app: &App,
    caller: &Caller,
    id: SessionId,
    origin: &str,
) -> ApiResult<SessionDetail> {
    let session = app.store.sessions().get(id).await?.ok_or_else(ApiError::not_found)?;
    SessionDetail::of(app, caller, session, origin).await
}

pub async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Origin(origin): Origin,
    At(id): At<SessionId>,
) -> ApiResult<Json<SessionDetail>> {
    let (session, _) = caller.session(&app, id, Action::ReadSession).await?;
    Ok(Json(SessionDetail::of(&app, &caller, session, &origin).await?))
}

pub async fn open(
    State(app): State<Arc<App>>,
    caller: Caller,
    Origin(origin): Origin,
    At(id): At<SessionId>,
) -> ApiResult<Json<SessionDetail>> {
    let (session, _) = caller.session(&app, id, Action::OpenSession).await?;
    match session.state {
        SessionState::Planned => opening::open(&app, &session, caller.actor.person).await?,
        // Clicked twice, or by two people: it is open, which is what was asked.
        SessionState::Opened | SessionState::DeclaredOpen => {}
        SessionState::Cancelled => {
            return Err(ApiError::new(ErrorCode::Conflict, "会议已取消，不能开放会场"));
        }
        SessionState::DeclaredClosed | SessionState::Archived => {
            return Err(ApiError::new(ErrorCode::SessionEnded, "会议已散会，不能再次开放会场"));
        }
    }
    Ok(Json(detail(&app, &caller, id, &origin).await?))
}

#[derive(Deserialize, utoipa::ToSchema)]
pub struct Cancel {
    reason: String,
}

pub async fn cancel(
    State(app): State<Arc<App>>,
    caller: Caller,
    Origin(origin): Origin,
    At(id): At<SessionId>,
    Body(body): Body<Cancel>,
) -> ApiResult<Json<SessionDetail>> {
    let (session, _) = caller.session(&app, id, Action::CancelSession).await?;
    let reason = body.reason.trim();
    if reason.is_empty() || reason.chars().count() > MAX_REASON {
        return Err(ApiError::validation("请写明取消原因（500字以内）"));
    }
    if session.state != SessionState::Planned {
        return Err(ApiError::new(ErrorCode::Conflict, "会场已开放，不能取消；请由主持人散会"));
    }
    app.store.sessions().cancel(id, reason).await?;
    Ok(Json(detail(&app, &caller, id, &origin).await?))
}

pub async fn policy(
    State(app): State<Arc<App>>,
    caller: Caller,
    Origin(origin): Origin,
    At(id): At<SessionId>,
    Body(policy): Body<Policy>,
) -> ApiResult<Json<SessionDetail>> {
    let (session, _) = caller.session(&app, id, Action::SetPolicy).await?;
    if session.state != SessionState::Planned {
        return Err(ApiError::new(ErrorCode::Conflict, "会场已开放，考勤规则已固定"));
    }
    let day = 24 * 3600;
    if policy.min_ratio_permille > 1000
        || [policy.late_after_s, policy.early_before_s, policy.bridge_s].iter().any(|s| *s > day)
    {
        return Err(ApiError::validation("考勤规则的数值不正确"));
    }
    app.store.sessions().plan_policy(id, &policy).await?;
    Ok(Json(detail(&app, &caller, id, &origin).await?))
}
