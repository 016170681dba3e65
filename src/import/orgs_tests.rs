use super::*;
use crate::domain::{OrgExtra, OrgNode};

fn id(n: u128) -> OrgId {
    uuid::Uuid::from_u128(n).into()
}

/// 区委(1, Q) → 总支(2, Z) → 支部(3, B1), 支部(4, B2); 别的党委(9, X).
fn tree() -> OrgTree {
    let rows = [
        (1, None, OrgKind::Committee, "区委", "Q"),
        (2, Some(1), OrgKind::GeneralBranch, "总支", "Z"),
        (3, Some(2), OrgKind::Branch, "第一支部", "B1"),
        (4, Some(2), OrgKind::Branch, "第二支部", "B2"),
        (9, None, OrgKind::Committee, "别的党委", "X"),
    ];
    let nodes = rows.map(|(n, parent, kind, name, _)| OrgNode {
        id: id(n),
        parent: parent.map(id),
        kind,
        name: name.into(),
    });
    let extras = rows
        .map(|(n, .., code)| (id(n), OrgExtra { code: Some(code.into()), ..OrgExtra::default() }));
    OrgTree::new(nodes).unwrap().with_extras(extras.into())
}

fn rows(rows: &[(&str, &str, OrgKind, &str)]) -> Vec<OrgRow> {
    let row = |(n, (code, name, kind, parent)): (usize, &(&str, &str, OrgKind, &str))| OrgRow {
        row: n as u64 + 2,
        code: (*code).into(),
        name: (*name).into(),
        kind: *kind,
        parent: (*parent).into(),
    };
    rows.iter().enumerate().map(row).collect()
}

fn planned(file: &[OrgRow]) -> OrgPlan {
    let tree = tree();
    let mut next = 100;
    plan(
        &tree,
        id(1),
        file,
        |org| tree.is_ancestor_or_self(id(1), org),
        || {
            next += 1;
            id(next)
        },
    )
}

fn wrong(file: &[(&str, &str, OrgKind, &str)]) -> Vec<(u64, &'static str)> {
    planned(&rows(file)).problems.iter().map(|p| (p.row, p.column)).collect()
}

use OrgKind::{Branch, Committee, GeneralBranch, Group};

#[test]
fn new_changed_unchanged_and_missing_are_told_apart() {
    let plan = planned(&rows(&[
        ("G1", "第一小组", Group, "B3"),
        ("B3", "第三支部", Branch, "Z"),
        ("Z", "机关总支", GeneralBranch, "Q"),
        ("B1", "第一支部", Branch, "Z"),
        ("Q", "区委", Committee, ""),
    ]));
    assert_eq!(plan.problems, []);
    let c = plan.counts;
    assert_eq!((c.new, c.changed, c.unchanged, c.missing), (2, 1, 2, 1));
    let names: Vec<&str> = plan.puts.iter().map(|put| put.node.name.as_str()).collect();
    assert_eq!(names, ["机关总支", "第三支部", "第一小组"], "parents first");
    assert_eq!(plan.puts[2].node.parent, Some(plan.puts[1].node.id));
    assert_eq!(plan.examples[0].changes, [] as [&str; 0]);
}

#[test]
fn a_move_is_a_change_of_the_parent() {
    let plan = planned(&rows(&[("B2", "第二支部", Branch, "Q")]));
    assert_eq!((plan.problems.len(), plan.counts.changed), (0, 1));
    assert!(plan.puts[0].moved && !plan.puts[0].new);
    assert_eq!(plan.examples[0].changes, [ORG_PARENT]);
}

#[test]
fn what_is_wrong_is_named_by_row_and_column() {
    assert_eq!(wrong(&[("B1", "x", Branch, "Z"), ("B1", "y", Branch, "Z")]), [(3, ORG_CODE)]);
    assert_eq!(wrong(&[("N", "x", Branch, "?")]), [(2, ORG_PARENT)]);
    assert_eq!(wrong(&[("N", "x", Branch, "")]), [(2, ORG_PARENT)]);
    assert_eq!(wrong(&[("N", "x", Group, "Z")]), [(2, ORG_PARENT)], "no group below a 总支");
    assert_eq!(wrong(&[("N", "x", Branch, "B1")]), [(2, ORG_PARENT)], "no branch below a branch");
    assert_eq!(wrong(&[("X", "别的党委", Committee, "")])[0], (2, ORG_CODE), "not theirs");
    assert_eq!(wrong(&[("N", "x", Branch, "X")]), [(2, ORG_PARENT)], "into somebody else's");
    assert_eq!(wrong(&[("Q", "区委", Committee, "X")]), [(2, ORG_PARENT)], "away with all");
    let unknown = id(77).to_string();
    assert_eq!(wrong(&[(&unknown, "x", Branch, "Z")]), [(2, ORG_CODE)]);
    assert_eq!(wrong(&[("Z", "总支", Branch, "Q")]), [(2, ORG_KIND)], "branches stand below it");
}

#[test]
fn circles_and_towers_are_refused() {
    let circle = wrong(&[("C1", "x", Committee, "C2"), ("C2", "y", Committee, "C1")]);
    assert_eq!(circle, [(2, ORG_PARENT), (3, ORG_PARENT)]);
    assert_eq!(wrong(&[("S", "x", Committee, "S")]), [(2, ORG_PARENT)]);
    let names: Vec<(String, String)> = (0..12)
        .map(|n| (format!("T{n}"), if n == 0 { "Q".into() } else { format!("T{}", n - 1) }))
        .collect();
    let tower: Vec<_> = names
        .iter()
        .map(|(code, parent)| (code.as_str(), "塔", Committee, parent.as_str()))
        .collect();
    assert_eq!(wrong(&tower), [(13, ORG_PARENT)], "the thirteenth level");
}
