//! The one writer of all journals: durable before acknowledged, many events in one transaction.
//!
//! While one transaction is being synced the next batch gathers, so the rate grows with the load
//! (group commit). Overflow: the queue is bounded; who finds it full waits at most
//! [`ENQUEUE_TIMEOUT`] and then is told that the store is not available. Nothing is dropped
//! silently.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::db::Store;
use super::error::StoreError;
use super::journal::{self, Head};
use crate::domain::SessionId;
use crate::journal::chain::{Linked, link};
use crate::journal::{
    Actor, Envelope, Event, HeadSigner, HeadStatement, NewEvent, SignPurpose, sign_head,
};

/// Calls that may wait for the writer.
pub const APPEND_QUEUE: usize = 4096;
/// Longest wait for a place in the queue.
const ENQUEUE_TIMEOUT: Duration = Duration::from_secs(5);
/// Events of one transaction, so that the first caller does not wait for all the others.
const BATCH_EVENTS: usize = 1024;
/// Heads kept in memory; beyond this many open sessions all are read again.
const MAX_HEADS: usize = 16_384;

type Reply = oneshot::Sender<Result<Vec<Envelope>, StoreError>>;

enum What {
    Events(Vec<NewEvent>),
    Sign { purpose: SignPurpose, at_us: i64, mono_us: i64 },
}

struct Call {
    session: SessionId,
    what: What,
    reply: Reply,
}

/// A handle to the writer; cheap to clone. The writer ends when the last handle is gone, after
/// writing what was queued.
#[derive(Debug, Clone)]
pub struct JournalAppender {
    queue: mpsc::Sender<Call>,
}

impl JournalAppender {
    /// Starts the writer. Only one may run on a database at a time: a second one is refused by the
    /// rows' primary key, with [`StoreError::Conflict`]. Await the handle to know it has ended.
    pub fn spawn(store: Store, signer: Arc<dyn HeadSigner>) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, calls) = mpsc::channel(APPEND_QUEUE);
        let writer = Writer { store, signer, heads: HashMap::new() };
        (Self { queue }, tokio::spawn(writer.run(calls)))
    }

    /// Appends events of one session, next to each other, and returns them in their places once
    /// they are durable.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the session was never opened; on any error none was appended,
    /// except that after [`StoreError::Unavailable`] during a commit it is unknown: the next
    /// append reads the head anew, so the chain stays whole either way.
    pub async fn append(
        &self,
        session: SessionId,
        events: Vec<NewEvent>,
    ) -> Result<Vec<Envelope>, StoreError> {
        self.call(session, What::Events(events)).await
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

    /// Calls waiting now, for a gauge.
    pub fn depth(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    async fn call(&self, session: SessionId, what: What) -> Result<Vec<Envelope>, StoreError> {
        let gone = || StoreError::Unavailable("the journal's writer has ended".into());
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

struct Writer {
    store: Store,
    signer: Arc<dyn HeadSigner>,
    /// Ends of the chains as committed.
    heads: HashMap<SessionId, Head>,
}

/// A call whose events have their places.
struct Placed {
    call: Call,
    events: Vec<Linked>,
}

impl Placed {
    fn answer(self) {
        self.call.answer(Ok(self.events.into_iter().map(|l| l.envelope).collect()));
    }
}

impl Writer {
    async fn run(mut self, mut calls: mpsc::Receiver<Call>) {
        while let Some(first) = calls.recv().await {
            let mut size = first.size();
            let mut batch = vec![first];
            while size < BATCH_EVENTS {
                let Ok(next) = calls.try_recv() else { break };
                size += next.size();
                batch.push(next);
            }
            self.write(batch).await;
        }
    }

    async fn write(&mut self, batch: Vec<Call>) {
        let mut heads = HashMap::new();
        let mut placed = Vec::with_capacity(batch.len());
        for call in batch {
            match self.link(&call, &mut heads).await {
                Ok(events) => placed.push(Placed { call, events }),
                Err(e) => call.answer(Err(e)),
            }
        }
        match self.commit(&placed, heads).await {
            Ok(()) => placed.into_iter().for_each(Placed::answer),
            Err(e) if placed.len() == 1 || is_outage(&e) => {
                let text = e.to_string();
                let mut first = Some(e);
                for p in placed {
                    let e = first.take().unwrap_or_else(|| StoreError::Unavailable(text.clone()));
                    p.call.answer(Err(e));
                }
            }
            // One call spoils the transaction of the others: each alone, so only that one fails.
            Err(_) => {
                for p in placed {
                    self.write_alone(p.call).await;
                }
            }
        }
    }

    async fn write_alone(&mut self, call: Call) {
        let mut heads = HashMap::new();
        let placed = match self.link(&call, &mut heads).await {
            Ok(events) => Placed { call, events },
            Err(e) => return call.answer(Err(e)),
        };
        match self.commit(std::slice::from_ref(&placed), heads).await {
            Ok(()) => placed.answer(),
            Err(e) => placed.call.answer(Err(e)),
        }
    }

    /// Gives the events of `call` their places after `heads` (this batch) or the committed head.
    async fn link(
        &mut self,
        call: &Call,
        heads: &mut HashMap<SessionId, Head>,
    ) -> Result<Vec<Linked>, StoreError> {
        let mut head = match heads.get(&call.session).or_else(|| self.heads.get(&call.session)) {
            Some(head) => *head,
            None => self.store.journal().head(call.session).await?,
        };
        let events = match &call.what {
            What::Events(events) => events.clone(),
            What::Sign { purpose, at_us, mono_us } => {
                let statement = HeadStatement {
                    session: call.session,
                    purpose: *purpose,
                    seq: head.seq,
                    hash: head.hash,
                };
                let signature = sign_head(self.signer.as_ref(), &statement);
                vec![NewEvent {
                    at_us: *at_us,
                    mono_us: *mono_us,
                    actor: Actor::System,
                    event: Event::HeadSigned { purpose: *purpose, signature },
                }]
            }
        };
        let mut placed = Vec::with_capacity(events.len());
        for event in events {
            let linked = link(head.seq + 1, head.hash, event)
                .map_err(|e| StoreError::Invalid(e.to_string()))?;
            head = Head { seq: linked.envelope.seq, hash: linked.envelope.hash };
            placed.push(linked);
        }
        heads.insert(call.session, head);
        Ok(placed)
    }

    async fn commit(
        &mut self,
        placed: &[Placed],
        heads: HashMap<SessionId, Head>,
    ) -> Result<(), StoreError> {
        let rows: Vec<_> =
            placed.iter().flat_map(|p| p.events.iter().map(|e| (p.call.session, e))).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let done = async {
            let mut tx = self.store.begin().await?;
            journal::insert(&mut tx, &rows).await?;
            tx.commit().await
        }
        .await;
        match &done {
            Ok(()) if self.heads.len() < MAX_HEADS => self.heads.extend(heads),
            Ok(()) => self.heads = heads,
            // Whether a failed commit reached the disk is not known: read the heads again.
            Err(_) => heads.keys().for_each(|session| {
                self.heads.remove(session);
            }),
        }
        done
    }
}

fn is_outage(e: &StoreError) -> bool {
    matches!(e, StoreError::Unavailable(_))
}

impl Call {
    fn size(&self) -> usize {
        match &self.what {
            What::Events(events) => events.len(),
            What::Sign { .. } => 1,
        }
    }

    fn answer(self, result: Result<Vec<Envelope>, StoreError>) {
        // The caller may have gone away meanwhile; the events stand all the same.
        let _ = self.reply.send(result);
    }
}
