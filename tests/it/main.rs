//! One integration binary: each subject is a module.

mod laws;
