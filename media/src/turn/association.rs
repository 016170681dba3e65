//! One client's five-tuple: its requests, answered, and the allocation they make
//! (RFC 8656 section 7 ff., authentication by RFC 8489 section 9.2).

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::allocation::{Allocation, NotGiven, Relayed};
use super::attr;
use super::credentials::{self, LongTermKey};
use super::frame::is_channel;
use super::message::{Class, IntegrityKind, Message};
use super::quota::Full;
use super::relay::Outcome;
use super::server::Server;
use super::write::Writer;

/// Says who answers; no version, which would help only who looks for old ones.
const SOFTWARE: &[u8] = b"Yuntang";

/// What lies between us and the client; ChannelData is padded on streams only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Stream,
}

/// See the module. Without an allocation it is as good as a new one: the owner may forget it.
pub struct Association {
    pub(super) client: SocketAddr,
    pub(super) transport: Transport,
    pub(super) allocation: Option<Allocation>,
    /// Numbers Data indications.
    pub(super) indications: u32,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    BadRequest,
    Unauthenticated,
    Forbidden,
    UnknownAttribute,
    AllocationMismatch,
    StaleNonce,
    FamilyNotSupported,
    WrongCredentials,
    UnsupportedTransport,
    FamilyMismatch,
    Quota,
    Capacity,
}

impl Refusal {
    fn code(self) -> (u16, &'static str) {
        match self {
            Refusal::BadRequest => (400, "Bad Request"),
            Refusal::Unauthenticated => (401, "Unauthenticated"),
            Refusal::Forbidden => (403, "Forbidden"),
            Refusal::UnknownAttribute => (420, "Unknown Attribute"),
            Refusal::AllocationMismatch => (437, "Allocation Mismatch"),
            Refusal::StaleNonce => (438, "Stale Nonce"),
            Refusal::FamilyNotSupported => (440, "Address Family not Supported"),
            Refusal::WrongCredentials => (441, "Wrong Credentials"),
            Refusal::UnsupportedTransport => (442, "Unsupported Transport"),
            Refusal::FamilyMismatch => (443, "Peer Address Family Mismatch"),
            Refusal::Quota => (486, "Allocation Quota Reached"),
            Refusal::Capacity => (508, "Insufficient Capacity"),
        }
    }

    fn count(self, server: &Server) {
        server.count(|counters| match self {
            Refusal::BadRequest => &counters.refused_400,
            Refusal::Unauthenticated => &counters.refused_401,
            Refusal::Forbidden => &counters.refused_403,
            Refusal::UnknownAttribute => &counters.refused_420,
            Refusal::AllocationMismatch => &counters.refused_437,
            Refusal::StaleNonce => &counters.refused_438,
            Refusal::FamilyNotSupported => &counters.refused_440,
            Refusal::WrongCredentials => &counters.refused_441,
            Refusal::UnsupportedTransport => &counters.refused_442,
            Refusal::FamilyMismatch => &counters.refused_443,
            Refusal::Quota => &counters.refused_486,
            Refusal::Capacity => &counters.refused_508,
        });
    }
}

/// Who signed a request.
struct Signer {
    key: LongTermKey,
    kind: IntegrityKind,
    expires: Instant,
}

/// What a request did, for its answer.
enum Done {
    Allocated { lifetime_s: u32, missing: Option<u8> },
    Refreshed { lifetime_s: u32 },
    Nothing,
}

impl Association {
    pub fn new(client: SocketAddr, transport: Transport) -> Self {
        Self { client, transport, allocation: None, indications: 0 }
    }

    /// Whether it holds anything: otherwise the owner may forget it.
    pub fn is_live(&self, now: Instant) -> bool {
        self.allocation.as_ref().is_some_and(|allocation| allocation.is_live(now))
    }

    /// When its allocation ends, unless it is refreshed.
    pub fn expires(&self) -> Option<Instant> {
        self.allocation.as_ref().map(|allocation| allocation.expires)
    }

    /// Ends the allocation if its time is over.
    pub fn expire(&mut self, server: &Server, now: Instant) {
        if self.allocation.is_some() && !self.is_live(now) {
            self.close(server);
        }
    }

    /// Ends the allocation: the client has gone.
    pub fn close(&mut self, server: &Server) {
        if self.allocation.take().is_some() {
            server.count(|counters| &counters.allocations_ended);
        }
    }

