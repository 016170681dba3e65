use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use media::api::{Event, OfferRequest, OwnerId, PeerId, RoomId, Watch};
use media::transport::stun::{self, Class as StunClass};
use media::turn::{
    Class, Frame, IntegrityKind, Limits, LongTermKey, Message, Writer, attr, next_frame,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::{Media, MediaConfig};

const SOON: Duration = Duration::from_secs(10);
const UNIX_S: u64 = 1_795_309_200;
const ECHO: &str = "192.0.2.200:3480";
const CLIENT: &str = "198.51.100.4:40000";
const CHANNEL: u16 = 0x4001;

fn media(shards: usize, limits: Limits) -> Media {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = MediaConfig::new(vec![loopback; shards], vec![[127, 0, 0, 1].into()]);
    let echo = Some(ECHO.parse().unwrap());
    config.turn = Some(TurnConfig { key: [5; 32], unix_s: UNIX_S, echo, limits });
    Media::start(config).unwrap()
}

/// What a client of either kind of way does.
trait Line {
    async fn say(&mut self, message: &[u8]);
    /// The next message; `None` when the way has ended.
    async fn hear(&mut self) -> Option<Vec<u8>>;
}

struct Stream {
    io: DuplexStream,
    buffer: Vec<u8>,
    end: JoinHandle<TurnEnd>,
    /// Closes when the place is given back.
    place: oneshot::Receiver<()>,
}

impl Stream {
    fn open(media: &Media) -> Self {
        Self::with(media, TurnTimes { unallocated: SOON * 6 })
    }

    fn with(media: &Media, times: TurnTimes) -> Self {
        let (io, server) = duplex(1 << 20);
        let (held, place) = oneshot::channel::<()>();
        let media = media.clone();
        let end = tokio::spawn(async move {
            media.serve_turn(server, CLIENT.parse().unwrap(), times, held).await
        });
        Self { io, buffer: Vec::new(), end, place }
    }

    async fn ended(self) -> TurnEnd {
        timeout(SOON, self.end).await.unwrap().unwrap()
    }
}

impl Line for Stream {
    async fn say(&mut self, message: &[u8]) {
        let padding = message.len().next_multiple_of(4) - message.len();
        self.io.write_all(&[message, &[0; 3][..padding]].concat()).await.unwrap();
    }

    async fn hear(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Frame::Complete { len, total } = next_frame(&self.buffer) {
                let message = self.buffer[..len].to_vec();
                self.buffer.drain(..total);
                return Some(message);
            }
            let read = self.io.read_buf(&mut self.buffer);
            if timeout(SOON, read).await.expect("an answer in time").unwrap_or(0) == 0 {
                return None;
            }
        }
    }
}

struct Datagrams(tokio::net::UdpSocket);

impl Datagrams {
    async fn to(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let socket = tokio::net::UdpSocket::from_std(socket).unwrap();
        socket.connect(server).await.unwrap();
        Self(socket)
    }
}

impl Line for Datagrams {
    async fn say(&mut self, message: &[u8]) {
        self.0.send(message).await.unwrap();
    }

    async fn hear(&mut self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 2_048];
        let read = self.0.recv(&mut buffer);
        let len = timeout(SOON, read).await.expect("an answer in time").unwrap();
        buffer.truncate(len);
        Some(buffer)
    }
}

/// A client that knows its password.
struct Client<L> {
    line: L,
    username: String,
    key: LongTermKey,
    nonce: Vec<u8>,
    asked: u8,
}

/// Error code, relayed address and nonce of an answer.
type Answer = (Option<u16>, Option<SocketAddr>, Vec<u8>);

impl<L: Line> Client<L> {
    fn new(media: &Media, line: L) -> Self {
        let given = media.turn_credentials("a", UNIX_S + 3_600).unwrap();
        let key = LongTermKey::new(&given.username, REALM, &given.password);
        Self { line, username: given.username, key, nonce: Vec::new(), asked: 0 }
    }

