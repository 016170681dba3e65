//! DTLS 1.2 of one peer over `rtc::dtls` (RFC 6347, RFC 5764, RFC 8842).

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use bytes::BytesMut;
use rtc::crypto::RTCCryptoProvider;
use rtc::dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc::dtls::crypto::Certificate;
use rtc::dtls::endpoint::{Endpoint, EndpointEvent};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::shared::TransportProtocol;
use rtc::shared::error::Error;
use thiserror::Error;

use super::dtls_crypto;
use super::dtls_hello::{HelloCollector, OfferedProfiles, is_handshake, is_well_formed};
use super::srtp_kdf::Master;
use super::{Fingerprint, Profile, Setup, SrtpRx, SrtpTx, srtp};

/// One association per endpoint under a constant name, so that a change of the remote address is
/// none for the library.
const REMOTE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// First retransmission of a flight; doubles up to [`RETRANSMIT_MAX`]. The library gives up after
/// seven, that is after 10 s.
const RETRANSMIT_MIN: Duration = Duration::from_millis(200);
const RETRANSMIT_MAX: Duration = Duration::from_millis(1_800);

/// From the first valid address to the keys.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// Datagrams taken during a handshake (a lossless one has four), and handshake datagrams after it
/// (repeats of the last flight). What comes beyond is dropped, so that nobody fills memory.
const HANDSHAKE_BUDGET: u32 = 128;
const REPEAT_BUDGET: u32 = 32;

/// Datagrams kept until the ClientHello is whole.
const MAX_HELD: usize = 8;

/// Datagrams that may wait to be sent.
const MAX_QUEUED: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DtlsError {
    #[error("certificate: {0}")]
    Certificate(String),
    #[error("the certificate does not match the fingerprint of the offer")]
    FingerprintMismatch,
    #[error("no common SRTP profile")]
    NoProfile,
    #[error("handshake: {0}")]
    Handshake(String),
    #[error("no answer from the peer")]
    TimedOut,
}

/// The process's certificate: one ECDSA P-256 key for all peers.
pub struct DtlsIdentity {
    certificate: Certificate,
    fingerprint: Fingerprint,
    provider: Arc<dyn RTCCryptoProvider>,
}

impl DtlsIdentity {
    /// A fresh key and self-signed certificate, for the life of the process.
    ///
    /// # Errors
    /// When the crypto library cannot make a key.
    pub fn generate() -> Result<Self, DtlsError> {
        let provider: Arc<dyn RTCCryptoProvider> = Arc::new(dtls_crypto::Provider::new());
        let certificate =
            Certificate::generate_self_signed(vec!["yuntang".to_owned()], provider.crypto())
                .map_err(|error| DtlsError::Certificate(error.to_string()))?;
        let der = certificate
            .certificate
            .first()
            .ok_or_else(|| DtlsError::Certificate("none was made".to_owned()))?;
        let fingerprint = Fingerprint {
            algorithm: "sha-256",
            digest: digest::digest(&digest::SHA256, der).as_ref().to_vec(),
        };
        Ok(Self { certificate, fingerprint, provider })
    }

    /// SHA-256 of the certificate, for the answer's `a=fingerprint`.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn config(
        &self,
        is_client: bool,
        profiles: Vec<SrtpProtectionProfile>,
        expected: &Fingerprint,
    ) -> Result<Arc<HandshakeConfig>, DtlsError> {
        let expected = expected.clone();
        ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(&self.provider))
            .with_certificates(vec![self.certificate.clone()])
            .with_srtp_protection_profiles(profiles)
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            // There is no chain to verify: the fingerprint of the offer decides.
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_flight_interval(RETRANSMIT_MIN)
            .with_server_name("yuntang".to_owned())
            .with_verify_peer_certificate(Some(Arc::new(move |chain: &[Vec<u8>], _: &[_]| {
                if matches(&expected, chain) { Ok(()) } else { Err(Error::ErrInvalidCertificate) }
            })))
            .build(is_client, None)
            .map(Arc::new)
            .map_err(|error| DtlsError::Handshake(error.to_string()))
    }
}

/// Whether the leaf certificate has the expected digest (RFC 8122 section 5).
fn matches(expected: &Fingerprint, chain: &[Vec<u8>]) -> bool {
    let algorithm = match expected.algorithm {
        "sha-256" => &digest::SHA256,
        "sha-384" => &digest::SHA384,
        "sha-512" => &digest::SHA512,
        _ => return false,
    };
    chain.first().is_some_and(|leaf| digest::digest(algorithm, leaf).as_ref() == expected.digest)
}

/// What a step of the handshake led to.
pub(super) enum DtlsEvent {
    Connected(SrtpTx, SrtpRx),
    Failed(DtlsError),
    /// close_notify or a fatal alert of an established association.
    Closed,
}

