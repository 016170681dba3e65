//! Counting for [`crate::stats`], and the snapshot of a room.

use std::time::{Duration, Instant};

use super::peer::Peer;
use super::slot::Slot;
use super::track::{Layer, SILENT, Track};
use crate::api::RoomId;
use crate::shard::Shard;
use crate::stats::{FREEZE, LayerStats, MAX_LAYERS, PeerStats, RoomStats, SlotStats, TrackStats};

/// What a slot counts since it was made, whatever it showed.
#[derive(Debug, Clone, Copy, Default)]
pub struct SlotTotals {
    /// Media packets sent, retransmissions sent, and the bytes of both with SRTP's tag.
    pub packets: u64,
    pub resent: u64,
    pub bytes: u64,
    /// Sequence numbers and key frames that the subscriber asked for.
    pub nacks: u64,
    pub plis: u64,
    /// Of cameras: frames sent that can be decoded, and gaps between them over [`FREEZE`].
    pub frames: u64,
    pub freezes: u64,
    pub frozen: Duration,
    last_frame: Option<Instant>,
    /// The subscriber asked for a key frame: until one is sent it decodes nothing.
    broken: bool,
    /// From the subscriber's last report.
    fraction_lost: u8,
    lost: i32,
    jitter: u32,
}

impl SlotTotals {
    /// A packet of a camera went out; `last` is the marker, the end of a frame.
    #[inline]
    pub fn forwarded(&mut self, now: Instant, key: bool, last: bool) {
        self.broken &= !key;
        if !last || self.broken {
            return;
        }
        self.frames += 1;
        if let Some(gap) = self.gap(now) {
            self.freezes += 1;
            self.frozen += gap;
        }
        self.last_frame = Some(now);
    }

    fn gap(&self, now: Instant) -> Option<Duration> {
        let since = now.saturating_duration_since(self.last_frame?);
        (since > FREEZE).then_some(since)
    }

    /// Another picture, or one that was switched off: time without frames is no freeze.
    pub fn begin_again(&mut self) {
        self.last_frame = None;
        self.broken = false;
    }

    pub fn picture_lost(&mut self) {
        self.plis += 1;
        self.broken = true;
    }

    /// A report block came in.
    pub fn reported(&mut self, fraction_lost: u8, lost: i32, jitter: u32) {
        self.fraction_lost = fraction_lost;
        self.lost = lost;
        self.jitter = jitter;
    }
}

impl Shard {
    /// How the tracks and subscribers of a room stand at `now`; none of it changes anything.
    /// Three allocations, whatever the room's size: to be pulled every second or two.
    pub fn stats(&self, now: Instant, room: RoomId) -> Option<RoomStats> {
        let room = self.rooms.get(*self.room_ids.get(&room)?)?;
        let peers = || {
            room.peers.iter().filter_map(|key| self.peers.get(*key)).filter(|peer| !peer.relayed)
        };
        let mut slots = Vec::with_capacity(peers().map(|peer| peer.slots.len()).sum());
        for peer in peers() {
            for (index, slot) in peer.slots.iter().enumerate() {
                let track = slot.track.and_then(|key| self.tracks.get(key));
                if let Some(track) = track.filter(|_| slot.active) {
                    slots.push(slot_stats(now, peer, index, slot, track));
                }
            }
        }
        let tracks = room.tracks.iter().filter_map(|key| self.tracks.get(*key));
        Some(RoomStats {
            peers: peers().map(peer_stats).collect(),
            tracks: tracks
                .filter(|t| t.started && !t.relayed)
                .map(|track| track_stats(now, track))
                .collect(),
            slots,
        })
    }
}

fn peer_stats(peer: &Peer) -> PeerStats {
    PeerStats {
        peer: peer.id,
        owner: peer.owner,
        connected: peer.connected,
        path: peer.transport.remote_addr().map(|remote| remote.via.into()),
        rtt: peer.rtt,
    }
}

