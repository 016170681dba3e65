//! Messages. Client to server: [`ClientMessage`]; server to client: [`ServerMessage`].
//!
//! Every text frame is one JSON object of at most 64 KiB and depth 16. The first message of a
//! client is `hello`; everything before its `welcome` is refused. The client always offers
//! (RFC 9429): there is no glare. Events carry a sequence number; after a drop the client says
//! `hello` with its resume token and the last number seen, and gets what it missed (≤ 60 s).

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ballot::{
    BallotView, Choice, Matter, MyBallot, OpinionCount, PaperCount, SuperiorApproval, VoteCount,
    WrittenOpinion,
};
use crate::error::WireError;
use crate::view::{
    ChatMessage, Counts, Grade, ParticipantView, RecordingView, RollcallView, SessionSnapshot,
    SessionState, SiteView,
};

pub const PROTOCOL_VERSION: u16 = 1;

/// `{"type":"request","id":7,"request":{"method":"chat","text":"…"}}` or `{"type":"pong","seq":12}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "almost every message is a request")]
pub enum ClientMessage {
    /// Answered by exactly one `reply` or `error` with the same id.
    Request { id: u32, request: Request },
    /// Answer to a ping; `seq` is the last event seen, so that the server can forget it.
    Pong { seq: u32 },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Request {
    Hello(Hello),
    /// New offer: publishes what `publications` names, asks for what the recvonly m-lines allow.
    Offer(Offer),
    /// Microphone, camera or screen switched by its owner.
    MediaState {
        source: Source,
        on: bool,
    },
    /// How I show the pictures I am sent: the whole list, each time it changes. Of a track that is
    /// not in it I get the lowest layer; of one that is not visible, nothing.
    View {
        tracks: Vec<ShownTrack>,
    },
    Chat {
        text: String,
    },
    Hand {
        raised: bool,
    },
    /// 主持人: 宣布开会.
    DeclareOpen,
    /// 主持人: 散会.
    DeclareClose,
    /// 主持人: 休会 or 继续; the official time stands still meanwhile.
    Pause {
        paused: bool,
    },
    /// 主持人 or 记录人: 点名, `window_s` (60 to 120) to answer.
    RollcallOpen {
        window_s: u32,
    },
    /// 主持人 or 记录人: so many at random instants in the minutes to come; zero: none.
    RollcallPlan {
        times: u32,
        within_min: u32,
        window_s: u32,
    },
    /// 在场
    RollcallAnswer {
        rollcall: u32,
    },
    /// 主持人 or 记录人: answers for somebody in a room.
    RollcallMark {
        participant: String,
    },
    /// 主持人 or 记录人: ticks somebody of the roster on the list of a site.
    CheckIn {
        participant: String,
        site: String,
        reason: String,
    },
    /// 主持人: confirms what the recorder ticked, or does not.
    CheckInDecide {
        participant: String,
        accepted: bool,
    },
    /// 主持人 or 记录人: 签退.
    CheckOut {
        participant: String,
    },
    /// 主持人: go to agenda item (zero-based).
    Agenda {
        index: u32,
    },
    /// 主持人: hand over to another person.
    HandOver {
        participant: String,
    },
    /// Take over when the chair is lost.
    TakeOver,
    /// 主持人: switch a participant's source off (server-enforced).
    Mute {
        participant: String,
        source: Source,
    },
    /// 主持人: lower a hand.
    LowerHand {
        participant: String,
    },
    /// 主持人: remove a participant from the room.
    Remove {
        participant: String,
    },
    /// 主持人 or 记录人: pause or resume the recording (a marked gap).
    RecordingPause {
        paused: bool,
    },
    /// 主持人: put a matter to the vote. Voters are frozen at this instant.
    BallotOpen {
        matter: Matter,
    },
    /// My named vote; final.
    BallotVote {
        ballot: String,
        choice: Choice,
    },
    /// 主持人 or 记录人: the vote of somebody who is in the room without a device.
    BallotVoteFor {
        ballot: String,
        participant: String,
        choice: Choice,
    },
    /// 主持人 or 记录人: hands counted in the room, of those who have not voted otherwise.
    BallotCount {
        ballot: String,
        count: VoteCount,
    },
    /// 主持人 or 记录人: what the tellers counted.
    BallotPaper {
        ballot: String,
        paper: PaperCount,
    },
    /// Online secret: my paper, blinded (RFC 9474), base64; answered by `paper_signed`.
    BallotToken {
        ballot: String,
        blinded: String,
    },
    /// 主持人, online secret: no more papers, casting begins.
    BallotStart {
        ballot: String,
    },
    /// 主持人: count, and confirm the result.
    BallotClose {
        ballot: String,
    },
    /// 主持人: end it without a result.
    BallotWithdraw {
        ballot: String,
        reason: String,
    },
    /// 主持人, 记录人 or 书记: a superior allows online secret ballots in this session.
    BallotApproval {
        approval: SuperiorApproval,
    },
    /// 主持人, 记录人 or 书记: 会前书面意见.
    BallotOpinion {
        opinion: WrittenOpinion,
    },
    /// 离开 (clicked): never bridged in attendance.
    Leave,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Hello {
    pub version: u16,
    /// Join token from `POST /api/sessions/{id}/join`; bound to session, person and role.
    pub token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub resume: Option<Resume>,
    /// Answer to the recording notice.
    pub consent: bool,
    /// `phone`, `desktop` or `site`; a hint for the attendance sheet.
    pub device: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Resume {
    pub token: String,
    /// Last event sequence number seen.
    pub last_seq: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Offer {
    pub sdp: String,
    /// What each sending m-line carries.
    pub publications: Vec<Publication>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Publication {
    pub mid: String,
    pub source: Source,
}

/// How one track is shown. Sizes in device pixels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ShownTrack {
    pub participant: String,
    pub source: Source,
    pub width: u16,
    pub height: u16,
    pub visible: bool,
    /// Who comes first when not everything fits: higher before lower.
    pub priority: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Microphone,
    Camera,
    Screen,
    ScreenAudio,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum VideoCodec {
    Vp8,
    Vp9,
    H264,
    Av1,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    Reply {
        id: u32,
        reply: Reply,
    },
    Error {
        id: u32,
        error: WireError,
    },
    /// `seq` grows by one for every event of this connection, across resumes.
    Event {
        seq: u32,
        event: Event,
    },
    /// Every 5 s; the client answers `pong`. No frame for 10 s: either side calls the line dead.
    Ping {
        seq: u32,
    },
    /// The server ends this connection and says why; a code of the transient kind means: come back.
    Bye {
        error: WireError,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reply {
    Welcome(Box<Welcome>),
    Answer(Answer),
    /// Online secret: my blinded paper, signed, base64.
    PaperSigned {
        signature: String,
    },
    Done,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Welcome {
    /// Me: the person.
    pub participant: String,
    /// This connection (device); kept by a resume.
    pub endpoint: String,
    pub resume_token: String,
    /// True: the missed events follow and media may go on; false: start afresh from the snapshot.
    pub resumed: bool,
    /// Sequence number of the last event contained in `session`.
    pub seq: u32,
    pub session: SessionSnapshot,
    #[ts(type = "number")]
    pub server_time_us: i64,
    /// Receive slots wanted now (see [`Event::Slots`]).
    pub slots_audio: u32,
    pub slots_video: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Answer {
    pub sdp: String,
    /// The whole map of receive slots after this answer.
    pub assignments: Vec<Assignment>,
}

/// Which track a receive slot (an m-line, named by its mid) carries now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Assignment {
    pub mid: String,
    pub participant: String,
    pub source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ParticipantQuality {
    pub participant: String,
    pub grade: Grade,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    User,
    Drop,
    Kick,
    Server,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    ParticipantJoined {
        participant: ParticipantView,
    },
    ParticipantChanged {
        participant: ParticipantView,
    },
    ParticipantLeft {
        participant: String,
        reason: LeaveReason,
    },
    Counts {
        counts: Counts,
    },
    SessionState {
        state: SessionState,
        #[ts(type = "number")]
        at_us: i64,
    },
    /// 休会 or 继续.
    Paused {
        paused: bool,
        #[ts(type = "number")]
        at_us: i64,
    },
    /// 点名 as it stands for the receiver; absent: none is running.
    Rollcall {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        rollcall: Option<RollcallView>,
    },
    /// To the device of a site: what its screen shows now.
    Site {
        site: SiteView,
    },
    /// To chair and recorder: the attendance list has changed; at most once a second.
    AttendanceChanged,
    Agenda {
        index: u32,
    },
    /// `chair` absent: the chair is lost; `may_take_over` says whether the receiver can take over.
    Chair {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        chair: Option<String>,
        may_take_over: bool,
    },
    Chat {
        message: ChatMessage,
    },
    /// A ballot as it stands now: opened, counted, closed, withdrawn.
    Ballot {
        ballot: Box<BallotView>,
    },
    /// How many have voted, and hold a paper.
    BallotProgress {
        ballot: String,
        voted: u32,
        issued: u32,
    },
    /// My own part in the open ballot.
    MyBallot {
        mine: MyBallot,
    },
    /// Approval and written opinions on record.
    BallotRecords {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        approval: Option<SuperiorApproval>,
        opinions: Vec<OpinionCount>,
    },
    /// Receive m-lines wanted: when the client has fewer it adds recvonly transceivers and offers.
    Slots {
        audio: u32,
        video: u32,
    },
    /// The whole map of receive slots; slots not named carry nothing now.
    Assignments {
        assignments: Vec<Assignment>,
    },
    /// Layers of my picture to send, lowest first; the others are of use to nobody now.
    PublishLayers {
        source: Source,
        active: [bool; 3],
    },
    /// Send my picture in this codec from now on: offer again, the answer names it first.
    PublishCodec {
        source: Source,
        codec: VideoCodec,
    },
    /// A picture is not sent to me, or is sent again, because my connection is too slow for it.
    TrackPaused {
        participant: String,
        source: Source,
        paused: bool,
    },
    Speaker {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        participant: Option<String>,
    },
    Recording {
        recording: RecordingView,
    },
    /// `away`: the database is away; what counts is kept on the server's disk until it is back, and
    /// ballots are refused.
    Records {
        away: bool,
    },
    /// The chair switched my source off; the client stops it and shows who did.
    Muted {
        source: Source,
        by: String,
    },
    /// A newer device of the same person publishes now; this one only watches.
    Replaced,
    /// The newer devices have gone: this one may publish again. Its sources stay switched off
    /// until it switches them on.
    MayPublish,
    /// Connection quality of those for whom it changed; at most one such event a second.
    Quality {
        participants: Vec<ParticipantQuality>,
    },
    /// The media transport of this endpoint is up or gone (consent expired).
    MediaConnected {
        connected: bool,
    },
}
