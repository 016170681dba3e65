//! What every repository promises, on SQLite and on PostgreSQL alike.

use std::collections::HashSet;

use signaling::view::{AgendaItem, MemberClass, SessionState};
use yuntang::domain::{MeetingKind, OrgId, OrgKind, OrgRole, PersonId, Policy, Roster, SessionId};
use yuntang::store::{
    Account, BootAnchor, NewSession, OpenSession, Org, Person, RenderState, RoleGrant, Store,
    StoreError, StoredChat, WebSession,
};

use crate::journal_support::{TestKey, entry, header, id};
use crate::store_support::{TestDb, on_both_engines};

on_both_engines!(
    an_account_is_found_by_login_and_a_login_is_taken_once,
    a_cookie_is_good_until_it_expires_or_is_revoked,
    ended_sign_ins_leave_a_mark_and_others_can_be_prolonged,
    superiors_reach_down_the_tree_only,
    a_roster_starts_from_the_active_members_of_the_branch,
    roles_are_granted_and_revoked,
    opening_freezes_the_roster_once,
    a_session_moves_only_along_its_life,
    the_clock_of_a_running_session_can_be_tied_to_a_new_boot,
    sessions_are_found_by_person_and_by_subtree,
    chat_is_kept_in_order_and_can_be_erased,
    a_render_job_is_claimed_once_and_retried,
    settings_keep_the_first_or_the_last_value,
    migrating_again_changes_nothing,
    two_servers_may_start_at_once,
    a_failed_change_leaves_nothing_behind,
);

const NOW: i64 = 1_795_000_000_000_000;

/// 党委(900) → 党总支(901) → 党支部(902) → 党小组(903), and 党支部(904) beside; people 1–4.
pub async fn populate(store: &Store) {
    let org = |n, parent: Option<u32>, kind, name: &str| Org {
        id: id(n),
        parent: parent.map(id),
        kind,
        name: name.into(),
    };
    for o in [
        org(900, None, OrgKind::Committee, "区委"),
        org(901, Some(900), OrgKind::GeneralBranch, "机关党总支"),
        org(902, Some(901), OrgKind::Branch, "第一党支部"),
        org(903, Some(902), OrgKind::Group, "第一党小组"),
        org(904, Some(901), OrgKind::Branch, "第二党支部"),
    ] {
        store.orgs().create(&o).await.unwrap();
    }
    let person = |n, group: Option<u32>, class| Person {
        id: id(n),
        name: format!("党员{n}"),
        org_id: id(902),
        group_id: group.map(id),
        class,
        active: n != 3,
    };
    for p in [
        person(1, Some(903), Some(MemberClass::Full)),
        person(2, None, Some(MemberClass::Probationary)),
        person(3, None, Some(MemberClass::Full)),
        person(4, None, None),
    ] {
        store.persons().create(&p).await.unwrap();
    }
}

pub fn new_session(n: u32) -> NewSession {
    NewSession {
        id: id(n),
        org_id: id(902),
        kind: MeetingKind::BranchAssembly,
        title: "支部党员大会".into(),
        planned_start_us: NOW + i64::from(n),
        duration_min: 90,
        agenda: vec![AgendaItem { title: "学习“二十大”精神".into() }],
        chair: id(1),
        recorder: Some(id(2)),
        policy: Policy::default(),
        roster: Roster(vec![entry(1, MemberClass::Full), entry(2, MemberClass::Probationary)]),
        created_us: NOW,
    }
}

pub async fn opened(store: &Store, n: u32, key: &TestKey) -> SessionId {
    let session = new_session(n);
    store.sessions().create(&session).await.unwrap();
    let header = header(session.id, session.roster.0, key);
    store.sessions().open(&OpenSession { header, boot: boot() }).await.unwrap();
    session.id
}

fn boot() -> BootAnchor {
    BootAnchor { boot_id: "b".into(), boot_mono_us: 42 }
}

fn conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Conflict(_))), "{result:?}");
}

