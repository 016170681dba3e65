//! Selective forwarding: what is published, who receives it, and how it is repaired.

pub mod cache;
pub mod receive;
pub mod rewrite;
