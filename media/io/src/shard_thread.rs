//! One thread for one UDP port: receives, lets the core work, sends, and obeys commands.

use std::collections::HashMap;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use media::api::{Event, RoomId};
use media::shard::{Egress, Entropy, Shard, ShardConfig};
use tokio::sync::{mpsc, oneshot};

use crate::capture::tap::BlockTap;
use crate::capture::writer::Message;
use crate::command::Command;
use crate::error::{CaptureError, MediaError};
use crate::link::{LinkMessage, LinkTable, batch};
use crate::load::LoadWatch;
use crate::room_events::{Delivery, RoomEvents};
use crate::span::{Members, Rings};
use crate::stats::{SharedIo, SharedShard, add};
use crate::turn::TurnPort;
use crate::udp::{Locals, Receiver, Transmitter};
use crate::wake::Waker;

/// Timers of the core run at most this often: a hundred peers share one wake-up.
const TIMER_GRAIN: Duration = Duration::from_millis(2);
/// The longest wait; a dropped handle is noticed within it.
const IDLE: Duration = Duration::from_secs(1);
/// Between attempts to hand events to a slow reader.
const EVENT_RETRY: Duration = Duration::from_millis(20);
const PUBLISH: Duration = Duration::from_millis(500);
/// Full receive calls in a row before timers and commands get their turn.
const RECEIVES: usize = 8;
const COMMANDS: usize = 64;
/// Messages of streams and relays in a row.
const ARRIVALS: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Capture {
    Off,
    On,
    Paused,
}

struct Room {
    events: RoomEvents,
    members: Arc<Members>,
    /// At home on another shard.
    part: bool,
    capture: Capture,
}

/// Makes the core, and makes it again after it panicked.
pub(crate) type MakeEntropy = Arc<dyn Fn() -> Box<dyn Entropy> + Send + Sync>;

/// What a shard's thread begins with.
pub(crate) struct Parts {
    pub socket: UdpSocket,
    pub transmitter: Transmitter,
    pub locals: Locals,
    pub config: ShardConfig,
    pub entropy: MakeEntropy,
    pub commands: mpsc::Receiver<Command>,
    /// Of streams and relays.
    pub arrivals: mpsc::Receiver<LinkMessage>,
    /// From and to the other shards.
    pub rings: Rings,
    /// Served on this port, where it is offered.
    pub turn: Option<Arc<media::turn::Server>>,
    pub waker: Waker,
    pub index: usize,
    pub tap: BlockTap,
    pub writer: SyncSender<Message>,
    pub shared: Arc<SharedShard>,
}

pub(crate) struct ShardThread {
    parts: Parts,
    core: Shard,
    receiver: Receiver,
    egress: Egress,
    links: LinkTable,
    turn: Option<TurnPort>,
    rooms: HashMap<RoomId, Room>,
    events_waiting: bool,
    captures: usize,
    last_timers: Instant,
    next_publish: Instant,
    watch: LoadWatch,
    stopping: Option<oneshot::Sender<()>>,
    gone: bool,
}

impl ShardThread {
    pub fn new(parts: Parts) -> Self {
        let now = Instant::now();
        Self {
            core: make_core(&parts),
            turn: turn_port(&parts),
            parts,
            receiver: Receiver::new(),
            egress: Egress::default(),
            links: LinkTable::default(),
            rooms: HashMap::new(),
            events_waiting: false,
            captures: 0,
            last_timers: now,
            next_publish: now,
            watch: LoadWatch::new(now),
            stopping: None,
            gone: false,
        }
    }

    /// Until shutdown, or until every handle has gone.
    pub fn run(mut self) {
        while self.stopping.is_none() && !self.gone {
            if catch_unwind(AssertUnwindSafe(|| self.turn())).is_err() {
                self.begin_again();
            }
        }
        // The last words of the core: peers are told, captures are ended.
        let rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        let _ = catch_unwind(AssertUnwindSafe(|| {
            for room in rooms {
                self.close_room(room);
            }
            self.timers();
        }));
        self.publish();
        if let Some(done) = self.stopping.take() {
            // The socket and the way to the writer close before the answer.
            drop(self.parts);
            let _ = done.send(());
        }
    }

