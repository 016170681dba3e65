//! Offers: peers, their sending m-lines and their receive slots.

use std::time::Instant;

use super::codecs::Codecs;
use super::downlink::Downlink;
use super::ingress::bind;
use super::peer::{Binding, Peer, PeerKey, Role, Section, ids_of};
use super::room::RoomKey;
use super::slot::{Slot, SlotSeed};
use super::timers::REPORT_INTERVAL;
use super::track::{Publication, Track, TrackKey};
use crate::api::{Codec, OfferAnswer, OfferError, OfferRequest, PeerId, Source, TrackId, Watch};
use crate::bwe::twcc::Recorder;
use crate::shard::Shard;
use crate::transport::{
    self, AnswerMedia, AnswerParams, Direction, IceCredentials, LocalStream, MediaKind, Negotiated,
    Offer, OfferMedia, RtcpFeedback, TransportError, build_answer, negotiate, parse_offer,
};

impl Shard {
    pub(crate) fn negotiate(
        &mut self,
        now: Instant,
        request: &OfferRequest,
    ) -> Result<OfferAnswer, OfferError> {
        let room = *self.room_ids.get(&request.room).ok_or(OfferError::NoSuchRoom)?;
        let offer = parse_offer(&request.sdp).map_err(|e| OfferError::InvalidSdp(e.to_string()))?;
        let common: Vec<Option<Negotiated>> = offer.media.iter().map(common_of).collect();
        if !offer.media.is_empty() && common.iter().all(Option::is_none) {
            return Err(OfferError::UnsupportedMedia("no codec in common".into()));
        }
        let key = self.remote_peer(now, room, request, &offer)?;
        let media = offer.media.iter().zip(common);
        let media = media.map(|(offered, common)| match common {
            Some(common) => self.accept(now, key, request, offered, common),
            None => AnswerMedia::Reject,
        });
        let media: Vec<AnswerMedia> = media.collect();
        self.retire(now, key, &offer, request);
        if let Some(peer) = self.peers.get_mut(key) {
            peer.learn_types();
            peer.learn_codecs();
            peer.told_slots = (0, 0);
        }
        self.note_answered(key);
        self.bind_announced(now, key);
        self.refresh_types(key);
        self.announce_peer(key);
        self.assign(now, room);
        let assignments = self.assignments_of(key);
        // Told by an event as well: an older event may still be on its way when the answer is
        // read, and the last event has to be right.
        self.map_changed(key);
        let peer = self.peers.get_mut(key).ok_or(OfferError::Overloaded)?;
        peer.version += 1;
        let params = AnswerParams {
            session_id: peer.session_id,
            version: peer.version,
            ice: peer.transport.local_credentials(),
            fingerprint: self.config.identity.fingerprint(),
            candidates: &self.config.advertised,
            tcp_candidates: &self.config.advertised_tcp,
            setup: peer.transport.setup(),
        };
        let sdp = build_answer(&offer, &params, &media);
        self.touch(key);
        self.tell_changed_maps();
        Ok(OfferAnswer { sdp, assignments })
    }

    /// The peer of an offer, new or known, with the offer's transport parameters.
    fn remote_peer(
        &mut self,
        now: Instant,
        room: RoomKey,
        request: &OfferRequest,
        offer: &Offer,
    ) -> Result<PeerKey, OfferError> {
        let mut disabled = 0;
        let known = self.peer_ids.get(&request.peer).copied();
        let known = known.filter(|key| self.peers.get(*key).is_some_and(|p| p.room == room));
        // A publisher who moves here from another shard begins anew.
        let elsewhere = known.filter(|key| self.peers.get(*key).is_some_and(|p| p.relayed));
        if let Some(key) = elsewhere {
            self.drop_peer(now, key, None);
        }
        if let Some(key) = known.filter(|_| elsewhere.is_none()) {
            if self.set_remote(now, key, offer).is_ok() {
                return Ok(key);
            }
            // Another identity or an ended connection: a reloaded page is the same peer with a
            // new connection, and as muted as before.
            disabled = self.peers.get(key).map_or(0, |peer| peer.disabled);
            self.drop_peer(now, key, None);
        }
        let crowded = self
            .rooms
            .get(room)
            .is_none_or(|room| room.peers.len() >= self.config.limits.peers_per_room);
        if crowded || self.peers.len() >= self.config.limits.peers {
            return Err(OfferError::Overloaded);
        }
        let key = self.new_peer(now, room, request);
        if let Some(peer) = self.peers.get_mut(key) {
            peer.disabled = disabled;
        }
        if let Err(error) = self.set_remote(now, key, offer) {
            self.drop_peer(now, key, None);
            return Err(OfferError::InvalidSdp(error.to_string()));
        }
        Ok(key)
    }

