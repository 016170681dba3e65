//! `/api/network…`: what the connection test page (网络检测) asks, without sign-in.
//!
//! Bounded on all sides: a budget of tokens per address of the asker, so many probes at once in the
//! whole server, each in a throw-away media room of its own that publishes nothing and ends after
//! [`PROBE_LIFE`].

mod budget;
mod candidates;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use signaling::ErrorCode;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::error::{ApiError, ApiResult};
use super::extract::Body;
use super::ice_servers::{IceServer, ReachedAs, ice_servers};
use super::listener::Peer;
use crate::app::App;
use crate::domain::{EndpointId, PersonId, SessionId};
use crate::room::ports::OfferCommand;
use budget::Budget;
use candidates::Way;

/// A probe is over after this, connected or not.
const PROBE_LIFE: Duration = Duration::from_secs(12);
/// What it relays through TURN, too: in microseconds, with time to begin.
const RELAY_US: i64 = 120_000_000;
/// Probes at once in the whole server.
const PROBES: usize = 32;
/// Bytes of one payload of the bandwidth hint.
const PAYLOAD: usize = 256 * 1024;
/// What things cost of an address's budget.
const INFO_COST: u32 = 1;
const PROBE_COST: u32 = 2;
const PAYLOAD_COST: u32 = 1;

/// Limits and the payload; one for the server.
pub struct Network {
    budget: Budget,
    probes: Arc<Semaphore>,
    payload: Bytes,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            budget: Budget::default(),
            probes: Arc::new(Semaphore::new(PROBES)),
            payload: incompressible(PAYLOAD).into(),
        }
    }
}

/// Bytes that no proxy can make smaller (xorshift64; not for secrets).
fn incompressible(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(length);
    out
}

/// Somebody who has budget left; the extractor takes `COST` of it.
pub struct Paid<const COST: u32>;

impl<const COST: u32> FromRequestParts<Arc<App>> for Paid<COST> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> ApiResult<Self> {
        let peer = parts.extensions.get::<ConnectInfo<Peer>>();
        let address = peer.map(|peer| peer.0.address.ip().to_canonical());
        let now_us = u64::try_from(app.clock.now_us()).unwrap_or(0);
        match app.network.budget.take(address, COST, now_us) {
            Ok(()) => Ok(Self),
            Err(wait_ms) => {
                let message = "检测过于频繁，请稍等片刻再试";
                Err(ApiError::new(ErrorCode::RateLimited, message).retry_after_ms(wait_ms))
            }
        }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct Info {
    server_time_us: i64,
    /// For `RTCPeerConnection`; empty where TURN is not offered.
    ice_servers: Vec<IceServer>,
}

/// Server time, for round trip and clock difference, and the relays that a probe may use.
pub async fn info(
    State(app): State<Arc<App>>,
    _: Paid<INFO_COST>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    reached: ReachedAs,
) -> Json<Info> {
    let server_time_us = app.clock.now_us();
    // Nobody in no session: the relays of one household count together.
    let address = match budget::network(peer.address.ip().to_canonical()) {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    let (session, person) = (Uuid::nil(), Uuid::from_u128(address.into()));
    let expires_us = server_time_us + RELAY_US;
    let ice_servers = ice_servers(&app, &reached, session, person, expires_us);
    Json(Info { server_time_us, ice_servers })
}

#[derive(Deserialize, utoipa::ToSchema)]
pub struct ProbeOffer {
    sdp: String,
    way: Way,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct ProbeAnswer {
    sdp: String,
    /// How many addresses the answer offers for this way; none: the way is not enabled here.
    candidates: usize,
    expires_ms: u64,
}

/// Answers an offer of a peer that sends and receives nothing. That ICE and DTLS connect is the
/// result; the client sees it itself.
pub async fn probe(
    State(app): State<Arc<App>>,
    _: Paid<PROBE_COST>,
    Body(offer): Body<ProbeOffer>,
) -> ApiResult<Json<ProbeAnswer>> {
    let busy = || {
        ApiError::new(ErrorCode::Overloaded, "同时检测的人较多，请稍等片刻再试")
            .retry_after_ms(5_000)
    };
    let permit = app.network.probes.clone().try_acquire_owned().map_err(|_| busy())?;
    let media = app.rooms.media();
    let session = crate::store::new_id::<SessionId>();
    let mut notices = media.open_room(session).await?;
    let answer = media
        .offer(OfferCommand {
            session,
            endpoint: crate::store::new_id::<EndpointId>(),
            person: crate::store::new_id::<PersonId>(),
            sdp: offer.sdp,
            publications: Vec::new(),
            may_publish: false,
            may_capture: false,
            stream: None,
        })
        .await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            media.close_room(session).await;
            return Err(error.into());
        }
    };
    let (sdp, candidates) = candidates::only(&answer.sdp, offer.way);
    tokio::spawn(async move {
        let _permit = permit;
        let gone = async { while notices.recv().await.is_some() {} };
        let _ = tokio::time::timeout(PROBE_LIFE, gone).await;
        media.close_room(session).await;
    });
    let expires_ms = u64::try_from(PROBE_LIFE.as_millis()).unwrap_or(0);
    Ok(Json(ProbeAnswer { sdp, candidates, expires_ms }))
}

/// For the bandwidth hint: bytes to download.
pub async fn download(State(app): State<Arc<App>>, _: Paid<PAYLOAD_COST>) -> Response {
    ([(CONTENT_TYPE, "application/octet-stream")], app.network.payload.clone()).into_response()
}

/// For the bandwidth hint: takes what every request may bring, and forgets it.
pub async fn upload(_: Paid<PAYLOAD_COST>, _: Bytes) -> StatusCode {
    StatusCode::NO_CONTENT
}
