//! Organisations, members, imports and the audit trail, on SQLite and on PostgreSQL alike.

use serde_json::json;
use signaling::view::MemberClass;
use yuntang::domain::{MeetingKind, OrgId, OrgKind, PersonId, Post, Seat};
use yuntang::store::{
    AuditEntry, Member, MemberFilter, MemberPut, Org, OrgPut, StoreError, new_id,
};

use crate::journal_support::id;
use crate::store_contract::populate;
use crate::store_support::{TestDb, on_both_engines};

on_both_engines!(
    edges_and_audit_are_append_only,
    a_planned_move_comes_into_force_by_itself,
    members_are_paged_and_found_by_prefix,
    a_committee_is_due_by_its_terms,
    an_import_is_all_or_nothing,
    codes_are_taken_once,
);

const NOW: i64 = 1_795_000_000_000_000;

fn by(action: &str) -> AuditEntry {
    AuditEntry {
        at_us: NOW,
        account: id(700),
        person: id(1),
        action: action.into(),
        org: id(902),
        subject: None,
        detail: json!({}),
    }
}

fn member(n: u32, name: &str, org: u32) -> Member {
    Member {
        id: id(n),
        code: Some(format!("D{n}")),
        name: name.into(),
        org_id: id(org),
        group_id: None,
        class: Some(MemberClass::Full),
        phone: None,
        active: true,
        seat: None,
    }
}

async fn edges_and_audit_are_append_only(db: TestDb) {
    populate(&db.store).await;
    db.store.orgs().move_to(id(904), id(900), NOW - 1, &by("org_move")).await.unwrap();
    for sql in [
        "UPDATE org_edges SET from_us = 1 WHERE from_us > 0",
        "DELETE FROM org_edges",
        "UPDATE audit SET action = 'x'",
        "DELETE FROM audit",
    ] {
        let said = db.raw(sql).await.unwrap_err();
        assert!(said.contains("is append-only"), "{sql}: {said}");
    }
    let lines = db.store.audit().of_org(id(902), i64::MAX, 10).await.unwrap();
    let seen: Vec<_> =
        lines.iter().map(|l| (l.entry.action.as_str(), l.by_name.as_str())).collect();
    assert_eq!(seen, [("org_move", "党员1")]);
}

async fn a_planned_move_comes_into_force_by_itself(db: TestDb) {
    populate(&db.store).await;
    let orgs = db.store.orgs();
    let before = orgs.version().await.unwrap();
    orgs.move_to(id(904), id(900), NOW + 10, &by("org_move")).await.unwrap();
    assert_ne!(orgs.version().await.unwrap(), before);
    assert_eq!(orgs.get(id(904)).await.unwrap().unwrap().parent, Some(id(901)));
    assert_eq!(orgs.next_due_us(NOW).await.unwrap(), Some(NOW + 10));
    assert!(!orgs.apply_due(NOW + 9).await.unwrap());
    assert!(orgs.apply_due(NOW + 10).await.unwrap());
    assert!(!orgs.apply_due(NOW + 10).await.unwrap(), "once");
    let tree = orgs.tree().await.unwrap();
    assert_eq!(tree.get(id(904)).unwrap().parent, Some(id(900)));
    assert!(tree.was_ancestor_or_self(id(901), id(904), NOW + 9));
    assert!(!tree.was_ancestor_or_self(id(901), id(904), NOW + 10));
    // Nothing is written in front of what is on record.
    let refused = orgs.move_to(id(904), id(901), NOW + 10, &by("org_move")).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    // Two that would stand below one another: the second is void, and says so by an edge.
    orgs.move_to(id(901), id(904), NOW + 20, &by("org_move")).await.unwrap();
    orgs.move_to(id(904), id(901), NOW + 20, &by("org_move")).await.unwrap();
    assert!(orgs.apply_due(NOW + 20).await.unwrap());
    let tree = orgs.tree().await.unwrap();
    let parents = [901, 904].map(|n| tree.get(id(n)).unwrap().parent);
    assert_eq!(parents, [Some(id(904)), Some(id(900))]);
    assert_eq!(tree.parent_at(id(904), NOW + 30), Some(id(900)));
}