enum State {
    /// Server: until the first ClientHello is whole. Client: until there is an address.
    Waiting,
    Handshaking,
    Connected,
    Ended,
}

pub(super) struct Dtls {
    identity: Arc<DtlsIdentity>,
    expected: Fingerprint,
    /// Ours; `Active` is the client.
    role: Setup,
    state: State,
    endpoint: Option<Endpoint>,
    hello: HelloCollector,
    held: Vec<BytesMut>,
    out: VecDeque<BytesMut>,
    budget: u32,
    retransmits: u32,
    deadline: Option<Instant>,
}

impl Dtls {
    /// `offered` is the role in the offer (RFC 8842 section 5.2): we are passive unless the other
    /// side is.
    pub(super) fn new(identity: Arc<DtlsIdentity>, offered: Setup, expected: Fingerprint) -> Self {
        let role = if offered == Setup::Passive { Setup::Active } else { Setup::Passive };
        Self {
            identity,
            expected,
            role,
            state: State::Waiting,
            endpoint: None,
            hello: HelloCollector::default(),
            held: Vec::new(),
            out: VecDeque::new(),
            budget: HANDSHAKE_BUDGET,
            retransmits: 0,
            deadline: None,
        }
    }

    pub(super) fn role(&self) -> Setup {
        self.role
    }

    pub(super) fn expected(&self) -> &Fingerprint {
        &self.expected
    }

    /// The remote has a valid address: the clock runs, and as client we begin.
    pub(super) fn start(&mut self, now: Instant) -> Option<DtlsEvent> {
        if !matches!(self.state, State::Waiting) || self.deadline.is_some() {
            return None;
        }
        self.deadline = Some(now + HANDSHAKE_TIMEOUT);
        if self.role != Setup::Active {
            return None;
        }
        let profiles = vec![
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
        ];
        let mut endpoint = Endpoint::new(REMOTE, TransportProtocol::UDP, None);
        let begun = self.identity.config(true, profiles, &self.expected).and_then(|config| {
            endpoint
                .connect(now, REMOTE, config, None)
                .map_err(|error| DtlsError::Handshake(error.to_string()))
        });
        self.endpoint = Some(endpoint);
        self.state = State::Handshaking;
        self.drain();
        begun.err().map(|error| self.fail(error))
    }

    /// One datagram from a valid address.
    pub(super) fn handle(&mut self, now: Instant, datagram: &[u8]) -> Option<DtlsEvent> {
        if matches!(self.state, State::Ended) || !is_well_formed(datagram) {
            return None;
        }
        let counts = !matches!(self.state, State::Connected) || is_handshake(datagram);
        if counts {
            self.budget = self.budget.checked_sub(1)?;
        }
        let datagram = BytesMut::from(datagram);
        if matches!(self.state, State::Waiting) {
            return self.handle_first(now, datagram);
        }
        self.read(now, datagram)
    }

    /// Before the server knows the profiles that the client offers.
    fn handle_first(&mut self, now: Instant, datagram: BytesMut) -> Option<DtlsEvent> {
        if self.role != Setup::Passive {
            return None;
        }
        let profiles = self.hello.push(&datagram);
        if self.held.len() == MAX_HELD {
            self.held.remove(0);
        }
        self.held.push(datagram);
        let profile = match profiles? {
            OfferedProfiles { gcm: true, .. } => SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
            OfferedProfiles { cm: true, .. } => SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
            _ => return Some(self.fail(DtlsError::NoProfile)),
        };
        let config = match self.identity.config(false, vec![profile], &self.expected) {
            Ok(config) => config,
            Err(error) => return Some(self.fail(error)),
        };
        self.endpoint = Some(Endpoint::new(REMOTE, TransportProtocol::UDP, Some(config)));
        self.state = State::Handshaking;
        self.hello = HelloCollector::default();
        let mut event = None;
        for datagram in std::mem::take(&mut self.held) {
            event = event.or(self.read(now, datagram));
        }
        event
    }

    fn read(&mut self, now: Instant, datagram: BytesMut) -> Option<DtlsEvent> {
        let endpoint = self.endpoint.as_mut()?;
        let armed = endpoint.poll_timeout(&REMOTE);
        let result = endpoint.read(now, REMOTE, None, datagram);
        if endpoint.poll_timeout(&REMOTE) != armed {
            self.retransmits = 0;
        }
        self.drain();
        match result {
            Ok(events) => {
                let mut out = None;
                for event in events {
                    match event {
                        EndpointEvent::HandshakeComplete => out = Some(self.connected()),
                        EndpointEvent::PeerClosed => {
                            let early = matches!(self.state, State::Handshaking);
                            self.state = State::Ended;
                            out = Some(if early {
                                DtlsEvent::Failed(DtlsError::Handshake("closed".to_owned()))
                            } else {
                                DtlsEvent::Closed
                            });
                        }
                        // Data channels come later.
                        _ => {}
                    }
                }
                out
            }
            Err(error) => self.refused(&error),
        }
    }

