//! RTCP that comes in: reports, NACKs and key frame requests.

use std::time::Instant;

use super::peer::PeerKey;
use super::receive::Report;
use crate::api::Tap;
use crate::bwe::feedback::Feedback;
use crate::rtp::rtcp::{Item, parse};
use crate::shard::{Egress, Shard, TapSink};
use crate::transport::SrtpError;

/// Requests taken from one compound packet; a sane one has fewer.
const MAX_NACKS: usize = 1024;

impl Shard {
    pub(crate) fn on_rtcp(
        &mut self,
        now: Instant,
        key: PeerKey,
        data: &mut [u8],
        egress: &mut Egress,
        tap: &mut dyn TapSink,
    ) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let plain = match peer.transport.unprotect_rtcp(now, data) {
            Ok(length) => &data[..length],
            Err(SrtpError::Replayed) => return self.counters.drop_replayed += 1,
            Err(SrtpError::NotReady) => return self.counters.drop_not_ready += 1,
            Err(_) => return self.counters.drop_authentication += 1,
        };
        let mut nacks = 0;
        let whole = parse(plain, |item| match item {
            Item::SenderReport { ssrc, ntp, rtp } => {
                self.on_sender_report(key, ssrc, Report { ntp, rtp, at: now }, tap);
            }
            Item::Report(block) => {
                let Some(peer) = self.peers.get_mut(key) else { return };
                let Some(slot) = peer.slots.iter_mut().find(|slot| slot.ssrc == block.ssrc) else {
                    return;
                };
                slot.known = true;
                slot.totals.reported(block.fraction_lost, block.lost, block.jitter);
                if let Some(sent) = slot.sent_report(block.last_sr)
                    && let Some(rtt) = Shard::round_trip(now, sent, block.delay_since_last_sr)
                {
                    peer.measured(rtt);
                }
                if let Some(estimator) = peer.downlink.estimator_mut() {
                    estimator.receiver_report(now, block.fraction_lost);
                }
            }
            Item::Nack { media_ssrc, entries } => {
                let Some(slot) = self.slot_of(key, media_ssrc) else { return };
                for sequence in entries.sequences() {
                    nacks += 1;
                    if nacks > MAX_NACKS {
                        self.counters.drop_nack_flood += 1;
                        return;
                    }
                    self.counters.nacks_in += 1;
                    self.resend(now, key, slot, sequence, egress);
                }
            }
            Item::Pli { media_ssrc } | Item::Fir { media_ssrc } => {
                self.counters.plis_in += 1;
                self.on_picture_loss(now, key, media_ssrc);
            }
            Item::TransportFeedback(packet) => {
                let estimator = self.peers.get_mut(key).and_then(|p| p.downlink.estimator_mut());
                match (estimator, Feedback::parse(packet)) {
                    (Some(estimator), Some(feedback)) => estimator.feedback(now, &feedback),
                    (_, None) => self.counters.drop_malformed += 1,
                    (None, _) => {}
                }
            }
            Item::Remb { bitrate } => {
                if let Some(peer) = self.peers.get_mut(key)
                    && let Some(estimator) = peer.downlink.estimator_mut()
                {
                    estimator.remb(bitrate);
                }
            }
            Item::Bye { .. } => {}
        });
        if !whole {
            self.counters.drop_malformed += 1;
        }
    }

    fn slot_of(&self, key: PeerKey, ssrc: u32) -> Option<usize> {
        self.peers.get(key)?.slots.iter().position(|slot| slot.ssrc == ssrc)
    }

    pub(super) fn on_sender_report(
        &mut self,
        key: PeerKey,
        ssrc: u32,
        report: Report,
        tap: &mut dyn TapSink,
    ) {
        let Some(peer) = self.peers.get(key) else { return };
        let Some(binding) = peer.bindings.iter().find(|b| b.ssrc == ssrc && !b.rtx).copied() else {
            return;
        };
        self.announce_report(binding.track, binding.layer, report);
        let Some(track) = self.tracks.get_mut(binding.track) else { return };
        track.layers[usize::from(binding.layer)].receiver.report = Some(report);
        let captured = track.captured == Some(track.feed(binding.track, binding.layer));
        if track.capturing && captured && track.enabled {
            let Some(room) = self.rooms.get(track.room).map(|room| room.id) else { return };
            let Report { ntp, rtp, .. } = report;
            tap.tap(Tap::SenderReport { room, track: track.id, ssrc, ntp, rtp });
        }
    }

    fn on_picture_loss(&mut self, now: Instant, key: PeerKey, ssrc: u32) {
        let Some(index) = self.slot_of(key, ssrc) else { return };
        let Some(peer) = self.peers.get_mut(key) else { return };
        // Before its first report it may just as well be near.
        let rtt = peer.rtt.unwrap_or_default();
        let slot = &mut peer.slots[index];
        slot.totals.picture_lost();
        let Some(track_key) = slot.track else { return };
        if !slot.repair.key_frame(now) {
            return self.counters.plis_refused += 1;
        }
        let Some(track) = self.tracks.get_mut(track_key).filter(|track| !track.is_audio()) else {
            return;
        };
        // The layer that the subscriber sees; the best one if it waits for it.
        let seen = slot
            .rewriter
            .current()
            .map(|epoch| epoch.source)
            .filter(|feed| slot.synced && feed.track == track_key)
            .map_or_else(
                || track.choose(slot.target.map_or(0, |target| target.spatial)),
                |feed| feed.layer,
            );
        if let Some(layer) = track.layers.get_mut(usize::from(seen)) {
            layer.keyframe.want_for(now, rtt);
        }
        let publisher = track.peer;
        self.touch(publisher);
    }
}