async fn members_are_paged_and_found_by_prefix(db: TestDb) {
    populate(&db.store).await;
    let members = db.store.members();
    for n in 0..25 {
        let org = if n % 2 == 0 { 902 } else { 904 };
        members
            .put(&member(100 + n, &format!("王{n:02}"), org), &by("member_create"))
            .await
            .unwrap();
    }
    members.put(&member(200, "𠮷田", 904), &by("member_create")).await.unwrap();
    let tree = db.store.orgs().tree().await.unwrap();
    let mut filter = MemberFilter { prefix: "王".into(), limit: 10, ..MemberFilter::default() };
    let mut seen = Vec::new();
    loop {
        let page = members.of_subtree(&tree, id(901), &filter).await.unwrap();
        seen.extend(page.items.iter().map(|m| m.name.clone()));
        filter.after = page.next;
        if filter.after.is_none() {
            break;
        }
    }
    let wanted: Vec<String> = (0..25).map(|n| format!("王{n:02}")).collect();
    assert_eq!(seen, wanted, "each once, in order, over three pages");
    let found =
        |prefix: &str| MemberFilter { prefix: prefix.into(), limit: 50, ..MemberFilter::default() };
    let names = |page: yuntang::store::MemberPage| {
        page.items.into_iter().map(|m| m.name).collect::<Vec<_>>()
    };
    assert_eq!(members.of_org(id(904), &found("王")).await.unwrap().items.len(), 12);
    assert_eq!(names(members.of_org(id(904), &found("𠮷")).await.unwrap()), ["𠮷田"]);
    assert_eq!(names(members.of_org(id(904), &found("D200")).await.unwrap()), ["𠮷田"]);
    assert_eq!(names(members.of_org(id(902), &found("D200")).await.unwrap()), [] as [&str; 0]);
    assert_eq!(
        names(members.of_subtree(&tree, id(902), &found("%")).await.unwrap()),
        [] as [&str; 0]
    );
    let group = members.of_org(id(903), &found("")).await.unwrap();
    assert_eq!(names(group), ["党员1"]);
    let all = MemberFilter { inactive: true, ..found("党员") };
    assert_eq!(members.of_org(id(902), &all).await.unwrap().items.len(), 4);
    assert_eq!(members.of_org(id(902), &found("党员")).await.unwrap().items.len(), 3);
    assert_eq!(members.counts(id(902), "2026-11-22").await.unwrap(), (15, 14, 0));
}

async fn a_committee_is_due_by_its_terms(db: TestDb) {
    populate(&db.store).await;
    let members = db.store.members();
    let seat = |post, until: &str| Seat { post, from_on: None, until_on: Some(until.into()) };
    let ended = seat(Post::Organisation, "2026-11-21");
    members
        .seat(id(1), id(902), Some(&seat(Post::Secretary, "2026-11-22")), &by("seat"))
        .await
        .unwrap();
    members.seat(id(2), id(902), Some(&ended), &by("seat")).await.unwrap();
    // In the leading body of a higher organisation, while the membership is in the branch.
    members
        .seat(id(1), id(900), Some(&seat(Post::Member, "2030-01-01")), &by("seat"))
        .await
        .unwrap();
    let persons = db.store.persons();
    let due = |org: u32, kind, day| {
        let persons = &persons;
        async move {
            let roster = persons.roster_for(id(org), kind, day).await.unwrap();
            roster.iter().map(|e| e.person_id).collect::<Vec<PersonId>>()
        }
    };
    let committee = MeetingKind::BranchCommittee;
    assert_eq!(due(902, committee, "2026-11-22").await, [id(1)]);
    assert_eq!(due(902, committee, "2026-11-21").await, [id(1), id(2)]);
    assert_eq!(due(902, committee, "2026-11-23").await, [] as [PersonId; 0]);
    assert_eq!(due(900, MeetingKind::LeadersLife, "2026-11-22").await, [id(1)]);
    assert_eq!(due(902, MeetingKind::BranchAssembly, "2026-11-22").await, [id(1), id(2)]);
    assert_eq!(due(903, MeetingKind::GroupMeeting, "2026-11-22").await, [id(1)]);
    assert_eq!(members.counts(id(902), "2026-11-22").await.unwrap(), (2, 1, 1));
    assert_eq!(members.seats_of(id(902)).await.unwrap().len(), 2);
}

