//! Slots of players: the room as one programme, or one person.
//!
//! A player has as many slots as its offer said and is told nothing of who is in them. So the best
//! tracks are in them at any time, and a better one takes the place of another.

use std::time::Instant;

use super::peer::PeerKey;
use super::room::RoomKey;
use super::track::TrackKey;
use crate::api::{Programme, Source, Watch};
use crate::shard::Shard;

impl Shard {
    pub(crate) fn switch_programme(&mut self, now: Instant, key: RoomKey, programme: Programme) {
        let Some(room) = self.rooms.get_mut(key) else { return };
        if std::mem::replace(&mut room.programme, programme) != programme {
            self.assign(now, key);
            self.tell_changed_maps();
        }
    }

    /// Gives a player's slots of one kind the tracks that matter most now; `candidates` are in
    /// the order of a meeting's viewers.
    pub(super) fn choose(
        &mut self,
        room: RoomKey,
        key: PeerKey,
        candidates: &[TrackKey],
        audio: bool,
    ) {
        let (Some(peer), Some(room)) = (self.peers.get(key), self.rooms.get(room)) else { return };
        let slots: Vec<usize> = (0..peer.slots.len())
            .filter(|at| peer.slots[*at].active && peer.slots[*at].audio == audio)
            .collect();
        let mut ranked: Vec<(u8, TrackKey)> = candidates
            .iter()
            .filter_map(|track_key| {
                let track = self.tracks.get(*track_key)?;
                let fits = |at: &usize| peer.slots[*at].types_for(track).is_some();
                let rank = rank(peer.watch, room.programme, track.owner, track.source)?;
                // Nobody watches a picture that is switched off while there is another.
                let rank = if track.enabled { rank } else { rank | 8 };
                slots.iter().any(fits).then_some((rank, *track_key))
            })
            .collect();
        let held = |track| slots.iter().any(|at| peer.slots[*at].track == Some(track));
        // Of equals the one that is on stays on.
        ranked.sort_by_key(|(rank, track)| (*rank, !held(*track)));
        ranked.truncate(slots.len());
        for at in &slots {
            let track = self.peers.get(key).and_then(|peer| peer.slots[*at].track);
            if track.is_some_and(|track| ranked.iter().all(|(_, chosen)| *chosen != track)) {
                self.release(key, *at);
            }
        }
        for (_, track_key) in ranked {
            let (Some(peer), Some(track)) = (self.peers.get(key), self.tracks.get(track_key))
            else {
                continue;
            };
            if slots.iter().any(|at| peer.slots[*at].track == Some(track_key)) {
                continue;
            }
            let free = slots.iter().find(|at| {
                let slot = &peer.slots[**at];
                slot.track.is_none() && slot.types_for(track).is_some()
            });
            if let Some(at) = free.copied() {
                self.give(key, at, track_key);
            }
        }
    }
}

/// Lowest first; `None`: not for this player.
fn rank(
    watch: Watch,
    programme: Programme,
    owner: crate::api::OwnerId,
    source: Source,
) -> Option<u8> {
    let shared = matches!(source, Source::Screen | Source::ScreenAudio);
    match watch {
        Watch::Nobody => None,
        Watch::Owner(wanted) => (wanted == owner).then_some(u8::from(!shared)),
        Watch::Everyone | Watch::Programme if programme.lead == Some(owner) => Some(0),
        Watch::Everyone | Watch::Programme => Some(match (source, programme.speaker) {
            (Source::Screen, _) => 1,
            (_, Some(speaker)) if speaker == owner => 2,
            (Source::ScreenAudio, _) => 3,
            _ => 4,
        }),
    }
}
