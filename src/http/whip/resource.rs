//! PATCH and DELETE on a stream that runs (RFC 9725 sections 4.2 and 4.3).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, ETAG, HeaderValue, IF_MATCH};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use signaling::ErrorCode;

use super::answer::{ACCEPT_PATCH, Answered, Refusal, SDP_FRAGMENT};
use super::frag::{self, Ice};
use super::live::Stream;
use super::{Streams, access, endpoint};

type At = Path<(String, String)>;

/// The stream of an address, for whoever has any valid right to it.
fn find(streams: &Streams, uri: &Uri, at: &At) -> Result<Arc<Stream>, Refusal> {
    let Path((session, id)) = at;
    let stream = streams.live.find(id).ok_or_else(Refusal::not_found)?;
    let kind = uri.path().trim_start_matches('/').split('/').next();
    let fits = stream.session.to_string() == *session && kind == Some(stream.kind.id());
    if fits { Ok(stream) } else { Err(Refusal::not_found()) }
}

/// The same, for its holder.
fn own(streams: &Streams, uri: &Uri, at: &At, headers: &HeaderMap) -> Result<Arc<Stream>, Refusal> {
    let holder = access::holder(&streams.app, headers)?;
    let stream = find(streams, uri, at)?;
    if stream.holder == holder { Ok(stream) } else { Err(Refusal::out_of_scope()) }
}

pub(super) async fn get(
    State(streams): State<Arc<Streams>>,
    uri: Uri,
    at: At,
) -> Result<StatusCode, Refusal> {
    find(&streams, &uri, &at).map(|_| StatusCode::NO_CONTENT)
}

pub(super) async fn options() -> Response {
    let mut response = StatusCode::OK.into_response();
    let out = response.headers_mut();
    out.insert(ACCEPT_PATCH, HeaderValue::from_static(SDP_FRAGMENT));
    out.insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS, PATCH, DELETE"));
    response
}

/// Entity tags are not looked at here.
pub(super) async fn delete(
    State(streams): State<Arc<Streams>>,
    uri: Uri,
    at: At,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    own(&streams, &uri, &at, &headers)?.leave().await;
    Ok(StatusCode::OK)
}

/// What `If-Match` says; some clients send the tag as `ETag` instead.
enum Condition<'a> {
    Any,
    Tags(Vec<&'a str>),
}

fn condition(headers: &HeaderMap) -> Result<Condition<'_>, Refusal> {
    let value = headers.get(IF_MATCH).or_else(|| headers.get(ETAG));
    let value = value.and_then(|value| value.to_str().ok()).map(str::trim);
    match value {
        // The quotes are an error of the draft's own example.
        Some("*" | "\"*\"") => Ok(Condition::Any),
        Some(tags) if !tags.is_empty() => {
            Ok(Condition::Tags(tags.split(',').map(str::trim).collect()))
        }
        _ => Err(Refusal::new(ErrorCode::Conflict, "请在 If-Match 中附上当前的 ETag")
            .status(StatusCode::PRECONDITION_REQUIRED)),
    }
}

/// Candidates (204), or an ICE restart when the credentials are new (200 with ours).
pub(super) async fn patch(
    State(streams): State<Arc<Streams>>,
    uri: Uri,
    at: At,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    let stream = own(&streams, &uri, &at, &headers)?;
    if !endpoint::is_type(&headers, SDP_FRAGMENT) {
        return Err(Refusal::wrong_type(SDP_FRAGMENT, ACCEPT_PATCH));
    }
    let named = frag::read(&endpoint::text(body)?)?;
    let condition = condition(&headers)?;
    let mut ice = stream.ice.lock().await;
    if let Condition::Tags(tags) = condition
        && !tags.contains(&ice.etag.as_str())
    {
        return Err(Refusal::new(ErrorCode::Conflict, "ICE 会话已更新，请使用新的 ETag")
            .status(StatusCode::PRECONDITION_FAILED));
    }
    let Some(remote) = named.filter(|named| *named != ice.remote) else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let offer = remote.written_into(&ice.offer);
    let answer = stream.offer(offer.clone(), ice.publications.clone()).await?;
    let Some(local) = Ice::of(&answer.sdp) else { return Err(Refusal::not_found()) };
    ice.offer = offer;
    ice.remote = remote;
    ice.etag = endpoint::etag(&local);
    let mut response = (StatusCode::OK, frag::of_answer(&answer.sdp)).into_response();
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static(SDP_FRAGMENT));
    if let Ok(etag) = HeaderValue::from_str(&ice.etag) {
        out.insert(ETAG, etag);
    }
    Ok(response)
}
