//! WHIP and WHEP: every status and header, and what the room and its journal make of a stream.

use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;
use uuid::Uuid;
use yuntang::auth::{StreamClaims, StreamKind};

use crate::http_support::{Answer, Client, NOW_US, TestApp, exchange};

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const PWD: &str = "twenty-two-characters-x";

/// One request without anything that a browser would add.
async fn send(
    app: &TestApp,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let stream = TcpStream::connect(app.address()).await.unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    exchange(stream, &format!("{head}\r\n{body}")).await
}

/// m-lines: kind, direction and codec.
fn offer(lines: &[(&str, &str, &str)]) -> String {
    let fingerprint = ["AB"; 32].join(":");
    let mids: Vec<String> = (0..lines.len()).map(|mid| mid.to_string()).collect();
    let mut sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n",
        mids.join(" ")
    );
    for (mid, (kind, direction, codec)) in lines.iter().enumerate() {
        sdp += &format!(
            "m={kind} 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n\
             a=ice-ufrag:them\r\na=ice-pwd:{PWD}\r\na=fingerprint:sha-256 {fingerprint}\r\n\
             a=setup:actpass\r\na={direction}\r\na=rtcp-mux\r\na=rtpmap:96 {codec}\r\n"
        );
    }
    sdp
}

const OPUS: &str = "opus/48000/2";
const VP8: &str = "VP8/90000";

fn publishing() -> String {
    offer(&[("audio", "sendonly", OPUS), ("video", "sendonly", VP8)])
}

fn playing() -> String {
    offer(&[("audio", "recvonly", OPUS), ("video", "recvonly", VP8)])
}

fn fragment(ufrag: &str, pwd: &str) -> String {
    format!(
        "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n\
         a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\na=end-of-candidates\r\n"
    )
}

struct Lecture {
    app: TestApp,
    session: String,
    whip: String,
    whep: String,
}

impl Lecture {
    async fn start() -> Self {
        let app = TestApp::start().await;
        let session = app.demo.sessions.iter().find(|s| s.key == "lecture").unwrap().id.to_string();
        let [whip, whep] = [&app.demo.whip, &app.demo.whep]
            .map(|s| format!("Bearer {}", s.as_ref().unwrap().token));
        Self { app, session, whip, whep }
    }

    fn token(&self, kind: StreamKind, session: &str, issuer: &str, ttl_s: i64) -> String {
        let claims = StreamClaims {
            holder: Uuid::now_v7(),
            session: session.parse().unwrap(),
            kind,
            name: "第二机位".into(),
            issuer: *self.account(issuer).as_uuid(),
            recorded: true,
        };
        let signed = self.app.server.app.stream_tokens.sign(&claims, NOW_US - 1_000_000, ttl_s);
        format!("Bearer {signed}")
    }

    fn account(&self, key: &str) -> yuntang::domain::AccountId {
        let n = self.app.demo.accounts.iter().position(|a| a.key == key).unwrap();
        let id = 0x8000_8000_0000_0000_0000u128 | (3 << 32) | (n as u128 + 1);
        Uuid::from_u128(id).into()
    }

    async fn post(&self, path: &str, token: &str, sdp: &str) -> Answer {
        let headers = [("Content-Type", SDP), ("Authorization", token)];
        send(&self.app, "POST", path, &headers, sdp).await
    }

    /// A stream that runs: its path and ETag.
    async fn begin(&self, kind: &str) -> (String, String) {
        let path = format!("/{kind}/{}", self.session);
        let (token, sdp) =
            if kind == "whip" { (&self.whip, publishing()) } else { (&self.whep, playing()) };
        let answer = self.post(&path, token, &sdp).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        (answer.header("location").to_owned(), answer.header("etag").to_owned())
    }

    async fn patch(&self, at: &str, extra: &[(&str, &str)], body: &str) -> Answer {
        let token = if at.starts_with("/whip") { &self.whip } else { &self.whep };
        let mut headers = vec![("Content-Type", FRAGMENT), ("Authorization", token.as_str())];
        headers.extend(extra);
        send(&self.app, "PATCH", at, &headers, body).await
    }

    /// Types of the journal's events so far, and the last one whole.
    async fn journal(&self) -> Vec<Value> {
        let id = self.session.parse().unwrap();
        let events = self.app.server.app.store.journal().read_all(id).await.unwrap();
        events.iter().map(|e| serde_json::to_value(&e.event).unwrap()).collect()
    }
}

