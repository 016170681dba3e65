//! The columns of both tables, the same in exports and imports.

use serde::{Deserialize, Serialize};

use super::problem::FileProblem;
use super::source::RawRow;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Orgs,
    Members,
}

pub const ORG_CODE: &str = "组织编号";
pub const ORG_NAME: &str = "组织名称";
pub const ORG_KIND: &str = "组织类型";
pub const ORG_PARENT: &str = "上级组织编号";

pub const MEMBER_CODE: &str = "党员编号";
pub const MEMBER_NAME: &str = "姓名";
pub const MEMBER_ORG: &str = "所在组织编号";
/// Written for people; not read.
pub const MEMBER_ORG_NAME: &str = "所在组织名称";
pub const MEMBER_GROUP: &str = "党小组编号";
pub const MEMBER_CLASS: &str = "党员类别";
pub const MEMBER_POST: &str = "支委职务";
pub const MEMBER_FROM: &str = "任职开始";
pub const MEMBER_UNTIL: &str = "任职结束";
pub const MEMBER_PHONE: &str = "手机号";
pub const MEMBER_STATE: &str = "状态";

impl What {
    /// In the order of the exported table.
    pub const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Orgs => &[ORG_CODE, ORG_NAME, ORG_KIND, ORG_PARENT],
            Self::Members => &[
                MEMBER_CODE,
                MEMBER_NAME,
                MEMBER_ORG,
                MEMBER_ORG_NAME,
                MEMBER_GROUP,
                MEMBER_CLASS,
                MEMBER_POST,
                MEMBER_FROM,
                MEMBER_UNTIL,
                MEMBER_PHONE,
                MEMBER_STATE,
            ],
        }
    }

    const fn required(self) -> &'static [&'static str] {
        match self {
            Self::Orgs => &[ORG_CODE, ORG_NAME, ORG_KIND, ORG_PARENT],
            Self::Members => &[MEMBER_CODE, MEMBER_NAME, MEMBER_ORG, MEMBER_CLASS],
        }
    }
}

/// Which column stands where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    places: Vec<(&'static str, usize)>,
    /// Columns that nobody knows; they are left out.
    pub unknown: Vec<String>,
}

impl Head {
    /// # Errors
    /// [`FileProblem::MissingColumns`], [`FileProblem::TwiceColumn`]
    pub fn of(what: What, row: &RawRow) -> Result<Self, FileProblem> {
        let mut head = Self { places: Vec::new(), unknown: Vec::new() };
        for (place, cell) in row.cells.iter().enumerate() {
            let text: String = match cell {
                // A template may mark what has to be filled in.
                Ok(text) => text.trim().trim_end_matches(['*', '＊']).trim().to_owned(),
                Err(_) => continue,
            };
            match what.columns().iter().find(|column| **column == text) {
                Some(column) if head.place(column).is_some() => {
                    return Err(FileProblem::TwiceColumn(text));
                }
                Some(column) => head.places.push((column, place)),
                None if text.is_empty() => {}
                None => head.unknown.push(text.chars().take(30).collect()),
            }
        }
        let missing: Vec<&str> =
            what.required().iter().copied().filter(|column| head.place(column).is_none()).collect();
        if missing.is_empty() {
            Ok(head)
        } else {
            Err(FileProblem::MissingColumns(missing.join("、")))
        }
    }

    fn place(&self, column: &str) -> Option<usize> {
        self.places.iter().find(|(name, _)| *name == column).map(|(_, place)| *place)
    }

    /// What stands in the column: None when the table has no such column, else its text (without
    /// the quote that exports put before what a spreadsheet would compute), or what is wrong.
    pub fn cell<'a>(&self, row: &'a RawRow, column: &str) -> Option<Result<&'a str, &'static str>> {
        let place = self.place(column)?;
        Some(match row.cells.get(place) {
            None => Ok(""),
            Some(Ok(text)) => Ok(unguarded(text.trim())),
            Some(Err(wrong)) => Err(wrong),
        })
    }
}

/// Takes away what [`guard`](crate::export::table::guard) added.
fn unguarded(text: &str) -> &str {
    let rest = text.strip_prefix('\'').unwrap_or(text);
    let computes = rest.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if computes { rest } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> RawRow {
        RawRow { number: 1, cells: cells.iter().map(|c| Ok((*c).to_owned())).collect() }
    }

    #[test]
    fn columns_are_found_by_their_names_in_any_order() {
        let head = Head::of(
            What::Members,
            &row(&["姓名*", " 党员编号", "备注", "党员类别", "所在组织编号", ""]),
        )
        .unwrap();
        assert_eq!(head.unknown, ["备注"]);
        let line = row(&["王建国", "D1", "x", "正式党员"]);
        assert_eq!(head.cell(&line, MEMBER_CODE), Some(Ok("D1")));
        assert_eq!(head.cell(&line, MEMBER_ORG), Some(Ok("")), "a short row");
        assert_eq!(head.cell(&line, MEMBER_PHONE), None, "no such column");
    }

    #[test]
    fn a_table_without_its_columns_names_them() {
        assert_eq!(
            Head::of(What::Orgs, &row(&["组织名称", "组织类型"])).unwrap_err(),
            FileProblem::MissingColumns("组织编号、上级组织编号".into())
        );
        assert_eq!(
            Head::of(What::Orgs, &row(&["组织编号", "组织编号"])).unwrap_err(),
            FileProblem::TwiceColumn("组织编号".into())
        );
    }

    #[test]
    fn the_quote_of_an_export_is_taken_away_again() {
        assert_eq!(unguarded("'+8613900000000"), "+8613900000000");
        assert_eq!(unguarded("'张三"), "'张三");
        assert_eq!(unguarded("=1"), "=1");
    }
}
