//! A client of TURN over UDP, for the tests of this folder.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{
    Class, Config, Credentials, IntegrityKind, Limits, LongTermKey, Message, Outcome, Server,
    TurnCounters, UdpClients, Writer, attr,
};
use crate::transport::Remote;

pub const UNIX_S: u64 = 1_795_309_200;
pub const SHARD: &str = "203.0.113.5:8443";
pub const SHARD_6: &str = "[2001:db8::5]:8443";
pub const OTHER_SHARD: &str = "203.0.113.5:8444";
pub const CHANNEL: u16 = 0x4001;

pub fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub struct Rig {
    pub server: Arc<Server>,
    pub clients: UdpClients,
    pub now: Instant,
    pub kind: IntegrityKind,
    last: u8,
}

/// One client: where it is, and what it knows.
#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub credentials: Credentials,
    pub nonce: Vec<u8>,
}

/// An answer with what tests look at.
#[derive(Debug, Clone)]
pub struct Answer {
    pub class: Class,
    pub code: Option<u16>,
    pub lifetime_s: Option<u32>,
    pub relayed: [Option<SocketAddr>; 2],
    pub mapped: Option<SocketAddr>,
    pub nonce: Vec<u8>,
    pub signed: bool,
    pub raw: Vec<u8>,
}

impl Answer {
    pub fn ok(&self) -> &Self {
        assert_eq!((self.class, self.code), (Class::Success, None));
        self
    }
}

