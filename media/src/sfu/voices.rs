//! Whom a room hears: everybody in a small one, the loudest few in a large one.
//!
//! In a large room the chosen voices are the only audio that is forwarded, so that five hundred
//! open microphones cost what five do; each of them is received, repaired, captured and kept for
//! a moment all the same. A voice that comes in takes over the slot of the one that goes, at each
//! subscriber, and begins with the start of its word, from the cache.

use std::time::{Duration, Instant};

use super::forward::to_subscriber;
use super::loudest::Swap;
use super::peer::{Peer, PeerKey, Role};
use super::relay::NOWHERE;
use super::room::RoomKey;
use super::track::TrackKey;
use super::voice::{Voice, assumed_level};
use super::work::{Scan, Work};
use crate::api::{Event, OwnerId, Source, Watch};
use crate::rtp::packet::Header;
use crate::rtp::{red, vp8};
use crate::shard::{Datagram, Egress, Shard};

/// A room that has been large is small again with so many microphones fewer.
const SHRINK: usize = 4;
/// Sound before the packet in which speech was found: the first consonant is soft.
const LEAD_IN: Duration = Duration::from_millis(60);
/// At most so much is sent of what was said before a voice was chosen.
const LONGEST_LEAD: Duration = Duration::from_millis(240);
/// Packets of that time, at 10 ms each.
const LEAD_PACKETS: usize = 24;

/// A voice that has come in and has to be forwarded from here on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    room: RoomKey,
    swap: Swap<TrackKey>,
    /// The packet in which it was found to speak; it goes the usual way.
    before: u64,
    lead: Duration,
}

impl Shard {
    /// Takes the level of a microphone's packet: who speaks, who is chosen.
    pub(crate) fn heard(&mut self, now: Instant, item: &Work) {
        let Some(track) = self.tracks.get_mut(item.track) else { return };
        if track.source != Source::Microphone {
            return;
        }
        let measured = item.carried.level;
        let level = measured.unwrap_or_else(|| {
            assumed_level(usize::from(item.primary.1.saturating_sub(item.primary.0)))
        });
        let level = level & 0x7f;
        let speech = track.voice.heard(now, level, measured.is_some());
        let Some(room) = self.rooms.get_mut(track.room) else { return };
        if room.large && !track.chosen {
            if !speech {
                return;
            }
            let kept = room.speaker_track;
            let Some(swap) = room.selection.speaks(now, item.track, &track.voice, kept) else {
                return;
            };
            track.chosen = true;
            let begun =
                track.voice.onset.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
            let lead = (begun + LEAD_IN).min(LONGEST_LEAD);
            self.entries.push(Entry { room: track.room, swap, before: item.seq, lead });
        } else if room.large {
            room.selection.update(item.track, &track.voice);
        }
        if room.speaker.heard(now, track.peer_id, level, speech) {
            let speaker = room.speaker.current();
            let (key, id) = (track.room, room.id);
            room.speaker_track = room.tracks.iter().copied().find(|key| {
                self.tracks.get(*key).is_some_and(|track| {
                    track.source == Source::Microphone && Some(track.peer_id) == speaker
                })
            });
            let dominant = room.speaker_track;
            self.events.push_back(Event::Speaker { room: id, peer: speaker });
            if let Some(dominant) = dominant {
                self.favour(key, dominant);
            }
        }
    }

    /// Gives the voices that came in their slots, and sends how they began.
    pub(crate) fn bring_in(&mut self, now: Instant, egress: &mut Egress) {
        if self.entries.is_empty() {
            return;
        }
        let mut entries = std::mem::take(&mut self.entries);
        for entry in entries.drain(..) {
            if let Some(goes) = entry.swap.goes {
                self.hand_over(goes, entry.swap.comes);
            }
            self.favour(entry.room, entry.swap.comes);
            self.lead_in(now, &entry, egress);
        }
        self.entries = entries;
    }

    /// All slots of one voice go to another, but for those of the person who speaks.
    fn hand_over(&mut self, goes: TrackKey, comes: TrackKey) {
        let Some(track) = self.tracks.get_mut(goes) else { return };
        track.chosen = false;
        let slots = track.subscribers.clone();
        for (peer, slot) in slots {
            if !self.is_member(peer) {
                continue;
            }
            self.release(peer, usize::from(slot));
            if self.may_hear(peer, comes) && self.fits(peer, usize::from(slot), comes) {
                self.give(peer, usize::from(slot), comes);
            }
        }
    }

