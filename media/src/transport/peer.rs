//! ICE, DTLS and SRTP of one peer, put together for the shard.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use thiserror::Error;

use super::dtls::{Dtls, DtlsEvent};
use super::ice::{Checked, IceAgent};
use super::{
    DtlsError, DtlsIdentity, IceCredentials, Offer, Opened, Remote, Setup, SrtpError, SrtpRx,
    SrtpTx,
};

/// STUN answers that may wait to be sent; beyond it the newest is dropped, as a lost one would be.
const MAX_QUEUED: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransportError {
    #[error("the DTLS fingerprint changed within a connection")]
    IdentityChanged,
    #[error("the connection has ended")]
    Ended,
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
    AddressChanged(Remote),
    /// Last event of a peer.
    Gone(Gone),
}

/// One peer's transport.
pub struct Peer {
    identity: Arc<DtlsIdentity>,
    ice: IceAgent,
    /// From the first offer on.
    dtls: Option<Dtls>,
    srtp: Option<(SrtpTx, SrtpRx)>,
    state: PeerState,
    out: VecDeque<(Remote, Vec<u8>)>,
    events: VecDeque<PeerEvent>,
}

impl Peer {
    /// `local` are our credentials for the answer.
    pub fn new(now: Instant, identity: Arc<DtlsIdentity>, local: IceCredentials) -> Self {
        Self {
            identity,
            ice: IceAgent::new(now, local),
            dtls: None,
            srtp: None,
            state: PeerState::Connecting,
            out: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes credentials, fingerprint and role from an offer. `fresh` is called for new local
    /// credentials when the offer restarts ICE (RFC 8839 section 4.4.1.1.1).
    ///
    /// # Errors
    /// A new fingerprint within a connection is refused: that is another peer.
    pub fn set_remote(
        &mut self,
        now: Instant,
        offer: &Offer,
        fresh: impl FnOnce() -> IceCredentials,
    ) -> Result<RemoteChange, TransportError> {
        if self.state == PeerState::Ended {
            return Err(TransportError::Ended);
        }
        let Some(dtls) = &self.dtls else {
            self.ice.set_remote(now, offer.ice.clone());
            let identity = Arc::clone(&self.identity);
            self.dtls = Some(Dtls::new(identity, offer.setup, offer.fingerprint.clone()));
            return Ok(RemoteChange::Initial);
        };
        if *dtls.expected() != offer.fingerprint {
            return Err(TransportError::IdentityChanged);
        }
        if self.ice.remote() == Some(&offer.ice) {
            return Ok(RemoteChange::Unchanged);
        }
        self.ice.restart(now, fresh(), offer.ice.clone());
        Ok(RemoteChange::Restarted)
    }

    /// Our credentials for the answer (new after a restart).
    pub fn local_credentials(&self) -> &IceCredentials {
        self.ice.local()
    }

    /// All user fragments that requests to this peer may carry: the current one, and the previous
    /// one until the restarted pair is nominated.
    pub fn local_ufrags(&self) -> impl Iterator<Item = &str> {
        self.ice.local_ufrags()
    }

    /// Our DTLS role for the answer; settled by the first offer (RFC 8842 section 5.5).
    pub fn setup(&self) -> Setup {
        self.dtls.as_ref().map_or(Setup::Passive, Dtls::role)
    }

    /// A datagram of class [`super::Packet::Stun`].
    pub fn handle_stun(
        &mut self,
        now: Instant,
        src: impl Into<Remote>,
        data: &[u8],
    ) -> StunOutcome {
        let src = src.into();
        if self.state == PeerState::Ended {
            return StunOutcome::Ignored;
        }
        match self.ice.handle(now, src, data) {
            Checked::Valid { answer, nominated } => {
                self.send(src, answer);
                if nominated {
                    self.events.push_back(PeerEvent::AddressChanged(src));
                }
                if let Some(dtls) = &mut self.dtls {
                    let event = dtls.start(now);
                    self.after_dtls(event);
                }
                StunOutcome::Authenticated
            }
            Checked::Refused { answer } => {
                self.send(src, answer);
                StunOutcome::Refused
            }
            Checked::Ignored => StunOutcome::Ignored,
        }
    }

    /// A datagram of class [`super::Packet::Dtls`]; ignored unless `src` was authenticated.
    pub fn handle_dtls(&mut self, now: Instant, src: impl Into<Remote>, data: &[u8]) {
        if self.state == PeerState::Ended || !self.ice.is_valid(src.into()) {
            return;
        }
        if let Some(dtls) = &mut self.dtls {
            let event = dtls.handle(now, data);
            self.after_dtls(event);
        }
    }

    /// Sends what DTLS has queued and tells what it came to.
    fn after_dtls(&mut self, event: Option<DtlsEvent>) {
        if let (Some(dtls), Some(to)) = (&mut self.dtls, self.ice.control_addr()) {
            while let Some(datagram) = dtls.poll_transmit() {
                self.out.push_back((to, datagram));
            }
        }
        match event {
            Some(DtlsEvent::Connected(tx, rx)) => {
                self.srtp = Some((tx, rx));
                self.state = PeerState::Connected;
                self.events.push_back(PeerEvent::Connected);
            }
            Some(DtlsEvent::Failed(error)) => self.end(Gone::HandshakeFailed(error)),
            Some(DtlsEvent::Closed) => self.end(Gone::Closed),
            None => {}
        }
    }

    /// Connected with these keys, as after a handshake.
    #[cfg(feature = "given-keys")]
    pub fn connect_with(&mut self, (tx, rx): (SrtpTx, SrtpRx)) {
        if let Some(dtls) = &mut self.dtls {
            dtls.skip();
            self.after_dtls(Some(DtlsEvent::Connected(tx, rx)));
        }
    }

    fn end(&mut self, why: Gone) {
        self.state = PeerState::Ended;
        self.srtp = None;
        self.events.push_back(PeerEvent::Gone(why));
    }

    fn send(&mut self, to: Remote, datagram: Vec<u8>) {
        if self.out.len() < MAX_QUEUED {
            self.out.push_back((to, datagram));
        }
    }

    /// Runs what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.state == PeerState::Ended {
            return;
        }
        if now >= self.ice.consent_ends() {
            self.end(Gone::ConsentExpired);
            return;
        }
        if let Some(dtls) = &mut self.dtls {
            let event = dtls.handle_timeout(now);
            self.after_dtls(event);
        }
    }

