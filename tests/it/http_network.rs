//! The connection test's own endpoints: open to everybody, and bounded.

use serde_json::{Value, json};

use crate::http_support::{NOW_US, TestApp};

/// As a browser offers one audio line that it only receives.
fn offer() -> String {
    let fingerprint = ["AB"; 32].join(":");
    let lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 0.0.0.0",
        "a=mid:0",
        "a=recvonly",
        "a=rtcp-mux",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuvwx",
        "a=setup:actpass",
        &format!("a=fingerprint:sha-256 {fingerprint}"),
        "a=rtpmap:111 opus/48000/2",
        "",
    ];
    lines.join("\r\n")
}

pub fn probe(way: &str) -> Value {
    json!({ "sdp": offer(), "way": way })
}

#[tokio::test]
async fn a_probe_is_answered_without_sign_in_with_the_candidates_of_its_way_alone() {
    let app = TestApp::start().await;
    let nobody = app.client();
    let info = nobody.get("/api/network").await.json();
    assert_eq!(info["server_time_us"], NOW_US);
    let relay = &info["ice_servers"][0];
    let last = relay["urls"].as_array().unwrap().last().unwrap().as_str().unwrap();
    assert!(last.starts_with("turns:127.0.0.1:"), "{info}");
    assert_eq!(relay["expires_us"], NOW_US + 120_000_000, "for a test, not for a meeting");
    assert_eq!(
        nobody.get("/api/network").await.json()["ice_servers"][0]["username"],
        relay["username"]
    );
    for (way, transport) in [("udp", " udp "), ("tcp", " tcp ")] {
        let answer = nobody.post("/api/network/probe", probe(way)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        let sdp = answer["sdp"].as_str().unwrap();
        let candidates: Vec<_> =
            sdp.lines().filter(|line| line.starts_with("a=candidate:")).collect();
        assert_eq!(candidates.len(), answer["candidates"], "{way}");
        assert!(candidates.iter().all(|line| line.to_lowercase().contains(transport)), "{sdp}");
        assert!(sdp.contains("a=ice-lite") && sdp.contains("m=audio"));
    }
    let (status, code) =
        nobody.post("/api/network/probe", json!({ "sdp": "v=0", "way": "udp" })).await.refusal();
    assert_eq!((status, code.as_str()), (422, "invalid_sdp"));
    app.stop().await;
}

#[tokio::test]
async fn a_flood_of_probes_is_stopped_and_the_meeting_is_not() {
    let app = TestApp::start().await;
    let nobody = app.client();
    let mut codes = Vec::new();
    for _ in 0..40 {
        let answer = nobody.post("/api/network/probe", probe("udp")).await;
        codes.push(answer.status);
        if answer.status == 503 {
            assert_eq!(answer.refusal().1, "overloaded");
        }
    }
    assert_eq!(codes.iter().filter(|code| **code == 200).count(), 32, "at once: {codes:?}");
    for _ in 0..60 {
        codes.push(nobody.get("/api/network/download").await.status);
    }
    assert_eq!(codes.last(), Some(&429), "the clock stands still: nothing refills");
    let secretary = app.open().await;
    app.enter(&secretary).await;
    app.stop().await;
}

#[tokio::test]
async fn relays_are_given_out_within_the_same_budget() {
    let app = TestApp::start().await;
    let nobody = app.client();
    let mut given = 0;
    let refused = loop {
        let answer = nobody.get("/api/network").await;
        if answer.status != 200 {
            break answer;
        }
        assert_eq!(answer.json()["ice_servers"].as_array().unwrap().len(), 1);
        given += 1;
        assert!(given <= 120, "no end");
    };
    assert_eq!(given, 120, "the clock stands still: nothing refills");
    assert_eq!(refused.header("retry-after"), "1");
    assert!(!refused.text().contains("credential"));
    assert_eq!(refused.refusal(), (429, "rate_limited".into()));
    // Who enters a meeting from there has theirs all the same.
    let secretary = app.open().await;
    let path = format!("/api/sessions/{}/join", app.session());
    let grant = secretary.post(&path, json!({})).await.json();
    assert_eq!(grant["ice_servers"].as_array().unwrap().len(), 1, "{grant}");
    app.stop().await;
}

#[tokio::test]
async fn the_payloads_are_what_they_say() {
    let app = TestApp::start().await;
    let nobody = app.client();
    let down = nobody.get("/api/network/download").await;
    assert_eq!((down.status, down.body.len()), (200, 256 * 1024));
    assert_eq!(down.header("cache-control"), "no-store");
    let distinct: std::collections::HashSet<_> = down.body.chunks(8).collect();
    assert!(distinct.len() > 32_000, "nothing in it repeats");
    assert_eq!(
        nobody.post("/api/network/upload", json!({ "x": "y".repeat(60_000) })).await.status,
        204
    );
    assert_eq!(
        nobody.post("/api/network/upload", json!({ "x": "y".repeat(70_000) })).await.status,
        413
    );
    app.stop().await;
}
