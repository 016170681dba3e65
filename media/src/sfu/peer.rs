//! One connection: its transport, what it publishes (by SSRC) and its receive slots.

use std::time::{Duration, Instant};

use slotmap::new_key_type;

use super::codecs::Codecs;
use super::downlink::Downlink;
use super::room::RoomKey;
use super::slot::Slot;
use super::track::TrackKey;
use crate::api::{Assignment, Codec, OwnerId, PeerId, Source, TrackView, Watch};
use crate::bwe::twcc::Recorder;
use crate::rtp::ext::{ExtIds, ExtKind, KINDS};
use crate::transport::{self, Negotiated, Remote, SsrcInfo, ext};

new_key_type! { pub struct PeerKey; }

/// SSRCs that one peer may have in use: eight sources of three layers with retransmission.
pub const MAX_BINDINGS: usize = 48;
/// Source addresses remembered per peer.
pub const MAX_ADDRESSES: usize = 8;

/// What a payload type of a publisher means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    #[default]
    None,
    Media(Codec),
    /// Retransmission of this payload type.
    Rtx(u8),
    Red,
}

/// What an SSRC of a publisher carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    pub ssrc: u32,
    pub track: TrackKey,
    pub layer: u8,
    pub rtx: bool,
}

/// A sending m-line of a publisher.
pub struct Section {
    pub mid: String,
    pub source: Source,
    pub negotiated: Negotiated,
    /// Its codecs, best first, as its publisher offers them.
    pub offered: Vec<Codec>,
    pub ssrcs: Vec<SsrcInfo>,
    pub track: TrackKey,
}

pub struct Peer {
    pub id: PeerId,
    pub owner: OwnerId,
    pub room: RoomKey,
    pub transport: transport::Peer,
    pub connected: bool,
    /// Stands for a publisher of another shard: it has no connection here.
    pub relayed: bool,
    pub addresses: Vec<Remote>,
    pub ufrags: Vec<String>,
    pub session_id: u64,
    pub version: u64,
    pub cname: String,
    pub may_capture: bool,
    pub watch: Watch,
    /// Bits by [`Source`]: switched off by the server.
    pub disabled: u8,
    pub sections: Vec<Section>,
    pub bindings: Vec<Binding>,
    pub roles: [Role; 128],
    /// Extension kind by id as this peer sends them.
    pub kinds: [Option<ExtKind>; 256],
    pub twcc: Recorder,
    pub rtcp_ssrc: u32,
    pub slots: Vec<Slot>,
    /// Video that its slots take.
    pub decodes: Codecs,
    /// What it shows, once it said so.
    pub views: Option<Vec<TrackView>>,
    pub downlink: Downlink,
    /// Smoothed round trip, from receiver reports.
    pub rtt: Option<Duration>,
    pub next_report: Instant,
    /// When its address changed last.
    pub moved: Option<Instant>,
    /// The entry of this peer in the shard's timer heap that counts.
    pub timer: Option<Instant>,
    pub touched: bool,
    pub map_changed: bool,
    /// Wanted totals told last.
    pub told_slots: (u32, u32),
}

pub fn source_bit(source: Source) -> u8 {
    1 << source as u8
}

impl Peer {
    pub fn is_enabled(&self, source: Source) -> bool {
        self.disabled & source_bit(source) == 0
    }

    /// Rebuilds the tables by payload type and extension id from the sending m-lines.
    pub fn learn_types(&mut self) {
        self.roles = [Role::None; 128];
        self.kinds = [None; 256];
        for section in &self.sections {
            for codec in &section.negotiated.codecs {
                self.roles[usize::from(codec.pt & 0x7f)] = Role::Media(codec.codec);
                if let Some(rtx) = codec.rtx_pt {
                    self.roles[usize::from(rtx & 0x7f)] = Role::Rtx(codec.pt);
                }
            }
            if let Some(red) = section.negotiated.red_pt {
                self.roles[usize::from(red & 0x7f)] = Role::Red;
            }
            for map in &section.negotiated.extmaps {
                self.kinds[usize::from(map.id)] = kind_of(map.uri);
            }
        }
    }

    /// Which slots carry what; `track_of` names the publisher of a track.
    pub fn assignments(
        &self,
        mut track_of: impl FnMut(TrackKey) -> Option<(PeerId, OwnerId, Source)>,
    ) -> Vec<Assignment> {
        self.slots
            .iter()
            .filter(|slot| slot.active)
            .filter_map(|slot| {
                let (peer, owner, source) = track_of(slot.track?)?;
                Some(Assignment { mid: slot.mid.clone(), peer, owner, source })
            })
            .collect()
    }

    /// Time in which a second request for the same packet cannot yet be about the last answer.
    pub fn resend_pause(&self) -> Duration {
        let rtt = self.rtt.unwrap_or(Duration::from_millis(50));
        (rtt * 3 / 4).clamp(Duration::from_millis(5), Duration::from_millis(300))
    }

    pub fn measured(&mut self, rtt: Duration) {
        self.rtt = Some(self.rtt.map_or(rtt, |old| (old * 7 + rtt) / 8));
    }
}

const URIS: [(&str, ExtKind); KINDS] = [
    (ext::MID, ExtKind::Mid),
    (ext::RID, ExtKind::Rid),
    (ext::REPAIRED_RID, ExtKind::RepairedRid),
    (ext::AUDIO_LEVEL, ExtKind::AudioLevel),
    (ext::TRANSPORT_CC, ExtKind::TransportCc),
    (ext::ABS_SEND_TIME, ExtKind::AbsSendTime),
    (ext::VIDEO_ORIENTATION, ExtKind::VideoOrientation),
    (ext::ABS_CAPTURE_TIME, ExtKind::AbsCaptureTime),
    (ext::DEPENDENCY_DESCRIPTOR, ExtKind::DependencyDescriptor),
];

fn kind_of(uri: &str) -> Option<ExtKind> {
    URIS.iter().find(|(known, _)| *known == uri).map(|(_, kind)| *kind)
}

/// Ids to use towards the peer on one m-line.
pub fn ids_of(negotiated: &Negotiated) -> ExtIds {
    let mut ids = ExtIds::default();
    for map in &negotiated.extmaps {
        if let Some(kind) = kind_of(map.uri) {
            ids.set(kind, map.id);
        }
    }
    ids
}
