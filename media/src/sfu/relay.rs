//! One room on several shards: the links to the others, and publishers who are elsewhere.
//!
//! A publisher of another shard stands here as a *relayed* peer: it has sections and tracks like
//! any other, but no connection; its packets come by [`Shard::handle_relay`], decrypted and
//! repaired. So choosing, caching, renumbering and resending are the same code for all. What a
//! relayed track lacks is asked of its own shard, not of a socket.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use super::elsewhere::Wish;
use super::ingress::{Arrival, bind};
use super::peer::{Binding, PeerKey, Section};
use super::publishing::Active;
use super::receive::{Report, Via};
use super::room::RoomKey;
use super::track::{Publication, Track, TrackKey};
use super::work::{Scan, Work};
use crate::api::{OfferRequest, RoomId, TrackId, Watch};
use crate::relay::{Batch, MAX_SHARDS, Published, Word};
use crate::rtp::packet::Header;
use crate::shard::{Datagram, Egress, Shard, TapSink};
use crate::transport::Remote;

/// A shard's side of all links.
#[derive(Default)]
pub(crate) struct Relay {
    /// By number of the other shard.
    out: Vec<Batch>,
    /// Shards that a room is also on, a bit each.
    links: HashMap<RoomKey, u64>,
    /// Tracks of other shards, and where they are.
    tracks: HashMap<TrackId, (TrackKey, u8)>,
    /// Packets left out because a batch was full.
    pub shed: u64,
    datagrams: Vec<Datagram<'static>>,
}

impl Relay {
    fn word(&mut self, shard: u8, word: Word) {
        if let Some(batch) = self.out.get_mut(usize::from(shard)) {
            batch.words.push(word);
        }
    }

    /// Gives a packet of a track, heard or not, to the other shards of its room: each chooses
    /// voices for itself, from the same packets.
    #[inline]
    pub fn give(&mut self, track: &Track, layer: u8, packet: &[u8]) {
        for shard in Relay::shards(track.links) {
            if let Some(out) = self.out.get_mut(usize::from(shard)) {
                self.shed += u64::from(!out.push(track.id, layer, packet));
            }
        }
    }

    pub fn forget(&mut self, room: RoomKey) {
        self.links.remove(&room);
    }

    fn shards(mut bits: u64) -> impl Iterator<Item = u8> {
        std::iter::from_fn(move || {
            let shard = (bits != 0).then(|| bits.trailing_zeros() as u8)?;
            bits &= bits - 1;
            Some(shard)
        })
    }
}

impl Shard {
    /// The room is also on shard `other`: what is published here goes there from now on.
    pub fn link_room(&mut self, room: RoomId, other: u8) {
        let Some(key) = self.room_ids.get(&room).copied() else { return };
        if usize::from(other) >= MAX_SHARDS {
            return;
        }
        if self.relay.out.len() <= usize::from(other) {
            self.relay.out.resize_with(usize::from(other) + 1, Batch::default);
        }
        let links = self.relay.links.entry(key).or_default();
        if *links >> other & 1 != 0 {
            return;
        }
        *links |= 1 << other;
        let links = *links;
        let tracks = self.rooms.get(key).map(|room| room.tracks.clone()).unwrap_or_default();
        for track in tracks {
            if let Some(track) = self.tracks.get_mut(track).filter(|track| !track.relayed) {
                track.links = links;
            }
            self.announce(track, 1 << other);
        }
    }

    /// The room is no longer on shard `other`; what was published there has ended.
    pub fn unlink_room(&mut self, now: Instant, room: RoomId, other: u8) {
        let Some(key) = self.room_ids.get(&room).copied() else { return };
        let Some(links) = self.relay.links.get_mut(&key) else { return };
        *links &= !(1 << other);
        let links = *links;
        let tracks = self.rooms.get(key).map(|room| room.tracks.clone()).unwrap_or_default();
        for key in tracks {
            let Some(track) = self.tracks.get_mut(key) else { continue };
            if !track.relayed {
                track.links = links;
                track.elsewhere.forget(other);
            } else if self.relay.tracks.get(&track.id).is_some_and(|(_, from)| *from == other) {
                let id = track.id;
                self.end_relayed(now, id);
            }
            self.agree_on_codec(now, key);
            self.review(key);
        }
        self.tell_changed_maps();
    }

    /// What waits for shard `other`; the caller takes it out.
    pub fn relay_out(&mut self, other: u8) -> Option<&mut Batch> {
        self.relay.out.get_mut(usize::from(other)).filter(|batch| !batch.is_empty())
    }

