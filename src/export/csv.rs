//! The same tables as CSV, with a byte order mark: spreadsheets in China take a file without one
//! for GBK.

use super::attendance_xlsx::{AttendanceExport, tables};
use super::table::{Cell, guard};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Header lines (会议, 正式时间, 规则…), an empty line, then 明细.
///
/// # Errors
/// None but of the writer, which writes to memory.
pub fn attendance_csv(export: &AttendanceExport<'_>) -> Result<Vec<u8>, ::csv::Error> {
    let [summary, details, _] = tables(export);
    let mut writer = ::csv::WriterBuilder::new()
        .flexible(true)
        .terminator(::csv::Terminator::CRLF)
        .from_writer(BOM.to_vec());
    for row in summary.rows.iter().filter(|row| !row.is_empty()) {
        writer.write_record(row.iter().map(text))?;
    }
    writer.write_record([""])?;
    for row in &details.rows {
        writer.write_record(row.iter().map(text))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) | Cell::Title(text) => guard(text),
        Cell::Count(n) => n.to_string(),
        // One digit, in whole numbers, as the spreadsheet shows it.
        Cell::Minutes(s) => {
            let tenths = (s * 10 + 30).div_euclid(60);
            format!("{}.{}", tenths / 10, tenths % 10)
        }
        Cell::Permille(n) => format!("{}.{}%", n / 10, n % 10),
    }
}
