//! What goes into a room and what comes out: plain data.
//!
//! Effects are ordered. Everything a [`Effect::Journal`] holds is durable before any later effect
//! runs; the actor may run the journal parts of a whole batch of inputs as one append, because no
//! effect ever has to come *before* an event it follows from.

use signaling::ballot::Matter;
use signaling::view::{ChatMessage, Grade, MemberClass, Role, SessionState};
use signaling::{
    Assignment, Event, Publication, Reply, Request, ShownTrack, Source, VideoCodec, Welcome,
    WireError,
};
use uuid::Uuid;

use super::acts::{Act, Acted};
use super::ballots::BoxedPaper;
use crate::domain::{BallotId, EndpointId, PersonId, Standing};
use crate::journal::NewEvent;

/// The two clocks of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Microseconds UTC.
    pub wall_us: i64,
    /// Microseconds since the session opened; never steps.
    pub mono_us: i64,
}

/// The actor's handle to one hello that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What a device without a websocket came for (WHIP, WHEP). It is here as long as its media is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Publish,
    /// One person, or the room as one programme.
    Watch(Option<PersonId>),
}

/// A hello whose join token was good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    pub ticket: Ticket,
    pub person: PersonId,
    pub name: String,
    pub role: Role,
    pub org_name: String,
    pub class: Option<MemberClass>,
    pub device: String,
    pub consent: bool,
    /// Id and secret for the case that this becomes a new endpoint.
    pub endpoint: EndpointId,
    pub resume_token: String,
    /// The endpoint whose resume token the client showed.
    pub previous: Option<Previous>,
    /// None: a page with its websocket.
    pub stream: Option<Stream>,
    /// The device of a room site; `person` is the site then, and nobody.
    pub site: Option<SiteArrival>,
}

/// What a site says of itself when it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteArrival {
    pub expected: Option<u32>,
    /// Who is signed in on its device.
    pub opener: PersonId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Previous {
    pub endpoint: EndpointId,
    /// When its line was last heard of.
    pub last_frame_mono_us: i64,
    /// What the client missed is still kept.
    pub replayable: bool,
}

#[derive(Debug, Clone)]
pub enum Input {
    Arrive(Box<Arrival>),
    /// `fresh` is an id for whatever the request makes.
    Request {
        endpoint: EndpointId,
        id: u32,
        request: Request,
        fresh: Uuid,
    },
    /// The line of an endpoint is dead or closed without 离开.
    LineLost {
        endpoint: EndpointId,
        last_frame_mono_us: i64,
    },
    /// The sign-in behind an endpoint was ended.
    SignedOut {
        endpoint: EndpointId,
    },
    /// Asked over HTTP, and answered by [`Effect::Acted`].
    Act {
        ticket: Ticket,
        by: PersonId,
        act: Act,
    },
    /// Answer to [`Effect::Offer`].
    Answered {
        endpoint: EndpointId,
        id: u32,
        publications: Vec<Publication>,
        result: Result<signaling::Answer, WireError>,
    },
    /// Answer to [`Effect::MakeBallotKey`]: the public key.
    BallotKeyMade {
        endpoint: EndpointId,
        person: PersonId,
        id: u32,
        ballot: BallotId,
        matter: Box<Matter>,
        public_key: Result<String, WireError>,
    },
    /// Answer to [`Effect::CountPapers`].
    PapersCounted {
        endpoint: EndpointId,
        person: PersonId,
        id: u32,
        ballot: BallotId,
        papers: Result<Vec<BoxedPaper>, WireError>,
    },
    /// An online secret paper was cast; by whom nobody knows.
    PaperBoxed {
        ballot: BallotId,
    },
    Media(MediaNotice),
    Capture(CaptureReport),
    /// The database is away, or has everything again.
    Records {
        away: bool,
    },
    /// Connection quality of endpoints, as the media sampler grades it.
    Quality(Vec<(EndpointId, Grade)>),
    /// Time has come to [`super::state::RoomState::next_timeout`].
    Tick,
}