async fn an_account_is_found_by_login_and_a_login_is_taken_once(db: TestDb) {
    populate(&db.store).await;
    let accounts = db.store.accounts();
    let account = Account {
        id: id(70),
        person_id: id(1),
        login: "zhang".into(),
        password_hash: "$argon2id$…".into(),
        must_change_password: true,
        large_type: false,
    };
    accounts.create(&account).await.unwrap();
    assert_eq!(accounts.by_login("zhang").await.unwrap().as_ref(), Some(&account));
    assert_eq!(accounts.by_login("Zhang").await.unwrap(), None);
    assert_eq!(accounts.count().await.unwrap(), 1);
    conflict(accounts.create(&Account { id: id(71), person_id: id(2), ..account.clone() }).await);
    conflict(accounts.create(&Account { id: id(71), login: "li".into(), ..account.clone() }).await);
    accounts.set_password(id(70), "new", false).await.unwrap();
    accounts.set_large_type(id(70), true).await.unwrap();
    let account = accounts.get(id(70)).await.unwrap().unwrap();
    assert_eq!(account.password_hash, "new");
    assert!(account.large_type && !account.must_change_password);
    let unknown = accounts.set_password(id(79), "x", false).await;
    assert!(matches!(unknown, Err(StoreError::NotFound(_))));
}

async fn ended_sign_ins_leave_a_mark_and_others_can_be_prolonged(db: TestDb) {
    populate(&db.store).await;
    let account = |n, login: &str| Account {
        id: id(70 + n),
        person_id: id(n),
        login: login.into(),
        password_hash: String::new(),
        must_change_password: false,
        large_type: false,
    };
    let web = db.store.web_sessions();
    for (n, login, hashes) in [(1, "zhang", ["a", "b", "c"]), (2, "li", ["d", "e", "f"])] {
        db.store.accounts().create(&account(n, login)).await.unwrap();
        let session = WebSession { account_id: id(70 + n), created_us: 10, expires_us: 20 };
        for hash in hashes {
            web.create(hash, &session).await.unwrap();
        }
    }
    let mut marks = vec![web.endings().await.unwrap()];
    assert_eq!(web.revoke_others(id(71), "b").await.unwrap(), 2);
    marks.push(web.endings().await.unwrap());
    web.revoke("d").await.unwrap();
    marks.push(web.endings().await.unwrap());
    assert_eq!(web.revoke_all(id(72)).await.unwrap(), 2);
    marks.push(web.endings().await.unwrap());
    assert!(marks.windows(2).all(|pair| pair[0] != pair[1]), "{marks:?}");
    assert_eq!(web.all().await.unwrap(), HashSet::from(["b".to_owned()]));
    // Nothing ended: nothing to look for.
    assert_eq!(web.revoke_all(id(72)).await.unwrap(), 0);
    web.extend("b", 30).await.unwrap();
    web.extend("b", 25).await.unwrap();
    web.extend("d", 30).await.unwrap();
    assert_eq!(web.endings().await.unwrap(), marks[3]);
    assert!(web.get("b", 29).await.unwrap().is_some());
    assert!(web.get("b", 30).await.unwrap().is_none());
    assert!(web.get("d", 11).await.unwrap().is_none());
}

async fn a_cookie_is_good_until_it_expires_or_is_revoked(db: TestDb) {
    populate(&db.store).await;
    let account = Account {
        id: id(70),
        person_id: id(1),
        login: "zhang".into(),
        password_hash: String::new(),
        must_change_password: false,
        large_type: false,
    };
    db.store.accounts().create(&account).await.unwrap();
    let web = db.store.web_sessions();
    let session = WebSession { account_id: id(70), created_us: 10, expires_us: 20 };
    for hash in ["a", "b", "c"] {
        web.create(hash, &session).await.unwrap();
    }
    assert_eq!(web.get("a", 19).await.unwrap(), Some(session));
    assert_eq!(web.get("a", 20).await.unwrap(), None);
    web.revoke("a").await.unwrap();
    assert_eq!(web.get("a", 11).await.unwrap(), None);
    assert_eq!(web.revoke_all(id(70)).await.unwrap(), 2);
    assert_eq!(web.get("b", 11).await.unwrap(), None);
    assert_eq!(web.delete_expired(99).await.unwrap(), 0);
    conflict(
        web.create("d", &WebSession { account_id: id(79), created_us: 0, expires_us: 1 }).await,
    );
}

