//! Reading an SDP offer: `rtc::sdp` reads the lines, this file their meaning (RFC 9429 section 5.8).

use std::collections::HashSet;
use std::io::Cursor;

use rtc::sdp::description::common::Attribute;
use rtc::sdp::description::media::MediaDescription;
use rtc::sdp::description::session::SessionDescription;

use super::IceCredentials;
use super::sdp::{
    Direction, ExtMap, Fingerprint, MediaKind, Offer, OfferMedia, SdpError, SendStream, Setup,
    SsrcInfo, ext,
};
use super::sdp_codecs::{self, Formats};

/// Longest offer read; a room of sixty slots has about 100 KB.
pub const MAX_SDP: usize = 256 * 1024;
/// Most m-lines read.
pub const MAX_MEDIA: usize = 256;
/// Layers of simulcast taken.
const MAX_RIDS: usize = 3;
/// SSRCs remembered per m-line: three layers with retransmissions and FEC.
const MAX_SSRCS: usize = 12;
/// Longest mid or rid; the header extension carries 16 bytes at most in its one-byte form.
const MAX_TOKEN: usize = 32;

/// Parses a client's offer. Candidates are ignored: a lite agent learns addresses from checks.
///
/// # Errors
/// What must be there and is not, in words without any value from the offer.
pub fn parse_offer(text: &str) -> Result<Offer, SdpError> {
    if text.len() > MAX_SDP {
        return Err(SdpError::TooLarge(MAX_SDP));
    }
    // What we echo must not carry a line break of its own.
    let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    if lines.flat_map(str::chars).any(|c| c.is_control() && c != '\t') {
        return Err(SdpError::Invalid("control character"));
    }
    let session = SessionDescription::unmarshal(&mut Cursor::new(text.as_bytes()))
        .map_err(|_| SdpError::Syntax)?;
    if session.media_descriptions.is_empty() {
        return Err(SdpError::Missing("media section"));
    }
    if session.media_descriptions.len() > MAX_MEDIA {
        return Err(SdpError::TooManyMedia(MAX_MEDIA));
    }
    let bundle: Vec<String> = values(&session.attributes, "group")
        .find_map(|group| group.strip_prefix("BUNDLE"))
        .map(|mids| mids.split_whitespace().map(str::to_owned).collect())
        .unwrap_or_default();
    let media = session
        .media_descriptions
        .iter()
        .map(|m| parse_media(&session, m))
        .collect::<Result<Vec<_>, _>>()?;
    let mut seen = HashSet::new();
    if !media.iter().all(|m| seen.insert(m.mid.as_str())) {
        return Err(SdpError::DuplicateMid);
    }
    let transport = transport(&session, &media, &bundle)?;
    // Chromium says it for the session, Firefox for each section.
    let mixed = |attributes: &[Attribute]| has(attributes, "extmap-allow-mixed");
    let allow_mixed = mixed(&session.attributes)
        || session.media_descriptions.iter().any(|m| mixed(&m.attributes));
    Ok(Offer {
        ice: transport.ice,
        fingerprint: transport.fingerprint,
        setup: transport.setup,
        bundle,
        extmap_allow_mixed: allow_mixed,
        media,
    })
}

struct Transport {
    ice: IceCredentials,
    fingerprint: Fingerprint,
    setup: Setup,
}

