//! Bad datagrams: no panic, no answer that believes, no state, nobody disturbed.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;

const STRANGER: &str = "203.0.113.9:1234";

fn check(peer: &Peer, pwd: &str, extra: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let local = peer.local_credentials();
    let remote = "them";
    let mut request = stun::request(
        &[3; 12],
        &format!("{}:{remote}", local.ufrag),
        1,
        true,
        &stun::integrity_key(pwd),
    );
    extra(&mut request);
    request
}

fn waiting_peer() -> Peer {
    let mut call = Call::new();
    let mut api = call.client.sdp_api();
    api.add_media(Kind::Audio, Dir::SendRecv, None, None, None);
    let (offer, _) = api.apply().unwrap();
    let mut offer = parse_offer(&offer.to_sdp_string()).unwrap();
    offer.ice.ufrag = "them".into();
    let now = call.now;
    call.peer.set_remote(now, &offer, || unreachable!()).unwrap();
    call.peer
}

fn error_code(peer: &mut Peer) -> Option<u16> {
    let (_, data) = peer.poll_transmit()?;
    stun::Message::parse(&data).unwrap().error_code
}

#[test]
fn checks_without_the_password_are_refused() {
    let now = epoch();
    let mut peer = waiting_peer();
    let pwd = peer.local_credentials().pwd.clone();
    let stranger = addr(STRANGER);

    let wrong = check(&peer, "not the password, sorry", |_| {});
    assert_eq!(peer.handle_stun(now, stranger, &wrong), StunOutcome::Refused);
    assert_eq!(error_code(&mut peer), Some(401));

    let ufrag = peer.local_credentials().ufrag.clone();
    let key = stun::integrity_key(&pwd);
    let other = stun::request(&[1; 12], &format!("{ufrag}:other"), 1, true, &key);
    assert_eq!(peer.handle_stun(now, stranger, &other), StunOutcome::Refused);
    assert_eq!(error_code(&mut peer), Some(401));

    let bare = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[5; 12]].concat();
    assert_eq!(peer.handle_stun(now, stranger, &bare), StunOutcome::Refused);
    assert_eq!(error_code(&mut peer), Some(400));

    let spoilt = check(&peer, &pwd, |request| *request.last_mut().unwrap() ^= 1);
    assert_eq!(peer.handle_stun(now, stranger, &spoilt), StunOutcome::Ignored);
    assert_eq!(error_code(&mut peer), None);
    assert_eq!((peer.remote_addr(), peer.poll_event()), (None, None));
    assert!(!peer.is_valid_addr(stranger));
}

#[test]
fn remembered_addresses_are_bounded() {
    let now = epoch();
    let mut peer = waiting_peer();
    let key = stun::integrity_key(&peer.local_credentials().pwd);
    let name = format!("{}:them", peer.local_credentials().ufrag);
    for port in 1_000..2_000u16 {
        let src = SocketAddr::new([192, 0, 2, 1].into(), port);
        let mut transaction = [0; 12];
        transaction[..2].copy_from_slice(&port.to_be_bytes());
        let request = stun::request(&transaction, &name, 1, true, &key);
        let at = now + Duration::from_millis(u64::from(port));
        assert_eq!(peer.handle_stun(at, src, &request), StunOutcome::Authenticated);
        while peer.poll_transmit().is_some() {}
    }
    let valid = (1_000..2_000u16)
        .filter(|port| peer.is_valid_addr(SocketAddr::new([192, 0, 2, 1].into(), *port)))
        .count();
    assert_eq!(valid, 16);
    assert_eq!(peer.remote_addr().unwrap().addr.port(), 1_999);
}

#[test]
fn a_check_that_was_read_on_its_way_draws_the_media_nowhere() {
    let now = epoch();
    let mut peer = waiting_peer();
    let pwd = peer.local_credentials().pwd.clone();
    let (owner, stranger) = (addr("192.0.2.7:5000"), addr(STRANGER));
    let request = check(&peer, &pwd, |_| {});
    assert_eq!(peer.handle_stun(now, owner, &request), StunOutcome::Authenticated);
    while peer.poll_transmit().is_some() {}
    assert_eq!(peer.handle_stun(now, stranger, &request), StunOutcome::Ignored);
    assert!(peer.poll_transmit().is_none() && !peer.is_valid_addr(stranger));
    // Its owner may send it again: the answer was lost.
    assert_eq!(peer.handle_stun(now, owner, &request), StunOutcome::Authenticated);
    assert_eq!(peer.remote_addr(), Some(owner.into()));
}

