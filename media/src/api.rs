//! What the outside says to a shard and hears from it: plain data, no behaviour.

use thiserror::Error;

pub use crate::sfu::layer::{MAX_SPATIAL, View};

/// A meeting's media room (the session's id).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(pub u128);

/// One connection (device) of a participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u128);

/// The person behind a peer; a person never receives their own tracks, on any device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnerId(pub u128);

/// With more microphones than this a room is large: only the loudest [`VOICES`] are forwarded.
pub const LARGE_ROOM: usize = 20;
pub const VOICES: usize = 5;

/// Audio slots that somebody can use in a room of so many other microphones and other sounds.
pub fn audio_slots(microphones: usize, other: usize) -> usize {
    other + if microphones > LARGE_ROOM { VOICES } else { microphones }
}

/// One published track, unique in the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackId(pub u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    Microphone,
    Camera,
    Screen,
    ScreenAudio,
}

impl Source {
    pub fn is_audio(self) -> bool {
        matches!(self, Source::Microphone | Source::ScreenAudio)
    }

    /// The word used in capture files and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Source::Microphone => "microphone",
            Source::Camera => "camera",
            Source::Screen => "screen",
            Source::ScreenAudio => "screen_audio",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    Opus,
    Vp8,
    Vp9,
    H264,
    Av1,
}

impl Codec {
    /// The word used in capture files.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Opus => "opus",
            Codec::Vp8 => "vp8",
            Codec::Vp9 => "vp9",
            Codec::H264 => "h264",
            Codec::Av1 => "av1",
        }
    }

    /// RTP clock rate in Hz.
    pub fn clock_rate(self) -> u32 {
        match self {
            Codec::Opus => 48_000,
            _ => 90_000,
        }
    }
}

/// What a peer's receive slots are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Watch {
    /// Everybody: a slot keeps its track as long as it can.
    #[default]
    Everyone,
    /// There are none: the peer only publishes, whatever its m-lines offer to receive.
    Nobody,
    /// The room as one programme: its [`Programme`] first, in one media stream.
    Programme,
    /// One person's tracks, in one media stream.
    Owner(OwnerId),
}

/// Whom a room's programme shows: `lead` before all else, then shared screens, then `speaker`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Programme {
    pub lead: Option<OwnerId>,
    pub speaker: Option<OwnerId>,
}

/// An SDP offer of a peer. The first one creates the peer; later ones renegotiate (and restart
/// ICE when ufrag and password are new).
#[derive(Debug, Clone)]
pub struct OfferRequest {
    pub room: RoomId,
    pub peer: PeerId,
    pub owner: OwnerId,
    pub sdp: String,
    /// What each sending m-line carries, by mid.
    pub publications: Vec<(String, Source)>,
    /// False for observers: their sending m-lines are answered `inactive`.
    pub may_publish: bool,
    /// False: the peer declined the recording notice; its tracks are never captured.
    pub may_capture: bool,
    pub watch: Watch,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferAnswer {
    pub sdp: String,
    pub assignments: Vec<Assignment>,
}

/// Which track a receive slot (an m-line, by mid) carries now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    pub mid: String,
    pub peer: PeerId,
    pub owner: OwnerId,
    pub source: Source,
}

/// What a peer shows of one track: all of its tiles of that person's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackView {
    pub owner: OwnerId,
    pub source: Source,
    pub view: View,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OfferError {
    #[error("invalid SDP: {0}")]
    InvalidSdp(String),
    #[error("no common media: {0}")]
    UnsupportedMedia(String),
    #[error("no such room")]
    NoSuchRoom,
    #[error("the media server is overloaded or stopping")]
    Overloaded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoneReason {
    /// No authenticated packet for the consent timeout (30 s, RFC 7675).
    ConsentExpired,
    /// DTLS close_notify or fatal alert.
    Closed,
    /// DTLS handshake failed or fingerprint mismatch.
    HandshakeFailed,
    /// `remove_peer` or `close_room`.
    Removed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// DTLS is up: media flows.
    PeerConnected {
        room: RoomId,
        peer: PeerId,
    },
    PeerGone {
        room: RoomId,
        peer: PeerId,
        reason: GoneReason,
    },
    /// First authenticated packet of a published track.
    TrackStarted {
        room: RoomId,
        peer: PeerId,
        track: TrackId,
        source: Source,
        codec: Codec,
    },
    TrackEnded {
        room: RoomId,
        peer: PeerId,
        track: TrackId,
        source: Source,
    },
    /// The peer has fewer receive m-lines than tracks it could be sent: wanted totals.
    Slots {
        room: RoomId,
        peer: PeerId,
        audio: u32,
        video: u32,
    },
    /// The whole slot map of a peer after a change, and after each of its offers: the last one is
    /// right, whatever was read between it and the answer.
    Assignments {
        room: RoomId,
        peer: PeerId,
        assignments: Vec<Assignment>,
    },
    /// A picture is paused for a viewer whose connection is too slow for it, or sent again.
    TrackPaused {
        room: RoomId,
        /// The viewer.
        peer: PeerId,
        /// The person whose picture it is.
        owner: OwnerId,
        source: Source,
        paused: bool,
    },
    /// Which layers of a source its publisher is to send, lowest first: the others are of use to
    /// nobody. A source with fewer layers goes by the first of them.
    PublishLayers {
        room: RoomId,
        peer: PeerId,
        source: Source,
        active: [bool; MAX_SPATIAL],
    },
    /// Which codec the publisher of a source is to send now; it offers again, and the answer names
    /// that codec first. Somebody came who lacks the one before, or all have a better one.
    PublishCodec {
        room: RoomId,
        peer: PeerId,
        source: Source,
        codec: Codec,
    },
    /// Loudest speaker changed (by the audio-level header extension).
    Speaker {
        room: RoomId,
        peer: Option<PeerId>,
    },
    /// Last event of a room: the shard that held it failed. Its peers and its capture are gone;
    /// open it again and let the clients offer anew. A room whose events nobody reads is closed
    /// without this event, which nobody would read either: its channel ends.
    RoomFailed {
        room: RoomId,
    },
}

impl Event {
    /// The room it happened in.
    pub fn room(&self) -> RoomId {
        match *self {
            Event::PeerConnected { room, .. }
            | Event::PeerGone { room, .. }
            | Event::TrackStarted { room, .. }
            | Event::TrackEnded { room, .. }
            | Event::Slots { room, .. }
            | Event::Assignments { room, .. }
            | Event::PublishLayers { room, .. }
            | Event::PublishCodec { room, .. }
            | Event::TrackPaused { room, .. }
            | Event::Speaker { room, .. }
            | Event::RoomFailed { room } => room,
        }
    }
}

/// One captured thing, handed to the capture writer by reference; see `docs/CAPTURE.md`.
#[derive(Debug, Clone, Copy)]
pub enum Tap<'a> {
    TrackStart {
        room: RoomId,
        owner: OwnerId,
        track: TrackId,
        source: Source,
        codec: Codec,
    },
    /// A decrypted RTP packet, RTX and RED unwrapped, original SSRC and sequence.
    Rtp {
        room: RoomId,
        track: TrackId,
        packet: &'a [u8],
    },
    /// NTP and RTP time of a sender report.
    SenderReport {
        room: RoomId,
        track: TrackId,
        ssrc: u32,
        ntp: u64,
        rtp: u32,
    },
    /// Another simulcast layer is captured from here on.
    LayerSwitch {
        room: RoomId,
        track: TrackId,
        ssrc: u32,
    },
    TrackEnd {
        room: RoomId,
        track: TrackId,
    },
}
