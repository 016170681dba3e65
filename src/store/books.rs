//! The database as the journal's writer sees it: a seam, so that every outage can be tried.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::chat::{self, StoredChat};
use super::db::{Engine, Store};
use super::error::StoreError;
use super::journal::{self, EventRow, Head};
use crate::domain::{SessionId, SessionState};
use crate::journal::{Digest, HashAlgorithm};

/// A commit failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub error: StoreError,
    /// The database may have it all the same: its answer was lost.
    pub unknown: bool,
}

/// What the writer needs of a database.
pub(super) trait Books: Send + Sync + 'static {
    fn head(&self, session: SessionId) -> impl Future<Output = Result<Head, StoreError>> + Send;
    /// What binds the session's chain; a test's database has but one.
    fn algorithm(
        &self,
        _session: SessionId,
    ) -> impl Future<Output = Result<HashAlgorithm, StoreError>> + Send {
        std::future::ready(Ok(HashAlgorithm::default()))
    }
    /// Of the events `from..=to`, as far as they are there.
    fn hashes(
        &self,
        session: SessionId,
        from: u64,
        to: u64,
    ) -> impl Future<Output = Result<Vec<(u64, Digest)>, StoreError>> + Send;
    /// All of it or nothing. Chat texts that are there already stay; an event that is there
    /// already is a conflict.
    fn commit(
        &self,
        chat: &[(SessionId, &StoredChat)],
        rows: &[EventRow<'_>],
    ) -> impl Future<Output = Result<(), Failed>> + Send;
    /// The session's row has come as far as `state`; again is no error.
    fn advance(
        &self,
        session: SessionId,
        state: SessionState,
        at_us: i64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Ends when the database answers again.
    fn back(&self) -> BoxFuture<'static, ()>;
    /// Told to everybody who uses it.
    fn set_away(&self, away: bool);
}

/// A server that gives no answer for so long is away. A file of ours may be slow, never away.
const PATIENCE_POSTGRES: Duration = Duration::from_secs(3);
const PATIENCE_SQLITE: Duration = Duration::from_secs(15);
/// A waiting statement looks so soon whether there is a server at all: the pool goes on trying for
/// seconds.
const KNOCK_AFTER: Duration = Duration::from_millis(250);
const KNOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two looks whether it is back.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

pub(super) struct StoreBooks {
    /// Says what everybody else is told.
    shared: Store,
    store: Store,
}

impl StoreBooks {
    pub fn new(shared: Store) -> Self {
        let store = shared.for_writer();
        Self { shared, store }
    }

    fn patience(&self) -> Duration {
        match self.store.engine() {
            Engine::Sqlite => PATIENCE_SQLITE,
            Engine::Postgres => PATIENCE_POSTGRES,
        }
    }

    /// The answer, unless there is nobody to give one.
    async fn patiently<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        tokio::select! {
            result = work => result,
            () = tokio::time::sleep(self.patience()) => {
                Err(StoreError::Unavailable("the database does not answer".into()))
            }
            () = self.gone() => Err(StoreError::Unavailable("the database cannot be reached".into())),
        }
    }

    /// Ends when a server refuses to be spoken to; never otherwise.
    async fn gone(&self) {
        tokio::time::sleep(KNOCK_AFTER).await;
        if self.store.engine() == Engine::Sqlite {
            return std::future::pending().await;
        }
        let knocked = tokio::time::timeout(KNOCK_TIMEOUT, self.store.knock()).await;
        if !matches!(knocked, Ok(Err(StoreError::Unavailable(_)))) {
            std::future::pending().await
        }
    }
}

impl Books for StoreBooks {
    async fn head(&self, session: SessionId) -> Result<Head, StoreError> {
        self.patiently(self.store.journal().head(session)).await
    }

    async fn algorithm(&self, session: SessionId) -> Result<HashAlgorithm, StoreError> {
        self.patiently(self.store.journal().algorithm(session)).await
    }

    async fn hashes(
        &self,
        session: SessionId,
        from: u64,
        to: u64,
    ) -> Result<Vec<(u64, Digest)>, StoreError> {
        self.patiently(self.store.journal().hashes(session, from, to)).await
    }

    async fn commit(
        &self,
        chat: &[(SessionId, &StoredChat)],
        rows: &[EventRow<'_>],
    ) -> Result<(), Failed> {
        let written = self.patiently(async {
            let mut tx = self.store.begin().await?;
            for (session, message) in chat {
                chat::insert(&mut tx, *session, message).await?;
            }
            journal::insert(&mut tx, rows).await?;
            Ok(tx)
        });
        let tx = written.await.map_err(|error| Failed { error, unknown: false })?;
        // From here on the database may have done it, whatever it says or does not say.
        self.patiently(tx.commit()).await.map_err(|error| Failed { error, unknown: true })
    }

    async fn advance(
        &self,
        session: SessionId,
        state: SessionState,
        at_us: i64,
    ) -> Result<(), StoreError> {
        self.patiently(async {
            match self.store.sessions().get(session).await?.map(|session| session.state) {
                Some(from) if from != state => {
                    self.store.sessions().advance(session, from, state, at_us).await
                }
                // Known already: the row was written before a crash.
                _ => Ok(()),
            }
        })
        .await
    }

    fn back(&self) -> BoxFuture<'static, ()> {
        let store = self.store.clone();
        async move {
            loop {
                tokio::time::sleep(LOOK_AGAIN).await;
                if let Ok(Ok(())) = tokio::time::timeout(KNOCK_TIMEOUT, store.knock()).await {
                    return;
                }
            }
        }
        .boxed()
    }

    fn set_away(&self, away: bool) {
        self.shared.set_away(away);
    }
}
