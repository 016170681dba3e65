//! Organisations and members as tables, with the columns of the import: what is exported and
//! imported again changes nothing.

use super::table::{Cell, Table, guard};
use crate::domain::member::class_word;
use crate::domain::{OrgId, OrgTree};
use crate::import::What;
use crate::import::members::{HERE, LEFT};
use crate::store::Member;

/// The byte order mark by which Excel in China knows UTF-8.
pub const BOM: &str = "\u{feff}";
/// Rows of an XLSX at most: it is made in memory.
pub const MAX_XLSX_ROWS: usize = 200_000;

fn code_of(tree: &OrgTree, id: OrgId) -> String {
    tree.code(id).map_or_else(|| id.to_string(), str::to_owned)
}

/// An organisation; None for one that is closed.
pub fn org_row(tree: &OrgTree, id: OrgId) -> Option<Vec<String>> {
    let node = tree.get(id).filter(|_| tree.closed_us(id).is_none())?;
    let parent = node.parent.map(|parent| code_of(tree, parent)).unwrap_or_default();
    Some(vec![code_of(tree, id), node.name.clone(), node.kind.word().to_owned(), parent])
}

pub fn member_row(tree: &OrgTree, m: &Member) -> Vec<String> {
    let seat = m.seat.as_ref();
    vec![
        m.code.clone().unwrap_or_else(|| m.id.to_string()),
        m.name.clone(),
        code_of(tree, m.org_id),
        tree.get(m.org_id).map_or(String::new(), |org| org.name.clone()),
        m.group_id.map(|group| code_of(tree, group)).unwrap_or_default(),
        m.class.map_or("", class_word).to_owned(),
        seat.map_or("", |seat| seat.post.word()).to_owned(),
        seat.and_then(|seat| seat.from_on.clone()).unwrap_or_default(),
        seat.and_then(|seat| seat.until_on.clone()).unwrap_or_default(),
        m.phone.clone().unwrap_or_default(),
        if m.active { HERE } else { LEFT }.to_owned(),
    ]
}

/// One line of CSV (RFC 4180), with what a spreadsheet would compute quoted.
pub fn csv_line<T: AsRef<str>>(cells: &[T], out: &mut String) {
    for (n, cell) in cells.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        let text = guard(cell.as_ref());
        if text.contains(['"', ',', '\n', '\r']) {
            out.push('"');
            out.push_str(&text.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(&text);
        }
    }
    out.push_str("\r\n");
}

/// All as text, so that no spreadsheet makes a number of a code.
pub fn table(what: What, rows: Vec<Vec<String>>) -> Table {
    let head = what.columns().iter().map(|column| Cell::Title((*column).to_owned())).collect();
    let rows = rows.into_iter().map(|row| row.into_iter().map(Cell::from).collect());
    Table {
        name: match what {
            What::Orgs => "组织",
            What::Members => "党员",
        },
        rows: std::iter::once(head).chain(rows).collect(),
        widths: vec![16; what.columns().len()],
        frozen_rows: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_compute_or_hold_commas_are_quoted() {
        let mut line = String::new();
        csv_line(&["+86139", "a,b", "say \"yes\"", "=1", "Wang"], &mut line);
        assert_eq!(line, "'+86139,\"a,b\",\"say \"\"yes\"\"\",'=1,Wang\r\n");
    }
}
