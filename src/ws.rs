//! The websocket shell: sockets and clocks around [`signaling::Connection`].
//!
//! One task a websocket. It never waits for a slow client: while a frame cannot be written it goes
//! on reading the room's events into the connection's bounded queue, which knows what to drop and
//! when to give up. When the line is lost the task stays for a minute and keeps collecting, in
//! case the page comes back ([`crate::room::parking`]).

mod line;
mod live;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::future::BoxFuture;
use signaling::limits::MAX_FRAME_BYTES;
use tokio::sync::Semaphore;

use crate::auth::join_token::{JoinClaims, JoinTokens};
use crate::clock::Clock;
use crate::room::Registry;
pub use live::LiveLines;

/// Websockets at one time; beyond it a page is told to try again (HTTP 503).
pub const MAX_WEBSOCKETS: usize = 20_000;

/// Whether a join token's holder may still come in: their sign-in has not ended, they are still
/// on the roster or still entitled to observe.
pub trait Doorkeeper: Send + Sync + 'static {
    fn admits<'a>(&'a self, claims: &'a JoinClaims) -> BoxFuture<'a, Admits>;
}

/// A doorkeeper's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admits {
    Yes,
    No,
    /// The records cannot be asked now. Who proves to have been in the room a moment ago comes back
    /// in; others wait.
    Unknown,
}

pub struct Ws {
    pub tokens: Arc<JoinTokens>,
    pub doorkeeper: Arc<dyn Doorkeeper>,
    pub registry: Arc<Registry>,
    pub clock: Clock,
    pub lines: Arc<LiveLines>,
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
            lines: Arc::default(),
            base: tokio::time::Instant::now().into_std(),
            places: Arc::new(Semaphore::new(MAX_WEBSOCKETS)),
        })
    }
}

/// `GET /ws`. Whether the page is one of ours is asked by [`crate::http::middleware::same_origin`].
pub fn router(ws: Arc<Ws>) -> Router {
    Router::new().route("/ws", get(upgrade)).with_state(ws)
}

async fn upgrade(State(ws): State<Arc<Ws>>, upgrade: WebSocketUpgrade) -> Response {
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
