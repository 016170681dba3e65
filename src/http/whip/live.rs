//! The streams that run: each has a task in the place of a websocket.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signaling::{Answer, Offer, Publication, Reply, Request, WireError};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use uuid::Uuid;

use super::frag::Ice;
use crate::auth::StreamKind;
use crate::domain::EndpointId;
use crate::room::actor::{Command, RoomHandle, ToLine, room_gone};

/// Streams of this process; the shards have no room for more peers.
const MAX_STREAMS: usize = 5_000;
/// Requests that wait for one stream's task.
const ASKS: usize = 4;
/// The room answers an offer within three seconds.
const ANSWER: Duration = Duration::from_secs(8);

/// Streams by the id of their resource.
#[derive(Default)]
pub(super) struct Live {
    streams: Mutex<HashMap<String, Arc<Stream>>>,
}

/// One stream that runs.
pub(super) struct Stream {
    pub kind: StreamKind,
    pub session: Uuid,
    pub holder: Uuid,
    asks: mpsc::Sender<Ask>,
    /// The ICE session; held while it is being restarted, so that restarts come one by one.
    pub ice: AsyncMutex<IceSession>,
}

/// What PATCH compares with and what it restarts from.
pub(super) struct IceSession {
    /// The offer with the credentials that count now.
    pub offer: String,
    pub publications: Vec<Publication>,
    pub remote: Ice,
    /// With its quotes.
    pub etag: String,
}

enum Ask {
    Offer { offer: Offer, reply: oneshot::Sender<Result<Answer, WireError>> },
    Leave { done: oneshot::Sender<()> },
}

/// A stream that was let into its room and has no address yet. Dropped, it leaves again.
pub(super) struct Entered {
    asks: mpsc::Sender<Ask>,
    ended: oneshot::Receiver<()>,
}

impl Entered {
    /// `line` is what the room says to this endpoint.
    pub fn new(room: RoomHandle, endpoint: EndpointId, line: mpsc::Receiver<ToLine>) -> Self {
        let (asks, queue) = mpsc::channel(ASKS);
        let (end, ended) = oneshot::channel();
        tokio::spawn(async move {
            serve(room, endpoint, line, queue).await;
            let _ = end.send(());
        });
        Self { asks, ended }
    }

    pub async fn offer(
        &self,
        sdp: String,
        publications: Vec<Publication>,
    ) -> Result<Answer, WireError> {
        ask_offer(&self.asks, sdp, publications).await
    }

    pub async fn leave(self) {
        leave(&self.asks).await;
    }
}

impl Stream {
    pub async fn offer(
        &self,
        sdp: String,
        publications: Vec<Publication>,
    ) -> Result<Answer, WireError> {
        ask_offer(&self.asks, sdp, publications).await
    }

    /// Ends it; returns when the room has let it go.
    pub async fn leave(&self) {
        leave(&self.asks).await;
    }
}

async fn ask_offer(
    asks: &mpsc::Sender<Ask>,
    sdp: String,
    publications: Vec<Publication>,
) -> Result<Answer, WireError> {
    let (reply, answered) = oneshot::channel();
    let ask = Ask::Offer { offer: Offer { sdp, publications }, reply };
    asks.send(ask).await.map_err(|_| room_gone())?;
    match tokio::time::timeout(ANSWER, answered).await {
        Ok(Ok(answer)) => answer,
        _ => Err(room_gone()),
    }
}

async fn leave(asks: &mpsc::Sender<Ask>) {
    let (done, left) = oneshot::channel();
    if asks.send(Ask::Leave { done }).await.is_ok() {
        let _ = tokio::time::timeout(ANSWER, left).await;
    }
}

impl Live {
    /// Gives a stream its address, until its room lets it go. `None`: too many.
    pub fn register(
        self: &Arc<Self>,
        entered: Entered,
        (kind, session, holder): (StreamKind, Uuid, Uuid),
        ice: IceSession,
    ) -> Result<String, Entered> {
        // 122 random bits of the operating system's generator.
        let id = Uuid::new_v4().simple().to_string();
        let Entered { asks, ended } = entered;
        {
            let mut streams = self.lock();
            if streams.len() >= MAX_STREAMS {
                return Err(Entered { asks, ended });
            }
            let ice = AsyncMutex::new(ice);
            let stream = Stream { kind, session, holder, asks, ice };
            streams.insert(id.clone(), Arc::new(stream));
        }
        let (live, key) = (Arc::clone(self), id.clone());
        tokio::spawn(async move {
            let _ = ended.await;
            live.lock().remove(&key);
        });
        Ok(id)
    }

    pub fn find(&self, id: &str) -> Option<Arc<Stream>> {
        self.lock().get(id).cloned()
    }

    pub fn is_full(&self) -> bool {
        self.lock().len() >= MAX_STREAMS
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Stream>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Between a stream's requests and its room, until the room says good-bye or is gone.
async fn serve(
    room: RoomHandle,
    endpoint: EndpointId,
    mut line: mpsc::Receiver<ToLine>,
    mut asks: mpsc::Receiver<Ask>,
) {
    let mut pending: HashMap<u32, oneshot::Sender<Result<Answer, WireError>>> = HashMap::new();
    let mut leaving = Vec::new();
    let mut next = 0;
    loop {
        tokio::select! {
            message = line.recv() => match message {
                Some(ToLine::Reply { id, reply }) => {
                    if let (Some(waiting), Reply::Answer(answer)) = (pending.remove(&id), reply) {
                        let _ = waiting.send(Ok(answer));
                    }
                }
                Some(ToLine::Refuse { id, error }) => {
                    if let Some(waiting) = pending.remove(&id) {
                        let _ = waiting.send(Err(error));
                    }
                }
                Some(ToLine::Event(_)) => {}
                Some(ToLine::Bye(_)) | None => break,
            },
            ask = asks.recv() => match ask {
                Some(Ask::Offer { offer, reply }) => {
                    next += 1;
                    pending.insert(next, reply);
                    let request = Request::Offer(offer);
                    if room.send(Command::Request { endpoint, id: next, request }).await.is_err() {
                        break;
                    }
                }
                Some(Ask::Leave { done }) => {
                    next += 1;
                    leaving.push(done);
                    let request = Request::Leave;
                    if room.send(Command::Request { endpoint, id: next, request }).await.is_err() {
                        break;
                    }
                }
                // Whoever asked for it has gone before it had an address.
                None => {
                    let last_frame = tokio::time::Instant::now().into_std();
                    let _ = room.send(Command::LineLost { endpoint, last_frame }).await;
                    break;
                }
            },
        }
    }
    for done in leaving {
        let _ = done.send(());
    }
}
