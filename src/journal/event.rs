//! What the journal says: header, events and their envelope.
//!
//! Meanings never change; new events are added. A reader that meets a type it does not know takes
//! it as [`Event::Unknown`]; verification works on the text and needs no types at all.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use signaling::ballot::{Choice, PaperCount, SuperiorApproval, VoteCount, WrittenOpinion};
use signaling::view::Role;
use signaling::{LeaveReason, Source};

use super::ballot::{Closed, Refused, Snapshot};
use super::chain::Digest;
use super::hash::HashAlgorithm;
use crate::domain::{
    BallotId, ChatId, EndpointId, MeetingKind, OrgId, PersonId, Policy, Roster, RosterEntry,
    SessionId, SiteId,
};

pub const FORMAT_VERSION: u32 = 1;

/// Line 0: what was frozen at opening. Its hash is the `prev_hash` of event 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT_VERSION`]
    pub format: u32,
    pub session: SessionId,
    pub kind: MeetingKind,
    pub title: String,
    pub org: OrgId,
    pub org_name: String,
    pub opened_at_us: i64,
    pub roster: Roster,
    pub policy: Policy,
    pub rules_version: u32,
    /// What binds this chain; absent in old headers, and for SHA-256.
    #[serde(default, skip_serializing_if = "HashAlgorithm::is_default")]
    pub hash_algorithm: HashAlgorithm,
    /// Random id of the installation, made by `init`.
    pub installation: String,
    /// Ed25519 public key of the installation, 64 hex digits.
    pub installation_key: String,
}

/// Who caused an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    System,
    Person(PersonId),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::Person(id) => id.fmt(f),
        }
    }
}

impl FromStr for Actor {
    type Err = crate::domain::ids::InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "system" { Ok(Self::System) } else { text.parse().map(Self::Person) }
    }
}

impl From<PersonId> for Actor {
    fn from(id: PersonId) -> Self {
        Self::Person(id)
    }
}

impl Serialize for Actor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Actor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An event that has no place in the chain yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Server wall clock, UTC.
    pub at_us: i64,
    /// Server monotonic clock since the session opened.
    pub mono_us: i64,
    pub actor: Actor,
    pub event: Event,
}

