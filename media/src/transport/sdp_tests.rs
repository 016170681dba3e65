//! Offers recorded from Chromium 156 and Firefox ESR 153 (`fixtures/`): microphone, simulcast
//! camera, screen, one audio and one video slot, data channel.

use proptest::prelude::*;

use super::*;
use crate::api::Codec;
use crate::transport::sdp::RtcpFeedback;
use crate::transport::{AnswerMedia, AnswerParams, LocalStream, build_answer, negotiate};

const CHROMIUM: &str = include_str!("fixtures/chromium.sdp");
const FIREFOX: &str = include_str!("fixtures/firefox.sdp");

/// Takes all that is offered, and sends on the slots.
fn accept_all(offer: &Offer) -> Vec<AnswerMedia> {
    let accept = |(i, m): (usize, &OfferMedia)| match negotiate(m) {
        None => AnswerMedia::Reject,
        Some(negotiated) => AnswerMedia::Accept {
            direction: m.direction.reversed(),
            negotiated,
            local: Some(LocalStream {
                ssrc: 1_000 + i as u32,
                rtx_ssrc: (m.kind == MediaKind::Video).then_some(2_000 + i as u32),
                cname: "yuntang".into(),
                stream: format!("stream{i}"),
                track: format!("track{i}"),
            }),
        },
    };
    offer.media.iter().enumerate().map(accept).collect()
}

fn answer(offer: &Offer, media: &[AnswerMedia]) -> String {
    let ice = IceCredentials::from_random(&[7; 24]);
    let fingerprint = Fingerprint { algorithm: "sha-256", digest: (0..32).collect() };
    let candidates = ["192.0.2.1:8443".parse().unwrap(), "[2001:db8::1]:8443".parse().unwrap()];
    let tcp_candidates = ["192.0.2.1:443".parse().unwrap()];
    let params = AnswerParams {
        session_id: 42,
        version: 1,
        ice: &ice,
        fingerprint: &fingerprint,
        candidates: &candidates,
        tcp_candidates: &tcp_candidates,
        setup: Setup::Passive,
    };
    build_answer(offer, &params, media)
}

/// The lines of one m-section.
fn section<'a>(sdp: &'a str, mid: &str) -> Vec<&'a str> {
    sdp.split("m=")
        .find(|s| s.contains(&format!("a=mid:{mid}\r\n")))
        .expect("an m-line with this mid")
        .lines()
        .collect()
}

#[test]
fn chromium_offer() {
    let offer = parse_offer(CHROMIUM).unwrap();
    assert_eq!(offer.setup, Setup::ActPass);
    assert_eq!(offer.bundle, ["0", "1", "2", "3", "4", "5"]);
    assert!(offer.extmap_allow_mixed);
    let [microphone, camera, screen, audio_slot, video_slot, data] = &offer.media[..] else {
        panic!("six m-lines")
    };

    assert_eq!((microphone.kind, microphone.direction), (MediaKind::Audio, Direction::SendRecv));
    assert_eq!((microphone.red_pt, microphone.red_first), (Some(63), false));
    assert_eq!(microphone.codecs.len(), 1);
    assert_eq!(microphone.codecs[0].parameter("useinbandfec"), Some("1"));
    assert_eq!(microphone.ssrcs, [SsrcInfo { ssrc: 1_991_925_034, rtx: None }]);
    assert_eq!(microphone.ext_id(ext::AUDIO_LEVEL), Some(1));
    assert!(microphone.msid.is_some());

    assert_eq!(camera.direction, Direction::SendOnly);
    assert_eq!(camera.rids, ["q", "h", "f"]);
    assert!(camera.ssrcs.is_empty(), "layers of simulcast are not announced");
    let vp8 = &camera.codecs[0];
    assert_eq!((vp8.codec, vp8.pt, vp8.rtx_pt), (Codec::Vp8, 96, Some(97)));
    assert!(vp8.rtcp_fb.contains(&RtcpFeedback::TransportCc));
    assert_eq!(camera.ext_id(ext::RID), Some(10));
    assert_eq!(camera.ext_id(ext::DEPENDENCY_DESCRIPTOR), Some(12));

    assert!(screen.rids.is_empty());
    assert!(matches!(screen.ssrcs[..], [SsrcInfo { rtx: Some(_), .. }]));
    assert_eq!(audio_slot.direction, Direction::RecvOnly);
    assert_eq!(video_slot.direction, Direction::RecvOnly);
    assert_eq!(data.kind, MediaKind::Application);
}

