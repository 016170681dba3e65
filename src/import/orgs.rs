//! A table of organisations against the tree: pure. All rows are known before the first is judged,
//! as a parent may stand below its children in the file.

use std::collections::{HashMap, HashSet};

use super::columns::{Head, ORG_CODE, ORG_KIND, ORG_NAME, ORG_PARENT};
use super::job::{Counts, Example};
use super::problem::Problem;
use super::source::RawRow;
use super::{MAX_EXAMPLES, MAX_PROBLEMS};
use crate::domain::org::MAX_DEPTH;
use crate::domain::{OrgId, OrgKind, OrgTree, fields};
use crate::store::{Org, OrgPut};

/// A row whose cells are good each for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgRow {
    pub row: u64,
    pub code: String,
    pub name: String,
    pub kind: OrgKind,
    /// Empty: what it stands under stays.
    pub parent: String,
}

/// Reads the cells of a row; every bad one is a problem.
pub fn row_of(head: &Head, row: &RawRow) -> Result<OrgRow, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut cell = |column: &'static str, check: &dyn Fn(&str) -> Result<String, String>| {
        let text = head.cell(row, column).unwrap_or(Ok(""));
        let checked = text.map_err(str::to_owned).and_then(check);
        checked.unwrap_or_else(|wrong| {
            problems.push(Problem::new(row.number, column, text.unwrap_or_default(), wrong));
            String::new()
        })
    };
    let code = cell(ORG_CODE, &code_of);
    let name = cell(ORG_NAME, &|text| fields::org_name(text).map_err(|e| e.to_string()));
    let parent = cell(ORG_PARENT, &|text| match text {
        "" => Ok(String::new()),
        text => code_of(text),
    });
    let kind = cell(ORG_KIND, &|text| match kind_of(text) {
        Some(kind) => Ok(kind.id().to_owned()),
        None => {
            let words: Vec<&str> = OrgKind::ALL.iter().map(|kind| kind.word()).collect();
            Err(format!("没有这种组织类型，只能是{}", words.join("、")))
        }
    });
    match (problems.is_empty(), OrgKind::from_id(&kind)) {
        (true, Some(kind)) => Ok(OrgRow { row: row.number, code, name, kind, parent }),
        _ => Err(problems),
    }
}

fn kind_of(text: &str) -> Option<OrgKind> {
    OrgKind::ALL.iter().copied().find(|kind| kind.word() == text)
}

/// A code, or the id that an export writes where there is none.
pub fn code_of(text: &str) -> Result<String, String> {
    match text.parse::<OrgId>() {
        Ok(id) => Ok(id.to_string()),
        Err(_) => fields::code(text).map_err(|e| e.to_string()),
    }
}

/// What would become of the tree.
#[derive(Debug, Default)]
pub struct OrgPlan {
    pub counts: Counts,
    pub problems: Vec<Problem>,
    pub examples: Vec<Example>,
    /// New and changed, parents before children.
    pub puts: Vec<OrgPut>,
}

/// Where a row stands after the import.
struct Placed {
    parent: Option<OrgId>,
    kind: OrgKind,
}

