//! Choosing what to take of an offer, and writing the answer (RFC 9429 section 5.3, RFC 8839).

use std::fmt::{self, Write};
use std::net::{IpAddr, SocketAddr};

use super::sdp::{
    Direction, ExtMap, Fingerprint, MediaKind, Negotiated, Offer, OfferMedia, RtcpFeedback,
    RtpCodec, Setup, ext,
};
use super::{IceCredentials, sdp_codecs};
use crate::api::Codec;

/// What the whole answer says.
#[derive(Debug, Clone)]
pub struct AnswerParams<'a> {
    /// `o=` session id, constant over the life of a peer; below 2⁶³.
    pub session_id: u64,
    /// `o=` version, one more with each answer.
    pub version: u64,
    pub ice: &'a IceCredentials,
    pub fingerprint: &'a Fingerprint,
    /// Host candidates: where this shard is reached.
    pub candidates: &'a [SocketAddr],
    /// Passive TCP candidates (RFC 6544): streams to there are framed by RFC 4571.
    pub tcp_candidates: &'a [SocketAddr],
    /// Our DTLS role, as [`super::Peer::setup`] says.
    pub setup: Setup,
}

/// A stream that we send on an m-line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalStream {
    pub ssrc: u32,
    pub rtx_ssrc: Option<u32>,
    pub cname: String,
    /// `a=msid` stream and track ids.
    pub stream: String,
    pub track: String,
}

/// What the answer says to one m-line of the offer; same order, same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerMedia {
    /// Port 0: refused for good (RFC 9429 section 5.3.1).
    Reject,
    Accept {
        /// Ours; cut to what the offered direction allows. `Inactive` keeps the m-line for reuse.
        direction: Direction,
        negotiated: Negotiated,
        /// Written when the direction sends.
        local: Option<LocalStream>,
    },
}

/// Feedback that we answer to or send.
const FEEDBACK: [(RtcpFeedback, &str); 5] = [
    (RtcpFeedback::Nack, "nack"),
    (RtcpFeedback::NackPli, "nack pli"),
    (RtcpFeedback::CcmFir, "ccm fir"),
    (RtcpFeedback::TransportCc, "transport-cc"),
    (RtcpFeedback::GoogRemb, "goog-remb"),
];

/// Our order: what every browser here has comes first.
const PREFERENCE: [Codec; 5] = [Codec::Opus, Codec::Vp8, Codec::H264, Codec::Vp9, Codec::Av1];

/// What both sides can do, one payload type a codec (of H.264 one a profile); `None` when there is nothing in common or the
/// m-line is none of RTP over DTLS (answer with [`AnswerMedia::Reject`]).
pub fn negotiate(offered: &OfferMedia) -> Option<Negotiated> {
    let is_rtp = matches!(offered.kind, MediaKind::Audio | MediaKind::Video)
        && offered.proto.ends_with("TLS/RTP/SAVPF");
    if offered.rejected || !is_rtp || !offered.rtcp_mux {
        return None;
    }
    // What we only receive we need not send: it may be in a simpler form.
    let sends = offered.direction.receives();
    let codecs: Vec<RtpCodec> = PREFERENCE
        .into_iter()
        .flat_map(|codec| {
            let suitable = offered.codecs.iter().filter(|c| c.codec == codec);
            let mut ranked: Vec<(u8, &RtpCodec)> = suitable
                .filter_map(|c| sdp_codecs::suitability(c, sends).map(|rank| (rank, c)))
                .collect();
            ranked.sort_by_key(|(rank, _)| *rank);
            // One of each profile: whoever publishes has chosen one.
            ranked.dedup_by_key(|(_, c)| sdp_codecs::profile(c));
            ranked.into_iter().map(|(_, c)| c)
        })
        .map(|codec| {
            let mut codec = codec.clone();
            // The receiver's own estimate only where it does not tell us what ours needs.
            let told = codec.rtcp_fb.contains(&RtcpFeedback::TransportCc);
            let ours = |fb: &RtcpFeedback| FEEDBACK.iter().any(|(ours, _)| ours == fb);
            codec.rtcp_fb.retain(|fb| ours(fb) && !(told && *fb == RtcpFeedback::GoogRemb));
            codec
        })
        .collect();
    if codecs.is_empty() {
        return None;
    }
    let is_video = offered.kind == MediaKind::Video;
    let fits = |e: &&ExtMap| match e.uri {
        ext::AUDIO_LEVEL => !is_video,
        ext::RID | ext::REPAIRED_RID | ext::VIDEO_ORIENTATION | ext::DEPENDENCY_DESCRIPTOR => {
            is_video
        }
        _ => true,
    };
    // RED is Opus in RED (RFC 2198): worth nothing without.
    let has_opus = codecs.iter().any(|c| c.codec == Codec::Opus);
    Some(Negotiated {
        codecs,
        red_pt: offered.red_pt.filter(|_| has_opus),
        red_first: offered.red_first,
        extmaps: offered.extmaps.iter().filter(fits).copied().collect(),
        rids: if is_video && offered.direction.sends() { offered.rids.clone() } else { vec![] },
    })
}

