//! Every route, walked by every role: a route that is not in this table fails the test.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use yuntang::http::routes;

use crate::http_support::{NOW_US, TestApp};

/// Who, in the order of the columns below. `member8` belongs to another branch of the same tree,
/// `outsider` observes another tree.
const ROLES: [&str; 8] =
    ["nobody", "secretary", "recorder", "member2", "observer", "member8", "outsider", "admin"];

const NO: u16 = 401;
const OUT: u16 = 403;

/// Method, path and what each role gets. The session is planned and was never opened, so that
/// what is allowed is told by 409 or 404 where there is nothing yet.
#[rustfmt::skip]
const TABLE: &[(&str, &str, [u16; 8])] = &[
    //                                                nobody secr  recd  memb  obsv  othr  outs  admn
    ("GET",  "/api/me",                               [NO,   200,  200,  200,  200,  200,  200,  200]),
    ("PUT",  "/api/me/preferences",                   [NO,   200,  200,  200,  200,  200,  200,  200]),
    ("POST", "/api/password",                         [NO,   422,  422,  422,  422,  422,  422,  422]),
    ("GET",  "/api/sessions",                         [NO,   200,  200,  200,  200,  200,  200,  200]),
    ("POST", "/api/sessions",                         [NO,   201,  OUT,  OUT,  OUT,  OUT,  OUT,  OUT]),
    ("GET",  "/api/people",                           [NO,   200,  OUT,  OUT,  OUT,  OUT,  OUT,  OUT]),
    ("GET",  "/api/sessions/{id}",                    [NO,   200,  200,  200,  200,  OUT,  OUT,  OUT]),
    ("PUT",  "/api/sessions/{id}/policy",             [NO,   200,  OUT,  OUT,  OUT,  OUT,  OUT,  OUT]),
    ("POST", "/api/sessions/{id}/join",               [NO,   409,  409,  409,  409,  OUT,  OUT,  OUT]),
    ("GET",  "/api/sessions/{id}/stats",              [NO,   409,  409,  OUT,  OUT,  OUT,  OUT,  409]),
    ("GET",  "/api/rules",                            [NO,   200,  200,  200,  200,  200,  200,  200]),
    ("POST", "/api/rules/decide",                     [NO,   422,  422,  422,  422,  422,  422,  422]),
    ("GET",  "/api/orgs/{id}/rules",                  [NO,   200,  200,  OUT,  OUT,  OUT,  OUT,  OUT]),
    ("PUT",  "/api/orgs/{id}/rules",                  [NO,   OUT,  OUT,  OUT,  OUT,  OUT,  OUT,  OUT]),
    // Cast without identity: whoever sends no paper is told so.
    ("POST", "/api/sessions/{id}/ballots/{ballot}/papers", [400, 400, 400, 400, 400, 400, 400, 400]),
    ("GET",  "/api/sessions/{id}/ballots/{ballot}/papers", [NO, 200, 200,  200,  200,  OUT,  OUT,  OUT]),
    ("POST", "/api/sessions/{id}/scans",              [NO,   422,  422,  OUT,  OUT,  OUT,  OUT,  OUT]),
    ("GET",  "/api/sessions/{id}/scans/{digest}",     [NO,   404,  404,  OUT,  OUT,  OUT,  OUT,  OUT]),
    ("POST", "/api/sessions/{id}/site",               [NO,   409,  409,  409,  OUT,  OUT,  OUT,  OUT]),
    ("GET",  "/api/sessions/{id}/checkin.svg",        [NO,   422,  422,  422,  OUT,  OUT,  OUT,  OUT]),
    ("POST", "/api/sessions/{id}/checkin",            [NO,   409,  409,  409,  OUT,  OUT,  OUT,  OUT]),
    ("POST", "/api/sessions/{id}/checkout",           [NO,   409,  409,  409,  OUT,  OUT,  OUT,  OUT]),
    ("GET",  "/api/sessions/{id}/attendance",         [NO,   409,  409,  OUT,  OUT,  OUT,  OUT,  OUT]),
    ("POST", "/api/sessions/{id}/corrections",        [NO,   409,  409,  OUT,  OUT,  OUT,  OUT,  OUT]),
    ("GET",  "/api/sessions/{id}/leave",              [NO,   200,  200,  200,  200,  OUT,  OUT,  OUT]),
    ("POST", "/api/sessions/{id}/leave",              [NO,   200,  200,  200,  OUT,  OUT,  OUT,  OUT]),
    ("POST", "/api/sessions/{id}/leave/withdraw",     [NO,   200,  200,  200,  OUT,  OUT,  OUT,  OUT]),
    ("POST", "/api/sessions/{id}/leave/{person}",     [NO,   404,  OUT,  OUT,  OUT,  OUT,  OUT,  OUT]),
    // The door: whoever has the link may knock, once the room is open.
    ("GET",  "/api/sessions/{id}/knock",              [NO,   409,  409,  409,  409,  409,  409,  OUT]),
    ("POST", "/api/sessions/{id}/knock",              [NO,   409,  409,  409,  409,  409,  409,  OUT]),
    ("POST", "/api/sessions/{id}/knock/{person}",     [NO,   409,  OUT,  OUT,  OUT,  OUT,  OUT,  OUT]),
    ("GET",  "/api/network",                          [200,  200,  200,  200,  200,  200,  200,  200]),
    ("POST", "/api/network/probe",                    [422,  422,  422,  422,  422,  422,  422,  422]),
    ("GET",  "/api/network/download",                 [200,  200,  200,  200,  200,  200,  200,  200]),
    ("POST", "/api/network/upload",                   [204,  204,  204,  204,  204,  204,  204,  204]),
    // Organisations and members: the branch of the planned session, and one of its members.
    ("GET",  "/api/orgs",                             [NO,   200,  200,  200,  200,  200,  200,  200]),
    ("POST", "/api/orgs",                             [NO,   OUT,  OUT,  OUT,  OUT,  OUT,  OUT,  201]),
    ("GET",  "/api/orgs/search",                      [NO,   200,  200,  200,  200,  200,  200,  200]),
    ("GET",  "/api/orgs/{id}",                        [NO,   200,  200,  OUT,  200,  OUT,  OUT,  200]),
    ("PUT",  "/api/orgs/{id}",                        [NO,   OUT,  OUT,  OUT,  OUT,  OUT,  OUT,  200]),
    ("GET",  "/api/orgs/{id}/subtree",                [NO,   200,  200,  OUT,  200,  OUT,  OUT,  200]),
    ("POST", "/api/orgs/{id}/move",                   [NO,   OUT,  OUT,  OUT,  OUT,  OUT,  OUT,  422]),
    ("POST", "/api/orgs/{id}/close",                  [NO,   OUT,  OUT,  OUT,  OUT,  OUT,  OUT,  409]),
    ("GET",  "/api/orgs/{id}/audit",                  [NO,   OUT,  OUT,  OUT,  OUT,  OUT,  OUT,  200]),
    ("GET",  "/api/orgs/{id}/members",                [NO,   200,  200,  OUT,  200,  OUT,  OUT,  200]),
    ("POST", "/api/orgs/{id}/members",                [NO,   201,  OUT,  OUT,  OUT,  OUT,  OUT,  201]),
    ("PUT",  "/api/orgs/{id}/seats",                  [NO,   204,  OUT,  OUT,  OUT,  OUT,  OUT,  204]),
    ("PUT",  "/api/members/{id}",                     [NO,   200,  OUT,  OUT,  OUT,  OUT,  OUT,  200]),
    ("POST", "/api/members/{id}/account",             [NO,   409,  OUT,  OUT,  OUT,  OUT,  OUT,  409]),
    ("GET",  "/api/orgs/{id}/roles",                  [NO,   OUT,  OUT,  OUT,  OUT,  OUT,  OUT,  200]),
    ("POST", "/api/orgs/{id}/roles",                  [NO,   OUT,  OUT,  OUT,  OUT,  OUT,  OUT,  204]),
    ("POST", "/api/orgs/{id}/roles/revoke",           [NO,   OUT,  OUT,  OUT,  OUT,  OUT,  OUT,  204]),
    ("POST", "/api/orgs/{id}/import",                 [NO,   202,  OUT,  OUT,  OUT,  OUT,  OUT,  202]),
    ("GET",  "/api/orgs/{id}/export",                 [NO,   200,  OUT,  OUT,  OUT,  OUT,  OUT,  200]),
    // An upload is its owner's alone; nobody has this one.
    ("GET",  "/api/imports/{id}",                     [NO,   404,  404,  404,  404,  404,  404,  404]),
    ("POST", "/api/imports/{id}/confirm",             [NO,   404,  404,  404,  404,  404,  404,  404]),
    ("POST", "/api/imports/{id}/discard",             [NO,   404,  404,  404,  404,  404,  404,  404]),
    ("GET",  "/api/archive/{id}",                     [NO,   200,  200,  200,  200,  OUT,  OUT,  OUT]),
    ("GET",  "/api/archive/{id}/journal",             [NO,   200,  200,  200,  200,  OUT,  OUT,  OUT]),
    ("GET",  "/api/archive/{id}/journal.jsonl",       [NO,   409,  409,  409,  409,  OUT,  OUT,  OUT]),
    ("GET",  "/api/archive/{id}/attendance.xlsx",     [NO,   409,  409,  409,  409,  OUT,  OUT,  OUT]),
    ("GET",  "/api/archive/{id}/attendance.csv",      [NO,   409,  409,  409,  409,  OUT,  OUT,  OUT]),
    ("GET",  "/api/archive/{id}/attendance.json",     [NO,   409,  409,  409,  409,  OUT,  OUT,  OUT]),
    ("POST", "/api/archive/{id}/render",              [NO,   409,  409,  OUT,  OUT,  OUT,  OUT,  OUT]),
    ("GET",  "/api/archive/{id}/minutes",             [NO,   409,  409,  409,  409,  OUT,  OUT,  OUT]),
    ("PUT",  "/api/archive/{id}/minutes",             [NO,   409,  409,  OUT,  OUT,  OUT,  OUT,  OUT]),
    ("GET",  "/api/archive/{id}/minutes/versions",    [NO,   409,  409,  409,  409,  OUT,  OUT,  OUT]),
    ("POST", "/api/archive/{id}/minutes/submit",      [NO,   409,  409,  OUT,  OUT,  OUT,  OUT,  OUT]),
    ("POST", "/api/archive/{id}/minutes/confirm",     [NO,   409,  OUT,  OUT,  OUT,  OUT,  OUT,  OUT]),
    ("POST", "/api/archive/{id}/minutes/return",      [NO,   409,  OUT,  OUT,  409,  OUT,  OUT,  OUT]),
    ("POST", "/api/archive/{id}/minutes/objections",  [NO,   409,  409,  409,  OUT,  OUT,  OUT,  OUT]),
    ("POST", "/api/archive/{id}/minutes/objections/{objection}/answer",
                                                      [NO,   409,  409,  OUT,  OUT,  OUT,  OUT,  OUT]),
    ("POST", "/api/archive/{id}/minutes/seal",        [NO,   409,  409,  OUT,  OUT,  OUT,  OUT,  OUT]),
    ("POST", "/api/archive/{id}/minutes/corrections", [NO,   409,  409,  OUT,  OUT,  OUT,  OUT,  OUT]),
    ("GET",  "/api/archive/{id}/minutes.docx",        [NO,   409,  409,  409,  409,  OUT,  OUT,  OUT]),
    ("GET",  "/api/archive/{id}/minutes.pdf",         [NO,   409,  409,  409,  409,  OUT,  OUT,  OUT]),
    ("GET",  "/api/orgs/{id}/minutes-policy",         [NO,   200,  200,  OUT,  200,  OUT,  OUT,  OUT]),
    ("PUT",  "/api/orgs/{id}/minutes-policy",         [NO,   200,  OUT,  OUT,  OUT,  OUT,  OUT,  OUT]),
    ("GET",  "/api/orgs/{id}/daily-chain",            [NO,   200,  200,  OUT,  200,  OUT,  OUT,  OUT]),
    ("GET",  "/api/orgs/{id}/daily-chain.jsonl",      [NO,   404,  404,  OUT,  404,  OUT,  OUT,  OUT]),
    ("GET",  "/media/{id}/recording.mp4",             [NO,   404,  404,  404,  404,  OUT,  OUT,  OUT]),
    ("GET",  "/media/{id}/poster.jpg",                [NO,   404,  404,  404,  404,  OUT,  OUT,  OUT]),
    ("POST", "/api/sessions/{id}/open",               [NO,   200,  OUT,  OUT,  OUT,  OUT,  OUT,  OUT]),
    ("POST", "/api/sessions/{id}/cancel",             [NO,   409,  OUT,  OUT,  OUT,  OUT,  OUT,  OUT]),
    ("POST", "/api/login",                            [NO,   NO,   NO,   NO,   NO,   NO,   NO,   NO]),
    ("POST", "/api/logout-everywhere",                [NO,   204,  204,  204,  204,  204,  204,  204]),
    ("POST", "/api/logout",                           [NO,   NO,   NO,   NO,   NO,   NO,   NO,   NO]),
    ("GET",  "/api/openapi.json",                     [200,  200,  200,  200,  200,  200,  200,  200]),
    ("GET",  "/livez",                                [200,  200,  200,  200,  200,  200,  200,  200]),
    ("GET",  "/readyz",                               [200,  200,  200,  200,  200,  200,  200,  200]),
    ("GET",  "/metrics",                              [200,  200,  200,  200,  200,  200,  200,  200]),
    ("GET",  "/ca.crt",                               [200,  200,  200,  200,  200,  200,  200,  200]),
];

