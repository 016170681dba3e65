//! Letting out what waits for the pacer, and filling probes.

use std::time::Instant;

use super::downlink::OVERHEAD;
use super::egress::{Outgoing, seal};
use super::forward::Sending;
use super::peer::PeerKey;
use crate::rtp::ext::{ExtKind, ExtWriter};
use crate::shard::{DropReason, Egress, Shard};

/// Packets let out or made up for one peer in one go: the next timer goes on.
const AT_ONCE: usize = 64;
/// A packet of nothing but padding (its length is told in one byte).
const PADDING: usize = 224;

impl Shard {
    /// What a subscriber's timer is for: probes begin, waiting packets leave, probes are filled.
    pub(crate) fn pace(&mut self, now: Instant, key: PeerKey, egress: &mut Egress) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.downlink.poll(now);
        for _ in 0..AT_ONCE {
            let Some(queued) = self.peers.get_mut(key).and_then(|p| p.downlink.pop(now)) else {
                break;
            };
            let slot = usize::from(queued.slot);
            match self.send_kept(now, key, slot, queued.sequence, Sending::First, egress) {
                Ok(()) => self.counters.packets_forwarded += 1,
                Err(_) => self.counters.drop(DropReason::Paced, 1),
            }
        }
        for _ in 0..AT_ONCE {
            let padding = self.peers.get(key).and_then(|p| p.downlink.estimator()?.padding(now));
            let Some((_, size)) = padding else { break };
            if !self.send_probe(now, key, size, egress) {
                break;
            }
        }
    }

    /// Sends one packet of a probe: the last one of a picture again, where that is about the size
    /// wanted, else padding.
    fn send_probe(&mut self, now: Instant, key: PeerKey, size: usize, egress: &mut Egress) -> bool {
        let Some(peer) = self.peers.get(key) else { return false };
        let latest = peer.downlink.latest().filter(|_| size > 2 * PADDING);
        if let Some((slot, sequence)) = latest
            && peer.slots.get(slot).is_some_and(|slot| slot.has_rtx())
            && self.send_kept(now, key, slot, sequence, Sending::Probe, egress).is_ok()
        {
            self.counters.probes_out += 1;
            return true;
        }
        let sent = self.pad(now, key, egress);
        self.counters.probes_out += u64::from(sent);
        sent
    }

    /// Padding alone, on the retransmission SSRC of a picture.
    fn pad(&mut self, now: Instant, key: PeerKey, egress: &mut Egress) -> bool {
        let Some(peer) = self.peers.get_mut(key) else { return false };
        let (Some(dst), Some(tx)) = (peer.transport.remote_addr(), peer.transport.srtp_tx()) else {
            return false;
        };
        let fits = |slot: &&mut super::slot::Slot| {
            let numbered = slot.ids.get(ExtKind::TransportCc).is_some();
            slot.active && !slot.audio && slot.track.is_some() && slot.has_rtx() && numbered
        };
        let Some(slot) = peer.slots.iter_mut().find(fits) else { return false };
        let Some(payload_type) = slot.types.rtx else { return false };
        slot.rtx_seq += 1;
        let payload = PADDING - OVERHEAD;
        let stamp = peer.downlink.stamp(now, slot, slot.rtx_seq, payload, false);
        let mut writer = ExtWriter::new();
        if let (Some(number), Some(id)) = (stamp.number, slot.ids.get(ExtKind::TransportCc)) {
            writer.push(id, &number.to_be_bytes());
        }
        let out = Outgoing {
            payload_type,
            marker: false,
            sequence: slot.rtx_seq,
            timestamp: slot.rewriter.last_timestamp(),
            ssrc: slot.rtx_ssrc,
            extension: writer.finish(),
            original: None,
            pad: payload as u8,
            class: crate::shard::Class::Video,
        };
        seal(egress, dst, tx, &out, &[], |_| {})
    }

    /// Drops what waits of a slot, so that it is not asked for again either.
    pub(crate) fn forget_queued(&mut self, key: PeerKey, index: usize) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(slot) = peer.slots.get_mut(index) else { return };
        let mut dropped = 0;
        peer.downlink.forget(index, |sequence| {
            slot.rewriter.withdraw(sequence);
            dropped += 1;
        });
        self.counters.drop(DropReason::Paced, dropped);
    }
}
