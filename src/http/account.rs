//! `/api/login`, `/api/logout…`, `/api/password`, `/api/me`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderName, StatusCode};
use serde::Deserialize;

use super::caller::{COOKIE_NAME, Caller};
use super::error::ApiResult;
use super::extract::Body;
use super::listener::Peer;
use super::view::Me;
use crate::app::App;
use crate::auth::policy::{Action, Resource};
use crate::auth::sign_in::ABSOLUTE_US;

#[derive(Deserialize, utoipa::ToSchema)]
pub struct Login {
    login: String,
    password: String,
}

type WithCookie<T> = ([(HeaderName, String); 1], T);

/// Sets the cookie under TLS as `Secure`; plain HTTP is served to this machine alone.
fn cookie(value: &str, max_age_s: i64, tls: bool) -> [(HeaderName, String); 1] {
    let secure = if tls { "; Secure" } else { "" };
    let text = format!(
        "{COOKIE_NAME}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_s}{secure}"
    );
    [(SET_COOKIE, text)]
}

pub async fn login(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Body(body): Body<Login>,
) -> ApiResult<WithCookie<Json<Me>>> {
    let (token, _) = app.sign_ins.sign_in(&body.login, body.password, peer.address.ip()).await?;
    let found = app.sign_ins.find(&token).await?;
    let found = found.ok_or_else(super::ApiError::not_signed_in)?;
    let caller = Caller::load(&app, found).await?;
    Ok((cookie(&token, ABSOLUTE_US / 1_000_000, peer.tls), Json(Me::of(&caller))))
}

pub async fn logout(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    caller: Caller,
) -> ApiResult<WithCookie<StatusCode>> {
    caller.may(Action::ManageOwnAccount, Resource::Own)?;
    app.sign_ins.end(&caller.signed_in.token_hash).await?;
    Ok((cookie("", 0, peer.tls), StatusCode::NO_CONTENT))
}

pub async fn logout_everywhere(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    caller: Caller,
) -> ApiResult<WithCookie<StatusCode>> {
    caller.may(Action::ManageOwnAccount, Resource::Own)?;
    app.sign_ins.end_all(caller.signed_in.account.id).await?;
    Ok((cookie("", 0, peer.tls), StatusCode::NO_CONTENT))
}

#[derive(Deserialize, utoipa::ToSchema)]
pub struct PasswordChange {
    old: String,
    new: String,
}

pub async fn password(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    caller: Caller,
    Body(body): Body<PasswordChange>,
) -> ApiResult<StatusCode> {
    caller.may(Action::ManageOwnAccount, Resource::Own)?;
    let address = peer.address.ip();
    app.sign_ins.change_password(&caller.signed_in, body.old, body.new, address).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn me(caller: Caller) -> ApiResult<Json<Me>> {
    caller.may(Action::ManageOwnAccount, Resource::Own)?;
    Ok(Json(Me::of(&caller)))
}

#[derive(Deserialize, utoipa::ToSchema)]
pub struct Preferences {
    large_type: bool,
}

pub async fn preferences(
    State(app): State<Arc<App>>,
    mut caller: Caller,
    Body(body): Body<Preferences>,
) -> ApiResult<Json<Me>> {
    caller.may(Action::ManageOwnAccount, Resource::Own)?;
    app.store.accounts().set_large_type(caller.actor.account, body.large_type).await?;
    caller.signed_in.account.large_type = body.large_type;
    Ok(Json(Me::of(&caller)))
}
