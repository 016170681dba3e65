//! The websocket shell: sockets and clocks around [`signaling::Connection`].
//!
//! One task a websocket. It never waits for a slow client: while a frame cannot be written it goes
//! on reading the room's events into the connection's bounded queue, which knows what to drop and
//! when to give up. When the line is lost the task stays for a minute and keeps collecting, in
//! case the page comes back ([`crate::room::parking`]).

mod line;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::future::BoxFuture;
use signaling::limits::MAX_FRAME_BYTES;
use tokio::sync::Semaphore;

use crate::auth::join_token::{JoinClaims, JoinTokens};
use crate::clock::Clock;
use crate::room::Registry;

/// Websockets at one time; beyond it a page is told to try again (HTTP 503).
pub const MAX_WEBSOCKETS: usize = 20_000;

/// Whether a join token's holder may still come in: their sign-in has not ended, they are still
/// on the roster or still entitled to observe.
pub trait Doorkeeper: Send + Sync + 'static {
    fn admits<'a>(&'a self, claims: &'a JoinClaims) -> BoxFuture<'a, bool>;
}

pub struct Ws {
    pub tokens: Arc<JoinTokens>,
    pub doorkeeper: Arc<dyn Doorkeeper>,
    pub registry: Arc<Registry>,
    pub clock: Clock,
    /// Zero of the connections' monotonic time.
    pub(crate) base: Instant,
    places: Arc<Semaphore>,
}

impl Ws {
    pub fn new(
        tokens: Arc<JoinTokens>,
        doorkeeper: Arc<dyn Doorkeeper>,
        registry: Arc<Registry>,
        clock: Clock,
    ) -> Arc<Self> {
        Arc::new(Self {
            tokens,
            doorkeeper,
            registry,
            clock,
            base: tokio::time::Instant::now().into_std(),
            places: Arc::new(Semaphore::new(MAX_WEBSOCKETS)),
        })
    }
}

/// `GET /ws`.
pub fn router(ws: Arc<Ws>) -> Router {
    Router::new().route("/ws", get(upgrade)).with_state(ws)
}

async fn upgrade(
    State(ws): State<Arc<Ws>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !same_origin(&headers) {
        return (StatusCode::FORBIDDEN, "origin refused").into_response();
    }
    let Ok(place) = Arc::clone(&ws.places).try_acquire_owned() else {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::RETRY_AFTER, "5")],
            "too many websockets",
        )
            .into_response();
    };
    upgrade
        // Touched on first read: the default of 128 KiB would be the cost of an idle websocket.
        .read_buffer_size(4_096)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MAX_FRAME_BYTES)
        // Above the protocol's limit, so that a client a little over it is told so.
        .max_message_size(2 * MAX_FRAME_BYTES)
        .max_frame_size(2 * MAX_FRAME_BYTES)
        .on_upgrade(move |socket| async move {
            line::run(socket, ws).await;
            drop(place);
        })
}

/// A browser always sends `Origin` with a websocket; it must be the page's own host. A client
/// without one is no browser and carries no cookies of anybody.
fn same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let (Ok(origin), Some(Ok(host))) =
        (origin.to_str(), headers.get(header::HOST).map(|host| host.to_str()))
    else {
        return false;
    };
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default_port = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return false,
    };
    match (authority_of(authority, default_port), authority_of(host, default_port)) {
        (Some(origin), Some(host)) => origin == host,
        _ => false,
    }
}

/// Host in lower case and port, IPv6 in its shortest form.
fn authority_of(text: &str, default_port: u16) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !port.contains(']') => (host, port.parse().ok()?),
        _ => (text, default_port),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host =
        host.parse::<IpAddr>().map_or_else(|_| host.to_ascii_lowercase(), |ip| ip.to_string());
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origin: Option<&str>, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        headers.insert(header::HOST, host.parse().unwrap());
        same_origin(&headers)
    }

    #[test]
    fn pages_of_this_host_may_connect_and_others_may_not() {
        assert!(allowed(Some("https://meet.example:8443"), "meet.example:8443"));
        assert!(allowed(Some("https://Meet.example"), "meet.example:443"));
        assert!(allowed(Some("http://[::1]:8443"), "[0:0:0:0:0:0:0:1]:8443"));
        assert!(allowed(None, "meet.example:8443"));
        assert!(!allowed(Some("https://evil.example"), "meet.example:8443"));
        assert!(!allowed(Some("https://meet.example.evil:8443"), "meet.example:8443"));
        assert!(!allowed(Some("https://meet.example:9443"), "meet.example:8443"));
        assert!(!allowed(Some("null"), "meet.example:8443"));
    }
}
