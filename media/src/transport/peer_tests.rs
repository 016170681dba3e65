//! Two independent stacks as the other side, on virtual time: str0m, and `rtc::dtls` where str0m
//! cannot be made to do what is asked.

use std::net::SocketAddr;
use std::time::Duration;

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction as Dir, MediaKind as Kind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::SeqNo;
use str0m::{Candidate, Event, Input, Output, Rtc};

use super::*;
use crate::transport::stun;
use crate::transport::{
    AnswerMedia, AnswerParams, LocalStream, Packet, Profile, TAG_SPACE, build_answer, classify,
    negotiate, parse_offer,
};

#[path = "peer_tests/dtls_client.rs"]
mod dtls_client;
#[path = "peer_tests/hostile.rs"]
mod hostile;

/// The one clock reading: where virtual time begins.
#[allow(clippy::disallowed_methods)]
fn epoch() -> Instant {
    Instant::now()
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

const SERVER: &str = "198.51.100.1:8443";
const CLIENT: &str = "192.0.2.7:50000";

fn credentials(seed: u8) -> IceCredentials {
    IceCredentials::from_random(&std::array::from_fn(|i| {
        seed.wrapping_mul(31).wrapping_add(i as u8)
    }))
}

type Link = Box<dyn FnMut(bool, &[u8]) -> bool>;

/// Our peer and a str0m client on a lossless link of 10 ms, with a say over what is dropped.
struct Call {
    now: Instant,
    peer: Peer,
    client: Rtc,
    client_addr: SocketAddr,
    identity: Arc<DtlsIdentity>,
    restarts: u8,
    /// Called with each datagram (true: from the client); false drops it.
    link: Link,
    in_flight: VecDeque<(Instant, bool, SocketAddr, Vec<u8>)>,
    client_events: Vec<Event>,
    peer_events: Vec<PeerEvent>,
    /// Authenticated media of the client: payload and extended sequence number.
    received: Vec<(Vec<u8>, u64)>,
    received_rtcp: usize,
    version: u64,
}

impl Call {
    fn new() -> Self {
        let now = epoch();
        let identity = Arc::new(DtlsIdentity::generate().unwrap());
        let client = Rtc::builder().set_rtp_mode(true).build(now);
        Self::with(now, identity, client)
    }

    fn with(now: Instant, identity: Arc<DtlsIdentity>, mut client: Rtc) -> Self {
        client.add_local_candidate(Candidate::host(addr(CLIENT), "udp").unwrap());
        Self {
            now,
            peer: Peer::new(now, Arc::clone(&identity), credentials(1)),
            client,
            client_addr: addr(CLIENT),
            identity,
            restarts: 0,
            link: Box::new(|_, _| true),
            in_flight: VecDeque::new(),
            client_events: Vec::new(),
            peer_events: Vec::new(),
            received: Vec::new(),
            received_rtcp: 0,
            version: 0,
        }
    }

    /// Offers one sendrecv audio and answers it; `change` may spoil the offer on its way.
    fn negotiate(&mut self, change: impl FnOnce(String) -> String) -> Mid {
        let mut api = self.client.sdp_api();
        let mid = api.add_media(Kind::Audio, Dir::SendRecv, None, None, None);
        let (offer, pending) = api.apply().unwrap();
        self.answer(&change(offer.to_sdp_string()), pending);
        mid
    }

    fn answer(&mut self, offer: &str, pending: SdpPendingOffer) -> RemoteChange {
        let offer = parse_offer(offer).unwrap();
        let fresh = credentials(100 + self.restarts);
        self.restarts += 1;
        let change = self.peer.set_remote(self.now, &offer, || fresh).unwrap();
        let media: Vec<AnswerMedia> = offer
            .media
            .iter()
            .map(|m| AnswerMedia::Accept {
                direction: m.direction.reversed(),
                negotiated: negotiate(m).unwrap(),
                local: Some(LocalStream {
                    ssrc: 77,
                    rtx_ssrc: None,
                    cname: "yuntang".into(),
                    stream: "s".into(),
                    track: "t".into(),
                }),
            })
            .collect();
        self.version += 1;
        let text = build_answer(
            &offer,
            &AnswerParams {
                session_id: 1,
                version: self.version,
                ice: self.peer.local_credentials(),
                fingerprint: self.identity.fingerprint(),
                candidates: &[addr(SERVER)],
                tcp_candidates: &[],
                setup: self.peer.setup(),
            },
            &media,
        );
        let answer = SdpAnswer::from_sdp_string(&text).unwrap();
        self.client.sdp_api().accept_answer(pending, answer).unwrap();
        change
    }

    /// Runs virtual time until `until` holds or `limit` passes; whether it held.
    fn run(&mut self, limit: Duration, mut until: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            self.pump();
            if until(self) {
                return true;
            }
            let mut next = self.now + Duration::from_millis(20);
            if let Some((at, ..)) = self.in_flight.front() {
                next = next.min(*at);
            }
            if let Some(at) = self.peer.next_timeout() {
                next = next.min(at);
            }
            self.now = next.max(self.now + Duration::from_millis(1));
            if self.now > end {
                return false;
            }
        }
    }

    fn pump(&mut self) {
        self.client.handle_input(Input::Timeout(self.now)).unwrap();
        self.peer.handle_timeout(self.now);
        while self.in_flight.front().is_some_and(|(at, ..)| *at <= self.now) {
            let (_, to_peer, client_addr, mut data) = self.in_flight.pop_front().unwrap();
            if to_peer {
                self.arrive(client_addr, &mut data);
            } else if client_addr == self.client_addr
                && let Ok(contents) = data.as_slice().try_into()
            {
                let receive = Receive {
                    proto: Protocol::Udp,
                    source: addr(SERVER),
                    destination: addr(CLIENT),
                    contents,
                };
                self.client.handle_input(Input::Receive(self.now, receive)).unwrap();
            }
        }
        loop {
            match self.client.poll_output().unwrap() {
                Output::Timeout(_) => break,
                Output::Event(event) => self.client_events.push(event),
                Output::Transmit(t) => self.send(true, self.client_addr, t.contents.to_vec()),
            }
        }
        while let Some((to, data)) = self.peer.poll_transmit() {
            self.send(false, to.addr, data);
        }
        while let Some(event) = self.peer.poll_event() {
            self.peer_events.push(event);
        }
    }

    fn send(&mut self, to_peer: bool, client_addr: SocketAddr, data: Vec<u8>) {
        if (self.link)(to_peer, &data) {
            let at = self.now + Duration::from_millis(10);
            self.in_flight.push_back((at, to_peer, client_addr, data));
        }
    }

    /// What the shard does with a datagram.
    fn arrive(&mut self, src: SocketAddr, data: &mut [u8]) {
        match classify(data) {
            Packet::Stun => {
                self.peer.handle_stun(self.now, src, data);
            }
            Packet::Dtls => self.peer.handle_dtls(self.now, src, data),
            Packet::Rtp => {
                if let Ok(opened) = self.peer.open_rtp(self.now, data) {
                    let payload = data[opened.header_len..opened.payload_end].to_vec();
                    self.received.push((payload, opened.ext_seq));
                }
            }
            Packet::Rtcp => {
                if self.peer.unprotect_rtcp(self.now, data).is_ok() {
                    self.received_rtcp += 1;
                }
            }
            Packet::Unknown => {}
        }
    }

    fn connect(&mut self) -> Mid {
        let mid = self.negotiate(|offer| offer);
        let up = self.run(Duration::from_secs(10), |call| {
            call.client.is_connected() && call.peer.state() == PeerState::Connected
        });
        assert!(up, "connects: {:?}", self.peer_events);
        mid
    }

    fn client_sends(&mut self, mid: Mid, seq: u64, payload: &[u8]) {
        let now = self.now;
        let mut api = self.client.direct_api();
        let stream = api.stream_tx_by_mid(mid, None).unwrap();
        stream.write_rtp(str0m::rtp::RtpWrite::new(
            111.into(),
            SeqNo::from(seq),
            seq as u32 * 960,
            now,
            payload.to_vec(),
        ));
        self.client.handle_input(Input::Timeout(now)).unwrap();
    }

    fn peer_sends(&mut self, seq: u64, payload: &[u8]) {
        let mut packet = vec![0x80, 111];
        packet.extend((seq as u16).to_be_bytes());
        packet.extend((seq as u32 * 960).to_be_bytes());
        packet.extend(77u32.to_be_bytes());
        packet.extend(payload);
        let plain_len = packet.len();
        packet.resize(plain_len + TAG_SPACE, 0);
        let tx = self.peer.srtp_tx().unwrap();
        let sealed = tx.seal_rtp((seq >> 16) as u32, &mut packet, 12, plain_len);
        packet.truncate(sealed);
        let to = self.peer.remote_addr().unwrap().addr;
        self.send(false, to, packet);
    }

    fn client_payloads(&self) -> Vec<Vec<u8>> {
        self.client_events
            .iter()
            .filter_map(|event| match event {
                Event::RtpPacket(packet) => Some(packet.payload.to_vec()),
                _ => None,
            })
            .collect()
    }

    fn gone(&self) -> Option<&Gone> {
        self.peer_events.iter().find_map(|event| match event {
            PeerEvent::Gone(why) => Some(why),
            _ => None,
        })
    }
}

