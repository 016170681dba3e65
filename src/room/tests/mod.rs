//! The room on a virtual clock: what a session's people see, and what its journal says.

mod any_history;
mod ballots;
mod chairing;
mod coming_and_going;
mod outage;
mod publishing;
mod quality;
mod recording;
mod restart;
mod roll;
mod streaming;

use std::sync::Arc;

use signaling::view::{AgendaItem, MemberClass, Role};
use signaling::{ErrorCode, Event, Reply, Request, Welcome};
use uuid::Uuid;

use super::effect::{Arrival, Effect, Input, Now, Previous, Ticket};
use super::{RoomSetup, RoomState};
use crate::domain::rules::Rules;
use crate::domain::{EndpointId, MeetingKind, OrgKind, PersonId, Roster, RosterEntry};
use crate::journal::{Digest, Envelope, Event as JournalEvent, NewEvent};

pub const S: i64 = 1_000_000;
const WALL: i64 = 1_790_000_000 * S;

pub const CHAIR: u128 = 1;
pub const RECORDER: u128 = 2;
pub const ALICE: u128 = 3;
pub const BOB: u128 = 4;
/// 预备党员
pub const PROBATIONARY: u128 = 5;
pub const OBSERVER: u128 = 90;

pub fn person(n: u128) -> PersonId {
    Uuid::from_u128(n).into()
}

pub fn endpoint(n: u128) -> EndpointId {
    Uuid::from_u128(1_000 + n).into()
}

fn entry(n: u128) -> RosterEntry {
    let class = if n == PROBATIONARY { MemberClass::Probationary } else { MemberClass::Full };
    RosterEntry {
        person_id: person(n),
        name: format!("党员{n}"),
        class,
        org_name: "第一党支部".into(),
        group_name: None,
        voter: class == MemberClass::Full,
        due: true,
    }
}

pub fn setup() -> RoomSetup {
    RoomSetup {
        session: Uuid::from_u128(7).into(),
        kind: MeetingKind::BranchAssembly,
        title: "第三季度支部党员大会".into(),
        org_name: "第一党支部".into(),
        hash_algorithm: Default::default(),
        planned_start_us: WALL,
        agenda: vec![AgendaItem { title: "学习".into() }, AgendaItem { title: "讨论".into() }],
        roster: Roster((1..=6).map(entry).collect()),
        rules: Arc::new(Rules::built_in().unwrap()),
        org_kind: OrgKind::Branch,
        recorder: Some(person(RECORDER)),
        checkin: crate::auth::CheckinKey::new([9; 32]),
        chair: Some(person(CHAIR)),
        secretaries: vec![],
        chat: vec![],
    }
}

pub fn at(mono_us: i64) -> Now {
    Now { wall_us: WALL + mono_us, mono_us }
}

/// The room, its clock, and everything that came out of it.
pub struct World {
    pub room: RoomState,
    pub now: i64,
    pub effects: Vec<Effect>,
    pub journal: Vec<NewEvent>,
    next_id: u32,
}

impl World {
    pub fn new() -> Self {
        Self::with(setup())
    }

    pub fn with(setup: RoomSetup) -> Self {
        Self {
            room: RoomState::open(setup, at(0)),
            now: 0,
            effects: vec![],
            journal: vec![],
            next_id: 0,
        }
    }

    pub fn handle(&mut self, input: Input) -> Vec<Effect> {
        let effects = self.room.handle(input, at(self.now));
        for effect in &effects {
            if let Effect::Journal(events) = effect {
                self.journal.extend(events.iter().cloned());
            }
        }
        self.effects.extend(effects.iter().cloned());
        effects
    }

    /// Moves time on, calling the room whenever it asked for it.
    pub fn wait(&mut self, us: i64) -> Vec<Effect> {
        let until = self.now + us;
        let mut out = vec![];
        for turn in 0.. {
            assert!(turn < 10_000, "a timer is left behind");
            let due = self.room.next_timeout();
            if due > until || self.room.is_ended() {
                break;
            }
            self.now = due.max(self.now);
            out.extend(self.handle(Input::Tick));
        }
        self.now = until;
        out
    }