    /// Not a player, who is given whom it asks for.
    fn is_member(&self, key: PeerKey) -> bool {
        self.peers.get(key).is_some_and(|peer| peer.watch == Watch::Everyone)
    }

    fn may_hear(&self, key: PeerKey, track: TrackKey) -> bool {
        let (Some(peer), Some(track)) = (self.peers.get(key), self.tracks.get(track)) else {
            return false;
        };
        peer.owner != track.owner
    }

    fn fits(&self, key: PeerKey, at: usize, track: TrackKey) -> bool {
        let (Some(peer), Some(track)) = (self.peers.get(key), self.tracks.get(track)) else {
            return false;
        };
        let slot = peer.slots.get(at).filter(|slot| slot.active && slot.audio);
        slot.is_some_and(|slot| slot.types_for(track).is_some())
    }

    /// Sees to it that a voice has a slot at everybody: who has fewer slots than there are voices
    /// loses the one that has been silent longest.
    fn favour(&mut self, room: RoomKey, track: TrackKey) {
        let Some(members) = self.rooms.get(room).map(|room| room.peers.len()) else { return };
        for index in 0..members {
            let Some(key) = self.rooms.get(room).and_then(|room| room.peers.get(index).copied())
            else {
                return;
            };
            let Some(peer) = self.peers.get(key) else { continue };
            let has = peer.slots.iter().any(|slot| slot.track == Some(track));
            if has || !self.may_hear(key, track) || !self.is_member(key) {
                continue;
            }
            let silence = |at: usize| {
                let held = peer.slots[at].track?;
                let held = self.tracks.get(held).filter(|t| t.source == Source::Microphone)?;
                Some(held.voice.spoke)
            };
            let fitting = || (0..peer.slots.len()).filter(|at| self.fits(key, *at, track));
            let free = fitting().find(|at| peer.slots[*at].track.is_none());
            let taken = free.or_else(|| {
                fitting().filter(|at| silence(*at).is_some()).min_by_key(|at| silence(*at))
            });
            if let Some(at) = taken {
                self.release(key, at);
                self.give(key, at, track);
            }
        }
    }

    /// Sends the beginning of what a voice says, as far as the cache has it.
    fn lead_in(&mut self, now: Instant, entry: &Entry, egress: &mut Egress) {
        let key = entry.swap.comes;
        let Some(track) = self.tracks.get(key) else { return };
        let Some(publisher) = self.peers.get(track.peer) else { return };
        let cache = &track.layers[0].cache;
        let first = (1..=LEAD_PACKETS as u64)
            .map_while(|back| entry.before.checked_sub(back))
            .take_while(|seq| cache.find(now, *seq).is_some_and(|(_, age)| age <= entry.lead))
            .last();
        let Some(first) = first else { return };
        let mut bytes: Vec<u8> = Vec::new();
        let mut works: Vec<(Work, usize)> = Vec::with_capacity(LEAD_PACKETS);
        for seq in first..entry.before {
            let Some((packet, age)) = cache.find(now, seq) else { continue };
            let Some(work) = cached(publisher, key, works.len(), seq, packet, age) else {
                continue;
            };
            bytes.extend_from_slice(packet);
            works.push((work, packet.len()));
        }
        let mut rest = bytes.as_mut_slice();
        let mut batch: Vec<Datagram<'_>> = Vec::with_capacity(works.len());
        let src = NOWHERE;
        for (_, len) in &works {
            let (data, after) = rest.split_at_mut(*len);
            batch.push(Datagram::new(src, data));
            rest = after;
        }
        let works: Vec<Work> = works.into_iter().map(|(work, _)| work).collect();
        let Some(track) = self.tracks.get_mut(key) else { return };
        let subscribers = std::mem::take(&mut track.subscribers);
        for (peer, slot) in &subscribers {
            let Some(peer) = self.peers.get_mut(*peer) else { continue };
            let slot = usize::from(*slot);
            let counters = &mut self.counters;
            to_subscriber(now, track, peer, slot, &works, &batch, egress, counters);
        }
        track.subscribers = subscribers;
    }

