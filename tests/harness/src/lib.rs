//! Clients and load for tests and benchmarks, apart from the server's own code.

pub mod bot;
pub mod client;
