//! Who gets which layer: views of subscribers, their wishes and targets, and from them the layers
//! that publishers are to send.

use std::time::Instant;

use slotmap::Key;

use super::layer::{Layer, MAX_SPATIAL, View};
use super::peer::{Peer, PeerKey};
use super::publishing::Active;
use super::track::{Track, TrackKey};
use crate::api::{Event, TrackView};
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
        let kept = peer.views.get_or_insert_default();
        kept.clear();
        kept.extend_from_slice(views);
        for slot in 0..peer.slots.len() {
            self.look(key, slot);
        }
    }

    /// Brings the view and the wish of a slot up to date, and its target with them.
    pub(crate) fn look(&mut self, key: PeerKey, index: usize) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(track) = peer.slots.get(index).and_then(|slot| slot.track) else { return };
        let Some(track) = self.tracks.get(track) else { return };
        let view = peer.view_of(track);
        let slot = &mut peer.slots[index];
        slot.view = view;
        let hidden = slot.wish().is_none();
        slot.renew_wish(track, self.pressure.cap(key.data().as_ffi() & 0xffff_ffff));
        // What is shown again begins as a new one does.
        slot.fresh |= hidden && slot.wish().is_some();
        let slot_audio = slot.audio;
        let wish = slot.wish();
        let target = slot.target;
        if peer.downlink.estimate().is_none() || wish.is_none() || slot_audio {
            self.tell_paused(key, index, false);
            return self.set_target(key, index, wish);
        }
        // Bandwidth is divided: less is taken at once, more has to be granted.
        peer.downlink.touch_claims();
        self.set_target(key, index, target.min(wish));
        // At once: a new track begins with a key frame that is on its way already.
        if let Some(now) = self.now {
            self.allocate(now, key);
        }
        self.touch(key);
    }

    /// Sets what a slot is sent at most; None pauses it. Resuming and going up ask for a key frame
    /// at once where they need one.
    pub(crate) fn set_target(&mut self, key: PeerKey, index: usize, target: Option<Layer>) {
        let Some(slot) = self.peers.get_mut(key).and_then(|peer| peer.slots.get_mut(index)) else {
            return;
        };
        let before = std::mem::replace(&mut slot.target, target);
        let Some(track_key) = slot.track else { return };
        let Some(track) = self.tracks.get_mut(track_key) else { return };
        match target {
            None => {
                slot.synced = false;
                slot.totals.begin_again();
            }
            Some(target) => {
                let chosen = track.choose(target.spatial);
                let follows = slot.rewriter.current().is_some_and(|epoch| {
                    slot.synced && epoch.source == track.feed(track_key, chosen)
                });
                let inside = track.measured.is_stacked()
                    && before.is_none_or(|before| before.spatial < target.spatial);
                if !follows || inside {
                    track.want_key_frame(chosen);
                }
            }
        }
        if before != target {
            self.review(track_key);
        } else {
            let publisher = track.peer;
            self.touch(publisher);
        }
    }

    /// Notes that who wants what of a track may have changed.
    pub(crate) fn review(&mut self, key: TrackKey) {
        let Some(track) = self.tracks.get_mut(key) else { return };
        let publisher = track.peer;
        if !std::mem::replace(&mut track.review, true) {
            self.reviews.push(key);
        }
        self.touch(publisher);
    }

    /// Tells the publishers of reviewed tracks what has to go on.
    pub(crate) fn settle_reviews(&mut self, now: Instant) {
        while let Some(key) = self.reviews.pop() {
            let Some(track) = self.tracks.get_mut(key) else { continue };
            track.review = false;
            if track.is_audio() || !track.started {
                continue;
            }
            if std::mem::take(&mut track.resized) {
                self.renew_wishes(key);
            }
            let wanted = self.wanted_layers(key);
            let Some(track) = self.tracks.get_mut(key) else { continue };
            if track.relayed {
                // Of a relayed track its own shard tells.
                self.wish_for(key, wanted);
            } else if let Some(active) = track.publishing.want(now, wanted) {
                self.tell_publisher(key, active);
            }
        }
    }

    /// Switches off what nobody has wanted for a while.
    pub(crate) fn lower_layers(&mut self, now: Instant, publisher: PeerKey) {
        let mut section = 0;
        while let Some(key) =
            self.peers.get(publisher).and_then(|peer| peer.sections.get(section)).map(|s| s.track)
        {
            section += 1;
            let Some(track) = self.tracks.get_mut(key) else { continue };
            if let Some(active) = track.publishing.poll(now) {
                self.tell_publisher(key, active);
            }
        }
    }

    /// The pictures of a track have another size: other layers may fit.
    fn renew_wishes(&mut self, key: TrackKey) {
        let Some(track) = self.tracks.get_mut(key) else { return };
        let subscribers = std::mem::take(&mut track.subscribers);
        for (peer, slot) in &subscribers {
            self.look(*peer, usize::from(*slot));
        }
        if let Some(track) = self.tracks.get_mut(key) {
            track.subscribers = subscribers;
        }
    }

    /// The layers of a track that somebody wants. Simulcast: those that are wished for or sent, and
    /// the lowest as the way out for whose connection gets worse. A recording wants the highest.
    fn wanted_layers(&self, key: TrackKey) -> Active {
        let Some(track) = self.tracks.get(key) else { return [false; MAX_SPATIAL] };
        let mut wanted = track.elsewhere.layers(track.links);
        let top = track.measured.top();
        let mut want = |layer: Option<Layer>| {
            let Some(layer) = layer else { return };
            let mut at = layer.spatial.min(top);
            wanted[usize::from(at)] = true;
            // What the publisher cannot send is replaced by the next.
            while at > 0 && track.measured.spatial(at).given_up {
                at -= 1;
                wanted[usize::from(at)] = true;
            }
        };
        for (peer, slot) in &track.subscribers {
            let slot = self.peers.get(*peer).and_then(|peer| peer.slots.get(usize::from(*slot)));
            let Some(slot) = slot.filter(|slot| slot.active) else { continue };
            want(slot.wish());
            want(slot.target);
        }
        want(track.capturing.then_some(Layer::HIGHEST));
        let any = wanted.contains(&true);
        if track.layers.len() == 1 {
            return [any; MAX_SPATIAL];
        }
        wanted[0] = any;
        wanted
    }

    fn tell_publisher(&mut self, key: TrackKey, active: Active) {
        let Some(track) = self.tracks.get_mut(key) else { return };
        for (layer, on) in (0..).zip(active) {
            track.measured.switched(layer, on);
        }
        let (peer, source) = (track.peer_id, track.source);
        let Some(room) = self.rooms.get(track.room).map(|room| room.id) else { return };
        self.events.push_back(Event::PublishLayers { room, peer, source, active });
        self.announce_layers(key, active);
    }
}
