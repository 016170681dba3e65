//! Which track each receive slot shows.
//!
//! Audio: every voice that the room hears (`voices`). Video: shared screens first, then cameras in the order of joining. A slot
//! keeps its track as long as it can, so that nobody's picture moves without need; only a screen
//! takes the slot of a camera when none is free.

use std::time::Instant;

use super::peer::PeerKey;
use super::room::RoomKey;
use super::track::TrackKey;
use crate::api::{Event, Source, Watch};
use crate::shard::Shard;

impl Shard {
    /// Fills the free slots of all peers of a room and says who has too few.
    pub(crate) fn assign(&mut self, now: Instant, room: RoomKey) {
        let Some(members) = self.rooms.get(room).map(|room| room.peers.clone()) else { return };
        for track in self.superseded(room) {
            let held = self.tracks.get(track).map(|track| track.subscribers.clone());
            for (peer, slot) in held.unwrap_or_default() {
                self.release(peer, usize::from(slot));
            }
        }
        self.choose_voices(now, room);
        let sounds = self.candidates(room, true);
        // A player is given whom it asks for; a member, whom the room hears.
        let audio: Vec<TrackKey> =
            sounds.iter().copied().filter(|key| !self.is_unheard(room, *key)).collect();
        let video = self.candidates(room, false);
        for key in members {
            if self.peers.get(key).is_some_and(|peer| peer.watch != Watch::Everyone) {
                self.choose(room, key, &sounds, true);
                self.choose(room, key, &video, false);
                continue;
            }
            let heard = self.fill(key, &audio, true);
            let seen = self.fill(key, &video, false);
            let heard = self.usable_voices(room, heard);
            self.tell_wanted_slots(room, key, heard, seen);
        }
        self.agree_on_codecs(now, room);
        self.now = Some(now);
    }

    /// Tracks of a device that has fallen silent because another device of the same person
    /// publishes the same source: two tiles of one person are never shown.
    fn superseded(&self, room: RoomKey) -> Vec<TrackKey> {
        let Some(room) = self.rooms.get(room) else { return Vec::new() };
        let started = || {
            let tracks = room.tracks.iter().filter_map(|key| Some((*key, self.tracks.get(*key)?)));
            tracks.filter(|(_, track)| track.started)
        };
        let replaced = |old: &super::track::Track| {
            started().any(|(_, new)| {
                new.enabled
                    && (new.owner, new.source) == (old.owner, old.source)
                    && new.peer != old.peer
            })
        };
        started()
            .filter(|(_, track)| !track.enabled && replaced(track))
            .map(|(key, _)| key)
            .collect()
    }

    /// Started tracks of a room, most important first.
    fn candidates(&self, room_key: RoomKey, audio: bool) -> Vec<TrackKey> {
        let superseded = self.superseded(room_key);
        let Some(room) = self.rooms.get(room_key) else { return Vec::new() };
        let mut all: Vec<(bool, usize, TrackKey)> = room
            .tracks
            .iter()
            .filter(|key| !superseded.contains(key))
            .filter_map(|key| {
                let track = self.tracks.get(*key)?;
                let wanted = track.started && track.is_audio() == audio;
                let joined = room.peers.iter().position(|peer| *peer == track.peer)?;
                wanted.then_some((track.source != Source::Screen, joined, *key))
            })
            .collect();
        all.sort_by_key(|(camera, joined, _)| (*camera, *joined));
        all.into_iter().map(|(_, _, key)| key).collect()
    }

    /// Gives a peer's slots of one kind their tracks; returns how many it could be sent.
    fn fill(&mut self, key: PeerKey, candidates: &[TrackKey], audio: bool) -> u32 {
        let mut eligible = 0;
        for track_key in candidates {
            let (Some(peer), Some(track)) = (self.peers.get(key), self.tracks.get(*track_key))
            else {
                continue;
            };
            if track.owner == peer.owner {
                continue;
            }
            eligible += 1;
            if peer.slots.iter().any(|slot| slot.track == Some(*track_key)) {
                continue;
            }
            let fits = |at: &usize| {
                let slot = &peer.slots[*at];
                slot.active && slot.audio == audio && slot.types_for(track).is_some()
            };
            let slots = (0..peer.slots.len()).filter(fits);
            let free = slots.clone().find(|at| peer.slots[*at].track.is_none());
            let taken = free.or_else(|| {
                // The camera that stands last gives way to a screen.
                let rank = |at: &usize| {
                    let held = peer.slots[*at].track?;
                    let camera = self.tracks.get(held)?.source == Source::Camera;
                    camera.then(|| candidates.iter().position(|other| *other == held)).flatten()
                };
                (track.source == Source::Screen)
                    .then(|| slots.filter(|at| rank(at).is_some()).max_by_key(rank))
                    .flatten()
            });
            if let Some(at) = taken {
                self.release(key, at);
                self.give(key, at, *track_key);
            }
        }
        eligible
    }

