//! Which codec a publisher is to send: the first of those that it offers which everybody decodes
//! who may be shown the track.
//!
//! The answer to a publisher's offer names that codec first, and browsers send the first of the
//! answer (RFC 3264 §6.1, 7). When somebody comes who lacks it, the publisher is told the next
//! one, and offers again; when all have the better one again, it is told so after a while.

use std::time::{Duration, Instant};

use super::control::Mark;
use super::peer::{Peer, PeerKey};
use super::room::RoomKey;
use super::track::TrackKey;
use crate::api::{Codec, Event, OwnerId, TrackId, Watch};
use crate::shard::Shard;
use crate::transport::{Negotiated, RtpCodec};

/// A better codec is taken up when everybody has had it for so long: people who come and go must
/// not make the picture begin anew each time.
const RAISE_AFTER: Duration = Duration::from_secs(10);

/// A set of codecs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Codecs(u8);

impl Codecs {
    pub fn of(codecs: impl IntoIterator<Item = Codec>) -> Codecs {
        Codecs(codecs.into_iter().fold(0, |set, codec| set | 1 << codec as u8))
    }

    fn has(self, codec: Codec) -> bool {
        self.0 >> codec as u8 & 1 != 0
    }

    pub fn union(self, other: Codecs) -> Codecs {
        Codecs(self.0 | other.0)
    }

    /// Those of `self` that are not in `other`.
    fn without(self, other: Codecs) -> Codecs {
        Codecs(self.0 & !other.0)
    }
}

/// What the publisher of a track was told to send.
#[derive(Debug, Clone, Copy, Default)]
pub struct Agreement {
    told: Option<Codec>,
    raise_at: Option<Instant>,
}

impl Agreement {
    /// When [`Shard::raise_codecs`] is wanted.
    pub fn due(&self) -> Option<Instant> {
        self.raise_at
    }

    /// States the best codec now, and what somebody lacks; what to tell the publisher, if anything.
    fn want(&mut self, now: Instant, best: Codec, lacked: Codecs) -> Option<Codec> {
        match self.told {
            Some(told) if told == best => self.raise_at = None,
            Some(told) if !lacked.has(told) => {
                let at = *self.raise_at.get_or_insert(now + RAISE_AFTER);
                if at <= now {
                    return Some(self.tell(best));
                }
            }
            Some(_) => return Some(self.tell(best)),
            // Nothing was answered yet.
            None => {}
        }
        None
    }

    fn tell(&mut self, codec: Codec) -> Codec {
        (self.told, self.raise_at) = (Some(codec), None);
        codec
    }
}

/// The first of what is offered that nobody lacks; otherwise VP8, which every browser has.
fn best(offered: &[Codec], lacked: Codecs) -> Option<Codec> {
    let all = || offered.iter().copied();
    let common = all().find(|codec| !lacked.has(*codec));
    common.or_else(|| all().find(|codec| *codec == Codec::Vp8)).or_else(|| all().next())
}

impl Peer {
    /// Notes what it can be sent, after an offer.
    pub(super) fn learn_codecs(&mut self) {
        let slots = self.slots.iter().filter(|slot| slot.active && !slot.audio);
        self.decodes = slots.fold(Codecs::default(), |set, slot| set.union(slot.decodes()));
    }

    /// It hears of what is wanted, and can offer anew.
    fn can_be_told(&self) -> bool {
        self.watch == Watch::Everyone && !self.relayed
    }
}

impl Shard {
    /// Of `offered` what somebody of this shard lacks who may be shown tracks of `owner`. Whoever
    /// has no slots yet is not asked, nor who could decode nothing of it.
    fn lacked_here(&self, room: RoomKey, owner: OwnerId, offered: Codecs) -> Codecs {
        let peers = self.rooms.get(room).map(|room| room.peers.as_slice()).unwrap_or_default();
        let mut lacked = Codecs::default();
        for peer in peers.iter().filter_map(|key| self.peers.get(*key)) {
            let shown = match peer.watch {
                Watch::Everyone | Watch::Programme => peer.owner != owner,
                Watch::Owner(wanted) => wanted == owner,
                Watch::Nobody => false,
            };
            let lacks = offered.without(peer.decodes);
            if shown && !peer.relayed && lacks != offered {
                lacked = lacked.union(lacks);
            }
        }
        lacked
    }