    /// Takes a STUN message of the client. An answer is appended to `out`.
    pub(super) fn on_message(
        &mut self,
        server: &Server,
        now: Instant,
        raw: &[u8],
        out: &mut Vec<u8>,
    ) -> Outcome {
        self.expire(server, now);
        let Some(message) = Message::parse(raw) else {
            server.count(|counters| &counters.drop_malformed);
            return Outcome::Dropped;
        };
        match (message.class, message.method) {
            (Class::Request, attr::BINDING) => self.on_binding(server, &message, out),
            (
                Class::Request,
                attr::ALLOCATE | attr::REFRESH | attr::CREATE_PERMISSION | attr::CHANNEL_BIND,
            ) => self.on_request(server, now, &message, out),
            (Class::Indication, attr::SEND) => self.on_send(server, now, &message, raw, out),
            // Keeps a NAT's binding open and asks for nothing.
            (Class::Indication, attr::BINDING) => Outcome::Nothing,
            _ => {
                server.count(|counters| &counters.drop_method);
                Outcome::Dropped
            }
        }
    }

    /// Plain STUN (RFC 8489 section 7.1): needs no password and tells nothing secret.
    fn on_binding(&self, server: &Server, message: &Message<'_>, out: &mut Vec<u8>) -> Outcome {
        let answer = if message.unknown().is_empty() {
            server.count(|counters| &counters.bindings);
            Writer::new(out, Class::Success, attr::BINDING, &message.transaction)
                .address(attr::XOR_MAPPED_ADDRESS, self.client)
        } else {
            Refusal::UnknownAttribute.count(server);
            let answer = Writer::new(out, Class::Error, attr::BINDING, &message.transaction);
            with_unknown(with_code(answer, Refusal::UnknownAttribute), message)
        };
        end(answer, message);
        Outcome::Answer { proven: false }
    }

