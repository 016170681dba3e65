//! 会议日志: the append-only, hash-chained record of a session, and the folds over it.
//!
//! Pure: types, canonical form, chain, signatures, verification, folds. Rows are kept by
//! [`crate::store`]; the appender there is the only writer. `docs/JOURNAL.md` describes the file
//! format version 1.

pub mod attendance;
pub mod ballot;
pub mod canonical;
pub mod chain;
mod corrections;
pub mod daily;
pub mod durability;
pub mod event;
pub mod hash;
pub mod minutes;
mod minutes_ballots;
pub mod sign;
mod sites;
pub mod verify;

pub use attendance::{AttendanceFold, attendance_of_file, fold_attendance, report_text};
pub use chain::{Digest, sha256};
pub use durability::Durability;
pub use event::{
    Actor, ChairReason, Change, CheckinMethod, Envelope, Event, FORMAT_VERSION, Header, NewEvent,
    SignPurpose, StopReason,
};
pub use hash::HashAlgorithm;
pub use sign::{HeadSigner, HeadStatement, public_key_hex, sign_head};
pub use verify::{Place, Tampered, Verified, Verifier, verify};
