//! The edge: headers, Origin, limits, files with Range, one port for TLS and plain HTTP.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use media::transport::{IceCredentials, rfc4571, stun};
use media_io::{IceTcpTimes, TurnTimes};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use yuntang::http::listener::PortTimes;

use crate::http_support::{TestApp, exchange};

#[tokio::test]
async fn every_answer_has_the_security_headers_and_nothing_inline_is_allowed() {
    let app = TestApp::start().await;
    let client = app.client();
    for path in ["/", "/api/me", "/livez", "/s/anything", "/missing.js"] {
        let answer = client.get(path).await;
        let csp = answer.header("content-security-policy");
        assert!(csp.contains("default-src 'self'"), "{path}: {csp}");
        assert!(csp.contains("frame-ancestors 'none'"), "{path}: {csp}");
        assert!(!csp.contains("unsafe"), "{path}: {csp}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    assert_eq!(client.get("/api/me").await.header("cache-control"), "no-store");
    assert_eq!(client.get("/api/nothing").await.refusal(), (404, "not_found".into()));
    assert_eq!(client.get("/missing.js").await.status, 404);
    assert!(client.get("/s/anything").await.header("content-type").starts_with("text/html"));
    app.stop().await;
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_off_and_others_are_served() {
    let limit = Duration::from_millis(300);
    let app = TestApp::start_with(|config| config.head_timeout = limit).await;
    let mut slow = TcpStream::connect(app.address()).await.unwrap();
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
    let mut told = Vec::new();
    let trickle = async {
        // A byte whenever the server has answered somebody else.
        loop {
            assert_eq!(app.client().get("/livez").await.status, 200);
            if slow.write_all(b"x").await.is_err() {
                return;
            }
            let mut byte = [0];
            match slow.try_read(&mut byte) {
                Ok(0) => return,
                Ok(_) => told.push(byte[0]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    timeout(Duration::from_secs(5), trickle).await.expect("cut off");
    assert!(!String::from_utf8_lossy(&told).contains("200 OK"));
    app.stop().await;
}

#[tokio::test]
async fn a_page_of_another_site_can_change_nothing() {
    let app = TestApp::start().await;
    let mut member = app.sign_in("member1").await;
    for origin in [Some("https://evil.example".to_owned()), Some("null".into()), None] {
        member.origin = origin;
        let refused = member.post("/api/logout", json!({})).await;
        assert_eq!(refused.refusal(), (403, "origin_refused".into()));
    }
    // Reading is safe: the answer is not given to the other page by the browser.
    assert_eq!(member.get("/api/me").await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn bodies_that_are_too_large_or_no_json_are_refused() {
    let app = TestApp::start().await;
    let client = app.client();
    let large = json!({ "login": "x".repeat(70_000), "password": "y" });
    assert_eq!(client.post("/api/login", large).await.refusal(), (413, "too_large".into()));
    let wrong = json!({ "login": 7 });
    assert_eq!(client.post("/api/login", wrong).await.refusal(), (400, "bad_request".into()));
    let member = app.sign_in("member1").await;
    let junk = member.get("/api/sessions/not-an-id").await;
    assert_eq!(junk.refusal(), (404, "not_found".into()));
    let unknown = member.get("/api/sessions/018f0000-0000-7000-8000-000000000000").await;
    assert_eq!(unknown.refusal(), (404, "not_found".into()));
    app.stop().await;
}

#[tokio::test]
async fn a_recording_is_sought_in_by_range() {
    let app = TestApp::start().await;
    let id = app.session();
    let folder = app.data().archive().join(&id);
    std::fs::create_dir_all(&folder).unwrap();
    let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(folder.join("recording.mp4"), &bytes).unwrap();
    let member = app.sign_in("member2").await;
    let path = format!("/media/{id}/recording.mp4");

    let whole = member.get(&path).await;
    assert_eq!((whole.status, whole.body == bytes), (200, true));
    assert_eq!(whole.header("content-type"), "video/mp4");
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let etag = whole.header("etag").to_owned();

    let part = member.send("GET", &path, &[("Range", "bytes=70000-140000")], None).await;
    assert_eq!((part.status, part.body == bytes[70_000..=140_000]), (206, true));
    assert_eq!(part.header("content-range"), "bytes 70000-140000/200000");
    let tail = member.send("GET", &path, &[("Range", "bytes=-5")], None).await;
    assert_eq!((tail.status, &tail.body[..]), (206, &bytes[199_995..]));
    let beyond = member.send("GET", &path, &[("Range", "bytes=200000-")], None).await;
    assert_eq!(beyond.status, 416);
    assert_eq!(beyond.header("content-range"), "bytes */200000");

    let head = member.send("HEAD", &path, &[], None).await;
    assert_eq!((head.status, head.header("content-length")), (200, "200000"));
    assert!(head.body.is_empty());
    let known = member.send("GET", &path, &[("If-None-Match", &etag)], None).await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    let stale = [("Range", "bytes=0-1"), ("If-Range", "\"other\"")];
    assert_eq!(member.send("GET", &path, &stale, None).await.status, 200);
    app.stop().await;
}

/// A TLS client that trusts the server's own authority.
async fn connector(app: &TestApp) -> TlsConnector {
    let ca = app.client().get("/ca.crt").await;
    assert_eq!(ca.header("content-type"), "application/x-x509-ca-cert");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&ca.body).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn one_port_speaks_tls_and_plain_http() {
    let app = TestApp::start().await;
    assert_eq!(app.client().get("/readyz").await.status, 200);
    let connector = connector(&app).await;
    for name in ["localhost", "127.0.0.1"] {
        let tcp = TcpStream::connect(app.address()).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let tls = connector.connect(name, tcp).await.unwrap();
        let account = app.account("member1");
        let body = json!({ "login": account.login, "password": account.password }).to_string();
        let request = format!(
            "POST /api/login HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n\
             {body}",
            body.len()
        );
        let answer = exchange(tls, &request).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.header("set-cookie").contains("; Secure"));
    }
    app.stop().await;
}

#[tokio::test]
async fn a_client_that_says_nothing_holds_up_nobody() {
    let app = TestApp::start().await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(app.address()).await.unwrap());
    }
    assert_eq!(app.client().get("/livez").await.status, 200);
    drop(silent);
    app.stop().await;
}

/// Reads until the server closes; what came before.
async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut told = Vec::new();
    let end = timeout(Duration::from_secs(10), stream.read_to_end(&mut told)).await;
    // A reset closes as well as an end.
    let _ = end.expect("closed within its time");
    told
}

#[tokio::test]
async fn every_state_before_a_connection_is_known_has_an_end() {
    let short = Duration::from_millis(100);
    let app = TestApp::start_with(|config| {
        let ice_tcp = IceTcpTimes { authenticate: short, ..IceTcpTimes::default() };
        config.port_times = PortTimes {
            handshake: short,
            first_bytes: short,
            ice_tcp,
            turn: TurnTimes { unallocated: short },
        };
    })
    .await;
    let credentials = IceCredentials::of_shard(0, &[1; 24]);
    let key = stun::integrity_key(&credentials.pwd);
    let user = format!("{}:abcd", credentials.ufrag);
    let check = stun::request(&[1; 12], &user, 1, true, &key);
    let framed = [&rfc4571::head(check.len())[..], &check].concat();
    for said in [
        // Nothing; a handshake that does not go on; half of what would tell; STUN that is none; a
        // check for nobody whom we know.
        &b""[..],
        b"\x16\x03\x01\x02\x00\x01\x00",
        &framed[..6],
        &[0; 40],
        &framed,
        // TURN without an allocation.
        &check,
    ] {
        let mut slow = TcpStream::connect(app.address()).await.unwrap();
        slow.write_all(said).await.unwrap();
        let told = until_closed(&mut slow).await;
        assert!(!told.starts_with(b"HTTP"), "{told:?}");
    }
    // Made TLS, and then nothing, or ICE-TCP, which has no business there.
    let connector = connector(&app).await;
    for said in [&b""[..], &framed, &[0; 40]] {
        let tcp = TcpStream::connect(app.address()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut tls = connector.connect(name, tcp).await.unwrap();
        tls.write_all(said).await.unwrap();
        assert_eq!(until_closed(&mut tls).await, b"");
    }
    assert_eq!(app.client().get("/livez").await.status, 200);
    app.stop().await;
}
