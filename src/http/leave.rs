//! `/api/sessions/{id}/leave`: 请假, asked by members and decided by those above them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use signaling::ErrorCode;
use signaling::view::SessionState;

use super::caller::Caller;
use super::corrections::correct_archive;
use super::error::{ApiError, ApiResult};
use super::extract::{At, Body};
use super::view::Items;
use crate::app::App;
use crate::auth::policy::{Action, LeaveFacts, Resource, SessionFacts};
use crate::domain::{LeaveKind, LeaveState, OrgRole, PersonId, SessionId};
use crate::journal::Change;
use crate::room::Act;
use crate::store::{LeaveRequest, Session};

const MAX_REASON: usize = 200;

#[derive(Serialize)]
pub struct LeaveView {
    person_id: PersonId,
    name: String,
    kind: LeaveKind,
    reason: String,
    state: LeaveState,
    asked_us: i64,
    late: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_us: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<String>,
    /// The caller may grant or deny it.
    can_decide: bool,
}

async fn view(
    app: &App,
    caller: &Caller,
    session: &Session,
    facts: &SessionFacts,
    request: LeaveRequest,
) -> ApiResult<LeaveView> {
    let name = |person: Option<crate::store::Person>| person.map(|p| p.name);
    let decided_by = match request.decided_by {
        Some(person) => name(app.store.persons().get(person).await?),
        None => None,
    };
    let asked = asked_by(app, session, request.person_id).await?;
    let may = caller.allows(Action::DecideLeave, Resource::Leave(facts, &asked));
    Ok(LeaveView {
        name: name(app.store.persons().get(request.person_id).await?).unwrap_or_default(),
        person_id: request.person_id,
        kind: request.kind,
        reason: request.reason,
        can_decide: may && request.state == LeaveState::Asked,
        state: request.state,
        asked_us: request.asked_us,
        late: request.late,
        decided_by,
        decided_us: request.decided_us,
        decision: request.decision,
    })
}

async fn asked_by(app: &App, session: &Session, asker: PersonId) -> ApiResult<LeaveFacts> {
    let grants = app.store.roles().of_person(asker).await?;
    let is_secretary =
        grants.iter().any(|g| g.org_id == session.org_id && g.role == OrgRole::Secretary);
    let group = app.store.persons().get(asker).await?.and_then(|p| p.group_id);
    Ok(LeaveFacts { asker, is_secretary, group })
}

/// One's own, and those that one may decide or must know of.
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
) -> ApiResult<Json<Items<LeaveView>>> {
    let (session, facts) = caller.session(&app, id, Action::ReadSession).await?;
    let all = caller.allows(Action::ReadAttendance, Resource::Session(&facts));
    let mut items = Vec::new();
    for request in app.store.leave().of_session(id).await? {
        let own = request.person_id == caller.actor.person;
        let seen = view(&app, &caller, &session, &facts, request).await?;
        // Reasons are private: an illness is for those who decide.
        if all || own || seen.can_decide {
            items.push(seen);
        }
    }
    Ok(Json(items.into()))
}

#[derive(Deserialize, utoipa::ToSchema)]
pub struct Ask {
    kind: LeaveKind,
    #[serde(default)]
    reason: String,
}

fn is_running(session: &Session) -> bool {
    matches!(session.state, SessionState::Opened | SessionState::DeclaredOpen)
}

fn words(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = text.chars().count() <= MAX_REASON && !text.chars().any(|c| c.is_control());
    fits.then(|| text.to_owned())
}

pub async fn ask(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
    Body(body): Body<Ask>,
) -> ApiResult<Json<LeaveView>> {
    let (session, facts) = caller.session(&app, id, Action::AskLeave).await?;
    if session.state == SessionState::Cancelled {
        return Err(ApiError::new(ErrorCode::Conflict, "会议已取消，不必请假"));
    }
    let reason =
        words(&body.reason).ok_or_else(|| ApiError::validation("请假事由须在200字以内"))?;
    let now_us = app.clock.now_us();
    // Planned sessions too: who asks after the hour asks late.
    let late = session.state != SessionState::Planned || now_us >= session.planned_start_us;
    if reason.is_empty() && (late || body.kind == LeaveKind::Other) {
        let message = if late {
            "会议已开始，事后补假须写明事由"
        } else {
            "请写明请假事由"
        };
        return Err(ApiError::validation(message));
    }
    let request = LeaveRequest {
        person_id: caller.actor.person,
        kind: body.kind,
        reason: reason.clone(),
        state: LeaveState::Asked,
        asked_us: now_us,
        late,
        decided_by: None,
        decided_us: None,
        decision: None,
    };
    app.store.leave().ask(id, &request).await.map_err(|error| match error {
        crate::store::StoreError::Conflict(_) => {
            ApiError::new(ErrorCode::Conflict, "您已请过假，请等待批准或先撤回")
        }
        other => other.into(),
    })?;
    if is_running(&session) {
        let act = Act::AskLeave { kind: body.kind.word().to_owned(), reason };
        app.rooms.room(id).await?.act(caller.actor.person, act).await?;
    }
    Ok(Json(view(&app, &caller, &session, &facts, request).await?))
}

