//! The task behind [`super::JournalAppender`]: gathers, links, commits, and keeps a spool while
//! the database is away.
//!
//! Three ways to be. *Direct*: a batch is one transaction. *Away*: a batch goes to the spool, in
//! the places that it will have; what must not wait is refused. *Draining*: the database is back
//! and gets the spool's records in order, piece by piece, while new ones still go behind them;
//! with the last piece the writer is direct again.
//!
//! When an answer of the database is lost in the middle of a commit nobody knows whether it has
//! the batch. Then all of it is kept in the spool in the very same places, also what must not wait
//! otherwise: to refuse it would be as wrong as to accept it. The replay finds out by the hashes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};

use super::appender::Counted;
use super::books::{Books, Failed};
use super::chat::StoredChat;
use super::error::StoreError;
use super::journal::{EventRow, Head};
use super::replay::{is_outage, replay};
use super::spool::{Record, Spool, SpoolError, SpoolFile, StoredEvent};
use crate::domain::{SessionId, SessionState};
use crate::journal::chain::{Linked, link_by};
use crate::journal::{
    Actor, Durability, Envelope, Event, HashAlgorithm, HeadSigner, HeadStatement, NewEvent,
    SignPurpose, sign_head,
};

/// Events of one transaction, so that the first caller does not wait for all the others.
const BATCH_EVENTS: usize = 1024;
/// Records replayed at a time: more than a batch adds, so that a replay comes to its end.
const REPLAY_RECORDS: usize = 2048;
/// Heads kept in memory; beyond this many open sessions all are read again.
const MAX_HEADS: usize = 16_384;

pub(super) type Reply = oneshot::Sender<Result<Vec<Envelope>, StoreError>>;

#[derive(Debug)]
pub(super) enum What {
    Events { chat: Vec<StoredChat>, events: Vec<NewEvent> },
    Sign { purpose: SignPurpose, at_us: i64, mono_us: i64 },
    State { state: SessionState, at_us: i64 },
}

#[derive(Debug)]
pub(super) struct Call {
    pub session: SessionId,
    pub what: What,
    pub reply: Reply,
}

impl Call {
    fn size(&self) -> usize {
        match &self.what {
            What::Events { events, .. } => events.len(),
            What::Sign { .. } | What::State { .. } => 1,
        }
    }

    fn may_wait(&self) -> bool {
        match &self.what {
            What::Events { events, .. } => {
                events.iter().all(|new| new.event.durability() == Durability::Spool)
            }
            What::Sign { .. } | What::State { .. } => true,
        }
    }

    fn chat(&self) -> impl Iterator<Item = (SessionId, &StoredChat)> {
        let chat: &[StoredChat] = match &self.what {
            What::Events { chat, .. } => chat,
            What::Sign { .. } | What::State { .. } => &[],
        };
        chat.iter().map(|message| (self.session, message))
    }

    fn answer(self, result: Result<Vec<Envelope>, StoreError>) {
        // The caller may have gone away meanwhile; the events stand all the same.
        let _ = self.reply.send(result);
    }
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

    fn records(&self) -> impl Iterator<Item = Record> {
        let session = self.call.session;
        let chat = self.call.chat();
        let chat = chat.map(|(session, chat)| Record::Chat { session, chat: chat.clone() });
        let events = self.events.iter().map(move |e| Record::Event(StoredEvent::of(session, e)));
        let state = match self.call.what {
            What::State { state, at_us } => Some(Record::State { session, state, at_us }),
            _ => None,
        };
        chat.chain(events).chain(state)
    }
}