/// One event in its place: `seq` counts from 1 without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    pub seq: u64,
    pub at_us: i64,
    pub mono_us: i64,
    pub actor: Actor,
    pub event: Event,
    pub prev_hash: Digest,
    pub hash: Digest,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// Monotonic zero.
    SessionOpened,
    /// The roster of the header is the one that counts.
    RosterFrozen {
        due: u32,
        voters: u32,
    },
    /// Durable before `welcome`. Not for observers.
    Join {
        person: PersonId,
        endpoint: EndpointId,
        role: Role,
        /// `phone`, `desktop` or `site`.
        device: String,
        name: String,
        org_name: String,
    },
    /// The same endpoint is back after a `leave{drop}` or a restart (observers too).
    Rejoin {
        person: PersonId,
        endpoint: EndpointId,
        device: String,
    },
    /// `last_frame_mono_us`: when the connection was last heard of; presence ends there.
    Leave {
        person: PersonId,
        endpoint: EndpointId,
        reason: LeaveReason,
        last_frame_mono_us: i64,
    },
    /// 列席 begins: the superior's `join`.
    ObserverEnter {
        person: PersonId,
        endpoint: EndpointId,
        device: String,
        name: String,
        org_name: String,
    },
    /// 列席 ends: the superior's `leave`.
    ObserverExit {
        person: PersonId,
        endpoint: EndpointId,
        reason: LeaveReason,
        last_frame_mono_us: i64,
    },
    /// Who is connected, every 5 s while the session is open.
    Checkpoint {
        present: Vec<EndpointId>,
    },
    /// 宣布开会
    DeclaredOpen,
    /// 散会; `auto`: closed by the system (empty for 30 min).
    DeclaredClosed {
        auto: bool,
    },
    /// 休会: the official time stands still.
    Paused,
    Resumed,
    MediaState {
        person: PersonId,
        endpoint: EndpointId,
        source: Source,
        on: bool,
    },
    Hand {
        person: PersonId,
        raised: bool,
    },
    /// The text is kept apart: the hash of its UTF-8 here, so that a lawful deletion keeps the chain.
    Chat {
        id: ChatId,
        digest: Digest,
    },
    /// Who presides from now on; none: the chair is lost.
    Chair {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        person: Option<PersonId>,
        reason: ChairReason,
    },
    /// Agenda item under discussion, from zero.
    Agenda {
        index: u32,
    },
    RecordingStart,
    RecordingPause,
    RecordingResume,
    RecordingStop {
        reason: StopReason,
    },
    /// Answer to the recording notice.
    Consent {
        person: PersonId,
        accepted: bool,
    },
    /// The chair switched a source off.
    Muted {
        person: PersonId,
        source: Source,
    },
    /// The chair removed a person; a `leave{kick}` a device follows.
    Kick {
        person: PersonId,
    },
    /// The device of a room with many people before it (会场) is connected, for the first time or
    /// again. It is nobody's presence by itself: see `room_checkin`.
    SiteEnter {
        site: SiteId,
        endpoint: EndpointId,
        name: String,
        /// How many people are awaited there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected: Option<u32>,
    },
    /// The room's device is gone: who is checked in there is not present until it is back.
    SiteExit {
        site: SiteId,
        endpoint: EndpointId,
        reason: LeaveReason,
        last_frame_mono_us: i64,
    },
    /// 会场签到. Ends the check-in of the same person at any other site.
    RoomCheckin {
        person: PersonId,
        site: SiteId,
        method: CheckinMethod,
        /// `qr`: the 20 s slot of session time whose code was shown; each serves a person once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slot: Option<u32>,
        /// `list`: why not by the person's own phone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// False: counts only once the chair has confirmed it, and then from the check-in on.
        confirmed: bool,
    },
    /// 签退, by the person or the recorder.
    RoomCheckout {
        person: PersonId,
        site: SiteId,
    },
    /// The chair's word on a check-in that was not confirmed.
    CheckinDecided {
        person: PersonId,
        site: SiteId,
        accepted: bool,
    },
    /// 点名 by system at random instants to come: which, only the server knows.
    RollcallPlanned {
        times: u32,
        within_s: u32,
        window_s: u32,
    },
    /// 点名: numbered from 1 in a session.
    RollcallOpened {
        rollcall: u32,
        auto: bool,
        window_s: u32,
        /// Due and present at this instant.
        asked: Vec<PersonId>,
    },
    /// 在场; the actor is another person where the recorder answered for somebody in the room.
    RollcallAnswered {
        rollcall: u32,
        person: PersonId,
    },
    /// Time is up. Flags for the recorder, never a status.
    RollcallExpired {
        rollcall: u32,
        unanswered: Vec<PersonId>,
    },
    /// 请假 asked for in the running session (earlier requests are in the database until they are
    /// decided).
    LeaveRequested {
        person: PersonId,
        kind: String,
        reason: String,
    },
    /// The rules by which this session decides, as they were at opening: canonical JSON of the
    /// built-in ones with those of the deployment and the organisations laid over them.
    RulesFrozen {
        version: u32,
        /// SHA-256 of `rules`.
        digest: Digest,
        rules: String,
    },
    /// An online secret ballot may be held: a superior's approval, entered by the actor.
    BallotApproval {
        approval: SuperiorApproval,
    },
    /// 会前书面意见, entered by the actor.
    BallotOpinion {
        opinion: WrittenOpinion,
    },
    /// The chair wanted to vote and there was no quorum.
    BallotRefused(Box<Refused>),
    /// A ballot opened: who may vote, frozen at this instant.
    BallotSnapshot(Box<Snapshot>),
    /// Online secret: the person holds a ballot paper. Who votes, never how.
    BallotToken {
        ballot: BallotId,
        person: PersonId,
    },
    /// Online secret: all papers are given out, from now on they are cast.
    BallotStarted {
        ballot: BallotId,
        issued: u32,
    },
    /// A named vote; the actor is the voter, or the recorder or chair who entered it for them.
    BallotCast {
        ballot: BallotId,
        person: PersonId,
        choice: Choice,
    },
    /// A show of hands in the room, of those who have not voted otherwise; the last one counts.
    BallotCounted {
        ballot: BallotId,
        count: VoteCount,
    },
    /// What the tellers counted, as the recorder entered it; the last one counts.
    BallotPaper {
        ballot: BallotId,
        paper: PaperCount,
    },
    /// The result, confirmed by the chair.
    BallotClosed(Box<Closed>),
    /// Ended without a result.
    BallotWithdrawn {
        ballot: BallotId,
        reason: String,
    },
    /// 请假 approved; the actor approved it.
    LeaveApproved {
        person: PersonId,
        kind: String,
        reason: String,
        /// Wall times of the request and the decision, where they were before the opening.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked_us: Option<i64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decided_us: Option<i64>,
        /// 事后补假
        #[serde(default, skip_serializing_if = "is_false")]
        late: bool,
    },
    /// 请假 refused; an approval of before is taken back.
    LeaveDenied {
        person: PersonId,
        reason: String,
    },
    /// Somebody not on the roster asks to come in.
    Knock {
        person: PersonId,
        name: String,
        org_name: String,
    },
    /// The chair's answer to a knock; who is added to the roster has a correction besides.
    KnockAnswered {
        person: PersonId,
        admitted: bool,
    },
    /// A fact was wrong: both the old and the new one stay.
    Correction {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target_seq: Option<u64>,
        change: Change,
        reason: String,
    },
    /// The server came up again in mid-session; everyone open ended at the last checkpoint.
    ServerRestart {
        /// The machine was booted anew: monotonic time was carried on by the wall clock.
        new_boot: bool,
    },
    /// Somebody took a copy away.
    Export {
        format: String,
    },
    Sealed,
    /// Somebody spoke from then until about `to_mono_us`, longer than an interjection
    /// (`src/room/turns.rs`).
    Spoke {
        person: PersonId,
        from_mono_us: i64,
        to_mono_us: i64,
    },
    /// A version of the minutes was stored; `digest` is the hash of its canonical JSON.
    MinutesSaved {
        version: String,
        digest: Digest,
    },
    /// Signed by the recorder (the actor), who typed `name` and gave the password again.
    MinutesSubmitted {
        digest: Digest,
        name: String,
    },
    /// 退回, by the chair or by a superior.
    MinutesReturned {
        reason: String,
        superior: bool,
    },
    /// Signed by the chair; objections may be raised before this moment.
    MinutesConfirmed {
        digest: Digest,
        name: String,
        objections_until_us: i64,
    },
    /// 异议
    MinutesObjection {
        id: String,
        text: String,
    },
    MinutesAnswer {
        id: String,
        text: String,
    },
    /// These minutes are final; `sealed` and a signed head follow.
    MinutesSealed {
        digest: Digest,
    },
    /// 更正 after the seal: both texts stay.
    MinutesCorrected {
        section: String,
        old: String,
        new: String,
        reason: String,
    },
    /// Signs everything before it: sequence `seq - 1` with hash `prev_hash`.
    HeadSigned {
        purpose: SignPurpose,
        signature: String,
    },
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChairReason {
    /// First to preside.
    Opened,
    HandOver,
    TakeOver,
    /// Gone; somebody with the right may take over.
    Lost,
    /// Came back before anybody took over.
    Returned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// 散会
    Closed,
    /// Disk full or writer failed.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Change {
    RosterAdd {
        entry: RosterEntry,
    },
    RosterRemove {
        person: PersonId,
    },
    /// 不计入
    Exempt {
        person: PersonId,
    },
    /// Takes an exemption back.
    Include {
        person: PersonId,
    },
    /// 补签到: was there, by word of whoever corrects; at a site if one is named.
    WasPresent {
        person: PersonId,
        from_mono_us: i64,
        to_mono_us: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        site: Option<SiteId>,
    },
    /// Was not there, whatever the record says.
    WasAbsent {
        person: PersonId,
        from_mono_us: i64,
        to_mono_us: i64,
    },
    /// Leave granted after the fact.
    OnLeave {
        person: PersonId,
        kind: String,
        reason: String,
    },
    /// Leave taken back.
    NotOnLeave {
        person: PersonId,
    },
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}

impl Change {
    /// Whom it is about.
    pub fn person(&self) -> Option<PersonId> {
        match self {
            Self::RosterAdd { entry } => Some(entry.person_id),
            Self::RosterRemove { person }
            | Self::Exempt { person }
            | Self::Include { person }
            | Self::WasPresent { person, .. }
            | Self::WasAbsent { person, .. }
            | Self::OnLeave { person, .. }
            | Self::NotOnLeave { person } => Some(*person),
            Self::Unknown => None,
        }
    }
}

/// How somebody checked in at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckinMethod {
    /// The rotating code on the room's screen, by the person's own phone.
    Qr,
    /// Ticked on the list.
    List,
    /// By another system's card or code.
    Card,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// At which point the head was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignPurpose {
    /// 散会
    Closed,
    Sealed,
    /// The last line of an exported file.
    Export,
}
