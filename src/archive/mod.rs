//! What becomes of a session after 散会: the signed head, the rendering, the archive.
//!
//! [`Finisher`] does the closing work and can do it again; [`jobs`] runs the FFmpeg child, one at
//! a time, and sees to it that its crash costs nothing; [`render`] makes its job out of the
//! journal alone, so that a recording can be made again at any time.

mod finish;
pub mod jobs;
pub mod minutes;
pub mod render;

pub use finish::Finisher;
pub use jobs::Jobs;
pub use minutes::MinutesDesk;