    fn turn(&mut self) {
        let begun = Instant::now();
        let timeout = self.timeout(begun);
        let readable = self.parts.waker.wait(self.parts.socket.as_raw_fd(), timeout);
        self.watch.waited(begun, Instant::now());
        if readable {
            self.receive();
        }
        self.commands();
        self.arrivals();
        self.relays();
        let now = Instant::now();
        if self.core.next_timeout().is_some_and(|at| at <= now) {
            self.timers();
        }
        if let Some(turn) = &mut self.turn {
            turn.sweep(now);
        }
        self.events();
        if self.captures > 0 {
            self.parts.tap.hand_over_if_due(now);
        }
        if now >= self.next_publish {
            self.next_publish = now + PUBLISH;
            let load = self.watch.load(now, &self.parts.socket);
            self.core.report_load(now, load);
            add(&self.parts.shared.io.receive_overflow, load.missed);
            self.parts.shared.io.busy_permille.store(load.busy_permille.into(), Relaxed);
            self.parts.shared.io.pressure.store(self.core.pressure().into(), Relaxed);
            self.publish();
        }
    }

    fn timeout(&self, now: Instant) -> Duration {
        let mut until = now + IDLE;
        if let Some(at) = self.core.next_timeout() {
            until = until.min(at.max(self.last_timers + TIMER_GRAIN));
        }
        if let Some(at) = self.turn.as_ref().and_then(TurnPort::next_sweep) {
            until = until.min(at);
        }
        if self.events_waiting {
            until = until.min(now + EVENT_RETRY);
        }
        if self.captures > 0 {
            until = until.min(self.parts.tap.next_hand_over());
        }
        until.saturating_duration_since(now)
    }

    fn receive(&mut self) {
        for _ in 0..RECEIVES {
            let Self { parts, core, receiver, egress, turn, .. } = self;
            let tap = &mut parts.tap;
            let result = receiver.receive(&parts.socket, &mut parts.locals, |batch| {
                let now = Instant::now();
                tap.set_now(now);
                let kept = turn.as_mut().map_or(batch.len(), |turn| turn.take(now, batch));
                core.handle_batch(now, &mut batch[..kept], egress, tap);
            });
            self.send();
            // An error of the socket is about one datagram (ICMP); the next call shows the rest.
            let Ok(received) = result else { return };
            let io = &self.parts.shared.io;
            add(&io.receives, u64::from(received.datagrams > 0));
            add(&io.datagrams_in, received.datagrams as u64);
            add(&io.datagrams_truncated, received.truncated as u64);
            if !received.full {
                return;
            }
        }
    }

    /// What streams and relays brought.
    fn arrivals(&mut self) {
        for _ in 0..ARRIVALS {
            let Ok(message) = self.parts.arrivals.try_recv() else { return };
            match message {
                LinkMessage::Open { via, sink } => self.links.open(via, sink),
                LinkMessage::Closed(remote) => {
                    self.links.close(remote.via);
                    self.core.forget_remote(remote);
                }
                LinkMessage::Arrived(mut arrived) => {
                    let now = Instant::now();
                    let mut batch = batch(now, &mut arrived);
                    add(&self.parts.shared.io.link_datagrams_in, batch.len() as u64);
                    let Self { parts, core, egress, .. } = self;
                    parts.tap.set_now(now);
                    core.handle_batch(now, &mut batch, egress, &mut parts.tap);
                    self.send();
                }
            }
        }
        // There may be more: do not wait for another wake-up.
        self.parts.waker.wake();
    }

    /// What other shards of the same rooms brought.
    fn relays(&mut self) {
        let Self { parts, core, egress, links, turn, .. } = self;
        let Parts { rings, tap, shared, transmitter, locals, socket, .. } = parts;
        let io = &shared.io;
        tap.set_now(Instant::now());
        rings.take(core, egress, tap, io, |egress| {
            transmit((transmitter, locals), socket, turn, links, egress, io);
        });
        rings.carry(core, io);
    }

    fn timers(&mut self) {
        let now = Instant::now();
        self.last_timers = now;
        self.parts.tap.set_now(now);
        self.core.handle_timeout(now, &mut self.egress, &mut self.parts.tap);
        self.send();
    }

    fn send(&mut self) {
        let Self { parts, core, egress, links, turn, .. } = self;
        let Parts { rings, shared, transmitter, locals, socket, .. } = parts;
        // First: other shards can begin while this one is in the kernel.
        rings.carry(core, &shared.io);
        transmit((transmitter, locals), socket, turn, links, egress, &shared.io);
    }

    fn commands(&mut self) {
        for _ in 0..COMMANDS {
            match self.parts.commands.try_recv() {
                Ok(command) => self.obey(command),
                Err(mpsc::error::TryRecvError::Empty) => return,
                Err(mpsc::error::TryRecvError::Disconnected) => {
                    self.gone = true;
                    return;
                }
            }
        }
        // There may be more: do not wait for another wake-up.
        self.parts.waker.wake();
    }