/// Value of an SDP line.
fn line<'a>(sdp: &'a str, key: &str) -> Option<&'a str> {
    sdp.lines().find_map(|line| line.strip_prefix(key)).map(str::trim_end)
}

#[tokio::test]
async fn a_publisher_is_answered_as_the_standard_says_and_is_a_participant() {
    let lecture = Lecture::start().await;
    let secretary = lecture.app.sign_in("secretary").await;
    let (mut page, _) = lecture.app.enter_session(&secretary, &lecture.session).await;
    let path = format!("/whip/{}", lecture.session);
    let answer = lecture.post(&path, &lecture.whip, &publishing()).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("content-type"), SDP);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    for shown in ["Location", "ETag", "Link"] {
        assert!(answer.header("access-control-expose-headers").contains(shown));
    }
    let (location, etag) = (answer.header("location"), answer.header("etag"));
    assert!(location.starts_with(&format!("{path}/resource/")), "{location}");
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 10, "{etag}");
    let relay = answer.header("link");
    assert!(relay.starts_with("<turn") && relay.contains("rel=\"ice-server\""), "{relay}");
    let sdp = answer.text();
    assert_eq!(line(&sdp, "a=ice-lite"), Some(""));
    assert_eq!(sdp.matches("a=recvonly").count(), 2);
    assert_eq!(sdp.matches("a=setup:passive").count(), 2);
    assert!(line(&sdp, "a=candidate:").is_some() && !sdp.contains("m=audio 0 "));

    let joined = page.until_event("participant_joined").await;
    assert_eq!(joined["participant"]["name"], "讲台摄像机");
    let journal = lecture.journal().await;
    let join = journal.iter().find(|e| e["type"] == "join" && e["device"] == "whip").unwrap();
    assert_eq!(join["name"], "讲台摄像机");

    let own = [("Authorization", lecture.whip.as_str())];
    let ended = send(&lecture.app, "DELETE", location, &own, "").await;
    assert_eq!((ended.status, ended.body.len()), (200, 0));
    let left = page.until_event("participant_left").await;
    assert_eq!(left["participant"], joined["participant"]["id"]);
    let journal = lecture.journal().await;
    let leave = journal.iter().rev().find(|e| e["type"] == "leave").unwrap();
    assert_eq!((leave["reason"].as_str(), &leave["endpoint"]), (Some("user"), &join["endpoint"]));
    // It is gone, for whoever asks.
    for method in ["DELETE", "PATCH", "GET"] {
        assert_eq!(send(&lecture.app, method, location, &own, "").await.status, 404, "{method}");
    }
    lecture.app.stop().await;
}