/// The one transport of all live m-lines.
fn transport(
    session: &SessionDescription,
    media: &[OfferMedia],
    bundle: &[String],
) -> Result<Transport, SdpError> {
    let live = || {
        session
            .media_descriptions
            .iter()
            .zip(media)
            .filter(|(_, m)| !m.rejected && (bundle.is_empty() || bundle.contains(&m.mid)))
            .map(|(description, _)| description)
    };
    if bundle.is_empty() && live().count() > 1 {
        return Err(SdpError::NotBundled("transport"));
    }
    // With every m-line stopped there is still the session's transport, if it says so.
    let first = live().next();
    let find = |key: &'static str| {
        first
            .and_then(|m| value(&m.attributes, key))
            .or_else(|| value(&session.attributes, key))
            .or_else(|| {
                let mut all = session.media_descriptions.iter();
                all.find_map(|m| value(&m.attributes, key))
            })
    };
    let ice = IceCredentials {
        ufrag: find("ice-ufrag").ok_or(SdpError::Missing("ice-ufrag"))?.to_owned(),
        pwd: find("ice-pwd").ok_or(SdpError::Missing("ice-pwd"))?.to_owned(),
    };
    let is_ice = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_' | b'='))
    };
    if !is_ice(&ice.ufrag, 4..=256) {
        return Err(SdpError::Invalid("ice-ufrag"));
    }
    if !is_ice(&ice.pwd, 22..=256) {
        return Err(SdpError::Invalid("ice-pwd"));
    }
    let differs = live().filter_map(|m| value(&m.attributes, "ice-ufrag")).any(|u| u != ice.ufrag);
    if differs {
        return Err(SdpError::NotBundled("ice-ufrag"));
    }
    let setup = match find("setup") {
        Some("actpass") => Setup::ActPass,
        Some("active") => Setup::Active,
        Some("passive") => Setup::Passive,
        Some(_) => return Err(SdpError::Invalid("setup")),
        // RFC 4145: active is the default.
        None => Setup::Active,
    };
    let fingerprint = first
        .map(|m| best_fingerprint(&m.attributes))
        .transpose()?
        .flatten()
        .map_or_else(|| best_fingerprint(&session.attributes), |found| Ok(Some(found)))?
        .ok_or(SdpError::Missing("fingerprint"))?;
    Ok(Transport { ice, fingerprint, setup })
}

/// The first fingerprint with a digest that is still trusted (RFC 8122 section 5).
fn best_fingerprint(attributes: &[Attribute]) -> Result<Option<Fingerprint>, SdpError> {
    let mut weak = false;
    for text in values(attributes, "fingerprint") {
        let (name, digits) = text.split_once(' ').ok_or(SdpError::Invalid("fingerprint"))?;
        let (algorithm, len) = match name.to_ascii_lowercase().as_str() {
            "sha-256" => ("sha-256", 32),
            "sha-384" => ("sha-384", 48),
            "sha-512" => ("sha-512", 64),
            _ => {
                weak = true;
                continue;
            }
        };
        let digest: Option<Vec<u8>> = digits
            .trim()
            .split(':')
            .map(|pair| if pair.len() == 2 { u8::from_str_radix(pair, 16).ok() } else { None })
            .collect();
        let digest = digest.filter(|d| d.len() == len).ok_or(SdpError::Invalid("fingerprint"))?;
        return Ok(Some(Fingerprint { algorithm, digest }));
    }
    if weak { Err(SdpError::Unsupported("the fingerprint's hash function")) } else { Ok(None) }
}

fn parse_media(
    session: &SessionDescription,
    media: &MediaDescription,
) -> Result<OfferMedia, SdpError> {
    let attributes = &media.attributes;
    let name = &media.media_name;
    let kind = match name.media.as_str() {
        "audio" => MediaKind::Audio,
        "video" => MediaKind::Video,
        "application" => MediaKind::Application,
        _ => MediaKind::Other,
    };
    let mid = value(attributes, "mid").ok_or(SdpError::Missing("mid"))?;
    if !is_token(mid) {
        return Err(SdpError::Invalid("mid"));
    }
    let direction = direction(attributes)
        .or_else(|| direction(&session.attributes))
        .unwrap_or(Direction::SendRecv);
    let formats = if matches!(kind, MediaKind::Audio | MediaKind::Video) {
        sdp_codecs::parse(kind, &name.formats, attributes)
    } else {
        Formats::default()
    };
    Ok(OfferMedia {
        mid: mid.to_owned(),
        kind,
        other_kind: if kind == MediaKind::Other { name.media.clone() } else { String::new() },
        proto: name.protos.join("/"),
        formats: name.formats.join(" "),
        direction,
        codecs: formats.codecs,
        red_pt: formats.red_pt,
        red_first: formats.red_first,
        extmaps: extmaps(attributes),
        rids: rids(attributes),
        msid: msid(attributes),
        ssrcs: ssrcs(attributes),
        rtcp_mux: has(attributes, "rtcp-mux"),
        rtcp_rsize: has(attributes, "rtcp-rsize"),
        rejected: name.port.value == 0 && !has(attributes, "bundle-only"),
    })
}

fn direction(attributes: &[Attribute]) -> Option<Direction> {
    attributes.iter().find_map(|a| Direction::ALL.into_iter().find(|d| d.name() == a.key))
}

