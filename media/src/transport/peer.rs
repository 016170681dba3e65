//! ICE, DTLS and SRTP of one peer, put together for the shard.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use thiserror::Error;

use super::{
    DtlsError, DtlsIdentity, IceCredentials, Offer, Opened, Setup, SrtpError, SrtpRx, SrtpTx,
};

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransportError {
    #[error("the DTLS fingerprint or role changed within a connection")]
    IdentityChanged,
    #[error("the connection has ended")]
    Ended,
    #[error(transparent)]
    Dtls(#[from] DtlsError),
}

/// What [`Peer::set_remote`] made of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteChange {
    Initial,
    Unchanged,
    /// ICE restart: answer with the new local credentials; media goes on over the old pair.
    Restarted,
}

/// What became of a STUN datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StunOutcome {
    /// A valid check: map its source address to this peer. The answer is queued.
    Authenticated,
    /// Answered with an error; believe nothing.
    Refused,
    /// Not for us or not STUN; nothing is sent.
    Ignored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState {
    /// Waiting for a valid check or for DTLS.
    Connecting,
    /// Keys are there.
    Connected,
    /// Over; only queued transmissions remain.
    Ended,
}

/// Why a peer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gone {
    HandshakeFailed(DtlsError),
    /// The remote closed DTLS.
    Closed,
    /// No authenticated packet for 30 s.
    ConsentExpired,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerEvent {
    /// The keys are there: media may flow.
    Connected,
    /// Send to this address from now on (first nomination included).
    AddressChanged(SocketAddr),
    /// Last event of a peer.
    Gone(Gone),
}

/// One peer's transport.
pub struct Peer {
    local: IceCredentials,
}

impl Peer {
    /// `local` are our credentials for the answer.
    pub fn new(_now: Instant, _identity: Arc<DtlsIdentity>, local: IceCredentials) -> Self {
        Self { local }
    }

    /// Takes credentials, fingerprint and role from an offer. `fresh` is called for new local
    /// credentials when the offer restarts ICE.
    ///
    /// # Errors
    /// A new fingerprint within a connection is refused.
    pub fn set_remote(
        &mut self,
        _now: Instant,
        _offer: &Offer,
        _fresh: impl FnOnce() -> IceCredentials,
    ) -> Result<RemoteChange, TransportError> {
        Err(TransportError::Ended)
    }

    /// Our credentials for the answer (new after a restart).
    pub fn local_credentials(&self) -> &IceCredentials {
        &self.local
    }

    /// All user fragments that requests to this peer may carry: the current one, and the previous
    /// one until the restarted pair is nominated.
    pub fn local_ufrags(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.local.ufrag.as_str())
    }

    /// Our DTLS role for the answer.
    pub fn setup(&self) -> Setup {
        Setup::Passive
    }

    /// A datagram of class [`super::Packet::Stun`].
    pub fn handle_stun(&mut self, _now: Instant, _src: SocketAddr, _data: &[u8]) -> StunOutcome {
        StunOutcome::Ignored
    }

    /// A datagram of class [`super::Packet::Dtls`]; ignored unless `src` was authenticated.
    pub fn handle_dtls(&mut self, _now: Instant, _src: SocketAddr, _data: &[u8]) {}

    /// Runs what is due.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// When [`Peer::handle_timeout`] is wanted next.
    pub fn next_timeout(&self) -> Option<Instant> {
        None
    }

    /// Control datagrams to send: STUN answers and DTLS. Drain after each call.
    pub fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        None
    }

    /// Drain after each call.
    pub fn poll_event(&mut self) -> Option<PeerEvent> {
        None
    }

    pub fn state(&self) -> PeerState {
        PeerState::Connecting
    }

    /// Where media goes: the nominated address.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        None
    }

    /// The sending context once connected.
    pub fn srtp_tx(&self) -> Option<&SrtpTx> {
        None
    }

    /// Both contexts once connected.
    pub fn srtp(&mut self) -> Option<(&SrtpTx, &mut SrtpRx)> {
        None
    }

    /// Authenticates and decrypts an RTP packet in place; a good one refreshes consent.
    pub fn open_rtp(&mut self, _now: Instant, _packet: &mut [u8]) -> Result<Opened, SrtpError> {
        Err(SrtpError::NotReady)
    }

    /// Encrypts a compound RTCP packet in place and appends index and tag.
    pub fn protect_rtcp(&mut self, _packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        Err(SrtpError::NotReady)
    }

    /// Authenticates and decrypts an SRTCP packet in place; returns the length of the plain
    /// compound packet. A good one refreshes consent.
    pub fn unprotect_rtcp(
        &mut self,
        _now: Instant,
        _packet: &mut [u8],
    ) -> Result<usize, SrtpError> {
        Err(SrtpError::NotReady)
    }

    /// Says goodbye (DTLS close_notify); drain [`Peer::poll_transmit`] once more.
    pub fn close(&mut self, _now: Instant) {}
}
