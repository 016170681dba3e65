//! Signing in, out and everywhere; throttling; passwords.

use serde_json::json;

use crate::http_support::TestApp;

const MINUTE_US: i64 = 60_000_000;

#[tokio::test]
async fn a_member_signs_in_sees_themselves_and_signs_out() {
    let app = TestApp::start().await;
    let nobody = app.client();
    assert_eq!(nobody.get("/api/me").await.refusal(), (401, "not_authenticated".into()));

    let member = app.sign_in("member4").await;
    let me = member.get("/api/me").await.json();
    assert_eq!(me["name"], app.account("member4").name);
    assert_eq!(me["large_type"], true);
    assert_eq!(me["can_create"], json!([]));
    assert_eq!(me["can_observe"], false);
    let changed = member.put("/api/me/preferences", json!({ "large_type": false })).await;
    assert_eq!(changed.json()["large_type"], false);
    assert_eq!(member.get("/api/me").await.json()["large_type"], false);

    let out = member.post("/api/logout", json!({})).await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(member.get("/api/me").await.status, 401);
    app.stop().await;
}

#[tokio::test]
async fn the_cookie_is_kept_from_scripts_and_from_other_sites() {
    let app = TestApp::start().await;
    let account = app.account("member1");
    let body = json!({ "login": format!(" {} ", account.login.to_uppercase()),
                       "password": account.password });
    let answer = app.client().post("/api/login", body).await;
    assert_eq!(answer.status, 200);
    let cookie = answer.header("set-cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    assert!(cookie.starts_with("yt_session="), "{cookie}");
    app.stop().await;
}

#[tokio::test]
async fn signing_out_everywhere_ends_every_browser_of_that_account_only() {
    let app = TestApp::start().await;
    let phone = app.sign_in("member1").await;
    let desktop = app.sign_in("member1").await;
    let other = app.sign_in("member2").await;
    assert_eq!(phone.post("/api/logout-everywhere", json!({})).await.status, 204);
    assert_eq!(phone.get("/api/me").await.status, 401);
    assert_eq!(desktop.get("/api/me").await.status, 401);
    assert_eq!(other.get("/api/me").await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn five_wrong_passwords_make_even_the_right_one_wait_a_quarter_of_an_hour() {
    let app = TestApp::start().await;
    let account = app.account("member1");
    let client = app.client();
    let wrong = json!({ "login": account.login, "password": "wrong-password" });
    for _ in 0..5 {
        let answer = client.post("/api/login", wrong.clone()).await;
        assert_eq!(answer.refusal(), (401, "invalid_credentials".into()));
    }
    let right = json!({ "login": account.login, "password": account.password });
    let answer = client.post("/api/login", right.clone()).await;
    assert_eq!(answer.refusal(), (429, "rate_limited".into()));
    assert_eq!(answer.header("retry-after"), "900");
    assert_eq!(answer.json()["retry_after_ms"], 900_000);
    app.sign_in("member2").await;

    app.clock.advance(15 * MINUTE_US - 1);
    assert_eq!(client.post("/api/login", right.clone()).await.status, 429);
    app.clock.advance(1);
    assert_eq!(client.post("/api/login", right).await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn an_unknown_login_is_answered_like_a_wrong_password() {
    let app = TestApp::start().await;
    let body = json!({ "login": "nobody-here", "password": "wrong-password" });
    let unknown = app.client().post("/api/login", body).await;
    let body = json!({ "login": app.account("member1").login, "password": "wrong-password" });
    let wrong = app.client().post("/api/login", body).await;
    assert_eq!(unknown.refusal(), wrong.refusal());
    assert_eq!(unknown.json(), wrong.json());
    app.stop().await;
}

#[tokio::test]
async fn a_sign_in_ends_after_half_an_hour_of_silence_and_after_twelve_hours_anyway() {
    let app = TestApp::start().await;
    let silent = app.sign_in("member1").await;
    let busy = app.sign_in("member2").await;
    for _ in 0..3 {
        app.clock.advance(29 * MINUTE_US);
        assert_eq!(busy.get("/api/me").await.status, 200);
    }
    assert_eq!(silent.get("/api/me").await.status, 401);
    for _ in 0..(11 * 60 / 25) {
        app.clock.advance(25 * MINUTE_US);
        busy.get("/api/me").await;
    }
    app.clock.advance(MINUTE_US);
    assert_eq!(busy.get("/api/me").await.status, 401, "twelve hours are over");
    app.stop().await;
}

#[tokio::test]
async fn a_new_password_must_be_good_and_ends_the_other_browsers() {
    let app = TestApp::start().await;
    let account = app.account("member1").clone();
    let here = app.sign_in("member1").await;
    let there = app.sign_in("member1").await;
    let change = |old: &str, new: &str| json!({ "old": old, "new": new });

    let weak = here.post("/api/password", change(&account.password, "short")).await;
    assert_eq!(weak.refusal(), (422, "password_too_weak".into()));
    let own = format!("{}-2026-x", account.login);
    let own = here.post("/api/password", change(&account.password, &own)).await;
    assert_eq!(own.refusal(), (422, "password_too_weak".into()));
    let wrong = here.post("/api/password", change("not the old one", "a good password")).await;
    assert_eq!(wrong.refusal(), (401, "invalid_credentials".into()));

    let good = here.post("/api/password", change(&account.password, "a good password")).await;
    assert_eq!(good.status, 204);
    assert_eq!(here.get("/api/me").await.status, 200);
    assert_eq!(there.get("/api/me").await.status, 401);
    let old = json!({ "login": account.login, "password": account.password });
    assert_eq!(app.client().post("/api/login", old).await.status, 401);
    app.stop().await;
}

#[tokio::test]
async fn an_initial_password_opens_nothing_but_its_own_change() {
    let app = TestApp::start().await;
    let store = &app.server.app.store;
    let account = store.accounts().by_login("member1").await.unwrap().unwrap();
    store.accounts().set_password(account.id, &account.password_hash, true).await.unwrap();
    let client = app.sign_in("member1").await;
    assert_eq!(client.get("/api/me").await.json()["must_change_password"], true);
    let refused = client.get("/api/sessions?scope=mine").await;
    assert_eq!(refused.refusal(), (403, "password_change_required".into()));
    let old = &app.account("member1").password;
    let change = json!({ "old": old, "new": "a good password" });
    assert_eq!(client.post("/api/password", change).await.status, 204);
    assert_eq!(client.get("/api/sessions?scope=mine").await.status, 200);
    app.stop().await;
}
