//! A shard's UDP port: batches in and out.

mod locals;
mod options;
mod receive;
mod transmit;

pub(crate) use locals::Locals;
pub(crate) use options::bind;
pub(crate) use receive::Receiver;
pub(crate) use transmit::Transmitter;

#[cfg(test)]
mod tests;
