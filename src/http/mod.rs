//! HTTP: one file per resource, one table of routes, one mapping of errors.

pub mod assets;
pub mod error;
pub mod file;
pub mod listener;
pub mod middleware;
mod redirect;
mod stream;
pub mod tls;

pub use error::{ApiError, ApiResult};
