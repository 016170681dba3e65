//! Where a browser finds our TURN server, as `RTCConfiguration.iceServers` wants it.

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use serde::Serialize;
use uuid::Uuid;

use super::error::ApiError;
use super::listener::Peer;
use crate::app::App;

/// One `RTCIceServer`.
#[derive(Serialize, utoipa::ToSchema)]
pub struct IceServer {
    pub urls: Vec<String>,
    pub username: String,
    pub credential: String,
    /// The credential, and every allocation made with it, ends then.
    pub expires_us: i64,
}

/// The host and port by which the caller reached us: whoever reached them over TCP finds TURN
/// there too. `None` when the request named no proper host.
pub struct ReachedAs(Option<(String, u16)>);

impl<S: Send + Sync> FromRequestParts<S> for ReachedAs {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let tls = parts.extensions.get::<ConnectInfo<Peer>>().is_some_and(|peer| peer.0.tls);
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        Ok(Self(host_and_port(host, if tls { 443 } else { 80 })))
    }
}

/// A name, an IPv4 address or an IPv6 address in brackets (RFC 7065 section 3.1).
fn host_and_port(host: &str, default: u16) -> Option<(String, u16)> {
    let authority: Authority = host.parse().ok()?;
    let proper = |b: u8| b.is_ascii_alphanumeric() || b".:-[]".contains(&b);
    let name = authority.host();
    // Something behind the name that is no port is no host either.
    let port = if name.len() == host.len() { default } else { authority.port_u16()? };
    (!name.is_empty() && host.bytes().all(proper)).then(|| (name.to_owned(), port))
}

/// Relaying for this person in this session over TLS, on the port of the pages, which reaches all
/// shards. Empty where TURN is not offered.
///
/// Our TURN over UDP is not told to browsers: it has the addresses of our candidates, and libwebrtc
/// takes whatever comes from the address of its TURN server for that server's, so that checks of
/// the direct way would never be answered. Who reaches it needs no relay either.
pub fn ice_servers(
    app: &App,
    reached: &ReachedAs,
    session: Uuid,
    person: Uuid,
    expires_us: i64,
) -> Vec<IceServer> {
    let Some((host, port)) = &reached.0 else { return Vec::new() };
    let Some(granted) = app.relays.grant(session, person, expires_us) else { return Vec::new() };
    vec![IceServer {
        urls: vec![format!("turns:{host}:{port}?transport=tcp")],
        username: granted.username,
        credential: granted.password,
        expires_us,
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_as_the_caller_wrote_it() {
        let of = |host: &str| host_and_port(host, 443);
        assert_eq!(of("meet.example"), Some(("meet.example".into(), 443)));
        assert_eq!(of("192.0.2.1:8443"), Some(("192.0.2.1".into(), 8443)));
        assert_eq!(of("[2001:db8::1]:8443"), Some(("[2001:db8::1]".into(), 8443)));
        for bad in ["", ":8443", "a b", "user@host", "host:99999", "host?x", "a,b"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