#[test]
fn str0m_connects_and_media_flows_both_ways() {
    let mut call = Call::new();
    let mid = call.connect();
    assert_eq!(call.peer.srtp_tx().unwrap().profile(), Profile::AeadAes128Gcm);
    assert_eq!(call.peer.remote_addr(), Some(addr(CLIENT).into()));
    assert!(call.peer_events.contains(&PeerEvent::AddressChanged(addr(CLIENT).into())));
    assert!(call.peer_events.contains(&PeerEvent::Connected));

    // Over a wrap of the sequence number.
    for seq in 65_520..65_560u64 {
        call.client_sends(mid, seq, format!("up {seq}").as_bytes());
        call.peer_sends(seq, format!("down {seq}").as_bytes());
        call.run(Duration::from_millis(20), |_| false);
    }
    call.run(Duration::from_secs(1), |_| false);
    let up: Vec<u64> = call.received.iter().map(|(_, seq)| *seq).collect();
    assert_eq!(up, (65_520..65_560).collect::<Vec<_>>());
    assert_eq!(call.received[39].0, b"up 65559");
    let down = call.client_payloads();
    assert_eq!(down.len(), 40);
    assert_eq!(down[39], b"down 65559");
    call.run(Duration::from_secs(6), |call| call.received_rtcp > 0);
    assert!(call.received_rtcp > 0, "reports arrive");
}

