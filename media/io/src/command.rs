//! What the handle asks of a shard's thread.

use std::sync::Arc;

use media::api::{
    Event, OfferAnswer, OfferError, OfferRequest, OwnerId, PeerId, Programme, RoomId, Source,
    TrackView,
};
use media::stats::RoomStats;
use tokio::sync::{mpsc, oneshot, watch};

use crate::capture::{CaptureStatus, CaptureTarget};
use crate::error::{CaptureError, MediaError};
use crate::span::Members;

/// Commands that wait for one shard.
pub(crate) const QUEUE: usize = 1_024;

pub(crate) enum Command {
    OpenRoom {
        room: RoomId,
        events: mpsc::Sender<Event>,
        members: Arc<Members>,
        /// The room is at home on another shard: capture and speaker are told there.
        part: bool,
        answer: oneshot::Sender<Result<(), MediaError>>,
    },
    /// The room is also on that shard.
    LinkRoom {
        room: RoomId,
        other: usize,
    },
    CloseRoom {
        room: RoomId,
    },
    Offer {
        request: Box<OfferRequest>,
        answer: oneshot::Sender<Result<OfferAnswer, OfferError>>,
    },
    RemovePeer {
        room: RoomId,
        peer: PeerId,
    },
    SetEnabled {
        room: RoomId,
        peer: PeerId,
        source: Source,
        on: bool,
    },
    SetView {
        room: RoomId,
        peer: PeerId,
        views: Vec<TrackView>,
    },
    SetProgramme {
        room: RoomId,
        programme: Programme,
    },
    SetChair {
        room: RoomId,
        chair: Option<OwnerId>,
    },
    SetMayCapture {
        room: RoomId,
        peer: PeerId,
        on: bool,
    },
    StartCapture {
        room: RoomId,
        target: CaptureTarget,
        status: Arc<watch::Sender<CaptureStatus>>,
        answer: oneshot::Sender<Result<(), CaptureError>>,
    },
    PauseCapture {
        room: RoomId,
        answer: oneshot::Sender<Result<(), CaptureError>>,
    },
    ResumeCapture {
        room: RoomId,
        answer: oneshot::Sender<Result<(), CaptureError>>,
    },
    /// The writer answers, unless the shard has to refuse.
    StopCapture {
        room: RoomId,
        answer: oneshot::Sender<Result<(), CaptureError>>,
        done: oneshot::Sender<bool>,
    },
    Stats {
        room: RoomId,
        answer: oneshot::Sender<Option<RoomStats>>,
    },
    Shutdown {
        done: oneshot::Sender<()>,
    },
}
