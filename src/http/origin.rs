//! Where the caller finds us: scheme and host as they asked for them, for links they pass on.

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::HOST;
use axum::http::request::Parts;

use super::error::ApiError;
use super::listener::Peer;

/// `https://host:port`; empty when the request named no proper host, so that links are relative.
pub struct Origin(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let tls = parts.extensions.get::<ConnectInfo<Peer>>().is_some_and(|peer| peer.0.tls);
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let proper = !host.is_empty()
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b));
        let scheme = if tls { "https" } else { "http" };
        Ok(Self(if proper { format!("{scheme}://{host}") } else { String::new() }))
    }
}