    /// Brings a room's mode in line with the number of its microphones, and who goes first with
    /// who chairs and shares. Called before slots are assigned.
    pub(crate) fn choose_voices(&mut self, now: Instant, room_key: RoomKey) {
        let Some(room) = self.rooms.get(room_key) else { return };
        let (large, chair) = (self.config.limits.large_room, room.chair);
        let microphones: Vec<TrackKey> = room
            .tracks
            .iter()
            .copied()
            .filter(|key| {
                self.tracks.get(*key).is_some_and(|t| t.started && t.source == Source::Microphone)
            })
            .collect();
        let sharing: Vec<PeerKey> = room
            .tracks
            .iter()
            .filter_map(|key| {
                let track = self.tracks.get(*key)?;
                (track.started && track.enabled && track.source == Source::Screen)
                    .then_some(track.peer)
            })
            .collect();
        for key in &microphones {
            let Some(track) = self.tracks.get_mut(*key) else { continue };
            track.voice.priority = chair == Some(track.owner) || sharing.contains(&track.peer);
        }
        let Some(room) = self.rooms.get_mut(room_key) else { return };
        let most = large.saturating_sub(if room.large { SHRINK } else { 0 });
        let is_large = microphones.len() > most;
        if is_large == room.large {
            return;
        }
        room.large = is_large;
        room.selection.clear();
        if is_large {
            // Whoever spoke last stays.
            let mut voices: Vec<(TrackKey, Voice)> = microphones
                .iter()
                .filter_map(|key| Some((*key, self.tracks.get(*key)?.voice)))
                .filter(|(_, voice)| voice.spoke.is_some())
                .collect();
            voices.sort_by_key(|(_, voice)| std::cmp::Reverse((voice.priority, voice.spoke)));
            room.selection.fill(now, voices.into_iter());
        }
        let chosen: Vec<TrackKey> = room.selection.chosen().collect();
        for key in microphones {
            let Some(track) = self.tracks.get_mut(key) else { continue };
            track.chosen = is_large && chosen.contains(&key);
            if is_large && !track.chosen {
                for (peer, slot) in track.subscribers.clone() {
                    if self.is_member(peer) {
                        self.release(peer, usize::from(slot));
                    }
                }
            }
        }
    }

    /// Is this microphone left out for now?
    pub(crate) fn is_unheard(&self, room: RoomKey, track: TrackKey) -> bool {
        self.rooms.get(room).is_some_and(|room| room.large)
            && self
                .tracks
                .get(track)
                .is_some_and(|track| track.source == Source::Microphone && !track.chosen)
    }

    /// Audio slots that one member can use: `all` in a small room, in a large one as many as
    /// voices are chosen at most.
    pub(crate) fn usable_voices(&self, room: RoomKey, all: u32) -> u32 {
        match self.rooms.get(room) {
            Some(room) if room.large => {
                let other = room.tracks.iter().filter(|key| {
                    self.tracks
                        .get(**key)
                        .is_some_and(|t| t.started && t.source == Source::ScreenAudio)
                });
                (room.selection.limit() + other.count()) as u32
            }
            _ => all,
        }
    }

    /// Who goes before others when voices are chosen.
    pub(crate) fn seat(&mut self, now: Instant, key: RoomKey, chair: Option<OwnerId>) {
        let Some(room) = self.rooms.get_mut(key) else { return };
        if std::mem::replace(&mut room.chair, chair) != chair {
            self.choose_voices(now, key);
        }
    }

    /// A microphone ended or was switched off.
    pub(crate) fn fell_silent(&mut self, room: RoomKey, track: TrackKey, ended: bool) {
        let Some(room) = self.rooms.get_mut(room) else { return };
        if ended {
            room.selection.remove(track);
            if room.speaker_track == Some(track) {
                room.speaker_track = None;
            }
        } else if let Some(track_state) = self.tracks.get_mut(track) {
            // It keeps its slots until somebody else wants them: no maps change for a mute.
            track_state.voice.muted();
            room.selection.update(track, &track_state.voice);
        }
    }
}

/// A packet from the cache as work for its subscribers.
fn cached(
    publisher: &Peer,
    track: TrackKey,
    index: usize,
    seq: u64,
    packet: &[u8],
    age: Duration,
) -> Option<Work> {
    let header = Header::parse(packet).ok()?;
    let is_red = publisher.roles[usize::from(header.payload_type)] == Role::Red;
    let mut primary = (header.header_len, header.payload_end);
    if is_red {
        let range = red::Blocks::parse(&packet[header.payload_range()])?.primary();
        primary = (header.header_len + range.start as u16, header.header_len + range.end as u16);
    }
    Some(Work {
        track,
        order: index as u32,
        datagram: index as u32,
        offset: 0,
        header,
        layer: 0,
        seq,
        key: true,
        padding: false,
        recovered: false,
        red: is_red,
        primary,
        picture: vp8::Descriptor::default(),
        dependency: None,
        carried: Scan::read(packet, &header, &publisher.kinds).carried,
        pad: false,
        waited: age,
    })
}
