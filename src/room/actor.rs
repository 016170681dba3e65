//! One task per open session: takes messages, asks the state, carries out the effects in order.
//!
//! Everything that waits in the mailbox is handled as one batch, so that a hundred people who come
//! at once cost one durable append, not a hundred. Chat texts and events of the whole batch are made
//! durable, then the rest happens. If the records cannot be written the
//! room ends: its state is ahead of the journal, and it is reopened from the journal when somebody
//! comes back.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use signaling::view::SessionState;
use signaling::{ErrorCode, Notice, Reply, Welcome, WireError};
use tokio::sync::{mpsc, oneshot, watch};

use super::acts::Acted;
use super::ballot_keys::BallotKeys;
use super::ballots::Casting;
use super::clock::{Anchor, SessionClock};
use super::effect::{
    CaptureCommand, CaptureReport, CaptureTrouble, Effect, Input, MediaCommand, MediaNotice, Now,
    Ticket,
};
pub(crate) use super::handle::room_gone;
pub use super::handle::{Admission, Command, Glance, RoomHandle, ToLine};
use super::ports::{NotDurable, OfferCommand, Ports};
use super::report::{MediaReport, MediaSampler};
use super::state::RoomState;
use crate::domain::{EndpointId, SessionId};

/// Messages waiting for a room; senders wait when it is full, so a busy room slows its own clients.
pub const MAILBOX: usize = 256;
/// Events waiting for one websocket task; a task that lets it fill up loses its line.
pub const LINE: usize = 256;
/// Inputs handled as one batch.
const BATCH: usize = 64;
/// The shard answers an offer by then, or the client is told to try again.
const OFFER_TIMEOUT: Duration = Duration::from_secs(3);
/// Pause before the shard is asked again to open a room that it lost.
const MEDIA_RETRY: Duration = Duration::from_secs(1);
/// Between two looks at the media statistics.
const SAMPLE: Duration = Duration::from_secs(2);
/// Stopping the capture and signing must not hold a room forever.
const FINISH_TIMEOUT: Duration = Duration::from_secs(30);

/// How a room came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// 散会
    Closed,
    /// Server shutdown.
    Stopped,
    /// The records could not be written.
    NotDurable,
}

struct Waiting {
    reply: oneshot::Sender<Result<Admission, WireError>>,
    stream: bool,
}

pub(super) struct Actor {
    session: SessionId,
    state: RoomState,
    clock: SessionClock,
    ports: Ports,
    mailbox: mpsc::Receiver<Command>,
    shown: watch::Sender<Glance>,
    casting: watch::Sender<Option<Arc<Casting>>>,
    ballot_keys: BallotKeys,
    sampler: MediaSampler,
    reported: watch::Sender<Arc<MediaReport>>,
    next_sample: tokio::time::Instant,
    media: mpsc::Receiver<MediaNotice>,
    capture: Option<watch::Receiver<CaptureReport>>,
    /// The database is away; none once nobody says so any more.
    away: Option<watch::Receiver<bool>>,
    lines: HashMap<EndpointId, mpsc::Sender<ToLine>>,
    waiting: HashMap<Ticket, Waiting>,
    /// Acts that are not answered yet: as many as fit in one batch.
    acting: HashMap<Ticket, oneshot::Sender<Result<Acted, WireError>>>,
    /// Endpoints that listen to no events: a thousand players need not be told who comes and goes.
    streams: HashSet<EndpointId>,
    next_ticket: u64,
    /// Endpoints whose websocket task is gone or stuck; the state is told next.
    broken: Vec<EndpointId>,
    /// The shard did not take the room back; tried again a second later.
    media_lost_at: Option<tokio::time::Instant>,
    /// The last capture command; a stop may not be lost with the room.
    capturing: bool,
}

