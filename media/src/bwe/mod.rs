//! Bandwidth: what publishers are told about the packets that arrived.

pub mod twcc;