/// What the media shard says, in the room's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaNotice {
    Connected {
        endpoint: EndpointId,
    },
    /// Nothing was heard of it for `silent_us` before.
    Gone {
        endpoint: EndpointId,
        silent_us: i64,
    },
    TrackEnded {
        endpoint: EndpointId,
        source: Source,
    },
    Slots {
        endpoint: EndpointId,
        audio: u32,
        video: u32,
    },
    Assignments {
        endpoint: EndpointId,
        assignments: Vec<Assignment>,
    },
    PublishLayers {
        endpoint: EndpointId,
        source: Source,
        active: [bool; 3],
    },
    PublishCodec {
        endpoint: EndpointId,
        source: Source,
        codec: VideoCodec,
    },
    /// `endpoint` is not sent a picture of `person`, or is again: its connection is too slow.
    TrackPaused {
        endpoint: EndpointId,
        person: PersonId,
        source: Source,
        paused: bool,
    },
    Speaker {
        endpoint: Option<EndpointId>,
    },
    /// The shard lost the whole room; the actor opens it again and the pages offer anew.
    RoomFailed,
}

/// How the capture writer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CaptureReport {
    /// Everything up to this session time is on disk.
    pub safe_mono_us: Option<i64>,
    pub trouble: Option<CaptureTrouble>,
}

/// What keeps the recording from being complete now; it may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureTrouble {
    DiskFull,
    /// The disk or the writer failed.
    Failed,
    /// Something was lost, the rest is kept.
    TooSlow,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The text of a chat message; kept before its digest is journalled.
    StoreChat(ChatMessage),
    Journal(Vec<NewEvent>),
    Admit {
        ticket: Ticket,
        endpoint: EndpointId,
        resumed: bool,
        welcome: Box<Welcome>,
    },
    Reject {
        ticket: Ticket,
        error: WireError,
    },
    Acted {
        ticket: Ticket,
        result: Result<Acted, WireError>,
    },
    /// Who may come in besides the frozen roster; the journal is the truth.
    StoreStanding {
        person: PersonId,
        standing: Standing,
    },
    Reply {
        endpoint: EndpointId,
        id: u32,
        reply: Reply,
    },
    Refuse {
        endpoint: EndpointId,
        id: u32,
        error: WireError,
    },
    Send {
        endpoint: EndpointId,
        event: Event,
    },
    /// To all endpoints admitted so far, those with a lost line too (they may resume).
    Broadcast(Event),
    /// Says why, closes the line and forgets the endpoint.
    Bye {
        endpoint: EndpointId,
        error: WireError,
    },
    Offer {
        endpoint: EndpointId,
        person: PersonId,
        id: u32,
        sdp: String,
        publications: Vec<Publication>,
        may_publish: bool,
        may_capture: bool,
        stream: Option<Stream>,
    },
    /// An online secret ballot will come: its key takes a moment.
    PrepareBallotKey,
    /// Answered by [`Input::BallotKeyMade`].
    MakeBallotKey {
        endpoint: EndpointId,
        person: PersonId,
        id: u32,
        ballot: BallotId,
        matter: Box<Matter>,
    },
    /// Signs a blinded paper and answers the request.
    SignPaper {
        endpoint: EndpointId,
        id: u32,
        ballot: BallotId,
        blinded: String,
    },
    /// No more papers of this ballot.
    DropBallotKey {
        ballot: BallotId,
    },
    /// Closes the box for good; answered by [`Input::PapersCounted`].
    CountPapers {
        endpoint: EndpointId,
        person: PersonId,
        id: u32,
        ballot: BallotId,
    },
    Media(MediaCommand),
    Capture(CaptureCommand),
    /// The session's row; the journal is the truth.
    StoreState {
        state: SessionState,
        at_us: i64,
    },
    /// 散会 is done: nothing follows, the room ends and its archive begins.
    Ended,
}

/// Whom those see who watch the room as one programme: `lead` before all else (a publisher over
/// WHIP), then shared screens, then `speaker`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Programme {
    pub lead: Option<PersonId>,
    pub speaker: Option<PersonId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaCommand {
    RemovePeer { endpoint: EndpointId },
    SetEnabled { endpoint: EndpointId, source: Source, on: bool },
    SetChair { chair: Option<PersonId> },
    SetView { endpoint: EndpointId, tracks: Vec<(PersonId, ShownTrack)> },
    SetProgramme(Programme),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureCommand {
    Start,
    Pause,
    Resume,
    Stop,
}
