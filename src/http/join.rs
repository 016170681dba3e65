//! `POST /api/sessions/{id}/join`: the way into the room.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use signaling::ErrorCode;
use signaling::view::{Role, SessionState};

use super::caller::Caller;
use super::error::{ApiError, ApiResult};
use super::extract::At;
use super::ice_servers::{IceServer, ReachedAs, ice_servers};
use super::view::SessionCard;
use crate::app::App;
use crate::auth::JoinClaims;
use crate::auth::policy::{Action, Denied, Rule, session_role};
use crate::domain::SessionId;

#[derive(Serialize, utoipa::ToSchema)]
pub struct JoinGrant {
    token: String,
    #[schema(value_type = String)]
    role: Role,
    ws_path: &'static str,
    expires_us: i64,
    session: SessionCard,
    recording_notice: bool,
    /// For `RTCPeerConnection`; empty where TURN is not offered.
    ice_servers: Vec<IceServer>,
}

pub async fn join(
    State(app): State<Arc<App>>,
    caller: Caller,
    reached: ReachedAs,
    At(id): At<SessionId>,
) -> ApiResult<Json<JoinGrant>> {
    let (session, facts) = caller.session(&app, id, Action::JoinSession).await?;
    match session.state {
        SessionState::Opened | SessionState::DeclaredOpen => {}
        SessionState::Planned => {
            let message = "会场尚未开放，请等主持人开放后再进入";
            return Err(ApiError::new(ErrorCode::SessionNotOpen, message));
        }
        SessionState::DeclaredClosed | SessionState::Archived => {
            return Err(ApiError::new(ErrorCode::SessionEnded, "会议已散会，可在回放中查看"));
        }
        SessionState::Cancelled => {
            return Err(ApiError::new(ErrorCode::SessionEnded, "会议已取消"));
        }
    }
    let role = session_role(&caller.tree, &caller.actor, &facts)
        .ok_or(Denied { rule: Rule::NotInvitedAndNotSuperior })?;
    let roster = app.store.sessions().roster(id).await?;
    let entry = roster.get(caller.actor.person);
    let org = caller.tree.get(caller.person.org_id);
    let claims = JoinClaims {
        session: *id.as_uuid(),
        person: *caller.actor.person.as_uuid(),
        account: *caller.actor.account.as_uuid(),
        account_session: caller.signed_in.token_hash.clone(),
        role,
        // The name in the room is that of the roster.
        name: entry.map_or_else(|| caller.person.name.clone(), |e| e.name.clone()),
        org_id: *caller.person.org_id.as_uuid(),
        org_name: org.map_or_else(String::new, |org| org.name.clone()),
        class: entry.map(|e| e.class),
    };
    let (token, expires_us) = app.join_tokens.sign(&claims, app.clock.now_us());
    let person = *caller.actor.person.as_uuid();
    Ok(Json(JoinGrant {
        token,
        role,
        ws_path: "/ws",
        expires_us,
        session: SessionCard::of(&app, &caller, &session, &roster),
        recording_notice: true,
        ice_servers: ice_servers(&app, &reached, *id.as_uuid(), person, expires_us),
    }))
}