#[tokio::test]
async fn a_player_gets_one_stream_to_be_filled_later_and_is_seen_watching() {
    let lecture = Lecture::start().await;
    let secretary = lecture.app.sign_in("secretary").await;
    let (mut page, _) = lecture.app.enter_session(&secretary, &lecture.session).await;
    for target in [format!("/whep/{}", lecture.session), {
        let secretary = &lecture.app.account("secretary").person_id;
        format!("/whep/{}/{secretary}", lecture.session)
    }] {
        let answer = lecture.post(&target, &lecture.whep, &playing()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let place = format!("/whep/{}/resource/", lecture.session);
        assert!(answer.header("location").starts_with(&place));
        let sdp = answer.text();
        assert_eq!(sdp.matches("a=sendonly").count(), 2);
        assert_eq!(sdp.matches("a=ssrc:").count(), 2);
        let streams: std::collections::BTreeSet<_> = sdp
            .lines()
            .filter_map(|line| line.strip_prefix("a=msid:")?.split(' ').next())
            .collect();
        assert_eq!(streams.len(), 1, "{sdp}");
    }
    let joined = page.until_event("participant_joined").await;
    let viewer = &joined["participant"];
    assert_eq!(
        (viewer["name"].as_str(), viewer["role"].as_str()),
        (Some("大厅显示屏"), Some("observer"))
    );
    let journal = lecture.journal().await;
    let enters: Vec<_> = journal.iter().filter(|e| e["type"] == "observer_enter").collect();
    assert_eq!(enters.len(), 1, "two players of one token are one viewer");
    assert_eq!(
        (enters[0]["device"].as_str(), enters[0]["name"].as_str()),
        (Some("whep"), Some("大厅显示屏"))
    );
    lecture.app.stop().await;
}

#[tokio::test]
async fn without_the_right_token_nobody_gets_in() {
    let lecture = Lecture::start().await;
    let path = format!("/whip/{}", lecture.session);
    let sdp = publishing();
    let none = send(&lecture.app, "POST", &path, &[("Content-Type", SDP)], &sdp).await;
    assert_eq!(none.refusal(), (401, "not_authenticated".into()));
    assert_eq!(none.header("www-authenticate"), "Bearer realm=\"yuntang\"");
    assert_eq!(none.header("access-control-allow-origin"), "*");

    let other_scheme = lecture.post(&path, "Basic dXNlcjpwYXNz", &sdp).await;
    assert_eq!(other_scheme.status, 401);
    let junk = lecture.post(&path, "Bearer junk", &sdp).await;
    assert_eq!(junk.refusal(), (401, "token_invalid".into()));
    assert!(junk.header("www-authenticate").contains("error=\"invalid_token\""));
    let old = lecture.token(StreamKind::Whip, &lecture.session, "secretary", 1);
    let expired = lecture.post(&path, &old, &sdp).await;
    assert_eq!(expired.refusal(), (401, "token_expired".into()));

    // Good tokens for something else.
    let assembly = lecture.app.session();
    for (path, token) in [
        (&path, &lecture.whep),
        (&format!("/whep/{}", lecture.session), &lecture.whip),
        (&format!("/whip/{assembly}"), &lecture.whip),
    ] {
        let refused = lecture.post(path, token, &sdp).await;
        assert_eq!(refused.refusal(), (403, "forbidden".into()));
        assert!(refused.header("www-authenticate").contains("insufficient_scope"));
    }
    // Issued by somebody who may not.
    for issuer in ["member2", "observer", "admin", "outsider"] {
        let token = lecture.token(StreamKind::Whip, &lecture.session, issuer, 600);
        assert_eq!(lecture.post(&path, &token, &sdp).await.status, 403, "{issuer}");
    }
    let recorder = lecture.token(StreamKind::Whip, &lecture.session, "recorder", 600);
    assert_eq!(lecture.post(&path, &recorder, &sdp).await.status, 201);
    lecture.app.stop().await;
}

#[tokio::test]
async fn what_is_not_there_or_not_open_is_told_apart() {
    let lecture = Lecture::start().await;
    let sdp = publishing();
    for unknown in ["nothing", "018f0000-0000-7000-8000-000000000000"] {
        let answer = lecture.post(&format!("/whip/{unknown}"), &lecture.whip, &sdp).await;
        assert_eq!(answer.refusal(), (404, "not_found".into()), "{unknown}");
    }
    for nobody in ["nobody", "018f0000-0000-7000-8000-000000000000"] {
        let path = format!("/whep/{}/{nobody}", lecture.session);
        assert_eq!(lecture.post(&path, &lecture.whep, &playing()).await.status, 404, "{nobody}");
    }
    let resource = format!("/whip/{}/resource/{}", lecture.session, Uuid::new_v4().simple());
    assert_eq!(
        lecture.patch(&resource, &[("If-Match", "*")], &fragment("newu", PWD)).await.status,
        404
    );

    let assembly = lecture.app.session();
    let token = lecture.token(StreamKind::Whip, &assembly, "secretary", 600);
    let early = lecture.post(&format!("/whip/{assembly}"), &token, &sdp).await;
    assert_eq!(early.refusal(), (409, "session_not_open".into()));
    assert_eq!(early.header("retry-after"), "10");
    let secretary = lecture.app.sign_in("secretary").await;
    let cancel = format!("/api/sessions/{assembly}/cancel");
    assert_eq!(secretary.post(&cancel, serde_json::json!({ "reason": "改期" })).await.status, 200);
    let over = lecture.post(&format!("/whip/{assembly}"), &token, &sdp).await;
    assert_eq!(over.refusal(), (409, "session_ended".into()));
    lecture.app.stop().await;
}

#[tokio::test]
async fn what_cannot_be_answered_in_full_is_refused_and_nobody_has_come_in() {
    let lecture = Lecture::start().await;
    let (whip, whep) = (format!("/whip/{}", lecture.session), format!("/whep/{}", lecture.session));
    let both: &[(&str, &str, &str)] = &[("audio", "sendonly", OPUS), ("audio", "sendonly", OPUS)];
    let unbundled = publishing().replace("a=group:BUNDLE 0 1\r\n", "");
    for (path, sdp, expected) in [
        (&whip, String::new(), 400),
        (&whip, "hello".into(), 400),
        (&whip, publishing().replace("a=ice-ufrag:them\r\n", ""), 400),
        (&whip, publishing().replace("a=mid:1\r\n", "a=mid:0\r\n"), 400),
        (&whip, unbundled, 422),
        (&whip, publishing().replace("sha-256", "sha-1"), 422),
        (&whip, offer(both), 422),
        (&whip, offer(&[("audio", "recvonly", OPUS)]), 422),
        (&whip, offer(&[("audio", "inactive", OPUS)]), 422),
        // Sound would do, but an answer that takes only a part misleads.
        (&whip, offer(&[("audio", "sendonly", OPUS), ("video", "sendonly", "H261/90000")]), 422),
        (&whip, publishing().replace("a=rtcp-mux\r\n", ""), 422),
        (&whep, offer(&[("audio", "sendonly", OPUS)]), 422),
        (&whep, offer(&[("video", "recvonly", "H261/90000")]), 422),
        (&whip, format!("{}a=x:{}\r\n", publishing(), "y".repeat(70_000)), 413),
    ] {
        let token = if *path == whip { &lecture.whip } else { &lecture.whep };
        let answer = lecture.post(path, token, &sdp).await;
        assert_eq!(answer.refusal().0, expected, "{sdp:.200}");
    }
    // A player that can play one of two is let in; a sendrecv offer is as good as a one-way one.
    let half = offer(&[("audio", "recvonly", "PCMU/8000"), ("video", "recvonly", VP8)]);
    let answer = lecture.post(&whep, &lecture.whep, &half).await;
    assert_eq!(answer.status, 201);
    assert!(answer.text().contains("m=audio 0 ") && answer.text().contains("a=sendonly"));
    for (path, token, says) in
        [(&whip, &lecture.whip, "a=recvonly"), (&whep, &lecture.whep, "a=sendonly")]
    {
        let answer = lecture.post(path, token, &offer(&[("audio", "sendrecv", OPUS)])).await;
        assert_eq!((answer.status, answer.text().contains(says)), (201, true), "{}", answer.text());
    }
    let mut joins = lecture.journal().await;
    joins.retain(|e| e["type"] == "join");
    assert_eq!(joins.len(), 1, "refused offers are no visits");
    lecture.app.stop().await;
}

#[tokio::test]
async fn types_and_methods_are_those_of_the_standard() {
    let lecture = Lecture::start().await;
    let path = format!("/whip/{}", lecture.session);
    let auth = ("Authorization", lecture.whip.as_str());
    let json =
        send(&lecture.app, "POST", &path, &[auth, ("Content-Type", "application/json")], "{}")
            .await;
    assert_eq!(json.refusal().0, 415);
    assert_eq!(json.header("accept-post"), SDP);
    let html = [auth, ("Content-Type", SDP), ("Accept", "text/html")];
    assert_eq!(send(&lecture.app, "POST", &path, &html, &publishing()).await.refusal().0, 406);
    let charset = [
        auth,
        ("Content-Type", "Application/SDP; charset=utf-8"),
        ("Accept", "application/sdp;q=1, */*;q=0.1"),
    ];
    assert_eq!(send(&lecture.app, "POST", &path, &charset, &publishing()).await.status, 201);

    for method in ["PUT", "PATCH", "DELETE", "BREW"] {
        let answer = send(&lecture.app, method, &path, &[auth], "").await;
        assert_eq!(answer.refusal().0, 405, "{method}");
        assert!(answer.header("allow").contains("POST"));
    }
    let (resource, _) = lecture.begin("whip").await;
    for method in ["PUT", "POST"] {
        assert_eq!(send(&lecture.app, method, &resource, &[auth], "").await.refusal().0, 405);
    }
    for path in [&path, &resource] {
        for method in ["GET", "HEAD"] {
            let answer = send(&lecture.app, method, path, &[auth], "").await;
            assert_eq!((answer.status, answer.body.len()), (204, 0), "{method} {path}");
        }
    }
    lecture.app.stop().await;
}

#[tokio::test]
async fn pages_of_any_site_may_ask() {
    let lecture = Lecture::start().await;
    let (resource, _) = lecture.begin("whep").await;
    for (path, accepts, wants) in [
        (format!("/whip/{}", lecture.session), ("accept-post", SDP), "POST"),
        (format!("/whep/{}", lecture.session), ("accept-post", SDP), "POST"),
        (resource, ("accept-patch", FRAGMENT), "PATCH"),
    ] {
        let preflight = [
            ("Origin", "https://player.example"),
            ("Access-Control-Request-Method", wants),
            ("Access-Control-Request-Headers", "authorization,content-type,if-match"),
        ];
        let answer = send(&lecture.app, "OPTIONS", &path, &preflight, "").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header(accepts.0), accepts.1);
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert!(answer.header("access-control-allow-methods").contains(wants));
        for asked in ["Authorization", "Content-Type", "If-Match"] {
            assert!(answer.header("access-control-allow-headers").contains(asked));
        }
        assert_eq!(answer.header("link"), "", "a preflight learns no secrets");
    }
    // And then does it.
    let headers = [
        ("Origin", "https://player.example"),
        ("Content-Type", SDP),
        ("Authorization", lecture.whep.as_str()),
    ];
    let path = format!("/whep/{}", lecture.session);
    assert_eq!(send(&lecture.app, "POST", &path, &headers, &playing()).await.status, 201);
    lecture.app.stop().await;
}

