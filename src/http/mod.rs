//! HTTP: one file per resource, one table of routes, one mapping of errors.

mod account;
mod archive;
mod assets;
pub mod ballots;
pub mod caller;
mod daily;
pub mod door;
pub mod error;
mod extract;
mod file;
mod first_bytes;
mod health;
mod ice_servers;
mod join;
pub mod listener;
mod metrics;
pub mod middleware;
pub mod minutes;
pub mod minutes_view;
pub mod network;
pub mod openapi;
mod origin;
mod people;
mod prefixed;
mod redirect;
pub mod routes;
mod rules;
pub mod serve;
mod sessions;
mod statistics;
mod stream;
pub mod tls;
mod view;
mod whip;

pub use error::{ApiError, ApiResult};
