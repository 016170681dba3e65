//! Organisations and members from spreadsheets: read, looked at, and only then written.
//!
//! A file is read twice: once for the preview, which writes nothing and names every bad cell, and
//! once when it is confirmed, in one transaction. Matching is by code, so the same file again
//! changes nothing. Memory does not grow with the rows of members: they pass through in chunks.

pub mod columns;
mod csv_rows;
pub mod job;
pub mod members;
pub mod orgs;
pub mod problem;
mod source;
mod xlsx_rows;

pub use columns::What;
pub use job::{Imports, JobId, JobView};
pub use problem::{FileProblem, Problem};
pub use source::{Cell, RawRow, read_rows};

/// Largest XLSX, bytes. Its shared strings are held in memory while it is read.
pub const MAX_XLSX_BYTES: u64 = 64 << 20;
/// Largest CSV, bytes: 1.4 million members are about 120 MB.
pub const MAX_CSV_BYTES: u64 = 512 << 20;
/// What an XLSX may unpack to, all its parts together, bytes.
pub const MAX_UNPACKED_BYTES: u64 = 1 << 30;
/// And its shared strings alone.
pub const MAX_STRINGS_BYTES: u64 = 256 << 20;
/// A part that unpacks to more than [`RATIO_FROM_BYTES`] and this many times its packed size is no
/// spreadsheet: deflate does 1,032 at most, sheets do 10 to 50.
pub const MAX_RATIO: u64 = 200;
pub const RATIO_FROM_BYTES: u64 = 8 << 20;
/// Parts of an XLSX.
pub const MAX_PARTS: usize = 1_000;
/// Rows of a file, without its headline.
pub const MAX_ROWS: u64 = 2_000_000;
/// Organisations of a file: they are resolved against one another, so all are held in memory.
pub const MAX_ORG_ROWS: u64 = 200_000;
pub const MAX_COLUMNS: usize = 64;
/// Longest cell of a file, bytes; what a field may hold is less.
pub const MAX_CELL_BYTES: usize = 32_768;
/// Bad cells that are listed; the others are counted.
pub const MAX_PROBLEMS: usize = 200;
/// Changes that are shown as examples.
pub const MAX_EXAMPLES: usize = 50;
/// More changes than this are not written on SQLite while a meeting runs: its one writer would be
/// taken from the meeting's journal for seconds.
pub const MAX_BESIDE_MEETINGS: u64 = 20_000;
