use super::*;
use crate::api::{Codec, OwnerId};
use crate::stats::{MAX_LAYERS, Path};

const A: PeerId = PeerId(1);
const B: PeerId = PeerId(2);
const TRACK: TrackId = TrackId(7);
const SECOND: Duration = Duration::from_secs(1);

fn peer(peer: PeerId) -> PeerStats {
    let owner = OwnerId(peer.0);
    PeerStats { peer, owner, connected: true, path: Some(Path::Udp), rtt: None }
}

/// A publishes a microphone, B hears it: `n` seconds of 50 packets, of which `lost` up and `down`.
fn room(n: u64, lost: u64, down: i32) -> RoomStats {
    let mut layers = [LayerStats::default(); MAX_LAYERS];
    layers[0] = LayerStats {
        ssrc: 9,
        active: true,
        packets: 50 * n - lost,
        bytes: 5_000 * n,
        expected: 50 * n,
        lost,
        ..LayerStats::default()
    };
    RoomStats {
        peers: vec![peer(A), peer(B)],
        tracks: vec![TrackStats {
            track: TRACK,
            peer: A,
            source: Source::Microphone,
            codec: Codec::Opus,
            enabled: true,
            subscribers: 1,
            layer_count: 1,
            layers,
        }],
        slots: vec![SlotStats {
            peer: B,
            slot: 0,
            track: TRACK,
            from: A,
            source: Source::Microphone,
            layer: Some(0),
            packets: 50 * n,
            resent: 0,
            bytes: 6_000 * n,
            nacks: 0,
            plis: 0,
            frames: 0,
            freezes: 0,
            frozen: Duration::ZERO,
            fraction_lost: 0,
            lost: down,
            jitter: Duration::ZERO,
        }],
    }
}

#[test]
fn rates_are_what_happened_between_two_samples() {
    let t0 = crate::testing::origin();
    let mut sampler = Sampler::default();
    let first = sampler.take(t0, room(10, 0, 0));
    assert_eq!((first.tracks[0].rates[0].bitrate, first.peers[0].grade), (0, None));
    let report = sampler.take(t0 + 2 * SECOND, room(12, 10, 25));
    assert_eq!(report.tracks[0].rates[0], LayerRates { bitrate: 40_000, packets: 90, loss: 0.1 });
    let slot = &report.slots[0];
    assert_eq!((slot.bitrate, slot.packets, slot.loss), (48_000, 100, 0.25));
    assert_eq!((report.peers[0].figures.loss, report.peers[1].figures.loss), (0.1, 0.25));
    assert_eq!(report.peers[0].grade, Some(Grade::Fair));
    assert_eq!(report.peers[1].grade, Some(Grade::Poor));
}

#[test]
fn a_new_ssrc_and_a_falling_total_are_no_loss() {
    let t0 = crate::testing::origin();
    let mut sampler = Sampler::default();
    sampler.take(t0, room(10, 300, 40));
    let mut again = room(12, 0, 30);
    again.tracks[0].layers[0].ssrc = 10;
    again.tracks[0].layers[0].expected = 100;
    let report = sampler.take(t0 + 2 * SECOND, again);
    assert_eq!((report.tracks[0].rates[0].loss, report.slots[0].loss), (0.0, 0.0));
}

#[test]
fn a_few_packets_say_nothing_about_loss() {
    let t0 = crate::testing::origin();
    let mut sampler = Sampler::default();
    sampler.take(t0, room(10, 0, 0));
    let mut next = room(10, 3, 5);
    next.tracks[0].layers[0].expected += 6;
    next.slots[0].packets += 6;
    let report = sampler.take(t0 + 2 * SECOND, next);
    assert_eq!((report.peers[0].figures.loss, report.peers[1].figures.loss), (0.0, 0.0));
}

#[test]
fn an_open_microphone_of_which_nothing_comes_is_a_poor_line_and_a_muted_one_is_not() {
    let t0 = crate::testing::origin();
    for (enabled, silent) in [(true, true), (false, false)] {
        let mut sampler = Sampler::default();
        let mut stats = room(10, 0, 0);
        stats.tracks[0].enabled = enabled;
        sampler.take(t0, stats.clone());
        let report = sampler.take(t0 + 2 * SECOND, stats);
        assert_eq!(report.peers[0].figures.silent, silent);
        assert!(!report.peers[1].figures.silent, "who publishes nothing is not silent");
    }
}

#[test]
fn a_microphone_that_was_opened_just_now_is_not_silent() {
    let t0 = crate::testing::origin();
    let mut sampler = Sampler::default();
    sampler.take(t0, RoomStats { tracks: Vec::new(), ..room(10, 0, 0) });
    let report = sampler.take(t0 + 2 * SECOND, room(12, 0, 0));
    assert_eq!(report.peers[0].grade, Some(Grade::Good));
}

#[test]
fn a_picture_that_stands_still_counts_against_the_viewer_only_while_it_arrives() {
    let t0 = crate::testing::origin();
    for (came, frozen) in [(100, 0.5), (0, 0.0)] {
        let mut sampler = Sampler::default();
        let mut stats = room(10, 0, 0);
        stats.tracks[0].source = Source::Camera;
        stats.slots[0].source = Source::Camera;
        sampler.take(t0, stats.clone());
        stats.tracks[0].layers[0].packets += came;
        stats.slots[0].frozen = SECOND;
        let report = sampler.take(t0 + 2 * SECOND, stats);
        assert_eq!(report.peers[1].figures.frozen, frozen);
        assert_eq!(report.slots[0].frozen, SECOND);
    }
}
