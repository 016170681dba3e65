//! From accepted packets to sealed copies: track by track, and subscriber by subscriber, so that
//! the packets of one subscriber lie side by side and leave in few system calls.

use std::time::{Duration, Instant};

use super::downlink::Stamp;
use super::egress::{Outgoing, seal};
use super::filter::Frame;
use super::layer::Layer;
use super::nack;
use super::peer::{Peer, PeerKey};
use super::rewrite::{Epoch, Place, Start, full_input};
use super::slot::Slot;
use super::track::{self, Feed, Track};
use super::work::{Carried, Scan, Work, level_frames, range};
use crate::api::{Codec, Source};
use crate::rtp::ext::{ExtKind, ExtWriter};
use crate::rtp::packet::Header;
use crate::rtp::{dd, red, vp8, vp9};
use crate::shard::{Counters, Datagram, DropReason, Egress, Shard};

impl Shard {
    /// Sends each packet of `work` to all who watch its track.
    pub(crate) fn forward(
        &mut self,
        now: Instant,
        work: &mut [Work],
        batch: &[Datagram<'_>],
        egress: &mut Egress,
    ) {
        work.sort_unstable_by_key(|w| (w.track, w.order));
        let mut from = 0;
        while from < work.len() {
            let key = work[from].track;
            let same = work[from..].iter().take_while(|w| w.track == key).count();
            let group = &mut work[from..from + same];
            from += same;
            let Some(track) = self.tracks.get_mut(key) else {
                self.counters.drop_no_track += same as u64;
                continue;
            };
            if track.subscribers.is_empty() {
                self.counters.drop_unwatched += same as u64;
                continue;
            }
            if !track.is_audio() {
                level_frames(group);
            }
            // Taken out for the loop: the track itself is changed by waiting subscribers.
            let subscribers = std::mem::take(&mut track.subscribers);
            for (key, slot) in &subscribers {
                let Some(peer) = self.peers.get_mut(*key) else {
                    self.counters.drop_subscriber_not_ready += same as u64;
                    continue;
                };
                let counters = &mut self.counters;
                let slot = usize::from(*slot);
                to_subscriber(now, track, peer, slot, group, batch, egress, counters);
                // Its timer has to know of what waits.
                if peer.downlink.is_waiting() && !peer.touched {
                    peer.touched = true;
                    self.touched.push(*key);
                }
            }
            track.subscribers = subscribers;
        }
    }
}

/// Forwards a group of packets of one track to one slot.
#[expect(clippy::too_many_arguments, reason = "the parts of a shard that it may borrow at once")]
pub(super) fn to_subscriber(
    now: Instant,
    track: &mut Track,
    peer: &mut Peer,
    index: usize,
    group: &[Work],
    batch: &[Datagram<'_>],
    egress: &mut Egress,
    counters: &mut Counters,
) {
    let Peer { transport, slots, downlink, .. } = peer;
    let (Some(dst), Some(tx), Some(slot)) =
        (transport.remote_addr(), transport.srtp_tx(), slots.get_mut(index))
    else {
        counters.drop_subscriber_not_ready += group.len() as u64;
        return;
    };
    let begin = egress.bytes.len();
    let mut sent = 0;
    let Some(target) = slot.target else {
        counters.drop_paused += group.len() as u64;
        return;
    };
    let chosen = track.choose(target.spatial);
    for work in group {
        let feed = track.feed(work.track, work.layer);
        if let Err(why) = follow(now, track, slot, feed, work, chosen, target) {
            counters.drop(why, 1);
            continue;
        }
        if work.padding {
            // Counted when it came in.
            slot.rewriter.leave_out(work.seq, None);
            continue;
        }
        let as_red = work.red && slot.types.red.is_some();
        if work.recovered && slot.types.red.is_some() {
            counters.drop_redundant += 1;
            continue;
        }
        // Pictures of VP9 name others by the difference of their ids: holes stay.
        let picture_id = work.picture.picture_id.filter(|_| track.codec == Codec::Vp8);
        let structure = track.layers[usize::from(work.layer)].structure.as_deref();
        let frame = Frame {
            timestamp: work.header.timestamp,
            key: work.key,
            descriptor: &work.picture,
            dependency: work.dependency.as_ref().zip(structure),
        };
        let newest = slot.rewriter.is_newest(work.seq);
        let mut wanted = true;
        if newest {
            // On the way down to another stream: the least of this one until its key frame comes.
            let leaving = work.layer > chosen;
            let upto = if leaving { Layer { temporal: 0, ..target } } else { target };
            let verdict = slot.filter.decide(&frame, upto);
            if verdict.key_frame_wanted && !leaving {
                track.want_key_frame(work.layer);
            }
            if !verdict.keep {
                slot.rewriter.leave_out(work.seq, picture_id);
                counters.drop_layer += 1;
                continue;
            }
        } else {
            wanted = slot.filter.passes(&frame);
        }
        let passed = slot.rewriter.pass(now, work.seq, picture_id, wanted);
        let (Some(place), Some(epoch)) = (passed, slot.rewriter.current().copied()) else {
            counters.drop_stale += 1;
            continue;
        };
        let packet = &batch[work.datagram as usize].data[usize::from(work.offset)..];
        let (payload_type, mut payload) = match slot.types.red {
            Some(red) if as_red => (red, &packet[work.header.payload_range()]),
            _ => (slot.types.media, &packet[range(work.primary)]),
        };
        let mut carried = work.carried;
        if place.filler {
            payload = &[];
            carried = Carried::default();
        }
        let structure = track.layers[usize::from(work.layer)].structure.as_deref();
        let ends = work.dependency.zip(structure);
        let ends = ends.is_some_and(|(read, known)| slot.filter.ends_picture(&read, known));
        if ends && !work.header.marker {
            slot.rewriter.marked(place.sequence);
        }
        let marker = (work.header.marker || ends) && !place.filler;
        let rtx = slot.has_rtx();
        let timestamp = work.header.timestamp.wrapping_add(epoch.timestamp_offset);
        // Sound never waits.
        if !slot.audio && downlink.must_wait(now) {
            if !downlink.push(index, place.sequence, payload.len()) {
                slot.rewriter.withdraw(place.sequence as u16);
                counters.drop_paced += 1;
            } else if track.source == Source::Camera {
                slot.totals.forwarded(now, work.key, marker);
            }
            if !place.filler {
                note(now, slot, work, &place, &epoch, timestamp);
            }
            continue;
        }
        let mut writer = ExtWriter::new();
        let stamp = downlink.stamp(now, slot, place.sequence, payload.len(), false);
        extensions(&mut writer, slot, &carried, epoch.frame_offset, packet, stamp);
        let out = Outgoing {
            payload_type,
            marker,
            sequence: place.sequence,
            timestamp,
            ssrc: slot.ssrc,
            extension: writer.finish(),
            original: None,
            pad: u8::from(place.filler || work.pad && rtx),
            class: track.class(),
        };
        let patch = |payload: &mut [u8]| {
            if !place.filler {
                work.picture.rewrite(payload, place.picture, epoch.tl0_offset);
            }
        };
        if !seal(egress, dst, tx, &out, payload, patch) {
            counters.drop_oversize += 1;
            continue;
        }
        sent += 1;
        if track.source == Source::Camera {
            slot.totals.forwarded(now, work.key, marker);
        }
        slot.packets = slot.packets.wrapping_add(1);
        slot.octets = slot.octets.wrapping_add(payload.len() as u32);
        slot.repair.sent(payload.len());
        if place.filler {
            continue;
        }
        note(now, slot, work, &place, &epoch, timestamp);
        if rtx {
            downlink.note_latest(index, place.sequence);
        }
    }
    counters.packets_forwarded += sent;
    slot.totals.packets += sent;
    slot.totals.bytes += (egress.bytes.len() - begin) as u64;
}

/// Notes the numbers that a packet goes out with, for the next switch.
#[inline]
fn note(
    now: Instant,
    slot: &mut Slot,
    work: &Work,
    place: &Place,
    epoch: &Epoch<Feed>,
    timestamp: u32,
) {
    let picture = work.picture.picture_id.map(|id| id.value.wrapping_add(place.picture));
    let tl0 = work.picture.tl0_pic_idx.map(|(_, value)| value.wrapping_add(epoch.tl0_offset));
    let number = work.dependency.map(|read| read.number.wrapping_add(epoch.frame_offset));
    slot.rewriter.note(now, timestamp, picture.map(|id| id & 0x7fff), tl0, number);
}

/// Is this packet of the stream that the slot follows? Begins an epoch at the key frame that the
/// slot has waited for; until it comes, the stream that was followed goes on.
#[inline]
fn follow(
    now: Instant,
    track: &mut Track,
    slot: &mut Slot,
    feed: Feed,
    work: &Work,
    chosen: u8,
    target: Layer,
) -> Result<(), DropReason> {
    let current = slot.rewriter.current().map(|epoch| epoch.source);
    let follows = slot.synced && current == Some(feed);
    if work.layer != chosen {
        return if follows { Ok(()) } else { Err(DropReason::Layer) };
    }
    if follows {
        return Ok(());
    }
    if work.padding {
        return Err(DropReason::Layer);
    }
    if !work.key {
        track.want_key_frame(chosen);
        return Err(DropReason::KeyFrame);
    }
    let aligned = current
        .filter(|old| slot.synced && old.track == feed.track)
        .and_then(|old| align(track, slot, old, feed, work.header.timestamp));
    let start = Start {
        input: work.seq,
        timestamp: work.header.timestamp,
        aligned,
        clock_rate: track.codec.clock_rate(),
        descriptor: &work.picture,
        frame: work.dependency.map(|read| read.number),
    };
    // What waited goes out as if it had been sent when it came.
    slot.rewriter.switch(now.checked_sub(work.waited).unwrap_or(now), feed, &start);
    slot.filter.begin(target, track.layers[usize::from(work.layer)].structure.as_deref());
    slot.synced = true;
    Ok(())
}

/// The timestamp that a packet of layer `new` has on the outgoing clock of layer `old`, by the
/// sender reports of both.
fn align(track: &Track, slot: &Slot, old: Feed, new: Feed, timestamp: u32) -> Option<u32> {
    let report = |feed: Feed| {
        let layer = track.layers.get(usize::from(feed.layer))?;
        layer.receiver.report.filter(|_| layer.generation == feed.generation)
    };
    let (from, to) = (report(new)?, report(old)?);
    let rate = i128::from(track.codec.clock_rate());
    let between = ((i128::from(from.ntp) - i128::from(to.ntp)) * rate) >> 32;
    let on_old = to.rtp.wrapping_add(between as u32).wrapping_add(timestamp.wrapping_sub(from.rtp));
    Some(on_old.wrapping_add(slot.rewriter.current()?.timestamp_offset))
}

/// Writes the extensions of an outgoing packet.
#[inline]
fn extensions(
    writer: &mut ExtWriter,
    slot: &Slot,
    carried: &Carried,
    frame_offset: u16,
    packet: &[u8],
    stamp: Stamp,
) {
    let ids = &slot.ids;
    if let Some(id) = ids.get(ExtKind::Mid).filter(|_| !slot.known || stamp.repeatable) {
        writer.push(id, slot.mid.as_bytes());
    }
    if let (Some(level), Some(id)) = (carried.level, ids.get(ExtKind::AudioLevel)) {
        writer.push(id, &[level]);
    }
    if let (Some(turn), Some(id)) = (carried.orientation, ids.get(ExtKind::VideoOrientation)) {
        writer.push(id, &[turn]);
    }
    if carried.capture_time.1 != 0
        && let Some(id) = ids.get(ExtKind::AbsCaptureTime)
    {
        writer.push(id, &packet[range(carried.capture_time)]);
    }
    if carried.dependency.1 != 0
        && let Some(id) = ids.get(ExtKind::DependencyDescriptor)
    {
        let value = writer.push(id, &packet[range(carried.dependency)]);
        dd::renumber(value, frame_offset);
    }
    if let (Some(number), Some(id)) = (stamp.number, ids.get(ExtKind::TransportCc)) {
        writer.push(id, &number.to_be_bytes());
    }
    if let (Some(time), Some(id)) = (stamp.time, ids.get(ExtKind::AbsSendTime)) {
        writer.push(id, &time.to_be_bytes()[1..]);
    }
}

/// Why a packet is sent from the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    /// It was asked for again.
    Again,
    /// It has waited for the pacer.
    First,
    /// It fills a probe.
    Probe,
}

impl Shard {
    /// Answers a NACK of one sequence number of a slot. The retransmission is a packet of its own
    /// on the RTX SSRC or, without one, the very same packet again.
    pub(crate) fn resend(
        &mut self,
        now: Instant,
        subscriber: PeerKey,
        slot: usize,
        sequence: u16,
        egress: &mut Egress,
    ) {
        match self.send_kept(now, subscriber, slot, sequence, Sending::Again, egress) {
            Ok(()) => self.counters.rtx_sent += 1,
            Err(reason) => self.counters.drop(reason, 1),
        }
    }