    /// Packets that no batch had room for.
    pub fn relay_shed(&self) -> u64 {
        self.relay.shed
    }

    /// Takes what shard `from` had for this one.
    pub fn handle_relay(
        &mut self,
        now: Instant,
        from: u8,
        batch: &mut Batch,
        egress: &mut Egress,
        tap: &mut dyn TapSink,
    ) {
        self.now = Some(now);
        for word in batch.words.drain(..) {
            self.obey_word(now, from, word, tap);
        }
        self.mark_capture(tap);
        let mut work = std::mem::take(&mut self.work);
        let mut datagrams = recycle(std::mem::take(&mut self.relay.datagrams));
        let mut rest = batch.bytes.as_mut_slice();
        for packet in &batch.packets {
            let (data, after) = rest.split_at_mut(usize::from(packet.len));
            rest = after;
            datagrams.push(Datagram::new(NOWHERE, data));
            let index = datagrams.len() - 1;
            let data = &*datagrams[index].data;
            self.take_relayed(now, (packet.track, packet.layer), index, data, &mut work, tap);
        }
        self.bring_in(now, egress);
        self.forward(now, &mut work, &datagrams, egress);
        work.clear();
        self.work = work;
        self.relay.datagrams = recycle(datagrams);
        batch.shed();
        self.mark_capture(tap);
        self.settle(now, egress);
    }

    fn take_relayed(
        &mut self,
        now: Instant,
        (id, layer): (TrackId, u8),
        index: usize,
        plain: &[u8],
        work: &mut Vec<Work>,
        tap: &mut dyn TapSink,
    ) {
        let known = self.relay.tracks.get(&id).map(|(key, _)| *key);
        let Some((key, track)) = known.and_then(|key| Some((key, self.tracks.get_mut(key)?)))
        else {
            return self.counters.drop_no_track += 1;
        };
        let Ok(header) = Header::parse(plain) else {
            return self.counters.drop_malformed += 1;
        };
        let publisher = track.peer;
        let (Some(peer), Some(stands)) =
            (self.peers.get_mut(publisher), track.layers.get(usize::from(layer)))
        else {
            return self.counters.drop_no_track += 1;
        };
        let binding = Binding { ssrc: header.ssrc, track: key, layer, rtx: false };
        if stands.ssrc != header.ssrc && !bind(now, peer, track, binding) {
            return self.counters.drop_unknown_ssrc += 1;
        }
        let scan = Scan::read(plain, &header, &peer.kinds);
        // Relayed peers have no other occasion on which their wishes go out.
        self.touch(publisher);
        let arrival = Arrival { binding, header, scan, via: Via::Media, index, offset: 0 };
        self.take_in(now, publisher, arrival, plain, work, tap);
    }

    fn obey_word(&mut self, now: Instant, from: u8, word: Word, tap: &mut dyn TapSink) {
        match word {
            Word::Published(published) => self.publish_relayed(now, from, *published),
            Word::Ended { track } => self.end_relayed(now, track),
            Word::Enabled { track, on } => {
                let known = self.relay.tracks.get(&track);
                let track = known.and_then(|(key, _)| self.tracks.get(*key));
                if let Some((peer, source)) = track.map(|track| (track.peer, track.source)) {
                    self.switch_source(now, peer, source, on);
                }
            }
            Word::Report { track, layer, ntp, rtp, at } => {
                let Some((key, _)) = self.relay.tracks.get(&track).copied() else { return };
                let Some(track) = self.tracks.get(key) else { return };
                let ssrc = track.layers.get(usize::from(layer)).map_or(0, |layer| layer.ssrc);
                if ssrc != 0 {
                    self.on_sender_report(track.peer, ssrc, Report { ntp, rtp, at }, tap);
                }
            }
            Word::Layers { track, active } => {
                let known = self.relay.tracks.get(&track).map(|(key, _)| *key);
                if let Some(track) = known.and_then(|key| self.tracks.get_mut(key)) {
                    for (layer, on) in (0..).zip(active) {
                        track.measured.switched(layer, on);
                    }
                }
            }
            Word::Wanted { track, wish } => {
                let Some(key) = self.local_track(track) else { return };
                let Some(track) = self.tracks.get_mut(key) else { return };
                if track.elsewhere.say(from, wish) {
                    self.agree_on_codec(now, key);
                    self.review(key);
                }
            }
            Word::KeyFrame { track, layer } => {
                let Some(key) = self.local_track(track) else { return };
                let Some(track) = self.tracks.get_mut(key).filter(|track| track.enabled) else {
                    return;
                };
                if let Some(layer) = track.layers.get_mut(usize::from(layer)) {
                    layer.keyframe.want();
                }
                let publisher = track.peer;
                self.touch(publisher);
            }
        }
    }

