//! Status codes and headers of WHIP and WHEP: problems, CORS, ICE servers.

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, HeaderName, HeaderValue,
    LINK, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use signaling::{ErrorCode, WireError};

use super::super::error::ApiError;
use crate::auth::policy::Denied;
use crate::store::StoreError;

pub(super) const SDP: &str = "application/sdp";
pub(super) const SDP_FRAGMENT: &str = "application/trickle-ice-sdpfrag";
pub(super) const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
pub(super) const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// A refused request: the problem in its body is of the server's one table of codes, the status
/// may be a narrower one that these protocols name.
#[derive(Debug)]
pub(super) struct Refusal {
    error: ApiError,
    status: Option<StatusCode>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

pub(super) type Answered = Result<Response, Refusal>;

impl Refusal {
    pub fn new(code: ErrorCode, message: &str) -> Self {
        ApiError::new(code, message).into()
    }

    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    pub fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    /// 401 (RFC 6750 section 3): `why` is the `error` of the challenge, if a token came at all.
    pub fn unauthorized(why: Option<&'static str>, code: ErrorCode, message: &str) -> Self {
        Self::new(code, message)
            .status(StatusCode::UNAUTHORIZED)
            .header(WWW_AUTHENTICATE, why.unwrap_or("Bearer realm=\"yuntang\""))
    }

    /// 403 of a good token that is for something else.
    pub fn out_of_scope() -> Self {
        Self::new(ErrorCode::Forbidden, "此令牌不能用于这里：会议或用途（推流、播放）不符")
            .header(WWW_AUTHENTICATE, "Bearer realm=\"yuntang\", error=\"insufficient_scope\"")
    }

    pub fn not_found() -> Self {
        ApiError::not_found().into()
    }

    pub fn wrong_type(wanted: &'static str, header: HeaderName) -> Self {
        Self::new(ErrorCode::BadRequest, "请求内容的类型不正确")
            .status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .header(header, wanted)
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self { error, status: None, headers: Vec::new() }
    }
}

impl From<WireError> for Refusal {
    fn from(error: WireError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        ApiError::from(denied).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status;
        let mut response = self.error.into_response_as(status);
        response.headers_mut().extend(self.headers);
        response
    }
}

/// `GET`: these resources have no representation (RFC 9725 section 4.1).
pub(super) async fn nothing() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// 405; `Allow` is the router's.
pub(super) async fn wrong_method() -> Refusal {
    Refusal::new(ErrorCode::BadRequest, "此地址不接受这种请求")
        .status(StatusCode::METHOD_NOT_ALLOWED)
}

const METHODS: &str = "GET, HEAD, OPTIONS, POST, PATCH, DELETE";
/// `ETag` is what some clients send in place of `If-Match`.
const ASKED: &str = "Authorization, Content-Type, Accept, If-Match, ETag, Link";
const SHOWN: &str = "Location, ETag, Link, Accept-Post, Accept-Patch, Retry-After, \
    WWW-Authenticate, Access-Control-Allow-Methods";

/// Pages of any site may come: what counts is the bearer token, and no cookie is looked at.
pub(super) async fn cors(request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name, value| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(ACCESS_CONTROL_EXPOSE_HEADERS, SHOWN);
    set(CACHE_CONTROL, "no-store");
    if preflight {
        set(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        set(ACCESS_CONTROL_ALLOW_HEADERS, ASKED);
        set(ACCESS_CONTROL_MAX_AGE, "86400");
    }
    response
}

/// A STUN or TURN server for a client (RFC 9725 section 4.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IceServer {
    /// `stun:…`, `turn:…` or `turns:…` (RFC 7064, RFC 7065).
    pub url: String,
    pub credentials: Option<(String, String)>,
}

impl IceServer {
    /// `None` for what cannot stand in a header.
    fn link(&self) -> Option<HeaderValue> {
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let mut link = format!("<{}>; rel=\"ice-server\"", self.url);
        if let Some((user, password)) = &self.credentials {
            link += &format!(
                "; username=\"{}\"; credential=\"{}\"; credential-type=\"password\"",
                quoted(user),
                quoted(password)
            );
        }
        HeaderValue::from_str(&link).ok()
    }
}

/// One `Link` a server.
pub(super) fn add_ice_servers(headers: &mut HeaderMap, servers: &[IceServer]) {
    for link in servers.iter().filter_map(IceServer::link) {
        headers.append(LINK, link);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ice_servers_are_links_of_their_own() {
        let plain = IceServer { url: "stun:meet.example:8443".into(), credentials: None };
        let relay = IceServer {
            url: "turns:meet.example:8443?transport=tcp".into(),
            credentials: Some(("1790:a\"b".into(), "s3cr\\et".into())),
        };
        let broken = IceServer { url: "stun:a\r\nX: y".into(), credentials: None };
        let mut headers = HeaderMap::new();
        add_ice_servers(&mut headers, &[plain, relay, broken]);
        let links: Vec<_> = headers.get_all(LINK).iter().map(|v| v.to_str().unwrap()).collect();
        assert_eq!(
            links,
            [
                "<stun:meet.example:8443>; rel=\"ice-server\"",
                "<turns:meet.example:8443?transport=tcp>; rel=\"ice-server\"; \
                 username=\"1790:a\\\"b\"; credential=\"s3cr\\\\et\"; credential-type=\"password\"",
            ]
        );
    }
}
