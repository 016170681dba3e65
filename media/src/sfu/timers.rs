//! What a shard does without being spoken to: feedback, NACKs, reports, and transport timeouts.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use super::peer::PeerKey;
use crate::api::{Event, GoneReason};
use crate::rtp::rtcp_write as write;
use crate::shard::{Egress, Shard};
use crate::transport::{Gone, PeerEvent};

/// Sender and receiver reports: for a handful of streams RFC 3550 §6.2 allows this.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// A compound packet is closed beyond this, so that it fits a datagram everywhere.
const COMPOUND: usize = 1000;

impl Shard {
    /// Notes that a peer may have output or another deadline after this call.
    #[inline]
    pub(crate) fn touch(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(key)
            && !peer.touched
        {
            peer.touched = true;
            self.touched.push(key);
        }
    }

    /// Runs the peers whose time has come.
    pub(crate) fn run_timers(&mut self, now: Instant, egress: &mut Egress) {
        while let Some(Reverse((at, key))) = self.timers.peek().copied() {
            if at > now {
                break;
            }
            self.timers.pop();
            let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.timer == Some(at)) else {
                continue;
            };
            peer.timer = None;
            if !peer.relayed {
                peer.transport.handle_timeout(now);
            }
            self.touch(key);
        }
        self.settle(now, egress);
    }

    /// Sends what touched peers have to send and sets their next deadlines.
    pub(crate) fn settle(&mut self, now: Instant, egress: &mut Egress) {
        for (dst, datagram) in self.farewells.drain(..) {
            egress.push(dst, &datagram);
        }
        self.settle_reviews(now);
        // Handling one peer may touch others: the list grows while it is walked.
        let mut at = 0;
        while let Some(key) = self.touched.get(at).copied() {
            at += 1;
            if !self.wish_upstream(now, key) {
                self.lower_layers(now, key);
                self.raise_codecs(now, key);
                self.allocate(now, key);
                self.pace(now, key, egress);
                self.speak(now, key, egress);
                self.drain_transport(now, key, egress);
            }
            if let Some(peer) = self.peers.get_mut(key) {
                peer.touched = false;
            }
            self.schedule(now, key);
        }
        self.touched.clear();
        for (dst, datagram) in self.farewells.drain(..) {
            egress.push(dst, &datagram);
        }
        self.tell_changed_maps();
    }

    fn drain_transport(&mut self, now: Instant, key: PeerKey, egress: &mut Egress) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        while let Some((dst, datagram)) = peer.transport.poll_transmit() {
            egress.push(dst, &datagram);
        }
        while let Some(event) = self.peers.get_mut(key).and_then(|p| p.transport.poll_event()) {
            match event {
                PeerEvent::Connected => self.on_connected(now, key),
                PeerEvent::AddressChanged(_) => self.on_moved(now, key),
                PeerEvent::Gone(gone) => {
                    let reason = match gone {
                        Gone::HandshakeFailed(_) => GoneReason::HandshakeFailed,
                        Gone::Closed => GoneReason::Closed,
                        Gone::ConsentExpired => GoneReason::ConsentExpired,
                    };
                    return self.drop_peer(now, key, Some(reason));
                }
            }
        }
    }

    /// Media goes and comes by another way: what was on the old one is lost, and more of it than
    /// repair brings back. Both directions begin anew with a key frame; nothing from before is sent
    /// again, for late sound would hold up sound and picture of the time after.
    fn on_moved(&mut self, now: Instant, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.connected) else { return };
        peer.moved = Some(now);
        let watched = peer.slots.iter().filter_map(|slot| slot.track);
        let published = peer.sections.iter().map(|section| section.track);
        let tracks: Vec<_> = watched.chain(published).collect();
        for track in tracks {
            self.want_key_frame(track);
        }
    }

    fn on_connected(&mut self, now: Instant, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.connected = true;
        peer.next_report = now + REPORT_INTERVAL;
        let (room, id) = (peer.room, peer.id);
        let slots = peer.slots.len();
        if let Some(room) = self.rooms.get(room).map(|room| room.id) {
            self.events.push_back(Event::PeerConnected { room, peer: id });
        }
        for slot in 0..slots {
            self.want_picture(key, slot);
        }
    }

    fn schedule(&mut self, now: Instant, key: PeerKey) {
        let Some(due) = self.due(now, key) else { return };
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.timer.is_none_or(|timer| due < timer) {
            peer.timer = Some(due);
            self.timers.push(Reverse((due, key)));
        }
    }

    fn due(&self, now: Instant, key: PeerKey) -> Option<Instant> {
        let peer = self.peers.get(key)?;
        if peer.relayed {
            return self.wish_due(now, key);
        }
        let mut due = peer.transport.next_timeout();
        let mut earlier = |at: Option<Instant>| {
            due = [due, at].into_iter().flatten().min();
        };
        if peer.connected {
            earlier(peer.downlink.due(now));
            earlier(peer.twcc.due());
            let busy = !peer.bindings.is_empty() || peer.slots.iter().any(|slot| slot.synced);
            earlier(busy.then_some(peer.next_report));
            for section in &peer.sections {
                let Some(track) = self.tracks.get(section.track) else { continue };
                earlier(track.publishing.due());
                earlier(track.agreement.due());
                for layer in track.layers.iter().filter(|layer| layer.ssrc != 0) {
                    earlier(layer.receiver.nack_due());
                    earlier(layer.keyframe.due(now));
                }
            }
        }
        due
    }

    /// Writes the RTCP that is due to a peer.
    fn speak(&mut self, now: Instant, key: PeerKey, egress: &mut Egress) {
        let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.connected) else { return };
        let sender = peer.rtcp_ssrc;
        let mut out = std::mem::take(&mut self.rtcp);
        out.clear();
        // Every compound packet begins with a report (RFC 3550 §6.1).
        write::receiver_report(&mut out, sender, &[]);
        let empty = out.len();
        peer.twcc.write(now, sender, &mut out);
        self.ask_publisher(now, key, sender, &mut out, egress);
        let reports = self.peers.get(key).is_some_and(|peer| peer.next_report <= now);
        if reports {
            self.report(now, key, sender, &mut out, egress);
        }
        if out.len() > empty {
            self.send_rtcp(key, &mut out, egress);
        }
        self.rtcp = out;
    }

    /// NACKs and key frame requests for the tracks of a publisher.
    fn ask_publisher(
        &mut self,
        now: Instant,
        key: PeerKey,
        sender: u32,
        out: &mut Vec<u8>,
        egress: &mut Egress,
    ) {
        let mut nacks = std::mem::take(&mut self.nacks);
        let rtt = self.peers.get(key).and_then(|peer| peer.rtt);
        let mut section = 0;
        while let Some(track) =
            self.peers.get(key).and_then(|peer| peer.sections.get(section)).map(|s| s.track)
        {
            section += 1;
            let Some(track) = self.tracks.get_mut(track) else { continue };
            let (audio, watched) = (track.is_audio(), track.is_watched());
            for layer in track.layers.iter_mut().filter(|layer| layer.ssrc != 0) {
                nacks.clear();
                let lost = layer.receiver.poll_nacks(now, rtt, &mut nacks);
                if !nacks.is_empty() {
                    write::nack(out, sender, layer.ssrc, &nacks);
                    self.counters.nacks_out += nacks.len() as u64;
                    layer.totals.nacks += nacks.len() as u64;
                }
                if lost && !audio && watched {
                    layer.keyframe.want_after(layer.receiver.highest());
                }
                if layer.keyframe.poll(now) {
                    write::pli(out, sender, layer.ssrc);
                    self.counters.plis_out += 1;
                    layer.totals.plis += 1;
                }
            }
            self.split(key, sender, out, egress);
        }
        nacks.clear();
        self.nacks = nacks;
    }

    /// Receiver reports on what the peer publishes, sender reports on what it is sent.
    fn report(
        &mut self,
        now: Instant,
        key: PeerKey,
        sender: u32,
        out: &mut Vec<u8>,
        egress: &mut Egress,
    ) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.next_report = now + REPORT_INTERVAL;
        let mut blocks = [write::Block::default(); 31];
        let mut count = 0;
        for binding in peer.bindings.iter().filter(|binding| !binding.rtx).take(blocks.len()) {
            let Some(track) = self.tracks.get_mut(binding.track) else { continue };
            let receiver = &mut track.layers[usize::from(binding.layer)].receiver;
            if receiver.highest() != 0 {
                blocks[count] = receiver.block(now, binding.ssrc);
                count += 1;
            }
        }
        write::receiver_report(out, sender, &blocks[..count]);
        write::description(out, sender, &peer.cname);
        self.split(key, sender, out, egress);
        let slots = self.peers.get(key).map_or(0, |peer| peer.slots.len());
        for index in 0..slots {
            self.report_slot(now, key, index, out);
            self.split(key, sender, out, egress);
        }
    }

    /// A sender report derived from the publisher's: same clock, our timestamps.
    fn report_slot(&mut self, now: Instant, key: PeerKey, index: usize, out: &mut Vec<u8>) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let slot = &mut peer.slots[index];
        let Some(epoch) = slot.rewriter.current().filter(|_| slot.synced) else { return };
        let feed = epoch.source;
        let Some(track) = self.tracks.get(feed.track) else { return };
        let Some(layer) = track.layers.get(usize::from(feed.layer)) else { return };
        let Some(report) = layer.receiver.report.filter(|_| layer.generation == feed.generation)
        else {
            return;
        };
        let since = now.saturating_duration_since(report.at).as_micros() as u64;
        let ntp = report.ntp.wrapping_add(((u128::from(since) << 32) / 1_000_000) as u64);
        let ticks = (since * u64::from(track.codec.clock_rate()) / 1_000_000) as u32;
        let rtp = report.rtp.wrapping_add(ticks).wrapping_add(epoch.timestamp_offset);
        write::sender_report(out, slot.ssrc, ntp, rtp, slot.packets, slot.octets);
        write::description(out, slot.ssrc, &peer.cname);
        slot.note_report(now, (ntp >> 16) as u32);
    }

    /// Sends what is written when it gets long, and begins another compound packet.
    fn split(&mut self, key: PeerKey, sender: u32, out: &mut Vec<u8>, egress: &mut Egress) {
        if out.len() > COMPOUND {
            self.send_rtcp(key, out, egress);
            out.clear();
            write::receiver_report(out, sender, &[]);
        }
    }

    fn send_rtcp(&mut self, key: PeerKey, out: &mut Vec<u8>, egress: &mut Egress) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(dst) = peer.transport.remote_addr() else { return };
        if peer.transport.protect_rtcp(out).is_ok() {
            egress.push(dst, out);
        }
    }
}