fn track_stats(now: Instant, track: &Track) -> TrackStats {
    let mut layers = [LayerStats::default(); MAX_LAYERS];
    for (out, layer) in layers.iter_mut().zip(&track.layers) {
        *out = layer_stats(now, layer);
    }
    TrackStats {
        track: track.id,
        peer: track.peer_id,
        source: track.source,
        codec: track.codec,
        enabled: track.enabled,
        subscribers: track.subscribers.len() as u32,
        layer_count: track.layers.len().min(MAX_LAYERS) as u8,
        layers,
    }
}

fn layer_stats(now: Instant, layer: &Layer) -> LayerStats {
    let (expected, received) = layer.receiver.expected_and_received();
    let recent = |at: Instant| now.saturating_duration_since(at) < SILENT;
    LayerStats {
        ssrc: layer.ssrc,
        active: layer.last_packet.is_some_and(recent),
        packets: layer.totals.packets,
        bytes: layer.totals.bytes,
        expected,
        lost: expected.saturating_sub(received),
        repaired: layer.totals.repaired,
        jitter: layer.receiver.jitter(),
        nacks: layer.totals.nacks,
        plis: layer.totals.plis,
    }
}

fn slot_stats(now: Instant, peer: &Peer, index: usize, slot: &Slot, track: &Track) -> SlotStats {
    let totals = &slot.totals;
    let shown = slot.rewriter.current().filter(|_| slot.synced);
    // A picture that stands still now counts before it moves again.
    let still = totals.gap(now).filter(|_| slot.synced && track.enabled);
    let clock_rate = u64::from(track.codec.clock_rate());
    SlotStats {
        peer: peer.id,
        slot: index as u16,
        track: track.id,
        from: track.peer_id,
        source: track.source,
        layer: shown.map(|epoch| epoch.source.layer),
        packets: totals.packets,
        resent: totals.resent,
        bytes: totals.bytes,
        nacks: totals.nacks,
        plis: totals.plis,
        frames: totals.frames,
        freezes: totals.freezes + u64::from(still.is_some()),
        frozen: totals.frozen + still.unwrap_or_default(),
        fraction_lost: totals.fraction_lost,
        lost: totals.lost,
        jitter: Duration::from_micros(u64::from(totals.jitter) * 1_000_000 / clock_rate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// 25 frames a second of three packets each; returns the time after the last.
    fn play(totals: &mut SlotTotals, mut at: Instant, frames: u32) -> Instant {
        for _ in 0..frames {
            totals.forwarded(at, false, false);
            totals.forwarded(at, false, true);
            at += ms(40);
        }
        at
    }

    #[test]
    fn a_gap_over_half_a_second_between_frames_is_one_freeze() {
        let t0 = crate::testing::origin();
        let mut totals = SlotTotals::default();
        let at = play(&mut totals, t0, 25);
        let at = play(&mut totals, at + ms(400), 25);
        assert_eq!((totals.freezes, totals.frames), (0, 50), "440 ms is none");
        play(&mut totals, at + ms(800), 25);
        assert_eq!((totals.freezes, totals.frozen), (1, ms(840)));
    }

    #[test]
    fn frames_that_cannot_be_decoded_do_not_end_a_freeze() {
        let t0 = crate::testing::origin();
        let mut totals = SlotTotals::default();
        let at = play(&mut totals, t0, 25);
        totals.picture_lost();
        let at = play(&mut totals, at, 20);
        assert_eq!((totals.freezes, totals.frames), (0, 25));
        totals.forwarded(at, true, false);
        totals.forwarded(at, false, true);
        assert_eq!((totals.freezes, totals.frozen, totals.frames), (1, ms(840), 26));
    }

    #[test]
    fn time_in_which_the_picture_was_off_is_no_freeze() {
        let t0 = crate::testing::origin();
        let mut totals = SlotTotals::default();
        let at = play(&mut totals, t0, 25);
        totals.begin_again();
        play(&mut totals, at + ms(60_000), 25);
        assert_eq!(totals.freezes, 0);
    }
}