#[test]
fn firefox_offer() {
    let offer = parse_offer(FIREFOX).unwrap();
    assert!(offer.extmap_allow_mixed, "said per section");
    assert_eq!(offer.fingerprint.algorithm, "sha-256", "said for the session");
    assert_eq!(offer.media.len(), 6);
    assert!(offer.media.iter().all(|m| !m.rejected), "bundle-only is not stopped");
    let camera = &offer.media[1];
    assert_eq!(camera.rids, ["q", "h", "f"]);
    assert_eq!(camera.ssrcs.len(), 3);
    assert!(camera.ssrcs.iter().all(|s| s.rtx.is_some()));
    let order: Vec<Codec> = negotiate(camera).unwrap().codecs.iter().map(|c| c.codec).collect();
    assert_eq!(order, [Codec::Vp8, Codec::Vp9, Codec::Av1]);
}

#[test]
fn our_choice_of_codecs() {
    let offer = parse_offer(CHROMIUM).unwrap();
    let camera = negotiate(&offer.media[1]).unwrap();
    let order: Vec<Codec> = camera.codecs.iter().map(|c| c.codec).collect();
    assert_eq!(order, [Codec::Vp8, Codec::H264, Codec::H264, Codec::Vp9, Codec::Av1]);
    let profiles: Vec<_> =
        camera.codecs.iter().filter_map(|c| c.parameter("profile-level-id")).collect();
    assert_eq!(profiles, ["42e01f", "4d001f"], "one of each profile");
    let h264 = camera.codec(Codec::H264).unwrap();
    assert_eq!(h264.parameter("profile-level-id"), Some("42e01f"), "constrained baseline");
    assert_eq!(h264.parameter("packetization-mode"), Some("1"));
    assert!(camera.codecs.iter().all(|c| !c.rtcp_fb.contains(&RtcpFeedback::GoogRemb)));

    assert_eq!(negotiate(&offer.media[5]), None, "data channels come later");
}

#[test]
fn chromium_answer() {
    let offer = parse_offer(CHROMIUM).unwrap();
    let text = answer(&offer, &accept_all(&offer));
    assert!(text.contains("\r\na=ice-lite\r\n"));
    assert!(text.contains("\r\na=group:BUNDLE 0 1 2 3 4\r\n"));
    assert_eq!(text.matches("a=candidate:").count(), 3, "in the tagged section only");
    let mids: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("a=mid:")).collect();
    assert_eq!(mids, ["0", "1", "2", "3", "4", "5"], "order is kept");

    let microphone = section(&text, "0");
    assert_eq!(microphone[0], "audio 8443 UDP/TLS/RTP/SAVPF 111 63");
    for line in [
        "c=IN IP4 192.0.2.1",
        "a=candidate:1 1 udp 2130706431 192.0.2.1 8443 typ host",
        "a=candidate:2 1 udp 2130706175 2001:db8::1 8443 typ host",
        "a=candidate:3 1 tcp 1526726655 192.0.2.1 443 typ host tcptype passive",
        "a=setup:passive",
        "a=rtcp-mux",
        "a=sendrecv",
        "a=fmtp:63 111/111",
        "a=rtcp-fb:111 transport-cc",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
    ] {
        assert!(microphone.contains(&line), "{line}");
    }

    let camera = section(&text, "1");
    assert_eq!(camera[0], "video 8443 UDP/TLS/RTP/SAVPF 96 108 116 98 45 97 109 117 99 46");
    for line in [
        "a=recvonly",
        "a=rid:q recv",
        "a=simulcast:recv q;h;f",
        "a=rtcp-fb:96 nack",
        "a=rtcp-fb:96 nack pli",
        "a=rtcp-fb:96 ccm fir",
        "a=fmtp:97 apt=96",
    ] {
        assert!(camera.contains(&line), "{line}");
    }
    assert!(!camera.iter().any(|l| l.starts_with("a=ssrc") || l.contains("goog-remb")));

    let slot = section(&text, "4");
    for line in [
        "a=sendonly",
        "a=msid:stream4 track4",
        "a=ssrc-group:FID 1004 2004",
        "a=ssrc:1004 cname:yuntang",
    ] {
        assert!(slot.contains(&line), "{line}");
    }
    assert_eq!(section(&text, "5")[0], "application 0 UDP/DTLS/SCTP webrtc-datachannel");
}

#[test]
fn extension_directions_are_reversed() {
    let offer = parse_offer(FIREFOX).unwrap();
    let text = answer(&offer, &accept_all(&offer));
    let camera = section(&text, "1");
    assert!(camera.contains(&"a=extmap:9/recvonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"));
}

