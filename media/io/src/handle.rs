//! The handle that the rest of the server holds.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use media::api::{
    Event, OfferAnswer, OfferError, OfferRequest, OwnerId, PeerId, Programme, RoomId, Source,
    TrackView,
};
use media::shard::ShardConfig;
use media::stats::RoomStats;
use media::transport::DtlsIdentity;
use media::turn::Credentials;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot, watch};

use crate::capture::files::{CaptureFiles, Disk};
use crate::capture::tap::{self, BlockTap};
use crate::capture::writer::Writer;
use crate::capture::{CaptureStatus, CaptureTarget};
use crate::command::{self, Command};
use crate::config::MediaConfig;
use crate::entropy::SystemEntropy;
use crate::error::{CaptureError, MediaError, StartError};
use crate::link::{self, IceTcpEnd, IceTcpTimes, ShardLink};
use crate::room_events;
use crate::shard_thread::{MakeEntropy, Parts, ShardThread};
use crate::span::{self, Members, OpenRoom};
use crate::stats::{MediaStats, SharedCapture, SharedShard};
use crate::turn::{self, TurnEnd, TurnTimes};
use crate::udp::{self, Locals, Transmitter};
use crate::wake::Waker;

/// The disk may take this long for the last sync of a capture.
const STOP_CAPTURE: Duration = Duration::from_secs(15);
/// A shard that is busier than this has better things to do than to count.
const ROOM_STATS: Duration = Duration::from_millis(250);
const SHUTDOWN: Duration = Duration::from_secs(20);
/// Commands to the writer that may wait besides all blocks.
const WRITER_COMMANDS: usize = 256;

/// Media of this process: rooms, peers, capture. Cheap to clone.
///
/// A room is at home on one shard, chosen by its id; a large one spans others. Dropping a room's event receiver closes the room;
/// dropping the last handle ends everything, as [`Media::shutdown`] does in good order.
#[derive(Clone)]
pub struct Media {
    inner: Arc<Inner>,
}

struct Inner {
    shards: Vec<ShardHandle>,
    /// By shard: where streams and relays hand over what they receive.
    links: Vec<ShardLink>,
    next_link: AtomicU32,
    /// Peers of a room on its own shard from which on it spans others.
    span: usize,
    rooms: Mutex<HashMap<RoomId, OpenRoom>>,
    turn: Option<Arc<media::turn::Server>>,
    captures: Mutex<HashMap<RoomId, Arc<watch::Sender<CaptureStatus>>>>,
    capture_counters: Arc<SharedCapture>,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

struct ShardHandle {
    address: SocketAddr,
    commands: mpsc::Sender<Command>,
    waker: Waker,
    shared: Arc<SharedShard>,
}

impl Media {
    /// Binds the sockets and starts the threads.
    ///
    /// # Errors
    /// A port in use, an address that is not ours, or no address at all.
    pub fn start(config: MediaConfig) -> Result<Media, StartError> {
        Self::start_with(config, Arc::new(|| Box::new(SystemEntropy)), Box::new(Disk))
    }

