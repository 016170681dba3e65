//! `/api/sessions/{id}/knock`: whoever has the link and is not on the roster asks to come in.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::corrections::entry_of;
use super::error::{ApiError, ApiResult};
use super::extract::{At, Body};
use super::join::must_be_open;
use crate::app::App;
use crate::auth::policy::{Action, Resource, session_role};
use crate::domain::{PersonId, SessionId};
use crate::room::{Act, KnockAnswer, KnockState};

#[derive(Serialize, utoipa::ToSchema)]
pub struct Knocked {
    /// `none`, `waiting`, `admitted` or `refused`.
    state: &'static str,
    title: String,
    org_name: String,
}

pub async fn knock(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
) -> ApiResult<Json<Knocked>> {
    let (session, facts) = caller.session(&app, id, Action::Knock).await?;
    must_be_open(&session)?;
    // Who may come in by right need not ask.
    if session_role(&caller.tree, &caller.actor, &facts).is_none() {
        let org = caller.tree.get(caller.person.org_id);
        let act = Act::Knock {
            name: caller.person.name.clone(),
            org_name: org.map_or_else(String::new, |org| org.name.clone()),
        };
        app.rooms.room(id).await?.act(caller.actor.person, act).await?;
    }
    look(State(app), caller, At(id)).await
}

/// How it stands; asked every few seconds by the page that waits.
pub async fn look(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
) -> ApiResult<Json<Knocked>> {
    let (session, facts) = caller.session(&app, id, Action::Knock).await?;
    must_be_open(&session)?;
    let state = if session_role(&caller.tree, &caller.actor, &facts).is_some() {
        "admitted"
    } else {
        let (_, state) = app.rooms.room(id).await?.look(caller.actor.person).await?;
        match state {
            None => "none",
            // The door is opened a moment after the answer.
            Some(KnockState::Waiting | KnockState::Admitted) => "waiting",
            Some(KnockState::Refused) => "refused",
        }
    };
    Ok(Json(Knocked { state, title: session.title, org_name: session.org_name }))
}

#[derive(Deserialize, Clone, Copy, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum As {
    Refuse,
    Observer,
    Member,
}

#[derive(Deserialize, utoipa::ToSchema)]
pub struct AnswerTo {
    admit: As,
    /// Wanted for a correction of the roster.
    #[serde(default)]
    reason: String,
}

pub async fn answer(
    State(app): State<Arc<App>>,
    caller: Caller,
    At((id, person)): At<(SessionId, PersonId)>,
    Body(body): Body<AnswerTo>,
) -> ApiResult<StatusCode> {
    let session = app.store.sessions().get(id).await?.ok_or_else(ApiError::not_found)?;
    let facts = caller.facts(&app, &session).await?;
    caller.may(Action::AnswerKnock, Resource::Session(&facts))?;
    must_be_open(&session)?;
    let reason: String = body.reason.trim().chars().take(200).collect();
    let answer = match body.admit {
        As::Refuse => KnockAnswer::Refuse,
        As::Observer => KnockAnswer::Observer,
        As::Member if reason.is_empty() => {
            return Err(ApiError::validation("补入名册须写明理由"));
        }
        As::Member => KnockAnswer::Member(Box::new(entry_of(&app, &session, person).await?)),
    };
    let act = Act::AnswerKnock { person, answer, reason };
    app.rooms.room(id).await?.act(caller.actor.person, act).await?;
    Ok(StatusCode::NO_CONTENT)
}
