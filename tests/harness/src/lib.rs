//! Clients and load for tests and benchmarks, apart from the server's own code.

pub mod bot;
pub mod client;
pub mod http;
pub mod line;
pub mod mark;
pub mod member;
pub mod webrtc_bot;
