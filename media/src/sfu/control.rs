//! Ends of things, switches, and what waits for the capture.

use std::time::Instant;

use super::peer::{PeerKey, source_bit};
use super::room::{Room, RoomKey};
use super::track::TrackKey;
use crate::api::{Event, GoneReason, PeerId, RoomId, Source, Tap, TrackId};
use crate::shard::{Shard, TapSink};

/// Capture marks that wait for the next call that brings a sink.
pub(crate) enum Mark {
    Start(TrackKey),
    End { room: RoomId, track: TrackId },
}

impl Shard {
    pub(crate) fn add_room(&mut self, id: RoomId) {
        if self.room_ids.contains_key(&id) || self.rooms.len() >= self.config.limits.rooms {
            return;
        }
        let key = self.rooms.insert(Room::new(id, self.config.limits.voices));
        self.room_ids.insert(id, key);
    }

    pub(crate) fn drop_room(&mut self, now: Instant, id: RoomId) {
        let Some(key) = self.room_ids.get(&id).copied() else { return };
        let peers = self.rooms.get(key).map(|room| room.peers.clone()).unwrap_or_default();
        for peer in peers {
            self.drop_peer(now, peer, Some(GoneReason::Removed));
        }
        self.room_ids.remove(&id);
        self.rooms.remove(key);
        self.relay.forget(key);
    }