    /// Sends what has a number in a slot from the cache of its layer.
    pub(super) fn send_kept(
        &mut self,
        now: Instant,
        subscriber: PeerKey,
        slot_index: usize,
        sequence: u16,
        why: Sending,
        egress: &mut Egress,
    ) -> Result<(), DropReason> {
        let Some(peer) = self.peers.get_mut(subscriber) else {
            return Err(DropReason::ResendNotReady);
        };
        let (pause, moved) = (peer.resend_pause(), peer.moved);
        let Some(slot) = peer.slots.get_mut(slot_index) else {
            return Err(DropReason::ResendNotReady);
        };
        let again = if why == Sending::Again {
            slot.totals.nacks += 1;
            slot.rewriter.resend(now, sequence, pause)
        } else {
            slot.rewriter.recall(sequence)
        };
        let Some(again) = again else { return Err(DropReason::ResendPaused) };
        let epoch = again.epoch;
        let feed = epoch.source;
        let Some(track) = self.tracks.get(feed.track).filter(|track| track.enabled) else {
            return Err(DropReason::ResendNoTrack);
        };
        let current = |layer: &&track::Layer| layer.generation == feed.generation;
        let Some(layer) = track.layers.get(usize::from(feed.layer)).filter(current) else {
            return Err(DropReason::ResendNoTrack);
        };
        let input = full_input(layer.receiver.highest(), again.input);
        let Some((packet, age)) = layer.cache.find(now, input) else {
            return Err(DropReason::ResendCacheMiss);
        };
        let since_move = moved.map_or(Duration::MAX, |at| now.saturating_duration_since(at));
        let of_use = if slot.audio { nack::AUDIO.give_up } else { Duration::MAX };
        if age > since_move.min(of_use) {
            return Err(DropReason::ResendCacheMiss);
        }
        let Ok(header) = Header::parse(packet) else { return Err(DropReason::ResendUnfit) };
        let Some(publisher) = self.peers.get(track.peer) else {
            return Err(DropReason::ResendNoTrack);
        };
        let mut carried = Scan::read(packet, &header, &publisher.kinds).carried;
        let role = publisher.roles[usize::from(header.payload_type)];
        let payload = &packet[header.payload_range()];
        let Some(peer) = self.peers.get_mut(subscriber) else {
            return Err(DropReason::ResendNotReady);
        };
        let Peer { transport, slots, downlink, .. } = peer;
        let (Some(dst), Some(tx)) = (transport.remote_addr(), transport.srtp_tx()) else {
            return Err(DropReason::ResendNotReady);
        };
        let slot = &mut slots[slot_index];
        let Some(types) = slot.types_for(track) else { return Err(DropReason::ResendUnfit) };
        if why == Sending::Again {
            let old = slot.rewriter.current().is_some_and(|now| now.source != feed);
            let may = slot.audio || downlink.may_repeat(now, old);
            if !may || !slot.repair.resend(payload.len()) {
                return Err(DropReason::ResendRefused);
            }
        }
        let (media_type, mut payload) = match (role, types.red) {
            (super::peer::Role::Red, Some(red)) => (red, payload),
            (super::peer::Role::Red, None) => match red::Blocks::parse(payload) {
                Some(blocks) => (types.media, &payload[blocks.primary()]),
                None => return Err(DropReason::ResendUnfit),
            },
            _ => (types.media, payload),
        };
        if again.filler {
            payload = &[];
            carried = Carried::default();
        }
        let mut writer = ExtWriter::new();
        let timestamp = header.timestamp.wrapping_add(epoch.timestamp_offset);
        let original = slot.rewriter.extended(sequence);
        let rtx = types.rtx.filter(|_| why != Sending::First);
        let same = rtx.is_none() && why != Sending::First;
        let stamp = downlink.stamp(now, slot, original, payload.len(), same);
        extensions(&mut writer, slot, &carried, epoch.frame_offset, packet, stamp);
        let (payload_type, ssrc, out_sequence, prefix) = match rtx {
            Some(rtx) => {
                slot.rtx_seq += 1;
                (rtx, slot.rtx_ssrc, slot.rtx_seq, Some(original as u16))
            }
            None => (media_type, slot.ssrc, original, None),
        };
        let out = Outgoing {
            payload_type,
            marker: (header.marker || again.marker) && !again.filler,
            sequence: out_sequence,
            timestamp,
            ssrc,
            extension: writer.finish(),
            original: prefix,
            pad: u8::from(again.filler),
            class: track.class(),
        };
        let descriptor = match track.codec {
            Codec::Vp8 => vp8::Descriptor::parse(payload).unwrap_or_default(),
            Codec::Vp9 => vp9::descriptor(payload).unwrap_or_default(),
            _ => vp8::Descriptor::default(),
        };
        let begin = egress.bytes.len();
        let sealed = seal(egress, dst, tx, &out, payload, |payload| {
            descriptor.rewrite(payload, again.picture, epoch.tl0_offset);
        });
        if !sealed {
            return Err(DropReason::ResendUnfit);
        }
        if why == Sending::First {
            slot.totals.packets += 1;
            slot.packets = slot.packets.wrapping_add(1);
            slot.octets = slot.octets.wrapping_add(payload.len() as u32);
            slot.repair.sent(payload.len());
            downlink.note_latest(slot_index, original);
        } else {
            slot.totals.resent += 1;
        }
        slot.totals.bytes += (egress.bytes.len() - begin) as u64;
        Ok(())
    }

    /// Time of one round trip to a subscriber, from its report on one of our sender reports.
    pub(crate) fn round_trip(now: Instant, sent: Instant, delay: u32) -> Option<Duration> {
        let held = Duration::from_micros(u64::from(delay) * 1_000_000 / 65_536);
        now.saturating_duration_since(sent).checked_sub(held)
    }
}
