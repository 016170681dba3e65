use media::api::{Codec, Event, GoneReason, PeerId, Source};
use media_io::{Media, MediaConfig, MediaError, StartError};

use super::rig::{ROOM, Rig, SOON, watch};

#[test]
fn a_camera_is_seen_by_another_over_real_udp() {
    let mut rig = Rig::start();
    let mut camera = rig.publisher(1);
    rig.event(|event| matches!(event, Event::PeerConnected { peer: PeerId(1), .. }));
    let mut viewer = rig.subscriber(2);
    let frames = watch(&mut camera, &mut viewer, 50);
    assert_eq!(frames.len(), 50);
    let started = rig.event(|event| matches!(event, Event::TrackStarted { .. }));
    assert!(matches!(
        started,
        Event::TrackStarted { peer: PeerId(1), source: Source::Camera, codec: Codec::Vp8, .. }
    ));
}

#[test]
fn the_way_without_kernel_offload_carries_the_same() {
    let rig = Rig::with(|config| config.offload = false);
    let mut camera = rig.publisher(1);
    let mut viewer = rig.subscriber(2);
    watch(&mut camera, &mut viewer, 20);
    assert_eq!(rig.media.stats().shards[0].io.gso_refused, 0);
}

#[test]
fn a_removed_peer_is_told_and_its_room_hears_of_it() {
    let mut rig = Rig::start();
    let mut camera = rig.publisher(1);
    rig.media.remove_peer(ROOM, PeerId(1)).unwrap();
    let gone = rig.event(|event| matches!(event, Event::PeerGone { .. }));
    assert_eq!(gone, Event::PeerGone { room: ROOM, peer: PeerId(1), reason: GoneReason::Removed });
    // The others go on as if nothing had been.
    camera.step();
    let mut second = rig.publisher(2);
    let mut viewer = rig.subscriber(3);
    watch(&mut second, &mut viewer, 5);
}

#[test]
fn a_room_is_opened_once_and_its_events_end_with_it() {
    let mut rig = Rig::start();
    let again = rig.runtime.block_on(rig.media.open_room(ROOM)).map(|_| ());
    assert_eq!(again, Err(MediaError::AlreadyOpen));
    rig.media.close_room(ROOM).unwrap();
    let events = &mut rig.events;
    let drained = async { while events.recv().await.is_some() {} };
    let end = rig.runtime.block_on(async { tokio::time::timeout(SOON, drained).await });
    assert!(end.is_ok());
    let reopened = rig.runtime.block_on(rig.media.open_room(ROOM));
    assert!(reopened.is_ok());
}

#[test]
fn a_port_in_use_is_one_clear_error_and_leaves_nothing_running() {
    let rig = Rig::start();
    let config = MediaConfig::new(vec![rig.port()], vec![rig.port().ip()]);
    match Media::start(config) {
        Err(StartError::PortInUse(address)) => assert_eq!(address, rig.port()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn after_shutdown_the_port_is_free_and_commands_say_so() {
    let rig = Rig::start();
    let port = rig.port();
    let camera = rig.publisher(1);
    rig.runtime.block_on(rig.media.shutdown());
    assert_eq!(rig.media.remove_peer(ROOM, PeerId(1)), Err(MediaError::Stopping));
    std::net::UdpSocket::bind(port).expect("the port is free");
    drop(camera);
}