/// The answer's text. `media` has one entry per m-line of `offer`; missing ones are refused, and
/// so are those outside of the offer's BUNDLE group.
pub fn build_answer(offer: &Offer, params: &AnswerParams<'_>, media: &[AnswerMedia]) -> String {
    let mut out = String::with_capacity(1024 + 1024 * offer.media.len());
    // Writing to a String cannot fail.
    let _ = write_answer(&mut out, offer, params, media);
    out
}

fn write_answer(
    out: &mut String,
    offer: &Offer,
    params: &AnswerParams<'_>,
    media: &[AnswerMedia],
) -> fmt::Result {
    let lines: Vec<(&OfferMedia, &AnswerMedia)> = offer
        .media
        .iter()
        .enumerate()
        .map(|(i, offered)| {
            let outside = !offer.bundle.is_empty() && !offer.bundle.contains(&offered.mid);
            let answer = media.get(i).filter(|_| !outside && !offered.rejected);
            (offered, answer.unwrap_or(&AnswerMedia::Reject))
        })
        .collect();
    let is_accepted = |mid: &str| {
        lines.iter().any(|(m, a)| m.mid == mid && matches!(a, AnswerMedia::Accept { .. }))
    };
    let group: Vec<&str> =
        offer.bundle.iter().map(String::as_str).filter(|mid| is_accepted(mid)).collect();

    write!(out, "v=0\r\no=- {} {} IN IP4 0.0.0.0\r\n", params.session_id, params.version)?;
    out.push_str("s=-\r\nt=0 0\r\na=ice-lite\r\n");
    if !group.is_empty() {
        write!(out, "a=group:BUNDLE {}\r\n", group.join(" "))?;
    }
    if offer.extmap_allow_mixed {
        out.push_str("a=extmap-allow-mixed\r\n");
    }
    out.push_str("a=msid-semantic: WMS *\r\n");
    // The tagged section of the group carries the candidates (RFC 9143 section 7.3).
    let tagged = group.first().copied();
    for (offered, answer) in lines {
        match answer {
            AnswerMedia::Reject => write_rejected(out, offered)?,
            AnswerMedia::Accept { direction, negotiated, local } => {
                let allowed = offered.direction.reversed();
                let direction = Direction::new(
                    direction.sends() && allowed.sends(),
                    direction.receives() && allowed.receives(),
                );
                write_head(out, offered, negotiated, params)?;
                write_transport(out, offered, params, tagged.is_none_or(|mid| mid == offered.mid))?;
                write!(out, "a={}\r\na=rtcp-mux\r\n", direction.name())?;
                if offered.rtcp_rsize {
                    out.push_str("a=rtcp-rsize\r\n");
                }
                write_formats(out, negotiated)?;
                for e in &negotiated.extmaps {
                    match e.direction {
                        Direction::SendRecv => write!(out, "a=extmap:{} {}\r\n", e.id, e.uri)?,
                        offered => {
                            let ours = offered.reversed().name();
                            write!(out, "a=extmap:{}/{ours} {}\r\n", e.id, e.uri)?;
                        }
                    }
                }
                if direction.receives() && !negotiated.rids.is_empty() {
                    for rid in &negotiated.rids {
                        write!(out, "a=rid:{rid} recv\r\n")?;
                    }
                    write!(out, "a=simulcast:recv {}\r\n", negotiated.rids.join(";"))?;
                }
                if let Some(local) = local.as_ref().filter(|_| direction.sends()) {
                    write_stream(out, local)?;
                }
            }
        }
    }
    Ok(())
}

fn kind_name(kind: MediaKind) -> Option<&'static str> {
    match kind {
        MediaKind::Audio => Some("audio"),
        MediaKind::Video => Some("video"),
        MediaKind::Application => Some("application"),
        MediaKind::Other => None,
    }
}

fn write_rejected(out: &mut String, offered: &OfferMedia) -> fmt::Result {
    let name = kind_name(offered.kind).unwrap_or(&offered.other_kind);
    write!(out, "m={name} 0 {} {}\r\n", offered.proto, offered.formats)?;
    write!(out, "c=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:{}\r\n", offered.mid)
}