#[test]
fn an_independent_stack_reads_our_answers() {
    for sample in [CHROMIUM, FIREFOX] {
        let offer = parse_offer(sample).unwrap();
        let text = answer(&offer, &accept_all(&offer));
        assert!(str0m::change::SdpAnswer::from_sdp_string(&text).is_ok());
    }
}

#[test]
fn an_answer_never_exceeds_the_offer() {
    let offer = parse_offer(CHROMIUM).unwrap();
    let all: Vec<AnswerMedia> = accept_all(&offer)
        .into_iter()
        .map(|m| match m {
            AnswerMedia::Accept { negotiated, local, .. } => {
                AnswerMedia::Accept { direction: Direction::SendRecv, negotiated, local }
            }
            AnswerMedia::Reject => AnswerMedia::Reject,
        })
        .collect();
    let text = answer(&offer, &all);
    assert!(section(&text, "1").contains(&"a=recvonly"));
    assert!(section(&text, "4").contains(&"a=sendonly"));
    // A shorter list refuses the rest.
    let text = answer(&offer, &all[..1]);
    assert!(text.contains("a=group:BUNDLE 0\r\n"));
    assert!(section(&text, "1")[0].starts_with("video 0 "));
}

#[test]
fn stopped_sections_stay_in_place() {
    let stopped = CHROMIUM.replacen("m=audio 9", "m=audio 0", 1);
    let stopped = stopped.replacen("BUNDLE 0 ", "BUNDLE ", 1);
    let offer = parse_offer(&stopped).unwrap();
    assert!(offer.media[0].rejected);
    let text = answer(&offer, &accept_all(&offer));
    assert!(section(&text, "0")[0].starts_with("audio 0 "));
    assert!(text.contains("a=group:BUNDLE 1 2 3 4\r\n"));
    assert!(section(&text, "1").iter().any(|l| l.starts_with("a=candidate:")));
}

#[test]
fn refusals_are_typed() {
    let refused = |text: &str| parse_offer(text).unwrap_err();
    let without = |key: &str| -> String {
        let keep = |l: &&str| !l.starts_with(key);
        CHROMIUM.lines().filter(keep).map(|l| format!("{l}\r\n")).collect()
    };
    assert_eq!(refused("hello"), SdpError::Syntax);
    assert_eq!(refused(""), SdpError::Syntax);
    assert_eq!(refused(&without("a=ice-ufrag")), SdpError::Missing("ice-ufrag"));
    assert_eq!(refused(&without("a=ice-pwd")), SdpError::Missing("ice-pwd"));
    assert_eq!(refused(&without("a=fingerprint")), SdpError::Missing("fingerprint"));
    assert_eq!(refused(&without("a=mid")), SdpError::Missing("mid"));
    assert_eq!(refused(&without("a=group")), SdpError::NotBundled("transport"));
    let sha1 = CHROMIUM.replace("sha-256", "sha-1");
    assert_eq!(refused(&sha1), SdpError::Unsupported("the fingerprint's hash function"));
    let twice = CHROMIUM.replace("a=mid:1\r\n", "a=mid:0\r\n");
    assert_eq!(refused(&twice), SdpError::DuplicateMid);
    let other = CHROMIUM.replacen("a=ice-ufrag:3BNX", "a=ice-ufrag:other", 1);
    assert_eq!(refused(&other), SdpError::NotBundled("ice-ufrag"));
    let split = CHROMIUM.replacen("minptime=10", "minptime=10\ra=evil", 1);
    assert_eq!(refused(&split), SdpError::Invalid("control character"));
    assert_eq!(refused(&"x".repeat(MAX_SDP + 1)), SdpError::TooLarge(MAX_SDP));
}

#[test]
fn bare_line_feeds_are_read() {
    assert!(parse_offer(&CHROMIUM.replace('\r', "")).is_ok());
    assert!(parse_offer(CHROMIUM.trim_end()).is_ok());
}

