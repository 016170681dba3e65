//! The parsers, each with what it promises of its result.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use media::rtp::packet::Header;
use media::rtp::{ext, h264, red, rtcp as reports, vp8, vp9};
use media::transport::stun::{self as protocol, Message};
use media::transport::{
    DtlsIdentity, IceCredentials, MAX_MEDIA, Peer, classify, parse_offer, stun_local_ufrag,
};

const MTU: usize = 1500;

/// STUN: never panics, and only the right password verifies.
pub fn stun(data: &[u8]) {
    let _ = classify(data);
    let _ = stun_local_ufrag(data);
    let Ok(message) = Message::parse(data) else { return };
    let wrong = protocol::integrity_key("not the password of anybody");
    assert!(!message.verify(&wrong), "integrity by a password that nobody knows");
}

/// DTLS records from a stranger: bounded answers, and never a connection.
pub fn dtls(data: &[u8]) {
    static IDENTITY: OnceLock<Arc<DtlsIdentity>> = OnceLock::new();
    let identity = IDENTITY.get_or_init(|| Arc::new(DtlsIdentity::generate().expect("identity")));
    let mut now = origin();
    let local = IceCredentials { ufrag: "abcd".into(), pwd: "0123456789abcdefghijkl".into() };
    let mut peer = Peer::new(now, Arc::clone(identity), local);
    let offer = parse_offer(OFFER).expect("a good offer");
    let fresh = || IceCredentials { ufrag: "efgh".into(), pwd: "0123456789abcdefghijkl".into() };
    peer.set_remote(now, &offer, fresh).expect("first offer");
    let from = SocketAddr::from(([10, 0, 0, 2], 5000));
    let mut rest = data;
    while let [high, low, tail @ ..] = rest {
        let length = (usize::from(*high) << 8 | usize::from(*low)).min(tail.len()).min(MTU);
        peer.handle_dtls(now, from, &tail[..length]);
        rest = &tail[length..];
        now += Duration::from_millis(u64::from(*low));
        peer.handle_timeout(now);
        let mut answers = 0;
        while let Some((_, datagram)) = peer.poll_transmit() {
            assert!(datagram.len() <= MTU);
            answers += 1;
        }
        assert!(answers <= 64, "{answers} datagrams for one");
        while peer.poll_event().is_some() {}
        assert!(peer.srtp_tx().is_none(), "keys without a handshake");
    }
}

/// RTP: header, extensions, RED and the codecs' payload descriptors stay inside the packet.
pub fn rtp(data: &[u8]) {
    let Ok(header) = Header::parse(data) else { return };
    assert!(header.payload_range().end <= data.len());
    assert!(header.extension_range().end <= data.len());
    for (_, value) in ext::elements(data, &header) {
        assert!(value.len() <= 255);
    }
    let payload = &data[header.payload_range()];
    if let Some(blocks) = red::Blocks::parse(payload) {
        assert!(blocks.primary().end <= payload.len());
        for block in blocks.redundant() {
            assert!(block.range().end <= payload.len());
        }
    }
    if let Some(descriptor) = vp8::Descriptor::parse(payload) {
        let mut copy = payload.to_vec();
        descriptor.rewrite(&mut copy, 1, 1);
        let again = vp8::Descriptor::parse(&copy).expect("still a descriptor");
        assert_eq!(again.key_frame, descriptor.key_frame);
    }
    let _ = (vp9::is_key_frame(payload), h264::is_key_frame(payload));
}

/// RTCP compounds: every item lies within the compound.
pub fn rtcp(data: &[u8]) {
    let mut items = 0usize;
    reports::parse(data, |item| {
        items += 1;
        if let reports::Item::Nack { entries, .. } = item {
            assert!(entries.sequences().count() <= data.len() * 17);
        }
    });
    assert!(items <= data.len(), "{items} items in {} bytes", data.len());
}

/// SDP: what is taken is bounded, and what we would answer parses as an offer's counterpart.
pub fn sdp(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(offer) = parse_offer(text) else { return };
    assert!(!offer.media.is_empty() && offer.media.len() <= MAX_MEDIA);
    for media in &offer.media {
        if let Some(negotiated) = media::transport::negotiate(media) {
            assert!(!negotiated.codecs.is_empty());
        }
    }
}

/// `Instant` has no other origin.
#[allow(clippy::disallowed_methods)]
fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

pub const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
a=ice-options:trickle\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n\
a=ice-ufrag:wxyz\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=setup:actpass\r\n\
a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n\
a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n";