impl Actor {
    pub fn new(
        session: SessionId,
        state: RoomState,
        clock: SessionClock,
        ports: Ports,
        media: mpsc::Receiver<MediaNotice>,
    ) -> (Self, RoomHandle) {
        let (tx, mailbox) = mpsc::channel(MAILBOX);
        let (shown, glance) = watch::channel(state.glance());
        let (reported, report) = watch::channel(Arc::default());
        let (casting, cast) = watch::channel(state.casting().map(Arc::new));
        let handle = RoomHandle {
            session,
            clock: clock.clone(),
            mailbox: tx,
            glance,
            report,
            casting: cast,
        };
        let mut away = ports.records.away();
        away.mark_changed();
        let actor = Self {
            session,
            away: Some(away),
            state,
            clock,
            ports,
            mailbox,
            shown,
            casting,
            ballot_keys: BallotKeys::default(),
            sampler: MediaSampler::default(),
            reported,
            next_sample: tokio::time::Instant::now() + SAMPLE,
            media,
            capture: None,
            lines: HashMap::new(),
            waiting: HashMap::new(),
            acting: HashMap::new(),
            streams: HashSet::new(),
            next_ticket: 0,
            broken: Vec::new(),
            media_lost_at: None,
            capturing: false,
        };
        (actor, handle)
    }

    /// Runs until the session ends. `first` are the effects of a restart; `anchor` is to be kept
    /// when the machine was booted anew.
    pub async fn run(mut self, first: Vec<Effect>, anchor: Option<Anchor>) -> End {
        let end = match self.perform(first).await {
            Ok(Some(end)) => end,
            Ok(None) => {
                self.keep(anchor).await;
                self.serve().await
            }
            Err(error) => self.records_failed(&error),
        };
        if self.capturing {
            let stop = self.ports.media.stop_capture(self.session);
            if tokio::time::timeout(FINISH_TIMEOUT, stop).await.is_err() {
                tracing::error!(session = %self.session, "stopping the capture took too long");
            }
        }
        if end == End::Closed {
            self.finish().await;
        }
        self.ports.media.close_room(self.session).await;
        end
    }

    /// After the journal says that the boot was bridged, never before.
    async fn keep(&self, anchor: Option<Anchor>) {
        let Some(anchor) = anchor else { return };
        // If it fails the next restart bridges once more, by the wall clock.
        if let Err(error) = self.ports.records.store_anchor(self.session, anchor).await {
            tracing::error!(session = %self.session, %error, "clock of the session not stored");
        }
    }

    async fn serve(&mut self) -> End {
        loop {
            let due = self.clock.instant(self.state.next_timeout());
            let mut inputs = Vec::new();
            let media_due = self.media_lost_at.map(|at| at + MEDIA_RETRY);
            tokio::select! {
                command = self.mailbox.recv() => match command {
                    Some(Command::Stop) | None => return self.stop(),
                    Some(command) => self.take(command, &mut inputs),
                },
                Some(notice) = self.media.recv() => inputs.push(Input::Media(notice)),
                report = capture_changed(&mut self.capture) => inputs.push(Input::Capture(report)),
                away = away_changed(&mut self.away) => inputs.push(Input::Records { away }),
                () = tokio::time::sleep_until(due.into()) => inputs.push(Input::Tick),
                () = at(media_due) => self.reopen_media().await,
                () = tokio::time::sleep_until(self.next_sample) => {
                    inputs.extend(self.sample_media().await);
                }
            }
            while inputs.len() < BATCH {
                match self.mailbox.try_recv() {
                    Ok(Command::Stop) => return self.stop(),
                    Ok(command) => self.take(command, &mut inputs),
                    Err(_) => break,
                }
            }
            while inputs.len() < BATCH {
                let Ok(notice) = self.media.try_recv() else { break };
                inputs.push(Input::Media(notice));
            }
            if inputs.iter().any(|i| matches!(i, Input::Media(MediaNotice::RoomFailed))) {
                self.reopen_media().await;
            }
            let now = self.clock.now();
            for endpoint in self.broken.drain(..) {
                let last_frame_mono_us = now.mono_us;
                inputs.push(Input::LineLost { endpoint, last_frame_mono_us });
            }
            let done = self.settle(inputs, now).await;
            self.show_casting();
            match done {
                Ok(None) => {}
                Ok(Some(end)) => return end,
                Err(error) => return self.records_failed(&error),
            }
        }
    }

