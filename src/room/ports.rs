//! What a room needs from the world, as seams: the media shards and the records.
//!
//! The server plugs in `media_io` and the store; tests plug in memory.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use media::stats::RoomStats;
use media_io::MediaStats;
use signaling::view::{ChatMessage, SessionState};
use signaling::{Answer, Publication, ShownTrack, Source, WireError};
use thiserror::Error;
use tokio::sync::{mpsc, watch};

use super::ballots::BoxedPaper;
use super::clock::Anchor;
use super::effect::{CaptureReport, MediaNotice, Programme, Stream};
use super::setup::RoomSetup;
use crate::domain::{BallotId, EndpointId, PersonId, SessionId, Standing};
use crate::journal::{Envelope, NewEvent};

/// An offer on its way to the shard.
#[derive(Debug, Clone)]
pub struct OfferCommand {
    pub session: SessionId,
    pub endpoint: EndpointId,
    pub person: PersonId,
    pub sdp: String,
    pub publications: Vec<Publication>,
    pub may_publish: bool,
    pub may_capture: bool,
    pub stream: Option<Stream>,
}

/// Media of all rooms. Calls that return nothing must not block; they may be lost only together
/// with the shard itself.
pub trait MediaPort: Send + Sync + 'static {
    /// Bounded; a full channel is the shard's to handle (it keeps the newest whole values).
    fn open_room(
        &self,
        session: SessionId,
    ) -> BoxFuture<'_, Result<mpsc::Receiver<MediaNotice>, WireError>>;
    fn close_room(&self, session: SessionId) -> BoxFuture<'_, ()>;
    fn offer(&self, offer: OfferCommand) -> BoxFuture<'_, Result<Answer, WireError>>;
    fn remove_peer(&self, session: SessionId, endpoint: EndpointId) -> BoxFuture<'_, ()>;
    fn set_enabled(
        &self,
        session: SessionId,
        endpoint: EndpointId,
        source: Source,
        on: bool,
    ) -> BoxFuture<'_, ()>;
    /// Who presides: heard before others in a large room.
    fn set_chair(&self, session: SessionId, chair: Option<PersonId>) -> BoxFuture<'_, ()>;
    /// What an endpoint shows, all of it.
    fn set_view(
        &self,
        session: SessionId,
        endpoint: EndpointId,
        tracks: Vec<(PersonId, ShownTrack)>,
    ) -> BoxFuture<'_, ()>;
    fn set_programme(&self, session: SessionId, programme: Programme) -> BoxFuture<'_, ()>;
    /// Starts, or goes on after a restart, in new segments. `origin` is the instant at which the
    /// session's time is `origin_mono_us`.
    fn start_capture(
        &self,
        session: SessionId,
        origin: std::time::Instant,
        origin_mono_us: i64,
    ) -> BoxFuture<'_, Result<(), WireError>>;
    fn pause_capture(&self, session: SessionId) -> BoxFuture<'_, ()>;
    fn resume_capture(&self, session: SessionId) -> BoxFuture<'_, ()>;
    /// Returns when everything is on disk.
    fn stop_capture(&self, session: SessionId) -> BoxFuture<'_, ()>;
    /// How the room's tracks and subscribers stand; none when media does not say.
    fn stats(&self, _session: SessionId) -> BoxFuture<'_, Option<RoomStats>> {
        Box::pin(std::future::ready(None))
    }
    /// What media counts as a whole; none when it counts nothing.
    fn totals(&self) -> Option<MediaStats> {
        None
    }
    /// A receiver whose sender is gone when there is no capture.
    fn capture_reports(&self, session: SessionId) -> watch::Receiver<CaptureReport>;
}

/// The store did not take it; nobody may be told that it did.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the records could not be written: {0}")]
pub struct NotDurable(pub String);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LoadError {
    #[error("no such session")]
    NotFound,
    #[error("the session is not open yet")]
    NotOpen,
    #[error("the session has ended")]
    Ended,
    #[error("the records cannot be read: {0}")]
    Unavailable(String),
}

/// A session as it was found in the records.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub setup: RoomSetup,
    /// In order of their sequence numbers; holds at least `session_opened`.
    pub journal: Vec<Envelope>,
    /// When the session opened, by the clock of the machine's boot, if it was kept.
    pub anchor: Option<Anchor>,
}

/// The records of all sessions.
pub trait RecordsPort: Send + Sync + 'static {
    fn load(&self, session: SessionId) -> BoxFuture<'_, Result<Loaded, LoadError>>;
    /// Returns when the events are durable and in their place in the chain, with the chat texts
    /// whose digests are among them: all or nothing.
    fn append(
        &self,
        session: SessionId,
        chat: Vec<ChatMessage>,
        events: Vec<NewEvent>,
    ) -> BoxFuture<'_, Result<(), NotDurable>>;
    /// True while the database is away and the records wait on this machine.
    fn away(&self) -> watch::Receiver<bool> {
        watch::channel(false).1
    }
    fn store_state(
        &self,
        session: SessionId,
        state: SessionState,
        at_us: i64,
    ) -> BoxFuture<'_, Result<(), NotDurable>>;
    /// Who may come in besides the frozen roster, or not any more.
    fn store_standing(
        &self,
        _session: SessionId,
        _person: PersonId,
        _standing: Standing,
    ) -> BoxFuture<'_, Result<(), NotDurable>> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// The session's clock, after the machine was booted anew.
    fn store_anchor(
        &self,
        session: SessionId,
        anchor: Anchor,
    ) -> BoxFuture<'_, Result<(), NotDurable>>;
    /// Closes the box of an online secret ballot for good and gives its papers.
    fn count_papers(
        &self,
        _session: SessionId,
        _ballot: BallotId,
    ) -> BoxFuture<'_, Result<Vec<BoxedPaper>, NotDurable>> {
        Box::pin(std::future::ready(Err(NotDurable("no ballot box".into()))))
    }
    /// After 散会: signs the head and asks for the rendering. Safe to call again.
    fn finish(
        &self,
        session: SessionId,
        at_us: i64,
        mono_us: i64,
    ) -> BoxFuture<'_, Result<(), NotDurable>>;
}

/// Both seams of a room.
#[derive(Clone)]
pub struct Ports {
    pub media: Arc<dyn MediaPort>,
    pub records: Arc<dyn RecordsPort>,
}

impl Ports {
    /// The ports of a server: shards capture into the data folder, records are in the store.
    pub fn of_server(
        media: media_io::Media,
        store: crate::store::Store,
        appender: crate::store::JournalAppender,
        data: &crate::config::DataDir,
        checkin: crate::auth::CheckinKey,
    ) -> Self {
        Self {
            media: Arc::new(super::shards::Shards::new(media, data.capture())),
            records: Arc::new(super::records::Records::new(store, appender, checkin)),
        }
    }
}
