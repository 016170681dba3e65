//! `/metrics` for Prometheus.
//!
//! Without a token it is served to the machine itself only: a loopback connection that no proxy
//! forwarded. With one (`YUNTANG_METRICS_TOKEN`) everybody needs it, loopback too, as
//! `Authorization: Bearer …`. Anybody else finds no such page.

use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use super::error::{ApiError, ApiResult};
use super::listener::Peer;
use crate::app::App;
use crate::metrics::{render, text};

/// Somebody who may see the figures of the server.
pub struct Scraper;

impl FromRequestParts<Arc<App>> for Scraper {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> ApiResult<Self> {
        let local = parts
            .extensions
            .get::<ConnectInfo<Peer>>()
            .is_some_and(|peer| peer.0.address.ip().to_canonical().is_loopback());
        let token = app.config.metrics_token.as_deref();
        if may_scrape(token, local, &parts.headers) { Ok(Self) } else { Err(ApiError::not_found()) }
    }
}

fn may_scrape(token: Option<&str>, local: bool, headers: &HeaderMap) -> bool {
    let Some(token) = token else {
        let proxied = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
        return local && !proxied.iter().any(|name| headers.contains_key(*name));
    };
    let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    aws_lc_rs::constant_time::verify_slices_are_equal(shown.as_bytes(), token.as_bytes()).is_ok()
}

pub async fn metrics(State(app): State<Arc<App>>, _: Scraper) -> Response {
    ([(CONTENT_TYPE, text::CONTENT_TYPE)], render(&app)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(
            axum::http::HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )])
    }

    #[test]
    fn without_a_token_only_the_machine_itself_and_not_through_a_proxy() {
        assert!(may_scrape(None, true, &HeaderMap::new()));
        assert!(!may_scrape(None, false, &HeaderMap::new()));
        assert!(!may_scrape(None, true, &headers("x-forwarded-for", "192.0.2.1")));
        assert!(!may_scrape(None, false, &headers("authorization", "Bearer ")));
    }

    #[test]
    fn with_a_token_everybody_needs_it() {
        let right = headers("authorization", "Bearer secret");
        assert!(may_scrape(Some("secret"), false, &right));
        assert!(may_scrape(Some("secret"), true, &right));
        assert!(!may_scrape(Some("secret"), true, &HeaderMap::new()));
        assert!(!may_scrape(Some("secret"), true, &headers("authorization", "Bearer secre")));
        assert!(!may_scrape(Some("secret"), true, &headers("authorization", "secret")));
    }
}
