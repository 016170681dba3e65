//! A room on two shards over real sockets.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use media::api::{Event, PeerId, Source};
use str0m::media::{Direction, MediaKind};

use super::rig::{ROOM, Rig, SOON, watch};

/// Two shards; from the second peer on viewers are spread.
fn rig() -> Rig {
    Rig::with(|config| {
        config.udp.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        config.span = 2;
    })
}

/// How many of the shards count something.
fn shards(rig: &Rig, count: impl Fn(&media_io::ShardStats) -> u64) -> usize {
    // The core's counters are told twice a second, on a machine that has time for it.
    let until = Instant::now() + SOON;
    loop {
        let busy = rig.media.stats().shards.iter().filter(|shard| count(shard) > 0).count();
        if busy == 2 || Instant::now() > until {
            return busy;
        }
        std::thread::yield_now();
    }
}

#[test]
fn viewers_on_both_shards_see_the_same_camera() {
    let rig = rig();
    let mut camera = rig.publisher(1);
    let mut viewers: Vec<_> = (2..6).map(|peer| rig.subscriber(peer)).collect();
    for viewer in &mut viewers {
        watch(&mut camera, viewer, 30);
    }
    assert_eq!(shards(&rig, |shard| shard.core.packets_forwarded), 2, "both forward");
    let stats = rig.media.stats();
    let sum = |count: fn(&media_io::IoStats) -> u64| -> u64 {
        stats.shards.iter().map(|shard| count(&shard.io)).sum()
    };
    assert!(sum(|io| io.relay_packets_out) >= 30);
    assert_eq!(sum(|io| io.relay_dropped), 0);
    let room = rig.runtime.block_on(rig.media.room_stats(ROOM)).unwrap();
    assert_eq!((room.peers.len(), room.tracks.len(), room.slots.len()), (5, 1, 4));
}

#[test]
fn a_viewer_of_another_shard_who_begins_to_publish_is_seen_at_home() {
    let mut rig = rig();
    let mut camera = rig.publisher(1);
    let mut viewer = rig.subscriber(2);
    watch(&mut camera, &mut viewer, 5);
    // The third peer is put elsewhere while it publishes nothing.
    let mut guest = rig.subscriber(3);
    watch(&mut camera, &mut guest, 5);
    rig.media.remove_peer(ROOM, PeerId(1)).unwrap();
    rig.event(|event| matches!(event, Event::TrackEnded { peer: PeerId(1), .. }));
    let (sdp, mids) = guest.offer(&[(MediaKind::Video, Direction::SendOnly)]).unwrap();
    let mut request = rig.request(3, sdp);
    request.publications = vec![(mids[0].to_string(), Source::Camera)];
    let answer = rig.runtime.block_on(rig.media.offer(request)).unwrap();
    guest.answer(&answer.sdp).unwrap();
    let mut camera = rig.camera(guest, mids[0]);
    let mut late = rig.subscriber(4);
    watch(&mut camera, &mut late, 20);
}

#[test]
fn a_closed_room_is_closed_on_all_its_shards() {
    let mut rig = rig();
    let mut camera = rig.publisher(1);
    let mut viewers: Vec<_> = (2..5).map(|peer| rig.subscriber(peer)).collect();
    watch(&mut camera, &mut viewers[2], 5);
    assert_eq!(shards(&rig, |shard| shard.io.rooms), 2);
    rig.media.close_room(ROOM).unwrap();
    let events = &mut rig.events;
    let drained = async { while events.recv().await.is_some() {} };
    let end = rig.runtime.block_on(async { tokio::time::timeout(SOON, drained).await });
    assert!(end.is_ok(), "both shards have let go of the channel");
    let (sdp, _) = harness::client::Client::on_loopback()
        .unwrap()
        .offer(&[(MediaKind::Audio, Direction::RecvOnly)])
        .unwrap();
    let refused = rig.runtime.block_on(rig.media.offer(rig.request(9, sdp)));
    assert!(refused.is_err(), "and nobody comes in any more");
}
