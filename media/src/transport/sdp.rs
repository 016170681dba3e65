//! What an SDP offer says, typed (RFC 8866, RFC 9429).

use std::fmt;

use thiserror::Error;

use super::IceCredentials;
use crate::api::Codec;

/// URIs of the RTP header extensions that we negotiate.
pub mod ext {
    pub const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
    pub const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
    pub const REPAIRED_RID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
    pub const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
    pub const TRANSPORT_CC: &str =
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
    pub const ABS_SEND_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
    pub const VIDEO_ORIENTATION: &str = "urn:3gpp:video-orientation";
    pub const ABS_CAPTURE_TIME: &str =
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";
    pub const DEPENDENCY_DESCRIPTOR: &str =
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

    /// All of the above; others are left out of answers.
    pub const ALL: [&str; 9] = [
        MID,
        RID,
        REPAIRED_RID,
        AUDIO_LEVEL,
        TRANSPORT_CC,
        ABS_SEND_TIME,
        VIDEO_ORIENTATION,
        ABS_CAPTURE_TIME,
        DEPENDENCY_DESCRIPTOR,
    ];
}

/// Why an offer was refused. The texts name no value from the SDP (law 8).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SdpError {
    #[error("not a session description")]
    Syntax,
    #[error("larger than {0} bytes")]
    TooLarge(usize),
    #[error("more than {0} media sections")]
    TooManyMedia(usize),
    #[error("no {0}")]
    Missing(&'static str),
    #[error("invalid {0}")]
    Invalid(&'static str),
    #[error("media sections differ in {0}: all must be in one BUNDLE group")]
    NotBundled(&'static str),
    #[error("two media sections with the same mid")]
    DuplicateMid,
    #[error("not supported: {0}")]
    Unsupported(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    Audio,
    Video,
    /// Data channels.
    Application,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    pub(super) const ALL: [Direction; 4] =
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];

    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    pub fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// The most an answer may say to this offered direction.
    pub fn reversed(self) -> Self {
        Direction::new(self.receives(), self.sends())
    }

    pub fn name(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }
}

/// The DTLS role a side offers (RFC 8842 section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    Active,
    Passive,
    ActPass,
}

/// A certificate digest (RFC 8122): SHA-256, SHA-384 or SHA-512.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// Lower case, as `sha-256`.
    pub algorithm: &'static str,
    pub digest: Vec<u8>,
}

impl fmt::Display for Fingerprint {
    /// As in `a=fingerprint:`, `sha-256 AB:CD:…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm)?;
        for (i, byte) in self.digest.iter().enumerate() {
            write!(f, "{}{byte:02X}", if i == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({})", self.algorithm)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtcpFeedback {
    Nack,
    NackPli,
    CcmFir,
    TransportCc,
    GoogRemb,
}

/// One payload type of an m-line that we know, with the payload type of its retransmissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpCodec {
    pub pt: u8,
    pub codec: Codec,
    /// Hz.
    pub clock_rate: u32,
    /// 2 for Opus, 1 otherwise.
    pub channels: u8,
    /// Format parameters as offered, without the `a=fmtp:` prefix and payload type.
    pub fmtp: String,
    pub rtcp_fb: Vec<RtcpFeedback>,
    pub rtx_pt: Option<u8>,
}

impl RtpCodec {
    /// Value of a `key=value` format parameter, by case-insensitive key.
    pub fn parameter(&self, key: &str) -> Option<&str> {
        self.fmtp.split(';').find_map(|pair| {
            let (k, v) = pair.split_once('=')?;
            k.trim().eq_ignore_ascii_case(key).then_some(v.trim())
        })
    }
}

/// One RTP header extension of an m-line; only those in [`ext::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtMap {
    /// 1..=14 or 16..=255 (two-byte form).
    pub id: u8,
    /// One of the constants in [`ext`].
    pub uri: &'static str,
    /// As offered; the answer says the reverse (RFC 8285 section 6).
    pub direction: Direction,
}

/// An SSRC that the offerer announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SsrcInfo {
    pub ssrc: u32,
    /// The SSRC of its retransmissions (`a=ssrc-group:FID`).
    pub rtx: Option<u32>,
}

/// `a=msid`: stream and track id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendStream {
    pub stream: String,
    pub track: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferMedia {
    pub mid: String,
    pub kind: MediaKind,
    /// The word of the m-line where `kind` is [`MediaKind::Other`].
    pub other_kind: String,
    /// The transport of the m-line as offered, for the answer.
    pub proto: String,
    /// The format list as offered, for the answer of a refused m-line.
    pub formats: String,
    pub direction: Direction,
    /// Codecs that we know, in the offer's order, RTX folded in.
    pub codecs: Vec<RtpCodec>,
    /// RED over Opus (RFC 2198) and whether it is offered before Opus.
    pub red_pt: Option<u8>,
    pub red_first: bool,
    pub extmaps: Vec<ExtMap>,
    /// Simulcast layers the offerer wants to send (`a=simulcast:send`), in its order.
    pub rids: Vec<String>,
    pub msid: Option<SendStream>,
    pub ssrcs: Vec<SsrcInfo>,
    pub rtcp_mux: bool,
    pub rtcp_rsize: bool,
    /// Port 0 and not bundle-only: the offerer has stopped it.
    pub rejected: bool,
}

impl OfferMedia {
    pub fn ext_id(&self, uri: &str) -> Option<u8> {
        self.extmaps.iter().find(|e| e.uri == uri).map(|e| e.id)
    }
}

#[derive(Debug, Clone)]
pub struct Offer {
    pub ice: IceCredentials,
    pub fingerprint: Fingerprint,
    pub setup: Setup,
    /// Mids of the BUNDLE group, in its order.
    pub bundle: Vec<String>,
    pub extmap_allow_mixed: bool,
    pub media: Vec<OfferMedia>,
}

/// What both sides can do on one m-line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// In the order of the answer; the offerer sends the first.
    pub codecs: Vec<RtpCodec>,
    pub red_pt: Option<u8>,
    pub red_first: bool,
    pub extmaps: Vec<ExtMap>,
    pub rids: Vec<String>,
}

impl Negotiated {
    pub fn ext_id(&self, uri: &str) -> Option<u8> {
        self.extmaps.iter().find(|e| e.uri == uri).map(|e| e.id)
    }

    pub fn codec(&self, codec: Codec) -> Option<&RtpCodec> {
        self.codecs.iter().find(|c| c.codec == codec)
    }
}
