//! What a spool holds: plain data that says everything the database is to be told.

use serde::{Deserialize, Serialize};

use crate::domain::{SessionId, SessionState};
use crate::journal::chain::Linked;
use crate::journal::{Actor, Digest};
use crate::store::StoredChat;

/// One thing to be told to the database, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// A chat text; its digest is an event of its own, behind it.
    Chat {
        session: SessionId,
        chat: StoredChat,
    },
    Event(StoredEvent),
    /// The session's row: it has come as far as this.
    State {
        session: SessionId,
        state: SessionState,
        at_us: i64,
    },
}

/// A journal row as it will stand. The event is its canonical text: what is stored is what was
/// hashed, also when a later version reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEvent {
    pub session: SessionId,
    pub seq: u64,
    pub at_us: i64,
    pub mono_us: i64,
    pub actor: Actor,
    pub event: String,
    pub prev_hash: Digest,
    pub hash: Digest,
}

impl Record {
    pub fn session(&self) -> SessionId {
        match self {
            Self::Chat { session, .. } | Self::State { session, .. } => *session,
            Self::Event(event) => event.session,
        }
    }
}

impl StoredEvent {
    pub fn of(session: SessionId, linked: &Linked) -> Self {
        let e = &linked.envelope;
        Self {
            session,
            seq: e.seq,
            at_us: e.at_us,
            mono_us: e.mono_us,
            actor: e.actor,
            event: linked.event_text.clone(),
            prev_hash: e.prev_hash,
            hash: e.hash,
        }
    }
}