    /// Takes a peer out. Without a reason nobody is told: the peer begins anew.
    pub(crate) fn drop_peer(&mut self, now: Instant, key: PeerKey, reason: Option<GoneReason>) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let room = peer.room;
        let tracks: Vec<TrackKey> = peer.sections.drain(..).map(|s| s.track).collect();
        let slots = peer.slots.len();
        peer.transport.close(now);
        while let Some(farewell) = peer.transport.poll_transmit() {
            self.farewells.push(farewell);
        }
        for track in tracks {
            self.end_track(now, track);
        }
        for slot in 0..slots {
            self.release(key, slot);
        }
        self.changed_maps.retain(|other| *other != key);
        let Some(peer) = self.peers.remove(key) else { return };
        for ufrag in &peer.ufrags {
            self.ufrags.remove(ufrag);
        }
        for address in &peer.addresses {
            if self.addresses.get(address) == Some(&key) {
                self.addresses.remove(address);
            }
        }
        if self.peer_ids.get(&peer.id) == Some(&key) {
            self.peer_ids.remove(&peer.id);
        }
        if let Some(room) = self.rooms.get_mut(room) {
            room.peers.retain(|other| *other != key);
            if let Some(reason) = reason {
                let event = Event::PeerGone { room: room.id, peer: peer.id, reason };
                self.events.push_back(event);
            }
        }
        self.assign(now, room);
    }

    /// Ends a track: its slots are free, its capture is closed. The caller has taken the section
    /// away and assigns again.
    pub(crate) fn end_track(&mut self, now: Instant, key: TrackKey) {
        self.now = Some(now);
        let (room, subscribers) = match self.tracks.get_mut(key) {
            Some(track) => (track.room, std::mem::take(&mut track.subscribers)),
            None => return,
        };
        self.fell_silent(room, key, true);
        for (peer, slot) in subscribers {
            self.release(peer, usize::from(slot));
        }
        let Some(track) = self.tracks.remove(key) else { return };
        self.retract(&track);
        if let Some(peer) = self.peers.get_mut(track.peer) {
            peer.bindings.retain(|binding| binding.track != key);
        }
        let Some(room) = self.rooms.get_mut(track.room) else { return };
        room.tracks.retain(|other| *other != key);
        if track.capturing {
            self.marks.push(Mark::End { room: room.id, track: track.id });
        }
        if track.started && !track.relayed {
            let (room, peer) = (room.id, track.peer_id);
            let (track, source) = (track.id, track.source);
            self.events.push_back(Event::TrackEnded { room, peer, track, source });
        }
        if track.source == Source::Microphone && room.speaker.remove(track.peer_id) {
            self.events.push_back(Event::Speaker { room: room.id, peer: None });
        }
    }

    pub(crate) fn switch_source(&mut self, now: Instant, key: PeerKey, source: Source, on: bool) {
        self.now = Some(now);
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.is_enabled(source) == on {
            return;
        }
        peer.disabled ^= source_bit(source);
        let room = peer.room;
        let of_source = |s: &&super::peer::Section| s.source == source;
        let tracks: Vec<TrackKey> =
            peer.sections.iter().filter(of_source).map(|s| s.track).collect();
        for key in tracks {
            let Some(track) = self.tracks.get_mut(key) else { continue };
            track.enabled = on;
            track.captured = None;
            // Nobody waits for pictures of a source that is off.
            track.layers.iter_mut().for_each(|layer| layer.keyframe.cancel());
            // What was left out leaves no gap: all begin anew with the next key frame.
            for (peer, slot) in &track.subscribers {
                let slot =
                    self.peers.get_mut(*peer).and_then(|p| p.slots.get_mut(usize::from(*slot)));
                if let Some(slot) = slot {
                    slot.synced = false;
                    slot.totals.begin_again();
                }
            }
            let room = track.room;
            if on {
                self.want_key_frame(key);
            } else if source == Source::Microphone {
                self.fell_silent(room, key, false);
            }
            self.announce_switch(key);
            self.update_capture(key);
        }
        // Players show another picture meanwhile.
        self.assign(now, room);
        self.tell_changed_maps();
    }

    pub(crate) fn switch_capture(&mut self, room: RoomKey, on: bool) {
        let Some(room) = self.rooms.get_mut(room) else { return };
        room.capture = on;
        for track in room.tracks.clone() {
            self.update_capture(track);
        }
    }

    pub(crate) fn switch_may_capture(&mut self, key: PeerKey, on: bool) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.may_capture = on;
        let tracks: Vec<TrackKey> = peer.sections.iter().map(|s| s.track).collect();
        for track in tracks {
            self.update_capture(track);
        }
        self.announce_peer(key);
    }

    /// Brings a track's capture in line with the room's and the peer's switches.
    pub(crate) fn update_capture(&mut self, key: TrackKey) {
        let Some(track) = self.tracks.get_mut(key) else { return };
        let Some(room) = self.rooms.get(track.room) else { return };
        let (room, capture) = (room.id, room.capture);
        let may = self.peers.get(track.peer).is_some_and(|peer| peer.may_capture);
        // A picture that is switched off has ended: nobody may take its last frame for the present.
        // Sound needs no such mark, it is silent by itself.
        let on = track.enabled || track.source.is_audio();
        let wanted = capture && may && track.started && on;
        if wanted == track.capturing {
            return;
        }
        track.capturing = wanted;
        track.captured = None;
        self.review(key);
        let Some(track) = self.tracks.get(key) else { return };
        if wanted {
            self.marks.push(Mark::Start(key));
            self.want_key_frame(key);
        } else {
            let track = track.id;
            self.marks.push(Mark::End { room, track });
        }
    }

    /// Hands over the marks that wait.
    pub(crate) fn mark_capture(&mut self, tap: &mut dyn TapSink) {
        for mark in self.marks.drain(..) {
            match mark {
                Mark::Start(key) => {
                    let Some(track) = self.tracks.get(key) else { continue };
                    let Some(room) = self.rooms.get(track.room) else { continue };
                    tap.tap(Tap::TrackStart {
                        room: room.id,
                        owner: track.owner,
                        track: track.id,
                        source: track.source,
                        codec: track.codec,
                    });
                }
                Mark::End { room, track } => tap.tap(Tap::TrackEnd { room, track }),
            }
        }
    }

    pub(crate) fn peer_by_id(&self, peer: PeerId) -> Option<PeerKey> {
        self.peer_ids.get(&peer).copied()
    }
}