    /// When [`Peer::handle_timeout`] is wanted next. It moves with each authenticated packet: a
    /// shell may keep the older, earlier time and ask again then.
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.state == PeerState::Ended {
            return None;
        }
        let dtls = self.dtls.as_ref().and_then(Dtls::next_timeout);
        dtls.into_iter().chain([self.ice.consent_ends()]).min()
    }

    /// Control datagrams to send: STUN answers and DTLS. Drain after each call.
    pub fn poll_transmit(&mut self) -> Option<(Remote, Vec<u8>)> {
        self.out.pop_front()
    }

    /// Drain after each call.
    pub fn poll_event(&mut self) -> Option<PeerEvent> {
        self.events.pop_front()
    }

    pub fn state(&self) -> PeerState {
        self.state
    }

    /// Where media goes: the nominated address.
    pub fn remote_addr(&self) -> Option<Remote> {
        self.ice.selected()
    }

    /// Whether `src` passed a check and still counts: at most sixteen addresses do.
    pub fn is_valid_addr(&self, src: impl Into<Remote>) -> bool {
        self.ice.is_valid(src.into())
    }

    /// This way to the peer has ended (its stream was closed).
    pub fn forget_remote(&mut self, gone: Remote) {
        self.ice.forget(gone);
    }

    /// The sending context once connected.
    #[inline]
    pub fn srtp_tx(&self) -> Option<&SrtpTx> {
        self.srtp.as_ref().map(|(tx, _)| tx)
    }

    /// Both contexts once connected.
    #[inline]
    pub fn srtp(&mut self) -> Option<(&SrtpTx, &mut SrtpRx)> {
        self.srtp.as_mut().map(|(tx, rx)| (&*tx, rx))
    }

    /// Authenticates and decrypts an RTP packet in place; a good one refreshes consent.
    ///
    /// # Errors
    /// As [`SrtpRx::open_rtp`], and [`SrtpError::NotReady`] before the keys.
    #[inline]
    pub fn open_rtp(&mut self, now: Instant, packet: &mut [u8]) -> Result<Opened, SrtpError> {
        let (_, rx) = self.srtp.as_mut().ok_or(SrtpError::NotReady)?;
        let opened = rx.open_rtp(packet)?;
        self.ice.note_authenticated(now);
        Ok(opened)
    }

    /// Encrypts a compound RTCP packet in place and appends index and tag.
    ///
    /// # Errors
    /// As [`SrtpTx::seal_rtcp`], and [`SrtpError::NotReady`] before the keys.
    pub fn protect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let (tx, _) = self.srtp.as_mut().ok_or(SrtpError::NotReady)?;
        tx.seal_rtcp(packet)
    }

    /// Authenticates and decrypts an SRTCP packet in place; returns the length of the plain
    /// compound packet. A good one refreshes consent.
    ///
    /// # Errors
    /// As [`SrtpRx::open_rtcp`], and [`SrtpError::NotReady`] before the keys.
    pub fn unprotect_rtcp(&mut self, now: Instant, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let (_, rx) = self.srtp.as_mut().ok_or(SrtpError::NotReady)?;
        let len = rx.open_rtcp(packet)?;
        self.ice.note_authenticated(now);
        Ok(len)
    }

    /// Says goodbye (DTLS close_notify) without an event; drain [`Peer::poll_transmit`] once more.
    pub fn close(&mut self, now: Instant) {
        if self.state == PeerState::Ended {
            return;
        }
        if let Some(dtls) = &mut self.dtls {
            dtls.close(now);
        }
        self.after_dtls(None);
        self.state = PeerState::Ended;
        self.srtp = None;
    }
}

#[cfg(test)]
#[path = "peer_tests.rs"]
mod tests;