    fn take(&mut self, command: Command, inputs: &mut Vec<Input>) {
        match command {
            Command::Arrive { mut arrival, reply } => {
                self.next_ticket += 1;
                arrival.ticket = Ticket(self.next_ticket);
                let stream = arrival.stream.is_some();
                self.waiting.insert(arrival.ticket, Waiting { reply, stream });
                inputs.push(Input::Arrive(arrival));
            }
            Command::Request { endpoint, id, request } => {
                let fresh = crate::store::new_id();
                inputs.push(Input::Request { endpoint, id, request, fresh });
            }
            Command::LineLost { endpoint, last_frame } => {
                let last_frame_mono_us = self.clock.mono_us(last_frame);
                inputs.push(Input::LineLost { endpoint, last_frame_mono_us });
            }
            Command::SignedOut { endpoint } => inputs.push(Input::SignedOut { endpoint }),
            Command::PaperBoxed { ballot } => inputs.push(Input::PaperBoxed { ballot }),
            Command::Act { by, act, reply } => {
                self.next_ticket += 1;
                let ticket = Ticket(self.next_ticket);
                self.acting.insert(ticket, reply);
                inputs.push(Input::Act { ticket, by, act });
            }
            Command::Look { person, reply } => {
                let seen = (Box::new(self.state.attendance()), self.state.knock_state(person));
                let _ = reply.send(seen);
            }
            Command::Stop => {}
        }
    }

    /// A batch of inputs and all that follows from it. When the database goes away under something
    /// that must not wait for it, the room is taken back to before the batch, and that is refused.
    async fn settle(&mut self, inputs: Vec<Input>, now: Now) -> Result<Option<End>, NotDurable> {
        let must_not_wait = inputs.iter().any(Input::needs_database);
        let before = must_not_wait.then(|| (self.state.clone(), inputs.clone()));
        let mut effects = self.handle(inputs, now);
        if let Err(error) = self.make_durable(&effects).await {
            let Some((state, inputs)) = before.filter(|_| self.is_away()) else {
                return Err(error);
            };
            self.state = state;
            let first = Input::Records { away: true };
            effects = self.handle(std::iter::once(first).chain(inputs), now);
            self.make_durable(&effects).await?;
        }
        self.carry_out_all(effects).await
    }

    fn handle(&mut self, inputs: impl IntoIterator<Item = Input>, now: Now) -> Vec<Effect> {
        let inputs = inputs.into_iter();
        let effects = inputs.flat_map(|input| self.state.handle(input, now)).collect();
        let glance = self.state.glance();
        self.shown.send_if_modified(|old| std::mem::replace(old, glance) != glance);
        effects
    }

    fn is_away(&self) -> bool {
        self.away.as_ref().is_some_and(|away| *away.borrow())
    }

    async fn perform(&mut self, effects: Vec<Effect>) -> Result<Option<End>, NotDurable> {
        self.make_durable(&effects).await?;
        self.carry_out_all(effects).await
    }

    /// Carries out a durable batch, and what follows from its offers, until nothing is left.
    async fn carry_out_all(&mut self, effects: Vec<Effect>) -> Result<Option<End>, NotDurable> {
        let mut end = None;
        let mut batches = VecDeque::from([effects]);
        let mut durable = true;
        while let Some(effects) = batches.pop_front() {
            if !std::mem::take(&mut durable) {
                self.make_durable(&effects).await?;
            }
            for effect in effects {
                if let Effect::Offer { .. } = effect {
                    let answered = self.offer(effect).await;
                    batches.push_back(self.state.handle(answered, self.clock.now()));
                } else if matches!(
                    effect,
                    Effect::MakeBallotKey { .. } | Effect::CountPapers { .. }
                ) {
                    let answered = self.ballot_effect(effect).await;
                    batches.push_back(self.state.handle(answered, self.clock.now()));
                } else if let Some(ended) = self.carry_out(effect).await {
                    end = Some(ended);
                }
            }
        }
        Ok(end)
    }

