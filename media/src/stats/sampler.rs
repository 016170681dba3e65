//! From snapshots of totals to what happened in between.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{Figures, Grade, Grader, LayerStats, PeerStats, RoomStats, SlotStats, TrackStats};
use crate::api::{PeerId, Source, TrackId};

/// Fewer packets than this in an interval say nothing about a rate of loss.
const ENOUGH_PACKETS: u64 = 20;
/// So many packets of a camera in an interval show that its publisher is not to blame.
const ARRIVING: u64 = 10;

/// How a room stands, and how it went since the sample before.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Length of the interval; zero for the first report, whose rates are all zero.
    pub interval: Duration,
    pub peers: Vec<PeerReport>,
    pub tracks: Vec<TrackReport>,
    pub slots: Vec<SlotReport>,
}

#[derive(Debug, Clone, Copy)]
pub struct PeerReport {
    pub stats: PeerStats,
    pub figures: Figures,
    /// None until the peer is connected and a whole interval has passed.
    pub grade: Option<Grade>,
}

#[derive(Debug, Clone)]
pub struct TrackReport {
    pub stats: TrackStats,
    /// As many as the track has layers; all zero for a track that was not there before.
    pub rates: Vec<LayerRates>,
    /// It was there at the sample before: what its rates say is so.
    pub known: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LayerRates {
    /// Bits a second.
    pub bitrate: u64,
    pub packets: u64,
    /// Share lost before repair, 0–1.
    pub loss: f32,
}

#[derive(Debug, Clone, Copy)]
pub struct SlotReport {
    pub stats: SlotStats,
    pub bitrate: u64,
    pub packets: u64,
    pub loss: f32,
    /// Time of the interval in which the picture stood still.
    pub frozen: Duration,
}

/// Keeps the last snapshot of one room and the grades of its peers.
#[derive(Debug, Default)]
pub struct Sampler {
    at: Option<Instant>,
    layers: HashMap<(TrackId, usize), LayerStats>,
    slots: HashMap<(PeerId, u16), SlotStats>,
    graders: HashMap<PeerId, Grader>,
}

impl Sampler {
    /// Takes a snapshot of the room at `now`.
    pub fn take(&mut self, now: Instant, stats: RoomStats) -> Report {
        let interval = self.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let tracks: Vec<_> = stats.tracks.iter().map(|t| self.track(interval, t)).collect();
        let slots: Vec<_> = stats.slots.iter().map(|s| self.slot(interval, s)).collect();
        let mut figures = figures(interval, &stats, &tracks, &slots);
        self.graders.retain(|peer, _| figures.contains_key(peer));
        let peers = stats.peers.iter().map(|peer| {
            let figures = figures.remove(&peer.peer).unwrap_or_default();
            let known = peer.connected && !interval.is_zero();
            let grade = known.then(|| self.graders.entry(peer.peer).or_default().take(&figures));
            PeerReport { stats: *peer, figures, grade }
        });
        let peers = peers.collect();
        self.at = Some(now);
        self.layers.clear();
        self.layers.extend(stats.tracks.iter().flat_map(|track| {
            track.layers().iter().enumerate().map(|(at, layer)| ((track.track, at), *layer))
        }));
        self.slots.clear();
        self.slots.extend(stats.slots.iter().map(|slot| ((slot.peer, slot.slot), *slot)));
        Report { interval, peers, tracks, slots }
    }

    fn track(&self, interval: Duration, track: &TrackStats) -> TrackReport {
        let rates = track.layers().iter().enumerate().map(|(at, layer)| {
            let Some(before) = self.layers.get(&(track.track, at)) else {
                return LayerRates::default();
            };
            // A new SSRC counts from nothing.
            let same = layer.ssrc == before.ssrc;
            let (lost, expected) =
                if same { (before.lost, before.expected) } else { Default::default() };
            let expected = layer.expected.saturating_sub(expected);
            LayerRates {
                bitrate: per_second(8 * layer.bytes.saturating_sub(before.bytes), interval),
                packets: layer.packets.saturating_sub(before.packets),
                loss: share(layer.lost.saturating_sub(lost), expected),
            }
        });
        let known = self.layers.contains_key(&(track.track, 0));
        TrackReport { stats: *track, rates: rates.collect(), known }
    }

