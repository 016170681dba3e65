//! Renderings for people to take away: spreadsheets now, documents later. Pure: data in, bytes out.

pub mod attendance_xlsx;
mod ballot_words;
mod csv;
pub mod docx;
mod event_words;
pub mod font;
pub mod minutes_doc;
pub mod pdf;
pub mod people;
pub mod table;

pub use attendance_xlsx::{AttendanceExport, attendance_xlsx};
pub use csv::attendance_csv;