async fn waiting(app: &App, id: SessionId, person: PersonId) -> ApiResult<LeaveRequest> {
    app.store.leave().get(id, person).await?.ok_or_else(ApiError::not_found)
}

/// By the member, as long as it counts for something.
pub async fn withdraw(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
) -> ApiResult<Json<LeaveView>> {
    let (session, facts) = caller.session(&app, id, Action::AskLeave).await?;
    let mut request = waiting(&app, id, caller.actor.person).await?;
    let over = matches!(session.state, SessionState::DeclaredClosed | SessionState::Archived);
    let from = request.state;
    if !matches!(from, LeaveState::Asked | LeaveState::Granted) || over && from != LeaveState::Asked
    {
        return Err(ApiError::new(ErrorCode::Conflict, "没有可以撤回的请假"));
    }
    if is_running(&session) && from == LeaveState::Granted {
        let act = Act::DenyLeave { person: caller.actor.person, reason: "本人撤回".to_owned() };
        app.rooms.room(id).await?.act(caller.actor.person, act).await?;
    }
    request.state = LeaveState::Withdrawn;
    request.decided_us = Some(app.clock.now_us());
    app.store.leave().decide(id, from, &request).await?;
    Ok(Json(view(&app, &caller, &session, &facts, request).await?))
}

#[derive(Deserialize, utoipa::ToSchema)]
pub struct Decide {
    granted: bool,
    #[serde(default)]
    reason: String,
}

pub async fn decide(
    State(app): State<Arc<App>>,
    caller: Caller,
    At((id, person)): At<(SessionId, PersonId)>,
    Body(body): Body<Decide>,
) -> ApiResult<Json<LeaveView>> {
    let session = app.store.sessions().get(id).await?.ok_or_else(ApiError::not_found)?;
    let facts = caller.facts(&app, &session).await?;
    let asked = asked_by(&app, &session, person).await?;
    caller.may(Action::DecideLeave, Resource::Leave(&facts, &asked))?;
    let decision = words(&body.reason).filter(|words| body.granted || !words.is_empty());
    let decision =
        decision.ok_or_else(|| ApiError::validation("不予准假须写明理由（200字以内）"))?;
    let mut request = waiting(&app, id, person).await?;
    if request.state != LeaveState::Asked {
        return Err(ApiError::new(ErrorCode::Conflict, "这条请假已经处理过"));
    }
    let by = caller.actor.person;
    request.state = if body.granted { LeaveState::Granted } else { LeaveState::Denied };
    request.decided_by = Some(by);
    request.decided_us = Some(app.clock.now_us());
    request.decision = Some(decision.clone()).filter(|words| !words.is_empty());
    // The journal first: it is what counts.
    let kind = request.kind.word().to_owned();
    match session.state {
        SessionState::Opened | SessionState::DeclaredOpen => {
            let reason = request.reason.clone();
            let act = match body.granted {
                true => Act::GrantLeave { person, kind, reason, late: request.late },
                false => Act::DenyLeave { person, reason: decision },
            };
            app.rooms.room(id).await?.act(by, act).await?;
        }
        SessionState::DeclaredClosed | SessionState::Archived if body.granted => {
            let reason = request.reason.clone();
            let change = Change::OnLeave { person, kind, reason };
            correct_archive(&app, id, by, None, change, "事后补假".to_owned()).await?;
        }
        _ => {}
    }
    app.store.leave().decide(id, LeaveState::Asked, &request).await?;
    Ok(Json(view(&app, &caller, &session, &facts, request).await?))
}
