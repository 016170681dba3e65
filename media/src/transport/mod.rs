//! One peer's transport: ICE-lite, DTLS, SRTP and SDP, without sockets, clocks or random numbers.
//!
//! The shard owns one [`Peer`] per connection. Datagrams are told apart by [`classify`]
//! (RFC 7983); a STUN request from an unknown address is mapped to its peer by
//! [`stun_local_ufrag`], everything else by source address once a request from that address was
//! authenticated. Media does not go through queues here: the shard borrows the SRTP contexts
//! ([`SrtpTx`], [`SrtpRx`]) and works in its own buffers.
//!
//! The one exemption from law 1: `rtc::dtls` reads the system clock for its handshake random and
//! draws its randomness from the crypto provider.

mod classify;
mod dtls;
mod dtls_crypto;
mod dtls_hello;
mod ice;
mod peer;
mod remote;
pub mod rfc4571;
mod sdp;
mod sdp_answer;
mod sdp_codecs;
mod sdp_offer;
mod srtcp;
mod srtp;
mod srtp_cm;
mod srtp_gcm;
mod srtp_kdf;
mod srtp_replay;
pub mod stun;
mod stun_attr;

pub use classify::{Packet, classify};
pub use dtls::{DtlsError, DtlsIdentity};
pub use ice::{CONSENT_TIMEOUT, IceCredentials};
pub use peer::{Gone, Peer, PeerEvent, PeerState, RemoteChange, StunOutcome, TransportError};
pub use remote::{Remote, Via};
pub use sdp::{
    Direction, ExtMap, Fingerprint, MediaKind, Negotiated, Offer, OfferMedia, RtcpFeedback,
    RtpCodec, SdpError, SendStream, Setup, SsrcInfo, ext,
};
pub use sdp_answer::{AnswerMedia, AnswerParams, LocalStream, build_answer, negotiate};
pub use sdp_offer::{MAX_MEDIA, MAX_SDP, parse_offer};
pub use srtp::contexts as srtp_contexts;
pub use srtp::{MAX_SOURCES, Opened, Profile, SrtpError, SrtpRx, SrtpTx, TAG_SPACE};
pub use stun::local_ufrag as stun_local_ufrag;
