//! Two bots over a bare relay: the first one's media goes to the second one's slots.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use media::transport::{
    AnswerMedia, AnswerParams, DtlsIdentity, IceCredentials, LocalStream, MediaKind, Packet, Peer,
    TAG_SPACE, build_answer, classify, negotiate, parse_offer,
};

use super::*;

/// One bot's place at the relay.
struct Seat {
    peer: Peer,
    addresses: Vec<SocketAddr>,
}

type Seats = Arc<Mutex<Vec<Seat>>>;

/// SSRC of a kind on every receive slot.
fn ssrc_of(kind: MediaKind) -> u32 {
    if kind == MediaKind::Video { 1_000 } else { 2_000 }
}

fn take_seat(seats: &Seats, identity: &Arc<DtlsIdentity>, at: SocketAddr, sdp: &str) -> String {
    let offer = parse_offer(sdp).unwrap();
    let mut seats = seats.lock().unwrap();
    let seed = seats.len() as u8 + 1;
    let local = IceCredentials::from_random(&[seed; IceCredentials::RANDOM_LEN]);
    let mut peer = Peer::new(Instant::now(), Arc::clone(identity), local);
    peer.set_remote(Instant::now(), &offer, || unreachable!()).unwrap();
    let media: Vec<AnswerMedia> = offer
        .media
        .iter()
        .map(|m| AnswerMedia::Accept {
            direction: m.direction.reversed(),
            negotiated: negotiate(m).unwrap(),
            local: Some(LocalStream {
                ssrc: ssrc_of(m.kind),
                rtx_ssrc: None,
                cname: "relay".into(),
                stream: "s".into(),
                track: format!("t{}", m.mid),
            }),
        })
        .collect();
    let answer = build_answer(
        &offer,
        &AnswerParams {
            session_id: 1,
            version: 1,
            ice: peer.local_credentials(),
            fingerprint: identity.fingerprint(),
            candidates: &[at],
            tcp_candidates: &[],
            setup: peer.setup(),
        },
        &media,
    );
    seats.push(Seat { peer, addresses: Vec::new() });
    answer
}

/// Sends the plain packet on to the other seat under the slot's SSRC.
fn forward(socket: &UdpSocket, to: &Seat, plain: &[u8], header_len: usize) {
    let (Some(tx), Some(addr)) = (to.peer.srtp_tx(), to.peer.remote_addr()) else { return };
    let mut packet = plain.to_vec();
    let is_video = packet[1] & 0x7f == 96;
    let kind = if is_video { MediaKind::Video } else { MediaKind::Audio };
    packet[8..12].copy_from_slice(&ssrc_of(kind).to_be_bytes());
    packet.resize(plain.len() + TAG_SPACE, 0);
    let len = tx.seal_rtp(0, &mut packet, header_len, plain.len());
    socket.send_to(&packet[..len], addr.addr).unwrap();
}

fn relay(socket: &UdpSocket, seats: &Seats, stop: &mpsc::Receiver<()>) {
    socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let mut buffer = [0; 2_048];
    while stop.try_recv() == Err(mpsc::TryRecvError::Empty) {
        let received = socket.recv_from(&mut buffer);
        let mut seats = seats.lock().unwrap();
        let now = Instant::now();
        if let Ok((len, src)) = received {
            let data = &mut buffer[..len];
            let ufrag = media::transport::stun_local_ufrag(data);
            let index = seats.iter().position(|seat| {
                seat.addresses.contains(&src)
                    || ufrag.is_some_and(|u| seat.peer.local_ufrags().any(|l| l == u))
            });
            if let Some(index) = index {
                let seat = &mut seats[index];
                match classify(data) {
                    Packet::Stun => {
                        seat.peer.handle_stun(now, src, data);
                        if seat.peer.is_valid_addr(src) && !seat.addresses.contains(&src) {
                            seat.addresses.push(src);
                        }
                    }
                    Packet::Dtls => seat.peer.handle_dtls(now, src, data),
                    Packet::Rtp => {
                        if let Ok(opened) = seat.peer.open_rtp(now, data) {
                            let plain = data[..opened.payload_end].to_vec();
                            for (_, to) in seats.iter().enumerate().filter(|(i, _)| *i != index) {
                                forward(socket, to, &plain, opened.header_len);
                            }
                        }
                    }
                    Packet::Rtcp | Packet::Unknown => {}
                }
            }
        }
        for seat in seats.iter_mut() {
            seat.peer.handle_timeout(now);
            while let Some((to, data)) = seat.peer.poll_transmit() {
                socket.send_to(&data, to.addr).unwrap();
            }
        }
    }
}

#[test]
fn what_one_bot_publishes_another_counts() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap();
    let seats: Seats = Arc::default();
    let identity = Arc::new(DtlsIdentity::generate().unwrap());
    let (stop, stopped) = mpsc::channel();
    let relay_seats = Arc::clone(&seats);
    let thread = std::thread::spawn(move || relay(&socket, &relay_seats, &stopped));

    let exchange = |offer: &Offer| Ok(take_seat(&seats, &identity, at, &offer.sdp));
    let listen = BotConfig { microphone: false, camera: false, ..BotConfig::default() };
    let mut listener = Bot::join(&listen, |offer| {
        assert!(offer.publications.is_empty());
        exchange(offer)
    })
    .unwrap();
    assert!(listener.run_until(Duration::from_secs(10), Bot::is_connected).unwrap());

    let speak = BotConfig { audio_slots: 0, video_slots: 0, ..BotConfig::default() };
    let mut speaker = Bot::join(&speak, |offer| {
        let sources: Vec<Source> = offer.publications.iter().map(|p| p.source).collect();
        assert_eq!(sources, [Source::Microphone, Source::Camera]);
        exchange(offer)
    })
    .unwrap();
    let talking = std::thread::spawn(move || {
        speaker.run(Duration::from_secs(3)).unwrap();
        speaker
    });
    let heard = listener.run_until(Duration::from_secs(10), |bot| {
        let slots = &bot.stats().slots;
        slots.len() == 2 && slots.values().all(|slot| slot.packets > 50)
    });
    let speaker = talking.join().unwrap();
    stop.send(()).unwrap();
    thread.join().unwrap();

    assert!(heard.unwrap(), "{:?}", listener.stats());
    assert!(speaker.is_connected());
    let stats = listener.stats();
    assert_eq!(stats.missing(), 0);
    assert_eq!(stats.key_frames(), 1, "the first frame");
    assert!(!stats.slots.contains_key(""), "every SSRC was announced");
}
