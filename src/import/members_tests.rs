use super::super::columns::What;
use super::*;
use crate::domain::{OrgExtra, OrgNode};

fn id<T: From<uuid::Uuid>>(n: u128) -> T {
    uuid::Uuid::from_u128(n).into()
}

/// 区委(1, Q) → 支部(3, B1) → 小组(5, G1); 支部(4, B2).
fn tree() -> OrgTree {
    let rows = [
        (1, None, OrgKind::Committee, "Q"),
        (3, Some(1), OrgKind::Branch, "B1"),
        (4, Some(1), OrgKind::Branch, "B2"),
        (5, Some(3), OrgKind::Group, "G1"),
    ];
    let nodes = rows.map(|(n, parent, kind, code)| OrgNode {
        id: id(n),
        parent: parent.map(id),
        kind,
        name: code.into(),
    });
    let extras = rows
        .map(|(n, .., code)| (id(n), OrgExtra { code: Some(code.into()), ..OrgExtra::default() }));
    OrgTree::new(nodes).unwrap().with_extras(extras.into())
}

fn raw(number: u64, cells: &[&str]) -> RawRow {
    RawRow { number, cells: cells.iter().map(|c| Ok((*c).to_owned())).collect() }
}

fn head() -> Head {
    Head::of(What::Members, &raw(1, What::Members.columns())).unwrap()
}

fn read(cells: &[&str]) -> Result<MemberRow, Vec<&'static str>> {
    let row = row_of(&head(), &raw(2, cells), &tree(), |org| org != id(4));
    row.map_err(|problems| problems.iter().map(|p| p.column).collect())
}

const GOOD: [&str; 11] = [
    "D1",
    "王建国",
    "B1",
    "第一支部",
    "G1",
    "正式党员",
    "书记",
    "2024-01-01",
    "2026-12-31",
    "139-0000-0000",
    "在册",
];

fn with(column: &str, value: &'static str) -> [&'static str; 11] {
    let mut cells = GOOD;
    cells[What::Members.columns().iter().position(|c| *c == column).unwrap()] = value;
    cells
}

#[test]
fn a_row_is_read_into_ids_and_words() {
    let row = read(&GOOD).unwrap();
    assert_eq!((row.org, row.group), (id(3), Some(Some(id(5)))));
    assert_eq!(row.phone, Some(Some("13900000000".into())));
    let seat = row.seat.unwrap().unwrap();
    assert_eq!((seat.post, seat.until_on.as_deref()), (Post::Secretary, Some("2026-12-31")));
    assert_eq!(read(&with(MEMBER_GROUP, "")).unwrap().group, Some(None));
}

#[test]
fn every_bad_cell_of_a_row_is_named() {
    for (column, value) in [
        (MEMBER_CODE, ""),
        (MEMBER_CODE, "第一"),
        (MEMBER_NAME, "<b>王</b>"),
        (MEMBER_NAME, "王\u{202e}"),
        (MEMBER_ORG, "B9"),
        (MEMBER_ORG, "Q"),
        (MEMBER_ORG, "B2"),
        (MEMBER_GROUP, "B1"),
        (MEMBER_CLASS, "党员"),
        (MEMBER_POST, "主席"),
        (MEMBER_FROM, "去年"),
        (MEMBER_UNTIL, "2023-01-01"),
        (MEMBER_PHONE, "电话"),
        (MEMBER_STATE, "在"),
    ] {
        assert_eq!(read(&with(column, value)).unwrap_err(), [column], "{column} {value}");
    }
    let bad = ["", "", "", "", "", "", "", "", "", "", ""];
    assert_eq!(read(&bad).unwrap_err(), [MEMBER_CODE, MEMBER_NAME, MEMBER_CLASS, MEMBER_ORG]);
}

#[test]
fn a_bad_phone_number_is_not_shown() {
    let row = raw(2, &with(MEMBER_PHONE, "139000x"));
    let problems = row_of(&head(), &row, &tree(), |_| true).unwrap_err();
    assert_eq!((problems[0].column, problems[0].value.as_str()), (MEMBER_PHONE, ""));
}

fn member(row: &MemberRow) -> Member {
    Member {
        id: id(100),
        code: Some(row.code.clone()),
        name: row.name.clone(),
        org_id: row.org,
        group_id: row.group.flatten(),
        class: Some(row.class),
        phone: row.phone.clone().flatten(),
        active: true,
        seat: row.seat.clone().flatten(),
    }
}

fn planned(row: MemberRow, there: Vec<Member>) -> MemberPlan {
    plan(vec![row], there, |_| true, || id(500))
}

#[test]
fn the_same_row_again_changes_nothing() {
    let row = read(&GOOD).unwrap();
    let plan = planned(row.clone(), vec![member(&row)]);
    assert_eq!((plan.counts.unchanged, plan.puts.len()), (1, 0));
    let plan = planned(row, vec![]);
    assert_eq!((plan.counts.new, plan.puts[0].member.id), (1, id(500)));
    assert!(plan.puts[0].seat_changed);
}

#[test]
fn columns_that_the_table_has_not_stay_as_they_are() {
    let old = member(&read(&GOOD).unwrap());
    let mut row = read(&GOOD).unwrap();
    (row.seat, row.phone, row.group, row.active) = (None, None, None, None);
    row.name = "王国建".into();
    let plan = planned(row.clone(), vec![old.clone()]);
    assert_eq!(plan.puts[0].member, Member { name: "王国建".into(), ..old.clone() });
    assert_eq!(plan.examples[0].changes, [MEMBER_NAME]);
    row.org = id(4);
    let plan = planned(row, vec![old.clone()]);
    let put = &plan.puts[0];
    assert_eq!((put.left, put.seat_changed), (Some(old.org_id), true));
    assert_eq!((&put.member.seat, put.member.group_id), (&None, None), "of the other branch");
    assert_eq!(put.member.phone, old.phone);
}

#[test]
fn members_of_others_are_left_alone() {
    let row = read(&GOOD).unwrap();
    let old = Member { org_id: id(4), ..member(&row) };
    let plan = plan(vec![row], vec![old], |org| org != id(4), || id(500));
    assert_eq!((plan.counts.problems, plan.puts.len()), (1, 0));
    assert_eq!(plan.problems[0].column, MEMBER_CODE);
}

#[test]
fn codes_are_seen_once() {
    let mut seen = Seen::default();
    assert!(seen.add("D1") && seen.add("D2") && !seen.add("D1"));
}