    fn slot(&self, interval: Duration, slot: &SlotStats) -> SlotReport {
        let before = self.slots.get(&(slot.peer, slot.slot));
        let Some(before) = before else {
            let frozen = Duration::ZERO;
            return SlotReport { stats: *slot, bitrate: 0, packets: 0, loss: 0.0, frozen };
        };
        let packets = slot.packets.saturating_sub(before.packets);
        // Late duplicates make the total fall: that is no loss.
        let lost = u64::try_from(slot.lost.saturating_sub(before.lost)).unwrap_or(0);
        SlotReport {
            stats: *slot,
            bitrate: per_second(8 * slot.bytes.saturating_sub(before.bytes), interval),
            packets,
            loss: share(lost.min(packets), packets),
            frozen: slot.frozen.saturating_sub(before.frozen).min(interval),
        }
    }
}

fn per_second(amount: u64, interval: Duration) -> u64 {
    let micros = interval.as_micros().max(1);
    if interval.is_zero() { 0 } else { (u128::from(amount) * 1_000_000 / micros) as u64 }
}

fn share(part: u64, whole: u64) -> f32 {
    if whole < ENOUGH_PACKETS { 0.0 } else { (part as f32 / whole as f32).min(1.0) }
}

/// What each peer's grade is made of.
fn figures(
    interval: Duration,
    stats: &RoomStats,
    tracks: &[TrackReport],
    slots: &[SlotReport],
) -> HashMap<PeerId, Figures> {
    let of = |peer: &PeerStats| (peer.peer, Figures { rtt: peer.rtt, ..Figures::default() });
    let mut figures: HashMap<PeerId, Figures> = stats.peers.iter().map(of).collect();
    // Whether anything came of what each peer has switched on; only those who have something.
    let mut came: HashMap<PeerId, bool> = HashMap::new();
    let mut arriving: HashMap<TrackId, u64> = HashMap::new();
    for track in tracks {
        let Some(own) = figures.get_mut(&track.stats.peer) else { continue };
        let packets: u64 = track.rates.iter().map(|rates| rates.packets).sum();
        arriving.insert(track.stats.track, packets);
        if track.known && track.stats.enabled && track.stats.source == Source::Microphone {
            *came.entry(track.stats.peer).or_default() |= packets > 0;
        } else if packets > 0 {
            came.insert(track.stats.peer, true);
        }
        for (rates, layer) in track.rates.iter().zip(track.stats.layers()) {
            own.loss = own.loss.max(rates.loss);
            if layer.active && track.stats.source.is_audio() {
                own.jitter = own.jitter.max(layer.jitter);
            }
        }
    }
    let (mut sent, mut lost) = (HashMap::new(), HashMap::new());
    for slot in slots {
        let peer = slot.stats.peer;
        let Some(own) = figures.get_mut(&peer) else { continue };
        *sent.entry(peer).or_insert(0u64) += slot.packets;
        *lost.entry(peer).or_insert(0f32) += slot.loss * slot.packets as f32;
        if slot.stats.source.is_audio() && slot.packets > 0 {
            own.jitter = own.jitter.max(slot.stats.jitter);
        }
        // A camera that does not reach us stands still for all: that is not this peer's line.
        if arriving.get(&slot.stats.track).is_some_and(|packets| *packets >= ARRIVING)
            && !interval.is_zero()
        {
            own.frozen = own.frozen.max(slot.frozen.as_secs_f32() / interval.as_secs_f32());
        }
    }
    for (peer, own) in &mut figures {
        let (sent, lost) = (sent.get(peer).copied(), lost.get(peer).copied());
        if let (Some(sent), Some(lost)) = (sent.filter(|n| *n >= ENOUGH_PACKETS), lost) {
            own.loss = own.loss.max(lost / sent as f32);
        }
        own.silent = !interval.is_zero() && came.get(peer) == Some(&false);
    }
    figures
}

#[cfg(test)]
#[path = "sampler_tests.rs"]
mod tests;