    async fn make_durable(&mut self, effects: &[Effect]) -> Result<(), NotDurable> {
        let (mut chat, mut events) = (Vec::new(), Vec::new());
        for effect in effects {
            match effect {
                Effect::StoreChat(message) => chat.push(message.clone()),
                Effect::Journal(new) => events.extend(new.iter().cloned()),
                _ => {}
            }
        }
        match chat.is_empty() && events.is_empty() {
            true => Ok(()),
            false => self.ports.records.append(self.session, chat, events).await,
        }
    }

    async fn offer(&mut self, effect: Effect) -> Input {
        let Effect::Offer {
            endpoint,
            person,
            id,
            sdp,
            publications,
            may_publish,
            may_capture,
            stream,
        } = effect
        else {
            return Input::Tick;
        };
        let offer = self.ports.media.offer(OfferCommand {
            session: self.session,
            endpoint,
            person,
            sdp,
            publications: publications.clone(),
            may_publish,
            may_capture,
            stream,
        });
        let result = tokio::time::timeout(OFFER_TIMEOUT, offer).await.unwrap_or_else(|_| {
            Err(WireError {
                code: ErrorCode::Overloaded,
                message: "服务器繁忙，音视频稍后自动连接".into(),
                retry_after_ms: Some(1_000),
            })
        });
        Input::Answered { endpoint, id, publications, result }
    }

    async fn carry_out(&mut self, effect: Effect) -> Option<End> {
        match effect {
            Effect::StoreChat(_)
            | Effect::Journal(_)
            | Effect::Offer { .. }
            | Effect::MakeBallotKey { .. }
            | Effect::CountPapers { .. } => {}
            Effect::PrepareBallotKey => self.ballot_keys.prepare(),
            Effect::DropBallotKey { ballot } => self.ballot_keys.drop_key(ballot),
            Effect::SignPaper { endpoint, id, ballot, blinded } => {
                match self.ballot_keys.sign(ballot, &blinded) {
                    Ok(signature) => {
                        let reply = Reply::PaperSigned { signature };
                        self.send(endpoint, ToLine::Reply { id, reply });
                    }
                    Err(error) => self.send(endpoint, ToLine::Refuse { id, error }),
                }
            }
            Effect::Admit { ticket, endpoint, resumed, welcome } => {
                self.admit(ticket, endpoint, resumed, welcome);
            }
            Effect::Reject { ticket, error } => {
                if let Some(waiting) = self.waiting.remove(&ticket) {
                    let _ = waiting.reply.send(Err(error));
                }
            }
            Effect::Acted { ticket, result } => {
                if let Some(reply) = self.acting.remove(&ticket) {
                    let _ = reply.send(result);
                }
            }
            Effect::StoreStanding { person, standing } => {
                // Mended, like the state, when the session is next loaded.
                let stored = self.ports.records.store_standing(self.session, person, standing);
                if let Err(error) = stored.await {
                    tracing::error!(session = %self.session, %error, "standing not stored");
                }
            }
            Effect::Reply { endpoint, id, reply } => {
                self.send(endpoint, ToLine::Reply { id, reply });
            }
            Effect::Refuse { endpoint, id, error } => {
                self.send(endpoint, ToLine::Refuse { id, error });
            }
            Effect::Send { endpoint, event } => {
                if !self.streams.contains(&endpoint) {
                    self.send(endpoint, ToLine::Event(Notice::new(&event)));
                }
            }
            Effect::Broadcast(event) => {
                let notice = Notice::new(&event);
                let (broken, streams) = (&mut self.broken, &self.streams);
                self.lines.retain(|endpoint, line| {
                    if streams.contains(endpoint) {
                        return true;
                    }
                    let sent = line.try_send(ToLine::Event(notice.clone())).is_ok();
                    if !sent {
                        broken.push(*endpoint);
                    }
                    sent
                });
            }
            Effect::Bye { endpoint, error } => {
                self.send(endpoint, ToLine::Bye(error));
                self.lines.remove(&endpoint);
                self.streams.remove(&endpoint);
            }
            Effect::Media(command) => self.media_command(command).await,
            Effect::Capture(command) => self.capture_command(command).await,
            Effect::StoreState { state, at_us } => self.store_state(state, at_us).await,
            Effect::Ended => return Some(End::Closed),
        }
        None
    }

