//! Where the next websocket of an endpoint finds what the last one left.
//!
//! The task of a lost line stays for a minute and goes on collecting events. Whoever shows the
//! resume token asks it to hand over; a line not yet known to be dead hands over just the same.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use signaling::Backlog;
use tokio::sync::{mpsc, oneshot};

use super::actor::ToLine;
use crate::domain::{EndpointId, SessionId};

/// A task that does not hand over by then has nothing to give.
const HAND_OVER: Duration = Duration::from_secs(1);

/// What the old websocket task leaves to the new one.
pub struct Left {
    pub session: SessionId,
    pub endpoint: EndpointId,
    pub backlog: Backlog,
    pub line: mpsc::Receiver<ToLine>,
    pub last_frame: Instant,
}

/// Asks a websocket task to hand over; answered once.
pub type Ask = oneshot::Sender<Left>;

#[derive(Default)]
pub struct Parking(Mutex<HashMap<String, mpsc::Sender<Ask>>>);

impl Parking {
    /// A websocket task says where it can be asked. Newer replaces older.
    pub fn register(&self, resume_token: String) -> mpsc::Receiver<Ask> {
        let (tx, rx) = mpsc::channel(1);
        self.lock().insert(resume_token, tx);
        rx
    }

    /// The task ends: forgets its entry, unless a newer task has taken it.
    pub fn deregister(&self, resume_token: &str) {
        let mut parked = self.lock();
        if parked.get(resume_token).is_some_and(mpsc::Sender::is_closed) {
            parked.remove(resume_token);
        }
    }

    /// Takes over what the old task has, if there is one.
    pub async fn take(&self, resume_token: &str) -> Option<Left> {
        let task = self.lock().remove(resume_token)?;
        let (ask, left) = oneshot::channel();
        task.try_send(ask).ok()?;
        tokio::time::timeout(HAND_OVER, left).await.ok()?.ok()
    }

    /// Lines that could be resumed (a gauge).
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, mpsc::Sender<Ask>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