fn write_head(
    out: &mut String,
    offered: &OfferMedia,
    negotiated: &Negotiated,
    params: &AnswerParams<'_>,
) -> fmt::Result {
    let name = kind_name(offered.kind).unwrap_or(&offered.other_kind);
    let default = params.candidates.first();
    write!(out, "m={name} {} {}", default.map_or(9, SocketAddr::port), offered.proto)?;
    let red = negotiated.red_pt;
    if let Some(pt) = red.filter(|_| negotiated.red_first) {
        write!(out, " {pt}")?;
    }
    for codec in &negotiated.codecs {
        write!(out, " {}", codec.pt)?;
    }
    if let Some(pt) = red.filter(|_| !negotiated.red_first) {
        write!(out, " {pt}")?;
    }
    for pt in negotiated.codecs.iter().filter_map(|c| c.rtx_pt) {
        write!(out, " {pt}")?;
    }
    match default.map(SocketAddr::ip) {
        Some(IpAddr::V6(ip)) => write!(out, "\r\nc=IN IP6 {ip}\r\n"),
        Some(IpAddr::V4(ip)) => write!(out, "\r\nc=IN IP4 {ip}\r\n"),
        None => out.write_str("\r\nc=IN IP4 0.0.0.0\r\n"),
    }
}

fn write_transport(
    out: &mut String,
    offered: &OfferMedia,
    params: &AnswerParams<'_>,
    is_tagged: bool,
) -> fmt::Result {
    write!(out, "a=mid:{}\r\n", offered.mid)?;
    write!(out, "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", params.ice.ufrag, params.ice.pwd)?;
    write!(out, "a=fingerprint:{}\r\n", params.fingerprint)?;
    let setup = if params.setup == Setup::Active { "active" } else { "passive" };
    write!(out, "a=setup:{setup}\r\n")?;
    if !is_tagged {
        return Ok(());
    }
    let udp = params.candidates.len();
    for (i, address) in params.candidates.iter().enumerate() {
        let (priority, ip, port) = (priority(UDP, i), address.ip(), address.port());
        write!(out, "a=candidate:{} 1 udp {priority} {ip} {port} typ host\r\n", i + 1)?;
    }
    for (i, address) in params.tcp_candidates.iter().enumerate() {
        let (priority, ip, port) = (priority(TCP, i), address.ip(), address.port());
        let foundation = udp + i + 1;
        write!(
            out,
            "a=candidate:{foundation} 1 tcp {priority} {ip} {port} typ host tcptype passive\r\n"
        )?;
    }
    out.write_str("a=end-of-candidates\r\n")
}

/// Type preferences of host candidates (RFC 8445 section 5.1.2.2): by TCP only where UDP does not
/// work, below what it is for anything over UDP but a relay (RFC 6544 section 4.2).
const UDP: u32 = 126;
const TCP: u32 = 90;

/// RFC 8445 section 5.1.2.1: earlier addresses first, component 1.
fn priority(kind: u32, index: usize) -> u32 {
    let local_preference = 65_535u32.saturating_sub(index as u32);
    kind << 24 | local_preference << 8 | 255
}

fn write_formats(out: &mut String, negotiated: &Negotiated) -> fmt::Result {
    for codec in &negotiated.codecs {
        let (pt, rate) = (codec.pt, codec.clock_rate);
        let name = match codec.codec {
            Codec::Opus => "opus",
            Codec::Vp8 => "VP8",
            Codec::Vp9 => "VP9",
            Codec::H264 => "H264",
            Codec::Av1 => "AV1",
        };
        write!(out, "a=rtpmap:{pt} {name}/{rate}")?;
        if codec.channels > 1 {
            write!(out, "/{}", codec.channels)?;
        }
        out.push_str("\r\n");
        for (_, name) in FEEDBACK.iter().filter(|(fb, _)| codec.rtcp_fb.contains(fb)) {
            write!(out, "a=rtcp-fb:{pt} {name}\r\n")?;
        }
        if !codec.fmtp.is_empty() {
            write!(out, "a=fmtp:{pt} {}\r\n", codec.fmtp)?;
        }
        if let Some(rtx) = codec.rtx_pt {
            write!(out, "a=rtpmap:{rtx} rtx/{rate}\r\na=fmtp:{rtx} apt={pt}\r\n")?;
        }
        if let (Codec::Opus, Some(red)) = (codec.codec, negotiated.red_pt) {
            write!(out, "a=rtpmap:{red} red/{rate}/2\r\na=fmtp:{red} {pt}/{pt}\r\n")?;
        }
    }
    Ok(())
}

fn write_stream(out: &mut String, local: &LocalStream) -> fmt::Result {
    write!(out, "a=msid:{} {}\r\n", local.stream, local.track)?;
    if let Some(rtx) = local.rtx_ssrc {
        write!(out, "a=ssrc-group:FID {} {rtx}\r\n", local.ssrc)?;
    }
    for ssrc in [Some(local.ssrc), local.rtx_ssrc].into_iter().flatten() {
        write!(out, "a=ssrc:{ssrc} cname:{}\r\n", local.cname)?;
    }
    Ok(())
}
