//! What an offer of an encoder or a player may say, before anybody is let in with it.

use media::transport::{MediaKind, Offer, OfferMedia, SdpError, negotiate, parse_offer};
use signaling::{ErrorCode, Publication, Source};

use super::answer::Refusal;
use crate::auth::StreamKind;

/// Receiving m-lines of a player; the draft has one of each kind.
const MAX_LINES: usize = 8;

/// Reads an offer; what it publishes, by mid.
///
/// # Errors
/// 400 for what is no offer, 422 for one that cannot be answered in full.
pub(super) fn check(kind: StreamKind, sdp: &str) -> Result<Vec<Publication>, Refusal> {
    let offer = parse_offer(sdp).map_err(|error| match error {
        SdpError::NotBundled(_) | SdpError::Unsupported(_) | SdpError::TooManyMedia(_) => {
            unfit("SDP 所要求的方式不受支持：须为单一 BUNDLE，指纹为 SHA-256 以上")
        }
        SdpError::TooLarge(_) => Refusal::new(ErrorCode::TooLarge, "SDP 过长"),
        _ => Refusal::new(ErrorCode::BadRequest, "请求的内容不是完整的 SDP"),
    })?;
    match kind {
        StreamKind::Whip => publications(&offer),
        StreamKind::Whep => playable(&offer).map(|()| Vec::new()),
    }
}

fn unfit(message: &str) -> Refusal {
    Refusal::new(ErrorCode::UnsupportedMedia, message)
}

fn lines(offer: &Offer) -> impl Iterator<Item = &OfferMedia> {
    let av = |m: &&OfferMedia| matches!(m.kind, MediaKind::Audio | MediaKind::Video);
    offer.media.iter().filter(|m| !m.rejected).filter(av)
}

/// RFC 9725 sections 4.4.2 and 4.4.3: one MediaStream with at most one track of each kind, and no
/// answer that takes only a part.
fn publications(offer: &Offer) -> Result<Vec<Publication>, Refusal> {
    let mut out: Vec<Publication> = Vec::new();
    for line in lines(offer) {
        let source =
            if line.kind == MediaKind::Audio { Source::Microphone } else { Source::Camera };
        if !line.direction.sends() {
            return Err(unfit("推流的 SDP 只能有发送（sendonly）的媒体"));
        }
        if out.iter().any(|publication| publication.source == source) {
            return Err(unfit("推流至多一路声音、一路画面"));
        }
        if negotiate(line).is_none() {
            return Err(unfit("没有共同支持的编码：声音用 Opus，画面用 VP8、H.264、VP9 或 AV1"));
        }
        out.push(Publication { mid: line.mid.clone(), source });
    }
    match out.is_empty() {
        true => Err(unfit("SDP 中没有声音，也没有画面")),
        false => Ok(out),
    }
}

/// A player that can play something is let in; what it cannot decode is not sent to it.
fn playable(offer: &Offer) -> Result<(), Refusal> {
    let mut playable = 0;
    for (at, line) in lines(offer).enumerate() {
        if !line.direction.receives() {
            return Err(unfit("播放的 SDP 只能有接收（recvonly）的媒体"));
        }
        if at == MAX_LINES {
            return Err(unfit("SDP 中的媒体过多"));
        }
        playable += usize::from(negotiate(line).is_some());
    }
    match playable {
        0 => Err(unfit("没有共同支持的编码：声音用 Opus，画面用 VP8、H.264、VP9 或 AV1")),
        _ => Ok(()),
    }
}
