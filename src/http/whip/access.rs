//! Who may: the bearer token, the session it is for, and whoever answers for it.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, RETRY_AFTER};
use signaling::ErrorCode;
use signaling::view::SessionState;
use uuid::Uuid;

use super::super::caller::{actor_of, facts};
use super::answer::Refusal;
use crate::app::App;
use crate::auth::policy::{Action, Resource, allow};
use crate::auth::signer::{TokenError, Verified};
use crate::auth::{StreamClaims, StreamKind};
use crate::domain::{AccountId, SessionId};
use crate::store::Session;

/// The token of a request; Bearer (RFC 6750 section 2.1), or nothing but the token.
fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let missing =
        || Refusal::unauthorized(None, ErrorCode::NotAuthenticated, "请在请求中附上推流或播放令牌");
    let value = headers.get(AUTHORIZATION).ok_or_else(missing)?;
    let value = value.to_str().map_err(|_| missing())?.trim();
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        Some(_) => Err(missing()),
        None => Ok(value),
    }
}

fn refused(error: TokenError) -> Refusal {
    const CHALLENGE: &str = "Bearer realm=\"yuntang\", error=\"invalid_token\"";
    let (code, message) = match error {
        TokenError::Invalid => (ErrorCode::TokenInvalid, "令牌无效，请向会议主持人重新索取"),
        TokenError::Expired => (ErrorCode::TokenExpired, "令牌已过期，请向会议主持人重新索取"),
    };
    Refusal::unauthorized(Some(CHALLENGE), code, message)
}

/// The holder of the token of a new stream, and its session if that is running.
///
/// # Errors
/// 401, 404 for a session that is not there, 403 for one that is not the token's, 409.
pub(super) async fn admit(
    app: &App,
    headers: &HeaderMap,
    session: &str,
    kind: StreamKind,
) -> Result<(StreamClaims, Session), Refusal> {
    let token = bearer(headers)?;
    let Verified { claims, .. } =
        app.stream_tokens.verify(token, app.clock.now_us()).map_err(refused)?;
    let id: SessionId = session.parse().map_err(|_| Refusal::not_found())?;
    let session = app.store.sessions().get(id).await?.ok_or_else(Refusal::not_found)?;
    if claims.session != *id.as_uuid() || claims.kind != kind {
        return Err(Refusal::out_of_scope());
    }
    answered_for(app, &claims, &session).await?;
    match session.state {
        SessionState::Opened | SessionState::DeclaredOpen => Ok((claims, session)),
        SessionState::Planned => {
            Err(Refusal::new(ErrorCode::SessionNotOpen, "会场尚未开放，请稍后再试")
                .header(RETRY_AFTER, "10"))
        }
        SessionState::DeclaredClosed | SessionState::Archived | SessionState::Cancelled => {
            Err(Refusal::new(ErrorCode::SessionEnded, "会议已散会或已取消"))
        }
    }
}

/// Whoever issued the token still may.
async fn answered_for(app: &App, claims: &StreamClaims, session: &Session) -> Result<(), Refusal> {
    let account = app.store.accounts().get(AccountId::from(claims.issuer)).await?;
    let found = match account {
        Some(account) => actor_of(&app.store, &account).await?,
        None => None,
    };
    let (person, actor) = found.ok_or_else(Refusal::out_of_scope)?;
    let roster = app.store.sessions().roster(session.id).await?;
    let standing = app.store.standings().get(session.id, person.id).await?;
    let facts = facts(session, roster.contains(person.id), standing);
    let tree = app.orgs.tree(&app.store).await?;
    Ok(allow(&tree, &actor, Action::Stream, Resource::Session(&facts))?)
}

/// The holder of the token of a stream that runs; it may have expired meanwhile.
///
/// # Errors
/// 401
pub(super) fn holder(app: &App, headers: &HeaderMap) -> Result<Uuid, Refusal> {
    let token = bearer(headers)?;
    Ok(app.stream_tokens.read(token).map_err(refused)?.claims.holder)
}

/// What a token says that is good now.
///
/// # Errors
/// 401
pub(super) fn claims(app: &App, headers: &HeaderMap) -> Result<StreamClaims, Refusal> {
    let verified = app.stream_tokens.verify(bearer(headers)?, app.clock.now_us());
    Ok(verified.map_err(refused)?.claims)
}