impl Rig {
    pub fn new() -> Self {
        Self::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Self {
        let now = crate::testing::origin();
        let shards = vec![(addr(SHARD), 0), (addr(SHARD_6), 0), (addr(OTHER_SHARD), 1)];
        Self::configured(now, shards, None, limits)
    }

    pub fn configured(
        now: Instant,
        shards: Vec<(SocketAddr, usize)>,
        echo: Option<SocketAddr>,
        limits: Limits,
    ) -> Self {
        let config = Config {
            realm: "yuntang".into(),
            key: [7; 32],
            at: now,
            unix_s: UNIX_S,
            shards,
            echo,
            limits,
        };
        let server = Arc::new(Server::new(config));
        let clients = UdpClients::new(Arc::clone(&server), 0);
        Self { server, clients, now, kind: IntegrityKind::Sha1, last: 0 }
    }

    pub fn advance(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.clients.sweep(self.now);
    }

    pub fn counters(&self) -> TurnCounters {
        self.server.counters()
    }

    /// With credentials for an hour, and no nonce yet.
    pub fn client(&self, address: &str, id: &str) -> Client {
        let credentials = self.server.issue(id, UNIX_S + 3_600);
        Client { address: addr(address), credentials, nonce: Vec::new() }
    }

    /// Whatever the datagram leads to.
    pub fn give(&mut self, from: SocketAddr, datagram: &[u8]) -> (Outcome, Vec<u8>) {
        let mut out = Vec::new();
        let outcome = self.clients.handle(self.now, from, datagram, &mut out);
        assert_eq!(matches!(outcome, Outcome::Answer { .. }), !out.is_empty());
        (outcome, out)
    }

    pub fn transaction(&mut self) -> [u8; 12] {
        self.last = self.last.wrapping_add(1);
        [self.last; 12]
    }

    /// A signed request of `client` with these attributes.
    pub fn signed(
        &mut self,
        client: &Client,
        method: u16,
        attributes: impl FnOnce(Writer<'_>) -> Writer<'_>,
    ) -> Vec<u8> {
        let transaction = self.transaction();
        let mut request = Vec::new();
        let writer = Writer::new(&mut request, Class::Request, method, &transaction);
        attributes(writer)
            .attribute(attr::USERNAME, client.credentials.username.as_bytes())
            .attribute(attr::REALM, self.server.realm().as_bytes())
            .attribute(attr::NONCE, &client.nonce)
            .sign(&key(client, self.server.realm()), self.kind)
            .fingerprint()
            .finish();
        request
    }

    /// Sends a request that must be answered.
    pub fn send(&mut self, client: &Client, request: &[u8]) -> Answer {
        let (outcome, raw) = self.give(client.address, request);
        assert!(matches!(outcome, Outcome::Answer { .. }), "{outcome:?}");
        let message = Message::parse(&raw).expect("an answer is readable");
        Answer {
            class: message.class,
            code: message.error_code,
            lifetime_s: message.lifetime_s,
            relayed: message.relayed,
            mapped: message.mapped,
            nonce: message.nonce.unwrap_or_default().to_vec(),
            signed: message.verify(&key(client, self.server.realm())),
            raw: raw.clone(),
        }
    }

    pub fn ask(
        &mut self,
        client: &Client,
        method: u16,
        attributes: impl FnOnce(Writer<'_>) -> Writer<'_>,
    ) -> Answer {
        let request = self.signed(client, method, attributes);
        self.send(client, &request)
    }

    /// Fetches a nonce by an unsigned request.
    pub fn learn(&mut self, client: &mut Client) {
        let transaction = self.transaction();
        let mut request = Vec::new();
        Writer::new(&mut request, Class::Request, attr::ALLOCATE, &transaction).finish();
        let answer = self.send(client, &request);
        assert_eq!(answer.code, Some(401));
        client.nonce = answer.nonce;
    }

    /// A client that has an allocation.
    pub fn allocated(&mut self, address: &str, id: &str) -> Client {
        let mut client = self.client(address, id);
        self.learn(&mut client);
        self.ask(&client, attr::ALLOCATE, udp).ok();
        client
    }

    /// Permits, and binds [`CHANNEL`] to, the shard.
    pub fn bind(&mut self, client: &Client, peer: &str) -> Answer {
        self.ask(client, attr::CHANNEL_BIND, |w| channel(w, CHANNEL, addr(peer)))
    }

    pub fn permit(&mut self, client: &Client, peer: &str) -> Answer {
        self.ask(client, attr::CREATE_PERMISSION, |w| w.address(attr::XOR_PEER_ADDRESS, addr(peer)))
    }

    /// What a Send indication leads to.
    pub fn indicate(&mut self, client: &Client, peer: &str, data: &[u8]) -> (Outcome, Vec<u8>) {
        let message = send_indication(addr(peer), data);
        self.give(client.address, &message)
    }

    /// Sends by a Send indication; gives the name under which it enters the shard.
    pub fn remote(&mut self, client: &Client, peer: &str) -> Remote {
        match self.indicate(client, peer, b"hello").0 {
            Outcome::Relay { remote, .. } => remote,
            other => panic!("{other:?}"),
        }
    }

    /// What the client gets of a datagram of the shard.
    pub fn back(&mut self, remote: Remote, data: &[u8]) -> Option<(SocketAddr, Vec<u8>)> {
        let mut out = Vec::new();
        let to = self.clients.to_client(self.now, remote, data, &mut out);
        assert_eq!(to.is_none(), out.is_empty());
        to.map(|to| (to, out))
    }
}

pub fn key(client: &Client, realm: &str) -> LongTermKey {
    LongTermKey::new(&client.credentials.username, realm, &client.credentials.password)
}

pub fn udp(writer: Writer<'_>) -> Writer<'_> {
    writer.attribute(attr::REQUESTED_TRANSPORT, &[attr::UDP, 0, 0, 0])
}

pub fn family(writer: Writer<'_>, kind: u16, family: u8) -> Writer<'_> {
    writer.attribute(kind, &[family, 0, 0, 0])
}

pub fn channel(writer: Writer<'_>, number: u16, peer: SocketAddr) -> Writer<'_> {
    writer
        .number(attr::CHANNEL_NUMBER, u32::from(number) << 16)
        .address(attr::XOR_PEER_ADDRESS, peer)
}

pub fn on_channel(number: u16, data: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes(), &(data.len() as u16).to_be_bytes(), data].concat()
}

pub fn send_indication(peer: SocketAddr, data: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    Writer::new(&mut message, Class::Indication, attr::SEND, &[9; 12])
        .address(attr::XOR_PEER_ADDRESS, peer)
        .attribute(attr::DATA, data)
        .finish();
    message
}

/// Asks for an IPv6 address besides the IPv4 one.
pub fn dual(writer: Writer<'_>) -> Writer<'_> {
    family(udp(writer), attr::ADDITIONAL_ADDRESS_FAMILY, attr::IPV6)
}
