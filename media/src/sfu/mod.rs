//! Selective forwarding: what is published, who receives it, and how it is repaired.
//!
//! The way of a packet: [`ingress`](self) decrypts it, finds its track and notes it in
//! [`receive`]; [`forward`](self) copies it for each subscriber, renumbered by [`rewrite`], and
//! seals it. [`cache`] answers NACKs; what is asked of publishers and told to subscribers is
//! written when timers fire. Offers and ends of things stand apart from the packet path.

mod allocate;
pub mod allocator;
mod assign;
mod backoff;
mod codecs;
mod control;
pub(crate) mod downlink;
mod egress;
pub(crate) mod elsewhere;
mod feedback;
mod forward;
mod ingress;
mod offer;
mod pacer;
mod programme;
mod relay;
mod stats;
mod timers;
mod voices;
mod work;

pub mod cache;
pub mod filter;
pub mod keyframe;
pub mod layer;
pub mod loudest;
pub mod nack;
pub mod pressure;
mod publishing;
pub mod receive;
pub mod repair;
pub mod rewrite;
mod selection;
pub mod speaker;
pub mod voice;

pub(crate) mod peer;
pub(crate) mod room;
pub(crate) mod slot;
pub(crate) mod track;

pub(crate) use control::Mark;
pub(crate) use pressure::Pressure;
pub(crate) use relay::Relay;
pub use track::MAX_LAYERS;
pub(crate) use voices::Entry;
pub(crate) use work::Work;