    pub(crate) fn start_with(
        config: MediaConfig,
        entropy: MakeEntropy,
        files: Box<dyn CaptureFiles>,
    ) -> Result<Media, StartError> {
        if config.udp.is_empty() {
            return Err(StartError::NoAddress);
        }
        if config.advertised.is_empty() {
            return Err(StartError::NothingAdvertised);
        }
        let identity =
            DtlsIdentity::generate().map_err(|error| StartError::Identity(error.to_string()))?;
        let identity = Arc::new(identity);
        // All ports before any thread: a port in use leaves nothing behind.
        let bound = config
            .udp
            .iter()
            .map(|&address| udp::bind(address, config.socket_buffer, config.offload))
            .collect::<Result<Vec<_>, _>>()?;

        let turn = config.turn.as_ref().map(|turn| {
            let addresses = bound.iter().map(|bound| bound.address).enumerate();
            let shards = addresses.flat_map(|(shard, own)| {
                let ips = config.advertised.iter().copied().chain([own.ip()]);
                ips.map(move |ip| (SocketAddr::new(ip, own.port()), shard))
            });
            turn::server(turn, shards.collect())
        });
        let capacity = bound.len() * tap::BLOCKS + WRITER_COMMANDS;
        let (writer, messages) = sync_channel(capacity);
        let (mut shards, mut threads, mut give_back) = (Vec::new(), Vec::new(), Vec::new());
        let mut links = Vec::new();
        let wakers = bound.iter().map(|_| Waker::new()).collect::<Result<Vec<_>, _>>();
        let wakers = wakers.map_err(StartError::Thread)?;
        let rings = span::rings(&wakers);
        let ends = bound.into_iter().zip(wakers).zip(rings);
        for (index, ((bound, waker), rings)) in ends.enumerate() {
            let (commands, queue) = mpsc::channel(command::QUEUE);
            let (link, arrivals) = mpsc::channel(link::QUEUE);
            links.push(ShardLink { queue: link, waker: waker.clone() });
            let shared = Arc::new(SharedShard::default());
            let (tap, blocks) = BlockTap::new(index, writer.clone());
            give_back.push(blocks);
            let port = bound.address.port();
            let at = |port: u16| {
                config.advertised.iter().map(move |&ip| SocketAddr::new(ip, port)).collect()
            };
            let parts = Parts {
                transmitter: Transmitter::new(bound.address.is_ipv6(), bound.gso),
                locals: Locals::default(),
                socket: bound.socket,
                config: ShardConfig {
                    identity: Arc::clone(&identity),
                    index: u8::try_from(index).unwrap_or(u8::MAX),
                    advertised: at(port),
                    advertised_tcp: config.tcp_port.map(at).unwrap_or_default(),
                    limits: config.limits.clone(),
                },
                entropy: Arc::clone(&entropy),
                commands: queue,
                arrivals,
                rings,
                turn: turn.clone(),
                waker: waker.clone(),
                index,
                tap,
                writer: writer.clone(),
                shared: Arc::clone(&shared),
            };
            threads.push(spawn(format!("media-{index}"), move || ShardThread::new(parts).run())?);
            shards.push(ShardHandle { address: bound.address, commands, waker, shared });
        }
        // From here on only the shards hold the way to the writer: it ends when they have ended.
        drop(writer);
        let mut nonce = [0; 8];
        entropy().fill(&mut nonce);
        let capture_counters = Arc::new(SharedCapture::default());
        let counters = Arc::clone(&capture_counters);
        let writer = Writer::new(files, give_back, counters, u64::from_ne_bytes(nonce));
        threads.push(spawn("capture".into(), move || writer.run(&messages))?);

        let captures = Mutex::default();
        let threads = Mutex::new(threads);
        let next_link = AtomicU32::new(0);
        let rooms = Mutex::default();
        let span = config.span;
        let inner = Inner {
            shards,
            links,
            next_link,
            turn,
            span,
            rooms,
            captures,
            capture_counters,
            threads,
        };
        Ok(Media { inner: Arc::new(inner) })
    }

    /// The bound addresses, one per shard.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.inner.shards.iter().map(|shard| shard.address).collect()
    }

    /// Opens a room and gives its events. The channel holds 256; beyond that states are kept and
    /// retried, of speaker changes only the last. 4,096 behind, the room fails.
    pub async fn open_room(&self, room: RoomId) -> Result<mpsc::Receiver<Event>, MediaError> {
        let (events, receiver) = mpsc::channel(room_events::CHANNEL);
        // What is left of a room that one of its shards lost.
        if self.room(room).is_some_and(|old| old.members.has_failed()) {
            self.close_parts(room);
        }
        let home = self.home(room);
        let members = Arc::new(Members::at_home(home));
        let (answer, answered) = oneshot::channel();
        let open = OpenRoom { members: Arc::clone(&members), events: events.downgrade() };
        self.ask_shard(home, Command::OpenRoom { room, events, members, part: false, answer })
            .await?;
        answered.await.map_err(|_| MediaError::Overloaded)??;
        self.rooms().insert(room, open);
        self.captures().entry(room).or_insert_with(|| Arc::new(watch::Sender::default()));
        Ok(receiver)
    }