fn body_of(app: &TestApp, path: &str, role: usize) -> Value {
    match path {
        "/api/me/preferences" => json!({ "large_type": true }),
        "/api/password" => json!({ "old": "x", "new": "short" }),
        "/api/sessions" => json!({
            "org_id": app.account("secretary").org_id, "kind": "branch_assembly",
            "title": "支部党员大会", "planned_start_us": NOW_US, "duration_min": 60,
        }),
        "/api/sessions/{id}/policy" => json!({
            "late_after_s": 600, "early_before_s": 600, "min_ratio_permille": 800, "bridge_s": 60,
        }),
        "/api/sessions/{id}/site" => json!({ "name": "三楼会议室" }),
        "/api/sessions/{id}/checkin" => json!({ "code": "x" }),
        "/api/sessions/{id}/corrections" => json!({
            "change": { "what": "exempt", "person": app.account("member3").person_id },
            "reason": "长期病休",
        }),
        "/api/sessions/{id}/leave" => json!({ "kind": "official", "reason": "出差" }),
        "/api/sessions/{id}/leave/{person}" => json!({ "granted": true }),
        "/api/sessions/{id}/knock/{person}" => json!({ "admit": "observer" }),
        "/api/sessions/{id}/cancel" => json!({ "reason": "改期" }),
        "/api/orgs/{id}/rules" => json!({ "text": "" }),
        "/api/archive/{id}/minutes" => json!({ "sections": [] }),
        "/api/archive/{id}/minutes/submit" | "/api/archive/{id}/minutes/confirm" => json!({
            "digest": "0".repeat(64), "name": "x", "password": "not this one",
        }),
        "/api/archive/{id}/minutes/return" => json!({ "reason": "补充" }),
        "/api/archive/{id}/minutes/objections"
        | "/api/archive/{id}/minutes/objections/{objection}/answer" => json!({ "text": "异议" }),
        "/api/archive/{id}/minutes/corrections" => {
            json!({ "section": "place", "text": "会议室", "reason": "笔误" })
        }
        "/api/orgs/{id}/minutes-policy" => json!({ "objection_days": 3 }),
        "/api/network/probe" => json!({ "sdp": "v=0", "way": "udp" }),
        "/api/orgs" => json!({
            "parent_id": app.account("observer").org_id, "name": "机关党总支",
            "kind": "general_branch",
        }),
        "/api/orgs/{id}" => json!({ "name": "清河社区第一党支部", "kind": "branch" }),
        "/api/orgs/{id}/move" => json!({
            "parent_id": app.account("observer").org_id, "from_us": 1,
        }),
        "/api/orgs/{id}/members" => json!({ "name": "王建国", "class": "full" }),
        "/api/orgs/{id}/seats" => json!({
            "person_id": app.account("member2").person_id, "post": "publicity",
        }),
        "/api/members/{id}" => json!({ "name": "孙国平", "class": "full" }),
        "/api/members/{id}/account" => json!({ "login": "somebody" }),
        "/api/orgs/{id}/roles" | "/api/orgs/{id}/roles/revoke" => json!({
            "person_id": app.account("member2").person_id, "role": "recorder",
        }),
        "/api/login" => json!({ "login": format!("unknown{role}"), "password": "not this one" }),
        _ => json!({}),
    }
}

