use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use media::shard::{Class, Egress, Run};
use media::transport::rfc4571::{Deframer, head};
use media::transport::{IceCredentials, Remote, Via, stun};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::outbox::{MAX_URGENT, MAX_VIDEO};
use super::*;
use crate::stats::SharedIo;

const SOON: Duration = Duration::from_secs(10);
const PEER: ([u8; 4], u16) = ([192, 0, 2, 9], 40_000);
const ID: u32 = 7;

fn long() -> IceTcpTimes {
    IceTcpTimes { authenticate: SOON * 6, idle: SOON * 6 }
}

fn short() -> IceTcpTimes {
    IceTcpTimes { authenticate: Duration::from_millis(50), idle: Duration::from_millis(50) }
}

fn framed(datagrams: &[&[u8]]) -> Vec<u8> {
    datagrams.iter().flat_map(|d| [&head(d.len())[..], d].concat()).collect()
}

fn check_for(shard: u8) -> Vec<u8> {
    let local = IceCredentials::of_shard(shard, &[9; 24]);
    let key = stun::integrity_key(&local.pwd);
    stun::request(&[3; 12], &format!("{}:abcd", local.ufrag), 1, false, &key)
}

/// A connection to two shards whose threads are this test.
struct Rig {
    client: DuplexStream,
    shards: Vec<mpsc::Receiver<LinkMessage>>,
    end: JoinHandle<IceTcpEnd>,
    /// Closes when the place is given back.
    place: oneshot::Receiver<()>,
    table: LinkTable,
}

impl Rig {
    fn new(times: IceTcpTimes) -> Self {
        Self::with_room_for(times, 1 << 20)
    }