async fn an_import_is_all_or_nothing(db: TestDb) {
    populate(&db.store).await;
    let put = |n: u32, name: &str| MemberPut {
        member: Member {
            seat: Some(Seat { post: Post::Youth, from_on: None, until_on: None }),
            ..member(n, name, 902)
        },
        new: true,
        seat_changed: true,
        left: None,
    };
    let puts: Vec<MemberPut> = (0..450).map(|n| put(1_000 + n, &format!("王{n}"))).collect();
    let branch: OrgId = new_id();
    let org = OrgPut {
        node: Org {
            id: branch,
            parent: Some(id(901)),
            kind: OrgKind::Branch,
            name: "第三党支部".into(),
        },
        code: Some("B3".into()),
        new: true,
        moved: false,
    };
    let mut tx = db.store.begin_import().await.unwrap();
    tx.put_members(&puts).await.unwrap();
    tx.put_orgs(std::slice::from_ref(&org), NOW).await.unwrap();
    drop(tx);
    assert!(db.store.members().get(id(1_000)).await.unwrap().is_none(), "dropped: it never was");
    assert_eq!(db.store.orgs().get(branch).await.unwrap(), None);

    let mut tx = db.store.begin_import().await.unwrap();
    tx.put_orgs(&[org], NOW).await.unwrap();
    tx.put_members(&puts).await.unwrap();
    tx.commit(&by("import_members")).await.unwrap();
    let there = db.store.members().by_codes(&["D1000", "D1449", "none"]).await.unwrap();
    assert_eq!(there.len(), 2);
    assert_eq!(there[0].seat.as_ref().map(|seat| seat.post), Some(Post::Youth));
    let tree = db.store.orgs().tree().await.unwrap();
    assert_eq!(tree.by_code("B3"), Some(branch));
    assert_eq!(db.store.members().count_in(&tree.subtree(id(901))).await.unwrap(), 452);

    // A change and a transfer: the seat goes, the roles of the old branch end.
    let moved = MemberPut {
        member: Member { org_id: branch, ..member(1_000, "王零", 902) },
        new: false,
        seat_changed: true,
        left: Some(id(902)),
    };
    let mut tx = db.store.begin_import().await.unwrap();
    tx.put_members(&[moved]).await.unwrap();
    tx.commit(&by("import_members")).await.unwrap();
    let one = db.store.members().get(id(1_000)).await.unwrap().unwrap();
    assert_eq!((one.name.as_str(), one.org_id, one.seat), ("王零", branch, None));
}

async fn codes_are_taken_once(db: TestDb) {
    populate(&db.store).await;
    let org = |n| Org { id: id(n), parent: Some(id(901)), kind: OrgKind::Branch, name: "x".into() };
    db.store.orgs().add(&org(910), Some("A"), &by("org_create")).await.unwrap();
    let again = db.store.orgs().add(&org(911), Some("A"), &by("org_create")).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
    db.store.orgs().add(&org(912), None, &by("org_create")).await.unwrap();
    db.store.orgs().add(&org(913), None, &by("org_create")).await.unwrap();
    let members = db.store.members();
    members.put(&member(100, "王", 902), &by("member_create")).await.unwrap();
    let taken = Member { code: Some("D100".into()), ..member(101, "李", 902) };
    let again = members.put(&taken, &by("member_create")).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
    let trail = db.store.audit().of_org(id(902), i64::MAX, 10).await.unwrap();
    assert_eq!(trail.len(), 4, "what failed left no entry");
}
