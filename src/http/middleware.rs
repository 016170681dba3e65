//! What every request passes through.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HOST, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use signaling::ErrorCode;

use super::error::ApiError;
use super::listener::Peer;

/// A request that is not answered by then is refused; not for the websocket and for files.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Scripts, styles and everything else come from here alone, nothing inline; `ws:` and `wss:` are
/// named because older browsers do not count them under 'self'.
const CSP: &str = "default-src 'self'; script-src 'self'; style-src 'self'; \
    img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self' ws: wss:; \
    worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";

const PERMISSIONS: &str = "camera=(self), microphone=(self), display-capture=(self), \
    fullscreen=(self), autoplay=(self), geolocation=(), payment=(), usb=()";

/// Headers of every answer. No HSTS: the certificate is the installation's own, and HSTS would
/// take away the way back from a certificate that no longer fits.
pub async fn security_headers(request: Request, next: Next) -> Response {
    let api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed: [(HeaderName, &'static str); 6] = [
        (CONTENT_SECURITY_POLICY, CSP),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if api {
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    response
}

/// Refuses unsafe methods, and the websocket, that come from a page of somewhere else.
pub async fn same_origin(request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let path = request.uri().path();
    // WHIP and WHEP ask for a bearer token that no browser sends by itself, and look at no cookie.
    let bearer = path.starts_with("/whip/") || path.starts_with("/whep/");
    let guarded = (!safe && !bearer) || path == "/ws";
    if guarded && !origin_fits(request.headers()) {
        let message = "请求来自其他网站，已拒绝。请从本系统的页面操作";
        return ApiError::new(ErrorCode::OriginRefused, message).into_response();
    }
    next.run(request).await
}

/// `Origin` names the host that was asked. Without one it is no browser's cross-site request
/// (browsers always send it with unsafe methods and websockets), unless a cookie comes along.
pub fn origin_fits(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return !headers.contains_key(COOKIE);
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let from = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let (Some((scheme, from)), Some(host)) = (from, host) else { return false };
    let default_port = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return false,
    };
    match (authority(from, default_port), authority(host, default_port)) {
        (Some(from), Some(host)) => from == host,
        _ => false,
    }
}

/// Host in lower case and port, IPv6 in its shortest form.
fn authority(text: &str, default_port: u16) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !port.contains(']') => (host, port.parse().ok()?),
        _ => (text, default_port),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host =
        host.parse::<IpAddr>().map_or_else(|_| host.to_ascii_lowercase(), |ip| ip.to_string());
    (!host.is_empty()).then_some((host, port))
}

/// Bounds the time of a request.
pub async fn time_limit(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(ErrorCode::Overloaded, "系统繁忙，请稍后再试")
            .retry_after_ms(5000)
            .into_response(),
    }
}

/// One line a request at debug level: method, sort of path, status and time; no address, no id,
/// no query.
pub async fn trace(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let place = place(request.uri().path());
    let tls = request.extensions().get::<ConnectInfo<Peer>>().is_some_and(|peer| peer.0.tls);
    let start = std::time::Instant::now();
    let response = next.run(request).await;
    tracing::debug!(
        %method,
        place,
        tls,
        status = response.status().as_u16(),
        ms = start.elapsed().as_millis(),
        "request"
    );
    response
}

/// The first two parts of the path: enough to see what is slow, without any id.
fn place(path: &str) -> String {
    path.split('/').take(3).filter(|part| part.len() <= 24).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (n.clone(), HeaderValue::from_str(v).unwrap())).collect()
    }

    #[test]
    fn an_origin_must_be_the_host_that_was_asked() {
        let host = (HOST, "10.0.0.1:8443");
        let cookie = (COOKIE, "yt_session=x");
        for (pairs, fits) in [
            (vec![host.clone(), (ORIGIN, "https://10.0.0.1:8443")], true),
            (vec![host.clone(), (ORIGIN, "http://10.0.0.1:8443")], true),
            (vec![host.clone(), (ORIGIN, "https://10.0.0.1")], false),
            (vec![host.clone(), (ORIGIN, "https://evil.example")], false),
            (vec![host.clone(), (ORIGIN, "https://10.0.0.1:8443.evil.example")], false),
            (vec![host.clone(), (ORIGIN, "null")], false),
            (vec![(ORIGIN, "https://10.0.0.1:8443")], false),
            (vec![(HOST, "[0:0:0:0:0:0:0:1]:8443"), (ORIGIN, "http://[::1]:8443")], true),
            (vec![(HOST, "meet.example:443"), (ORIGIN, "https://Meet.example")], true),
            (vec![(HOST, "meet.example:443"), (ORIGIN, "http://meet.example")], false),
            (vec![host.clone()], true),
            (vec![host, cookie], false),
        ] {
            assert_eq!(origin_fits(&headers(&pairs)), fits, "{pairs:?}");
        }
    }

    #[test]
    fn logged_places_hold_no_id() {
        assert_eq!(place("/api/sessions/018f-and-so-on/open"), "/api/sessions");
        assert_eq!(place("/media/018f0000-0000-7000-8000-000000000000/recording.mp4"), "/media");
    }
}
