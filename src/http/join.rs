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
use crate::domain::{SessionId, Standing};
use crate::store::Session;

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

impl JoinGrant {
    pub(super) fn new(
        token: String,
        role: Role,
        expires_us: i64,
        session: SessionCard,
        ice_servers: Vec<IceServer>,
    ) -> Self {
        let recording_notice = true;
        Self { token, role, ws_path: "/ws", expires_us, session, recording_notice, ice_servers }
    }
}

/// Refuses what has no sense but in a running meeting.
///
/// # Errors
/// `session_not_open` before, `session_ended` after.
pub(super) fn must_be_open(session: &Session) -> ApiResult<()> {
    match session.state {
        SessionState::Opened | SessionState::DeclaredOpen => Ok(()),
        SessionState::Planned => {
            let message = "会场尚未开放，请等主持人开放后再进入";
            Err(ApiError::new(ErrorCode::SessionNotOpen, message))
        }
        SessionState::DeclaredClosed | SessionState::Archived => {
            Err(ApiError::new(ErrorCode::SessionEnded, "会议已散会，可在回放中查看"))
        }
        SessionState::Cancelled => Err(ApiError::new(ErrorCode::SessionEnded, "会议已取消")),
    }
}

pub async fn join(
    State(app): State<Arc<App>>,
    caller: Caller,
    reached: ReachedAs,
    At(id): At<SessionId>,
) -> ApiResult<Json<JoinGrant>> {
    let (session, facts) = caller.session(&app, id, Action::JoinSession).await?;
    must_be_open(&session)?;
    let role = session_role(&caller.tree, &caller.actor, &facts)
        .ok_or(Denied { rule: Rule::NotInvitedAndNotSuperior })?;
    let roster = app.store.sessions().roster(id).await?;
    let entry = roster.get(caller.actor.person);
    let standing = app.store.standings().get(id, caller.actor.person).await?;
    let added = standing == Some(Standing::Member);
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
        // Added to the roster by a correction: the class is the person's own.
        class: entry.map(|e| e.class).or(caller.person.class.filter(|_| added)),
        site: None,
    };
    let (token, expires_us) = app.join_tokens.sign(&claims, app.clock.now_us());
    let person = *caller.actor.person.as_uuid();
    let ice = ice_servers(&app, &reached, *id.as_uuid(), person, expires_us);
    let card = SessionCard::of(&app, &caller, &session, &roster);
    Ok(Json(JoinGrant::new(token, role, expires_us, card, ice)))
}