    /// Few ask, and not often: no index is kept for it.
    fn local_track(&self, id: TrackId) -> Option<TrackKey> {
        let found = self.tracks.iter().find(|(_, track)| track.id == id && !track.relayed);
        found.map(|(key, _)| key)
    }

    fn publish_relayed(&mut self, now: Instant, from: u8, published: Published) {
        let Some(room) = self.room_ids.get(&published.room).copied() else { return };
        let known = self.peer_ids.get(&published.peer).copied();
        let relayed = known.filter(|key| self.peers.get(*key).is_some_and(|p| p.relayed));
        if known.is_some() && relayed.is_none() {
            // Somebody who is here cannot be elsewhere.
            return;
        }
        let key = relayed.unwrap_or_else(|| {
            let request = OfferRequest {
                room: published.room,
                peer: published.peer,
                owner: published.owner,
                sdp: String::new(),
                publications: Vec::new(),
                may_publish: true,
                may_capture: published.may_capture,
                watch: Watch::default(),
            };
            self.new_peer(now, room, &request)
        });
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.relayed = true;
        if peer.may_capture != published.may_capture {
            self.switch_may_capture(key, published.may_capture);
        }
        let Some(peer) = self.peers.get_mut(key) else { return };
        let negotiated = published.negotiated;
        let offered = negotiated.codecs.iter().map(|codec| codec.codec).collect();
        let old = self.relay.tracks.get(&published.track).map(|(track, _)| *track);
        let same = |section: &&mut Section| Some(section.track) == old;
        if let Some(section) = peer.sections.iter_mut().find(same) {
            section.negotiated = negotiated;
            section.offered = offered;
            peer.learn_types();
            return;
        }
        if peer.is_enabled(published.source) != published.enabled {
            peer.disabled ^= super::peer::source_bit(published.source);
        }
        let publication =
            Publication { source: published.source, rids: &negotiated.rids, nack: false };
        let person = (peer.id, peer.owner);
        let mut track = Track::new(now, published.track, (room, key), person, &publication);
        track.enabled = published.enabled;
        track.relayed = true;
        let track = self.tracks.insert(track);
        peer.sections.push(Section {
            // Mids are the publisher's own; here they only have to differ.
            mid: published.track.0.to_string(),
            source: published.source,
            negotiated,
            offered,
            ssrcs: Vec::new(),
            track,
        });
        peer.learn_types();
        self.relay.tracks.insert(published.track, (track, from));
        if let Some(room) = self.rooms.get_mut(room) {
            room.tracks.push(track);
        }
    }

    fn end_relayed(&mut self, now: Instant, id: TrackId) {
        let Some((key, _)) = self.relay.tracks.remove(&id) else { return };
        let Some((peer_key, room)) = self.tracks.get(key).map(|track| (track.peer, track.room))
        else {
            return;
        };
        let Some(peer) = self.peers.get_mut(peer_key) else { return };
        peer.sections.retain(|section| section.track != key);
        let empty = peer.sections.is_empty();
        self.end_track(now, key);
        if empty {
            self.drop_peer(now, peer_key, None);
        } else {
            self.assign(now, room);
        }
    }

    /// Tells the other shards of the room what a peer of this one publishes.
    pub(crate) fn announce_peer(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get(key) else { return };
        let links = self.relay.links.get(&peer.room).copied().unwrap_or(0);
        if links == 0 || peer.relayed {
            return;
        }
        let tracks: Vec<TrackKey> = peer.sections.iter().map(|section| section.track).collect();
        for track in tracks {
            if let Some(track) = self.tracks.get_mut(track) {
                track.links = links;
            }
            self.announce(track, links);
        }
    }