    fn on_request(
        &mut self,
        server: &Server,
        now: Instant,
        message: &Message<'_>,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let signer = match self.authenticate(server, now, message) {
            Ok(signer) => signer,
            Err(refusal) => {
                refusal.count(server);
                let (class, method) = (Class::Error, message.method);
                let mut answer = Writer::new(out, class, method, &message.transaction);
                answer = with_code(answer, refusal);
                if refusal != Refusal::BadRequest {
                    let expires_s = server.unix_s(now) + u64::from(server.limits.nonce_s);
                    let nonce = server.key.nonce(self.client, expires_s as u32);
                    answer = answer
                        .attribute(attr::REALM, server.realm.as_bytes())
                        .attribute(attr::NONCE, &nonce);
                }
                end(answer, message);
                return Outcome::Answer { proven: false };
            }
        };
        let done = self.obey(server, now, message, &signer);
        let class = if done.is_ok() { Class::Success } else { Class::Error };
        let mut answer = Writer::new(out, class, message.method, &message.transaction);
        match done {
            Ok(done) => answer = self.with_result(answer, &done),
            Err(refusal) => {
                refusal.count(server);
                answer = with_code(answer, refusal);
                if refusal == Refusal::UnknownAttribute {
                    answer = with_unknown(answer, message);
                }
            }
        }
        let answer = answer.attribute(attr::SOFTWARE, SOFTWARE).sign(&signer.key, signer.kind);
        end(answer, message);
        Outcome::Answer { proven: true }
    }

    fn authenticate(
        &self,
        server: &Server,
        now: Instant,
        message: &Message<'_>,
    ) -> Result<Signer, Refusal> {
        let kind = message.integrity_kind().ok_or(Refusal::Unauthenticated)?;
        let (Some(username), Some(realm), Some(nonce)) =
            (message.username, message.realm, message.nonce)
        else {
            return Err(Refusal::BadRequest);
        };
        // We name no password algorithms, so that nobody may choose one (RFC 8489 section 9.2.4).
        if message.password_algorithm {
            return Err(Refusal::BadRequest);
        }
        let now_s = server.unix_s(now);
        if !server.key.nonce_is_valid(self.client, nonce, now_s) {
            return Err(Refusal::StaleNonce);
        }
        let (expires_s, _) = credentials::parts(username)
            .filter(|_| realm == server.realm.as_bytes())
            .ok_or(Refusal::Unauthenticated)?;
        let expires = server.instant(expires_s).filter(|expires| *expires > now);
        let expires = expires.ok_or(Refusal::Unauthenticated)?;
        let key = server.key.long_term(username, &server.realm);
        if !message.verify(&key) {
            return Err(Refusal::Unauthenticated);
        }
        Ok(Signer { key, kind, expires })
    }

    fn obey(
        &mut self,
        server: &Server,
        now: Instant,
        message: &Message<'_>,
        signer: &Signer,
    ) -> Result<Done, Refusal> {
        if !message.unknown().is_empty() {
            return Err(Refusal::UnknownAttribute);
        }
        if message.bad_attribute {
            return Err(Refusal::BadRequest);
        }
        if message.method == attr::ALLOCATE {
            return self.allocate(server, now, message, signer);
        }
        let allocation = self.allocation.as_mut().ok_or(Refusal::AllocationMismatch)?;
        if message.username != Some(allocation.username.as_str()) {
            return Err(Refusal::WrongCredentials);
        }
        match message.method {
            attr::REFRESH => self.refresh(server, now, message),
            attr::CREATE_PERMISSION => create_permission(server, now, message, allocation),
            _ => channel_bind(server, now, message, allocation),
        }
    }

    /// RFC 8656 section 7.2.
    fn allocate(
        &mut self,
        server: &Server,
        now: Instant,
        message: &Message<'_>,
        signer: &Signer,
    ) -> Result<Done, Refusal> {
        let username = message.username.unwrap_or_default();
        if let Some(allocation) = &self.allocation {
            if allocation.transaction == message.transaction && allocation.username == username {
                let left = allocation.expires.saturating_duration_since(now);
                return Ok(Done::Allocated { lifetime_s: left.as_secs() as u32, missing: None });
            }
            return Err(Refusal::AllocationMismatch);
        }
        match message.requested_transport {
            Some(attr::UDP) => {}
            Some(_) => return Err(Refusal::UnsupportedTransport),
            None => return Err(Refusal::BadRequest),
        }
        let family = message.requested_family;
        let additional = message.additional_family;
        if message.reservation_token
            && (message.even_port.is_some() || family.is_some() || additional.is_some())
            || family.is_some() && additional.is_some()
            || additional.is_some_and(|family| family != attr::IPV6)
            || additional.is_some() && message.even_port == Some(true)
        {
            return Err(Refusal::BadRequest);
        }
        // No port is kept for later.
        if message.reservation_token || message.even_port == Some(true) {
            return Err(Refusal::Capacity);
        }
        let family = family.unwrap_or(attr::IPV4);
        let relayed_ip = server.relayed_ip(family).ok_or(Refusal::FamilyNotSupported)?;
        let (_, id) = credentials::parts(username).ok_or(Refusal::Unauthenticated)?;
        let even = message.even_port.is_some();
        let ticket = server.quota.take(id, self.client.ip(), even).map_err(|full| match full {
            Full::Quota => Refusal::Quota,
            Full::Capacity => Refusal::Capacity,
        })?;
        let mut relayed: Relayed = [None; 2];
        let mut give = |ip: IpAddr| {
            relayed[usize::from(ip.is_ipv6())] = Some(SocketAddr::new(ip, ticket.port));
        };
        give(relayed_ip);
        let more = additional.and_then(|family| server.relayed_ip(family));
        more.map(&mut give);
        let missing = additional.filter(|_| more.is_none());
        let (transaction, end) = (message.transaction, signer.expires);
        let made = Allocation::new(server, ticket, username, transaction, relayed, end);
        let lifetime_s = self.allocation.insert(made).extend(now, message.lifetime_s);
        server.count(|counters| &counters.allocated);
        Ok(Done::Allocated { lifetime_s, missing })
    }

    /// RFC 8656 section 8.2.
    fn refresh(
        &mut self,
        server: &Server,
        now: Instant,
        message: &Message<'_>,
    ) -> Result<Done, Refusal> {
        let Some(allocation) = &mut self.allocation else {
            return Err(Refusal::AllocationMismatch);
        };
        let place = match message.requested_family {
            None => None,
            Some(family @ (attr::IPV4 | attr::IPV6)) => Some(usize::from(family) - 1),
            Some(_) => return Err(Refusal::FamilyMismatch),
        };
        if place.is_some_and(|place| allocation.relayed[place].is_none()) {
            return Err(Refusal::FamilyMismatch);
        }
        server.count(|counters| &counters.refreshed);
        if message.lifetime_s != Some(0) {
            let lifetime_s = allocation.extend(now, message.lifetime_s);
            return Ok(Done::Refreshed { lifetime_s });
        }
        match place {
            // One of two families goes, the other stays.
            Some(place) => allocation.relayed[place] = None,
            None => allocation.relayed = [None; 2],
        }
        if allocation.relayed == [None; 2] {
            self.close(server);
        }
        Ok(Done::Refreshed { lifetime_s: 0 })
    }

    fn with_result<'a>(&self, mut answer: Writer<'a>, done: &Done) -> Writer<'a> {
        match *done {
            Done::Nothing => answer,
            Done::Refreshed { lifetime_s } => answer.number(attr::LIFETIME, lifetime_s),
            Done::Allocated { lifetime_s, missing } => {
                let relayed = self.allocation.as_ref().map_or([None; 2], |a| a.relayed);
                for address in relayed.into_iter().flatten() {
                    answer = answer.address(attr::XOR_RELAYED_ADDRESS, address);
                }
                answer = answer
                    .number(attr::LIFETIME, lifetime_s)
                    .address(attr::XOR_MAPPED_ADDRESS, self.client);
                match missing {
                    // Family, reserved, class and number (RFC 8656 section 18.12).
                    Some(family) => answer.attribute(attr::ADDRESS_ERROR_CODE, &[family, 0, 4, 40]),
                    None => answer,
                }
            }
        }
    }
}