    pub(super) fn new_peer(
        &mut self,
        now: Instant,
        room: RoomKey,
        request: &OfferRequest,
    ) -> PeerKey {
        let credentials = IceCredentials::of_shard(self.config.index, &self.random());
        let identity = self.config.identity.clone();
        let numbers: [u8; 24] = self.random();
        let number = |at: usize| u64::from_be_bytes(std::array::from_fn(|i| numbers[at + i]));
        let key = self.peers.insert(Peer {
            id: request.peer,
            owner: request.owner,
            room,
            transport: transport::Peer::new(now, identity, credentials),
            connected: false,
            relayed: false,
            addresses: Vec::new(),
            ufrags: Vec::new(),
            // 62 bits, as RFC 9429 §5.2.1 asks.
            session_id: number(0) >> 2,
            version: 0,
            cname: format!("{:016x}", number(8)),
            may_capture: request.may_capture,
            watch: request.watch,
            disabled: 0,
            sections: Vec::new(),
            bindings: Vec::new(),
            roles: [Role::None; 128],
            kinds: [None; 256],
            twcc: Recorder::new(now),
            rtcp_ssrc: number(16) as u32 | 1,
            slots: Vec::new(),
            decodes: Codecs::default(),
            views: None,
            downlink: Downlink::default(),
            rtt: None,
            next_report: now + REPORT_INTERVAL,
            moved: None,
            timer: None,
            touched: false,
            map_changed: false,
            told_slots: (0, 0),
        });
        self.peer_ids.insert(request.peer, key);
        if let Some(room) = self.rooms.get_mut(room) {
            room.peers.push(key);
        }
        key
    }

    fn set_remote(
        &mut self,
        now: Instant,
        key: PeerKey,
        offer: &Offer,
    ) -> Result<(), TransportError> {
        let fresh = IceCredentials::of_shard(self.config.index, &self.random());
        let Some(peer) = self.peers.get_mut(key) else { return Err(TransportError::Ended) };
        peer.transport.set_remote(now, offer, || fresh)?;
        let current: Vec<String> = peer.transport.local_ufrags().map(str::to_owned).collect();
        for old in peer.ufrags.drain(..) {
            self.ufrags.remove(&old);
        }
        for ufrag in &current {
            self.ufrags.insert(ufrag.clone(), key);
        }
        peer.ufrags = current;
        Ok(())
    }

    /// Answers one m-line, publishing and making a slot as it says.
    fn accept(
        &mut self,
        now: Instant,
        key: PeerKey,
        request: &OfferRequest,
        offered: &OfferMedia,
        mut common: Negotiated,
    ) -> AnswerMedia {
        let source = wanted_source(request, offered);
        let publishes = source.is_some();
        if let Some(source) = source {
            self.order_codecs(key, &offered.mid, &offered.codecs, &mut common);
            self.publish(now, key, offered, &common, source);
        }
        let watches = self.peers.get(key).is_some_and(|peer| peer.watch != Watch::Nobody);
        let slot = match watches && offered.direction.receives() {
            true => self.open_slot(now, key, offered, &common),
            false => None,
        };
        let direction = Direction::new(slot.is_some(), publishes);
        AnswerMedia::Accept { direction, negotiated: common, local: slot }
    }

