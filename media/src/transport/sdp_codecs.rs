//! Payload types of an m-line: codecs that we know, with their retransmissions and RED.

use rtc::sdp::description::common::Attribute;

use super::sdp::{MediaKind, RtcpFeedback, RtpCodec};
use super::sdp_offer::values;
use crate::api::Codec;

/// Payload types read per m-line; Chromium offers about forty.
const MAX_FORMATS: usize = 128;

#[derive(Default)]
pub(super) struct Formats {
    pub(super) codecs: Vec<RtpCodec>,
    pub(super) red_pt: Option<u8>,
    pub(super) red_first: bool,
}

/// `a=rtpmap` (RFC 8866 section 6.6).
struct RtpMap<'a> {
    pt: u8,
    name: &'a str,
    clock_rate: u32,
    channels: u8,
}

fn rtpmap(text: &str) -> Option<RtpMap<'_>> {
    let (pt, encoding) = text.split_once(' ')?;
    let mut parts = encoding.trim().split('/');
    Some(RtpMap {
        pt: payload_type(pt)?,
        name: parts.next()?,
        clock_rate: parts.next()?.parse().ok()?,
        channels: parts.next().and_then(|c| c.parse().ok()).unwrap_or(1),
    })
}

/// 64..=95 would be mistaken for RTCP (RFC 5761 section 4).
fn payload_type(text: &str) -> Option<u8> {
    text.trim().parse().ok().filter(|pt| *pt < 128 && !(64..96).contains(pt))
}

/// Reads the formats in the order of the m-line.
pub(super) fn parse(kind: MediaKind, formats: &[String], attributes: &[Attribute]) -> Formats {
    let order: Vec<u8> =
        formats.iter().take(MAX_FORMATS).filter_map(|format| payload_type(format)).collect();
    let maps: Vec<RtpMap<'_>> = values(attributes, "rtpmap").filter_map(rtpmap).collect();
    let fmtp = |pt: u8| {
        values(attributes, "fmtp")
            .filter_map(|text| text.split_once(' '))
            .find(|(p, _)| payload_type(p) == Some(pt))
            .map_or("", |(_, parameters)| parameters.trim())
    };
    let rtx_of = |pt: u8| {
        maps.iter()
            .filter(|map| map.name.eq_ignore_ascii_case("rtx") && order.contains(&map.pt))
            .find(|map| {
                fmtp(map.pt).split(';').any(|parameter| {
                    parameter.trim().strip_prefix("apt=").and_then(payload_type) == Some(pt)
                })
            })
            .map(|map| map.pt)
    };
    let mut out = Formats::default();
    for pt in order.iter().copied() {
        let Some(map) = maps.iter().find(|map| map.pt == pt) else { continue };
        if out.codecs.iter().any(|c| c.pt == pt) {
            continue;
        }
        let is_red = kind == MediaKind::Audio
            && map.name.eq_ignore_ascii_case("red")
            && map.clock_rate == Codec::Opus.clock_rate();
        if is_red && out.red_pt.is_none() {
            out.red_pt = Some(pt);
            out.red_first = out.codecs.is_empty();
        }
        let codec = match (kind, map.name.to_ascii_lowercase().as_str(), map.channels) {
            (MediaKind::Audio, "opus", 2) => Codec::Opus,
            (MediaKind::Video, "vp8", _) => Codec::Vp8,
            (MediaKind::Video, "vp9", _) => Codec::Vp9,
            (MediaKind::Video, "h264", _) => Codec::H264,
            (MediaKind::Video, "av1", _) => Codec::Av1,
            _ => continue,
        };
        if map.clock_rate != codec.clock_rate() {
            continue;
        }
        out.codecs.push(RtpCodec {
            pt,
            codec,
            clock_rate: map.clock_rate,
            channels: map.channels,
            fmtp: fmtp(pt).to_owned(),
            rtcp_fb: feedback(attributes, pt),
            rtx_pt: rtx_of(pt),
        });
    }
    out
}

/// `a=rtcp-fb` for a payload type or for all (RFC 4585 section 4.2).
fn feedback(attributes: &[Attribute], pt: u8) -> Vec<RtcpFeedback> {
    let mut out = Vec::new();
    for text in values(attributes, "rtcp-fb") {
        let Some((p, what)) = text.split_once(' ') else { continue };
        if p != "*" && payload_type(p) != Some(pt) {
            continue;
        }
        let known = match what.trim() {
            "nack" => RtcpFeedback::Nack,
            "nack pli" => RtcpFeedback::NackPli,
            "ccm fir" => RtcpFeedback::CcmFir,
            "transport-cc" => RtcpFeedback::TransportCc,
            "goog-remb" => RtcpFeedback::GoogRemb,
            _ => continue,
        };
        if !out.contains(&known) {
            out.push(known);
        }
    }
    out
}

/// What tells apart payload types of one codec that are decoded differently: `profile_idc` of H.264
/// (RFC 6184 section 8.1), nothing of others.
pub(super) fn profile(codec: &RtpCodec) -> Option<u8> {
    if codec.codec != Codec::H264 {
        return None;
    }
    let id = codec.parameter("profile-level-id").unwrap_or("42000a");
    id.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok())
}

/// How well a payload type suits us: `None` not at all, otherwise lower is better. `sends`: we
/// forward with it, not only receive.
pub(super) fn suitability(codec: &RtpCodec, sends: bool) -> Option<u8> {
    match codec.codec {
        Codec::Opus | Codec::Vp8 | Codec::Av1 => Some(0),
        // Profile 0 is 8 bit 4:2:0, and what is meant without one.
        Codec::Vp9 => matches!(codec.parameter("profile-id"), None | Some("0")).then_some(0),
        Codec::H264 => {
            // Browsers agree on non-interleaved mode only; single NAL units (0, the default) are
            // a part of it.
            match codec.parameter("packetization-mode") {
                Some("1") => {}
                None | Some("0") if !sends => {}
                _ => return None,
            }
            let profile = codec.parameter("profile-level-id").unwrap_or("42000a");
            let byte = |at: usize| {
                profile.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok())
            };
            match (byte(0)?, byte(2)?) {
                // Constrained baseline (RFC 6184 section 8.1): every browser decodes it.
                (0x42, constraints) if constraints & 0x40 != 0 => Some(0),
                (0x42, _) => Some(1),
                (0x4d, _) => Some(2),
                (0x64, _) => Some(3),
                _ => None,
            }
        }
    }
}
