//! Finds the room of a session, opens it from the records when it is not running, and forgets it
//! when it has ended. A room that fell over is told to its people and counted; nobody else notices.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signaling::{ErrorCode, WireError};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

pub use super::actor::Glance;
use super::actor::{Actor, Command, End, RoomHandle, room_gone};
use super::clock::MachineClock;
use super::effect::Now;
use super::parking::Parking;
use super::ports::{LoadError, MediaPort, Ports};
use super::report::MediaReport;
use super::state::RoomState;
use crate::domain::SessionId;

type Slot = Arc<OnceCell<RoomHandle>>;

pub struct Registry {
    ports: Ports,
    machine: MachineClock,
    rooms: Mutex<HashMap<SessionId, Slot>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    panics: AtomicU64,
    pub parking: Parking,
}

impl Registry {
    pub fn new(ports: Ports, machine: MachineClock) -> Arc<Self> {
        Arc::new(Self {
            ports,
            machine,
            rooms: Mutex::default(),
            tasks: Mutex::default(),
            panics: AtomicU64::new(0),
            parking: Parking::default(),
        })
    }

    /// Rooms that ended by a bug of ours, since start.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Rooms running now.
    pub fn running(&self) -> Vec<SessionId> {
        let rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.iter().filter(|(_, slot)| slot.initialized()).map(|(id, _)| *id).collect()
    }

    /// Media of all rooms.
    pub fn media(&self) -> Arc<dyn MediaPort> {
        Arc::clone(&self.ports.media)
    }

    /// The latest media statistics of a running room.
    pub fn media_report(&self, session: SessionId) -> Option<Arc<MediaReport>> {
        let rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = rooms.get(&session)?.get()?;
        (!handle.is_gone()).then(|| handle.media_report())
    }

    /// A running room at a glance.
    pub fn glance(&self, session: SessionId) -> Option<Glance> {
        let rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = rooms.get(&session)?.get()?;
        (!handle.is_gone()).then(|| handle.glance())
    }

    /// The room of an open session; opened from its journal when it is not running.
    ///
    /// # Errors
    /// `not_found`, `session_not_open`, `session_ended`, or a transient code.
    pub async fn room(self: &Arc<Self>, session: SessionId) -> Result<RoomHandle, WireError> {
        // A room that is just ending is replaced once.
        for _ in 0..2 {
            let slot = {
                let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
                rooms.entry(session).or_default().clone()
            };
            let handle = match slot.get_or_try_init(|| self.open(session)).await {
                Ok(handle) => handle.clone(),
                Err(error) => {
                    self.forget(session, &slot);
                    return Err(error);
                }
            };
            if !handle.is_gone() {
                return Ok(handle);
            }
            self.forget(session, &slot);
        }
        Err(room_gone())
    }

    fn forget(&self, session: SessionId, slot: &Slot) {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        if rooms.get(&session).is_some_and(|current| Arc::ptr_eq(current, slot)) {
            rooms.remove(&session);
        }
    }

    async fn open(self: &Arc<Self>, session: SessionId) -> Result<RoomHandle, WireError> {
        let loaded = self.ports.records.load(session).await.map_err(|error| refusal(&error))?;
        let Some(last) = loaded.journal.last() else {
            return Err(refusal(&LoadError::NotOpen));
        };
        let last_time = Now { wall_us: last.at_us, mono_us: last.mono_us };
        let (clock, anchor) = self.machine.resume(loaded.anchor.as_ref(), last_time);
        let new_boot = anchor.is_some();
        // Opened just now: nobody has been here, nothing to carry on.
        let fresh = loaded.journal.iter().all(|envelope| {
            use crate::journal::Event as E;
            matches!(
                envelope.event,
                E::SessionOpened
                    | E::RosterFrozen { .. }
                    | E::RulesFrozen { .. }
                    | E::LeaveApproved { .. }
                    | E::LeaveRequested { .. }
            )
        });
        let (state, first) = match fresh {
            true => (RoomState::begin(loaded.setup, &loaded.journal, clock.now()), Vec::new()),
            false => RoomState::restore(loaded.setup, &loaded.journal, new_boot, clock.now()),
        };
        let media = self.ports.media.open_room(session).await?;
        let (actor, handle) = Actor::new(session, state, clock, self.ports.clone(), media);
        self.watch(session, actor.run(first, anchor));
        Ok(handle)
    }

    /// Runs the actor, and cleans up after it however it ends.
    fn watch(
        self: &Arc<Self>,
        session: SessionId,
        running: impl Future<Output = End> + Send + 'static,
    ) {
        let registry = Arc::clone(self);
        let task = tokio::spawn(async move {
            match tokio::spawn(running).await {
                Ok(end) => tracing::info!(%session, ?end, "room ended"),
                Err(_) => {
                    // Its lines are closed with it; their pages come back and reopen the room.
                    registry.panics.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%session, "room ended by an internal error");
                    registry.ports.media.stop_capture(session).await;
                    registry.ports.media.close_room(session).await;
                }
            }
            let mut rooms = registry.rooms.lock().unwrap_or_else(PoisonError::into_inner);
            if rooms.get(&session).is_some_and(|slot| slot.get().is_some_and(RoomHandle::is_gone)) {
                rooms.remove(&session);
            }
        });
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
    }

    /// At start: rooms of sessions that were open when the server went down.
    pub async fn reopen(self: &Arc<Self>, sessions: impl IntoIterator<Item = SessionId>) {
        for session in sessions {
            if let Err(error) = self.room(session).await {
                tracing::error!(%session, code = error.code.as_str(), "session not reopened");
            }
        }
    }

    /// Ordered shutdown: every line is told, every room ends, captures are flushed.
    pub async fn stop(&self) {
        let slots: Vec<Slot> = {
            let rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
            rooms.values().cloned().collect()
        };
        for handle in slots.iter().filter_map(|slot| slot.get()) {
            let _ = handle.send(Command::Stop).await;
        }
        let tasks: Vec<_> = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.drain(..).collect()
        };
        for task in tasks {
            let _ = task.await;
        }
    }
}

fn refusal(error: &LoadError) -> WireError {
    let (code, message, retry_after_ms) = match error {
        LoadError::NotFound => (ErrorCode::NotFound, "没有这场会议，请检查链接", None),
        LoadError::NotOpen => {
            (ErrorCode::SessionNotOpen, "会场尚未开放，请等待主持人开放会场", None)
        }
        LoadError::Ended => (ErrorCode::SessionEnded, "会议已经散会，可在回放页查看", None),
        LoadError::Unavailable(_) => {
            (ErrorCode::StorageUnavailable, "暂时无法读取会议记录，请稍后再试", Some(2_000))
        }
    };
    WireError { code, message: message.into(), retry_after_ms }
}