async fn superiors_reach_down_the_tree_only(db: TestDb) {
    populate(&db.store).await;
    let orgs = db.store.orgs();
    let ids = |orgs: Vec<Org>| orgs.into_iter().map(|o| o.id).collect::<Vec<OrgId>>();
    assert_eq!(ids(orgs.subtree(id(901)).await.unwrap()), [901, 902, 904, 903].map(id::<OrgId>));
    assert_eq!(
        ids(orgs.ancestors_or_self(id(902)).await.unwrap()),
        [902, 901, 900].map(id::<OrgId>)
    );
    assert!(orgs.is_ancestor_or_self(id(900), id(903)).await.unwrap());
    assert!(!orgs.is_ancestor_or_self(id(904), id(903)).await.unwrap());
    assert!(!orgs.is_ancestor_or_self(id(902), id(901)).await.unwrap());
    assert_eq!(orgs.subtree(id(999)).await.unwrap(), []);
    let tree = orgs.tree().await.unwrap();
    assert_eq!(tree.get(id(902)), orgs.get(id(902)).await.unwrap().as_ref());
    let lost =
        Org { id: id(905), parent: Some(id(999)), kind: OrgKind::Branch, name: String::new() };
    conflict(orgs.create(&lost).await);
}

async fn a_roster_starts_from_the_active_members_of_the_branch(db: TestDb) {
    populate(&db.store).await;
    let persons = db.store.persons();
    let roster = persons.roster_of(id(902)).await.unwrap();
    let seen: Vec<_> =
        roster.iter().map(|e| (e.person_id, e.voter, e.group_name.as_deref())).collect();
    assert_eq!(seen, [(id(1), true, Some("第一党小组")), (id(2), false, None)]);
    assert_eq!(roster[0].org_name, "第一党支部");
    assert_eq!(persons.roster_of(id(903)).await.unwrap().len(), 1);
    assert_eq!(persons.of_org(id(902)).await.unwrap().len(), 3);
    assert!(!persons.get(id(3)).await.unwrap().unwrap().active);
}

async fn roles_are_granted_and_revoked(db: TestDb) {
    populate(&db.store).await;
    let roles = db.store.roles();
    let grant =
        RoleGrant { person_id: id(4), org_id: id(900), role: OrgRole::Observer, inherits: false };
    roles.grant(&grant).await.unwrap();
    let grant = RoleGrant { inherits: true, ..grant };
    roles.grant(&grant).await.unwrap();
    assert_eq!(roles.of_person(id(4)).await.unwrap(), std::slice::from_ref(&grant));
    assert_eq!(roles.of_org(id(900)).await.unwrap(), [grant]);
    roles.revoke(id(4), id(900), OrgRole::Observer).await.unwrap();
    assert_eq!(roles.of_person(id(4)).await.unwrap(), []);
}

async fn opening_freezes_the_roster_once(db: TestDb) {
    populate(&db.store).await;
    let sessions = db.store.sessions();
    let planned = new_session(30);
    sessions.create(&planned).await.unwrap();
    let session = sessions.get(id(30)).await.unwrap().unwrap();
    assert_eq!((session.state, session.org_name.as_str()), (SessionState::Planned, "第一党支部"));
    assert_eq!((session.agenda, session.boot), (planned.agenda, None));
    sessions.plan_roster(id(30), &Roster(vec![entry(2, MemberClass::Full)])).await.unwrap();

    let mut header = header(id(30), planned.roster.0.clone(), &TestKey::new(7));
    header.policy.bridge_s = 3;
    let open = OpenSession { header: header.clone(), boot: boot() };
    sessions.open(&open).await.unwrap();
    let session = sessions.get(id(30)).await.unwrap().unwrap();
    assert_eq!((session.state, session.policy.bridge_s), (SessionState::Opened, 3));
    assert_eq!((session.boot, session.opened_us), (Some(boot()), Some(header.opened_at_us)));
    assert_eq!(sessions.roster(id(30)).await.unwrap(), header.roster);
    assert_eq!(db.store.journal().header(id(30)).await.unwrap(), header);
    conflict(sessions.open(&open).await);
    conflict(sessions.plan_roster(id(30), &Roster::default()).await);
    assert_eq!(sessions.roster(id(30)).await.unwrap(), header.roster);
}

