//! A table of members against the members that are there: chunk by chunk.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use super::MAX_EXAMPLES;
use super::columns::{
    Head, MEMBER_CLASS, MEMBER_CODE, MEMBER_FROM, MEMBER_GROUP, MEMBER_NAME, MEMBER_ORG,
    MEMBER_PHONE, MEMBER_POST, MEMBER_STATE, MEMBER_UNTIL,
};
use super::job::{Counts, Example};
use super::orgs::code_of;
use super::problem::Problem;
use super::source::RawRow;
use crate::domain::member::class_word;
use crate::domain::{MemberClass, OrgId, OrgKind, OrgTree, PersonId, Post, Seat, fields};
use crate::store::{Member, MemberPut};

/// 状态: belongs here.
pub const HERE: &str = "在册";
/// 状态: left.
pub const LEFT: &str = "已转出";

pub const CLASSES: [MemberClass; 4] = [
    MemberClass::Full,
    MemberClass::Probationary,
    MemberClass::OnPartyProbation,
    MemberClass::RightsSuspended,
];

/// A row whose cells are good. What the table has no column for is None and stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRow {
    pub row: u64,
    pub code: String,
    pub name: String,
    pub org: OrgId,
    pub group: Option<Option<OrgId>>,
    pub class: MemberClass,
    pub seat: Option<Option<Seat>>,
    pub phone: Option<Option<String>>,
    pub active: Option<bool>,
}

/// Reads cells; collects what is wrong.
struct Cells<'a> {
    head: &'a Head,
    row: &'a RawRow,
    problems: Vec<Problem>,
}

impl Cells<'_> {
    /// None: no such column, or empty, or wrong (and said so).
    fn read<T>(
        &mut self,
        column: &'static str,
        check: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = match self.head.cell(self.row, column)? {
            Ok("") => return None,
            Ok(text) => text.to_owned(),
            Err(wrong) => {
                self.problems.push(Problem::new(self.row.number, column, "", wrong));
                return None;
            }
        };
        let checked = check(&text);
        checked.map_err(|wrong| self.say(column, &text, wrong)).ok()
    }

    fn required<T>(
        &mut self,
        column: &'static str,
        check: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if self.head.cell(self.row, column) == Some(Ok("")) {
            self.say(column, "", "不能为空，请填写".into());
            return None;
        }
        self.read(column, check)
    }

    fn has(&self, column: &str) -> bool {
        self.head.cell(self.row, column).is_some()
    }

    fn say(&mut self, column: &'static str, value: &str, wrong: String) {
        // A telephone number is nobody's business, not even a wrong one.
        let value = if column == MEMBER_PHONE { "" } else { value };
        self.problems.push(Problem::new(self.row.number, column, value, wrong));
    }
}

/// Reads the cells of a row and finds its organisation.
pub fn row_of(
    head: &Head,
    row: &RawRow,
    tree: &OrgTree,
    may: impl Fn(OrgId) -> bool,
) -> Result<MemberRow, Vec<Problem>> {
    let mut cells = Cells { head, row, problems: Vec::new() };
    let words = |e: fields::FieldError| e.to_string();
    let code = cells.required(MEMBER_CODE, code_of);
    let name = cells.required(MEMBER_NAME, |text| fields::person_name(text).map_err(words));
    let class = cells.required(MEMBER_CLASS, |text| {
        let known = CLASSES.into_iter().find(|class| class_word(*class) == text);
        known.ok_or_else(|| {
            format!("没有这种党员类别，只能是{}", CLASSES.map(class_word).join("、"))
        })
    });
    let org = cells.required(MEMBER_ORG, |text| branch_of(tree, text, may));
    let group =
        cells.read(MEMBER_GROUP, |text| match tree.by_code(text).and_then(|id| tree.get(id)) {
            Some(group)
                if group.kind == OrgKind::Group && (group.parent == org || org.is_none()) =>
            {
                Ok(group.id)
            }
            Some(_) => Err("不是所在党支部的党小组，请核对".to_owned()),
            None => Err("没有这个编号的党小组，请先导入组织".to_owned()),
        });
    let post = cells.read(MEMBER_POST, |text| {
        Post::from_word(text).ok_or_else(|| {
            let words: Vec<&str> = Post::ALL.iter().map(|post| post.word()).collect();
            format!("没有这种职务，只能是{}", words.join("、"))
        })
    });
    let from_on = cells.read(MEMBER_FROM, |text| fields::day(text).map_err(words));
    let until_on = cells.read(MEMBER_UNTIL, |text| fields::day(text).map_err(words));
    if let (Some(from), Some(until)) = (&from_on, &until_on)
        && until < from
    {
        let until = until.clone();
        cells.say(MEMBER_UNTIL, &until, "早于任职开始，请核对".into());
    }
    let phone = cells.read(MEMBER_PHONE, |text| fields::phone(text).map_err(words));
    let active = cells.read(MEMBER_STATE, |text| match text {
        HERE => Ok(true),
        LEFT => Ok(false),
        _ => Err(format!("只能是“{HERE}”或“{LEFT}”")),
    });
    let has = [MEMBER_GROUP, MEMBER_POST, MEMBER_PHONE].map(|column| cells.has(column));
    match (cells.problems.is_empty(), code, name, org, class) {
        (true, Some(code), Some(name), Some(org), Some(class)) => Ok(MemberRow {
            row: row.number,
            code,
            name,
            org,
            group: has[0].then_some(group),
            class,
            seat: has[1].then(|| post.map(|post| Seat { post, from_on, until_on })),
            phone: has[2].then_some(phone),
            active,
        }),
        _ => Err(cells.problems),
    }
}

