//! `/livez`, `/readyz`, `/ca.crt`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::error::{ApiError, ApiResult};
use super::tls;
use crate::app::App;

/// The process answers.
pub async fn live() -> &'static str {
    "ok\n"
}

/// Sessions that were open are taken up again, and the database answers.
pub async fn ready(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    if !app.is_ready() {
        return (StatusCode::SERVICE_UNAVAILABLE, "starting or stopping\n");
    }
    match app.store.ping().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n"),
    }
}

/// The local CA, to be installed on phones and computers.
pub async fn ca(State(app): State<Arc<App>>) -> ApiResult<Response> {
    let pem = match tokio::fs::read(tls::ca_file(&app.config.data.keys())).await {
        Ok(pem) => pem,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(ApiError::not_found()),
        Err(e) => return Err(ApiError::internal(e)),
    };
    let headers = [
        (CONTENT_TYPE, "application/x-x509-ca-cert"),
        (CONTENT_DISPOSITION, "attachment; filename=\"yuntang-ca.crt\""),
    ];
    Ok((headers, pem).into_response())
}