    /// Ends the room, its peers and its capture; its event channel closes.
    pub fn close_room(&self, room: RoomId) -> Result<(), MediaError> {
        self.captures().remove(&room);
        let open = self.rooms().remove(&room);
        let home = self.home(room);
        for part in span::each(open.map_or(0, |open| open.members.shards())) {
            if part != home {
                let _ = self.tell_shard(part, Command::CloseRoom { room });
            }
        }
        self.tell_shard(home, Command::CloseRoom { room })
    }

    /// Answers a client's offer; the first one makes the peer.
    pub async fn offer(&self, request: OfferRequest) -> Result<OfferAnswer, OfferError> {
        let (answer, answered) = oneshot::channel();
        let (room, peer) = (request.room, request.peer);
        let open = self.room(room);
        let known = open.as_ref().is_some_and(|open| open.members.find(peer).is_some());
        let shard = match &open {
            Some(open) => self.place(open, &request).await?,
            None => self.home(room),
        };
        self.ask_shard(shard, Command::Offer { request: Box::new(request), answer })
            .await
            .map_err(|_| OfferError::Overloaded)?;
        let answer = answered.await.map_err(|_| OfferError::Overloaded)?;
        if let (Err(_), Some(open), false) = (&answer, open, known) {
            open.members.remove(peer, shard);
        }
        answer
    }

    pub fn remove_peer(&self, room: RoomId, peer: PeerId) -> Result<(), MediaError> {
        self.tell_peer(room, peer, Command::RemovePeer { room, peer })
    }

    /// Mute by the server: while off, nothing of this source is forwarded or captured.
    pub fn set_enabled(
        &self,
        room: RoomId,
        peer: PeerId,
        source: Source,
        on: bool,
    ) -> Result<(), MediaError> {
        self.tell_peer(room, peer, Command::SetEnabled { room, peer, source, on })
    }

    /// What a peer shows of the tracks it is sent, all of them: see [`media::shard::Shard::set_view`].
    pub fn set_view(
        &self,
        room: RoomId,
        peer: PeerId,
        views: Vec<TrackView>,
    ) -> Result<(), MediaError> {
        self.tell_peer(room, peer, Command::SetView { room, peer, views })
    }

    /// Whom the room's programme shows ([`media::api::Watch::Programme`]).
    pub fn set_programme(&self, room: RoomId, programme: Programme) -> Result<(), MediaError> {
        for shard in self.parts(room) {
            self.tell_shard(shard, Command::SetProgramme { room, programme })?;
        }
        Ok(())
    }

    /// Who presides: heard before others in a large room.
    pub fn set_chair(&self, room: RoomId, chair: Option<OwnerId>) -> Result<(), MediaError> {
        for shard in self.parts(room) {
            self.tell_shard(shard, Command::SetChair { room, chair })?;
        }
        Ok(())
    }

    /// False: the peer declined; its tracks are not captured.
    pub fn set_may_capture(&self, room: RoomId, peer: PeerId, on: bool) -> Result<(), MediaError> {
        self.tell_peer(room, peer, Command::SetMayCapture { room, peer, on })
    }

    /// Captures the room's tracks into `target.dir` from now on. A disk that fails does not fail
    /// this call: see [`Media::capture_status`].
    pub async fn start_capture(
        &self,
        room: RoomId,
        target: CaptureTarget,
    ) -> Result<(), CaptureError> {
        let status = self.captures().get(&room).cloned().ok_or(CaptureError::NoSuchRoom)?;
        self.capture(room, |answer| Command::StartCapture { room, target, status, answer }).await
    }

    /// What comes until [`Media::resume_capture`] is not captured; the tracks get a marked gap.
    pub async fn pause_capture(&self, room: RoomId) -> Result<(), CaptureError> {
        self.capture(room, |answer| Command::PauseCapture { room, answer }).await
    }

    pub async fn resume_capture(&self, room: RoomId) -> Result<(), CaptureError> {
        self.capture(room, |answer| Command::ResumeCapture { room, answer }).await
    }