#[tokio::test]
async fn candidates_trickle_into_the_ice_session_that_they_are_for() {
    let lecture = Lecture::start().await;
    let (at, etag) = lecture.begin("whip").await;
    let same = fragment("them", PWD);
    let trickled = lecture.patch(&at, &[("If-Match", &etag)], &same).await;
    assert_eq!((trickled.status, trickled.body.len()), (204, 0));
    assert_eq!(trickled.header("etag"), "", "not in an answer to candidates");
    // As the client of Eyevinn has it.
    assert_eq!(lecture.patch(&at, &[("ETag", &etag)], &same).await.status, 204);
    assert_eq!(lecture.patch(&at, &[], &same).await.refusal().0, 428);
    assert_eq!(lecture.patch(&at, &[("If-Match", "\"other\"")], &same).await.refusal().0, 412);
    let weak = format!("W/{etag}");
    assert_eq!(lecture.patch(&at, &[("If-Match", &weak)], &same).await.refusal().0, 412);
    let either = format!("\"other\", {etag}");
    assert_eq!(lecture.patch(&at, &[("If-Match", &either)], &same).await.status, 204);
    assert_eq!(lecture.patch(&at, &[("If-Match", &etag)], "junk").await.refusal().0, 400);
    assert_eq!(lecture.patch(&at, &[("If-Match", &etag)], "").await.refusal().0, 400);
    let sdp =
        [("Content-Type", SDP), ("Authorization", lecture.whip.as_str()), ("If-Match", &etag)];
    let wrong = send(&lecture.app, "PATCH", &at, &sdp, &publishing()).await;
    assert_eq!((wrong.refusal().0, wrong.header("accept-patch")), (415, FRAGMENT));

    // Another's stream is not ours to touch, nor without a token.
    let foreign = lecture.token(StreamKind::Whip, &lecture.session, "secretary", 600);
    for (token, expected) in [(Some(&foreign), 403), (None, 401)] {
        let mut headers = vec![("Content-Type", FRAGMENT), ("If-Match", etag.as_str())];
        headers.extend(token.map(|token| ("Authorization", token.as_str())));
        assert_eq!(send(&lecture.app, "PATCH", &at, &headers, &same).await.refusal().0, expected);
        assert_eq!(send(&lecture.app, "DELETE", &at, &headers, "").await.refusal().0, expected);
    }
    // The address of a publisher is none of a player.
    let crossed = at.replace("/whip/", "/whep/");
    assert_eq!(lecture.patch(&crossed, &[("If-Match", "*")], &same).await.status, 404);
    lecture.app.stop().await;
}