#[test]
fn dtls_from_strangers_is_not_looked_at() {
    let mut call = Call::new();
    call.negotiate(|offer| offer);
    let hello = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
    let now = call.now;
    call.peer.handle_dtls(now, addr(STRANGER), &hello);
    assert!(call.peer.poll_transmit().is_none());
}

/// Everything that was said in a whole call, by either side.
fn recorded_call() -> (Call, Vec<Vec<u8>>) {
    let mut call = Call::new();
    let log = Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = Arc::clone(&log);
    call.link = Box::new(move |_, data| {
        sink.lock().unwrap().push(data.to_vec());
        true
    });
    let mid = call.connect();
    for seq in 1..20 {
        call.client_sends(mid, seq, &[seq as u8; 60]);
        call.peer_sends(seq, &[seq as u8; 60]);
        call.run(Duration::from_millis(20), |_| false);
    }
    call.run(Duration::from_secs(2), |_| false);
    let packets = log.lock().unwrap().clone();
    (call, packets)
}

/// Damages what a packet's authentication covers: of a check all but FINGERPRINT.
fn mutate(packet: &mut Vec<u8>, edits: &[(u16, u8)], cut: u16) {
    let covered = match classify(packet) {
        Packet::Stun => packet.len() - 8,
        _ => packet.len(),
    };
    for (at, xor) in edits {
        packet[usize::from(*at) % covered] ^= xor;
    }
    packet.truncate(usize::from(cut) % (packet.len() + 1));
}

fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// A hundred thousand damaged packets into a running call: it goes on as if nothing had been.
#[test]
fn mutations_do_not_disturb_a_running_call() {
    let (mut call, packets) = recorded_call();
    let genuine: HashSet<&[u8]> = packets.iter().map(Vec::as_slice).collect();
    let strategy = (
        any::<prop::sample::Index>(),
        prop::collection::vec((any::<u16>(), 1u8..), 1..4),
        any::<u16>(),
        any::<bool>(),
    );
    let mut runner = runner(1);
    for _ in 0..100_000 {
        let (which, edits, cut, stranger) = strategy.new_tree(&mut runner).unwrap().current();
        let mut packet = packets[which.index(packets.len())].clone();
        let cut = if cut % 4 == 0 { cut } else { packet.len() as u16 };
        mutate(&mut packet, &edits, cut);
        // Edits that undo each other would replay a good packet; ICE has no guard against that.
        if genuine.contains(packet.as_slice()) {
            continue;
        }
        let src = addr(if stranger { STRANGER } else { CLIENT });
        call.arrive(src, &mut packet);
        while call.peer.poll_transmit().is_some() {}
    }
    assert_eq!(call.peer.state(), PeerState::Connected);
    assert_eq!(call.gone(), None);
    assert_eq!(call.peer.remote_addr(), Some(addr(CLIENT).into()));
    assert!(!call.peer.is_valid_addr(addr(STRANGER)));
    let (_, rx) = call.peer.srtp().unwrap();
    assert!(rx.sources() <= 3, "one voice, its reports, no more: {}", rx.sources());
    let before = call.received.len();
    call.run(Duration::from_secs(3), |_| false);
    assert!(call.client.is_connected());
    assert_eq!(call.received.len(), before);
}

/// Damaged packets before and during the handshake end it at worst in a clean failure.
#[test]
fn mutations_during_the_handshake_never_panic() {
    let (_, packets) = recorded_call();
    let strategy = (
        any::<prop::sample::Index>(),
        prop::collection::vec((any::<u16>(), any::<u8>()), 0..3),
        any::<u16>(),
    );
    let mut runner = runner(1);
    for _ in 0..40 {
        let mut call = Call::new();
        call.negotiate(|offer| offer);
        call.run(Duration::from_millis(25), |_| false);
        for _ in 0..250 {
            let (which, edits, cut) = strategy.new_tree(&mut runner).unwrap().current();
            let mut packet = packets[which.index(packets.len())].clone();
            let cut = if cut % 4 == 0 { cut } else { packet.len() as u16 };
            mutate(&mut packet, &edits, cut);
            call.arrive(addr(CLIENT), &mut packet);
            while call.peer.poll_transmit().is_some() {}
        }
        assert!(call.received.is_empty());
    }
}
