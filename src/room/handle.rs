//! How the rest of the server speaks to a room: its mailbox, and what it shows of itself.

use std::sync::Arc;
use std::time::Instant;

use signaling::view::{Counts, RecordingState};
use signaling::{ErrorCode, Notice, Reply, Request, Welcome, WireError};
use tokio::sync::{mpsc, oneshot, watch};

use super::acts::{Act, Acted};
use super::ballots::Casting;
use super::clock::SessionClock;
use super::effect::Arrival;
use super::report::MediaReport;
use super::roll::KnockState;
use super::roll_view::AttendanceList;
use crate::domain::{BallotId, EndpointId, PersonId, SessionId};

/// To one websocket.
#[derive(Debug)]
pub enum ToLine {
    Event(Notice),
    Reply {
        id: u32,
        reply: Reply,
    },
    Refuse {
        id: u32,
        error: WireError,
    },
    /// The last message.
    Bye(WireError),
}

/// Answer to a hello.
#[derive(Debug)]
pub struct Admission {
    pub endpoint: EndpointId,
    pub welcome: Box<Welcome>,
    /// None: resumed, the line's receiver of before goes on.
    pub line: Option<mpsc::Receiver<ToLine>>,
}

#[derive(Debug)]
pub enum Command {
    Arrive {
        arrival: Box<Arrival>,
        reply: oneshot::Sender<Result<Admission, WireError>>,
    },
    Request {
        endpoint: EndpointId,
        id: u32,
        request: Request,
    },
    LineLost {
        endpoint: EndpointId,
        last_frame: Instant,
    },
    /// Asked over HTTP; answered when it is durable.
    Act {
        by: PersonId,
        act: Act,
        reply: oneshot::Sender<Result<Acted, WireError>>,
    },
    /// The attendance list as it stands, and how a person's knock at the door does.
    Look {
        person: PersonId,
        reply: oneshot::Sender<(Box<AttendanceList>, Option<KnockState>)>,
    },
    /// The sign-in behind an endpoint was ended; its websocket is closed already.
    SignedOut {
        endpoint: EndpointId,
    },
    /// An online secret paper was put into the box.
    PaperBoxed {
        ballot: BallotId,
    },
    /// Server shutdown: lines are ended with `restarting`; the session stays open in the journal.
    Stop,
}

/// Speaks to one room.
#[derive(Debug, Clone)]
pub struct RoomHandle {
    pub session: SessionId,
    pub(super) clock: SessionClock,
    pub(super) mailbox: mpsc::Sender<Command>,
    pub(super) glance: watch::Receiver<Glance>,
    pub(super) report: watch::Receiver<Arc<MediaReport>>,
    pub(super) casting: watch::Receiver<Option<Arc<Casting>>>,
}

/// A running room at a glance, for lists of meetings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance {
    pub counts: Counts,
    pub recording: RecordingState,
    pub presiding: Option<PersonId>,
}

impl RoomHandle {
    pub fn glance(&self) -> Glance {
        *self.glance.borrow()
    }

    /// The latest media statistics, a few seconds old at most.
    pub fn media_report(&self) -> Arc<MediaReport> {
        Arc::clone(&self.report.borrow())
    }

    /// The online secret ballot that is being cast.
    pub fn casting(&self) -> Option<Arc<Casting>> {
        self.casting.borrow().clone()
    }

    /// Waits while the mailbox is full.
    ///
    /// # Errors
    /// `restarting` when the room is gone; the caller finds it anew through the registry.
    pub async fn send(&self, command: Command) -> Result<(), WireError> {
        self.mailbox.send(command).await.map_err(|_| room_gone())
    }

    /// Has something done, and waits until it is durable.
    ///
    /// # Errors
    /// The room's refusal, or `restarting` when it is gone.
    pub async fn act(&self, by: PersonId, act: Act) -> Result<Acted, WireError> {
        let (reply, done) = oneshot::channel();
        self.send(Command::Act { by, act, reply }).await?;
        done.await.map_err(|_| room_gone())?
    }

    /// # Errors
    /// `restarting` when the room is gone.
    pub async fn look(
        &self,
        person: PersonId,
    ) -> Result<(Box<AttendanceList>, Option<KnockState>), WireError> {
        let (reply, seen) = oneshot::channel();
        self.send(Command::Look { person, reply }).await?;
        seen.await.map_err(|_| room_gone())
    }

    pub fn is_gone(&self) -> bool {
        self.mailbox.is_closed()
    }

    /// Messages waiting (a gauge).
    pub fn depth(&self) -> usize {
        self.mailbox.max_capacity() - self.mailbox.capacity()
    }

    pub fn clock(&self) -> &SessionClock {
        &self.clock
    }
}

pub(crate) fn room_gone() -> WireError {
    WireError {
        code: ErrorCode::Restarting,
        message: "会场正在恢复，请稍候，页面会自动重新连接".into(),
        retry_after_ms: Some(500),
    }
}
