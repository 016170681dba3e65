//! Renderings for people to take away: spreadsheets now, documents later. Pure: data in, bytes out.

pub mod attendance_xlsx;
mod ballot_words;
mod csv;
mod event_words;
pub mod people;
pub mod table;

pub use attendance_xlsx::{AttendanceExport, attendance_xlsx};
pub use csv::attendance_csv;