    fn refused(&mut self, error: &Error) -> Option<DtlsEvent> {
        match (&self.state, error) {
            (State::Connected, Error::ErrAlertFatalOrClose) => {
                self.state = State::Ended;
                Some(DtlsEvent::Closed)
            }
            // A warning alert, which the library reports as an error of this kind.
            (_, Error::Other(text)) if text.starts_with("Error of Alert") => None,
            (State::Connected, _) => None,
            (_, Error::ErrInvalidCertificate) => Some(self.fail(DtlsError::FingerprintMismatch)),
            (_, Error::ErrServerNoMatchingSrtpProfile | Error::ErrClientNoMatchingSrtpProfile) => {
                Some(self.fail(DtlsError::NoProfile))
            }
            (_, error) => Some(self.fail(DtlsError::Handshake(error.to_string()))),
        }
    }

    /// There is no handshake: keys are given.
    #[cfg(feature = "given-keys")]
    pub(super) fn skip(&mut self) {
        self.state = State::Connected;
        self.deadline = None;
    }

    /// The handshake is complete: exports the keys.
    fn connected(&mut self) -> DtlsEvent {
        match self.keys() {
            Ok((tx, rx)) => {
                self.state = State::Connected;
                self.deadline = None;
                self.budget = REPEAT_BUDGET;
                DtlsEvent::Connected(tx, rx)
            }
            Err(error) => self.fail(error),
        }
    }

    fn keys(&self) -> Result<(SrtpTx, SrtpRx), DtlsError> {
        let state = self
            .endpoint
            .as_ref()
            .and_then(|endpoint| endpoint.get_connection_state(REMOTE))
            .ok_or_else(|| DtlsError::Handshake("no association".to_owned()))?;
        // The callback has refused a wrong one already; no key leaves here on its word alone.
        if !matches(&self.expected, &state.peer_certificates) {
            return Err(DtlsError::FingerprintMismatch);
        }
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Profile::AeadAes128Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Profile::Aes128CmSha1_80,
            _ => return Err(DtlsError::NoProfile),
        };
        let material = state
            .export_keying_material("EXTRACTOR-dtls_srtp", &[], Master::exported_len(profile))
            .map_err(|error| DtlsError::Handshake(error.to_string()))?;
        srtp::contexts(profile, material.as_ref(), state.is_client())
            .map_err(|error| DtlsError::Handshake(error.to_string()))
    }

    fn fail(&mut self, error: DtlsError) -> DtlsEvent {
        self.state = State::Ended;
        self.held.clear();
        DtlsEvent::Failed(error)
    }

    fn drain(&mut self) {
        let Some(endpoint) = &mut self.endpoint else { return };
        while let Some(transmit) = endpoint.poll_transmit() {
            if self.out.len() < MAX_QUEUED {
                self.out.push_back(transmit.message);
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<DtlsEvent> {
        if matches!(self.state, State::Connected | State::Ended) {
            return None;
        }
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            return Some(self.fail(DtlsError::TimedOut));
        }
        if self.retransmission().is_none_or(|at| now < at) {
            return None;
        }
        self.retransmits += 1;
        let result = self.endpoint.as_mut()?.handle_timeout(REMOTE, now);
        self.drain();
        result.err().map(|_| self.fail(DtlsError::TimedOut))
    }

    /// The library repeats at a fixed interval; the backoff (RFC 6347 section 4.2.4.1) is ours, by
    /// asking it later.
    fn retransmission(&self) -> Option<Instant> {
        let armed = self.endpoint.as_ref()?.poll_timeout(&REMOTE)?;
        let interval = RETRANSMIT_MIN.saturating_mul(1 << self.retransmits.min(8));
        Some(armed + (interval.min(RETRANSMIT_MAX) - RETRANSMIT_MIN))
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Connected | State::Ended => None,
            _ => self.deadline.into_iter().chain(self.retransmission()).min(),
        }
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front().map(Vec::from)
    }

    /// Queues close_notify.
    pub(super) fn close(&mut self, now: Instant) {
        if let (State::Connected, Some(endpoint)) = (&self.state, &mut self.endpoint) {
            // Nothing is left to be told about a failure to say goodbye.
            let _ = endpoint.close(now);
            self.drain();
        }
        self.state = State::Ended;
    }
}