    /// Key and box of an online secret ballot.
    async fn ballot_effect(&mut self, effect: Effect) -> Input {
        match effect {
            Effect::MakeBallotKey { endpoint, person, id, ballot, matter } => {
                let public_key = self.ballot_keys.make(ballot).await;
                Input::BallotKeyMade { endpoint, person, id, ballot, matter, public_key }
            }
            Effect::CountPapers { endpoint, person, id, ballot } => {
                // Nothing more comes in: what the box holds is what is counted.
                self.casting.send_replace(None);
                let papers = self.ports.records.count_papers(self.session, ballot).await;
                let papers = papers.map_err(|error| {
                    tracing::warn!(session = %self.session, %error, "ballots could not be counted");
                    WireError {
                        code: ErrorCode::StorageUnavailable,
                        message: "选票暂时无法读取，结果尚未产生，请稍后再点一次".into(),
                        retry_after_ms: Some(2_000),
                    }
                });
                Input::PapersCounted { endpoint, person, id, ballot, papers }
            }
            _ => Input::Tick,
        }
    }

    fn show_casting(&self) {
        let now = self.state.casting();
        self.casting.send_if_modified(|shown| {
            let changed = shown.as_deref() != now.as_ref();
            if changed {
                *shown = now.map(Arc::new);
            }
            changed
        });
    }

    fn admit(
        &mut self,
        ticket: Ticket,
        endpoint: EndpointId,
        resumed: bool,
        welcome: Box<Welcome>,
    ) {
        let Some(Waiting { reply, stream }) = self.waiting.remove(&ticket) else { return };
        if stream {
            self.streams.insert(endpoint);
        }
        let line = if resumed {
            None
        } else {
            let (tx, rx) = mpsc::channel(LINE);
            self.lines.insert(endpoint, tx);
            Some(rx)
        };
        if reply.send(Ok(Admission { endpoint, welcome, line })).is_err() {
            self.lines.remove(&endpoint);
            self.broken.push(endpoint);
        }
    }

    /// A full line loses its client (the task is stuck); a closed one has none any more. Either
    /// way its sender is dropped, so that the task, if any, ends the websocket.
    fn send(&mut self, endpoint: EndpointId, message: ToLine) {
        if let Some(line) = self.lines.get(&endpoint)
            && line.try_send(message).is_err()
        {
            self.lines.remove(&endpoint);
            self.broken.push(endpoint);
        }
    }

    async fn media_command(&mut self, command: MediaCommand) {
        match command {
            MediaCommand::RemovePeer { endpoint } => {
                self.ports.media.remove_peer(self.session, endpoint).await;
            }
            MediaCommand::SetEnabled { endpoint, source, on } => {
                self.ports.media.set_enabled(self.session, endpoint, source, on).await;
            }
            MediaCommand::SetProgramme(programme) => {
                self.ports.media.set_programme(self.session, programme).await;
            }
            MediaCommand::SetChair { chair } => {
                self.ports.media.set_chair(self.session, chair).await;
            }
            MediaCommand::SetView { endpoint, tracks } => {
                self.ports.media.set_view(self.session, endpoint, tracks).await;
            }
        }
    }

    async fn capture_command(&mut self, command: CaptureCommand) {
        match command {
            CaptureCommand::Start => {
                // Set first: a capture that failed half-way is stopped all the same.
                self.capturing = true;
                self.start_capture().await;
            }
            CaptureCommand::Pause => self.ports.media.pause_capture(self.session).await,
            CaptureCommand::Resume => self.ports.media.resume_capture(self.session).await,
            // Done at the end, once, so that everybody hears 散会 first.
            CaptureCommand::Stop => {}
        }
    }