    fn obey(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::OpenRoom { room, events, members, part, answer } => {
                let _ = answer.send(self.open_room(room, events, members, part));
            }
            Command::LinkRoom { room, other } => self.core.link_room(room, other as u8),
            Command::CloseRoom { room } => self.close_room(room),
            Command::Offer { request, answer } => {
                let _ = answer.send(self.core.offer(now, *request));
            }
            Command::RemovePeer { room, peer } => self.core.remove_peer(now, room, peer),
            Command::SetEnabled { room, peer, source, on } => {
                self.core.set_enabled(now, room, peer, source, on);
            }
            Command::SetView { room, peer, views } => self.core.set_view(now, room, peer, &views),
            Command::SetProgramme { room, programme } => {
                self.core.set_programme(now, room, programme);
            }
            Command::SetChair { room, chair } => self.core.set_chair(now, room, chair),
            Command::SetMayCapture { room, peer, on } => {
                if self.rooms.contains_key(&room) {
                    self.core.set_may_capture(peer, on);
                }
            }
            Command::StartCapture { room, target, status, answer } => {
                let shard = self.parts.index;
                let start = Message::Start { shard, room, target, status };
                let _ = answer.send(self.change_capture(room, Capture::On, Some(start)));
            }
            Command::PauseCapture { room, answer } => {
                let _ = answer.send(self.change_capture(room, Capture::Paused, None));
            }
            Command::ResumeCapture { room, answer } => {
                let _ = answer.send(self.change_capture(room, Capture::On, None));
            }
            Command::StopCapture { room, answer, done } => {
                let _ = answer.send(self.stop_capture(room, Some(done)));
            }
            Command::Stats { room, answer } => {
                let _ = answer.send(self.core.stats(now, room));
            }
            Command::Shutdown { done } => self.stopping = Some(done),
        }
    }

    fn open_room(
        &mut self,
        room: RoomId,
        events: mpsc::Sender<Event>,
        members: Arc<Members>,
        part: bool,
    ) -> Result<(), MediaError> {
        if self.rooms.contains_key(&room) {
            return Err(MediaError::AlreadyOpen);
        }
        if self.rooms.len() >= self.parts.config.limits.rooms {
            return Err(MediaError::Overloaded);
        }
        self.core.open_room(room);
        let events = RoomEvents::new(events);
        self.rooms.insert(room, Room { events, members, part, capture: Capture::Off });
        self.count_rooms();
        Ok(())
    }

    fn close_room(&mut self, room: RoomId) {
        if !self.rooms.contains_key(&room) {
            return;
        }
        // Without a capture there is nothing to stop; that is no fault here.
        let _ = self.stop_capture(room, None);
        self.core.close_room(Instant::now(), room);
        self.events();
        self.rooms.remove(&room);
        self.count_rooms();
    }

    fn count_rooms(&self) {
        self.parts.shared.io.rooms.store(self.rooms.len() as u64, Relaxed);
    }

    /// Start, pause and resume. The writer hears of it before the packets that it applies to.
    fn change_capture(
        &mut self,
        room: RoomId,
        wanted: Capture,
        start: Option<Message>,
    ) -> Result<(), CaptureError> {
        let state = self.rooms.get(&room).ok_or(CaptureError::NoSuchRoom)?.capture;
        let now = Instant::now();
        let message = match (state, wanted, start) {
            (Capture::Off, Capture::On, Some(start)) => start,
            (_, _, Some(_)) => return Err(CaptureError::AlreadyStarted),
            (Capture::On, Capture::Paused, None) => Message::Pause { room, at: now },
            (Capture::Paused, Capture::On, None) => Message::Resume { room },
            (Capture::Off, ..) => return Err(CaptureError::NotStarted),
            _ => return Ok(()),
        };
        self.parts.tap.hand_over(now);
        self.parts.writer.try_send(message).map_err(|_| CaptureError::Overloaded)?;
        if state == Capture::Off {
            self.captures += 1;
        }
        self.core.set_capture(room, wanted == Capture::On);
        self.timers();
        self.parts.tap.hand_over(Instant::now());
        if let Some(room) = self.rooms.get_mut(&room) {
            room.capture = wanted;
        }
        Ok(())
    }

    fn stop_capture(
        &mut self,
        room: RoomId,
        done: Option<oneshot::Sender<bool>>,
    ) -> Result<(), CaptureError> {
        let state = self.rooms.get(&room).ok_or(CaptureError::NoSuchRoom)?.capture;
        if state == Capture::Off {
            return Err(CaptureError::NotStarted);
        }
        self.core.set_capture(room, false);
        self.timers();
        self.parts.tap.hand_over(Instant::now());
        let stop = Message::Stop { room, done };
        self.parts.writer.try_send(stop).map_err(|_| CaptureError::Overloaded)?;
        self.captures -= 1;
        if let Some(room) = self.rooms.get_mut(&room) {
            room.capture = Capture::Off;
        }
        Ok(())
    }

    fn events(&mut self) {
        while let Some(event) = self.core.poll_event() {
            if let Some(room) = self.rooms.get_mut(&event.room()) {
                if let Event::PeerGone { peer, .. } = event {
                    room.members.remove(peer, self.parts.index);
                }
                if room.part && matches!(event, Event::Speaker { .. }) {
                    continue;
                }
                self.events_waiting |= room.events.push(event) != Delivery::Done;
            }
        }
        if !self.events_waiting {
            return;
        }
        self.events_waiting = false;
        let mut closing = Vec::new();
        for (&id, room) in &mut self.rooms {
            match room.events.deliver() {
                Delivery::Done => {}
                Delivery::Waiting => self.events_waiting = true,
                Delivery::Gone => closing.push((id, false)),
                Delivery::Unread => closing.push((id, true)),
            }
            add(&self.parts.shared.io.events_merged, room.events.take_merged());
        }
        for (room, unread) in closing {
            if unread {
                add(&self.parts.shared.io.rooms_unread, 1);
                tracing::warn!(
                    shard = self.parts.index,
                    "a room's events are not read: closing it"
                );
            }
            let _ = self.stop_capture(room, None);
            self.core.close_room(Instant::now(), room);
            self.rooms.remove(&room);
            self.count_rooms();
        }
    }

    fn publish(&mut self) {
        let shared = &self.parts.shared;
        shared.io.links.store(self.links.len() as u64, Relaxed);
        shared.gso.store(self.parts.transmitter.gso(), Relaxed);
        shared.io.capture_dropped.store(self.parts.tap.dropped(), Relaxed);
        if let Ok(mut core) = shared.core.try_lock() {
            *core = *self.core.counters();
        }
    }

    /// After a panic: the core's state cannot be trusted, so its rooms end and it begins anew
    /// (law 6). The socket, the queue and the other shards go on.
    fn begin_again(&mut self) {
        tracing::error!(shard = self.parts.index, rooms = self.rooms.len(), "media shard failed");
        add(&self.parts.shared.io.panics, 1);
        self.egress.clear();
        self.links.clear();
        self.turn = turn_port(&self.parts);
        self.receiver = Receiver::new();
        self.parts.tap.hand_over(Instant::now());
        self.parts.tap.forget_tracks();
        self.events_waiting = false;
        self.captures = 0;
        for (room, mut state) in self.rooms.drain() {
            if state.capture != Capture::Off {
                // A full queue leaves the tracks open; they end with the writer.
                let _ = self.parts.writer.try_send(Message::Stop { room, done: None });
            }
            state.members.fail();
            state.events.push(Event::RoomFailed { room });
        }
        self.count_rooms();
        self.core = make_core(&self.parts);
    }
}