/// `a=extmap:ID[/direction] URI` (RFC 8285 section 8); the first use of an id counts.
fn extmaps(attributes: &[Attribute]) -> Vec<ExtMap> {
    let mut out: Vec<ExtMap> = Vec::new();
    for text in values(attributes, "extmap") {
        let mut words = text.split_whitespace();
        let (Some(id), Some(uri)) = (words.next(), words.next()) else { continue };
        let (id, direction) = id.split_once('/').unwrap_or((id, "sendrecv"));
        let Some(direction) = Direction::ALL.into_iter().find(|d| d.name() == direction) else {
            continue;
        };
        let id = id.parse::<u8>().ok().filter(|id| *id != 0 && *id != 15);
        let Some(id) = id else { continue };
        let Some(uri) = ext::ALL.into_iter().find(|known| *known == uri) else { continue };
        if !out.iter().any(|e| e.id == id || e.uri == uri) {
            out.push(ExtMap { id, uri, direction });
        }
    }
    out
}

/// Layers of `a=simulcast:send` (RFC 8853 section 5.1): of alternatives the first; paused ones
/// too, as the sender may resume them.
fn rids(attributes: &[Attribute]) -> Vec<String> {
    let sendable: Vec<&str> = values(attributes, "rid")
        .filter_map(|rid| {
            let mut words = rid.split_whitespace();
            let id = words.next()?;
            (words.next() == Some("send") && is_token(id)).then_some(id)
        })
        .collect();
    let Some(simulcast) = value(attributes, "simulcast") else { return Vec::new() };
    let mut words = simulcast.split_whitespace();
    let mut out = Vec::new();
    while let (Some(direction), Some(list)) = (words.next(), words.next()) {
        if direction != "send" {
            continue;
        }
        for stream in list.split(';') {
            let first = stream.split(',').next().unwrap_or_default().trim_start_matches('~');
            let fresh = !out.iter().any(|rid| rid == first);
            if sendable.contains(&first) && fresh && out.len() < MAX_RIDS {
                out.push(first.to_owned());
            }
        }
    }
    out
}

fn msid(attributes: &[Attribute]) -> Option<SendStream> {
    let mut words = value(attributes, "msid")?.split_whitespace();
    let stream = words.next()?.to_owned();
    Some(SendStream { stream, track: words.next().unwrap_or_default().to_owned() })
}

/// SSRCs with their retransmission SSRCs (RFC 5576). Layers of simulcast have none here.
fn ssrcs(attributes: &[Attribute]) -> Vec<SsrcInfo> {
    let pairs: Vec<(u32, u32)> = values(attributes, "ssrc-group")
        .filter_map(|group| {
            let mut words = group.strip_prefix("FID ")?.split_whitespace();
            Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        })
        .take(MAX_SSRCS)
        .collect();
    let mut out: Vec<SsrcInfo> = Vec::new();
    for text in values(attributes, "ssrc") {
        let Some(ssrc) = text.split_whitespace().next().and_then(|s| s.parse().ok()) else {
            continue;
        };
        let known = out.iter().any(|s| s.ssrc == ssrc);
        let repairs = pairs.iter().any(|(_, rtx)| *rtx == ssrc);
        if known || repairs || out.len() == MAX_SSRCS {
            continue;
        }
        let rtx = pairs.iter().find(|(main, _)| *main == ssrc).map(|(_, rtx)| *rtx);
        out.push(SsrcInfo { ssrc, rtx });
    }
    out
}

/// A token of RFC 8866 section 9, of bounded length: it is echoed in the answer.
fn is_token(text: &str) -> bool {
    (1..=MAX_TOKEN).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]".contains(&b))
}

pub(super) fn values<'a>(
    attributes: &'a [Attribute],
    key: &'a str,
) -> impl Iterator<Item = &'a str> {
    attributes.iter().filter(move |a| a.key == key).filter_map(|a| a.value.as_deref())
}

fn value<'a>(attributes: &'a [Attribute], key: &'a str) -> Option<&'a str> {
    values(attributes, key).next()
}

fn has(attributes: &[Attribute], key: &str) -> bool {
    attributes.iter().any(|a| a.key == key)
}

#[cfg(test)]
#[path = "sdp_tests.rs"]
mod tests;
