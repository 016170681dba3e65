//! The life of one websocket, without the websocket.
//!
//! ```text
//! Greeting ──hello──▶ Joining ──welcome──▶ Open
//!     └───────┬──────────┴──────────────────┤
//!          bye (ours) or silence            │ line lost
//!             ▼                             ▼
//!      Closing ──written──▶ Closed     Backlog kept for a resume (≤ 60 s)
//! ```
//!
//! The shell feeds text frames and the time, takes [`Incoming`] for the room, gives replies and
//! events back, and writes what [`Connection::poll_transmit`] returns. It calls
//! [`Connection::handle_timeout`] no later than [`Connection::next_timeout`]. All times are
//! microseconds of one monotonic clock.

use std::collections::{HashSet, VecDeque};

use crate::backlog::{Backlog, NotKept, Notice};
use crate::error::{ErrorCode, WireError};
use crate::frame::{FrameError, decode, encode};
use crate::limits::{
    CLOSE_DEADLINE_US, DEAD_AFTER_US, HELLO_DEADLINE_US, PENDING_REQUESTS, PING_INTERVAL_US,
};
use crate::message::{
    ClientMessage, Hello, PROTOCOL_VERSION, Reply, Request, ServerMessage, Welcome,
};
use crate::rate::{Class, Limiter};

/// What the room has to deal with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// Answer with [`Connection::welcome`] or [`Connection::reject`].
    Hello { id: u32, hello: Hello },
    /// Answer with [`Connection::reply`] or [`Connection::refuse`]; never a hello.
    Request { id: u32, request: Request },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody yet.
    Greeting,
    /// The room is asked; the join is being made durable.
    Joining,
    Open,
    /// `bye` waits to be written.
    Closing,
    /// The shell closes the socket now.
    Closed(Closed),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// We said why.
    Bye,
    /// No frame for [`DEAD_AFTER_US`].
    Silent,
    /// `bye` could not be written in time.
    Stuck,
}

#[derive(Debug)]
pub struct Connection {
    state: State,
    limiter: Limiter,
    opened_us: u64,
    last_frame_us: u64,
    next_ping_us: u64,
    closing_since_us: u64,
    pending: HashSet<u32>,
    /// Id of the hello that is being answered.
    hello: Option<u32>,
    incoming: VecDeque<Incoming>,
    /// Written before everything else: the welcome, pings, the bye.
    urgent: VecDeque<String>,
    backlog: Backlog,
}

