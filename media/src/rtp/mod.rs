//! See the crate's guide.