/// Compares the rows with the tree. `may` says of an organisation that exists whether its books
/// are the importer's; `fresh` gives the ids of new ones.
pub fn plan(
    tree: &OrgTree,
    scope: OrgId,
    rows: &[OrgRow],
    may: impl Fn(OrgId) -> bool,
    mut fresh: impl FnMut() -> OrgId,
) -> OrgPlan {
    let mut plan = OrgPlan::default();
    let mut ids: HashMap<&str, OrgId> = HashMap::new();
    let mut new: HashSet<OrgId> = HashSet::new();
    let mut rows_once = Vec::with_capacity(rows.len());
    for row in rows {
        if ids.contains_key(row.code.as_str()) {
            plan.say(row, ORG_CODE, &row.code, "与文件中前面的行重复，请删去一行或改用其他编号");
            continue;
        }
        let known = tree.by_code(&row.code);
        if known.is_none() && row.code.parse::<OrgId>().is_ok() {
            plan.say(row, ORG_CODE, &row.code, "没有这个组织；新组织请填写自己的编号");
            continue;
        }
        let id = known.unwrap_or_else(&mut fresh);
        if known.is_none() {
            new.insert(id);
        } else if !may(id) {
            plan.say(row, ORG_CODE, &row.code, "这个编号的组织不归您管理，请核对编号");
        } else if tree.closed_us(id).is_some() {
            plan.say(row, ORG_CODE, &row.code, "该组织已撤销，请从文件中删去");
        }
        ids.insert(&row.code, id);
        rows_once.push((row, id));
    }
    let mut placed: HashMap<OrgId, Placed> = HashMap::new();
    for (row, id) in &rows_once {
        let parent = plan.parent(tree, scope, &ids, &may, row, *id, new.contains(id));
        placed.insert(*id, Placed { parent, kind: row.kind });
    }
    // Where everything stands afterwards, in the file or not.
    let parent_of = |id: OrgId| match placed.get(&id) {
        Some(placed) => placed.parent,
        None => tree.get(id).and_then(|node| node.parent),
    };
    let kind_of = |id: OrgId| match placed.get(&id) {
        Some(placed) => Some(placed.kind),
        None => tree.get(id).map(|node| node.kind),
    };
    let height = |id: OrgId| if new.contains(&id) { 1 } else { tree.height(id) };
    let mut depths: HashMap<OrgId, usize> = HashMap::new();
    for (row, id) in &rows_once {
        let mut depth = 1;
        let mut above = parent_of(*id);
        while let Some(next) = above.filter(|next| depth <= MAX_DEPTH && next != id) {
            depth += 1;
            above = parent_of(next);
        }
        depths.insert(*id, depth);
        let parent = parent_of(*id);
        if above == Some(*id) || depth + height(*id).max(1) - 1 > MAX_DEPTH {
            let wrong = format!("上下级关系成环，或层级超过{MAX_DEPTH}级，请核对上级组织编号");
            plan.say(row, ORG_PARENT, &row.parent, wrong);
        } else if let Some(kind) = parent.and_then(kind_of)
            && !row.kind.may_stand_under(kind)
        {
            let wrong = format!("{}不能设在{}之下，请核对", row.kind.word(), kind.word());
            plan.say(row, ORG_PARENT, &row.parent, wrong);
        } else if tree.get(*id).is_some_and(|old| old.kind != row.kind) {
            let mut below =
                tree.children(*id).iter().filter(|child| parent_of(**child) == Some(*id));
            if below
                .any(|child| kind_of(*child).is_some_and(|kind| !kind.may_stand_under(row.kind)))
            {
                let wrong = "现有的下级组织不能设在这种组织之下，请先调整下级组织";
                plan.say(row, ORG_KIND, row.kind.word(), wrong);
            }
        }
    }
    for (row, id) in &rows_once {
        plan.compare(tree, row, *id, parent_of(*id));
    }
    let inside = |id: &OrgId| may(*id) && tree.closed_us(*id).is_none();
    let there: HashSet<OrgId> = rows_once.iter().map(|(_, id)| *id).collect();
    let missing = tree.subtree(scope).into_iter().filter(|id| inside(id) && !there.contains(id));
    plan.counts.missing = missing.count() as u64;
    plan.puts.sort_by_key(|put| depths.get(&put.node.id).copied().unwrap_or(0));
    plan
}

impl OrgPlan {
    fn say(&mut self, row: &OrgRow, column: &'static str, value: &str, message: impl Into<String>) {
        self.counts.problems += 1;
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem::new(row.row, column, value, message));
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn parent(
        &mut self,
        tree: &OrgTree,
        scope: OrgId,
        ids: &HashMap<&str, OrgId>,
        may: &impl Fn(OrgId) -> bool,
        row: &OrgRow,
        id: OrgId,
        new: bool,
    ) -> Option<OrgId> {
        let now = tree.get(id).and_then(|node| node.parent);
        if row.parent.is_empty() {
            // The topmost one of the table stands under somebody else's, or under nobody.
            if new || id != scope && now.is_some() {
                self.say(row, ORG_PARENT, "", "不能为空，请填写上级组织编号");
            }
            return now;
        }
        let parent = ids.get(row.parent.as_str()).copied().or_else(|| tree.by_code(&row.parent));
        let Some(parent) = parent else {
            let wrong = "系统和本文件中都没有这个编号的组织，请核对";
            self.say(row, ORG_PARENT, &row.parent, wrong);
            return now;
        };
        if Some(parent) == now {
            return now;
        }
        let known = tree.get(parent).is_some();
        if id == scope || known && !may(parent) {
            let wrong = "上级组织不归您管理，不能移到那里；请由上级组织办理";
            self.say(row, ORG_PARENT, &row.parent, wrong);
            return now;
        }
        if tree.closed_us(parent).is_some() {
            self.say(row, ORG_PARENT, &row.parent, "上级组织已撤销，请核对");
            return now;
        }
        Some(parent)
    }

    fn compare(&mut self, tree: &OrgTree, row: &OrgRow, id: OrgId, parent: Option<OrgId>) {
        let node = Org { id, parent, kind: row.kind, name: row.name.clone() };
        let old = tree.get(id);
        let mut changes = Vec::new();
        if let Some(old) = old {
            changes.extend((old.name != node.name).then_some(ORG_NAME));
            changes.extend((old.kind != node.kind).then_some(ORG_KIND));
            changes.extend((old.parent != node.parent).then_some(ORG_PARENT));
            if changes.is_empty() {
                self.counts.unchanged += 1;
                return;
            }
            self.counts.changed += 1;
        } else {
            self.counts.new += 1;
        }
        if self.examples.len() < MAX_EXAMPLES {
            let (name, code) = (row.name.clone(), row.code.clone());
            self.examples.push(Example { row: row.row, code, name, new: old.is_none(), changes });
        }
        let moved = old.is_some_and(|old| old.parent != node.parent);
        // What is known by its id alone keeps having no code.
        let code = match old {
            Some(_) => tree.code(id).map(str::to_owned),
            None => Some(row.code.clone()),
        };
        self.puts.push(OrgPut { node, code, new: old.is_none(), moved });
    }
}

#[cfg(test)]
#[path = "orgs_tests.rs"]
mod tests;