impl Connection {
    pub fn new(now_us: u64) -> Self {
        Self {
            state: State::Greeting,
            limiter: Limiter::new(now_us),
            opened_us: now_us,
            last_frame_us: now_us,
            next_ping_us: now_us + PING_INTERVAL_US,
            closing_since_us: now_us,
            pending: HashSet::new(),
            hello: None,
            incoming: VecDeque::new(),
            urgent: VecDeque::new(),
            backlog: Backlog::default(),
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// When the last frame of the client came: the leave time of a dropped line.
    pub fn last_frame_us(&self) -> u64 {
        self.last_frame_us
    }

    /// Frames and bytes that wait to be written (a gauge).
    pub fn depth(&self) -> (usize, usize) {
        let (frames, bytes) = self.backlog.depth();
        (frames + self.urgent.len(), bytes)
    }

    /// A websocket ping or pong: a sign of life without content.
    pub fn handle_life(&mut self, now_us: u64) {
        if self.is_live() {
            self.last_frame_us = now_us;
        }
    }

    /// A binary frame: this protocol has none.
    pub fn handle_binary(&mut self, now_us: u64) {
        self.bye(bad("只接受文本消息，请刷新页面"), now_us);
    }

    /// A frame larger than the shell may read.
    pub fn handle_oversized(&mut self, now_us: u64) {
        let error = WireError::new(ErrorCode::TooLarge, "消息过大，连接已关闭，请刷新页面");
        self.bye(error, now_us);
    }

    pub fn handle_text(&mut self, text: &str, now_us: u64) {
        if !self.is_live() {
            return;
        }
        self.last_frame_us = now_us;
        if let Err(wait_ms) = self.limiter.frame(now_us) {
            return self.bye(too_fast(wait_ms), now_us);
        }
        match decode(text) {
            Ok(ClientMessage::Pong { seq }) => self.backlog.seen(seq),
            Ok(ClientMessage::Request { id, request }) => self.request(id, request, now_us),
            Err(FrameError::Request { id, error }) if self.pending.contains(&id) => {
                self.bye(error, now_us);
            }
            Err(FrameError::Request { id, error }) => self.answer_error(id, error, now_us),
            Err(FrameError::Unanswerable(error)) => self.bye(error, now_us),
        }
    }

    fn request(&mut self, id: u32, request: Request, now_us: u64) {
        if self.pending.contains(&id) {
            return self.bye(bad("请求编号重复，请刷新页面"), now_us);
        }
        if let Err(wait_ms) = self.limiter.request(Class::of(&request), now_us) {
            return self.answer_error(id, too_fast(wait_ms), now_us);
        }
        match (self.state, request) {
            (State::Greeting, Request::Hello(hello)) if hello.version == PROTOCOL_VERSION => {
                self.state = State::Joining;
                self.hello = Some(id);
                self.pending.insert(id);
                self.incoming.push_back(Incoming::Hello { id, hello });
            }
            (State::Greeting, Request::Hello(_)) => {
                let error =
                    WireError::new(ErrorCode::UnsupportedVersion, "页面版本过旧，请刷新页面");
                self.answer_error(id, error.clone(), now_us);
                self.bye_after_queue(error, now_us);
            }
            (_, Request::Hello(_)) => {
                self.answer_error(id, bad("本次连接已经表明过身份"), now_us);
            }
            (State::Open, request) if self.pending.len() < PENDING_REQUESTS => {
                self.pending.insert(id);
                self.incoming.push_back(Incoming::Request { id, request });
            }
            (State::Open, _) => {
                let error = WireError {
                    code: ErrorCode::Overloaded,
                    message: "操作太多，请稍候再试".into(),
                    retry_after_ms: Some(1_000),
                };
                self.answer_error(id, error, now_us);
            }
            _ => {
                let error = WireError::new(ErrorCode::NotAuthenticated, "尚未进入会场，请稍候");
                self.answer_error(id, error, now_us);
            }
        }
    }

    /// What the room has to deal with next.
    pub fn poll_incoming(&mut self) -> Option<Incoming> {
        self.incoming.pop_front()
    }

    /// Lets the client in. With a `resumed` backlog, everything after `last_seq` follows the
    /// welcome under its old numbers. Fills in `resumed` and `seq` of the welcome.
    ///
    /// # Errors
    /// [`NotKept`] when the backlog no longer holds what follows `last_seq` (the caller checks
    /// [`Backlog::can_resume`] before it promises a resume to the room); nothing has changed then.
    pub fn welcome(
        &mut self,
        mut welcome: Welcome,
        resumed: Option<(Backlog, u32)>,
    ) -> Result<(), NotKept> {
        let (State::Joining, Some(id)) = (self.state, self.hello) else {
            return Ok(());
        };
        welcome.resumed = resumed.is_some();
        welcome.seq = 0;
        if let Some((mut backlog, last_seq)) = resumed {
            backlog.resume(last_seq)?;
            welcome.seq = last_seq;
            self.backlog = backlog;
        }
        self.hello = None;
        self.pending.remove(&id);
        self.state = State::Open;
        let reply = Reply::Welcome(Box::new(welcome));
        self.urgent.push_back(encode(&ServerMessage::Reply { id, reply }));
        Ok(())
    }

    /// Refuses the hello, and the line with it.
    pub fn reject(&mut self, error: WireError, now_us: u64) {
        if let Some(id) = self.hello.take() {
            self.pending.remove(&id);
            self.answer_error(id, error.clone(), now_us);
            self.bye_after_queue(error, now_us);
        }
    }

    /// Answers a request; a second answer to the same id is not sent.
    pub fn reply(&mut self, id: u32, reply: Reply, now_us: u64) {
        if self.hello != Some(id) && self.pending.remove(&id) && self.is_live() {
            self.push_text(encode(&ServerMessage::Reply { id, reply }), now_us);
        }
    }

    /// Refuses a request; a second answer to the same id is not sent.
    pub fn refuse(&mut self, id: u32, error: WireError, now_us: u64) {
        if self.hello != Some(id) && self.pending.remove(&id) {
            self.answer_error(id, error, now_us);
        }
    }

    /// Queues an event. A client that does not keep up is told so and has to come back.
    pub fn event(&mut self, notice: Notice, now_us: u64) {
        if self.is_live() && self.backlog.push_event(notice).is_err() {
            self.overloaded(now_us);
        }
    }

    /// Ends the line: what is queued is dropped, the reason is written, then the socket closes.
    pub fn bye(&mut self, error: WireError, now_us: u64) {
        if self.is_live() {
            self.backlog.clear();
            self.bye_after_queue(error, now_us);
        }
    }

    /// Ends the line after what is queued.
    pub fn bye_after_queue(&mut self, error: WireError, now_us: u64) {
        if !self.is_live() {
            return;
        }
        self.state = State::Closing;
        self.closing_since_us = now_us;
        self.incoming.clear();
        let frame = encode(&ServerMessage::Bye { error });
        if self.backlog.push_text(frame.clone()).is_err() {
            self.urgent.push_back(frame);
        }
    }

    pub fn next_timeout(&self) -> u64 {
        let dead = self.last_frame_us + DEAD_AFTER_US;
        match self.state {
            State::Greeting => self.next_ping_us.min(dead).min(self.opened_us + HELLO_DEADLINE_US),
            State::Joining | State::Open => self.next_ping_us.min(dead),
            State::Closing => self.closing_since_us + CLOSE_DEADLINE_US,
            State::Closed(_) => u64::MAX,
        }
    }

    pub fn handle_timeout(&mut self, now_us: u64) {
        match self.state {
            State::Closed(_) => return,
            State::Closing => {
                if now_us >= self.closing_since_us + CLOSE_DEADLINE_US {
                    self.state = State::Closed(Closed::Stuck);
                }
                return;
            }
            State::Greeting if now_us >= self.opened_us + HELLO_DEADLINE_US => {
                let error =
                    WireError::new(ErrorCode::NotAuthenticated, "未能及时进入会场，请重新进入");
                return self.bye(error, now_us);
            }
            State::Greeting | State::Joining | State::Open => {}
        }
        if now_us >= self.last_frame_us + DEAD_AFTER_US {
            self.state = State::Closed(Closed::Silent);
            return;
        }
        if now_us >= self.next_ping_us {
            // After a late call one ping is enough.
            self.next_ping_us = now_us + PING_INTERVAL_US;
            let seq = self.backlog.last_seq();
            self.urgent.push_back(encode(&ServerMessage::Ping { seq }));
        }
    }

    /// The next frame to write. After the `bye` the state is [`State::Closed`].
    pub fn poll_transmit(&mut self) -> Option<String> {
        if matches!(self.state, State::Closed(_)) {
            return None;
        }
        let frame = self.urgent.pop_front().or_else(|| self.backlog.pop());
        if self.state == State::Closing && self.urgent.is_empty() && self.backlog.is_empty() {
            self.state = State::Closed(Closed::Bye);
        }
        frame
    }

    /// True: [`Connection::poll_transmit`] has something.
    pub fn has_outgoing(&self) -> bool {
        !matches!(self.state, State::Closed(_))
            && (!self.urgent.is_empty() || !self.backlog.is_empty())
    }

    /// The line is gone: what a resume needs.
    pub fn into_backlog(mut self) -> Backlog {
        self.backlog.detach();
        self.backlog
    }

    fn is_live(&self) -> bool {
        matches!(self.state, State::Greeting | State::Joining | State::Open)
    }

    fn answer_error(&mut self, id: u32, error: WireError, now_us: u64) {
        if self.is_live() {
            self.push_text(encode(&ServerMessage::Error { id, error }), now_us);
        }
    }

    fn push_text(&mut self, frame: String, now_us: u64) {
        if self.backlog.push_text(frame).is_err() {
            self.overloaded(now_us);
        }
    }

    fn overloaded(&mut self, now_us: u64) {
        let error = WireError {
            code: ErrorCode::Overloaded,
            message: "网络太慢，消息积压，正在重新连接".into(),
            retry_after_ms: Some(1_000),
        };
        self.bye(error, now_us);
    }
}

fn bad(message: &str) -> WireError {
    WireError::new(ErrorCode::BadRequest, message)
}

fn too_fast(wait_ms: u32) -> WireError {
    WireError {
        code: ErrorCode::RateLimited,
        message: "操作太频繁，请稍候再试".into(),
        retry_after_ms: Some(wait_ms),
    }
}
