//! The permission examples of `domain.md` §4.5, on the tree R→(A→(a1, a2), B→(b1)).

use super::*;
use crate::domain::{Edge, OrgExtra, OrgKind, OrgNode};
use uuid::Uuid;

const R: u128 = 1;
const A: u128 = 2;
const A1: u128 = 3;
const A2: u128 = 4;
const B: u128 = 5;
const B1: u128 = 6;

fn org(n: u128) -> OrgId {
    Uuid::from_u128(n).into()
}

fn person(n: u128) -> PersonId {
    Uuid::from_u128(n).into()
}

fn tree() -> OrgTree {
    let nodes =
        [(R, None), (A, Some(R)), (A1, Some(A)), (A2, Some(A)), (B, Some(R)), (B1, Some(B))].map(
            |(id, parent)| OrgNode {
                id: org(id),
                parent: parent.map(org),
                kind: OrgKind::Branch,
                name: id.to_string(),
            },
        );
    OrgTree::new(nodes).unwrap()
}

fn actor(roles: &[(u128, OrgRole)]) -> Actor {
    Actor {
        account: Uuid::from_u128(50).into(),
        person: person(100),
        grants: roles
            .iter()
            .map(|(o, role)| Grant { org: org(*o), role: *role, inherits: true })
            .collect(),
        must_change_password: false,
    }
}

fn session(host: u128) -> SessionFacts {
    SessionFacts {
        org: org(host),
        chair: person(1),
        presiding: None,
        recorder: Some(person(2)),
        on_roster: false,
        at_us: None,
        admitted: false,
    }
}

fn rule(actor: &Actor, action: Action, session: &SessionFacts) -> Option<Rule> {
    allow(&tree(), actor, action, Resource::Session(session)).err().map(|d| d.rule)
}

#[test]
fn a_supervisor_observes_downwards_only() {
    let supervisor = actor(&[(A, OrgRole::Observer)]);
    for (host, role) in [
        (A1, Some(Role::Observer)),
        (A2, Some(Role::Observer)),
        (A, Some(Role::Observer)),
        (B1, None),
        (R, None),
    ] {
        assert_eq!(session_role(&tree(), &supervisor, &session(host)), role, "host {host}");
        let refused = rule(&supervisor, Action::JoinSession, &session(host));
        assert_eq!(refused, role.is_none().then_some(Rule::NotInvitedAndNotSuperior));
    }
}

#[test]
fn a_superior_observes_but_does_not_act() {
    let superior = actor(&[(A, OrgRole::Manager)]);
    assert_eq!(rule(&superior, Action::OpenSession, &session(A1)), Some(Rule::NotChairOrSecretary));
    assert_eq!(rule(&superior, Action::RenderAgain, &session(A1)), Some(Rule::NotRecorder));
    assert_eq!(rule(&superior, Action::ReadArchive, &session(A1)), None);
}

#[test]
fn a_secretary_of_one_branch_is_nobody_in_the_next() {
    let secretary = actor(&[(A1, OrgRole::Secretary)]);
    assert_eq!(rule(&secretary, Action::OpenSession, &session(A1)), None);
    for action in [Action::ReadSession, Action::JoinSession, Action::OpenSession] {
        assert_eq!(rule(&secretary, action, &session(A2)), Some(Rule::NotInvitedAndNotSuperior));
    }
    let create = |host| allow(&tree(), &secretary, Action::CreateSession, Resource::Org(org(host)));
    assert_eq!(create(A1), Ok(()));
    assert_eq!(create(A2), Err(Denied { rule: Rule::NotInCharge }));
    assert_eq!(create(A), Err(Denied { rule: Rule::NotInCharge }));
}

#[test]
fn members_enter_as_themselves_even_when_they_are_superiors() {
    let both = actor(&[(R, OrgRole::Observer), (A1, OrgRole::Member)]);
    let due = SessionFacts { on_roster: true, ..session(A1) };
    assert_eq!(session_role(&tree(), &both, &due), Some(Role::Member));
    let presiding = SessionFacts { chair: person(100), ..due };
    assert_eq!(session_role(&tree(), &both, &presiding), Some(Role::Chair));
}

#[test]
fn system_administrators_see_no_content_whatever_else_they_hold() {
    let admin = actor(&[(R, OrgRole::Administrator), (R, OrgRole::Observer)]);
    let due = SessionFacts { on_roster: true, ..session(A1) };
    for action in [Action::ReadSession, Action::JoinSession, Action::ReadArchive] {
        assert_eq!(rule(&admin, action, &due), Some(Rule::AdministratorsSeeNoContent));
    }
    assert_eq!(allow(&tree(), &admin, Action::ManageOwnAccount, Resource::Own), Ok(()));
}