#[test]
fn a_single_section_needs_no_group() {
    let video = CHROMIUM.split("m=").nth(2).unwrap();
    let head = CHROMIUM.split("m=").next().unwrap().replace("a=group:BUNDLE 0 1 2 3 4 5\r\n", "");
    let offer = parse_offer(&format!("{head}m={video}")).unwrap();
    let text = answer(&offer, &accept_all(&offer));
    assert!(!text.contains("a=group"));
    assert!(text.contains("a=candidate:1 "));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arbitrary_text_never_panics(text in "(?s).{0,400}") {
        let _ = parse_offer(&text);
    }

    /// Real offers with lines lost, doubled, swapped, cut and spoilt; what still parses is
    /// answered line for line.
    #[test]
    fn mutated_offers_never_panic(
        firefox: bool,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0u8..6, any::<prop::sample::Index>(), "[ -~]{0,6}"), 1..8),
    ) {
        let sample = if firefox { FIREFOX } else { CHROMIUM };
        let mut lines: Vec<String> = sample.lines().map(str::to_owned).collect();
        for (at, what, other, text) in edits {
            let (at, other) = (at.index(lines.len()), other.index(lines.len()));
            match what {
                0 => drop(lines.remove(at)),
                1 => lines.insert(other, lines[at].clone()),
                2 => lines.swap(at, other),
                3 => {
                    let cut = other.min(lines[at].len());
                    lines[at].truncate(cut);
                }
                4 => {
                    let place = other.min(lines[at].len());
                    lines[at].insert_str(place, &text);
                }
                _ => lines[at] = text,
            }
        }
        if let Ok(offer) = parse_offer(&lines.join("\r\n")) {
            let text = answer(&offer, &accept_all(&offer));
            let sections = text.lines().filter(|l| l.starts_with("m=")).count();
            prop_assert_eq!(sections, offer.media.len());
        }
    }
}

/// FFmpeg's WHIP: one codec each, no header extensions, no retransmissions, DTLS server.
const FFMPEG: &str = "v=0\r\n\
    o=FFmpeg 4489045141692799359 2 IN IP4 127.0.0.1\r\n\
    s=FFmpegPublishSession\r\n\
    t=0 0\r\n\
    a=group:BUNDLE 0 1\r\n\
    a=extmap-allow-mixed\r\n\
    a=msid-semantic: WMS\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=ice-ufrag:fbd3a4ee\r\n\
    a=ice-pwd:7a3c6b2f5a3c6b2f5a3c6b2f5a3c6b2f\r\n\
    a=fingerprint:sha-256 0F:74:31:25:CB:A2:13:EC:28:6F:6D:2C:61:FF:5D:C2:BC:B9:DB:3D:98:14:8D:1A:BB:EA:33:0C:A4:60:A8:8E\r\n\
    a=setup:passive\r\n\
    a=mid:0\r\n\
    a=sendonly\r\n\
    a=msid:FFmpeg audio\r\n\
    a=rtcp-mux\r\n\
    a=rtpmap:111 opus/48000/2\r\n\
    a=ssrc:1755372 cname:FFmpeg\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 106\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=ice-ufrag:fbd3a4ee\r\n\
    a=ice-pwd:7a3c6b2f5a3c6b2f5a3c6b2f5a3c6b2f\r\n\
    a=fingerprint:sha-256 0F:74:31:25:CB:A2:13:EC:28:6F:6D:2C:61:FF:5D:C2:BC:B9:DB:3D:98:14:8D:1A:BB:EA:33:0C:A4:60:A8:8E\r\n\
    a=setup:passive\r\n\
    a=mid:1\r\n\
    a=sendonly\r\n\
    a=msid:FFmpeg video\r\n\
    a=rtcp-mux\r\n\
    a=rtcp-rsize\r\n\
    a=rtpmap:106 H264/90000\r\n\
    a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f\r\n\
    a=ssrc:1755373 cname:FFmpeg\r\n";

#[test]
fn an_encoder_without_extensions_is_taken_as_it_is() {
    let offer = parse_offer(FFMPEG).unwrap();
    assert_eq!(offer.setup, Setup::Passive);
    let video = negotiate(&offer.media[1]).unwrap();
    assert_eq!(video.codecs[0].parameter("profile-level-id"), Some("640c1f"));
    assert!(video.extmaps.is_empty() && video.rids.is_empty());
    let text = answer(&offer, &accept_all(&offer));
    assert_eq!(section(&text, "1")[0], "video 8443 UDP/TLS/RTP/SAVPF 106");
}

#[test]
fn single_nal_units_are_taken_and_not_sent() {
    let one_mode = FFMPEG.replace("packetization-mode=1;", "");
    for (direction, taken) in [("sendonly", true), ("recvonly", false), ("sendrecv", false)] {
        let offer =
            parse_offer(&one_mode.replace("a=sendonly", &format!("a={direction}"))).unwrap();
        assert_eq!(negotiate(&offer.media[1]).is_some(), taken, "{direction}");
    }
}
