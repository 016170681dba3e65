//! Choosing what to take of an offer, and writing the answer (RFC 9429 section 5.3, RFC 8839).

use std::net::SocketAddr;

use super::sdp::{Direction, Fingerprint, Negotiated, Offer, OfferMedia};
use super::{IceCredentials, Setup};

/// What the whole answer says.
#[derive(Debug, Clone)]
pub struct AnswerParams<'a> {
    /// `o=` session id, constant over the life of a peer.
    pub session_id: u64,
    /// `o=` version, one more with each answer.
    pub version: u64,
    pub ice: &'a IceCredentials,
    pub fingerprint: &'a Fingerprint,
    /// Host candidates: where this shard is reached.
    pub candidates: &'a [SocketAddr],
    /// Our DTLS role, as [`super::Peer::setup`] says.
    pub setup: Setup,
}

/// A stream that we send on an m-line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalStream {
    pub ssrc: u32,
    pub rtx_ssrc: Option<u32>,
    pub cname: String,
    /// `a=msid` stream and track ids.
    pub stream: String,
    pub track: String,
}

/// What the answer says to one m-line of the offer; same order, same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerMedia {
    /// Port 0: refused for good (RFC 9429 section 5.3.1).
    Reject,
    Accept {
        /// Ours; cut to what the offered direction allows. `Inactive` keeps the m-line for reuse.
        direction: Direction,
        negotiated: Negotiated,
        /// Present when we send, or will send after a change without negotiation.
        local: Option<LocalStream>,
    },
}

/// What both sides can do; `None` when there is no common codec (answer with
/// [`AnswerMedia::Reject`]).
pub fn negotiate(_offered: &OfferMedia) -> Option<Negotiated> {
    None
}

/// The answer's text. `media` has one entry per m-line of `offer`; missing ones are refused.
pub fn build_answer(_offer: &Offer, _params: &AnswerParams<'_>, _media: &[AnswerMedia]) -> String {
    String::new()
}
