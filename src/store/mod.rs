//! See docs/ARCHITECTURE.md.

pub mod keys;
pub use ids::new_id;
mod ids;