    async fn ask(&mut self, method: u16, fill: impl FnOnce(Writer<'_>) -> Writer<'_>) -> Answer {
        self.asked += 1;
        let mut request = Vec::new();
        let writer = Writer::new(&mut request, Class::Request, method, &[self.asked; 12]);
        let writer = fill(writer);
        if self.nonce.is_empty() {
            writer.finish();
        } else {
            writer
                .attribute(attr::USERNAME, self.username.as_bytes())
                .attribute(attr::REALM, REALM.as_bytes())
                .attribute(attr::NONCE, &self.nonce)
                .sign(&self.key, IntegrityKind::Sha1)
                .finish();
        }
        self.line.say(&request).await;
        let raw = self.line.hear().await.expect("an answer");
        let answer = Message::parse(&raw).unwrap();
        assert_eq!(answer.transaction, [self.asked; 12]);
        let nonce = answer.nonce.unwrap_or_default().to_vec();
        (answer.error_code, answer.relayed[0], nonce)
    }

    async fn allocate(&mut self) -> SocketAddr {
        let (code, _, nonce) = self.ask(attr::ALLOCATE, transport).await;
        assert_eq!(code, Some(401));
        self.nonce = nonce;
        let (code, relayed, _) = self.ask(attr::ALLOCATE, transport).await;
        assert_eq!(code, None);
        relayed.unwrap()
    }

    async fn bind(&mut self, peer: SocketAddr) -> Option<u16> {
        let answer = self.ask(attr::CHANNEL_BIND, |w| {
            w.number(attr::CHANNEL_NUMBER, u32::from(CHANNEL) << 16)
                .address(attr::XOR_PEER_ADDRESS, peer)
        });
        answer.await.0
    }
}

fn transport(writer: Writer<'_>) -> Writer<'_> {
    writer.attribute(attr::REQUESTED_TRANSPORT, &[attr::UDP, 0, 0, 0])
}

fn on_channel(data: &[u8]) -> Vec<u8> {
    [&CHANNEL.to_be_bytes(), &(data.len() as u16).to_be_bytes(), data].concat()
}

const ROOM: RoomId = RoomId(77);

/// Opens a room with a peer in it; gives the peer's ICE names and password.
async fn open_room(media: &Media) -> (mpsc::Receiver<Event>, String, String) {
    let events = media.open_room(ROOM).await.unwrap();
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
    let request = OfferRequest {
        room: ROOM,
        peer: PeerId(5),
        owner: OwnerId(5),
        sdp,
        publications: Vec::new(),
        may_publish: false,
        may_capture: false,
        watch: Watch::Everyone,
    };
    let answer = media.offer(request).await.unwrap().sdp;
    let value = |name: &str| {
        let line = answer.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.to_owned()
    };
    (events, value("a=ice-ufrag:"), value("a=ice-pwd:"))
}

/// A connectivity check through the relay reaches the shard, and its answer names the relayed
/// address.
async fn check_through<L: Line>(media: &Media, mut client: Client<L>, shard: SocketAddr) {
    let (_events, ufrag, pwd) = open_room(media).await;
    let relayed = client.allocate().await;
    assert_eq!(client.bind(shard).await, None);
    let key = stun::integrity_key(&pwd);
    let check = stun::request(&[3; 12], &format!("{ufrag}:abcd"), 1, true, &key);
    client.line.say(&on_channel(&check)).await;
    let answer = client.line.hear().await.unwrap();
    assert_eq!(answer[..2], CHANNEL.to_be_bytes());
    let answer = stun::Message::parse(&answer[4..]).unwrap();
    assert_eq!((answer.class, answer.mapped), (StunClass::Success, Some(relayed)));
    assert!(answer.verify(&key));
}

#[tokio::test]
async fn a_check_through_turn_over_udp_reaches_the_shard_and_is_answered() {
    let media = media(1, Limits::default());
    let shard = media.addresses()[0];
    let client = Client::new(&media, Datagrams::to(shard).await);
    check_through(&media, client, shard).await;
    let turn = media.stats().turn;
    assert_eq!((turn.allocations, turn.datagrams_in, turn.datagrams_out), (1, 1, 1));
    media.shutdown().await;
}

#[tokio::test]
async fn a_check_through_turn_over_a_stream_reaches_any_shard_and_is_answered() {
    let media = media(3, Limits::default());
    let shard = media.addresses()[media.home(ROOM)];
    let client = Client::new(&media, Stream::open(&media));
    check_through(&media, client, shard).await;
    assert_eq!(media.stats().turn.datagrams_out, 1);
    media.shutdown().await;
}

#[tokio::test]
async fn an_allocation_ends_with_its_stream() {
    let media = media(1, Limits::default());
    let mut client = Client::new(&media, Stream::open(&media));
    assert!(client.line.place.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Empty));
    client.allocate().await;
    let given_back = timeout(SOON, &mut client.line.place).await.unwrap();
    assert!(given_back.is_err(), "the place is given back");
    assert_eq!(media.stats().turn.allocations, 1);
    let Stream { io, end, .. } = client.line;
    drop(io);
    assert_eq!(timeout(SOON, end).await.unwrap().unwrap(), TurnEnd::Closed);
    let turn = media.stats().turn;
    assert_eq!((turn.allocations, turn.allocations_ended), (0, 1));
    media.shutdown().await;
}

#[tokio::test]
async fn messages_in_pieces_and_several_in_one_write_are_all_taken() {
    let media = media(1, Limits::default());
    let echo: SocketAddr = ECHO.parse().unwrap();
    let mut client = Client::new(&media, Stream::open(&media));
    client.allocate().await;
    assert_eq!(client.bind(echo).await, None);
    let mut bytes = Vec::new();
    for len in 1..40u8 {
        let message = on_channel(&vec![len; usize::from(len)]);
        bytes.extend_from_slice(&message);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    for piece in bytes.chunks(7) {
        client.line.io.write_all(piece).await.unwrap();
    }
    for len in 1..40u8 {
        let heard = client.line.hear().await.unwrap();
        assert_eq!(heard, on_channel(&vec![len; usize::from(len)]));
    }
    media.shutdown().await;
}

#[tokio::test]
async fn a_stream_without_an_allocation_is_closed() {
    let media = media(1, Limits::default());
    let short = TurnTimes { unallocated: Duration::from_millis(50) };
    assert_eq!(Stream::with(&media, short).ended().await, TurnEnd::Idle);
    // A byte now and then does not help.
    let mut slow = Stream::with(&media, short);
    let (end, ()) = tokio::join!(&mut slow.end, async {
        let mut byte = tokio::time::interval(Duration::from_millis(5));
        while slow.io.write_all(&[0]).await.is_ok() {
            byte.tick().await;
        }
    });
    assert!(matches!(end.unwrap(), TurnEnd::Idle | TurnEnd::NotTurn));

    let mut other = Stream::open(&media);
    other.io.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(other.ended().await, TurnEnd::NotTurn);

    let mut guessing = Client::new(&media, Stream::open(&media));
    guessing.key = LongTermKey::new(&guessing.username, REALM, "wrong");
    guessing.nonce = guessing.ask(attr::ALLOCATE, transport).await.2;
    for _ in 0..15 {
        assert_eq!(guessing.ask(attr::ALLOCATE, transport).await.0, Some(401));
    }
    let mut last = Vec::new();
    Writer::new(&mut last, Class::Request, attr::ALLOCATE, &[1; 12]).finish();
    guessing.line.say(&last).await;
    assert_eq!(guessing.line.ended().await, TurnEnd::Guessing);
    let turn = media.stats().turn;
    assert_eq!((turn.streams, turn.allocated, turn.streams_guessing), (4, 0, 1));
    media.shutdown().await;
}

#[tokio::test]
async fn an_allocation_whose_time_is_over_closes_its_stream() {
    let media = media(1, Limits::default());
    let mut client = Client::new(&media, Stream::open(&media));
    let given = media.turn_credentials("a", UNIX_S + 2).unwrap();
    client.key = LongTermKey::new(&given.username, REALM, &given.password);
    client.username = given.username;
    client.allocate().await;
    assert_eq!(client.line.ended().await, TurnEnd::Idle, "the credentials have ended");
    assert_eq!(media.stats().turn.allocations, 0);
    media.shutdown().await;
}

#[tokio::test]
async fn turn_that_is_not_offered_is_not_served() {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let media =
        Media::start(MediaConfig::new(vec![loopback], vec![[127, 0, 0, 1].into()])).unwrap();
    assert_eq!(Stream::open(&media).ended().await, TurnEnd::Off);
    assert_eq!(media.turn_credentials("a", 1), None);
    media.shutdown().await;
}
