//! Putting the division of bandwidth into force: claims from slots, targets from grants, and the
//! viewer told of what is paused.

use std::time::{Duration, Instant};

use super::allocator::{Claim, MAX_CLAIMS, STEPS, divide, one_by_one};
use super::backoff::Decided;
use super::layer::{Layer, Measured};
use super::peer::PeerKey;
use super::track::Track;
use crate::api::{Event, PeerId, Source};
use crate::shard::Shard;

/// Between two divisions for the same peer, unless something urgent happened.
const INTERVAL: Duration = Duration::from_millis(200);
/// Bit/s of simulcast layers that nobody has measured yet.
const ASSUMED: [u64; 3] = [150_000, 500_000, 1_500_000];
/// RTP and SRTP overhead on payload, in percent.
const HEADERS: u64 = 5;
/// Kept for sound before any was sent, for each peer that has audio slots.
const SOUND: u64 = 50_000;

/// Steps of one slot: the layers, lowest first, that its claim's costs belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ladder {
    layers: [Layer; STEPS],
    costs: [u64; STEPS],
    steps: u8,
}

impl Ladder {
    /// What a picture can be sent as, up to the layer that is of use.
    pub fn of(measured: &Measured, wish: Layer) -> Ladder {
        let mut ladder = Ladder { layers: [Layer::LOWEST; STEPS], costs: [0; STEPS], steps: 0 };
        let exists = |spatial: &u8| measured.spatial(*spatial).exists;
        let lowest = (0..=wish.spatial).find(exists).unwrap_or(wish.spatial);
        if measured.spatial(lowest).temporals > 1 {
            ladder.push(measured, Layer { spatial: lowest, temporal: 0 });
        }
        for spatial in (lowest..=wish.spatial).filter(|at| exists(at) || *at == lowest) {
            ladder.push(measured, Layer { spatial, temporal: wish.temporal });
        }
        ladder
    }

    fn push(&mut self, measured: &Measured, layer: Layer) {
        let at = usize::from(self.steps);
        if at == STEPS {
            return;
        }
        let known = measured.bitrate(layer);
        let single = measured.top() == 0;
        // A camera that sends nothing costs nothing; a layer that is off will cost something.
        let silent = measured.arriving().next().is_none();
        let cost = match known {
            _ if silent => 0,
            0 if single => 0,
            0 => ASSUMED[usize::from(layer.spatial).min(ASSUMED.len() - 1)],
            known => known,
        };
        let below = if at == 0 { 0 } else { self.costs[at - 1] };
        self.layers[at] = layer;
        self.costs[at] = (cost * (100 + HEADERS) / 100).max(below);
        self.steps += 1;
    }

    /// The highest step that a target includes.
    fn held(&self, target: Option<Layer>) -> Option<u8> {
        let target = target?;
        let steps = &self.layers[..usize::from(self.steps)];
        let held = steps.iter().rposition(|layer| *layer <= target);
        // Less than the lowest step is sent as well.
        (!steps.is_empty()).then(|| held.map_or(0, |at| at as u8))
    }
}

/// Speaker and shared screen before others, then by the viewer's priorities.
fn rank(track: &Track, speaker: Option<PeerId>, priority: u8) -> u16 {
    match track.source {
        Source::Screen => 0,
        Source::Camera if speaker == Some(track.peer_id) => 1,
        _ => 2 + u16::from(u8::MAX - priority),
    }
}

