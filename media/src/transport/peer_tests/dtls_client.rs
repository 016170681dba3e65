//! A hand-made client over `rtc::dtls`, for what str0m does not do: offer counter mode only, no
//! profile at all, or be the DTLS server (WHIP by FFmpeg offers `passive`).

use bytes::BytesMut;
use rtc::crypto::RTCCryptoProvider;
use rtc::crypto::providers::AwsLcRsProvider;
use rtc::dtls::config::{ClientAuthType, ConfigBuilder};
use rtc::dtls::crypto::Certificate;
use rtc::dtls::endpoint::Endpoint;
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::shared::TransportProtocol;
use rtc::srtp::context::Context;
use rtc::srtp::protection_profile::ProtectionProfile;

use super::*;

const GCM: SrtpProtectionProfile = SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm;
const CM: SrtpProtectionProfile = SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80;
const CM_32: SrtpProtectionProfile = SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32;

struct Client {
    now: Instant,
    peer: Peer,
    endpoint: Endpoint,
    provider: Arc<AwsLcRsProvider>,
    gone: Option<Gone>,
}

impl Client {
    /// `active`: the client role of DTLS.
    fn new(active: bool, profiles: &[SrtpProtectionProfile]) -> Self {
        let now = epoch();
        let provider = Arc::new(AwsLcRsProvider::new());
        let certificate =
            Certificate::generate_self_signed(vec!["test".to_owned()], provider.crypto()).unwrap();
        let digest =
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &certificate.certificate[0]);
        let fingerprint =
            crate::transport::Fingerprint { algorithm: "sha-256", digest: digest.as_ref().into() };
        let config = ConfigBuilder::default()
            .with_crypto_provider(provider.clone())
            .with_certificates(vec![certificate])
            .with_srtp_protection_profiles(profiles.to_vec())
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_insecure_skip_verify(true)
            .with_server_name("test".to_owned())
            .build(active, None)
            .map(Arc::new)
            .unwrap();
        let setup = if active { "actpass" } else { "passive" };
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
             m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:them\r\n\
             a=ice-pwd:twenty-two-characters-x\r\na=fingerprint:{fingerprint}\r\n\
             a=setup:{setup}\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"
        );
        let identity = Arc::new(DtlsIdentity::generate().unwrap());
        let mut peer = Peer::new(now, identity, credentials(5));
        peer.set_remote(now, &parse_offer(&offer).unwrap(), || unreachable!()).unwrap();
        let mut endpoint =
            Endpoint::new(addr(CLIENT), TransportProtocol::UDP, (!active).then(|| config.clone()));
        if active {
            assert_eq!(peer.setup(), Setup::Passive);
            endpoint.connect(now, addr(SERVER), config, None).unwrap();
        } else {
            assert_eq!(peer.setup(), Setup::Active);
        }
        let mut client = Self { now, peer, endpoint, provider, gone: None };
        client.check(addr(CLIENT));
        client
    }

    /// One connectivity check with nomination.
    fn check(&mut self, src: SocketAddr) {
        let local = self.peer.local_credentials();
        let request = stun::request(
            &[3; 12],
            &format!("{}:them", local.ufrag),
            1,
            true,
            &stun::integrity_key(&local.pwd),
        );
        assert_eq!(self.peer.handle_stun(self.now, src, &request), StunOutcome::Authenticated);
    }

    /// Exchanges datagrams until both are silent, then lets time pass; two seconds in all.
    fn run(&mut self) {
        for _ in 0..20 {
            self.exchange();
            self.now += Duration::from_millis(100);
            self.peer.handle_timeout(self.now);
            let _ = self.endpoint.handle_timeout(addr(SERVER), self.now);
        }
    }

    fn exchange(&mut self) {
        loop {
            let mut idle = true;
            while let Some(transmit) = self.endpoint.poll_transmit() {
                idle = false;
                self.peer.handle_dtls(self.now, addr(CLIENT), &transmit.message);
            }
            while let Some((_, data)) = self.peer.poll_transmit() {
                if classify(&data) == Packet::Dtls {
                    idle = false;
                    let _ =
                        self.endpoint.read(self.now, addr(SERVER), None, BytesMut::from(&data[..]));
                }
            }
            while let Some(event) = self.peer.poll_event() {
                if let PeerEvent::Gone(why) = event {
                    self.gone = Some(why);
                }
            }
            if idle {
                return;
            }
        }
    }

    /// The client's write context, from the keys on its side.
    fn context(&self, profile: ProtectionProfile) -> Context {
        let state = self.endpoint.get_connection_state(addr(SERVER)).unwrap();
        let salt = profile.salt_len();
        let material =
            state.export_keying_material("EXTRACTOR-dtls_srtp", &[], 2 * (16 + salt)).unwrap();
        let material: &[u8] = material.as_ref();
        let (key, salt_at) = if state.is_client() { (0, 32) } else { (16, 32 + salt) };
        Context::new(
            &material[key..key + 16],
            &material[salt_at..salt_at + salt],
            profile,
            None,
            None,
            self.provider.crypto(),
        )
        .unwrap()
    }

    fn sends(&mut self, profile: ProtectionProfile) -> Result<Opened, SrtpError> {
        let mut packet = vec![0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
        packet.extend(b"voice");
        let mut sealed = self.context(profile).encrypt_rtp(&packet).unwrap().to_vec();
        self.peer.open_rtp(self.now, &mut sealed)
    }
}