fn turn_port(parts: &Parts) -> Option<TurnPort> {
    parts.turn.as_ref().map(|server| TurnPort::new(Arc::clone(server), parts.index))
}

/// Everything that waits to be sent, by each its way.
fn transmit(
    (transmitter, locals): (&mut Transmitter, &mut Locals),
    socket: &UdpSocket,
    turn: &mut Option<TurnPort>,
    links: &mut LinkTable,
    egress: &mut Egress,
    io: &SharedIo,
) {
    if let Some(turn) = turn {
        turn.wrap(Instant::now(), egress);
        transmit_udp(transmitter, locals, socket, &turn.egress, io);
        turn.egress.clear();
    }
    transmit_udp(transmitter, locals, socket, egress, io);
    links.send(egress, io);
    egress.clear();
}

fn transmit_udp(
    transmitter: &mut Transmitter,
    locals: &mut Locals,
    socket: &UdpSocket,
    egress: &Egress,
    io: &SharedIo,
) {
    if egress.runs.is_empty() {
        return;
    }
    let sent = transmitter.send(socket, egress, locals);
    add(&io.datagrams_out, sent.datagrams);
    add(&io.bytes_out, sent.bytes);
    add(&io.messages_out, sent.messages);
    add(&io.sends, sent.calls);
    add(&io.send_dropped, sent.dropped);
    add(&io.gso_refused, sent.refused);
}

fn make_core(parts: &Parts) -> Shard {
    let config = ShardConfig {
        identity: Arc::clone(&parts.config.identity),
        index: parts.config.index,
        advertised: parts.config.advertised.clone(),
        advertised_tcp: parts.config.advertised_tcp.clone(),
        limits: parts.config.limits.clone(),
    };
    Shard::new(config, (parts.entropy)())
}