enum Mode {
    Direct,
    /// Holds what ends when the database is back.
    Away(BoxFuture<'static, ()>),
    Draining,
}

type Heads = HashMap<SessionId, Head>;

pub(super) struct Writer<B, F> {
    books: B,
    signer: Arc<dyn HeadSigner>,
    /// Ends of the chains as committed, or as the spool will have them.
    heads: Heads,
    /// What binds them; forgotten together with them.
    algorithms: HashMap<SessionId, HashAlgorithm>,
    /// None: an outage is an error.
    spool: Option<Spool<F>>,
    mode: Mode,
    told: watch::Sender<bool>,
    counted: Arc<Counted>,
}

impl<B: Books, F: SpoolFile> Writer<B, F> {
    pub fn new(
        books: B,
        signer: Arc<dyn HeadSigner>,
        spool: Option<Spool<F>>,
        told: watch::Sender<bool>,
        counted: Arc<Counted>,
    ) -> Self {
        let heads = HashMap::new();
        let algorithms = HashMap::new();
        let mode = Mode::Direct;
        let mut writer = Self { books, signer, heads, algorithms, spool, mode, told, counted };
        if writer.spool.as_ref().is_some_and(|spool| !spool.is_empty()) {
            writer.tell(true);
            writer.mode = Mode::Draining;
            writer.count_bytes();
        }
        writer
    }

    pub async fn run(mut self, mut calls: mpsc::Receiver<Call>) {
        loop {
            let first = match &mut self.mode {
                Mode::Direct => calls.recv().await,
                Mode::Away(back) => tokio::select! {
                    call = calls.recv() => call,
                    () = back => {
                        self.mode = Mode::Draining;
                        continue;
                    }
                },
                Mode::Draining => match calls.try_recv() {
                    Ok(call) => Some(call),
                    Err(mpsc::error::TryRecvError::Empty) => {
                        self.drain().await;
                        continue;
                    }
                    Err(mpsc::error::TryRecvError::Disconnected) => None,
                },
            };
            // What the spool still holds is replayed at the next start.
            let Some(first) = first else { return };
            let mut size = first.size();
            let mut batch = vec![first];
            while size < BATCH_EVENTS {
                let Ok(next) = calls.try_recv() else { break };
                size += next.size();
                batch.push(next);
            }
            self.write(batch).await;
            if let Mode::Draining = self.mode {
                self.drain().await;
            }
        }
    }

    async fn write(&mut self, batch: Vec<Call>) {
        if !matches!(self.mode, Mode::Direct) {
            return self.keep(batch).await;
        }
        let (states, batch): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|call| matches!(call.what, What::State { .. }));
        if let Some(together) = self.write_direct(batch).await {
            // One call spoils the transaction of the others: each alone, so only that one fails.
            for call in together {
                if let Some(calls) = self.write_direct(vec![call]).await {
                    self.keep(calls).await;
                }
            }
        }
        for call in states {
            self.write_state(call).await;
        }
    }

    /// One transaction. Gives back the calls of a batch that has to be tried one by one.
    async fn write_direct(&mut self, batch: Vec<Call>) -> Option<Vec<Call>> {
        if !matches!(self.mode, Mode::Direct) {
            self.keep(batch).await;
            return None;
        }
        let (placed, heads) = self.place(batch).await;
        if placed.is_empty() {
            return None;
        }
        let rows: Vec<_> = placed
            .iter()
            .flat_map(|p| p.events.iter().map(|e| EventRow::of(p.call.session, e)))
            .collect();
        let chat: Vec<_> = placed.iter().flat_map(|p| p.call.chat()).collect();
        let done = match rows.is_empty() && chat.is_empty() {
            true => Ok(()),
            false => self.books.commit(&chat, &rows).await,
        };
        match done {
            Ok(()) => {
                if self.heads.len() >= MAX_HEADS {
                    self.heads.clear();
                    self.algorithms.retain(|session, _| heads.contains_key(session));
                }
                self.heads.extend(heads);
                placed.into_iter().for_each(Placed::answer);
                None
            }
            Err(Failed { error, unknown }) if is_outage(&error) && self.spool.is_some() => {
                self.go_away(&error);
                match unknown {
                    true => {
                        let lost = heads.keys().copied().collect::<Vec<_>>();
                        if !self.keep_placed(placed, heads).await {
                            self.heads.retain(|session, _| !lost.contains(session));
                        }
                    }
                    false => self.keep(placed.into_iter().map(|p| p.call).collect()).await,
                }
                None
            }
            Err(Failed { error, .. }) => {
                // Whether a failed commit reached the disk is not known: read the heads again.
                self.heads.retain(|session, _| !heads.contains_key(session));
                if placed.len() > 1 && !is_outage(&error) {
                    return Some(placed.into_iter().map(|p| p.call).collect());
                }
                refuse(placed.into_iter().map(|p| p.call), error);
                None
            }
        }
    }

