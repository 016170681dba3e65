//! Against `rtc::srtp` as an independent implementation, in both directions and profiles.

use proptest::prelude::*;
use rtc::crypto::RTCCryptoProvider;
use rtc::crypto::providers::AwsLcRsProvider;
use rtc::srtp::context::Context;
use rtc::srtp::option::{srtcp_no_replay_protection, srtp_no_replay_protection};
use rtc::srtp::protection_profile::ProtectionProfile;

use super::*;

const PROFILES: [Profile; 2] = [Profile::AeadAes128Gcm, Profile::Aes128CmSha1_80];

fn material(profile: Profile) -> Vec<u8> {
    (0..Master::exported_len(profile)).map(|i| (i * 7 + 3) as u8).collect()
}

/// Two ends of one association: ours (server) and the other's (client).
fn ends(profile: Profile) -> ((SrtpTx, SrtpRx), (SrtpTx, SrtpRx)) {
    let material = material(profile);
    (contexts(profile, &material, false).unwrap(), contexts(profile, &material, true).unwrap())
}

/// The client's contexts by `rtc::srtp`: what it writes, what it reads.
fn reference(profile: Profile) -> (Context, Context) {
    let (client, server) = Master::split(profile, &material(profile)).unwrap();
    let make = |master: &Master| {
        let theirs = match profile {
            Profile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
            Profile::Aes128CmSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        };
        Context::new(
            &master.key,
            &master.salt[..profile.salt_len()],
            theirs,
            Some(srtp_no_replay_protection()),
            Some(srtcp_no_replay_protection()),
            AwsLcRsProvider::new().crypto(),
        )
        .unwrap()
    };
    (make(&client), make(&server))
}

fn rtp(seq: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x90, 96];
    packet.extend(seq.to_be_bytes());
    packet.extend(1_000u32.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0xbe, 0xde, 0, 1, 0x10, 0x61, 0, 0]);
    packet.extend(payload);
    packet
}

fn seal(tx: &SrtpTx, ext_seq: u64, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = rtp(ext_seq as u16, ssrc, payload);
    let plain_len = packet.len();
    packet.resize(plain_len + TAG_SPACE, 0);
    let sealed = tx.seal_rtp((ext_seq >> 16) as u32, &mut packet, 20, plain_len);
    packet.truncate(sealed);
    packet
}

fn receiver_report(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x81, 201, 0, 7];
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0x11; 24]);
    packet
}

#[test]
fn rtp_goes_both_ways_with_the_reference() {
    for profile in PROFILES {
        let ((tx, mut rx), _) = ends(profile);
        let (mut client_tx, mut client_rx) = reference(profile);
        // Over a wrap of the sequence number, so that the rollover counter takes part.
        for ext_seq in 65_500..65_600u64 {
            let plain = rtp(ext_seq as u16, 7, b"picture");
            let sealed = seal(&tx, ext_seq, 7, b"picture");
            assert_eq!(sealed.len(), plain.len() + tx.tag_len());
            assert_eq!(client_rx.decrypt_rtp(&sealed).unwrap(), plain, "{profile:?} {ext_seq}");

            let mut theirs = client_tx.encrypt_rtp(&plain).unwrap().to_vec();
            let opened = rx.open_rtp(&mut theirs).unwrap();
            assert_eq!(opened, Opened { header_len: 20, payload_end: plain.len(), ext_seq });
            assert_eq!(&theirs[..opened.payload_end], plain);
        }
    }
}

#[test]
fn rtcp_goes_both_ways_with_the_reference() {
    for profile in PROFILES {
        let ((mut tx, mut rx), _) = ends(profile);
        let (mut client_tx, mut client_rx) = reference(profile);
        for round in 0..5 {
            let plain = receiver_report(round);
            let mut ours = plain.clone();
            tx.seal_rtcp(&mut ours).unwrap();
            assert_eq!(client_rx.decrypt_rtcp(&ours).unwrap(), plain, "{profile:?}");

            let mut theirs = client_tx.encrypt_rtcp(&plain).unwrap().to_vec();
            let len = rx.open_rtcp(&mut theirs).unwrap();
            assert_eq!(&theirs[..len], plain);
        }
    }
}

#[test]
fn a_packet_is_accepted_once() {
    for profile in PROFILES {
        let ((mut tx, _), (_, mut rx)) = ends(profile);
        let sealed = seal(&tx, 40, 7, b"once");
        assert!(rx.open_rtp(&mut sealed.clone()).is_ok());
        assert_eq!(rx.open_rtp(&mut sealed.clone()), Err(SrtpError::Replayed));
        let newer = seal(&tx, 40 + 128, 7, b"newer");
        assert!(rx.open_rtp(&mut newer.clone()).is_ok());
        let old = seal(&tx, 40, 7, b"old");
        assert_eq!(rx.open_rtp(&mut old.clone()), Err(SrtpError::Replayed));
        let late = seal(&tx, 41, 7, b"late");
        assert!(rx.open_rtp(&mut late.clone()).is_ok());

        let mut report = receiver_report(7);
        tx.seal_rtcp(&mut report).unwrap();
        assert!(rx.open_rtcp(&mut report.clone()).is_ok());
        assert_eq!(rx.open_rtcp(&mut report.clone()), Err(SrtpError::Replayed));
    }
}

