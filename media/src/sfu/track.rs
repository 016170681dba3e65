//! A published track and its simulcast layers.

use std::time::{Duration, Instant};

use slotmap::new_key_type;

use super::cache::{self, PacketCache};
use super::codecs::Agreement;
use super::elsewhere::{Elsewhere, Wish};
use super::keyframe::KeyframeRequest;
use super::layer::{Layer as Quality, MAX_SPATIAL, Measured};
use super::nack;
use super::peer::PeerKey;
use super::publishing::Publishing;
use super::receive::Receiver;
use super::room::RoomKey;
use super::voice::Voice;
use crate::api::{Codec, OwnerId, PeerId, Source, TrackId};
use crate::rtp::dd::Structure;
use crate::shard::Class;

new_key_type! { pub struct TrackKey; }

/// Simulcast layers of one track.
pub const MAX_LAYERS: usize = MAX_SPATIAL;
/// A layer that sends nothing for this long has been switched off by its sender.
pub const SILENT: Duration = Duration::from_secs(1);

/// One SSRC of a track as an origin of packets. A layer whose sender begins anew under another
/// SSRC is another source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feed {
    pub track: TrackKey,
    pub layer: u8,
    pub generation: u32,
}

pub struct Layer {
    /// RTP stream id (RFC 8851); empty without simulcast.
    pub rid: String,
    /// 0 until seen or negotiated.
    pub ssrc: u32,
    pub generation: u32,
    pub receiver: Receiver,
    pub cache: PacketCache,
    pub last_packet: Option<Instant>,
    pub keyframe: KeyframeRequest,
    /// Since the layer was first seen, whatever SSRC it had.
    pub totals: LayerTotals,
    /// Of its dependency descriptors.
    pub structure: Option<Box<Structure>>,
}

/// What a layer counts for [`crate::stats`].
#[derive(Debug, Clone, Copy, Default)]
pub struct LayerTotals {
    /// Accepted, repairs included, and their bytes without SRTP's tag.
    pub packets: u64,
    pub bytes: u64,
    /// Gaps filled by a retransmission or by redundancy.
    pub repaired: u64,
    /// Sequence numbers and key frames asked of the publisher.
    pub nacks: u64,
    pub plis: u64,
}

impl Layer {
    fn new(now: Instant, rid: String, audio: bool, nack: bool) -> Layer {
        let clock_rate = if audio { 48_000 } else { 90_000 };
        let policy = if audio { nack::AUDIO } else { nack::VIDEO };
        Layer {
            rid,
            ssrc: 0,
            generation: 0,
            receiver: Receiver::new(now, clock_rate, nack.then_some(policy)),
            cache: PacketCache::new(now, if audio { &cache::AUDIO } else { &cache::VIDEO }),
            last_packet: None,
            keyframe: KeyframeRequest::default(),
            totals: LayerTotals::default(),
            structure: None,
        }
    }
}

pub struct Track {
    pub id: TrackId,
    pub room: RoomKey,
    pub peer: PeerKey,
    pub peer_id: PeerId,
    pub owner: OwnerId,
    pub source: Source,
    /// Known once started.
    pub codec: Codec,
    /// Format parameters of the payload type in use, to find its equal at subscribers.
    pub fmtp: String,
    pub started: bool,
    pub enabled: bool,
    /// Levels of a microphone, and whether a large room hears it.
    pub voice: Voice,
    pub chosen: bool,
    /// Its publisher is on another shard of the room.
    pub relayed: bool,
    /// Other shards that its packets go to, a bit each.
    pub links: u64,
    pub capturing: bool,
    pub captured: Option<Feed>,
    nack: bool,
    /// Lowest quality first.
    pub layers: Vec<Layer>,
    /// The highest layer that is arriving.
    pub best: u8,
    /// What is known of its layers: sizes and bitrates.
    pub measured: Measured,
    pub publishing: Publishing,
    pub agreement: Agreement,
    /// What other shards want of it; and, of one of theirs, what its own was told last.
    pub elsewhere: Elsewhere,
    pub wished: Option<Wish>,
    /// Waits in the shard's list of tracks to review; and its pictures have another size.
    pub review: bool,
    pub resized: bool,
    pub subscribers: Vec<(PeerKey, u16)>,
}

/// What an offer says of a track.
pub struct Publication<'a> {
    pub source: Source,
    pub rids: &'a [String],
    pub nack: bool,
}

/// Where a rid stands among layers: Chromium and our client name them q, h, f.
fn quality(rid: &str, index: usize) -> usize {
    match rid {
        "q" | "l" => 0,
        "h" | "m" => 1,
        "f" => 2,
        _ => index,
    }
}

