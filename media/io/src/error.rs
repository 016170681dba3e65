//! Errors of the media shell, by operation.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

/// Why media could not start. Every case is for the person who starts the server.
#[derive(Debug, Error)]
pub enum StartError {
    #[error("UDP port {} is in use: is another server running? (--port chooses another)", .0.port())]
    PortInUse(SocketAddr),
    #[error("UDP address {address} cannot be opened: {source}")]
    Socket { address: SocketAddr, source: io::Error },
    #[error("media needs at least one UDP address")]
    NoAddress,
    #[error("media needs at least one address to tell clients")]
    NothingAdvertised,
    #[error("the DTLS certificate could not be made: {0}")]
    Identity(String),
    #[error("a media thread could not be started: {0}")]
    Thread(io::Error),
}

/// Why a command about a room was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MediaError {
    #[error("no such room")]
    NoSuchRoom,
    #[error("the room is open already")]
    AlreadyOpen,
    /// The shard's command queue is full: transient, try again.
    #[error("the media server is overloaded")]
    Overloaded,
    #[error("the media server is stopping")]
    Stopping,
}

/// Why capture did not start, pause or stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CaptureError {
    #[error("no such room")]
    NoSuchRoom,
    #[error("the room is captured already")]
    AlreadyStarted,
    #[error("the room is not captured")]
    NotStarted,
    /// A queue is full: transient, try again.
    #[error("the capture writer is overloaded")]
    Overloaded,
    /// It has ended, but not everything is on disk.
    #[error("the end of the capture could not be written")]
    NotDurable,
    #[error("the media server is stopping")]
    Stopping,
}