#[tokio::test]
async fn every_route_for_every_role() {
    let app = TestApp::start().await;
    let session = app.session();
    let mut clients = vec![app.client()];
    for role in &ROLES[1..] {
        clients.push(app.sign_in(role).await);
    }
    let mut wrong = Vec::new();
    for (method, path, expected) in TABLE {
        // Those who are refused first: the secretary's own steps change the session.
        let mut order: Vec<usize> = (0..ROLES.len()).collect();
        order.sort_by_key(|role| ROLES[*role] == "secretary");
        for role in order {
            let id = match path {
                path if path.starts_with("/api/orgs/") => {
                    app.account("secretary").org_id.to_string()
                }
                path if path.starts_with("/api/members/") => {
                    app.account("member6").person_id.to_string()
                }
                _ => session.clone(),
            };
            let mut target = path.replace("{id}", &id).replace("{ballot}", &session);
            target = target.replace("{digest}", &"0".repeat(64)).replace("{objection}", "x");
            target = target.replace("{person}", &app.account("member3").person_id.to_string());
            if path.ends_with(".svg") {
                target += "?code=x";
            } else if *path == "/api/sessions" && *method == "GET" {
                target += "?scope=mine";
            } else if *path == "/api/people" {
                target += &format!("?org_id={}", app.account("secretary").org_id);
            }
            target += match *path {
                "/api/orgs/search" => "?q=x",
                "/api/orgs/{id}/import" => "?what=members",
                "/api/orgs/{id}/export" => "?what=members&format=csv",
                _ => "",
            };
            let body = (*method != "GET").then(|| body_of(&app, path, role));
            let answer = clients[role].send(method, &target, &[], body).await;
            if answer.status != expected[role] {
                let (who, want) = (ROLES[role], expected[role]);
                wrong.push(format!("{method} {path} by {who}: {} not {want}", answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    app.stop().await;
}

#[test]
fn no_route_is_missing_from_the_table() {
    let walked: BTreeSet<(String, String)> =
        TABLE.iter().map(|(m, p, _)| ((*m).to_owned(), (*p).to_owned())).collect();
    let served: BTreeSet<(String, String)> =
        routes::table().into_iter().map(|(m, p)| (m.to_string(), p.to_owned())).collect();
    assert_eq!(walked, served);
}