    fn announce(&mut self, key: TrackKey, to: u64) {
        // Who is elsewhere may want other layers.
        self.review(key);
        let Some(track) = self.tracks.get(key).filter(|track| !track.relayed) else { return };
        let (Some(peer), Some(room)) = (self.peers.get(track.peer), self.rooms.get(track.room))
        else {
            return;
        };
        let Some(section) = peer.sections.iter().find(|section| section.track == key) else {
            return;
        };
        for shard in Relay::shards(to) {
            let published = Published {
                room: room.id,
                peer: peer.id,
                owner: peer.owner,
                may_capture: peer.may_capture,
                track: track.id,
                source: track.source,
                enabled: track.enabled,
                negotiated: section.negotiated.clone(),
            };
            self.relay.word(shard, Word::Published(Box::new(published)));
            for (layer, stands) in track.layers.iter().enumerate() {
                if let Some(Report { ntp, rtp, at }) = stands.receiver.report {
                    let word = Word::Report { track: track.id, layer: layer as u8, ntp, rtp, at };
                    self.relay.word(shard, word);
                }
            }
        }
    }

    /// A track of this shard has ended.
    pub(crate) fn retract(&mut self, track: &Track) {
        for shard in Relay::shards(track.links) {
            self.relay.word(shard, Word::Ended { track: track.id });
        }
        if track.relayed {
            self.relay.tracks.remove(&track.id);
        }
    }

    /// A track of this shard goes on as another, in another codec.
    pub(crate) fn replace_relayed(&mut self, old: TrackId, key: TrackKey, links: u64) {
        for shard in Relay::shards(links) {
            self.relay.word(shard, Word::Ended { track: old });
        }
        self.announce(key, links);
    }

    pub(crate) fn announce_switch(&mut self, key: TrackKey) {
        let Some(track) = self.tracks.get(key) else { return };
        for shard in Relay::shards(track.links) {
            self.relay.word(shard, Word::Enabled { track: track.id, on: track.enabled });
        }
    }

    pub(crate) fn announce_report(&mut self, key: TrackKey, layer: u8, report: Report) {
        let Some(track) = self.tracks.get(key) else { return };
        let Report { ntp, rtp, at } = report;
        for shard in Relay::shards(track.links) {
            self.relay.word(shard, Word::Report { track: track.id, layer, ntp, rtp, at });
        }
    }

    /// Tells the shard of a relayed track what is of use here, when that is not what it was told.
    pub(crate) fn wish_for(&mut self, key: TrackKey, layers: Active) {
        let wish = Wish { layers, lacked: self.lacked_of(key) };
        let Some(track) = self.tracks.get_mut(key) else { return };
        let Some((_, shard)) = self.relay.tracks.get(&track.id).copied() else { return };
        if track.wished.replace(wish) != Some(wish) {
            self.relay.word(shard, Word::Wanted { track: track.id, wish });
        }
    }

    /// Tells the other shards of the room what the publisher of a track is to send.
    pub(crate) fn announce_layers(&mut self, key: TrackKey, active: Active) {
        let Some(track) = self.tracks.get(key) else { return };
        for shard in Relay::shards(track.links) {
            self.relay.word(shard, Word::Layers { track: track.id, active });
        }
    }

    /// Sends the wishes for a relayed peer's pictures to its shard. False: the peer is not relayed.
    pub(crate) fn wish_upstream(&mut self, now: Instant, key: PeerKey) -> bool {
        let Some(peer) = self.peers.get(key).filter(|peer| peer.relayed) else { return false };
        for section in &peer.sections {
            let Some(track) = self.tracks.get_mut(section.track) else { continue };
            let Some((_, shard)) = self.relay.tracks.get(&track.id).copied() else { continue };
            for (at, layer) in track.layers.iter_mut().enumerate() {
                if layer.keyframe.poll(now) {
                    let word = Word::KeyFrame { track: track.id, layer: at as u8 };
                    self.relay.word(shard, word);
                }
            }
        }
        true
    }

    /// When a relayed peer has something to ask again.
    pub(crate) fn wish_due(&self, now: Instant, key: PeerKey) -> Option<Instant> {
        let peer = self.peers.get(key).filter(|peer| peer.relayed)?;
        let tracks = peer.sections.iter().filter_map(|section| self.tracks.get(section.track));
        tracks.flat_map(|track| &track.layers).filter_map(|layer| layer.keyframe.due(now)).min()
    }
}

/// Where packets of other shards and of caches come from.
pub(super) const NOWHERE: Remote =
    Remote::udp(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));

/// An empty list of another lifetime in the same memory (collecting in place reuses it).
fn recycle<'a, 'b>(mut list: Vec<Datagram<'a>>) -> Vec<Datagram<'b>> {
    list.clear();
    list.into_iter().map(|_| -> Datagram<'b> { unreachable!("the list is empty") }).collect()
}
