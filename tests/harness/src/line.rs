//! A bot's websocket: the hello, requests with answers, events, pongs.
//!
//! One task owns the socket. Dropping the [`Line`] drops the socket without a word, as a lost
//! network does; leaving is a request.

use std::collections::HashMap;
use std::io;

use futures_util::{SinkExt, StreamExt};
use signaling::message::{
    Answer, ClientMessage, Event, Hello, Offer, PROTOCOL_VERSION, Reply, Request, Resume,
    ServerMessage, Welcome,
};
use signaling::{ErrorCode, WireError};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::http::Place;

/// Events that wait to be looked at; a bot that lets more pile up loses its line.
const EVENTS: usize = 4_096;
const REQUESTS: usize = 64;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Answered = Result<Reply, WireError>;

/// An open line.
pub struct Line {
    pub welcome: Welcome,
    requests: mpsc::Sender<(Request, oneshot::Sender<Answered>)>,
    events: mpsc::Receiver<Event>,
    peeked: Option<Event>,
}

impl Line {
    /// Connects and says hello; must be called inside a tokio runtime, whose task the line stays.
    ///
    /// # Errors
    /// No connection, or a refused hello.
    pub async fn open(
        place: &Place,
        token: String,
        consent: bool,
        resume: Option<Resume>,
    ) -> io::Result<Self> {
        let (mut socket, _) =
            connect_async(place.websocket("/ws")).await.map_err(io::Error::other)?;
        let device = "desktop".to_owned();
        let hello =
            Request::Hello(Hello { version: PROTOCOL_VERSION, token, resume, consent, device });
        send(&mut socket, &ClientMessage::Request { id: 0, request: hello }).await?;
        let welcome = loop {
            match next(&mut socket).await? {
                Some(ServerMessage::Reply { reply: Reply::Welcome(welcome), .. }) => {
                    break *welcome;
                }
                Some(ServerMessage::Error { error, .. } | ServerMessage::Bye { error }) => {
                    return Err(refused(&error));
                }
                Some(_) => {}
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        };
        let (requests, asked) = mpsc::channel(REQUESTS);
        let (happened, events) = mpsc::channel(EVENTS);
        let task = Task { socket, seq: welcome.seq, next_id: 1, waiting: HashMap::new(), happened };
        tokio::spawn(task.run(asked));
        Ok(Self { welcome, requests, events, peeked: None })
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// The server's refusal; `restarting` when the line is gone.
    pub async fn ask(&self, request: Request) -> Answered {
        let gone = || WireError::new(ErrorCode::Restarting, "the line is gone");
        let (reply, answer) = oneshot::channel();
        self.requests.send((request, reply)).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Carries an offer and brings its answer.
    ///
    /// # Errors
    /// As [`Line::ask`].
    pub async fn offer(&self, offer: Offer) -> io::Result<Answer> {
        match self.ask(Request::Offer(offer)).await {
            Ok(Reply::Answer(answer)) => Ok(answer),
            Ok(other) => Err(io::Error::other(format!("an offer was answered by {other:?}"))),
            Err(error) => Err(refused(&error)),
        }
    }

    /// The next event; `None` when the line is gone.
    pub async fn event(&mut self) -> Option<Event> {
        match self.peeked.take() {
            Some(event) => Some(event),
            None => self.events.recv().await,
        }
    }

    /// An event that is there already.
    pub fn try_event(&mut self) -> Option<Event> {
        self.peeked.take().or_else(|| self.events.try_recv().ok())
    }

    /// Waits until an event can be taken: true; false when the line is gone.
    pub async fn events_ready(&mut self) -> bool {
        if self.peeked.is_none() {
            self.peeked = self.events.recv().await;
        }
        self.peeked.is_some()
    }

    pub fn has_event(&self) -> bool {
        self.peeked.is_some() || !self.events.is_empty()
    }

    pub fn is_open(&self) -> bool {
        !self.requests.is_closed()
    }
}

struct Task {
    socket: Socket,
    seq: u32,
    next_id: u32,
    waiting: HashMap<u32, oneshot::Sender<Answered>>,
    happened: mpsc::Sender<Event>,
}

impl Task {
    async fn run(mut self, mut asked: mpsc::Receiver<(Request, oneshot::Sender<Answered>)>) {
        loop {
            let goes_on = tokio::select! {
                frame = next(&mut self.socket) => match frame {
                    Ok(Some(frame)) => self.take(frame).await,
                    Ok(None) | Err(_) => false,
                },
                request = asked.recv() => match request {
                    Some((request, reply)) => {
                        let id = self.next_id;
                        self.next_id = id.wrapping_add(1);
                        self.waiting.insert(id, reply);
                        let request = ClientMessage::Request { id, request };
                        send(&mut self.socket, &request).await.is_ok()
                    }
                    None => false,
                },
            };
            if !goes_on {
                return;
            }
        }
    }

    async fn take(&mut self, frame: ServerMessage) -> bool {
        match frame {
            ServerMessage::Reply { id, reply } => self.answer(id, Ok(reply)),
            ServerMessage::Error { id, error } => self.answer(id, Err(error)),
            ServerMessage::Event { seq, event } => {
                self.seq = seq;
                return self.happened.try_send(event).is_ok();
            }
            ServerMessage::Ping { .. } => {
                let pong = ClientMessage::Pong { seq: self.seq };
                return send(&mut self.socket, &pong).await.is_ok();
            }
            ServerMessage::Bye { .. } => return false,
        }
        true
    }

    fn answer(&mut self, id: u32, answer: Answered) {
        if let Some(reply) = self.waiting.remove(&id) {
            // Who asked may have stopped waiting.
            let _ = reply.send(answer);
        }
    }
}

async fn send(socket: &mut Socket, message: &ClientMessage) -> io::Result<()> {
    let text = serde_json::to_string(message)?;
    socket.send(Message::text(text)).await.map_err(io::Error::other)
}

/// The next frame of the protocol; `None` at the end. Cancel-safe.
async fn next(socket: &mut Socket) -> io::Result<Option<ServerMessage>> {
    while let Some(message) = socket.next().await {
        if let Message::Text(text) = message.map_err(io::Error::other)? {
            return Ok(Some(serde_json::from_str(&text)?));
        }
    }
    Ok(None)
}

fn refused(error: &WireError) -> io::Error {
    io::Error::other(format!("{}: {}", error.code.as_str(), error.message))
}
