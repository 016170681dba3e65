//! From datagrams to accepted packets: whose they are, which track, repaired and in order.

use std::time::{Duration, Instant};

use super::layer::Layer;
use super::peer::{Binding, MAX_ADDRESSES, MAX_BINDINGS, Peer, PeerKey, Role};
use super::receive::{Report, Via};
use super::track::Track;
use super::work::{Scan, Work, range};
use crate::api::{Codec, Tap};
use crate::rtp::packet::{self, Header};
use crate::rtp::seq::extend16;
use crate::rtp::{dd, h264, keyframe, red, vp8, vp9};
use crate::shard::{Datagram, Egress, Shard, TapSink};
use crate::transport::{Packet, Remote, SrtpError, StunOutcome, classify, stun_local_ufrag};

/// An authentic packet of a known track; a retransmission is already what it repeats.
pub(crate) struct Arrival {
    pub binding: Binding,
    pub header: Header,
    pub scan: Scan,
    pub via: Via,
    /// Where the bytes are: index into the batch, and offset of the packet in the datagram.
    pub index: usize,
    pub offset: u16,
}

impl Shard {
    pub(crate) fn ingest(
        &mut self,
        now: Instant,
        batch: &mut [Datagram<'_>],
        egress: &mut Egress,
        tap: &mut dyn TapSink,
    ) {
        let mut work = std::mem::take(&mut self.work);
        let mut last: Option<(Remote, PeerKey)> = None;
        for (index, datagram) in batch.iter_mut().enumerate() {
            self.counters.datagrams_in += 1;
            self.counters.bytes_in += datagram.data.len() as u64;
            let src = datagram.src;
            let class = classify(datagram.data);
            if class == Packet::Stun {
                self.on_stun(now, src, datagram.data);
                last = None;
                continue;
            }
            if class == Packet::Unknown {
                self.counters.drop_unknown += 1;
                continue;
            }
            let known = last.filter(|(addr, _)| *addr == src).map(|(_, key)| key);
            let Some(key) = known.or_else(|| self.addresses.get(&src).copied()) else {
                self.counters.drop_unmapped += 1;
                continue;
            };
            last = Some((src, key));
            self.touch(key);
            match class {
                Packet::Rtp => self.on_rtp(now, key, index, datagram, &mut work, tap),
                Packet::Rtcp => self.on_rtcp(now, key, datagram.data, egress, tap),
                _ => {
                    if let Some(peer) = self.peers.get_mut(key) {
                        peer.transport.handle_dtls(now, src, datagram.data);
                    }
                }
            }
        }
        self.bring_in(now, egress);
        self.forward(now, &mut work, batch, egress);
        work.clear();
        self.work = work;
    }

    fn on_stun(&mut self, now: Instant, src: Remote, data: &[u8]) {
        let by_name = stun_local_ufrag(data).and_then(|ufrag| self.ufrags.get(ufrag)).copied();
        let Some(key) = by_name.or_else(|| self.addresses.get(&src).copied()) else {
            self.counters.drop_stun += 1;
            return;
        };
        let Some(peer) = self.peers.get_mut(key) else {
            self.counters.drop_stun += 1;
            return;
        };
        match peer.transport.handle_stun(now, src, data) {
            StunOutcome::Authenticated => self.map_address(key, src),
            StunOutcome::Refused | StunOutcome::Ignored => self.counters.drop_stun += 1,
        }
        self.touch(key);
    }

    fn map_address(&mut self, key: PeerKey, src: Remote) {
        let before = self.addresses.insert(src, key);
        if before == Some(key) {
            return;
        }
        if let Some(other) = before.and_then(|other| self.peers.get_mut(other)) {
            other.addresses.retain(|address| *address != src);
        }
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.addresses.push(src);
        if peer.addresses.len() > MAX_ADDRESSES {
            // The oldest that is not in use.
            let used = peer.transport.remote_addr();
            if let Some(at) = peer.addresses.iter().position(|address| Some(*address) != used) {
                let old = peer.addresses.remove(at);
                self.addresses.remove(&old);
            }
        }
    }

    fn on_rtp(
        &mut self,
        now: Instant,
        key: PeerKey,
        index: usize,
        datagram: &mut Datagram<'_>,
        work: &mut Vec<Work>,
        tap: &mut dyn TapSink,
    ) {
        let arrived = now.checked_sub(datagram.waited).unwrap_or(now);
        let data = &mut *datagram.data;
        let Some(peer) = self.peers.get_mut(key) else {
            return self.counters.drop_unmapped += 1;
        };
        let opened = match peer.transport.open_rtp(now, data) {
            Ok(opened) => opened,
            Err(SrtpError::Replayed) => return self.counters.drop_replayed += 1,
            Err(SrtpError::TooManySources) => return self.counters.drop_unknown_ssrc += 1,
            Err(SrtpError::NotReady) => return self.counters.drop_not_ready += 1,
            Err(_) => return self.counters.drop_authentication += 1,
        };
        let plain = &mut data[..opened.payload_end];
        let Ok(mut header) = Header::parse(plain) else {
            return self.counters.drop_malformed += 1;
        };
        let mut scan = Scan::read(plain, &header, &peer.kinds);
        if let Some(sequence) = scan.twcc {
            peer.twcc.record(arrived, sequence, header.ssrc);
        }
        let known = peer.bindings.iter().find(|binding| binding.ssrc == header.ssrc).copied();
        let Some(binding) = known.or_else(|| self.bind(now, key, &header, plain, &scan)) else {
            return self.counters.drop_unknown_ssrc += 1;
        };
        let (Some(peer), Some(track)) =
            (self.peers.get_mut(key), self.tracks.get_mut(binding.track))
        else {
            return self.counters.drop_no_track += 1;
        };
        let mut offset = 0;
        packet::clear_padding_bit(plain);
        let mut via = Via::Media;
        let mut plain = &mut plain[..usize::from(header.payload_end)];
        if binding.rtx {
            let Role::Rtx(media_type) = peer.roles[usize::from(header.payload_type)] else {
                return self.counters.drop_payload_type += 1;
            };
            if header.payload_len() < 2 {
                // A bandwidth probe: only its arrival counts.
                return self.counters.drop_padding += 1;
            }
            self.counters.rtx_in += 1;
            let ssrc = track.layers[usize::from(binding.layer)].ssrc;
            if ssrc == 0 {
                return self.counters.drop_unknown_ssrc += 1;
            }
            let Some(unwrapped) = unwrap_rtx(plain, &header, media_type, ssrc) else {
                return self.counters.drop_malformed += 1;
            };
            header = unwrapped;
            plain = &mut plain[2..];
            scan = Scan::read(plain, &header, &peer.kinds);
            offset = 2;
            via = Via::Retransmission;
        }
        let arrival = Arrival { binding, header, scan, via, index, offset };
        self.take_in(now, key, arrival, plain, work, tap);
    }

    /// Takes in a packet in the clear, from a socket or from the publisher's own shard.
    pub(crate) fn take_in(
        &mut self,
        now: Instant,
        key: PeerKey,
        arrival: Arrival,
        plain: &[u8],
        work: &mut Vec<Work>,
        tap: &mut dyn TapSink,
    ) {
        let Arrival { binding, header, scan, via, index, offset } = arrival;
        let (Some(peer), Some(track)) = (self.peers.get(key), self.tracks.get_mut(binding.track))
        else {
            return self.counters.drop_no_track += 1;
        };
        let role = peer.roles[usize::from(header.payload_type)];
        let codec = match role {
            Role::Media(codec) => codec,
            Role::Red => Codec::Opus,
            Role::Rtx(_) | Role::None => return self.counters.drop_payload_type += 1,
        };
        if track.started && codec != track.codec {
            if !turns(track, binding.layer, &header, codec, plain) {
                return self.counters.drop_payload_type += 1;
            }
            self.change_codec(binding.track);
        }
        let Some(track) = self.tracks.get_mut(binding.track) else {
            return self.counters.drop_no_track += 1;
        };
        let padding = header.payload_len() == 0;
        if !track.started && !padding {
            let payload_type = header.payload_type;
            self.start_track(now, binding.track, codec, payload_type);
            // Before its first packet, or the capture would miss it: a key frame, as a rule.
            self.mark_capture(tap);
        }
        let Some(track) = self.tracks.get_mut(binding.track) else {
            return self.counters.drop_no_track += 1;
        };
        let layer = &mut track.layers[usize::from(binding.layer)];
        let accepted = layer.receiver.accept(now, header.sequence, header.timestamp, via);
        let Some(seq) = accepted else {
            return self.counters.drop_duplicate += 1;
        };
        self.counters.packets_in += 1;
        self.counters.rtx_repaired += u64::from(via == Via::Retransmission);
        layer.totals.packets += 1;
        layer.totals.bytes += plain.len() as u64;
        layer.totals.repaired += u64::from(via == Via::Retransmission);
        let mut item = Work {
            track: binding.track,
            order: work.len() as u32,
            datagram: index as u32,
            offset,
            header,
            layer: binding.layer,
            seq,
            key: false,
            padding,
            recovered: false,
            red: role == Role::Red,
            primary: (header.header_len, header.payload_end),
            picture: vp8::Descriptor::default(),
            dependency: None,
            carried: scan.carried,
            waited: Duration::ZERO,
            pad: false,
        };
        if !track.enabled {
            return self.counters.drop_disabled += 1;
        }
        if track.links != 0 {
            self.relay.give(track, binding.layer, plain);
        }
        if padding {
            self.counters.drop_padding += 1;
            work.push(item);
            return;
        }
        if !describe(track, &mut item, codec, plain) {
            return self.counters.drop_malformed += 1;
        }
        let mut changed = item.key && size_layers(track, &item, codec, plain);
        if via == Via::Media {
            changed |= track.arrived(now, binding.layer, quality(track, &item), plain.len());
        }
        if changed {
            self.review(binding.track);
        }
        let Some(track) = self.tracks.get_mut(binding.track) else {
            return self.counters.drop_no_track += 1;
        };
        let payload = &plain[header.payload_range()];
        let layer = &mut track.layers[usize::from(binding.layer)];
        if item.key {
            layer.keyframe.arrived(now, seq);
        }
        layer.cache.insert(now, seq, [plain, &[]]);
        let mut primary_type = header.payload_type;
        if item.red {
            let Some(blocks) = red::Blocks::parse(payload) else {
                return self.counters.drop_malformed += 1;
            };
            primary_type = blocks.primary_type;
            item.primary = shift(blocks.primary(), header.header_len);
            self.recover(now, &item, &blocks, plain, work, tap);
            item.order = work.len() as u32;
        }
        self.heard(now, &item);
        self.capture(&item, plain, primary_type, tap);
        if self.is_heard(&item) {
            work.push(item);
        }
    }

    /// False for a microphone that a large room does not hear now.
    fn is_heard(&mut self, item: &Work) -> bool {
        let Some(track) = self.tracks.get(item.track) else { return false };
        let watched = track.chosen || !track.subscribers.is_empty();
        let unheard = !watched && self.is_unheard(track.room, item.track);
        self.counters.drop_unchosen += u64::from(unheard);
        !unheard
    }

    /// Takes frames whose own packets were lost from the redundancy of a later one.
    fn recover(
        &mut self,
        now: Instant,
        item: &Work,
        blocks: &red::Blocks,
        packet: &[u8],
        work: &mut Vec<Work>,
        tap: &mut dyn TapSink,
    ) {
        let count = blocks.redundant().len() as u64;
        for (at, block) in blocks.redundant().iter().enumerate() {
            let Some(track) = self.tracks.get_mut(item.track) else { return };
            let layer = &mut track.layers[usize::from(item.layer)];
            let seq = item.seq - (count - at as u64);
            if block.range().is_empty()
                || block.payload_type != blocks.primary_type
                || layer.receiver.has(seq)
            {
                continue;
            }
            let timestamp = item.header.timestamp.wrapping_sub(u32::from(block.timestamp_offset));
            let accepted = layer.receiver.accept(now, seq as u16, timestamp, Via::Redundancy);
            let Some(seq) = accepted else { continue };
            self.counters.red_recovered += 1;
            layer.totals.repaired += 1;
            let header = Header {
                sequence: seq as u16,
                timestamp,
                marker: false,
                payload_type: block.payload_type,
                ..item.header
            };
            let recovered = Work {
                order: work.len() as u32,
                header,
                seq,
                recovered: true,
                red: false,
                primary: shift(block.range(), item.header.header_len),
                // The extensions are those of another packet; and what is sent again, from the
                // cache, must be what was sent (an SRTP index must not seal two contents).
                carried: super::work::Carried::default(),
                ..*item
            };
            let mut head = [0u8; packet::FIXED_HEADER];
            fixed_header(&mut head, &header);
            layer.cache.insert(now, seq, [&head, &packet[range(recovered.primary)]]);
            self.capture(&recovered, packet, block.payload_type, tap);
            if self.is_heard(&recovered) {
                work.push(recovered);
            }
        }
    }

    /// Hands a packet to the capture: of video only the best layer, from a key frame on.
    fn capture(&mut self, item: &Work, packet: &[u8], primary_type: u8, tap: &mut dyn TapSink) {
        let Some(track) = self.tracks.get_mut(item.track) else { return };
        if !track.capturing {
            return;
        }
        let Some(room) = self.rooms.get(track.room).map(|room| room.id) else { return };
        let feed = track.feed(item.track, item.layer);
        if track.captured != Some(feed) {
            if item.layer != track.best || !item.key {
                if item.layer == track.best {
                    track.want_key_frame(track.best);
                }
                return;
            }
            if track.captured.is_some() {
                let ssrc = item.header.ssrc;
                tap.tap(Tap::LayerSwitch { room, track: track.id, ssrc });
            }
            track.captured = Some(feed);
            // The report that places this stream in time may have come long before.
            let layer = &track.layers[usize::from(item.layer)];
            if let Some(Report { ntp, rtp, .. }) = layer.receiver.report {
                let (track, ssrc) = (track.id, layer.ssrc);
                tap.tap(Tap::SenderReport { room, track, ssrc, ntp, rtp });
            }
        }
        let track = track.id;
        if !item.red && !item.recovered {
            return tap.tap(Tap::Rtp { room, track, packet });
        }
        let plain = &mut self.scratch;
        plain.clear();
        let mut head = [0u8; packet::FIXED_HEADER];
        fixed_header(&mut head, &Header { payload_type: primary_type, ..item.header });
        plain.extend_from_slice(&head);
        plain.extend_from_slice(&packet[range(item.primary)]);
        tap.tap(Tap::Rtp { room, track, packet: plain });
    }

    /// Finds out, on first sight of an authentic SSRC, what it carries: by mid and rid, or by a
    /// payload type that only one media section has.
    fn bind(
        &mut self,
        now: Instant,
        key: PeerKey,
        header: &Header,
        packet: &[u8],
        scan: &Scan,
    ) -> Option<Binding> {
        let peer = self.peers.get_mut(key)?;
        let mid = &packet[range(scan.mid)];
        let section = if mid.is_empty() {
            let payload_type = header.payload_type;
            let mut fitting = peer.sections.iter().filter(|section| {
                section.negotiated.red_pt == Some(payload_type)
                    || section
                        .negotiated
                        .codecs
                        .iter()
                        .any(|c| c.pt == payload_type || c.rtx_pt == Some(payload_type))
            });
            fitting.next().filter(|_| fitting.next().is_none())?
        } else {
            peer.sections.iter().find(|section| section.mid.as_bytes() == mid)?
        };
        let track = self.tracks.get_mut(section.track)?;
        let rtx = matches!(peer.roles[usize::from(header.payload_type)], Role::Rtx(_));
        let mut rid = &packet[range(scan.rid)];
        if rtx && scan.repaired_rid.1 != 0 {
            rid = &packet[range(scan.repaired_rid)];
        }
        let layer = if track.layers.len() == 1 {
            0
        } else {
            track.layers.iter().position(|layer| layer.rid.as_bytes() == rid)? as u8
        };
        let binding = Binding { ssrc: header.ssrc, track: section.track, layer, rtx };
        bind(now, peer, track, binding).then_some(binding)
    }

    fn start_track(
        &mut self,
        now: Instant,
        key: super::track::TrackKey,
        codec: Codec,
        payload_type: u8,
    ) {
        let Some(track) = self.tracks.get_mut(key) else { return };
        track.started = true;
        track.codec = codec;
        if let Some(peer) = self.peers.get(track.peer) {
            let section = peer.sections.iter().find(|section| section.track == key);
            let codec = section.and_then(|section| {
                section.negotiated.codecs.iter().find(|c| c.pt == payload_type)
            });
            track.fmtp = codec.map(|codec| codec.fmtp.clone()).unwrap_or_default();
        }
        let (room, peer, source, id) = (track.room, track.peer_id, track.source, track.id);
        let Some(room_id) = self.rooms.get(room).map(|room| room.id) else { return };
        // Of a relayed track its own shard tells.
        if !track.relayed {
            self.events.push_back(crate::api::Event::TrackStarted {
                room: room_id,
                peer,
                track: id,
                source,
                codec,
            });
        }
        self.retune(key);
        self.update_capture(key);
        self.assign(now, room);
    }
}

/// Does a track go over to another codec with this packet? That begins with a key frame, which is
/// asked for where its first packet was lost.
fn turns(track: &mut Track, at: u8, header: &Header, codec: Codec, packet: &[u8]) -> bool {
    let layer = &track.layers[usize::from(at)];
    let highest = layer.receiver.highest();
    let newer = extend16(highest, header.sequence) > highest;
    if track.relayed || track.is_audio() || header.payload_len() == 0 || !newer {
        return false;
    }
    let begins = keyframe::starts_decoding(codec, &packet[header.payload_range()]);
    if !begins {
        track.want_key_frame(at);
    }
    begins
}

/// Reads what the payload and the dependency descriptor say of a packet. False: malformed.
#[inline]
fn describe(track: &mut Track, item: &mut Work, codec: Codec, packet: &[u8]) -> bool {
    let payload = &packet[item.header.payload_range()];
    match codec {
        Codec::Opus => item.key = true,
        Codec::Vp8 | Codec::Vp9 => {
            let read = match codec {
                Codec::Vp8 => vp8::Descriptor::parse(payload),
                _ => vp9::descriptor(payload),
            };
            let Some(descriptor) = read else { return false };
            item.key = descriptor.key_frame;
            item.picture = descriptor;
        }
        Codec::H264 | Codec::Av1 => item.key = keyframe::starts_decoding(codec, payload),
    }
    if item.carried.dependency.1 != 0 {
        let single = track.layers.len() == 1;
        let layer = &mut track.layers[usize::from(item.layer)];
        let bytes = &packet[range(item.carried.dependency)];
        item.dependency = dd::parse(bytes, &mut layer.structure);
        if item.dependency.is_some_and(|read| read.structure) && single {
            let layers = layer.structure.as_ref().map_or(1, |structure| structure.spatial_layers());
            track.measured.stack(layers);
        }
    }
    true
}

/// Notes the size of the pictures that begin with a key frame. True: others than before.
fn size_layers(track: &mut Track, item: &Work, codec: Codec, packet: &[u8]) -> bool {
    let payload = &packet[item.header.payload_range()];
    let mut changed = false;
    let stacked = track.measured.is_stacked();
    let measured = &mut track.measured;
    let mut note = |at: u8, (width, height)| {
        let layer = if stacked { at } else { item.layer };
        changed |= measured.sized(layer, width, height);
    };
    let structure = track.layers[usize::from(item.layer)].structure.as_deref();
    let described = structure.filter(|s| s.size(0).0 != 0 && item.dependency.is_some());
    if let Some(structure) = described {
        for at in 0..structure.spatial_layers() {
            note(at as u8, structure.size(at));
        }
    } else {
        match codec {
            Codec::Vp8 => {
                if let Some(size) = vp8::Descriptor::size(payload) {
                    note(0, size);
                }
            }
            Codec::Vp9 => {
                for (at, size) in vp9::sizes(payload).into_iter().flatten().enumerate() {
                    note(at as u8, size);
                }
            }
            Codec::H264 => {
                if let Some(size) = h264::size(payload) {
                    note(0, size);
                }
            }
            Codec::Opus | Codec::Av1 => {}
        }
    }
    track.resized |= changed;
    changed
}

/// The layer that a packet counts for.
#[inline]
fn quality(track: &Track, item: &Work) -> Layer {
    let inside = item.dependency.map(|read| read.layer);
    let temporal = inside.map_or(item.picture.temporal, |layer| layer.temporal);
    match inside {
        Some(layer) if track.measured.is_stacked() => layer,
        _ => Layer { spatial: item.layer, temporal },
    }
}

/// Notes what an SSRC carries, in place of the SSRC that carried it before. False: too many.
pub fn bind(now: Instant, peer: &mut Peer, track: &mut Track, binding: Binding) -> bool {
    let same =
        |b: &Binding| (b.track, b.layer, b.rtx) == (binding.track, binding.layer, binding.rtx);
    peer.bindings.retain(|b| !same(b) && b.ssrc != binding.ssrc);
    if peer.bindings.len() >= MAX_BINDINGS {
        return false;
    }
    if !binding.rtx {
        track.bind(now, binding.layer, binding.ssrc);
    }
    peer.bindings.push(binding);
    true
}

/// Turns a retransmission into the packet that it repeats (RFC 4588 §4), two bytes further in the
/// same buffer.
fn unwrap_rtx(packet: &mut [u8], header: &Header, media_type: u8, ssrc: u32) -> Option<Header> {
    let head = usize::from(header.header_len);
    let original = u16::from_be_bytes([*packet.get(head)?, *packet.get(head + 1)?]);
    packet.copy_within(..head, 2);
    let packet = &mut packet[2..];
    packet::set_payload_type(packet, media_type);
    packet::set_sequence(packet, original);
    packet::set_ssrc(packet, ssrc);
    Header::parse(packet).ok()
}

fn fixed_header(out: &mut [u8; packet::FIXED_HEADER], header: &Header) {
    out[0] = 0x80;
    out[1] = u8::from(header.marker) << 7 | header.payload_type;
    packet::set_sequence(out, header.sequence);
    packet::set_timestamp(out, header.timestamp);
    packet::set_ssrc(out, header.ssrc);
}

fn shift(range: std::ops::Range<usize>, by: u16) -> (u16, u16) {
    (range.start as u16 + by, range.end as u16 + by)
}
