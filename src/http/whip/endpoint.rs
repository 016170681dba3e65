//! POST: an offer comes, an answer and a resource go.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::header::{ACCEPT, ALLOW, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use signaling::view::Role;
use signaling::{ErrorCode, WireError};
use tokio::sync::oneshot;

use super::super::ice_servers::ReachedAs;
use super::answer::{
    ACCEPT_PATCH, ACCEPT_POST, Answered, Refusal, SDP, SDP_FRAGMENT, add_ice_servers,
};
use super::frag::Ice;
use super::live::{Entered, IceSession};
use super::{Streams, access, offer};
use crate::auth::keys::token_hash;
use crate::auth::{StreamClaims, StreamKind};
use crate::domain::PersonId;
use crate::room::actor::{Admission, Command};
use crate::room::effect::{Arrival, Stream, Ticket};
use crate::store::Session;

type Body = Result<Bytes, BytesRejection>;

/// `POST /whip/{session}`
pub(super) async fn publish(
    State(streams): State<Arc<Streams>>,
    Path(session): Path<String>,
    reached: ReachedAs,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    begin(&streams, StreamKind::Whip, &session, None, (&reached, &headers), body).await
}

/// `POST /whep/{session}`
pub(super) async fn programme(
    State(streams): State<Arc<Streams>>,
    Path(session): Path<String>,
    reached: ReachedAs,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    begin(&streams, StreamKind::Whep, &session, None, (&reached, &headers), body).await
}

/// `POST /whep/{session}/{participant}`
pub(super) async fn person(
    State(streams): State<Arc<Streams>>,
    Path((session, participant)): Path<(String, String)>,
    reached: ReachedAs,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    begin(&streams, StreamKind::Whep, &session, Some(&participant), (&reached, &headers), body)
        .await
}

/// `OPTIONS`: for CORS, and to say what is accepted. A holder of a token learns the ICE servers.
pub(super) async fn options(
    State(streams): State<Arc<Streams>>,
    reached: ReachedAs,
    headers: HeaderMap,
) -> Response {
    let mut response = StatusCode::OK.into_response();
    let out = response.headers_mut();
    out.insert(ACCEPT_POST, HeaderValue::from_static(SDP));
    out.insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS, POST"));
    if let Ok(claims) = access::claims(&streams.app, &headers) {
        add_ice_servers(out, &streams.ice_servers(&reached, &claims));
    }
    response
}

async fn begin(
    streams: &Streams,
    kind: StreamKind,
    session: &str,
    participant: Option<&str>,
    (reached, headers): (&ReachedAs, &HeaderMap),
    body: Body,
) -> Answered {
    let (claims, session) = access::admit(&streams.app, headers, session, kind).await?;
    if !is_type(headers, SDP) {
        return Err(Refusal::wrong_type(SDP, ACCEPT_POST));
    }
    if !accepts_sdp(headers) {
        let refusal = Refusal::new(ErrorCode::BadRequest, "回应只能是 application/sdp");
        return Err(refusal.status(StatusCode::NOT_ACCEPTABLE));
    }
    let participant = match participant {
        Some(id) => Some(id.parse::<PersonId>().map_err(|_| Refusal::not_found())?),
        None => None,
    };
    let sdp = text(body)?;
    let publications = offer::check(kind, &sdp)?;
    if streams.live.is_full() {
        return Err(busy().into());
    }
    let wanted = match kind {
        StreamKind::Whip => Stream::Publish,
        StreamKind::Whep => Stream::Watch(participant),
    };
    let entered = enter(streams, &claims, &session, wanted).await?;
    let answer = match entered.offer(sdp.clone(), publications.clone()).await {
        Ok(answer) => answer,
        Err(error) => {
            entered.leave().await;
            return Err(error.into());
        }
    };
    let (Some(remote), Some(local)) = (Ice::of(&sdp), Ice::of(&answer.sdp)) else {
        entered.leave().await;
        return Err(busy().into());
    };
    let etag = etag(&local);
    let ice = IceSession { offer: sdp, publications, remote, etag: etag.clone() };
    let whose = (kind, claims.session, claims.holder);
    let id = match streams.live.register(entered, whose, ice) {
        Ok(id) => id,
        Err(entered) => {
            entered.leave().await;
            return Err(busy().into());
        }
    };
    // Relative: who stands before this server, and by which name it is known, is not for us to say.
    let location = format!("/{}/{}/resource/{id}", kind.id(), session.id);
    let mut response = (StatusCode::CREATED, answer.sdp).into_response();
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static(SDP));
    out.insert(ACCEPT_PATCH, HeaderValue::from_static(SDP_FRAGMENT));
    for (name, value) in [(LOCATION, location), (ETAG, etag)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            out.insert(name, value);
        }
    }
    add_ice_servers(out, &streams.ice_servers(reached, &claims));
    Ok(response)
}

/// Through the room's door, like anybody else but without a websocket.
async fn enter(
    streams: &Streams,
    claims: &StreamClaims,
    session: &Session,
    wanted: Stream,
) -> Result<Entered, Refusal> {
    let role = match claims.kind {
        StreamKind::Whip => Role::Member,
        StreamKind::Whep => Role::Observer,
    };
    let arrival = Box::new(Arrival {
        // The actor gives it a number.
        ticket: Ticket(0),
        person: claims.holder.into(),
        name: claims.name.clone(),
        role,
        org_name: session.org_name.clone(),
        class: None,
        device: claims.kind.id().to_owned(),
        consent: claims.recorded,
        endpoint: crate::store::new_id(),
        // Nothing to resume: who drops begins anew.
        resume_token: String::new(),
        previous: None,
        stream: Some(wanted),
        site: None,
    });
    let room = streams.app.rooms.room(session.id).await?;
    let (reply, admitted) = oneshot::channel();
    room.send(Command::Arrive { arrival, reply }).await?;
    let admission = admitted.await.map_err(|_| busy())??;
    let Admission { endpoint, line: Some(line), .. } = admission else {
        return Err(busy().into());
    };
    Ok(Entered::new(room, endpoint, line))
}

/// Strong, and another one for each ICE session; it gives nothing of the password away.
pub(super) fn etag(local: &Ice) -> String {
    format!("\"{}\"", &token_hash(&format!("{}:{}", local.ufrag, local.pwd))[..16])
}

pub(super) fn text(body: Body) -> Result<String, Refusal> {
    let bytes = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::new(ErrorCode::TooLarge, "请求的内容过长"),
        _ => Refusal::new(ErrorCode::BadRequest, "请求的内容不完整"),
    })?;
    let bytes = Vec::from(bytes);
    String::from_utf8(bytes).map_err(|_| Refusal::new(ErrorCode::BadRequest, "请求的内容不是文本"))
}

/// The media type alone counts, not its parameters.
pub(super) fn is_type(headers: &HeaderMap, wanted: &str) -> bool {
    listed(headers, CONTENT_TYPE).any(|kind| kind.eq_ignore_ascii_case(wanted))
}

fn listed(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(|item| item.split(';').next().unwrap_or_default().trim())
}

fn accepts_sdp(headers: &HeaderMap) -> bool {
    let fits = |kind: &str| {
        ["*/*", "application/*", SDP].iter().any(|known| kind.eq_ignore_ascii_case(known))
    };
    !headers.contains_key(ACCEPT) || listed(headers, ACCEPT).any(fits)
}

fn busy() -> WireError {
    WireError {
        code: ErrorCode::Overloaded,
        message: "服务器繁忙，请稍后再试".into(),
        retry_after_ms: Some(2_000),
    }
}