async fn a_session_moves_only_along_its_life(db: TestDb) {
    use SessionState::{Archived, DeclaredClosed, DeclaredOpen, Opened, Planned};
    populate(&db.store).await;
    let sessions = db.store.sessions();
    let session = opened(&db.store, 30, &TestKey::new(7)).await;
    conflict(sessions.advance(session, Planned, Opened, 0).await);
    conflict(sessions.advance(session, DeclaredOpen, DeclaredClosed, 5).await);
    sessions.advance(session, Opened, DeclaredOpen, 5).await.unwrap();
    conflict(sessions.advance(session, Opened, DeclaredOpen, 6).await);
    conflict(sessions.cancel(session, "late").await);
    sessions.set_chair(session, id(2)).await.unwrap();
    sessions.advance(session, DeclaredOpen, DeclaredClosed, 9).await.unwrap();
    sessions.advance(session, DeclaredClosed, Archived, 10).await.unwrap();
    let done = sessions.get(session).await.unwrap().unwrap();
    assert_eq!((done.declared_open_us, done.declared_closed_us), (Some(5), Some(9)));
    assert_eq!((done.state, done.chair), (Archived, id::<PersonId>(2)));

    sessions.create(&new_session(31)).await.unwrap();
    sessions.cancel(id(31), "场地变更").await.unwrap();
    let cancelled = sessions.get(id(31)).await.unwrap().unwrap();
    assert_eq!(cancelled.cancel_reason.as_deref(), Some("场地变更"));
}

async fn the_clock_of_a_running_session_can_be_tied_to_a_new_boot(db: TestDb) {
    populate(&db.store).await;
    let sessions = db.store.sessions();
    sessions.create(&new_session(33)).await.unwrap();
    let boot = BootAnchor { boot_id: "another boot".into(), boot_mono_us: -90_000_000 };
    conflict(sessions.set_boot(id(33), &boot).await);
    let session = opened(&db.store, 34, &TestKey::new(7)).await;
    sessions.set_boot(session, &boot).await.unwrap();
    assert_eq!(sessions.get(session).await.unwrap().unwrap().boot, Some(boot));
}

async fn sessions_are_found_by_person_and_by_subtree(db: TestDb) {
    populate(&db.store).await;
    let sessions = db.store.sessions();
    sessions.create(&new_session(30)).await.unwrap();
    sessions.create(&new_session(31)).await.unwrap();
    let mut elsewhere = new_session(32);
    elsewhere.org_id = id(904);
    elsewhere.roster.0.remove(1);
    elsewhere.recorder = None;
    sessions.create(&elsewhere).await.unwrap();
    opened(&db.store, 29, &TestKey::new(7)).await;
    let ids =
        |found: Vec<yuntang::store::Session>| found.into_iter().map(|s| s.id).collect::<Vec<_>>();
    let want = |ids: &[u32]| ids.iter().map(|n| id::<SessionId>(*n)).collect::<Vec<_>>();
    assert_eq!(ids(sessions.of_person(id(1), 9).await.unwrap()), want(&[29, 32, 31, 30]));
    assert_eq!(ids(sessions.of_person(id(2), 9).await.unwrap()), want(&[29, 31, 30]));
    assert_eq!(ids(sessions.of_person(id(2), 1).await.unwrap()), want(&[29]));
    assert_eq!(ids(sessions_of(&db.store, 900, None).await), want(&[29, 32, 31, 30]));
    assert_eq!(ids(sessions_of(&db.store, 904, None).await), want(&[32]));
    let opened = Some(SessionState::Opened);
    assert_eq!(ids(sessions_of(&db.store, 902, opened).await), want(&[29]));
    assert_eq!(ids(sessions.running().await.unwrap()), want(&[29]));
}

async fn sessions_of(
    store: &Store,
    org: u32,
    state: Option<SessionState>,
) -> Vec<yuntang::store::Session> {
    store.sessions().of_subtree(id(org), state, 9).await.unwrap()
}

