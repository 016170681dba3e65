//! The wire protocol between a browser and a meeting, and the state machine of one websocket.
//!
//! This crate knows no tokio, no axum and no clock: it is told the time and returns what to do.
//! `docs/PROTOCOL.md` says in prose what the types here say in Rust; the TypeScript of the web
//! client is generated from them (`cargo dev gen`).

pub mod backlog;
pub mod ballot;
pub mod connection;
pub mod error;
pub mod frame;
pub mod limits;
pub mod message;
pub mod rate;
pub mod typescript;
pub mod view;

pub use backlog::{Backlog, Notice};
pub use connection::{Closed, Connection, Incoming, State};
pub use error::{ErrorCode, WireError};
pub use message::{
    Answer, Assignment, ClientMessage, Event, Hello, LeaveReason, Offer, PROTOCOL_VERSION,
    ParticipantQuality, Publication, Reply, Request, ServerMessage, ShownTrack, Source, VideoCodec,
    Welcome,
};