#[test]
fn an_initial_password_opens_nothing_but_its_own_change() {
    let fresh = Actor { must_change_password: true, ..actor(&[(A1, OrgRole::Secretary)]) };
    let refused = rule(&fresh, Action::ReadSession, &session(A1)).unwrap();
    assert_eq!(refused.code(), ErrorCode::PasswordChangeRequired);
    assert_eq!(allow(&tree(), &fresh, Action::ManageOwnAccount, Resource::Own), Ok(()));
}

#[test]
fn a_role_that_does_not_reach_down_stays_where_it_is() {
    let mut here = actor(&[(A, OrgRole::Observer)]);
    here.grants[0].inherits = false;
    assert_eq!(session_role(&tree(), &here, &session(A)), Some(Role::Observer));
    assert_eq!(session_role(&tree(), &here, &session(A1)), None);
}

#[test]
fn whoever_presides_sees_the_statistics_and_who_presides_no_more_does_not() {
    let (chair, member) = (actor(&[]), actor(&[]));
    let session = SessionFacts { on_roster: true, chair: chair.person, ..session(A1) };
    let other = PersonId::from(uuid::Uuid::from_u128(77));
    let member = Actor { person: other, ..member };
    assert_eq!(rule(&chair, Action::ReadStatistics, &session), None, "nobody presides yet");
    assert_eq!(rule(&member, Action::ReadStatistics, &session), Some(Rule::NotForStatistics));
    let handed = SessionFacts { presiding: Some(other), ..session };
    assert_eq!(rule(&member, Action::ReadStatistics, &handed), None);
    assert_eq!(rule(&chair, Action::ReadStatistics, &handed), Some(Rule::NotForStatistics));
}

/// a1 moved under B on 10-01: A keeps the archive of before, B gets what comes after.
#[test]
fn a_move_changes_no_history() {
    const MOVED_US: i64 = 1_790_784_000_000_000;
    let nodes =
        [(R, None), (A, Some(R)), (A1, Some(B)), (A2, Some(A)), (B, Some(R)), (B1, Some(B))].map(
            |(id, parent)| OrgNode {
                id: org(id),
                parent: parent.map(org),
                kind: OrgKind::Branch,
                name: id.to_string(),
            },
        );
    let edges = vec![
        Edge { from_us: 0, parent: Some(org(A)) },
        Edge { from_us: MOVED_US, parent: Some(org(B)) },
    ];
    let extra = OrgExtra { edges, ..OrgExtra::default() };
    let tree = OrgTree::new(nodes).unwrap().with_extras([(org(A1), extra)].into());
    let may = |role: &Actor, at_us| {
        let session = SessionFacts { at_us, ..session(A1) };
        allow(&tree, role, Action::ReadArchive, Resource::Session(&session)).is_ok()
    };
    let (a, b, r) = (
        actor(&[(A, OrgRole::Observer)]),
        actor(&[(B, OrgRole::Observer)]),
        actor(&[(R, OrgRole::Observer)]),
    );
    let (before, after) = (Some(MOVED_US - 1), Some(MOVED_US));
    assert!(may(&a, before) && !may(&a, after) && !may(&a, None));
    assert!(!may(&b, before) && may(&b, after) && may(&b, None));
    assert!(may(&r, before) && may(&r, after) && may(&r, None));
}

#[test]
fn books_are_kept_downwards_only() {
    let keep = [Action::ViewOrg, Action::ViewMembers, Action::ManageOrg, Action::ManageRoles];
    let may = |who: &Actor, action, at| allow(&tree(), who, action, Resource::Org(org(at))).is_ok();
    let manager = actor(&[(A, OrgRole::Manager)]);
    for action in keep.into_iter().chain([Action::ManageMembers]) {
        for (at, allowed) in
            [(A, true), (A1, true), (A2, true), (B, false), (B1, false), (R, false)]
        {
            assert_eq!(may(&manager, action, at), allowed, "{action:?} at {at}");
        }
    }
    let observer = actor(&[(A, OrgRole::Observer)]);
    assert!(may(&observer, Action::ViewMembers, A1) && !may(&observer, Action::ManageMembers, A1));
    let secretary = actor(&[(A1, OrgRole::Secretary)]);
    assert!(may(&secretary, Action::ManageMembers, A1) && may(&secretary, Action::ViewOrg, A1));
    for action in [Action::ManageOrg, Action::ManageRoles] {
        assert!(!may(&secretary, action, A1), "{action:?}");
    }
    assert!(!may(&secretary, Action::ViewMembers, A2) && !may(&secretary, Action::ViewMembers, A));
    let member = actor(&[(A1, OrgRole::Member)]);
    assert!(keep.into_iter().all(|action| !may(&member, action, A1)));
    for action in [Action::CreateRoot, Action::ManageAdministrators] {
        let refused = allow(&tree(), &manager, action, Resource::Own).unwrap_err();
        assert_eq!(refused.rule, Rule::OnlyAdministrators);
        let admin = actor(&[(R, OrgRole::Administrator)]);
        assert_eq!(allow(&tree(), &admin, action, Resource::Own), Ok(()));
    }
}