#[test]
fn our_rtcp_is_read_by_str0m() {
    let mut call = Call::new();
    let mid = call.connect();
    call.client_sends(mid, 1, b"x");
    call.run(Duration::from_millis(100), |_| false);
    // PLI for the client's stream: the clearest sign that it was read.
    let ssrc = {
        let mut api = call.client.direct_api();
        *api.stream_tx_by_mid(mid, None).unwrap().ssrc()
    };
    let mut pli = vec![0x81, 206, 0, 2];
    pli.extend(1u32.to_be_bytes());
    pli.extend(ssrc.to_be_bytes());
    call.peer.protect_rtcp(&mut pli).unwrap();
    call.send(false, addr(CLIENT), pli);
    let seen = call.run(Duration::from_secs(1), |call| {
        call.client_events.iter().any(|e| matches!(e, Event::KeyframeRequest(_)))
    });
    assert!(seen);
}

#[test]
fn a_lossy_handshake_is_repaired_by_retransmission() {
    let mut call = Call::new();
    // Every second DTLS datagram each way is lost.
    let (mut up, mut down) = (0, 0);
    call.link = Box::new(move |from_client, data| {
        if classify(data) != Packet::Dtls {
            return true;
        }
        let count = if from_client { &mut up } else { &mut down };
        *count += 1;
        *count % 2 == 0
    });
    call.negotiate(|offer| offer);
    let up = call.run(Duration::from_secs(20), |call| {
        call.client.is_connected() && call.peer.state() == PeerState::Connected
    });
    assert!(up, "{:?}", call.peer_events);
}

#[test]
fn a_wrong_fingerprint_is_refused() {
    let mut call = Call::new();
    call.negotiate(|offer| {
        let at = offer.find("a=fingerprint:sha-256 ").unwrap() + 22;
        let other = if &offer[at..at + 2] == "AA" { "BB" } else { "AA" };
        format!("{}{other}{}", &offer[..at], &offer[at + 2..])
    });
    call.run(Duration::from_secs(10), |call| call.peer.state() == PeerState::Ended);
    assert_eq!(call.gone(), Some(&Gone::HandshakeFailed(DtlsError::FingerprintMismatch)));
    assert!(call.peer.srtp_tx().is_none());
}