    fn with_room_for(times: IceTcpTimes, bytes: usize) -> Self {
        let (client, server) = duplex(bytes);
        let (mut links, mut shards) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let (queue, arrivals) = mpsc::channel(QUEUE);
            links.push(ShardLink { queue, waker: Waker::new().unwrap() });
            shards.push(arrivals);
        }
        let (held, place) = oneshot::channel::<()>();
        let end = tokio::spawn(async move {
            serve_ice_tcp(&links, ID, server, SocketAddr::from(PEER), times, held).await
        });
        Self { client, shards, end, place, table: LinkTable::default() }
    }

    async fn say(&mut self, bytes: &[u8]) {
        self.client.write_all(bytes).await.unwrap();
    }

    /// What the shard hears next.
    async fn heard(&mut self, shard: usize) -> LinkMessage {
        timeout(SOON, self.shards[shard].recv()).await.unwrap().unwrap()
    }

    async fn arrived(&mut self, shard: usize) -> (Remote, Vec<Vec<u8>>) {
        let LinkMessage::Arrived(mut arrived) = self.heard(shard).await else {
            panic!("datagrams")
        };
        let batch = batch(arrived.at, &mut arrived);
        (batch[0].src, batch.iter().map(|datagram| datagram.data.to_vec()).collect())
    }

    async fn opened(&mut self, shard: usize) {
        let LinkMessage::Open { via, sink } = self.heard(shard).await else { panic!("no sink") };
        self.table.open(via, sink);
    }

    /// As the shard's thread sends: one run.
    fn send(&mut self, class: Class, datagrams: &[&[u8]]) -> SharedIo {
        let bytes = datagrams.concat();
        let dst = Remote::tcp(PEER.into(), ID);
        let segment = datagrams[0].len() as u16;
        let run = Run { dst, start: 0, len: bytes.len(), segment, class };
        let io = SharedIo::default();
        self.table.send(&Egress { bytes, runs: vec![run] }, &io);
        io
    }

    async fn told(&mut self, count: usize) -> Vec<Vec<u8>> {
        let (mut deframer, mut told) = (Deframer::default(), Vec::new());
        while told.len() < count {
            let mut bytes = [0; 1_024];
            let len = timeout(SOON, self.client.read(&mut bytes)).await.unwrap().unwrap();
            assert_ne!(len, 0, "closed after {}", told.len());
            deframer.push(&bytes[..len], |datagram| told.push(datagram.to_vec())).unwrap();
        }
        told
    }

    async fn end(self) -> IceTcpEnd {
        timeout(SOON, self.end).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn the_first_check_finds_the_shard_and_datagrams_go_both_ways() {
    let mut rig = Rig::new(long());
    let check = check_for(1);
    let stream = framed(&[&check, b"second", b"third"]);
    rig.say(&stream[..5]).await;
    rig.say(&stream[5..]).await;
    rig.opened(1).await;
    let mut heard = Vec::new();
    while heard.len() < 3 {
        let (src, datagrams) = rig.arrived(1).await;
        assert_eq!(src, Remote::tcp(PEER.into(), ID));
        heard.extend(datagrams);
    }
    assert_eq!(heard, [check, b"second".to_vec(), b"third".to_vec()]);
    assert!(rig.shards[0].try_recv().is_err());

    let io = rig.send(Class::Audio, &[b"one", b"two", b"3"]).read();
    assert_eq!((io.link_datagrams_out, io.link_bytes_out), (3, 7));
    assert_eq!(rig.told(3).await, [b"one".to_vec(), b"two".to_vec(), b"3".to_vec()]);

    rig.client.shutdown().await.unwrap();
    let LinkMessage::Closed(remote) = rig.heard(1).await else { panic!("not closed") };
    assert_eq!(remote.via, Via::Tcp(ID));
    assert_eq!(rig.end().await, IceTcpEnd::Closed);
}

#[tokio::test]
async fn what_is_no_check_for_us_ends_the_connection() {
    let other_shard = check_for(2);
    for first in [&b"GET / HTTP/1.1"[..], &[0x80; 40], &other_shard] {
        let mut rig = Rig::new(long());
        rig.say(&framed(&[first])).await;
        assert_eq!(rig.end().await, IceTcpEnd::NotIce);
    }
    let mut rig = Rig::new(long());
    rig.say(b"\xff\xff").await;
    assert_eq!(rig.end().await, IceTcpEnd::NotIce);
}

#[tokio::test]
async fn who_says_nothing_or_is_not_known_is_cut_off() {
    assert_eq!(Rig::new(short()).end().await, IceTcpEnd::NotAuthenticated);

    let mut rig = Rig::new(short());
    rig.say(&framed(&[&check_for(0)])[..4]).await;
    assert_eq!(rig.end().await, IceTcpEnd::NotAuthenticated);

    // Refused by the core (error class): that is not authenticated.
    let mut rig = Rig::new(short());
    rig.say(&framed(&[&check_for(0)])).await;
    rig.opened(0).await;
    rig.send(Class::Control, &[b"\x01\x11refused"]);
    assert_eq!(rig.end().await, IceTcpEnd::NotAuthenticated);

    // Much is said by nobody known.
    let mut rig = Rig::new(long());
    for _ in 0..100 {
        if rig.client.write_all(&framed(&[&check_for(0)])).await.is_err() {
            break;
        }
        while rig.shards[0].try_recv().is_ok() {}
    }
    assert_eq!(rig.end().await, IceTcpEnd::NotAuthenticated);
}

#[tokio::test]
async fn an_authenticated_peer_gives_its_place_back_and_lives_while_it_speaks() {
    let times = IceTcpTimes { authenticate: SOON * 6, idle: Duration::from_millis(50) };
    let mut rig = Rig::new(times);
    rig.say(&framed(&[&check_for(0)])).await;
    rig.opened(0).await;
    rig.arrived(0).await;
    rig.send(Class::Control, &[b"\x01\x01success"]);
    assert_eq!(rig.told(1).await.len(), 1);
    assert!(rig.place.try_recv() == Err(oneshot::error::TryRecvError::Empty));
    rig.say(&framed(&[b"more"])).await;
    rig.arrived(0).await;
    assert!(timeout(SOON, &mut rig.place).await.unwrap().is_err(), "given back");
    assert_eq!(rig.end().await, IceTcpEnd::Idle);
}

#[tokio::test]
async fn a_shard_that_begins_anew_ends_its_connections() {
    let mut rig = Rig::new(long());
    rig.say(&framed(&[&check_for(0)])).await;
    rig.opened(0).await;
    assert_eq!(rig.table.len(), 1);
    rig.table.clear();
    assert_eq!(rig.end().await, IceTcpEnd::ShardGone);
}

#[tokio::test]
async fn a_reader_that_stands_still_costs_video_and_sound_goes_on() {
    let mut rig = Rig::with_room_for(long(), 256);
    rig.say(&framed(&[&check_for(0)])).await;
    rig.opened(0).await;
    let (mut taken, mut dropped) = (0, 0);
    for _ in 0..1_000 {
        let io = rig.send(Class::Video, &[&[1; 1_000]]).read();
        taken += io.link_datagrams_out;
        dropped += io.link_dropped_video;
        assert_eq!(io.link_dropped_other, 0);
        tokio::task::yield_now().await;
    }
    assert!(taken * 1_000 <= 2 * MAX_VIDEO as u64 + 1_000, "{taken}");
    assert_eq!(taken + dropped, 1_000);
    let sound = rig.send(Class::Audio, &[b"sound"]).read();
    assert_eq!((sound.link_datagrams_out, sound.link_dropped_other), (1, 0));

    // It overtakes nearly all of the video that waits, at the boundary of a datagram.
    let told = rig.told(taken as usize + 1).await;
    let at = told.iter().position(|datagram| datagram == b"sound").unwrap();
    assert!(at < 40, "{at} datagrams before it");
    assert!(told.iter().all(|d| d == b"sound" || *d == [1; 1_000]), "whole datagrams");
}

/// A stream that takes a few bytes at a time and keeps them.
#[derive(Clone, Default)]
struct Slow(Arc<Mutex<Vec<u8>>>);

impl tokio::io::AsyncWrite for Slow {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        let take = bytes.len().min(701);
        self.0.lock().unwrap().extend_from_slice(&bytes[..take]);
        std::task::Poll::Ready(Ok(take))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

proptest! {
    /// Whatever goes in comes out whole, in order within its class; what does not fit is refused.
    #[test]
    fn the_outbox_keeps_datagrams_whole_and_in_order(
        datagrams in prop::collection::vec((any::<bool>(), 1usize..3_000), 0..300),
    ) {
        let outbox = Outbox::new();
        let (mut video, mut urgent) = (Vec::new(), Vec::new());
        let (mut video_len, mut urgent_len) = (0, 0);
        for (number, (is_video, len)) in datagrams.iter().enumerate() {
            let datagram = vec![number as u8; *len];
            let class = if *is_video { Class::Video } else { Class::Audio };
            let taken = outbox.push(class, &[&head(*len), &datagram]);
            let (list, total, limit) = match is_video {
                true => (&mut video, &mut video_len, MAX_VIDEO),
                false => (&mut urgent, &mut urgent_len, MAX_URGENT),
            };
            prop_assert_eq!(taken, *total + len + 2 <= limit);
            if taken {
                *total += len + 2;
                list.push(datagram);
            }
        }
        outbox.close();
        let mut slow = Slow::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(outbox.write_to(&mut slow)).unwrap();
        let mut came = Vec::new();
        Deframer::default()
            .push(&slow.0.lock().unwrap(), |datagram| came.push(datagram.to_vec()))
            .unwrap();
        prop_assert_eq!(came, [urgent, video].concat());
    }
}