    fn publish(
        &mut self,
        now: Instant,
        key: PeerKey,
        offered: &OfferMedia,
        common: &Negotiated,
        source: Source,
    ) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let at = peer.sections.iter().position(|section| section.mid == offered.mid);
        if let Some(at) = at {
            let section = &mut peer.sections[at];
            if section.source == source && section.negotiated.rids == common.rids {
                section.negotiated = common.clone();
                section.offered = offered_codecs(offered, common);
                section.ssrcs.clone_from(&offered.ssrcs);
                return;
            }
            let old = peer.sections.remove(at).track;
            self.end_track(now, old);
        }
        self.next_track += 1;
        let id = TrackId(self.next_track);
        let nack = common.codecs.iter().any(|c| c.rtcp_fb.contains(&RtcpFeedback::Nack));
        let Some(peer) = self.peers.get_mut(key) else { return };
        let publication = Publication { source, rids: &common.rids, nack };
        let (place, person) = ((peer.room, key), (peer.id, peer.owner));
        let mut track = Track::new(now, id, place, person, &publication);
        track.enabled = peer.is_enabled(source);
        let track = self.tracks.insert(track);
        peer.sections.push(Section {
            mid: offered.mid.clone(),
            source,
            negotiated: common.clone(),
            offered: offered_codecs(offered, common),
            ssrcs: offered.ssrcs.clone(),
            track,
        });
        if let Some(room) = self.rooms.get_mut(peer.room) {
            room.tracks.push(track);
        }
    }

    /// The slot of an m-line, made on first sight; None beyond the limit.
    fn open_slot(
        &mut self,
        now: Instant,
        key: PeerKey,
        offered: &OfferMedia,
        common: &Negotiated,
    ) -> Option<LocalStream> {
        let audio = offered.kind == MediaKind::Audio;
        let limit = self.config.limits.slots as usize;
        let peer = self.peers.get(key)?;
        let known = peer.slots.iter().position(|slot| slot.mid == offered.mid);
        let at = match known {
            Some(at) => at,
            None => {
                if peer.slots.iter().filter(|slot| slot.audio == audio).count() >= limit {
                    return None;
                }
                let seed = self.slot_seed();
                let peer = self.peers.get_mut(key)?;
                peer.downlink.open(now);
                peer.slots.push(Slot::new(now, offered.mid.clone(), audio, &seed));
                peer.slots.len() - 1
            }
        };
        let peer = self.peers.get_mut(key)?;
        let (cname, watch) = (peer.cname.clone(), peer.watch);
        let slot = &mut peer.slots[at];
        slot.active = true;
        slot.negotiate(common, ids_of(common));
        let rtx = common.codecs.iter().any(|codec| codec.rtx_pt.is_some());
        Some(LocalStream {
            ssrc: slot.ssrc,
            rtx_ssrc: rtx.then_some(slot.rtx_ssrc),
            stream: match watch {
                // Sound and picture of different persons must not wait for each other.
                Watch::Everyone => format!("slot-{}", slot.mid),
                // A player shows one media stream.
                Watch::Nobody | Watch::Programme | Watch::Owner(_) => cname.clone(),
            },
            cname,
            track: format!("slot-{}", slot.mid),
        })
    }

    fn slot_seed(&mut self) -> SlotSeed {
        let bytes: [u8; 16] = self.random();
        let word = |at: usize| u32::from_be_bytes(std::array::from_fn(|i| bytes[at + i]));
        SlotSeed {
            // Never 0; and the two differ.
            ssrc: word(0) & !1 | 2,
            rtx_ssrc: word(4) | 1,
            sequence: word(8) as u16,
            rtx_sequence: (word(8) >> 16) as u16,
            timestamp: word(12),
        }
    }

    /// Ends what the offer no longer has.
    fn retire(&mut self, now: Instant, key: PeerKey, offer: &Offer, request: &OfferRequest) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let line = |mid: &str| offer.media.iter().find(|m| m.mid == mid && !m.rejected);
        let mut ended = Vec::new();
        peer.sections.retain(|section| {
            let goes_on = line(&section.mid)
                .is_some_and(|m| wanted_source(request, m) == Some(section.source));
            if !goes_on {
                ended.push(section.track);
            }
            goes_on
        });
        let closed: Vec<usize> = (0..peer.slots.len())
            .filter(|at| line(&peer.slots[*at].mid).is_none_or(|m| !m.direction.receives()))
            .collect();
        for track in ended {
            self.end_track(now, track);
        }
        for at in closed {
            self.release(key, at);
            if let Some(peer) = self.peers.get_mut(key) {
                peer.slots[at].active = false;
            }
        }
    }

    /// Binds the SSRCs that the offer announces for m-lines without simulcast.
    fn bind_announced(&mut self, now: Instant, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let announced: Vec<(TrackKey, u32, Option<u32>)> = peer
            .sections
            .iter()
            .filter(|section| section.negotiated.rids.is_empty())
            .filter_map(|section| {
                let first = section.ssrcs.first()?;
                Some((section.track, first.ssrc, first.rtx))
            })
            .collect();
        for (track_key, ssrc, rtx) in announced {
            let Some(track) = self.tracks.get_mut(track_key) else { continue };
            let binding = |ssrc, rtx| Binding { ssrc, track: track_key, layer: 0, rtx };
            if ssrc != 0 && track.layers[0].ssrc != ssrc {
                bind(now, peer, track, binding(ssrc, false));
            }
            if let Some(rtx) = rtx.filter(|rtx| *rtx != 0 && *rtx != ssrc) {
                bind(now, peer, track, binding(rtx, true));
            }
        }
    }

    /// Payload types of slots may have changed with the negotiation.
    fn refresh_types(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let mut lost = Vec::new();
        let mut stale = Vec::new();
        for (at, slot) in peer.slots.iter_mut().enumerate() {
            let Some(track_key) = slot.track else { continue };
            let Some(track) = self.tracks.get(track_key) else { continue };
            match slot.types_for(track) {
                Some(types) => slot.types = types,
                None => lost.push(at),
            }
            if !slot.synced {
                stale.push(track_key);
            }
        }
        for at in lost {
            self.release(key, at);
        }
        for track in stale {
            self.want_key_frame(track);
        }
    }

    pub(crate) fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }

    pub(crate) fn peer_in(&self, room: crate::api::RoomId, peer: PeerId) -> Option<PeerKey> {
        let key = *self.peer_ids.get(&peer)?;
        let room = *self.room_ids.get(&room)?;
        self.peers.get(key).filter(|peer| peer.room == room)?;
        Some(key)
    }
}

fn common_of(offered: &OfferMedia) -> Option<Negotiated> {
    let media = matches!(offered.kind, MediaKind::Audio | MediaKind::Video);
    if offered.rejected || !media {
        return None;
    }
    negotiate(offered)
}

/// What both have, in the order of the offer.
fn offered_codecs(offered: &OfferMedia, common: &Negotiated) -> Vec<Codec> {
    let known = |codec: &Codec| common.codec(*codec).is_some();
    let mut codecs: Vec<Codec> = offered.codecs.iter().map(|c| c.codec).filter(known).collect();
    codecs.dedup();
    codecs
}

/// What a sending m-line is allowed to carry.
fn wanted_source(request: &OfferRequest, offered: &OfferMedia) -> Option<Source> {
    if !request.may_publish || !offered.direction.sends() {
        return None;
    }
    let (_, source) = request.publications.iter().find(|(mid, _)| *mid == offered.mid)?;
    (source.is_audio() == (offered.kind == MediaKind::Audio)).then_some(*source)
}
