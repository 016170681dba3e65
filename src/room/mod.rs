//! A meeting's room: a pure state machine and the actor that gives it a mailbox.
//!
//! `state` and the files beside it decide; [`actor`] carries out what they decide, in order, with
//! the journal durable before anything is acknowledged; [`registry`] finds or reopens the room of
//! a session. One task owns a room (law 2); a panic in it ends that room only (law 6).

pub mod actor;
pub mod acts;
pub mod ballot_keys;
pub mod ballots;
mod chair;
pub mod clock;
pub mod effect;
mod handle;
mod meeting;
mod outage;
pub mod parking;
mod participants;
pub mod ports;
mod presence;
mod publishing;
mod quality;
mod recording;
pub mod records;
mod refusal;
pub mod registry;
pub mod report;
mod restore;
mod roll;
pub mod roll_view;
mod rollcall;
pub mod setup;
pub mod shards;
mod sites;
pub mod state;
mod streaming;
#[cfg(test)]
mod tests;
mod turns;

pub use acts::{Act, Acted, KnockAnswer};
pub use effect::{Effect, Input, Now};
pub use registry::{Glance, Registry};
pub use roll::KnockState;
pub use setup::RoomSetup;
pub use state::RoomState;