#[tokio::test]
async fn ice_is_restarted_by_new_credentials() {
    let lecture = Lecture::start().await;
    for kind in ["whip", "whep"] {
        let (at, first) = lecture.begin(kind).await;
        let renewed = fragment("newu", "another-twenty-two-chars");
        let answer = lecture.patch(&at, &[("If-Match", "*")], &renewed).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), FRAGMENT);
        let second = answer.header("etag").to_owned();
        assert!(second.starts_with('"') && second != first);
        let fragment_out = answer.text();
        for key in ["a=ice-ufrag:", "a=ice-pwd:", "a=candidate:", "a=ice-lite", "a=mid:0"] {
            assert!(fragment_out.contains(key), "{fragment_out}");
        }
        assert!(!fragment_out.contains("fingerprint"));
        // What belongs to the session of before is refused; the same again is no restart.
        let stale = lecture.patch(&at, &[("If-Match", &first)], &fragment("them", PWD)).await;
        assert_eq!(stale.refusal().0, 412);
        assert_eq!(lecture.patch(&at, &[("If-Match", &second)], &renewed).await.status, 204);
        assert_eq!(lecture.patch(&at, &[("If-Match", "*")], &renewed).await.status, 204);
        let half = "a=ice-ufrag:newer\r\n";
        assert_eq!(lecture.patch(&at, &[("If-Match", "*")], half).await.refusal().0, 400);
        let third = lecture.patch(&at, &[("If-Match", "\"*\"")], &fragment("thrd", PWD)).await;
        assert_eq!(third.status, 200);
        assert_ne!(line(&third.text(), "a=ice-ufrag:"), line(&fragment_out, "a=ice-ufrag:"));
    }
    lecture.app.stop().await;
}

