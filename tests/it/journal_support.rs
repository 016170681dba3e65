//! A meeting told as a script: who came and went, in seconds after 19:00:00.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use signaling::LeaveReason;
use signaling::view::Role;
use uuid::Uuid;
use yuntang::domain::{
    EndpointId, MeetingKind, MemberClass, PersonId, Policy, Roster, RosterEntry, SessionId,
    rights_of,
};
use yuntang::journal::chain::{header_hash, link_by};
use yuntang::journal::{
    Actor, Envelope, Event, FORMAT_VERSION, HeadSigner, HeadStatement, Header, NewEvent,
    SignPurpose, public_key_hex, sign_head, verify,
};

/// 2026-11-21 19:00:00 in Shanghai.
pub const START_US: i64 = 1_795_258_800_000_000;
pub const SECOND: i64 = 1_000_000;
/// The room opens half an hour before.
pub const OPENED_BEFORE_S: i64 = 1800;

/// A key that is the same in every run.
pub struct TestKey(Ed25519KeyPair);

impl TestKey {
    pub fn new(n: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[n; 32]).unwrap())
    }
}

impl HeadSigner for TestKey {
    fn public_key(&self) -> [u8; 32] {
        self.0.public_key().as_ref().try_into().unwrap()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).as_ref().try_into().unwrap()
    }
}

pub fn id<T: From<Uuid>>(n: u32) -> T {
    Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0000 + u128::from(n)).into()
}

pub fn entry(n: u32, class: MemberClass) -> RosterEntry {
    RosterEntry {
        person_id: id(n),
        name: format!("党员{n}"),
        class,
        org_name: "第一党支部".into(),
        group_name: Some("第一党小组".into()),
        voter: rights_of(class).vote,
        due: true,
    }
}

pub fn header(session: SessionId, roster: Vec<RosterEntry>, key: &dyn HeadSigner) -> Header {
    Header {
        format: FORMAT_VERSION,
        session,
        kind: MeetingKind::BranchAssembly,
        title: "第四季度支部党员大会".into(),
        org: id(900),
        org_name: "第一党支部".into(),
        opened_at_us: START_US - OPENED_BEFORE_S * SECOND,
        roster: Roster(roster),
        policy: Policy::default(),
        rules_version: 1,
        hash_algorithm: Default::default(),
        installation: "test".into(),
        installation_key: public_key_hex(key),
    }
}

pub fn new_event(s: i64, event: Event) -> NewEvent {
    NewEvent {
        at_us: START_US + s * SECOND,
        mono_us: (s + OPENED_BEFORE_S) * SECOND,
        actor: Actor::System,
        event,
    }
}

pub fn mono(s: i64) -> i64 {
    (s + OPENED_BEFORE_S) * SECOND
}

pub fn join(person: u32, endpoint: u32, device: &str) -> Event {
    Event::Join {
        person: id(person),
        endpoint: id(endpoint),
        role: Role::Member,
        device: device.into(),
        name: format!("党员{person}"),
        org_name: "第一党支部".into(),
    }
}

pub fn rejoin(person: u32, endpoint: u32) -> Event {
    Event::Rejoin { person: id(person), endpoint: id(endpoint), device: "desktop".into() }
}

/// The last frame came at the second of the event.
pub fn leave(s: i64, person: u32, endpoint: u32, reason: LeaveReason) -> Event {
    Event::Leave { person: id(person), endpoint: id(endpoint), reason, last_frame_mono_us: mono(s) }
}

pub fn observer(person: u32, endpoint: u32) -> Event {
    Event::ObserverEnter {
        person: id(person),
        endpoint: id(endpoint),
        device: "desktop".into(),
        name: "督导员".into(),
        org_name: "区委组织部".into(),
    }
}

/// 准假, decided in the meeting.
pub fn approved(n: u32, kind: &str, reason: &str) -> Event {
    Event::LeaveApproved {
        person: person(n),
        kind: kind.into(),
        reason: reason.into(),
        asked_us: None,
        decided_us: None,
        late: false,
    }
}

pub fn checkpoint(endpoints: &[u32]) -> Event {
    Event::Checkpoint { present: endpoints.iter().map(|n| id::<EndpointId>(*n)).collect() }
}

pub fn person(n: u32) -> PersonId {
    id(n)
}

/// Links events in the order given.
pub fn chain(header: &Header, events: Vec<NewEvent>) -> Vec<Envelope> {
    let mut prev = header_hash(header).unwrap();
    let mut out = Vec::new();
    for event in events {
        let algorithm = header.hash_algorithm;
        let envelope = link_by(algorithm, out.len() as u64 + 1, prev, event).unwrap().envelope;
        prev = envelope.hash;
        out.push(envelope);
    }
    out
}

/// The event that signs everything before it.
pub fn signed_head(
    header: &Header,
    events: &[Envelope],
    key: &dyn HeadSigner,
    purpose: SignPurpose,
) -> Event {
    let statement = HeadStatement {
        session: header.session,
        purpose,
        seq: events.len() as u64,
        hash: events.last().map_or_else(|| header_hash(header).unwrap(), |e| e.hash),
    };
    Event::HeadSigned { purpose, signature: sign_head(key, &statement) }
}

/// The exported file.
pub fn file(header: &Header, events: &[Envelope], key: &dyn HeadSigner) -> String {
    let mut lines = vec![verify::header_line(header).unwrap().0];
    lines.extend(events.iter().map(|e| verify::event_line(e).unwrap()));
    let head = events.last().map_or_else(|| header_hash(header).unwrap(), |e| e.hash);
    lines.push(verify::trailer_line(key, header.session, events.len() as u64, head).unwrap());
    lines.iter().map(|l| format!("{l}\n")).collect()
}
