//! Plain tables and their writing as XLSX.
//!
//! Text that a spreadsheet could take for a formula is quoted: a member may call himself
//! `=HYPERLINK(…)`, and the sheet goes on to other programs as CSV.

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, XlsxError};

/// Longest text of an Excel cell, in UTF-16 units.
const MAX_CELL_UNITS: usize = 32_767;

#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Empty,
    Text(String),
    Count(i64),
    /// Minutes, shown with one digit after the point; holds seconds.
    Minutes(i64),
    /// Share in thousandths, shown in per cent.
    Permille(u32),
    /// Text in bold.
    Title(String),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        if text.is_empty() { Self::Empty } else { Self::Text(text.to_owned()) }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<u32> for Cell {
    fn from(n: u32) -> Self {
        Self::Count(n.into())
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub name: &'static str,
    pub rows: Vec<Vec<Cell>>,
    /// Column widths in characters, from the left.
    pub widths: Vec<u16>,
    /// Rows that stay in sight.
    pub frozen_rows: u32,
}

/// Quotes what a spreadsheet would compute, and cuts what a cell cannot hold.
pub fn guard(text: &str) -> String {
    let computes = text.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
    let quote = if computes { "'" } else { "" };
    let mut units = quote.len();
    let fits = text.chars().take_while(|c| {
        units += c.len_utf16();
        units <= MAX_CELL_UNITS
    });
    quote.chars().chain(fits).collect()
}

/// The file. `created_us` is written into it instead of the present time, so the same data gives
/// the same bytes.
///
/// # Errors
/// [`XlsxError`] if a table exceeds what a sheet can hold (1,048,576 rows).
pub fn xlsx(tables: &[Table], created_us: i64) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let created = ExcelDateTime::from_timestamp(created_us.div_euclid(1_000_000))?;
    book.set_properties(&DocProperties::new().set_creation_datetime(&created));
    let bold = Format::new().set_bold();
    let minutes = Format::new().set_num_format("0.0");
    let percent = Format::new().set_num_format("0.0%");
    for table in tables {
        let sheet = book.add_worksheet().set_name(table.name)?;
        for (column, width) in (0_u16..).zip(&table.widths) {
            sheet.set_column_width(column, f64::from(*width))?;
        }
        sheet.set_freeze_panes(table.frozen_rows, 0)?;
        for (r, row) in (0_u32..).zip(&table.rows) {
            for (c, cell) in (0_u16..).zip(row) {
                match cell {
                    Cell::Empty => continue,
                    Cell::Text(text) => sheet.write_string(r, c, guard(text))?,
                    Cell::Title(text) => {
                        sheet.write_string_with_format(r, c, guard(text), &bold)?
                    }
                    // A spreadsheet has no other numbers than these.
                    Cell::Count(n) => sheet.write_number(r, c, *n as f64)?,
                    Cell::Minutes(s) => {
                        sheet.write_number_with_format(r, c, *s as f64 / 60.0, &minutes)?
                    }
                    Cell::Permille(n) => {
                        sheet.write_number_with_format(r, c, f64::from(*n) / 1000.0, &percent)?
                    }
                };
            }
        }
    }
    book.save_to_buffer()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_would_compute_is_quoted() {
        for formula in ["=1+1", "+86 139", "-2", "@SUM(A1)", "\t=1", "＝1"] {
            assert_eq!(guard(formula), format!("'{formula}"));
        }
        assert_eq!(guard("张三=李四"), "张三=李四");
    }

    #[test]
    fn a_cell_is_cut_between_characters() {
        let long = "\u{1f600}".repeat(20_000);
        assert_eq!(guard(&long).encode_utf16().count(), MAX_CELL_UNITS - 1);
    }

    #[test]
    fn the_same_tables_give_the_same_file() {
        let table = Table {
            name: "汇总",
            rows: vec![vec![Cell::Title("应到".into()), Cell::Count(20), Cell::Permille(905)]],
            widths: vec![12, 8],
            frozen_rows: 1,
        };
        let file = xlsx(std::slice::from_ref(&table), 1_795_258_800_000_000).unwrap();
        assert!(file.starts_with(b"PK"));
        assert_eq!(file, xlsx(&[table], 1_795_258_800_000_000).unwrap());
    }
}