impl Track {
    pub fn new(
        now: Instant,
        id: TrackId,
        (room, peer): (RoomKey, PeerKey),
        (peer_id, owner): (PeerId, OwnerId),
        publication: &Publication<'_>,
    ) -> Track {
        let audio = publication.source.is_audio();
        let mut rids: Vec<String> = publication.rids.iter().take(MAX_LAYERS).cloned().collect();
        let mut order: Vec<(usize, String)> =
            rids.drain(..).enumerate().map(|(at, rid)| (quality(&rid, at), rid)).collect();
        order.sort_by_key(|(quality, _)| *quality);
        if order.is_empty() {
            order.push((0, String::new()));
        }
        let measured = Measured::new(order.len());
        let layers =
            order.into_iter().map(|(_, rid)| Layer::new(now, rid, audio, publication.nack));
        Track {
            id,
            room,
            peer,
            peer_id,
            owner,
            source: publication.source,
            codec: if audio { Codec::Opus } else { Codec::Vp8 },
            fmtp: String::new(),
            started: false,
            enabled: true,
            voice: Voice::default(),
            chosen: false,
            relayed: false,
            links: 0,
            capturing: false,
            captured: None,
            nack: publication.nack,
            layers: layers.collect(),
            best: 0,
            measured,
            publishing: Publishing::default(),
            agreement: Agreement::default(),
            elsewhere: Elsewhere::default(),
            wished: None,
            review: false,
            resized: false,
            subscribers: Vec::new(),
        }
    }

    pub fn is_audio(&self) -> bool {
        self.source.is_audio()
    }

    pub fn class(&self) -> Class {
        if self.is_audio() { Class::Audio } else { Class::Video }
    }

    pub fn feed(&self, key: TrackKey, layer: u8) -> Feed {
        Feed { track: key, layer, generation: self.layers[usize::from(layer)].generation }
    }

    /// Gives a layer its SSRC; a new one for a layer that had another begins it anew.
    pub fn bind(&mut self, now: Instant, layer: u8, ssrc: u32) {
        let audio = self.is_audio();
        let nack = self.nack;
        let layer = &mut self.layers[usize::from(layer)];
        if layer.ssrc != 0 && layer.ssrc != ssrc {
            let next = Layer::new(now, std::mem::take(&mut layer.rid), audio, nack);
            let (generation, totals) = (layer.generation + 1, layer.totals);
            *layer = Layer { generation, totals, ..next };
        }
        layer.ssrc = ssrc;
    }

    /// Becomes another track in the same place: its publisher goes on in another codec under the
    /// same SSRCs.
    pub fn begin_anew(&mut self, id: TrackId) {
        self.id = id;
        self.started = false;
        self.capturing = false;
        self.captured = None;
        self.measured = Measured::new(self.layers.len());
        self.resized = false;
        self.elsewhere.clear();
        for layer in &mut self.layers {
            layer.generation += 1;
            layer.keyframe = KeyframeRequest::default();
            layer.structure = None;
        }
    }

    /// Notes a packet of a layer, and chooses the best one again. True when other layers arrive
    /// than before.
    #[inline]
    pub fn arrived(&mut self, now: Instant, layer: u8, quality: Quality, bytes: usize) -> bool {
        self.layers[usize::from(layer)].last_packet = Some(now);
        let changed = self.measured.arrived(now, quality, bytes);
        if changed && self.layers.len() > 1 {
            let arriving = |at: &u8| self.measured.spatial(*at).active;
            self.best = (0..self.layers.len() as u8).rfind(arriving).unwrap_or(0);
        }
        changed
    }

    /// The simulcast stream that is sent to who wants a spatial layer: the best that arrives up to
    /// it; above it, where nothing else arrives.
    #[inline]
    pub fn choose(&self, spatial: u8) -> u8 {
        let count = self.layers.len() as u8;
        if count == 1 {
            return 0;
        }
        let arriving = |at: &u8| self.measured.spatial(*at).active;
        let within = (0..=spatial.min(count - 1)).rfind(arriving);
        within.or_else(|| (0..count).find(arriving)).unwrap_or(self.best)
    }

    /// Is anybody waiting for pictures of this track?
    pub fn is_watched(&self) -> bool {
        !self.subscribers.is_empty() || self.capturing || self.links != 0
    }

    /// Asks for a key frame of a layer (video only).
    pub fn want_key_frame(&mut self, layer: u8) {
        let video = !self.is_audio() && self.enabled;
        if let Some(layer) = self.layers.get_mut(usize::from(layer)).filter(|_| video) {
            layer.keyframe.want();
        }
    }
}