    /// Ends the capture; returns after the last sync.
    ///
    /// # Errors
    /// `NotDurable`: it has ended, but the disk did not take everything (the status says why).
    pub async fn stop_capture(&self, room: RoomId) -> Result<(), CaptureError> {
        let (done, finished) = oneshot::channel();
        self.capture(room, |answer| Command::StopCapture { room, answer, done }).await?;
        match tokio::time::timeout(STOP_CAPTURE, finished).await {
            Ok(Ok(true)) => Ok(()),
            _ => Err(CaptureError::NotDurable),
        }
    }

    /// How the room's capture stands; a room that is not open gives a closed channel.
    pub fn capture_status(&self, room: RoomId) -> watch::Receiver<CaptureStatus> {
        match self.captures().get(&room) {
            Some(status) => status.subscribe(),
            None => watch::Sender::default().subscribe(),
        }
    }

    /// How the tracks and subscribers of a room stand; none when it is not open, or when its shard
    /// has no time to say so at once.
    pub async fn room_stats(&self, room: RoomId) -> Option<RoomStats> {
        let mut whole: Option<RoomStats> = None;
        for shard in self.parts(room) {
            let (answer, answered) = oneshot::channel();
            self.tell_shard(shard, Command::Stats { room, answer }).ok()?;
            let part = tokio::time::timeout(ROOM_STATS, answered).await.ok()?.ok()??;
            match &mut whole {
                Some(whole) => whole.add(part),
                None => whole = Some(part),
            }
        }
        whole
    }

    pub fn stats(&self) -> MediaStats {
        let shard = |shard: &ShardHandle| {
            shard.shared.read(shard.commands.max_capacity() - shard.commands.capacity())
        };
        MediaStats {
            shards: self.inner.shards.iter().map(shard).collect(),
            capture: self.inner.capture_counters.read(),
            turn: self.inner.turn.as_ref().map(|turn| turn.counters()).unwrap_or_default(),
        }
    }

