//! Bandwidth: what publishers are told about the packets that arrived ([`twcc`]), and how much can
//! be sent to a subscriber, from what it tells of ours ([`estimator`]; the algorithm is described
//! in `docs/ALLOCATION.md`).

pub mod aimd;
pub mod estimator;
pub mod feedback;
pub mod floor;
pub mod history;
pub mod loss;
pub mod pacer;
pub mod probe;
pub mod rate;
pub mod trendline;
pub mod twcc;

#[cfg(test)]
mod link_tests;
