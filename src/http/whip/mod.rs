//! WHIP (RFC 9725) publishes into a session and WHEP (draft-ietf-wish-whep) plays it.
//!
//! `POST /whip/{session}` publishes; `POST /whep/{session}` plays the room as one programme,
//! `POST /whep/{session}/{participant}` one person. Both answer with the address of a resource
//! that lives in this process: PATCH trickles candidates or restarts ICE, DELETE ends it. After a
//! restart of the server the resource is not found, and the client begins anew.
//!
//! access: tokens and permissions. answer: status codes and headers. endpoint: POST. resource:
//! PATCH and DELETE. live: the streams that run. offer, frag: what may be said in SDP.

mod access;
mod answer;
mod endpoint;
mod frag;
mod live;
mod offer;
mod resource;

use std::sync::Arc;

use axum::routing::post;
use axum::{Router, middleware as layer};

use super::ice_servers::{ReachedAs, ice_servers};
use crate::app::App;
use crate::auth::StreamClaims;
use answer::{IceServer, cors};
use live::Live;

/// Validity of a stream's TURN credentials.
const RELAYED_US: i64 = 12 * 3_600_000_000;

/// What the handlers share.
pub(super) struct Streams {
    app: Arc<App>,
    live: Arc<Live>,
}

impl Streams {
    /// Our TURN server with credentials for one stream, for `Link: rel="ice-server"`.
    fn ice_servers(&self, reached: &ReachedAs, claims: &StreamClaims) -> Vec<IceServer> {
        let until_us = self.app.clock.now_us() + RELAYED_US;
        let servers =
            ice_servers(&self.app, reached, claims.session, claims.holder, until_us).into_iter();
        servers
            .flat_map(|server| {
                let credentials = Some((server.username, server.credential));
                let link = move |url| IceServer { url, credentials: credentials.clone() };
                server.urls.into_iter().map(link)
            })
            .collect()
    }
}

pub(super) fn router(app: Arc<App>) -> Router {
    let streams = Arc::new(Streams { app, live: Arc::default() });
    let publish = post(endpoint::publish).get(answer::nothing).options(endpoint::options);
    let programme = post(endpoint::programme).get(answer::nothing).options(endpoint::options);
    let person = post(endpoint::person).get(answer::nothing).options(endpoint::options);
    let resource = || {
        axum::routing::patch(resource::patch)
            .delete(resource::delete)
            .get(resource::get)
            .options(resource::options)
    };
    Router::new()
        .route("/whip/{session}", publish)
        .route("/whep/{session}", programme)
        .route("/whep/{session}/{participant}", person)
        .route("/whip/{session}/resource/{id}", resource())
        .route("/whep/{session}/resource/{id}", resource())
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(layer::from_fn(cors))
        .with_state(streams)
}
