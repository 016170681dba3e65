//! `/api/orgs/{id}/daily-chain…`: the sealed sessions of an organisation, day by day.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::caller::Caller;
use super::error::{ApiError, ApiResult};
use super::extract::At;
use super::view::Items;
use crate::app::App;
use crate::auth::policy::{Action, Resource};
use crate::domain::OrgId;

/// Days of one list: more than a year.
const DAYS: u32 = 400;
/// Bytes of a file on their way to a slow client.
const PIPE: usize = 64 * 1024;

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = DailyChainDay)]
pub struct DayView {
    day: String,
    sessions: u32,
    /// Of the day's last entry: what is given to somebody outside.
    root: String,
    n: u64,
}

pub async fn days(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(org): At<OrgId>,
) -> ApiResult<Json<Items<DayView>>> {
    caller.may(Action::ReadDailyChain, Resource::Org(org))?;
    let days = app.store.daily().days(org, DAYS).await?;
    let view = |d: crate::store::Day| DayView {
        day: d.day,
        sessions: d.sessions,
        root: d.root.to_string(),
        n: d.n,
    };
    Ok(Json(days.into_iter().map(view).collect::<Vec<_>>().into()))
}

pub async fn file(
    State(app): State<Arc<App>>,
    caller: Caller,
    At(org): At<OrgId>,
) -> ApiResult<Response> {
    caller.may(Action::ReadDailyChain, Resource::Org(org))?;
    if app.store.daily().header(org).await?.is_none() {
        return Err(ApiError::not_found());
    }
    let (mut writer, reader) = tokio::io::duplex(PIPE);
    let (store, signer) = (app.store.clone(), app.installation.clone());
    let writing =
        tokio::spawn(
            async move { store.daily().export(org, &*signer, &mut writer).await.map(drop) },
        );
    let headers = [
        (CONTENT_TYPE, "application/jsonl; charset=utf-8".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{org}-daily-chain.jsonl\"")),
    ];
    Ok((headers, Body::from_stream(super::archive::pieces(reader, writing))).into_response())
}