    async fn write_state(&mut self, call: Call) {
        let What::State { state, at_us } = call.what else { return };
        if !matches!(self.mode, Mode::Direct) {
            return self.keep(vec![call]).await;
        }
        match self.books.advance(call.session, state, at_us).await {
            Err(error) if is_outage(&error) && self.spool.is_some() => {
                self.go_away(&error);
                self.keep(vec![call]).await;
            }
            done => call.answer(done.map(|()| Vec::new())),
        }
    }

    /// Into the spool, except what must not wait.
    async fn keep(&mut self, batch: Vec<Call>) {
        let (batch, refused): (Vec<_>, Vec<_>) = batch.into_iter().partition(Call::may_wait);
        refuse(refused.into_iter(), StoreError::Unavailable("the database is away".into()));
        let (placed, heads) = self.place(batch).await;
        self.keep_placed(placed, heads).await;
    }

    /// False: nobody was told that it is kept.
    async fn keep_placed(&mut self, placed: Vec<Placed>, heads: Heads) -> bool {
        let records: Vec<Record> = placed.iter().flat_map(Placed::records).collect();
        let count = records.len() as u64;
        match self.with_spool(move |spool| spool.append(&records)).await {
            Ok(()) => {
                self.counted.spooled.fetch_add(count, Ordering::Relaxed);
                self.heads.extend(heads);
                placed.into_iter().for_each(Placed::answer);
                true
            }
            Err(error) => {
                tracing::error!(%error, "neither the database nor the spool takes the records");
                let error = StoreError::Unavailable(error.to_string());
                refuse(placed.into_iter().map(|p| p.call), error);
                false
            }
        }
    }

    /// One piece of the spool into the database.
    async fn drain(&mut self) {
        let chunk = match self.with_spool(|spool| spool.peek(REPLAY_RECORDS)).await {
            Ok(chunk) => chunk,
            Err(error) => {
                tracing::error!(%error, "the spool cannot be read");
                return self.wait();
            }
        };
        if chunk.records.is_empty() {
            if let Err(error) = self.with_spool(Spool::clear).await {
                tracing::warn!(%error, "the replayed spool could not be emptied");
            }
            tracing::info!("the database has everything again");
            self.mode = Mode::Direct;
            return self.tell(false);
        }
        let unfit = match replay(&self.books, &chunk.records).await {
            Ok(unfit) => unfit,
            Err(error) => {
                tracing::warn!(%error, "the database is away again");
                return self.wait();
            }
        };
        let (all, odd, next) = (chunk.records.len(), unfit.len(), chunk.next);
        if let Err(error) = self.put_aside(unfit).await {
            tracing::error!(%error, "records that the database does not take cannot be put aside");
            return self.wait();
        }
        self.counted.replayed.fetch_add((all - odd) as u64, Ordering::Relaxed);
        let advanced = self.with_spool(move |spool| {
            spool.advance(next);
            Ok(())
        });
        if let Err(error) = advanced.await {
            tracing::error!(%error, "the spool");
        }
    }

    /// Records that fit nowhere: another server wrote into the chain, or the database is an older
    /// copy. Kept for a person; the chains go on from what is in the database.
    async fn put_aside(&mut self, unfit: Vec<Record>) -> Result<(), SpoolError> {
        if unfit.is_empty() {
            return Ok(());
        }
        let mut lines = String::new();
        for record in &unfit {
            lines.push_str(&serde_json::to_string(record)?);
            lines.push('\n');
            self.heads.remove(&record.session());
        }
        self.with_spool(move |spool| spool.keep_unfit(&lines)).await?;
        let count = unfit.len() as u64;
        self.counted.unfit.fetch_add(count, Ordering::Relaxed);
        tracing::error!(count, "records do not fit the database and were put aside in data/spool");
        Ok(())
    }

