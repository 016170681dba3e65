//! The task of one websocket: greeting, serving, and a minute of waiting after the line is lost.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::extract::ws::{Message, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use signaling::limits::RESUME_WINDOW_US;
use signaling::{Backlog, Connection, ErrorCode, Hello, Incoming, State, WireError};
use tokio::sync::{mpsc, oneshot};

use super::live::Held;
use super::{Admits, Ws};
use crate::auth::{JoinClaims, TokenError};
use crate::domain::EndpointId;
use crate::room::actor::{Admission, Command, RoomHandle, ToLine};
use crate::room::effect::{Arrival, Previous, SiteArrival, Ticket};
use crate::room::parking::{Ask, Left};

/// A hello is answered by then: token, records, room and journal.
const HELLO_TIMEOUT: Duration = Duration::from_secs(20);

/// A client answers our close by then, after this many frames at most.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);
const DRAINED_FRAMES: usize = 64;

/// What a line has once it was let in.
struct Entered {
    room: RoomHandle,
    endpoint: EndpointId,
    line: mpsc::Receiver<ToLine>,
    ask: mpsc::Receiver<Ask>,
    resume_token: String,
    held: Held,
}

/// A hello that was let in.
struct Joined {
    admission: Admission,
    room: RoomHandle,
    left: Option<(Left, u32)>,
    held: Held,
}

type Answered = Result<Joined, WireError>;

enum Ended {
    /// The websocket is gone or silent; the endpoint may come back.
    Lost,
    /// Somebody showed the resume token: hand over.
    Asked(Ask),
    /// The sign-in behind it was ended; page and room know.
    SignedOut,
    /// The room ended it, or there was nothing to end.
    Over,
}

pub(super) async fn run(socket: WebSocket, ws: Arc<Ws>) {
    let (sink, mut stream) = socket.split();
    let mut task = Task {
        connection: Connection::new(now_us(&ws)),
        writer: Writer { sink, unflushed: false },
        ws,
        entered: None,
        joining: None,
    };
    let ended = task.serve(&mut stream).await;
    let Task { connection, ws, entered, writer, .. } = task;
    if !matches!(ended, Ended::Asked(_)) {
        drain(&mut stream).await;
    }
    // Closes the TCP connection before anything else may wait.
    drop((stream, writer));
    let Some(entered) = entered else { return };
    let last_frame = ws.base + Duration::from_micros(connection.last_frame_us());
    let token = entered.resume_token.clone();
    afterwards(connection.into_backlog(), entered, ended, last_frame).await;
    ws.registry.parking.deregister(&token);
}

