//! Who gets which layer: views of subscribers, their wishes, and targets.

use super::layer::{Layer, View};
use super::peer::{Peer, PeerKey};
use super::track::Track;
use crate::api::TrackView;
use crate::shard::Shard;

/// Views kept of one peer: more than it can have slots.
const MAX_VIEWS: usize = 128;

impl Peer {
    /// How this peer shows a track.
    pub fn view_of(&self, track: &Track) -> View {
        let Some(views) = &self.views else { return View::FULL };
        let named = views.iter().find(|v| (v.owner, v.source) == (track.owner, track.source));
        named.map_or(View::SMALL, |named| named.view)
    }
}

impl Shard {
    pub(crate) fn shows(&mut self, key: PeerKey, views: &[TrackView]) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let views = &views[..views.len().min(MAX_VIEWS)];
        peer.views.get_or_insert_default().clear();
        peer.views.get_or_insert_default().extend_from_slice(views);
        for slot in 0..peer.slots.len() {
            self.look(key, slot);
        }
    }

    /// Brings the view and the wish of a slot up to date, and its target with them.
    pub(crate) fn look(&mut self, key: PeerKey, slot: usize) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(track_key) = peer.slots.get(slot).and_then(|slot| slot.track) else { return };
        let Some(track) = self.tracks.get(track_key) else { return };
        let view = peer.view_of(track);
        let slot_index = slot;
        let slot = &mut peer.slots[slot_index];
        slot.view = view;
        slot.renew_wish(track);
        let wish = slot.wish();
        self.set_target(key, slot_index, wish);
    }

    /// Sets what a slot is sent at most; None pauses it.
    pub(crate) fn set_target(&mut self, key: PeerKey, slot: usize, target: Option<Layer>) {
        let Some(slot) = self.peers.get_mut(key).and_then(|peer| peer.slots.get_mut(slot)) else {
            return;
        };
        slot.target = target;
    }
}