#[test]
fn sources_are_bounded_and_the_known_ones_go_on() {
    let ((tx, _), (_, mut rx)) = ends(Profile::AeadAes128Gcm);
    for ssrc in 0..MAX_SOURCES as u32 {
        assert!(rx.open_rtp(&mut seal(&tx, 1, ssrc, b"x")).is_ok());
    }
    let one_more = rx.open_rtp(&mut seal(&tx, 1, u32::MAX, b"x"));
    assert_eq!(one_more, Err(SrtpError::TooManySources));
    assert!(rx.open_rtp(&mut seal(&tx, 2, 0, b"x")).is_ok());
}

#[test]
fn contradicting_lengths_seal_nothing() {
    let ((tx, _), _) = ends(Profile::AeadAes128Gcm);
    let mut packet = rtp(1, 7, b"payload");
    let plain_len = packet.len();
    assert_eq!(tx.seal_rtp(0, &mut packet, 20, plain_len), 0, "no room for the tag");
    packet.resize(plain_len + TAG_SPACE, 0);
    assert_eq!(tx.seal_rtp(0, &mut packet, 8, plain_len), 0);
    assert_eq!(tx.seal_rtp(0, &mut packet, plain_len + 1, plain_len), 0);
}

#[test]
fn unencrypted_but_authenticated_rtcp_is_read() {
    // E = 0 is legal (RFC 3711 section 3.4), though no browser sends it.
    let ((_, mut rx), _) = ends(Profile::AeadAes128Gcm);
    let (client, _) =
        Master::split(Profile::AeadAes128Gcm, &material(Profile::AeadAes128Gcm)).unwrap();
    let key = aws_lc_rs::aead::LessSafeKey::new(
        aws_lc_rs::aead::UnboundKey::new(
            &aws_lc_rs::aead::AES_128_GCM,
            &client.derive::<16>(crate::transport::srtp_kdf::Label::RtcpKey).unwrap(),
        )
        .unwrap(),
    );
    let mut iv = client.derive::<12>(crate::transport::srtp_kdf::Label::RtcpSalt).unwrap();
    let plain = receiver_report(0x0102_0304);
    (2..6).for_each(|i| iv[i] ^= plain[i + 2]);
    iv[11] ^= 9;
    let aad = [&plain[..], &9u32.to_be_bytes()].concat();
    let tag = key
        .seal_in_place_separate_tag(
            aws_lc_rs::aead::Nonce::assume_unique_for_key(iv),
            aws_lc_rs::aead::Aad::from(aad),
            &mut [],
        )
        .unwrap();
    let mut packet = [&plain[..], tag.as_ref(), &9u32.to_be_bytes()].concat();
    assert_eq!(rx.open_rtcp(&mut packet), Ok(plain.len()));
    assert_eq!(&packet[..plain.len()], plain);
}

proptest! {
    /// Truncations and flipped bits are errors that leave no state behind.
    #[test]
    fn damaged_packets_are_refused_without_a_trace(
        cm: bool,
        payload in prop::collection::vec(any::<u8>(), 0..64),
        cut in any::<prop::sample::Index>(),
        flip in any::<prop::sample::Index>(),
        bit in 0u8..8,
        rtcp: bool,
    ) {
        let profile = PROFILES[usize::from(cm)];
        let ((mut tx, _), (_, mut rx)) = ends(profile);
        let whole = if rtcp {
            let mut packet = receiver_report(7);
            tx.seal_rtcp(&mut packet).unwrap();
            packet
        } else {
            seal(&tx, 1, 7, &payload)
        };
        let mut open = |mut packet: Vec<u8>| {
            if rtcp { rx.open_rtcp(&mut packet).is_ok() } else { rx.open_rtp(&mut packet).is_ok() }
        };
        prop_assert!(!open(whole[..cut.index(whole.len())].to_vec()));
        let mut flipped = whole.clone();
        flipped[flip.index(whole.len())] ^= 1 << bit;
        prop_assert!(!open(flipped));
        prop_assert_eq!(rx.sources(), 0);
    }

    /// Junk of any shape never panics and never makes state.
    #[test]
    fn junk_is_refused_without_a_trace(mut junk in prop::collection::vec(any::<u8>(), 0..200)) {
        let ((_, mut rx), _) = ends(Profile::AeadAes128Gcm);
        prop_assert!(rx.open_rtp(&mut junk.clone()).is_err());
        prop_assert!(rx.open_rtcp(&mut junk).is_err());
        prop_assert_eq!(rx.sources(), 0);
    }
}