#[test]
fn silence_for_thirty_seconds_ends_consent() {
    let mut call = Call::new();
    call.connect();
    call.run(Duration::from_secs(60), |_| false);
    assert_eq!(call.gone(), None, "checks keep it alive");
    call.link = Box::new(|_, _| false);
    call.run(Duration::from_secs(29), |_| false);
    assert_eq!(call.gone(), None);
    call.run(Duration::from_secs(5), |_| false);
    assert_eq!(call.gone(), Some(&Gone::ConsentExpired));
    assert_eq!(call.peer.next_timeout(), None);
}

#[test]
fn a_client_that_never_comes_is_given_up() {
    let mut call = Call::new();
    call.negotiate(|offer| offer);
    let start = call.now;
    assert_eq!(call.peer.next_timeout(), Some(start + Duration::from_secs(30)));
    call.peer.handle_timeout(start + Duration::from_secs(29));
    assert_eq!(call.peer.poll_event(), None);
    call.peer.handle_timeout(start + Duration::from_secs(30));
    assert_eq!(call.peer.poll_event(), Some(PeerEvent::Gone(Gone::ConsentExpired)));
}

#[test]
fn ice_restart_keeps_media_and_keys() {
    let mut call = Call::new();
    let mid = call.connect();
    let old = call.peer.local_credentials().clone();

    let mut api = call.client.sdp_api();
    api.ice_restart(true);
    let (offer, pending) = api.apply().unwrap();
    assert_eq!(call.answer(&offer.to_sdp_string(), pending), RemoteChange::Restarted);
    assert_ne!(call.peer.local_credentials().ufrag, old.ufrag);
    assert_eq!(call.peer.local_ufrags().count(), 2, "the old pair goes on for now");
    call.peer_sends(1, b"during");
    let done = call.run(Duration::from_secs(5), |call| call.peer.local_ufrags().count() == 1);
    assert!(done, "a pair of the new session is nominated");
    call.client_sends(mid, 1, b"after");
    call.run(Duration::from_secs(1), |_| false);
    assert_eq!(call.received.last().unwrap().0, b"after");
    assert_eq!(call.peer.state(), PeerState::Connected);
}

#[test]
fn a_changed_address_is_followed() {
    let mut call = Call::new();
    let mid = call.connect();
    // The client's NAT gives it another port; its checks carry the nomination there.
    call.client_addr = addr("192.0.2.7:61111");
    let moved = call.run(Duration::from_secs(10), |call| {
        call.peer.remote_addr() == Some(call.client_addr.into())
    });
    assert!(moved);
    assert!(call.peer_events.contains(&PeerEvent::AddressChanged(addr("192.0.2.7:61111").into())));
    call.client_sends(mid, 1, b"moved");
    call.run(Duration::from_secs(1), |_| false);
    assert_eq!(call.received.last().unwrap().0, b"moved");
}

#[test]
fn goodbye_is_heard_on_both_sides() {
    let mut call = Call::new();
    call.connect();
    call.client.close().unwrap();
    let ended = call.run(Duration::from_secs(2), |call| call.peer.state() == PeerState::Ended);
    assert!(ended);
    assert_eq!(call.gone(), Some(&Gone::Closed));

    let mut call = Call::new();
    call.connect();
    let now = call.now;
    call.peer.close(now);
    let heard = call.run(Duration::from_secs(2), |call| {
        call.client_events.iter().any(|e| matches!(e, Event::Closed))
    });
    assert!(heard);
    assert_eq!(call.gone(), None, "our own close is no news");
}

#[test]
fn another_certificate_in_a_later_offer_is_refused() {
    let mut call = Call::new();
    call.connect();
    let mut other = Call::new();
    let mut api = other.client.sdp_api();
    api.add_media(Kind::Audio, Dir::SendRecv, None, None, None);
    let (offer, _) = api.apply().unwrap();
    let offer = parse_offer(&offer.to_sdp_string()).unwrap();
    let refused = call.peer.set_remote(call.now, &offer, || credentials(9));
    assert_eq!(refused, Err(TransportError::IdentityChanged));
    assert_eq!(call.peer.state(), PeerState::Connected);
}
