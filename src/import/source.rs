//! A file as rows of text, whatever it is.

use std::fs::File;
use std::io::Read as _;
use std::ops::ControlFlow;
use std::path::Path;

use super::problem::FileProblem;
use super::{MAX_CSV_BYTES, MAX_ROWS, MAX_XLSX_BYTES, csv_rows, xlsx_rows};

/// A cell of text, or why it has none that could be trusted.
pub type Cell = Result<String, &'static str>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRow {
    /// As the spreadsheet numbers it, from 1.
    pub number: u64,
    pub cells: Vec<Cell>,
}

impl RawRow {
    pub fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell.as_ref().is_ok_and(|text| text.trim().is_empty()))
    }
}

/// Where rows go; `done` is how much of the file is read, in thousandths.
pub type Sink<'a> = dyn FnMut(RawRow, u32) -> ControlFlow<()> + 'a;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Xlsx,
    Csv,
}

fn sort(path: &Path) -> Result<Sort, FileProblem> {
    let mut start = [0; 8];
    let mut file = File::open(path).map_err(|_| FileProblem::Disk)?;
    let read = file.read(&mut start).map_err(|_| FileProblem::Disk)?;
    match start.get(..read).unwrap_or_default() {
        [] => Err(FileProblem::Empty),
        [b'P', b'K', ..] => Ok(Sort::Xlsx),
        // Compound files: old spreadsheets, and new ones that are encrypted.
        [0xd0, 0xcf, 0x11, 0xe0, ..] => Err(FileProblem::OldOrEncrypted),
        // PDF, PNG, GIF, JPEG, RAR, gzip, 7z: named, before they are taken for odd text.
        [b'%', b'P', b'D', b'F', ..]
        | [0x89, b'P', b'N', b'G', ..]
        | [b'G', b'I', b'F', b'8', ..]
        | [0xff, 0xd8, 0xff, ..]
        | [b'R', b'a', b'r', b'!', ..]
        | [0x1f, 0x8b, ..]
        | [b'7', b'z', 0xbc, 0xaf, ..] => Err(FileProblem::NotASheet),
        _ => Ok(Sort::Csv),
    }
}

/// Reads the first sheet, or the CSV, row by row, without blank rows; stops when the sink says so.
/// Blocks: not for an async task.
///
/// # Errors
/// [`FileProblem`]
pub fn read_rows(path: &Path, sink: &mut Sink<'_>) -> Result<(), FileProblem> {
    let bytes = std::fs::metadata(path).map_err(|_| FileProblem::Disk)?.len();
    let sort = sort(path)?;
    let max = match sort {
        Sort::Xlsx => MAX_XLSX_BYTES,
        Sort::Csv => MAX_CSV_BYTES,
    };
    if bytes > max {
        return Err(FileProblem::TooLarge(max >> 20));
    }
    let mut rows = 0_u64;
    let mut too_many = false;
    let mut checked = |row: RawRow, done: u32| {
        if row.is_blank() {
            return ControlFlow::Continue(());
        }
        rows += 1;
        if rows > MAX_ROWS + 1 {
            too_many = true;
            return ControlFlow::Break(());
        }
        sink(row, done)
    };
    match sort {
        Sort::Xlsx => xlsx_rows::read(path, &mut checked)?,
        Sort::Csv => csv_rows::read(path, bytes, &mut checked)?,
    }
    match (too_many, rows) {
        (true, _) => Err(FileProblem::TooManyRows(MAX_ROWS)),
        (false, 0) => Err(FileProblem::Empty),
        _ => Ok(()),
    }
}