    pub fn arrive(&mut self, arrival: Arrival) -> Vec<Effect> {
        self.handle(Input::Arrive(Box::new(arrival)))
    }

    /// Person `n` comes in on endpoint `n`.
    pub fn join(&mut self, n: u128) -> Vec<Effect> {
        self.arrive(arrival(n, n))
    }

    pub fn lose(&mut self, n: u128) -> Vec<Effect> {
        let last_frame_mono_us = self.now;
        self.handle(Input::LineLost { endpoint: endpoint(n), last_frame_mono_us })
    }

    /// What the endpoint's request is answered with.
    pub fn ask(&mut self, n: u128, request: Request) -> Result<Vec<Effect>, ErrorCode> {
        self.next_id += 1;
        let asked = self.next_id;
        let fresh = Uuid::from_u128(50_000 + u128::from(asked));
        let effects =
            self.handle(Input::Request { endpoint: endpoint(n), id: asked, request, fresh });
        let answers: Vec<_> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Reply { id, reply: Reply::Done, .. } if *id == asked => Some(Ok(())),
                Effect::Refuse { id, error, .. } if *id == asked => Some(Err(error.code)),
                Effect::Offer { id, .. } if *id == asked => Some(Ok(())),
                _ => None,
            })
            .collect();
        assert_eq!(answers.len(), 1, "exactly one answer");
        answers[0].map(|()| effects)
    }

    pub fn words(&self) -> Vec<String> {
        self.journal.iter().map(|new| word(&new.event)).collect()
    }

    /// The journal so far as the store would give it back (the chain is not looked at here).
    pub fn envelopes(&self) -> Vec<Envelope> {
        let digest: Digest = crate::journal::sha256(b"");
        self.journal
            .iter()
            .zip(1..)
            .map(|(new, seq)| Envelope {
                seq,
                at_us: new.at_us,
                mono_us: new.mono_us,
                actor: new.actor,
                event: new.event.clone(),
                prev_hash: digest,
                hash: digest,
            })
            .collect()
    }
}

pub fn arrival(n: u128, on: u128) -> Arrival {
    let role = match n {
        CHAIR => Role::Chair,
        RECORDER => Role::Recorder,
        OBSERVER.. => Role::Observer,
        _ => Role::Member,
    };
    Arrival {
        ticket: Ticket(u64::try_from(on).unwrap()),
        person: person(n),
        name: format!("党员{n}"),
        role,
        org_name: "第一党支部".into(),
        class: (role != Role::Observer).then_some(entry(n).class),
        device: "desktop".into(),
        consent: true,
        endpoint: endpoint(on),
        resume_token: format!("token-{on}"),
        previous: None,
        stream: None,
        site: None,
    }
}

/// The same endpoint comes back.
pub fn resuming(n: u128, on: u128, last_frame_mono_us: i64, replayable: bool) -> Arrival {
    let previous = Previous { endpoint: endpoint(on), last_frame_mono_us, replayable };
    Arrival { previous: Some(previous), ..arrival(n, on + 500) }
}

pub fn admitted(effects: &[Effect]) -> Option<(EndpointId, bool, &Welcome)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Admit { endpoint, resumed, welcome, .. } => Some((*endpoint, *resumed, &**welcome)),
        _ => None,
    })
}

pub fn broadcasts(effects: &[Effect]) -> Vec<&Event> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Broadcast(event) => Some(event),
            _ => None,
        })
        .collect()
}

pub fn sent_to(effects: &[Effect], to: u128) -> Vec<&Event> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send { endpoint: id, event } if *id == endpoint(to) => Some(event),
            _ => None,
        })
        .collect()
}

/// `type` of a journal event, with what tells two of one type apart.
fn word(event: &JournalEvent) -> String {
    let value = serde_json::to_value(event).unwrap();
    let mut word = value["type"].as_str().unwrap().to_owned();
    if let Some(reason) = value["reason"].as_str() {
        word = format!("{word}:{reason}");
    }
    word
}
