//! What the chair and Prometheus are told of media.

use media::shard::{DropReason, Total};
use serde_json::json;
use yuntang::metrics::names;

use crate::http_support::TestApp;

#[tokio::test]
async fn a_running_meeting_has_statistics_for_those_in_charge_and_the_administrator() {
    let app = TestApp::start().await;
    let secretary = app.open().await;
    let (_page, _) = app.enter(&secretary).await;
    let path = format!("/api/sessions/{}/stats", app.session());
    for (who, status) in [("secretary", 200), ("recorder", 200), ("admin", 200), ("member2", 403)] {
        let answer = app.sign_in(who).await.get(&path).await;
        assert_eq!(answer.status, status, "{who}: {}", answer.text());
        if status == 200 {
            let statistics = answer.json();
            for list in ["participants", "tracks", "subscriptions", "history"] {
                assert!(statistics[list].is_array(), "{statistics}");
            }
            assert!(!answer.text().contains("name"), "no person is named");
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn whoever_is_handed_the_chair_gets_the_statistics_and_only_as_long() {
    let app = TestApp::start().await;
    let secretary = app.open().await;
    let member = app.sign_in("member2").await;
    let (mut chair, _) = app.enter(&secretary).await;
    let (mut other, _) = app.enter(&member).await;
    let path = format!("/api/sessions/{}/stats", app.session());
    assert_eq!(member.get(&path).await.refusal(), (403, "forbidden".into()));
    let to = |key: &str| {
        let participant = app.account(key).person_id.to_string();
        json!({ "method": "hand_over", "participant": participant })
    };
    assert_eq!(chair.ask(to("member2")).await["reply"]["kind"], "done");
    assert_eq!(member.get(&path).await.status, 200, "presiding");
    assert_eq!(secretary.get(&path).await.status, 200, "the secretary of the branch");
    assert_eq!(other.ask(to("secretary")).await["reply"]["kind"], "done");
    assert_eq!(member.get(&path).await.status, 403, "handed back");
    app.stop().await;
}

#[tokio::test]
async fn prometheus_gets_every_total_and_every_reason() {
    let app = TestApp::start().await;
    let answer = app.client().get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text();
    for total in Total::ALL {
        let name = names::total(*total).name;
        assert!(text.contains(&format!("\n{name}{{shard=\"0\"}} ")), "{name} is missing");
    }
    for reason in DropReason::ALL {
        let (stage, reason) = (reason.stage().name(), reason.name());
        let labels = format!("shard=\"0\",stage=\"{stage}\",reason=\"{reason}\"");
        assert!(text.contains(&format!("{}{{{labels}}} ", names::DROPPED.name)), "{labels}");
    }
    for stage in ["io", "capture"] {
        assert!(text.contains(&format!("stage=\"{stage}\"")), "{stage} is missing");
    }
    let family = |line: &&str| !line.starts_with('#');
    for line in text.lines().filter(family) {
        let value = line.rsplit_once(' ').expect("a value").1;
        assert!(value.parse::<u64>().is_ok(), "{line}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_token_for_metrics_is_asked_of_everybody() {
    let app = TestApp::start_with(|config| config.metrics_token = Some("t0ken".into())).await;
    let nobody = app.client();
    assert_eq!(nobody.get("/metrics").await.status, 404);
    let shown = [("Authorization", "Bearer t0ken")];
    assert_eq!(nobody.send("GET", "/metrics", &shown, None).await.status, 200);
    app.stop().await;
}