    /// Ends in order: peers are told, captures are synced, threads have ended. Commands given
    /// afterwards are answered with `Stopping`.
    pub async fn shutdown(&self) {
        for shard in &self.inner.shards {
            let (done, finished) = oneshot::channel();
            if shard.commands.send(Command::Shutdown { done }).await.is_ok() {
                shard.waker.wake();
                let _ = tokio::time::timeout(SHUTDOWN, finished).await;
            }
        }
        self.captures().clear();
        let threads: Vec<_> = lock(&self.inner.threads).drain(..).collect();
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                let _ = thread.join();
            }
        });
        if tokio::time::timeout(SHUTDOWN, joined).await.is_err() {
            tracing::error!("media threads did not end in time");
        }
    }

    /// Serves an ICE-TCP connection (RFC 6544, we are the passive side) until it ends. The caller
    /// has set TCP_NODELAY. `place` is given back once the peer has shown that it is one of ours.
    pub async fn serve_ice_tcp(
        &self,
        stream: impl AsyncRead + AsyncWrite,
        peer: SocketAddr,
        times: IceTcpTimes,
        place: impl Send,
    ) -> IceTcpEnd {
        link::serve_ice_tcp(self.links(), self.next_link(), stream, peer, times, place).await
    }

    /// Serves TURN over a stream (RFC 8656; TLS, or plain TCP) until it ends. The caller has set
    /// TCP_NODELAY. `place` is given back once the client has an allocation.
    pub async fn serve_turn(
        &self,
        stream: impl AsyncRead + AsyncWrite,
        client: SocketAddr,
        times: TurnTimes,
        place: impl Send,
    ) -> TurnEnd {
        match &self.inner.turn {
            Some(server) => turn::serve(server, self.links(), stream, client, times, place).await,
            None => TurnEnd::Off,
        }
    }

    /// Credentials for TURN until `expires_s` (seconds since 1970), where it is offered. `id` is
    /// whom the quotas count for; it travels in the clear and must not say who that is.
    pub fn turn_credentials(&self, id: &str, expires_s: u64) -> Option<Credentials> {
        self.inner.turn.as_ref().map(|turn| turn.issue(id, expires_s))
    }

    /// By shard, as [`Media::addresses`].
    pub(crate) fn links(&self) -> &[ShardLink] {
        &self.inner.links
    }

    /// A number for a new stream or relay.
    pub(crate) fn next_link(&self) -> u32 {
        self.inner.next_link.fetch_add(1, Relaxed)
    }

    async fn capture(
        &self,
        room: RoomId,
        command: impl FnOnce(oneshot::Sender<Result<(), CaptureError>>) -> Command,
    ) -> Result<(), CaptureError> {
        let (answer, answered) = oneshot::channel();
        self.ask(room, command(answer)).await.map_err(|_| CaptureError::Stopping)?;
        answered.await.map_err(|_| CaptureError::Overloaded)?
    }

    /// The shard that a room is at home on.
    pub(crate) fn home(&self, room: RoomId) -> usize {
        // Fibonacci hashing: room ids are UUIDs whose first bits are a time.
        let folded = (room.0 as u64) ^ ((room.0 >> 64) as u64);
        let hash = folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        hash as usize % self.inner.shards.len()
    }

    /// Waits for room in the queue of the shard that the room is at home on.
    async fn ask(&self, room: RoomId, command: Command) -> Result<(), MediaError> {
        self.ask_shard(self.home(room), command).await
    }

    async fn ask_shard(&self, shard: usize, command: Command) -> Result<(), MediaError> {
        let shard = &self.inner.shards[shard];
        shard.commands.send(command).await.map_err(|_| MediaError::Stopping)?;
        shard.waker.wake();
        Ok(())
    }

    /// Does not wait.
    fn tell_shard(&self, shard: usize, command: Command) -> Result<(), MediaError> {
        let shard = &self.inner.shards[shard];
        shard.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => MediaError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => MediaError::Stopping,
        })?;
        shard.waker.wake();
        Ok(())
    }

    fn tell_peer(&self, room: RoomId, peer: PeerId, command: Command) -> Result<(), MediaError> {
        let shard = self.room(room).and_then(|open| open.members.find(peer));
        self.tell_shard(shard.unwrap_or_else(|| self.home(room)), command)
    }

    /// Where the peer of an offer is or goes; the room is opened there if it was not.
    async fn place(&self, open: &OpenRoom, request: &OfferRequest) -> Result<usize, OfferError> {
        let (room, home) = (request.room, self.home(request.room));
        let publishes = !request.publications.is_empty();
        let count = self.inner.shards.len().min(media::relay::MAX_SHARDS);
        let shard = open.members.place(request.peer, home, count, self.inner.span, publishes);
        if open.members.shards() >> shard & 1 != 0 {
            return Ok(shard);
        }
        let (answer, answered) = oneshot::channel();
        let events = open.events.upgrade().ok_or(OfferError::NoSuchRoom)?;
        let members = Arc::clone(&open.members);
        let command = Command::OpenRoom { room, events, members, part: true, answer };
        let overloaded = |_| OfferError::Overloaded;
        self.ask_shard(shard, command).await.map_err(overloaded)?;
        match answered.await {
            // Of two offers at once the other one opened it.
            Ok(Ok(()) | Err(MediaError::AlreadyOpen)) => {}
            _ => {
                open.members.remove(request.peer, shard);
                return Err(OfferError::Overloaded);
            }
        }
        for other in span::each(open.members.spread(shard)).filter(|other| *other != shard) {
            let link = |other| Command::LinkRoom { room, other };
            self.ask_shard(shard, link(other)).await.map_err(overloaded)?;
            self.ask_shard(other, link(shard)).await.map_err(overloaded)?;
        }
        Ok(shard)
    }

    /// Closes what is left of a room on all its shards.
    fn close_parts(&self, room: RoomId) {
        for shard in self.parts(room) {
            let _ = self.tell_shard(shard, Command::CloseRoom { room });
        }
        self.rooms().remove(&room);
    }

    /// The shards that a room is on; its home if nothing is known of it.
    fn parts(&self, room: RoomId) -> impl Iterator<Item = usize> + use<> {
        let shards = self.room(room).map_or(0, |open| open.members.shards());
        span::each(shards | 1 << self.home(room))
    }

    fn room(&self, room: RoomId) -> Option<OpenRoom> {
        self.rooms().get(&room).cloned()
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomId, OpenRoom>> {
        lock(&self.inner.rooms)
    }

    fn captures(&self) -> MutexGuard<'_, HashMap<RoomId, Arc<watch::Sender<CaptureStatus>>>> {
        lock(&self.inner.captures)
    }
}

