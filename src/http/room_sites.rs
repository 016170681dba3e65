//! Room sites (会场) over HTTP: the device of a room comes in, and phones check in at it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use serde::{Deserialize, Serialize};
use signaling::view::Role;

use super::caller::Caller;
use super::error::{ApiError, ApiResult};
use super::extract::{Asked, At, Body};
use super::ice_servers::{ReachedAs, ice_servers};
use super::join::{JoinGrant, must_be_open};
use super::origin::Origin;
use super::view::SessionCard;
use crate::app::App;
use crate::auth::policy::Action;
use crate::auth::{JoinClaims, SiteClaims};
use crate::domain::{SessionId, SiteId};
use crate::room::Act;
use crate::store::new_id;

const MAX_NAME: usize = 30;
const MAX_EXPECTED: u32 = 10_000;
/// A code in a link is shorter than this by far.
const MAX_CODE: usize = 100;

#[derive(Deserialize, utoipa::ToSchema)]
pub struct OpenSite {
    /// Shown on its tile and on the attendance sheet, e.g. 三楼会议室.
    name: String,
    #[serde(default)]
    expected: Option<u32>,
    /// The site as it was given out before: a reloaded page goes on as the same.
    #[serde(default)]
    site: Option<Known>,
}

#[derive(Deserialize, Serialize, Clone, utoipa::ToSchema)]
pub struct Known {
    id: SiteId,
    proof: String,
}

#[derive(Serialize)]
pub struct SiteGrant {
    #[serde(flatten)]
    grant: JoinGrant,
    site: Known,
}

pub async fn open(
    State(app): State<Arc<App>>,
    caller: Caller,
    reached: ReachedAs,
    At(id): At<SessionId>,
    Body(body): Body<OpenSite>,
) -> ApiResult<Json<SiteGrant>> {
    let (session, _) = caller.session(&app, id, Action::OpenSite).await?;
    must_be_open(&session)?;
    let name = body.name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(ApiError::validation("请写会场名称（30字以内），例如：三楼会议室"));
    }
    if body.expected.is_some_and(|n| n == 0 || n > MAX_EXPECTED) {
        return Err(ApiError::validation("预计到会人数须为1至10000"));
    }
    let site = match body.site {
        Some(known) if app.checkin.is_site_of(id, known.id, &known.proof) => known,
        Some(_) => return Err(ApiError::validation("会场凭证无效，请重新打开会场页面")),
        None => {
            let site: SiteId = new_id();
            Known { id: site, proof: app.checkin.site_proof(id, site) }
        }
    };
    let roster = app.store.sessions().roster(id).await?;
    let claims = JoinClaims {
        session: *id.as_uuid(),
        person: *caller.actor.person.as_uuid(),
        account: *caller.actor.account.as_uuid(),
        account_session: caller.signed_in.token_hash.clone(),
        role: Role::Site,
        name: name.to_owned(),
        org_id: *session.org_id.as_uuid(),
        org_name: session.org_name.clone(),
        class: None,
        site: Some(SiteClaims { id: *site.id.as_uuid(), expected: body.expected }),
    };
    let (token, expires_us) = app.join_tokens.sign(&claims, app.clock.now_us());
    let ice = ice_servers(&app, &reached, *id.as_uuid(), *site.id.as_uuid(), expires_us);
    let card = SessionCard::of(&app, &caller, &session, &roster);
    let grant = JoinGrant::new(token, Role::Site, expires_us, card, ice);
    Ok(Json(SiteGrant { grant, site }))
}

#[derive(Deserialize, utoipa::ToSchema)]
pub struct Scanned {
    code: String,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct CheckedIn {
    site: String,
}

/// One tap on the phone that scanned the code.
pub async fn check_in(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
    Body(body): Body<Scanned>,
) -> ApiResult<Json<CheckedIn>> {
    let (session, _) = caller.session(&app, id, Action::CheckIn).await?;
    must_be_open(&session)?;
    let room = app.rooms.room(id).await?;
    let acted = room.act(caller.actor.person, Act::Scan { code: body.code }).await?;
    Ok(Json(CheckedIn { site: acted.site.unwrap_or_default() }))
}

pub async fn check_out(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(id): At<SessionId>,
) -> ApiResult<axum::http::StatusCode> {
    let (session, _) = caller.session(&app, id, Action::CheckIn).await?;
    must_be_open(&session)?;
    app.rooms.room(id).await?.act(caller.actor.person, Act::CheckOut).await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
pub struct Shown {
    code: String,
}

/// The picture of a code, with the link as this screen's browser reaches us.
pub async fn code_svg(
    State(app): State<Arc<App>>,
    caller: Caller,
    Origin(origin): Origin,
    At(id): At<SessionId>,
    Asked(shown): Asked<Shown>,
) -> ApiResult<Response> {
    caller.session(&app, id, Action::OpenSite).await?;
    if shown.code.len() > MAX_CODE || app.checkin.read(id, &shown.code).is_none() {
        return Err(ApiError::validation("二维码已失效，请刷新会场页面"));
    }
    let link = format!("{origin}/checkin/{id}?c={}", shown.code);
    // Low correction makes the largest modules: a screen has no scratches, and people sit far.
    let code = QrCode::with_error_correction_level(link, EcLevel::L).map_err(ApiError::internal)?;
    let picture = code.render::<svg::Color<'_>>().min_dimensions(240, 240).build();
    Ok(([(CONTENT_TYPE, "image/svg+xml")], picture).into_response())
}