/// Waits for the client's own close (RFC 6455 §7.1.1): closing over frames that nobody read resets
/// the connection, and the client would lose the answers that it has not read yet.
async fn drain(stream: &mut SplitStream<WebSocket>) {
    let rest = async {
        for _ in 0..DRAINED_FRAMES {
            match stream.next().await {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, rest).await;
}

/// Collects events for a page that may come back, until it does or a minute has passed.
async fn afterwards(mut backlog: Backlog, mut entered: Entered, ended: Ended, last_frame: Instant) {
    let (endpoint, room) = (entered.endpoint, entered.room.clone());
    let session = room.session;
    let left = |backlog, line| Left { session, endpoint, backlog, line, last_frame };
    match ended {
        Ended::Over | Ended::SignedOut => return,
        Ended::Asked(ask) => {
            if ask.send(left(backlog, entered.line)).is_err() {
                // The new websocket gave up meanwhile: this endpoint is lost after all.
                let _ = room.send(Command::LineLost { endpoint, last_frame }).await;
            }
            return;
        }
        Ended::Lost => {
            if room.send(Command::LineLost { endpoint, last_frame }).await.is_err() {
                return;
            }
        }
    }
    let until = last_frame + Duration::from_micros(RESUME_WINDOW_US);
    loop {
        tokio::select! {
            message = entered.line.recv() => match message {
                Some(ToLine::Event(notice)) => {
                    if backlog.push_event(notice).is_err() {
                        return;
                    }
                }
                // Answers to requests of the lost line.
                Some(ToLine::Reply { .. } | ToLine::Refuse { .. }) => {}
                Some(ToLine::Bye(_)) | None => return,
            },
            Some(ask) = entered.ask.recv() => {
                let _ = ask.send(left(backlog, entered.line));
                return;
            }
            () = entered.held.ended() => {
                let _ = room.send(Command::SignedOut { endpoint }).await;
                return;
            }
            () = tokio::time::sleep_until(until.into()) => return,
        }
    }
}

struct Task {
    connection: Connection,
    writer: Writer,
    ws: Arc<Ws>,
    entered: Option<Entered>,
    joining: Option<oneshot::Receiver<Answered>>,
}

fn now_us(ws: &Ws) -> u64 {
    let since = tokio::time::Instant::now().into_std().saturating_duration_since(ws.base);
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

impl Task {
    fn now(&self) -> u64 {
        now_us(&self.ws)
    }

    async fn serve(&mut self, stream: &mut SplitStream<WebSocket>) -> Ended {
        loop {
            if let State::Closed(how) = self.connection.state() {
                self.close().await;
                tracing::debug!(?how, "websocket closed by the server");
                // Silent, or told to go for its conduct or slowness: presence ends like a drop.
                return Ended::Lost;
            }
            let due = self.ws.base + Duration::from_micros(self.connection.next_timeout());
            let (line, ask, held) = match &mut self.entered {
                Some(Entered { line, ask, held, .. }) => (Some(line), Some(ask), Some(held)),
                None => (None, None, None),
            };
            tokio::select! {
                frame = stream.next() => match frame {
                    Some(Ok(message)) => {
                        if !self.read(message).await {
                            return Ended::Lost;
                        }
                    }
                    Some(Err(_)) | None => return Ended::Lost,
                },
                written = self.writer.write(&mut self.connection),
                    if self.writer.unflushed || self.connection.has_outgoing() =>
                {
                    if written.is_err() {
                        return Ended::Lost;
                    }
                }
                message = receive(line) => match message {
                    Some(message) => {
                        if self.deliver(message) {
                            self.close().await;
                            return Ended::Over;
                        }
                    }
                    None => {
                        self.room_gone().await;
                        return Ended::Over;
                    }
                },
                Some(ask) = receive(ask) => return Ended::Asked(ask),
                () = signed_out(held) => {
                    self.sign_out().await;
                    return Ended::SignedOut;
                }
                answered = answered(&mut self.joining) => self.enter(answered).await,
                () = tokio::time::sleep_until(due.into()) => {
                    let now = self.now();
                    self.connection.handle_timeout(now);
                }
            }
        }
    }

    /// False: the client closed the websocket.
    async fn read(&mut self, message: Message) -> bool {
        let now = self.now();
        match message {
            Message::Text(text) => self.connection.handle_text(text.as_str(), now),
            Message::Binary(_) => self.connection.handle_binary(now),
            Message::Ping(_) | Message::Pong(_) => self.connection.handle_life(now),
            Message::Close(_) => return false,
        }
        while let Some(incoming) = self.connection.poll_incoming() {
            match incoming {
                Incoming::Hello { hello, .. } => {
                    let (tx, rx) = oneshot::channel();
                    self.joining = Some(rx);
                    let ws = Arc::clone(&self.ws);
                    tokio::spawn(async move {
                        let answer = tokio::time::timeout(HELLO_TIMEOUT, join(&ws, hello)).await;
                        let answer = answer.unwrap_or_else(|_| Err(busy()));
                        if let Err(Ok(joined)) = tx.send(answer) {
                            // The websocket died meanwhile.
                            report_lost(&joined.room, joined.admission.endpoint).await;
                        }
                    });
                }
                Incoming::Request { id, request } => {
                    let Some(entered) = &self.entered else { continue };
                    let command = Command::Request { endpoint: entered.endpoint, id, request };
                    if let Err(error) = entered.room.send(command).await {
                        let now = self.now();
                        self.connection.refuse(id, error, now);
                    }
                }
            }
        }
        true
    }

    async fn enter(&mut self, answered: Answered) {
        self.joining = None;
        let now = self.now();
        let Joined { admission, room, left, held } = match answered {
            Ok(joined) => joined,
            Err(error) => return self.connection.reject(error, now),
        };
        let endpoint = admission.endpoint;
        let (line, resumed) = match (admission.line, left) {
            (Some(line), _) => (Some(line), None),
            (None, Some((left, last_seq))) => (Some(left.line), Some((left.backlog, last_seq))),
            (None, None) => (None, None),
        };
        let resume_token = admission.welcome.resume_token.clone();
        let welcomed = self.connection.welcome(*admission.welcome, resumed).is_ok();
        match line {
            Some(line) if welcomed && self.connection.state() == State::Open => {
                let ask = self.ws.registry.parking.register(resume_token.clone());
                self.entered = Some(Entered { room, endpoint, line, ask, resume_token, held });
            }
            _ => {
                self.connection.reject(busy(), now);
                report_lost(&room, endpoint).await;
            }
        }
    }

    /// True: that was the last message.
    fn deliver(&mut self, message: ToLine) -> bool {
        let now = self.now();
        match message {
            ToLine::Event(notice) => self.connection.event(notice, now),
            ToLine::Reply { id, reply } => self.connection.reply(id, reply, now),
            ToLine::Refuse { id, error } => self.connection.refuse(id, error, now),
            ToLine::Bye(error) => {
                self.connection.bye_after_queue(error, now);
                return true;
            }
        }
        false
    }

    /// Page and room are told side by side: neither waits for the other.
    async fn sign_out(&mut self) {
        let now = self.now();
        self.connection.bye_after_queue(signed_out_error(), now);
        let room = self.entered.as_ref().map(|entered| (entered.room.clone(), entered.endpoint));
        let tell = async {
            if let Some((room, endpoint)) = room {
                let _ = room.send(Command::SignedOut { endpoint }).await;
            }
        };
        tokio::join!(tell, self.close());
    }

    /// The room fell over, or dropped this line because its queue was full.
    async fn room_gone(&mut self) {
        let now = self.now();
        let error = WireError {
            code: ErrorCode::Restarting,
            message: "会场正在恢复，请稍候，页面会自动重新连接".into(),
            retry_after_ms: Some(500),
        };
        self.connection.bye_after_queue(error, now);
        self.close().await;
    }

    /// Writes what is queued, at most for the time a `bye` has, and closes the websocket.
    async fn close(&mut self) {
        let due = self.ws.base + Duration::from_micros(self.connection.next_timeout());
        let limit = tokio::time::Instant::now() + Duration::from_secs(2);
        let deadline = tokio::time::Instant::from(due).min(limit);
        let all = async {
            while self.writer.unflushed || self.connection.has_outgoing() {
                self.writer.write(&mut self.connection).await?;
            }
            self.writer.sink.send(Message::Close(None)).await
        };
        let _ = tokio::time::timeout_at(deadline, all).await;
    }
}

/// Token, doorkeeper, records, what is left of the old line, and the room's durable welcome.
async fn join(ws: &Arc<Ws>, hello: Hello) -> Answered {
    let claims =
        ws.tokens.verify(&hello.token, ws.clock.now_us()).map_err(|error| match error {
            TokenError::Invalid => {
                WireError::new(ErrorCode::TokenInvalid, "入场凭证无效，请重新打开会议链接")
            }
            TokenError::Expired => {
                WireError::new(ErrorCode::TokenExpired, "入场凭证已过期，请重新打开会议链接")
            }
        })?;
    // Before the doorkeeper is asked: an ending after his answer finds this line.
    let held = ws.lines.hold(&claims.account_session);
    let known = match ws.doorkeeper.admits(&claims).await {
        Admits::Yes => true,
        Admits::No => return Err(signed_out_error()),
        Admits::Unknown => false,
    };
    let room = ws.registry.room(claims.session.into()).await?;
    let (left, last_seq) = match &hello.resume {
        Some(resume) => (ws.registry.parking.take(&resume.token).await, resume.last_seq),
        None => (None, 0),
    };
    let left = left.filter(|left| left.session == room.session);
    // A resume token was given to whoever was let in, and ends with the sign-in it was given for.
    if !known && left.is_none() {
        return Err(records_away());
    }
    let previous = left.as_ref().map(|left| Previous {
        endpoint: left.endpoint,
        last_frame_mono_us: room.clock().mono_us(left.last_frame),
        replayable: left.backlog.can_resume(last_seq),
    });
    let (reply, admitted) = oneshot::channel();
    let arrival = Box::new(arrival(claims, &hello, previous));
    room.send(Command::Arrive { arrival, reply }).await?;
    let admission = match admitted.await {
        Ok(Ok(admission)) => admission,
        refused => {
            // The old line was handed over and leads nowhere now.
            if let Some(left) = left {
                let Left { endpoint, last_frame, .. } = left;
                let _ = room.send(Command::LineLost { endpoint, last_frame }).await;
            }
            return Err(match refused {
                Ok(Err(error)) => error,
                _ => busy(),
            });
        }
    };
    Ok(Joined { admission, room, left: left.map(|left| (left, last_seq)), held })
}

/// An endpoint that was let in has no websocket any more.
async fn report_lost(room: &RoomHandle, endpoint: EndpointId) {
    let last_frame = tokio::time::Instant::now().into_std();
    let _ = room.send(Command::LineLost { endpoint, last_frame }).await;
}

fn arrival(claims: JoinClaims, hello: &Hello, previous: Option<Previous>) -> Arrival {
    let site = claims.site.as_ref();
    let device = match hello.device.as_str() {
        _ if site.is_some() => "site",
        "phone" => "phone",
        _ => "desktop",
    };
    Arrival {
        // The actor gives it a number.
        ticket: Ticket(0),
        person: site.map_or(claims.person, |site| site.id).into(),
        site: site
            .map(|site| SiteArrival { expected: site.expected, opener: claims.person.into() }),
        name: claims.name,
        role: claims.role,
        org_name: claims.org_name,
        class: claims.class,
        device: device.to_owned(),
        consent: hello.consent,
        endpoint: crate::store::new_id(),
        // 122 random bits of the operating system's generator.
        resume_token: uuid::Uuid::new_v4().simple().to_string(),
        previous,
        stream: None,
    }
}

fn signed_out_error() -> WireError {
    WireError::new(ErrorCode::NotAuthenticated, "登录已失效，请重新登录")
}

fn records_away() -> WireError {
    WireError {
        code: ErrorCode::StorageUnavailable,
        message: "数据库暂时不可用，新到的同志暂时不能进入会场，请稍候，页面会自动重试；已在会场的不受影响".into(),
        retry_after_ms: Some(2_000),
    }
}

fn busy() -> WireError {
    WireError {
        code: ErrorCode::Overloaded,
        message: "服务器繁忙，正在重试进入会场".into(),
        retry_after_ms: Some(1_000),
    }
}

/// Never, when there is nothing to receive from.
async fn receive<T>(from: Option<&mut mpsc::Receiver<T>>) -> Option<T> {
    match from {
        Some(from) => from.recv().await,
        None => std::future::pending().await,
    }
}

async fn signed_out(held: Option<&mut Held>) {
    match held {
        Some(held) => held.ended().await,
        None => std::future::pending().await,
    }
}

async fn answered(joining: &mut Option<oneshot::Receiver<Answered>>) -> Answered {
    match joining {
        Some(receiver) => receiver.await.unwrap_or_else(|_| Err(busy())),
        None => std::future::pending().await,
    }
}

/// Writes one frame after another, only when the socket takes it; keeps no frame across awaits, so
/// that it can be cancelled at any point.
struct Writer {
    sink: SplitSink<WebSocket, Message>,
    unflushed: bool,
}

impl Writer {
    async fn write(&mut self, connection: &mut Connection) -> Result<(), axum::Error> {
        std::future::poll_fn(|context| self.poll(connection, context)).await
    }

    fn poll(
        &mut self,
        connection: &mut Connection,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), axum::Error>> {
        while connection.has_outgoing() {
            ready!(self.sink.poll_ready_unpin(context))?;
            if let Some(frame) = connection.poll_transmit() {
                self.unflushed = true;
                self.sink.start_send_unpin(Message::Text(frame.into()))?;
            }
        }
        ready!(self.sink.poll_flush_unpin(context))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }
}
