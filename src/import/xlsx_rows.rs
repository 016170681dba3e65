//! XLSX: weighed before it is opened, then its first sheet cell by cell.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use calamine::{DataRef, Reader as _, SheetVisible, Xlsx, XlsxError, open_workbook};

use super::problem::FileProblem;
use super::source::{Cell, RawRow, Sink};
use super::{
    MAX_CELL_BYTES, MAX_COLUMNS, MAX_PARTS, MAX_RATIO, MAX_STRINGS_BYTES, MAX_UNPACKED_BYTES,
    RATIO_FROM_BYTES,
};

pub fn read(path: &Path, sink: &mut Sink<'_>) -> Result<(), FileProblem> {
    weigh(path)?;
    let mut book: Xlsx<BufReader<File>> = open_workbook(path).map_err(broken)?;
    let visible = |sheet: &&calamine::Sheet| sheet.visible == SheetVisible::Visible;
    let sheet = book.sheets_metadata().iter().find(visible).map(|sheet| sheet.name.clone());
    let sheet = sheet.ok_or(FileProblem::Empty)?;
    let mut cells = book.worksheet_cells_reader(&sheet).map_err(broken)?;
    let rows = u64::from(cells.dimensions().end.0) + 1;
    let mut row: Option<RawRow> = None;
    let per_mille = |number: u64| u32::try_from(number.min(rows) * 1000 / rows).unwrap_or(1000);
    while let Some(cell) = cells.next_cell().map_err(broken)? {
        let ((at, column), value) = (cell.get_position(), cell.get_value());
        if matches!(value, DataRef::Empty) {
            continue;
        }
        let (number, column) = (u64::from(at) + 1, column as usize);
        if row.as_ref().is_some_and(|row| row.number != number)
            && let Some(done) = row.take()
        {
            let thousandths = per_mille(done.number);
            if sink(done, thousandths).is_break() {
                return Ok(());
            }
        }
        if column >= MAX_COLUMNS {
            return Err(FileProblem::TooManyColumns { row: number, max: MAX_COLUMNS });
        }
        let text = text_of(value);
        if text.as_ref().is_ok_and(|text| text.len() > MAX_CELL_BYTES) {
            return Err(FileProblem::CellTooLong { row: number, column: column + 1 });
        }
        let row = row.get_or_insert_with(|| RawRow { number, cells: Vec::new() });
        if row.cells.len() <= column {
            row.cells.resize(column + 1, Ok(String::new()));
        }
        if let Some(place) = row.cells.get_mut(column) {
            *place = text;
        }
    }
    if let Some(row) = row {
        let _ = sink(row, 1000);
    }
    Ok(())
}

fn broken(error: XlsxError) -> FileProblem {
    match error {
        XlsxError::Password => FileProblem::OldOrEncrypted,
        XlsxError::Zip(_) => FileProblem::Broken("压缩包".into()),
        XlsxError::FileNotFound(_) | XlsxError::RelationshipNotFound => FileProblem::NotASheet,
        _ => FileProblem::Broken("工作表".into()),
    }
}

/// Unpacks every part into nothing and counts: what the headers say may be a lie.
fn weigh(path: &Path) -> Result<(), FileProblem> {
    let file = File::open(path).map_err(|_| FileProblem::Disk)?;
    let broken = |_| FileProblem::Broken("压缩包".into());
    let mut zip = zip::ZipArchive::new(BufReader::new(file)).map_err(broken)?;
    if zip.len() > MAX_PARTS {
        return Err(FileProblem::Bomb);
    }
    let mut buffer = vec![0; 64 << 10];
    let mut all = 0_u64;
    for n in 0..zip.len() {
        let mut part = zip.by_index(n).map_err(broken)?;
        if part.encrypted() {
            return Err(FileProblem::OldOrEncrypted);
        }
        let strings = part.name().map_err(broken)?.ends_with("sharedStrings.xml");
        let packed = part.compressed_size().max(1);
        let mut size = 0_u64;
        loop {
            let read = part.read(&mut buffer);
            let n = read.map_err(|_| FileProblem::Broken("压缩包".into()))? as u64;
            if n == 0 {
                break;
            }
            size += n;
            all += n;
            let swells = size > RATIO_FROM_BYTES && size / packed > MAX_RATIO;
            if swells || all > MAX_UNPACKED_BYTES || strings && size > MAX_STRINGS_BYTES {
                return Err(FileProblem::Bomb);
            }
        }
    }
    Ok(())
}

/// A number in a spreadsheet is a float: from here on it has lost digits.
const EXACT: f64 = 1e15;

fn text_of(value: &DataRef<'_>) -> Cell {
    match value {
        DataRef::Int(n) => Ok(n.to_string()),
        DataRef::Float(n) if n.abs() >= EXACT => {
            Err("数字过长，已被表格软件改写，请把该列设为文本格式后重新填写")
        }
        DataRef::Float(n) => Ok(n.to_string()),
        DataRef::String(text) => Ok(text.clone()),
        DataRef::SharedString(text) => Ok((*text).to_owned()),
        DataRef::Bool(true) => Ok("是".into()),
        DataRef::Bool(false) => Ok("否".into()),
        DataRef::DateTime(at) => {
            let (year, month, day, ..) = at.to_ymd_hms_milli();
            Ok(format!("{year:04}-{month:02}-{day:02}"))
        }
        DataRef::DateTimeIso(text) => Ok(text.chars().take(10).collect()),
        DataRef::DurationIso(text) => Ok(text.clone()),
        DataRef::Error(_) => Err("公式结果有错，请改成正确的内容"),
        DataRef::Empty => Ok(String::new()),
    }
}