    /// Gives the events of each call their places; who cannot have one is told.
    async fn place(&mut self, batch: Vec<Call>) -> (Vec<Placed>, Heads) {
        let mut heads = HashMap::new();
        let mut placed = Vec::with_capacity(batch.len());
        for call in batch {
            match self.link(&call, &mut heads).await {
                Ok(events) => placed.push(Placed { call, events }),
                Err(e) => call.answer(Err(e)),
            }
        }
        (placed, heads)
    }

    /// After `heads` (this batch) or the last known head.
    async fn link(&mut self, call: &Call, heads: &mut Heads) -> Result<Vec<Linked>, StoreError> {
        if let What::State { .. } = call.what {
            return Ok(Vec::new());
        }
        let mut head = match heads.get(&call.session).or_else(|| self.heads.get(&call.session)) {
            Some(head) => *head,
            None if matches!(self.mode, Mode::Direct) => self.books.head(call.session).await?,
            // Nobody has written to it since the start: its room is not running.
            None => return Err(StoreError::Unavailable("the database is away".into())),
        };
        let events = match &call.what {
            What::Events { events, .. } => events.clone(),
            What::State { .. } => Vec::new(),
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
        let algorithm = self.algorithm(call.session).await?;
        let mut placed = Vec::with_capacity(events.len());
        for event in events {
            let linked = link_by(algorithm, head.seq + 1, head.hash, event)
                .map_err(|e| StoreError::Invalid(e.to_string()))?;
            head = Head { seq: linked.envelope.seq, hash: linked.envelope.hash };
            placed.push(linked);
        }
        heads.insert(call.session, head);
        Ok(placed)
    }

    /// Known wherever the head is.
    async fn algorithm(&mut self, session: SessionId) -> Result<HashAlgorithm, StoreError> {
        if let Some(known) = self.algorithms.get(&session) {
            return Ok(*known);
        }
        if !matches!(self.mode, Mode::Direct) {
            return Err(StoreError::Unavailable("the database is away".into()));
        }
        let read = self.books.algorithm(session).await?;
        self.algorithms.insert(session, read);
        Ok(read)
    }

    fn go_away(&mut self, error: &StoreError) {
        tracing::error!(%error, "the database is away: records go to the local spool");
        self.counted.outages.fetch_add(1, Ordering::Relaxed);
        self.tell(true);
        self.wait();
    }

    fn wait(&mut self) {
        self.mode = Mode::Away(self.books.back());
    }

    fn tell(&mut self, away: bool) {
        self.books.set_away(away);
        self.told.send_replace(away);
    }

    fn count_bytes(&self) {
        let bytes = self.spool.as_ref().map_or(0, Spool::bytes);
        self.counted.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Disks are waited for on a thread of their own.
    async fn with_spool<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Spool<F>) -> Result<T, SpoolError> + Send + 'static,
    ) -> Result<T, SpoolError> {
        let gone = || SpoolError::Io(std::io::Error::other("the spool is gone"));
        let mut spool = self.spool.take().ok_or_else(gone)?;
        let task = tokio::task::spawn_blocking(move || {
            let result = work(&mut spool);
            (spool, result)
        });
        let (spool, result) = task.await.map_err(|_| gone())?;
        self.spool = Some(spool);
        self.count_bytes();
        result
    }
}

fn refuse(calls: impl Iterator<Item = Call>, error: StoreError) {
    let text = error.to_string();
    let mut first = Some(error);
    for call in calls {
        let error = first.take().unwrap_or_else(|| StoreError::Unavailable(text.clone()));
        call.answer(Err(error));
    }
}

#[cfg(test)]
mod tests;