impl Shard {
    /// Divides what a peer can take among what it shows, if it is time.
    pub(crate) fn allocate(&mut self, now: Instant, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        if !peer.downlink.division_due(now, INTERVAL) {
            return;
        }
        let speaker = self.rooms.get(peer.room).and_then(|room| room.speaker.current());
        let mut claims = [Claim::default(); MAX_CLAIMS];
        let mut slots = [(0usize, Ladder::EMPTY); MAX_CLAIMS];
        let mut count = 0;
        let (mut wanted, mut audio) = (0, false);
        for (index, slot) in peer.slots.iter().enumerate() {
            let Some(track) = slot.track.and_then(|track| self.tracks.get(track)) else { continue };
            if slot.audio {
                audio = true;
                continue;
            }
            let Some(wish) = slot.wish().filter(|_| slot.active && count < MAX_CLAIMS) else {
                continue;
            };
            let ladder = Ladder::of(&track.measured, wish);
            wanted += ladder.costs[usize::from(ladder.steps.max(1)) - 1];
            claims[count] = Claim {
                rank: rank(track, speaker, slot.view.priority),
                costs: ladder.costs,
                steps: ladder.steps,
                granted: ladder.held(slot.target).filter(|_| !slot.fresh),
                fresh: slot.fresh,
            };
            slots[count] = (index, ladder);
            count += 1;
        }
        let sound = peer.downlink.sound(now).max(if audio { SOUND } else { 0 });
        let estimate = peer.downlink.divide(now, sound + wanted);
        let (may_raise, may_resume) = peer.downlink.may_raise(now);
        let may_pause = peer.downlink.may_pause(now);
        let before = claims;
        let mut resumed = false;
        match estimate {
            Some(estimate) => {
                let budget = estimate.saturating_sub(sound);
                divide(budget, &mut claims[..count], may_raise, may_pause);
                resumed = one_by_one(&before[..count], &mut claims[..count], may_resume);
            }
            None => claims[..count].iter_mut().for_each(|c| c.granted = c.steps.checked_sub(1)),
        }
        let lowered = (0..count).any(|at| claims[at].granted < before[at].granted);
        let raised = (0..count).any(|at| claims[at].granted > before[at].granted);
        let paused = claims[..count].iter().any(|claim| claim.granted.is_none());
        peer.downlink.decided(now, Decided { lowered, raised, resumed, paused });
        for at in 0..count {
            let (index, ladder) = slots[at];
            if let Some(slot) = self.peers.get_mut(key).and_then(|p| p.slots.get_mut(index)) {
                slot.fresh = false;
            }
            let granted = claims[at].granted;
            let top = ladder.steps.checked_sub(1);
            let target = granted.map(|step| ladder.layers[usize::from(step)]);
            if granted < before[at].granted {
                self.forget_queued(key, index);
            }
            let current = self.peers.get(key).and_then(|p| p.slots.get(index)?.target);
            // A target above the top step means the same and needs no change.
            let same = granted == before[at].granted && (granted != top || current >= target);
            if !same {
                self.set_target(key, index, target);
            }
            self.tell_paused(key, index, granted.is_none());
        }
    }

    /// Tells a viewer, once, that a picture is paused or comes again.
    pub(crate) fn tell_paused(&mut self, key: PeerKey, index: usize, paused: bool) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(slot) = peer.slots.get_mut(index) else { return };
        if std::mem::replace(&mut slot.paused, paused) == paused {
            return;
        }
        let Some(track) = slot.track.and_then(|track| self.tracks.get(track)) else { return };
        let Some(room) = self.rooms.get(peer.room).map(|room| room.id) else { return };
        self.events.push_back(Event::TrackPaused {
            room,
            peer: peer.id,
            owner: track.owner,
            source: track.source,
            paused,
        });
    }
}

impl Ladder {
    const EMPTY: Ladder = Ladder { layers: [Layer::LOWEST; STEPS], costs: [0; STEPS], steps: 0 };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(temporals: u8) -> Measured {
        let t0 = crate::testing::origin();
        let mut measured = Measured::new(3);
        for step in 0..400u64 {
            let now = t0 + Duration::from_millis(step * 10);
            for (spatial, bytes) in (0..).zip([200usize, 600, 2_000]) {
                let temporal = (step % u64::from(temporals)) as u8;
                measured.arrived(now, Layer { spatial, temporal }, bytes);
            }
        }
        measured
    }

    #[test]
    fn steps_go_from_the_thinned_lowest_to_the_wish() {
        let wish = Layer { spatial: 1, temporal: Layer::HIGHEST.temporal };
        let ladder = Ladder::of(&camera(2), wish);
        assert_eq!(ladder.steps, 3);
        assert_eq!(ladder.layers[0], Layer::LOWEST);
        assert_eq!(ladder.layers[2], wish);
        assert!(ladder.costs[0] < ladder.costs[1] && ladder.costs[1] < ladder.costs[2]);
        assert_eq!(ladder.held(Some(Layer::HIGHEST)), Some(2));
        assert_eq!(ladder.held(Some(Layer::LOWEST)), Some(0));
        assert_eq!(ladder.held(None), None);
        assert_eq!(Ladder::of(&camera(1), Layer::HIGHEST).steps, 3);
    }

    #[test]
    fn what_is_not_known_is_assumed_and_what_is_off_is_free() {
        let t0 = crate::testing::origin();
        let mut measured = Measured::new(3);
        measured.arrived(t0, Layer::LOWEST, 100);
        let ladder = Ladder::of(&measured, Layer::HIGHEST);
        assert!(ladder.costs[2] > 1_500_000);
        assert_eq!(Ladder::of(&Measured::new(3), Layer::HIGHEST).costs, [0; STEPS]);
    }
}
