//! The server of Yuntang: what a Party meeting is, and the shells around it.
//!
//! Pure: [`domain`], [`journal`], `room::state`. Shells: [`store`], [`auth`], [`http`], [`ws`],
//! `room::actor`, [`archive`], [`export`]. [`app`] puts them together; [`cli`] is how a person
//! starts it.

pub mod app;
pub mod archive;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod export;
pub mod http;
pub mod import;
pub mod journal;
pub mod metrics;
pub mod room;
pub mod store;
pub mod ws;