fn branch_of(tree: &OrgTree, text: &str, may: impl Fn(OrgId) -> bool) -> Result<OrgId, String> {
    let Some(org) = tree.by_code(text).and_then(|id| tree.get(id)) else {
        return Err("没有这个编号的组织，请核对，或先导入组织".into());
    };
    if !may(org.id) {
        return Err("该组织不归您管理，请核对编号".into());
    }
    if !org.kind.is_branch() {
        return Err(format!("党员须编入党支部，“{}”是{}", org.name, org.kind.word()));
    }
    if tree.closed_us(org.id).is_some() {
        return Err("该组织已撤销，请编入其他党支部".into());
    }
    Ok(org.id)
}

/// Which codes the file had so far, without holding them: two that differ would have to agree in
/// 128 keyed bits.
#[derive(Default)]
pub struct Seen {
    keys: (RandomState, RandomState),
    codes: HashSet<(u64, u64)>,
}

impl Seen {
    /// False: it was there already.
    pub fn add(&mut self, code: &str) -> bool {
        self.codes.insert((self.keys.0.hash_one(code), self.keys.1.hash_one(code)))
    }
}

/// What becomes of one chunk.
#[derive(Debug, Default)]
pub struct MemberPlan {
    pub counts: Counts,
    pub problems: Vec<Problem>,
    pub examples: Vec<Example>,
    pub puts: Vec<MemberPut>,
}

/// Compares rows with those of the same codes. `may` says of an organisation whether its members
/// are the importer's to keep.
pub fn plan(
    rows: Vec<MemberRow>,
    there: Vec<Member>,
    may: impl Fn(OrgId) -> bool,
    mut fresh: impl FnMut() -> PersonId,
) -> MemberPlan {
    let mut plan = MemberPlan::default();
    let key = |m: Member| (m.code.clone().unwrap_or_else(|| m.id.to_string()), m);
    let there: HashMap<String, Member> = there.into_iter().map(key).collect();
    for row in rows {
        let old = there.get(&row.code);
        if let Some(wrong) = match old {
            Some(old) if !may(old.org_id) => {
                Some("这个编号的党员在不归您管理的组织，请由其所在组织办理转出，或核对编号")
            }
            None if row.code.parse::<PersonId>().is_ok() => {
                Some("没有这名党员；新党员请填写自己的编号")
            }
            _ => None,
        } {
            plan.counts.problems += 1;
            plan.problems.push(Problem::new(row.row, MEMBER_CODE, &row.code, wrong));
            continue;
        }
        plan.compare(row, old, &mut fresh);
    }
    plan
}

impl MemberPlan {
    fn compare(
        &mut self,
        row: MemberRow,
        old: Option<&Member>,
        fresh: &mut impl FnMut() -> PersonId,
    ) {
        let transferred = old.is_some_and(|old| old.org_id != row.org);
        // A seat and a group belong to the branch: they do not come along to another one.
        let kept = old.filter(|_| !transferred);
        let member = Member {
            id: old.map_or_else(fresh, |old| old.id),
            code: match old {
                Some(old) => old.code.clone(),
                None => Some(row.code.clone()),
            },
            name: row.name,
            org_id: row.org,
            group_id: row.group.unwrap_or_else(|| kept.and_then(|old| old.group_id)),
            class: Some(row.class),
            phone: row.phone.unwrap_or_else(|| old.and_then(|old| old.phone.clone())),
            active: row.active.unwrap_or_else(|| old.is_none_or(|old| old.active)),
            seat: row.seat.unwrap_or_else(|| kept.and_then(|old| old.seat.clone())),
        };
        let mut changes = Vec::new();
        if let Some(old) = old {
            for (column, differs) in [
                (MEMBER_NAME, old.name != member.name),
                (MEMBER_ORG, transferred),
                (MEMBER_GROUP, old.group_id != member.group_id),
                (MEMBER_CLASS, old.class != member.class),
                (MEMBER_POST, old.seat != member.seat),
                (MEMBER_PHONE, old.phone != member.phone),
                (MEMBER_STATE, old.active != member.active),
            ] {
                changes.extend(differs.then_some(column));
            }
            // Known and active: not among those that the file left out.
            self.counts.matched += u64::from(old.active && old.class.is_some());
            if changes.is_empty() {
                self.counts.unchanged += 1;
                return;
            }
            self.counts.changed += 1;
        } else {
            self.counts.new += 1;
        }
        if self.examples.len() < MAX_EXAMPLES {
            let (name, code) = (member.name.clone(), row.code);
            self.examples.push(Example { row: row.row, code, name, new: old.is_none(), changes });
        }
        let leaves = |old: &&Member| transferred || old.active && !member.active;
        let left = old.filter(leaves).map(|old| old.org_id);
        let seat_changed = match old {
            Some(old) => transferred || old.seat != member.seat,
            None => member.seat.is_some(),
        };
        self.puts.push(MemberPut { new: old.is_none(), seat_changed, left, member });
    }
}

#[cfg(test)]
#[path = "members_tests.rs"]
mod tests;
