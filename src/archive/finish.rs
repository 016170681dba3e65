//! The closing work of a session: sign the head of its journal, put its rendering in line.

use crate::domain::{SessionId, SessionState};
use crate::journal::{Event, SignPurpose};
use crate::store::{JournalAppender, Store, StoreError, new_id};

pub struct Finisher {
    store: Store,
    appender: JournalAppender,
}

impl Finisher {
    pub fn new(store: Store, appender: JournalAppender) -> Self {
        Self { store, appender }
    }

    /// Does what is still missing; calling it again changes nothing.
    ///
    /// # Errors
    /// When the store fails; [`Finisher::recover`] tries again at the next start.
    pub async fn finish(
        &self,
        session: SessionId,
        at_us: i64,
        mono_us: i64,
    ) -> Result<(), StoreError> {
        // The room and the recovery may both come to it.
        let _one = self.appender.closing().lock().await;
        let journal = self.store.journal().read_all(session).await?;
        let signed = journal.iter().any(|envelope| {
            matches!(envelope.event, Event::HeadSigned { purpose: SignPurpose::Closed, .. })
        });
        if !signed {
            // Never before the last event it covers, whatever the clock says.
            let last = journal.last().map_or(0, |envelope| envelope.mono_us);
            let purpose = SignPurpose::Closed;
            self.appender.sign_head(session, purpose, at_us, mono_us.max(last)).await?;
        }
        let declared = journal.iter().any(|e| matches!(e.event, Event::DeclaredOpen));
        if !declared {
            // Nothing was recorded: the archive is complete as it is.
            return match self.store.sessions().get(session).await?.map(|s| s.state) {
                Some(from @ SessionState::DeclaredClosed) => {
                    let to = SessionState::Archived;
                    self.store.sessions().advance(session, from, to, at_us).await
                }
                _ => Ok(()),
            };
        }
        if self.store.render_jobs().of_session(session).await?.is_none() {
            self.store.render_jobs().create(new_id(), session, at_us).await?;
        }
        Ok(())
    }

    /// Outages of the database that are over.
    pub fn outages_over(&self) -> u64 {
        let figures = self.appender.spool_figures();
        figures.outages - u64::from(figures.away)
    }

    /// At start, and after an outage: finishes sessions whose closing work was cut off.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn recover(&self, now_us: i64) -> Result<(), StoreError> {
        for session in self.store.sessions().in_state(SessionState::DeclaredClosed).await? {
            if self.store.render_jobs().of_session(session.id).await?.is_none() {
                // The signature takes its time from the last event it covers.
                self.finish(session.id, now_us, 0).await?;
            }
        }
        Ok(())
    }
}