    async fn start_capture(&mut self) {
        let mono_us = self.clock.now().mono_us;
        let origin = self.clock.instant(mono_us);
        let media = &self.ports.media;
        let reports = match media.start_capture(self.session, origin, mono_us).await {
            Ok(()) => media.capture_reports(self.session),
            Err(error) => {
                tracing::error!(session = %self.session, code = error.code.as_str(), "no capture");
                // Told to the room like any later failure of the writer.
                let trouble = Some(CaptureTrouble::Failed);
                watch::channel(CaptureReport { safe_mono_us: None, trouble }).1
            }
        };
        self.capture = Some(reports);
    }

    /// The shard lost the room: opened again, once a second until it works.
    async fn reopen_media(&mut self) {
        tracing::error!(session = %self.session, "media of the room failed and is opened again");
        self.media_lost_at = None;
        match self.ports.media.open_room(self.session).await {
            Ok(media) => {
                self.media = media;
                if self.capturing {
                    self.start_capture().await;
                }
            }
            Err(_) => self.media_lost_at = Some(tokio::time::Instant::now()),
        }
    }

    /// Pulls the statistics of the room's media; what follows for the state is the grades.
    async fn sample_media(&mut self) -> Option<Input> {
        self.next_sample = tokio::time::Instant::now() + SAMPLE;
        if self.lines.is_empty() {
            return None;
        }
        let stats = self.ports.media.stats(self.session).await?;
        let now = tokio::time::Instant::now().into_std();
        let report = self.sampler.take(now, self.clock.now().wall_us, stats);
        let grades = report.grades();
        self.reported.send_replace(Arc::new(report));
        Some(Input::Quality(grades))
    }

    async fn store_state(&mut self, state: SessionState, at_us: i64) {
        // The journal is the truth; the row is mended when the session is next loaded.
        if let Err(error) = self.ports.records.store_state(self.session, state, at_us).await {
            tracing::error!(session = %self.session, %error, "state of the session not stored");
        }
    }

    async fn finish(&mut self) {
        let now = self.clock.now();
        let finish = self.ports.records.finish(self.session, now.wall_us, now.mono_us);
        match tokio::time::timeout(FINISH_TIMEOUT, finish).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(session = %self.session, %error, "closing work is left for restart");
            }
            Err(_) => {
                tracing::error!(session = %self.session, "closing work took too long");
            }
        }
    }

    fn stop(&mut self) -> End {
        self.say_goodbye(&WireError {
            code: ErrorCode::Restarting,
            message: "服务器正在重启，页面会自动重新连接".into(),
            retry_after_ms: Some(1_000),
        });
        End::Stopped
    }

    fn records_failed(&mut self, error: &NotDurable) -> End {
        tracing::error!(session = %self.session, %error, "room ends: its records cannot be written");
        self.say_goodbye(&WireError {
            code: ErrorCode::StorageUnavailable,
            message: "记录暂时无法保存，页面会自动重新连接；如持续出现请联系管理员".into(),
            retry_after_ms: Some(2_000),
        });
        End::NotDurable
    }

    fn say_goodbye(&mut self, error: &WireError) {
        for (_, waiting) in self.waiting.drain() {
            let _ = waiting.reply.send(Err(error.clone()));
        }
        for (_, reply) in self.acting.drain() {
            let _ = reply.send(Err(error.clone()));
        }
        for (_, line) in self.lines.drain() {
            let _ = line.try_send(ToLine::Bye(error.clone()));
        }
    }
}

/// The next report; never, when there is no capture or its writer is gone.
async fn capture_changed(capture: &mut Option<watch::Receiver<CaptureReport>>) -> CaptureReport {
    if let Some(receiver) = capture {
        if receiver.changed().await.is_ok() {
            return *receiver.borrow_and_update();
        }
        // The sender is gone: its last word counts, once.
        let last = *receiver.borrow();
        *capture = None;
        return last;
    }
    std::future::pending().await
}

/// Whether the database is away now; never, when nobody says.
async fn away_changed(away: &mut Option<watch::Receiver<bool>>) -> bool {
    if let Some(receiver) = away {
        if receiver.changed().await.is_ok() {
            return *receiver.borrow_and_update();
        }
        *away = None;
    }
    std::future::pending().await
}

async fn at(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
