//! The one writer of all journals, as its callers see it: durable before acknowledged, many events
//! in one transaction ([`super::writer`]).
//!
//! While one transaction is being synced the next batch gathers, so the rate grows with the load
//! (group commit). Overflow: the queue is bounded; who finds it full waits at most
//! [`ENQUEUE_TIMEOUT`] and then is told that the store is not available. Nothing is dropped
//! silently.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot, watch};

use super::books::StoreBooks;
use super::chat::StoredChat;
use super::db::Store;
use super::error::StoreError;
use super::spool::{DiskFile, Spool};
use super::writer::{Call, What, Writer};
use crate::domain::{SessionId, SessionState};
use crate::journal::{Envelope, HeadSigner, NewEvent, SignPurpose};

/// Calls that may wait for the writer.
pub const APPEND_QUEUE: usize = 4096;
/// Longest wait for a place in the queue.
const ENQUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the writer counts, for `/metrics`.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub bytes: AtomicU64,
    pub spooled: AtomicU64,
    pub replayed: AtomicU64,
    pub unfit: AtomicU64,
    pub outages: AtomicU64,
}

/// The spool at a glance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpoolFigures {
    /// The database is away, or has not got everything yet.
    pub away: bool,
    /// Bytes waiting now.
    pub bytes: u64,
    /// Records since start: put into the spool, taken by the database, not taken by it.
    pub spooled: u64,
    pub replayed: u64,
    pub unfit: u64,
    pub outages: u64,
}

/// A handle to the writer; cheap to clone. The writer ends when the last handle is gone, after
/// writing what was queued.
#[derive(Debug, Clone)]
pub struct JournalAppender {
    queue: mpsc::Sender<Call>,
    away: watch::Receiver<bool>,
    counted: Arc<Counted>,
    closing: Arc<Mutex<()>>,
}

impl JournalAppender {
    /// Starts the writer. Only one may run on a database at a time: a second one is refused by the
    /// rows' primary key, with [`StoreError::Conflict`]. Await the handle to know it has ended.
    pub fn spawn(store: Store, signer: Arc<dyn HeadSigner>) -> (Self, tokio::task::JoinHandle<()>) {
        Self::start(store, signer, None)
    }

    /// The same with a spool: what may wait ([`crate::journal::Durability::Spool`]) is kept there
    /// while the database is away. What the spool holds from before is replayed first; await
    /// [`JournalAppender::settled`] before journals are read.
    pub fn spawn_with_spool(
        store: Store,
        signer: Arc<dyn HeadSigner>,
        spool: Spool<DiskFile>,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        Self::start(store, signer, Some(spool))
    }

    fn start(
        store: Store,
        signer: Arc<dyn HeadSigner>,
        spool: Option<Spool<DiskFile>>,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, calls) = mpsc::channel(APPEND_QUEUE);
        let counted = Arc::new(Counted::default());
        let (told, away) = watch::channel(false);
        let books = StoreBooks::new(store);
        let writer = Writer::new(books, signer, spool, told, Arc::clone(&counted));
        let appender = Self { queue, away, counted, closing: Arc::default() };
        (appender, tokio::spawn(writer.run(calls)))
    }

    /// Appends events of one session, next to each other, and returns them in their places once
    /// they are durable: in the database, or in the local spool while that is away.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the session was never opened; [`StoreError::Unavailable`] while
    /// the database is away, for events that must not wait for it. On any error none was appended,
    /// except that after [`StoreError::Unavailable`] during a commit it is unknown: the next
    /// append reads the head anew, so the chain stays whole either way.
    pub async fn append(
        &self,
        session: SessionId,
        events: Vec<NewEvent>,
    ) -> Result<Vec<Envelope>, StoreError> {
        self.call(session, What::Events { chat: Vec::new(), events }).await
    }

    /// The same with the texts whose digests are among the events: all or nothing.
    ///
    /// # Errors
    /// As [`JournalAppender::append`].
    pub async fn append_with_chat(
        &self,
        session: SessionId,
        chat: Vec<StoredChat>,
        events: Vec<NewEvent>,
    ) -> Result<Vec<Envelope>, StoreError> {
        self.call(session, What::Events { chat, events }).await
    }

    /// Signs everything appended so far (散会, seal) by a `head_signed` event.
    ///
    /// # Errors
    /// As [`JournalAppender::append`].
    pub async fn sign_head(
        &self,
        session: SessionId,
        purpose: SignPurpose,
        at_us: i64,
        mono_us: i64,
    ) -> Result<Vec<Envelope>, StoreError> {
        self.call(session, What::Sign { purpose, at_us, mono_us }).await
    }

    /// The session's row, behind the events appended before.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for a step that is not in the life of a session.
    pub async fn store_state(
        &self,
        session: SessionId,
        state: SessionState,
        at_us: i64,
    ) -> Result<(), StoreError> {
        self.call(session, What::State { state, at_us }).await.map(drop)
    }

    /// True while the database is away or has not got everything yet.
    pub fn away(&self) -> watch::Receiver<bool> {
        self.away.clone()
    }

    /// When the database has all that was ever acknowledged.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when that takes longer than `limit`.
    pub async fn settled(&self, limit: Duration) -> Result<(), StoreError> {
        let mut away = self.away.clone();
        match tokio::time::timeout(limit, away.wait_for(|away| !*away)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(gone()),
            Err(_) => Err(StoreError::Unavailable("the local spool is not replayed yet".into())),
        }
    }

    /// Held by whoever does the closing work of sessions: one at a time.
    pub fn closing(&self) -> &Mutex<()> {
        &self.closing
    }

    pub fn spool_figures(&self) -> SpoolFigures {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        SpoolFigures {
            away: *self.away.borrow(),
            bytes: of(&self.counted.bytes),
            spooled: of(&self.counted.spooled),
            replayed: of(&self.counted.replayed),
            unfit: of(&self.counted.unfit),
            outages: of(&self.counted.outages),
        }
    }

    /// Calls waiting now, for a gauge.
    pub fn depth(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    async fn call(&self, session: SessionId, what: What) -> Result<Vec<Envelope>, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.queue.send_timeout(Call { session, what, reply }, ENQUEUE_TIMEOUT).await.map_err(
            |e| match e {
                mpsc::error::SendTimeoutError::Timeout(_) => {
                    StoreError::Unavailable("the journal's queue is full".into())
                }
                mpsc::error::SendTimeoutError::Closed(_) => gone(),
            },
        )?;
        answer.await.map_err(|_| gone())?
    }
}

fn gone() -> StoreError {
    StoreError::Unavailable("the journal's writer has ended".into())
}
