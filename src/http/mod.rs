//! HTTP: one file per resource, one table of routes, one mapping of errors.

pub mod listener;
mod redirect;
mod stream;
pub mod tls;