#[tokio::test]
async fn an_encoder_that_starts_again_replaces_itself() {
    let lecture = Lecture::start().await;
    let (first, _) = lecture.begin("whip").await;
    let (second, _) = lecture.begin("whip").await;
    let status = async |at: &str| send(&lecture.app, "GET", at, &[], "").await.status;
    // The room says good-bye to the first after it has let the second in.
    let gone = async {
        while status(&first).await != 404 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the first has ended");
    assert_eq!(status(&second).await, 204);
    lecture.app.stop().await;
}

#[tokio::test]
async fn a_new_server_does_not_know_the_resources_of_the_old_one() {
    let lecture = Lecture::start().await;
    let (at, _) = lecture.begin("whip").await;
    let Lecture { app, whip, session, .. } = lecture;
    let app = app.restart().await;
    let auth = [("Authorization", whip.as_str())];
    assert_eq!(send(&app, "DELETE", &at, &auth, "").await.status, 404);
    let headers = [("Content-Type", SDP), ("Authorization", whip.as_str())];
    let again = send(&app, "POST", &format!("/whip/{session}"), &headers, &publishing()).await;
    assert_eq!(again.status, 201);
    app.stop().await;
}

#[tokio::test]
async fn the_demo_file_keeps_its_tokens() {
    let lecture = Lecture::start().await;
    let before = std::fs::read_to_string(lecture.app.data().demo_json()).unwrap();
    let config = yuntang::config::Config::new(lecture.app.data());
    let store = yuntang::store::Store::connect_folder(config.data.path()).await.unwrap();
    let ensure = async |clock: &yuntang::clock::Clock| {
        yuntang::cli::demo::ensure(&store, &config, clock).await.unwrap();
        std::fs::read_to_string(config.data.demo_json()).unwrap()
    };
    assert_eq!(ensure(&lecture.app.clock).await, before);
    // Shortly before they expire there are new ones, for the same lecture.
    let day = 86_400_000_000;
    let late = yuntang::clock::Clock::fixed(NOW_US + 15 * day - day / 2);
    let after = ensure(&late).await;
    let tokens = |text: &str| {
        let demo: Value = serde_json::from_str(text).unwrap();
        (demo["whip"]["url"].clone(), demo["whip"]["token"].clone(), demo["accounts"].clone())
    };
    let (old, new) = (tokens(&before), tokens(&after));
    assert_eq!((&old.0, &old.2), (&new.0, &new.2));
    assert_ne!(old.1, new.1);
    store.close().await;
    lecture.app.stop().await;
}

#[tokio::test]
async fn a_browser_of_another_site_cannot_use_a_cookie_here() {
    let lecture = Lecture::start().await;
    let secretary: Client = lecture.app.sign_in("secretary").await;
    let cookie = secretary.cookie.clone().unwrap();
    let headers =
        [("Cookie", cookie.as_str()), ("Origin", "https://evil.example"), ("Content-Type", SDP)];
    let path = format!("/whip/{}", lecture.session);
    assert_eq!(send(&lecture.app, "POST", &path, &headers, &publishing()).await.status, 401);
    lecture.app.stop().await;
}
