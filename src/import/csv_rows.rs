//! CSV (RFC 4180) of any length in a fixed memory: UTF-8 with or without its mark, GB18030, or
//! UTF-16 as Excel's "Unicode text" has it.

use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom};
use std::ops::ControlFlow;
use std::path::Path;

use encoding_rs::{CoderResult, Decoder, Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};

use super::problem::FileProblem;
use super::source::{Cell, RawRow, Sink};
use super::{MAX_CELL_BYTES, MAX_COLUMNS};

const CHUNK: usize = 64 << 10;

pub fn read(path: &Path, bytes: u64, sink: &mut Sink<'_>) -> Result<(), FileProblem> {
    let mut file = File::open(path).map_err(|_| FileProblem::Disk)?;
    let encoding = detect(&mut file)?;
    file.seek(SeekFrom::Start(0)).map_err(|_| FileProblem::Disk)?;
    let mut decoder = encoding.new_decoder_with_bom_removal();
    let mut parser = Parser::default();
    let (mut raw, mut text) = (vec![0; CHUNK], vec![0; CHUNK * 4]);
    let mut read = 0_u64;
    loop {
        let n = file.read(&mut raw).map_err(|_| FileProblem::Disk)?;
        read += n as u64;
        let done = u32::try_from(read * 1000 / bytes.max(1)).unwrap_or(1000);
        let mut rest = raw.get(..n).unwrap_or_default();
        loop {
            let (all, used, written) = decode(&mut decoder, rest, &mut text, n == 0)
                .ok_or(FileProblem::Encoding { row: parser.row() })?;
            for byte in text.get(..written).unwrap_or_default() {
                if let Some(row) = parser.push(*byte)?
                    && sink(row, done).is_break()
                {
                    return Ok(());
                }
            }
            rest = rest.get(used..).unwrap_or_default();
            if all {
                break;
            }
        }
        if n == 0 {
            if let Some(row) = parser.finish()? {
                let _: ControlFlow<()> = sink(row, 1000);
            }
            return Ok(());
        }
    }
}

/// Whether all was taken, how much was, and how much was written; None for what is no text.
fn decode(
    decoder: &mut Decoder,
    from: &[u8],
    to: &mut [u8],
    last: bool,
) -> Option<(bool, usize, usize)> {
    let (result, used, written, errors) = decoder.decode_to_utf8(from, to, last);
    (!errors).then_some((result == CoderResult::InputEmpty, used, written))
}

/// By its mark; else UTF-8 when all of it is, else GB18030, which what Excel in China writes is.
fn detect(file: &mut File) -> Result<&'static Encoding, FileProblem> {
    let mut decoder = UTF_8.new_decoder_without_bom_handling();
    let (mut raw, mut text) = (vec![0; CHUNK], vec![0; CHUNK * 4]);
    let mut first = true;
    loop {
        let n = file.read(&mut raw).map_err(|_| FileProblem::Disk)?;
        let chunk = raw.get(..n).unwrap_or_default();
        if std::mem::take(&mut first) {
            match chunk {
                [0xef, 0xbb, 0xbf, ..] => return Ok(UTF_8),
                [0xff, 0xfe, ..] => return Ok(UTF_16LE),
                [0xfe, 0xff, ..] => return Ok(UTF_16BE),
                _ => {}
            }
            // Text has no zero bytes in either encoding.
            if chunk.contains(&0) {
                return Err(FileProblem::NotASheet);
            }
        }
        // The buffer holds three bytes for each read: all is taken at once.
        if decode(&mut decoder, chunk, &mut text, n == 0).is_none() {
            return Ok(GB18030);
        }
        if n == 0 {
            return Ok(UTF_8);
        }
    }
}

#[derive(Clone, Copy, Default, PartialEq)]
enum At {
    #[default]
    Start,
    Plain,
    Quoted,
    /// A quote inside quotes: the end, or half of a quote that is meant.
    Quote,
}

/// Bytes of UTF-8 to rows.
#[derive(Default)]
struct Parser {
    at: At,
    field: Vec<u8>,
    cells: Vec<Cell>,
    rows: u64,
    after_cr: bool,
    /// Of the headline: a comma, or the tab of "Unicode text".
    delimiter: Option<u8>,
}

impl Parser {
    fn row(&self) -> u64 {
        self.rows + 1
    }