impl std::fmt::Debug for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Media").field("addresses", &self.addresses()).finish()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn spawn(
    name: String,
    work: impl FnOnce() + Send + 'static,
) -> Result<thread::JoinHandle<()>, StartError> {
    thread::Builder::new().name(name).spawn(work).map_err(StartError::Thread)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use media::api::{OwnerId, Watch};
    use media::shard::Entropy;

    use super::*;

    const ROOM: RoomId = RoomId(1);
    const OTHER: RoomId = RoomId(2);
    const SOON: Duration = Duration::from_secs(10);

    /// Fails once, in the middle of an offer.
    struct Faulty(Arc<AtomicBool>);

    impl Entropy for Faulty {
        fn fill(&mut self, out: &mut [u8]) {
            assert!(!self.0.swap(false, Relaxed), "the bug");
            SystemEntropy.fill(out);
        }
    }

    fn offer(room: RoomId) -> OfferRequest {
        let fingerprint = ["AB"; 32].join(":");
        let sdp = [
            "v=0",
            "o=- 1 1 IN IP4 127.0.0.1",
            "s=-",
            "t=0 0",
            "a=group:BUNDLE 0",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111",
            "c=IN IP4 0.0.0.0",
            "a=mid:0",
            "a=recvonly",
            "a=rtcp-mux",
            "a=ice-ufrag:abcd",
            "a=ice-pwd:abcdefghijklmnopqrstuvwx",
            "a=setup:actpass",
            &format!("a=fingerprint:sha-256 {fingerprint}"),
            "a=rtpmap:111 opus/48000/2",
            "",
        ]
        .join("\r\n");
        OfferRequest {
            room,
            peer: PeerId(5),
            owner: OwnerId(5),
            sdp,
            publications: Vec::new(),
            may_publish: false,
            may_capture: false,
            watch: Watch::Everyone,
        }
    }

    #[tokio::test]
    async fn a_panic_ends_the_rooms_of_its_shard_and_the_shard_goes_on() {
        let fault = Arc::new(AtomicBool::new(false));
        let config = MediaConfig::new(
            vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            vec![[127, 0, 0, 1].into()],
        );
        let flag = Arc::clone(&fault);
        let entropy: MakeEntropy = Arc::new(move || Box::new(Faulty(Arc::clone(&flag))));
        let media = Media::start_with(config, entropy, Box::new(Disk)).unwrap();
        let mut events = media.open_room(ROOM).await.unwrap();
        let mut other = media.open_room(OTHER).await.unwrap();

        fault.store(true, Relaxed);
        assert_eq!(media.offer(offer(ROOM)).await, Err(OfferError::Overloaded));
        for (room, events) in [(ROOM, &mut events), (OTHER, &mut other)] {
            let told = tokio::time::timeout(SOON, events.recv()).await.unwrap();
            assert_eq!(told, Some(Event::RoomFailed { room }));
            assert_eq!(tokio::time::timeout(SOON, events.recv()).await.unwrap(), None);
        }
        assert_eq!(media.stats().shards[0].io.panics, 1);

        let _events = media.open_room(ROOM).await.unwrap();
        let answer = media.offer(offer(ROOM)).await.unwrap();
        assert!(answer.sdp.contains("a=candidate:"));
        media.shutdown().await;
    }

    #[tokio::test]
    async fn rooms_keep_to_their_shard_and_all_shards_are_used() {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = MediaConfig::new(vec![address; 4], vec![[127, 0, 0, 1].into()]);
        let media = Media::start(config).unwrap();
        let mut events = Vec::new();
        // As UUIDv7 are: made one after the other, they differ in few places.
        for room in 0..64u128 {
            let id = RoomId((0x0190_0000_0000_7000 << 64) | (room << 70) | room);
            events.push(media.open_room(id).await.unwrap());
        }
        let rooms: Vec<u64> = media.stats().shards.iter().map(|shard| shard.io.rooms).collect();
        assert_eq!(rooms.iter().sum::<u64>(), 64);
        assert!(rooms.iter().all(|&rooms| rooms >= 4), "{rooms:?}");
        media.shutdown().await;
    }
}