/// RFC 8656 section 10.2: all or none of the permissions.
fn create_permission(
    server: &Server,
    now: Instant,
    message: &Message<'_>,
    allocation: &mut Allocation,
) -> Result<Done, Refusal> {
    if message.peers().next().is_none() {
        return Err(Refusal::BadRequest);
    }
    for peer in message.peers() {
        if !server.has_peer_on(peer.ip()) {
            return Err(Refusal::Forbidden);
        }
        if !allocation.has_family_of(peer.ip()) {
            return Err(Refusal::FamilyMismatch);
        }
    }
    let ips = message.peers().map(|peer| peer.ip());
    if !allocation.has_room_for(now, server.limits.permissions, ips.clone()) {
        return Err(Refusal::Capacity);
    }
    ips.for_each(|ip| allocation.permit(now, ip));
    Ok(Done::Nothing)
}

/// RFC 8656 section 12.2.
fn channel_bind(
    server: &Server,
    now: Instant,
    message: &Message<'_>,
    allocation: &mut Allocation,
) -> Result<Done, Refusal> {
    let mut peers = message.peers();
    let (Some(number), Some(address), None) = (message.channel, peers.next(), peers.next()) else {
        return Err(Refusal::BadRequest);
    };
    if !is_channel(number) {
        return Err(Refusal::BadRequest);
    }
    let peer = server.peer_at(address).ok_or(Refusal::Forbidden)?;
    if !allocation.has_family_of(address.ip()) {
        return Err(Refusal::FamilyMismatch);
    }
    match allocation.bind(now, server, number, (peer, address.ip())) {
        Ok(()) => Ok(Done::Nothing),
        Err(NotGiven::Conflict) => Err(Refusal::BadRequest),
        Err(NotGiven::Full) => Err(Refusal::Capacity),
    }
}

fn with_code(answer: Writer<'_>, refusal: Refusal) -> Writer<'_> {
    let (code, reason) = refusal.code();
    answer.error(code, reason)
}

fn with_unknown<'a>(answer: Writer<'a>, message: &Message<'_>) -> Writer<'a> {
    let mut numbers = [0u8; 16];
    for (place, kind) in numbers.chunks_exact_mut(2).zip(message.unknown()) {
        place.copy_from_slice(&kind.to_be_bytes());
    }
    answer.attribute(attr::UNKNOWN_ATTRIBUTES, &numbers[..2 * message.unknown().len()])
}

/// FINGERPRINT for who uses it; others need no longer answers.
fn end(answer: Writer<'_>, message: &Message<'_>) {
    let answer = if message.fingerprint { answer.fingerprint() } else { answer };
    answer.finish();
}
