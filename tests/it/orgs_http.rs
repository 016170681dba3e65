//! Organisations, members and roles over HTTP: who sees and changes what, and what a move leaves
//! as it was.

use serde_json::{Value, json};
use yuntang::domain::OrgRole;
use yuntang::store::RoleGrant;

use crate::http_support::{Client, NOW_US, TestApp};

const DAY_US: i64 = 86_400_000_000;

/// The demo's observer as manager of the whole tree.
async fn manager(app: &TestApp) -> Client {
    let observer = app.account("observer");
    let grant = RoleGrant {
        person_id: observer.person_id,
        org_id: observer.org_id,
        role: OrgRole::Manager,
        inherits: true,
    };
    app.server.app.store.roles().grant(&grant).await.unwrap();
    app.sign_in("observer").await
}

fn names(answer: &Value) -> Vec<String> {
    let items = answer["items"].as_array().unwrap();
    items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

async fn made(client: &Client, parent: &str, kind: &str, name: &str) -> String {
    let form = json!({ "parent_id": parent, "kind": kind, "name": name });
    let answer = client.post("/api/orgs", form).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn everybody_sees_their_own_part_of_the_tree_and_nothing_beside_or_above_it() {
    let app = TestApp::start().await;
    let tops = |client: Client| async move { names(&client.get("/api/orgs").await.json()) };
    assert_eq!(tops(app.sign_in("observer").await).await, ["清河街道党委"]);
    assert_eq!(tops(app.sign_in("secretary").await).await, ["清河社区第一党支部"]);
    assert_eq!(tops(app.sign_in("outsider").await).await, ["东湖街道党委"]);
    assert_eq!(tops(app.sign_in("member2").await).await, [] as [&str; 0]);
    assert_eq!(tops(app.sign_in("admin").await).await.len(), 2);

    let secretary = app.sign_in("secretary").await;
    let found = |q: &str| format!("/api/orgs/search?q={q}");
    let part = "%E6%94%AF%E9%83%A8"; // 支部
    assert_eq!(names(&secretary.get(&found(part)).await.json()), ["清河社区第一党支部"]);
    let all = app.sign_in("observer").await.get(&found(part)).await.json();
    assert_eq!(names(&all), ["清河社区第一党支部", "清河社区第二党支部"]);
    assert_eq!(all["items"][0]["path"][0], "清河街道党委");
    let own = app.account("secretary").org_id;
    let detail = secretary.get(&format!("/api/orgs/{own}")).await.json();
    assert_eq!(detail["path"], json!(["清河社区第一党支部"]), "nothing above");
    assert_eq!((&detail["members"], &detail["full_members"]), (&json!(8), &json!(7)));
    app.stop().await;
}

#[tokio::test]
async fn a_branch_that_moved_leaves_its_past_behind() {
    let app = TestApp::start().await;
    let manager = manager(&app).await;
    let top = app.account("observer").org_id.to_string();
    let (a, b) = (
        made(&manager, &top, "general_branch", "甲总支").await,
        made(&manager, &top, "general_branch", "乙总支").await,
    );
    let branch = app.account("secretary").org_id.to_string();
    let parent = manager.get(&format!("/api/orgs/{branch}")).await.json()["parent_id"].clone();
    let to = |org: &str, from_us: i64| json!({ "parent_id": org, "from_us": from_us });
    let path = format!("/api/orgs/{branch}/move");
    assert_eq!(manager.post(&path, to(&a, NOW_US - 2 * DAY_US)).await.status, 200);
    // Observers of 甲 and 乙.
    let watchers = [("member8", &a), ("member9", &b)];
    for (key, org) in watchers {
        let grant = RoleGrant {
            person_id: app.account(key).person_id,
            org_id: org.parse().unwrap(),
            role: OrgRole::Observer,
            inherits: true,
        };
        app.server.app.store.roles().grant(&grant).await.unwrap();
    }
    let (of_a, of_b) = (app.sign_in("member8").await, app.sign_in("member9").await);
    app.open().await;
    let archive = format!("/api/archive/{}", app.session());
    assert_eq!((of_a.get(&archive).await.status, of_b.get(&archive).await.status), (200, 403));

    // From tomorrow on under 乙: today nothing changes.
    let refused = manager.post(&path, to(&b, NOW_US - 3 * DAY_US)).await;
    assert_eq!(refused.refusal(), (409, "conflict".into()), "before the last move");
    assert_eq!(manager.post(&path, to(&b, NOW_US + DAY_US)).await.status, 200);
    assert_eq!(of_b.get(&format!("/api/orgs/{branch}")).await.status, 403);
    app.clock.advance(DAY_US);
    let (of_a, of_b) = (app.sign_in("member8").await, app.sign_in("member9").await);
    assert_eq!(of_b.get(&format!("/api/orgs/{branch}")).await.status, 200);
    assert_eq!(of_a.get(&format!("/api/orgs/{branch}")).await.status, 403);
    // The session of before stays 甲's, in lists too; the next one is 乙's.
    assert_eq!((of_a.get(&archive).await.status, of_b.get(&archive).await.status), (200, 403));
    let listed = |client: Client| async move {
        let items = client.get("/api/sessions?scope=subtree").await.json()["items"].clone();
        items.as_array().unwrap().iter().map(|s| s["id"].clone()).collect::<Vec<_>>()
    };
    let of_before = json!(app.session());
    assert!(listed(of_a).await.contains(&of_before));
    assert!(!listed(of_b.clone()).await.contains(&of_before));
    let secretary = app.sign_in("secretary").await;
    let plan = json!({
        "org_id": branch, "kind": "branch_assembly", "title": "支部党员大会",
        "planned_start_us": NOW_US + DAY_US, "duration_min": 60,
    });
    let next = secretary.post("/api/sessions", plan).await.json()["id"].clone();
    assert!(listed(of_b).await.contains(&next));
    let moves = app.sign_in("admin").await.get(&format!("/api/orgs/{branch}")).await.json();
    let moves: Vec<&Value> =
        moves["moves"].as_array().unwrap().iter().map(|m| &m["parent_id"]).collect();
    assert_eq!(moves, [&parent, &json!(a), &json!(b)]);
    app.stop().await;
}

#[tokio::test]
async fn a_move_needs_both_ends_and_makes_no_circle() {
    let app = TestApp::start().await;
    let manager = manager(&app).await;
    let top = app.account("observer").org_id.to_string();
    let a = made(&manager, &top, "general_branch", "甲总支").await;
    let inner = made(&manager, &a, "branch", "甲一支部").await;
    let other = app.account("outsider").org_id.to_string();
    let from_us = NOW_US;
    let moved = |org: String, to: String| {
        let manager = manager.clone();
        async move {
            let form = json!({ "parent_id": to, "from_us": from_us });
            manager.post(&format!("/api/orgs/{org}/move"), form).await.refusal()
        }
    };
    assert_eq!(moved(a.clone(), other).await.0, 403, "into another tree");
    assert_eq!(moved(top, a.clone()).await.0, 403, "the whole tree");
    assert_eq!(moved(a.clone(), inner).await.0, 422, "below itself");
    let branch = app.account("secretary").org_id.to_string();
    assert_eq!(moved(a, branch).await.0, 422, "no 总支 below a branch");
    app.stop().await;
}

#[tokio::test]
async fn the_committee_is_due_in_its_meeting_and_the_group_in_its() {
    let app = TestApp::start().await;
    let secretary = app.sign_in("secretary").await;
    let branch = app.account("secretary").org_id.to_string();
    let plan = |org: &str, kind: &str| {
        json!({ "org_id": org, "kind": kind, "title": "会议", "planned_start_us": NOW_US,
            "duration_min": 60 })
    };
    let due = |answer: Value| {
        let mut names: Vec<String> = answer["roster"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    let committee = secretary.post("/api/sessions", plan(&branch, "branch_committee")).await;
    assert_eq!(due(committee.json()), ["周建华", "林晓敏", "陈志强"]);
    let assembly = secretary.post("/api/sessions", plan(&branch, "branch_assembly")).await;
    assert_eq!(due(assembly.json()).len(), 8);

    // A term that has ended is no seat any more when the room opens.
    let ended = json!({
        "person_id": app.account("recorder").person_id, "post": "publicity",
        "from_on": "2023-01-01", "until_on": "2026-11-21",
    });
    assert_eq!(secretary.put(&format!("/api/orgs/{branch}/seats"), ended).await.status, 204);
    let id = committee.json()["id"].as_str().unwrap().to_owned();
    let opened = secretary.post(&format!("/api/sessions/{id}/open"), json!({})).await;
    assert_eq!(due(opened.json()), ["周建华", "陈志强"]);

    let refused = secretary.post("/api/sessions", plan(&branch, "group_meeting")).await;
    assert_eq!(refused.refusal(), (422, "validation".into()), "a group holds it");
    let leader = app.sign_in("member1").await;
    let admin = app.sign_in("admin").await;
    let below = admin.get(&format!("/api/orgs?parent={branch}")).await.json();
    let group = below["items"].as_array().unwrap().iter().find(|o| o["name"] == "第一党小组");
    let group = group.unwrap()["id"].as_str().unwrap().to_owned();
    let group_meeting = leader.post("/api/sessions", plan(&group, "group_meeting")).await;
    assert_eq!(due(group_meeting.json()).len(), 4);
    app.stop().await;
}

#[tokio::test]
async fn a_branch_of_six_is_told_that_it_needs_no_committee() {
    let app = TestApp::start().await;
    let second = app.sign_in("member7").await;
    let branch = app.account("member7").org_id.to_string();
    let plan = json!({ "org_id": branch, "kind": "branch_committee", "title": "会议",
        "planned_start_us": NOW_US, "duration_min": 60 });
    let refused = second.post("/api/sessions", plan).await;
    assert_eq!(refused.refusal(), (422, "validation".into()));
    assert!(refused.text().contains("不足7人"), "{}", refused.text());
    let detail = second.get(&format!("/api/orgs/{branch}")).await.json();
    assert_eq!((&detail["full_members"], &detail["has_committee"]), (&json!(5), &json!(false)));
    let first = app.account("secretary").org_id;
    let detail = app.sign_in("secretary").await.get(&format!("/api/orgs/{first}")).await.json();
    assert_eq!(detail["has_committee"], true);
    app.stop().await;
}

#[tokio::test]
async fn a_transfer_needs_both_books_and_ends_the_roles_of_the_old_branch() {
    let app = TestApp::start().await;
    let secretary = app.sign_in("secretary").await;
    let second = app.account("member7").org_id;
    let person = app.account("member1").person_id;
    let form = json!({ "name": "陈志强", "class": "full", "org_id": second });
    let path = format!("/api/members/{person}");
    assert_eq!(secretary.put(&path, form.clone()).await.status, 403, "the other branch's books");
    let manager = manager(&app).await;
    let moved = manager.put(&path, form).await;
    assert_eq!((moved.status, &moved.json()["org_name"]), (200, &json!("清河社区第二党支部")));
    let roles = app.server.app.store.roles().of_person(person).await.unwrap();
    assert!(roles.iter().all(|g| g.org_id == second), "{roles:?}");
    app.stop().await;
}

#[tokio::test]
async fn members_are_found_by_the_start_of_name_and_number_and_phones_stay_with_the_books() {
    let app = TestApp::start().await;
    let secretary = app.sign_in("secretary").await;
    let branch = app.account("secretary").org_id.to_string();
    let path = format!("/api/orgs/{branch}/members");
    for (name, code) in [("王建国", "D900"), ("王建军", "D901"), ("𠮷野", "D902")] {
        let form = json!({ "name": name, "code": code, "class": "full", "phone": "13900000000" });
        assert_eq!(secretary.post(&path, form).await.status, 201);
    }
    let form = json!({ "name": "王五", "code": "D900", "class": "full" });
    assert_eq!(secretary.post(&path, form).await.refusal(), (409, "conflict".into()));
    for (bad, value) in
        [("name", "<b>王</b>"), ("name", "王\u{202e}"), ("phone", "x"), ("code", "甲")]
    {
        let mut form = json!({ "name": "王五", "class": "full" });
        form[bad] = value.into();
        assert_eq!(secretary.post(&path, form).await.refusal().0, 422, "{bad}");
    }
    let recorder = app.sign_in("recorder").await;
    let wang = recorder.get(&format!("{path}?q=%E7%8E%8B")).await.json();
    assert_eq!(names(&wang), ["王建军", "王建国"]);
    assert_eq!(wang["items"][0]["phone"], Value::Null, "no phone for who keeps no books");
    let by_code = secretary.get(&format!("{path}?q=D90")).await.json();
    assert_eq!(names(&by_code).len(), 3);
    assert_eq!(by_code["items"][0]["phone"], "13900000000");
    let rare = secretary.get(&format!("{path}?q=%F0%A0%AE%B7")).await.json();
    assert_eq!(names(&rare), ["𠮷野"]);
    // From above, with everything below; siblings and those above see nothing of it.
    let top = app.account("observer").org_id;
    let observer = app.sign_in("observer").await;
    let below = observer.get(&format!("/api/orgs/{top}/members?below=true&q=D90")).await.json();
    assert_eq!(names(&below).len(), 3);
    assert_eq!(secretary.get(&format!("/api/orgs/{top}/members")).await.status, 403);
    let audit = app.sign_in("admin").await.get(&format!("/api/orgs/{branch}/audit")).await;
    assert_eq!(audit.json()["items"].as_array().unwrap().len(), 3);
    assert!(!audit.text().contains("13900000000"), "phone numbers stay out of the audit trail");
    app.stop().await;
}

#[tokio::test]
async fn a_member_gets_an_account_and_loses_it_when_they_leave() {
    let app = TestApp::start().await;
    let secretary = app.sign_in("secretary").await;
    let branch = app.account("secretary").org_id.to_string();
    let form = json!({ "name": "王建国", "class": "full" });
    let made = secretary.post(&format!("/api/orgs/{branch}/members"), form).await.json();
    let person = made["id"].as_str().unwrap();
    let path = format!("/api/members/{person}/account");
    let account = secretary.post(&path, json!({ "login": "Wang" })).await.json();
    let mut wang = app.client();
    let login = json!({ "login": "wang", "password": account["password"] });
    let answer = wang.post("/api/login", login).await;
    assert_eq!(answer.json()["must_change_password"], true);
    wang.cookie = answer.cookie();
    let left = json!({ "name": "王建国", "class": "full", "active": false });
    assert_eq!(secretary.put(&format!("/api/members/{person}"), left).await.status, 200);
    assert_eq!(wang.get("/api/me").await.status, 401);
    app.stop().await;
}

#[tokio::test]
async fn administrators_and_the_work_of_the_party_are_in_different_hands() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin").await;
    let branch = app.account("secretary").org_id;
    let path = format!("/api/orgs/{branch}/roles");
    let form = |key: &str, role: &str| json!({ "person_id": app.account(key).person_id, "role": role, "inherits": true });
    assert_eq!(admin.post(&path, form("admin", "observer")).await.refusal().0, 409);
    assert_eq!(admin.post(&path, form("secretary", "administrator")).await.refusal().0, 409);
    assert_eq!(admin.post(&path, form("member2", "member")).await.refusal().0, 422);
    assert_eq!(admin.post(&path, form("member2", "group_leader")).await.refusal().0, 422);
    let manager = manager(&app).await;
    assert_eq!(manager.post(&path, form("member3", "administrator")).await.refusal().0, 403);
    assert_eq!(manager.post(&path, form("outsider", "observer")).await.refusal().0, 404);
    assert_eq!(manager.post(&path, form("member3", "secretary")).await.status, 204);
    let held = app.server.app.store.roles().of_person(app.account("member3").person_id).await;
    let secretary = held.unwrap().into_iter().find(|g| g.role == OrgRole::Secretary).unwrap();
    assert!(!secretary.inherits, "only observers and managers reach down");
    app.stop().await;
}

#[tokio::test]
async fn an_organisation_with_members_is_not_closed() {
    let app = TestApp::start().await;
    let manager = manager(&app).await;
    let top = app.account("observer").org_id.to_string();
    let a = made(&manager, &top, "general_branch", "甲总支").await;
    let inner = made(&manager, &a, "branch", "甲一支部").await;
    let close = |org: &str| format!("/api/orgs/{org}/close");
    assert_eq!(manager.post(&close(&a), json!({})).await.refusal().0, 409);
    assert_eq!(manager.post(&close(&inner), json!({})).await.json()["closed"], true);
    assert_eq!(manager.post(&close(&a), json!({})).await.status, 200);
    let form = json!({ "parent_id": a, "kind": "branch", "name": "新支部" });
    assert_eq!(manager.post("/api/orgs", form).await.refusal().0, 422);
    app.stop().await;
}