async fn chat_is_kept_in_order_and_can_be_erased(db: TestDb) {
    populate(&db.store).await;
    db.store.sessions().create(&new_session(30)).await.unwrap();
    let chat = db.store.chat();
    let message = |n: u32, at_us| StoredChat {
        id: id(n),
        person_id: id(1),
        name: "党员1".into(),
        at_us,
        text: Some(format!("第{n}条 \u{1f600}")),
    };
    for m in [message(52, 7), message(50, 5), message(51, 5)] {
        chat.add(id(30), &m).await.unwrap();
    }
    let ordered = [message(50, 5), message(51, 5), message(52, 7)];
    assert_eq!(chat.of_session(id(30)).await.unwrap(), ordered);
    assert_eq!(chat.last(id(30), 2).await.unwrap(), ordered[1..]);
    chat.erase(id(51)).await.unwrap();
    assert_eq!(chat.of_session(id(30)).await.unwrap()[1].text, None);
    conflict(chat.add(id(30), &message(50, 5)).await);
}

async fn a_render_job_is_claimed_once_and_retried(db: TestDb) {
    populate(&db.store).await;
    db.store.sessions().create(&new_session(30)).await.unwrap();
    let jobs = db.store.render_jobs();
    assert_eq!(jobs.claim(0).await.unwrap(), None);
    jobs.create(id(60), id(30), 1).await.unwrap();
    let (a, b) = tokio::join!(jobs.claim(2), jobs.claim(2));
    let claimed: Vec<_> = [a.unwrap(), b.unwrap()].into_iter().flatten().collect();
    assert_eq!(claimed.len(), 1);
    assert_eq!((claimed[0].state, claimed[0].attempts), (RenderState::Running, 1));
    jobs.progress(id(60), "compose", 400, 3).await.unwrap();
    jobs.fail(id(60), "the worker crashed", true, 4).await.unwrap();
    let again = jobs.claim(5).await.unwrap().unwrap();
    assert_eq!((again.attempts, again.message.as_deref()), (2, Some("the worker crashed")));
    assert_eq!(jobs.requeue_running(6).await.unwrap(), 1);
    jobs.claim(7).await.unwrap().unwrap();
    jobs.finish(id(60), "{}", 8).await.unwrap();
    conflict(jobs.finish(id(60), "{}", 9).await);
    let done = jobs.of_session(id(30)).await.unwrap().unwrap();
    assert_eq!((done.state, done.permille, done.attempts), (RenderState::Done, 1000, 3));
    assert_eq!((done.result.as_deref(), done.message), (Some("{}"), None));
}

async fn settings_keep_the_first_or_the_last_value(db: TestDb) {
    let settings = db.store.settings();
    assert_eq!(settings.get("installation").await.unwrap(), None);
    assert_eq!(settings.get_or_set("installation", "a").await.unwrap(), "a");
    assert_eq!(settings.get_or_set("installation", "b").await.unwrap(), "a");
    settings.set("installation", "c").await.unwrap();
    assert_eq!(settings.get("installation").await.unwrap().as_deref(), Some("c"));
}

async fn migrating_again_changes_nothing(db: TestDb) {
    db.store.settings().set("k", "v").await.unwrap();
    let again = Store::connect(&db.url, Some(&db.url)).await.unwrap();
    assert_eq!(again.settings().get("k").await.unwrap().as_deref(), Some("v"));
    again.ping().await.unwrap();
    db.raw("INSERT INTO schema_migrations (version, name, at_us) VALUES (99, 'later', 0)")
        .await
        .unwrap();
    let newer = Store::connect(&db.url, None).await;
    assert!(matches!(newer, Err(StoreError::Invalid(_))), "a newer schema is refused");
}

async fn two_servers_may_start_at_once(db: TestDb) {
    // An empty database: another file, or everything dropped.
    let url = match db.url.starts_with("postgres") {
        true => {
            db.raw("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await.unwrap();
            db.url.clone()
        }
        false => db.url.replace("yuntang.db", "fresh.db"),
    };
    let (a, b) = tokio::join!(Store::connect(&url, None), Store::connect(&url, None));
    a.unwrap().settings().set("k", "v").await.unwrap();
    assert_eq!(b.unwrap().settings().get("k").await.unwrap().as_deref(), Some("v"));
}

async fn a_failed_change_leaves_nothing_behind(db: TestDb) {
    populate(&db.store).await;
    let mut session = new_session(30);
    session.roster.0.push(entry(99, MemberClass::Full));
    conflict(db.store.sessions().create(&session).await);
    assert_eq!(db.store.sessions().get(id(30)).await.unwrap(), None);
    assert_eq!(db.store.sessions().roster(id(30)).await.unwrap(), Roster::default());
}