#[test]
fn gcm_wins_over_the_clients_order() {
    let mut client = Client::new(true, &[CM, GCM]);
    client.run();
    assert_eq!(client.peer.srtp_tx().unwrap().profile(), Profile::AeadAes128Gcm);
    assert!(client.sends(ProtectionProfile::AeadAes128Gcm).is_ok());
}

#[test]
fn counter_mode_serves_clients_without_gcm() {
    let mut client = Client::new(true, &[CM_32, CM]);
    client.run();
    assert_eq!(client.peer.srtp_tx().unwrap().profile(), Profile::Aes128CmSha1_80);
    assert!(client.sends(ProtectionProfile::Aes128CmHmacSha1_80).is_ok());
}

#[test]
fn no_common_profile_ends_the_handshake() {
    let mut client = Client::new(true, &[CM_32]);
    client.run();
    assert_eq!(client.gone, Some(Gone::HandshakeFailed(DtlsError::NoProfile)));
}

#[test]
fn we_are_the_dtls_client_of_a_passive_offerer() {
    for (theirs, ours, reference) in [
        (GCM, Profile::AeadAes128Gcm, ProtectionProfile::AeadAes128Gcm),
        (CM, Profile::Aes128CmSha1_80, ProtectionProfile::Aes128CmHmacSha1_80),
    ] {
        let mut client = Client::new(false, &[theirs]);
        client.run();
        assert_eq!(client.gone, None);
        assert_eq!(client.peer.srtp_tx().unwrap().profile(), ours);
        assert!(client.sends(reference).is_ok());
    }
}

#[test]
fn a_silent_dtls_side_times_out() {
    let mut client = Client::new(true, &[GCM]);
    for _ in 0..400 {
        client.now += Duration::from_millis(100);
        let now = client.now;
        client.check(addr(CLIENT));
        client.peer.handle_timeout(now);
        client.exchange_only_events();
        if client.gone.is_some() {
            break;
        }
    }
    assert_eq!(client.gone, Some(Gone::HandshakeFailed(DtlsError::TimedOut)));

    // As DTLS client we repeat the first flight, with growing pauses, and then give up.
    let mut client = Client::new(false, &[GCM]);
    let mut hellos = 0;
    for _ in 0..400 {
        client.now += Duration::from_millis(100);
        let now = client.now;
        client.peer.handle_timeout(now);
        while let Some((_, data)) = client.peer.poll_transmit() {
            hellos += usize::from(classify(&data) == Packet::Dtls);
        }
        client.exchange_only_events();
    }
    assert_eq!(hellos, 8, "the first and seven repeats");
    assert_eq!(client.gone, Some(Gone::HandshakeFailed(DtlsError::TimedOut)));
}

impl Client {
    fn exchange_only_events(&mut self) {
        while self.peer.poll_transmit().is_some_and(|(_, data)| classify(&data) == Packet::Stun) {}
        while let Some(event) = self.peer.poll_event() {
            if let PeerEvent::Gone(why) = event {
                self.gone.get_or_insert(why);
            }
        }
    }
}