    fn push(&mut self, byte: u8) -> Result<Option<RawRow>, FileProblem> {
        let after_cr = std::mem::take(&mut self.after_cr);
        if byte == b'\n' && after_cr && self.at == At::Start && self.cells.is_empty() {
            return Ok(None);
        }
        let delimiter = self.delimiter.unwrap_or(b',');
        match (self.at, byte) {
            (At::Start, b'"') => self.at = At::Quoted,
            (At::Quoted, b'"') => self.at = At::Quote,
            (At::Quote, b'"') => {
                self.at = At::Quoted;
                self.keep(byte)?;
            }
            (At::Quoted, _) => self.keep(byte)?,
            // The first delimiter of the file says which one it is.
            (_, b'\t') if self.delimiter.is_none() => {
                self.delimiter = Some(b'\t');
                self.end_cell()?;
            }
            (_, byte) if byte == delimiter => {
                self.delimiter = Some(byte);
                self.end_cell()?;
            }
            (_, b'\r' | b'\n') => {
                self.after_cr = byte == b'\r';
                return self.end_row().map(Some);
            }
            (_, _) => {
                self.at = At::Plain;
                self.keep(byte)?;
            }
        }
        Ok(None)
    }

    fn keep(&mut self, byte: u8) -> Result<(), FileProblem> {
        if self.field.len() >= MAX_CELL_BYTES {
            return Err(FileProblem::CellTooLong { row: self.row(), column: self.cells.len() + 1 });
        }
        self.field.push(byte);
        Ok(())
    }

    fn end_cell(&mut self) -> Result<(), FileProblem> {
        if self.cells.len() >= MAX_COLUMNS {
            return Err(FileProblem::TooManyColumns { row: self.row(), max: MAX_COLUMNS });
        }
        self.at = At::Start;
        // Split between characters: the delimiters are ASCII.
        let text = String::from_utf8_lossy(&self.field).into_owned();
        self.field.clear();
        self.cells.push(Ok(text));
        Ok(())
    }

    fn end_row(&mut self) -> Result<RawRow, FileProblem> {
        self.end_cell()?;
        self.rows += 1;
        Ok(RawRow { number: self.rows, cells: std::mem::take(&mut self.cells) })
    }

    fn finish(&mut self) -> Result<Option<RawRow>, FileProblem> {
        if self.at == At::Start && self.cells.is_empty() && self.field.is_empty() {
            return Ok(None);
        }
        self.end_row().map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &[u8]) -> Result<Vec<(u64, Vec<String>)>, FileProblem> {
        let mut parser = Parser::default();
        let mut rows = Vec::new();
        for byte in text {
            rows.extend(parser.push(*byte)?);
        }
        rows.extend(parser.finish()?);
        let texts = |row: RawRow| (row.number, row.cells.into_iter().map(Result::unwrap).collect());
        Ok(rows.into_iter().map(texts).collect())
    }

    fn row(number: u64, cells: &[&str]) -> (u64, Vec<String>) {
        (number, cells.iter().map(|c| (*c).to_owned()).collect())
    }

    #[test]
    fn quotes_line_ends_and_row_numbers() {
        assert_eq!(
            parsed(b"a,b\r\n\r\n\"x,\"\"y\"\"\n\",2\nlast").unwrap(),
            [row(1, &["a", "b"]), row(2, &[""]), row(3, &["x,\"y\"\n", "2"]), row(4, &["last"])]
        );
        assert_eq!(parsed(b"a\tb,c\n1\t2").unwrap(), [row(1, &["a", "b,c"]), row(2, &["1", "2"])]);
        assert_eq!(parsed(b"a,\n").unwrap(), [row(1, &["a", ""])]);
        assert_eq!(parsed(b"").unwrap(), []);
    }

    #[test]
    fn a_quote_that_never_ends_and_a_cell_of_ten_megabytes_stop_the_reading() {
        let mut open = b"a,b\n1,\"".to_vec();
        open.resize(10 << 20, b'x');
        assert_eq!(parsed(&open), Err(FileProblem::CellTooLong { row: 2, column: 2 }));
        let wide = ",".repeat(MAX_COLUMNS + 1);
        let refused = FileProblem::TooManyColumns { row: 1, max: MAX_COLUMNS };
        assert_eq!(parsed(wide.as_bytes()), Err(refused));
    }
}