    pub(super) fn give(&mut self, key: PeerKey, at: usize, track_key: TrackKey) {
        let (Some(peer), Some(track)) = (self.peers.get_mut(key), self.tracks.get_mut(track_key))
        else {
            return;
        };
        let slot = &mut peer.slots[at];
        let Some(types) = slot.types_for(track) else { return };
        slot.types = types;
        slot.track = Some(track_key);
        slot.synced = false;
        slot.totals.begin_again();
        (slot.fresh, slot.paused) = (true, false);
        if !slot.audio && peer.downlink.estimate().is_some() {
            // Nothing before it is granted.
            slot.target = None;
        }
        track.subscribers.push((key, at as u16));
        self.map_changed(key);
        self.look(key, at);
        self.review(track_key);
    }

    /// Takes the track off a slot.
    pub(crate) fn release(&mut self, key: PeerKey, at: usize) {
        let Some(slot) = self.peers.get_mut(key).and_then(|peer| peer.slots.get_mut(at)) else {
            return;
        };
        slot.synced = false;
        slot.paused = false;
        let Some(track_key) = slot.track.take() else { return };
        if let Some(track) = self.tracks.get_mut(track_key) {
            track.subscribers.retain(|(peer, slot)| (*peer, usize::from(*slot)) != (key, at));
        }
        self.review(track_key);
        self.map_changed(key);
    }

    pub(crate) fn map_changed(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(key)
            && !peer.map_changed
        {
            peer.map_changed = true;
            self.changed_maps.push(key);
        }
    }

    pub(crate) fn want_key_frame(&mut self, key: TrackKey) {
        let Some(track) = self.tracks.get_mut(key) else { return };
        let publisher = track.peer;
        if track.capturing {
            track.want_key_frame(track.best);
        }
        for (peer, slot) in track.subscribers.clone() {
            self.want_picture(peer, usize::from(slot));
        }
        self.touch(publisher);
    }

    /// Asks for a key frame of the layer that a slot is to be sent.
    pub(crate) fn want_picture(&mut self, key: PeerKey, slot: usize) {
        let Some(slot) = self.peers.get(key).and_then(|peer| peer.slots.get(slot)) else { return };
        let (Some(track), Some(target)) = (slot.track, slot.target) else {
            return;
        };
        let Some(track) = self.tracks.get_mut(track) else { return };
        track.want_key_frame(track.choose(target.spatial));
        let publisher = track.peer;
        self.touch(publisher);
    }

    fn tell_wanted_slots(&mut self, room: RoomKey, key: PeerKey, audio: u32, video: u32) {
        let most = self.config.limits.slots;
        let wanted = (audio.min(most), video.min(most));
        let Some(room) = self.rooms.get(room).map(|room| room.id) else { return };
        let Some(peer) = self.peers.get_mut(key).filter(|peer| !peer.relayed) else { return };
        let has = |audio: bool| {
            peer.slots.iter().filter(|slot| slot.active && slot.audio == audio).count() as u32
        };
        let short = wanted.0 > has(true) || wanted.1 > has(false);
        if short && peer.told_slots != wanted {
            peer.told_slots = wanted;
            let (audio, video) = wanted;
            self.events.push_back(Event::Slots { room, peer: peer.id, audio, video });
        }
    }

    /// Tells the whole slot map of each peer whose map changed.
    pub(crate) fn tell_changed_maps(&mut self) {
        while let Some(key) = self.changed_maps.pop() {
            let Some(peer) = self.peers.get_mut(key) else { continue };
            peer.map_changed = false;
            let (room, id) = (peer.room, peer.id);
            let Some(room) = self.rooms.get(room).map(|room| room.id) else { continue };
            let assignments = self.assignments_of(key);
            self.events.push_back(Event::Assignments { room, peer: id, assignments });
        }
    }

    pub(crate) fn assignments_of(&self, key: PeerKey) -> Vec<crate::api::Assignment> {
        let Some(peer) = self.peers.get(key) else { return Vec::new() };
        peer.assignments(|track| {
            self.tracks.get(track).map(|track| (track.peer_id, track.owner, track.source))
        })
    }
}