    /// Puts the codecs of a sending m-line in the order of its answer: what the publisher is to
    /// send first, then as it offers. Publishers that cannot be told later keep ours, which begins
    /// with what everybody has.
    pub(super) fn order_codecs(
        &self,
        key: PeerKey,
        mid: &str,
        offered: &[RtpCodec],
        common: &mut Negotiated,
    ) {
        let Some(peer) = self.peers.get(key).filter(|peer| peer.can_be_told()) else { return };
        let place = |codec: &RtpCodec| offered.iter().position(|other| other.pt == codec.pt);
        common.codecs.sort_by_key(place);
        let section = peer.sections.iter().find(|section| section.mid == mid);
        let track = section.and_then(|section| self.tracks.get(section.track));
        let told = track.and_then(|track| track.agreement.told);
        let wanted: Vec<Codec> = common.codecs.iter().map(|codec| codec.codec).collect();
        let lacked = self.lacked_here(peer.room, peer.owner, Codecs::of(wanted.iter().copied()));
        if let Some(first) = told.or_else(|| best(&wanted, lacked)) {
            common.codecs.sort_by_key(|codec| codec.codec != first);
        }
    }

    /// Notes what an answer tells a publisher.
    pub(super) fn note_answered(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get(key) else { return };
        for section in &peer.sections {
            let first = section.negotiated.codecs.first().map(|codec| codec.codec);
            if let Some(track) = self.tracks.get_mut(section.track) {
                track.agreement.told = first;
            }
        }
    }

    /// Works out again what the publishers of a room are to send.
    pub(super) fn agree_on_codecs(&mut self, now: Instant, room: RoomKey) {
        let tracks = self.rooms.get(room).map(|room| room.tracks.clone()).unwrap_or_default();
        for track in tracks {
            self.agree_on_codec(now, track);
        }
    }

    /// Tells a publisher of better codecs that everybody has had for a while.
    pub(super) fn raise_codecs(&mut self, now: Instant, publisher: PeerKey) {
        let mut at = 0;
        while let Some(key) =
            self.peers.get(publisher).and_then(|peer| peer.sections.get(at)).map(|s| s.track)
        {
            at += 1;
            let due = self.tracks.get(key).and_then(|track| track.agreement.due());
            if due.is_some_and(|due| due <= now) {
                self.agree_on_codec(now, key);
            }
        }
    }

    /// What somebody of this shard lacks of what the publisher of a track offers.
    pub(super) fn lacked_of(&self, key: TrackKey) -> Codecs {
        let Some(track) = self.tracks.get(key) else { return Codecs::default() };
        let sections = self.peers.get(track.peer).map(|peer| peer.sections.as_slice());
        let mut sections = sections.unwrap_or_default().iter();
        let offered = sections.find(|section| section.track == key).map(|s| &s.offered);
        let offered = Codecs::of(offered.into_iter().flatten().copied());
        self.lacked_here(track.room, track.owner, offered)
    }

    pub(super) fn agree_on_codec(&mut self, now: Instant, key: TrackKey) {
        let Some(track) = self.tracks.get(key).filter(|track| !track.is_audio()) else { return };
        if track.relayed {
            // Its own shard has to hear of it.
            return self.review(key);
        }
        let Some(peer) = self.peers.get(track.peer).filter(|peer| peer.can_be_told()) else {
            return;
        };
        let Some(section) = peer.sections.iter().find(|section| section.track == key) else {
            return;
        };
        let offered = &section.offered;
        if offered.len() < 2 {
            return;
        }
        let lacked = self.lacked_of(key).union(track.elsewhere.lacked());
        let Some(best) = best(offered, lacked) else { return };
        let (room, publisher) = (track.room, track.peer);
        let Some(track) = self.tracks.get_mut(key) else { return };
        let told = track.agreement.want(now, best, lacked);
        if let (Some(codec), Some(room)) = (told, self.rooms.get(room)) {
            let (room, peer, source) = (room.id, track.peer_id, track.source);
            self.events.push_back(Event::PublishCodec { room, peer, source, codec });
        }
        self.touch(publisher);
    }

    /// The publisher of a track has gone over to another codec. What follows is another track in
    /// the same place: recordings and other shards know a track by one codec. Who watches it
    /// goes on with the next packet, which begins a key frame.
    pub(super) fn change_codec(&mut self, key: TrackKey) {
        let Some(track) = self.tracks.get_mut(key) else { return };
        let (old, links, captured) = (track.id, track.links, track.capturing);
        self.next_track += 1;
        track.begin_anew(TrackId(self.next_track));
        let Some(room) = self.rooms.get(track.room).map(|room| room.id) else { return };
        if captured {
            self.marks.push(Mark::End { room, track: old });
        }
        self.replace_relayed(old, key, links);
    }

    /// Brings the slots of a track in line with its codec, once that is known.
    pub(super) fn retune(&mut self, key: TrackKey) {
        let Some(track) = self.tracks.get(key) else { return };
        let mut lost = Vec::new();
        for (peer, at) in &track.subscribers {
            let slot = self.peers.get_mut(*peer).and_then(|p| p.slots.get_mut(usize::from(*at)));
            let Some(slot) = slot else { continue };
            slot.synced = false;
            match slot.types_for(track) {
                Some(types) => slot.types = types,
                None => lost.push((*peer, usize::from(*at))),
            }
        }
        for (peer, at) in lost {
            self.release(peer, at);
        }
    }
}
