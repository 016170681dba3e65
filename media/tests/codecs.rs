//! Codecs on virtual time: what a publisher is to send, as people come and go, and a track that
//! changes its codec.

mod support;

use std::time::Duration;

use media::api::{Codec, Event, OfferAnswer, Source, Watch};
use str0m::format::Codec as Format;
use support::{Received, Tapped, World, payload};

const BEST: [Format; 3] = [Format::Vp9, Format::Av1, Format::Vp8];

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The first codec of the answer's last sending m-line: what browsers send then.
fn first(answer: &OfferAnswer, mid: &str) -> String {
    let section =
        answer.sdp.split("m=").find(|section| section.contains(&format!("a=mid:{mid}\r")));
    let section = section.expect("the m-line");
    let pt = section.split_whitespace().nth(3).unwrap();
    let map = section.split(&format!("a=rtpmap:{pt} ")).nth(1).unwrap();
    map.split('/').next().unwrap().to_owned()
}

/// A person who shares a screen in whatever the last answer named first.
struct Share {
    world: World,
    sharer: usize,
    codec: String,
    told: Vec<Codec>,
}

impl Share {
    /// Before the share there are viewers with these codecs.
    fn new(viewers: &[&[Format]], offers: &[Format]) -> (Share, Vec<usize>) {
        let mut world = World::new();
        let viewers = viewers.iter().enumerate();
        let viewers: Vec<usize> =
            viewers.map(|(n, formats)| watch(&mut world, 10 + n as u8, formats)).collect();
        let sharer = world.bot_of(1, offers);
        let answer = world.offer(sharer, &[Source::Screen], 0, 0);
        world.until_connected(sharer);
        let mid = world.bots[sharer].publications[0].0.clone();
        (Share { world, sharer, codec: first(&answer, &mid), told: vec![] }, viewers)
    }

    fn codec(&self) -> Format {
        match self.codec.as_str() {
            "VP8" => Format::Vp8,
            "VP9" => Format::Vp9,
            "AV1" => Format::Av1,
            other => panic!("{other}"),
        }
    }

    /// One key or delta frame of two packets.
    fn frame(&mut self) {
        let pt = self.world.pt(self.sharer, self.codec());
        let bot = &mut self.world.bots[self.sharer];
        let key = bot.senders[0].number == 0 || !bot.key_requests.is_empty();
        bot.key_requests.clear();
        let (tag, codec) = (bot.tag, self.codec.clone());
        let picture = bot.senders[0].picture;
        for index in 0..2u8 {
            let begins = key && index == 0;
            let inter = u8::from(!key);
            let id = [0x80 | (picture >> 8) as u8, picture as u8];
            let head: Vec<u8> = match codec.as_str() {
                "VP8" => vec![0x80 | (1 - index) << 4, 0x80, id[0], id[1], u8::from(!begins)],
                "VP9" => vec![0x80 | inter << 6 | (1 - index) << 3 | index << 2, id[0], id[1]],
                _ => vec![0x10 | u8::from(begins) << 3],
            };
            let number = self.world.bots[self.sharer].senders[0].number;
            let payload = payload(&head, tag, number, 600);
            let ticks = if index == 1 { 6_000 } else { 0 };
            self.world.send_payload(self.sharer, 0, pt, payload, ticks, index == 1, None);
        }
        let sender = &mut self.world.bots[self.sharer].senders[0];
        sender.picture = (sender.picture + 1) & 0x7fff;
    }

    /// Fifteen frames a second; the sharer offers again when it is told another codec.
    fn run(&mut self, duration: Duration) {
        let until = self.world.now + duration;
        while self.world.now < until {
            self.frame();
            self.world.run(ms(66));
            self.obey();
        }
    }

    fn obey(&mut self) {
        let id = self.world.bots[self.sharer].id;
        let told = self.world.events.iter().filter_map(|event| match event {
            Event::PublishCodec { peer, source: Source::Screen, codec, .. } if *peer == id => {
                Some(*codec)
            }
            _ => None,
        });
        let told: Vec<Codec> = told.collect();
        self.world.events.retain(|event| !matches!(event, Event::PublishCodec { .. }));
        if told.is_empty() {
            return;
        }
        self.told.extend(told);
        // str0m offers only where something is new.
        let answer = self.world.offer(self.sharer, &[], 1, 0);
        let before = self.codec.clone();
        self.codec = first(&answer, &self.world.bots[self.sharer].publications[0].0);
        if self.codec != before {
            // An encoder begins with a key frame.
            self.world.bots[self.sharer].senders[0].number = 0;
        }
    }

    fn received(&self, viewer: usize) -> &[Received] {
        &self.world.bots[viewer].received
    }

    /// The codec of what came last, by the payload type that the viewer gave it.
    fn shown(&self, viewer: usize) -> Format {
        let pt = self.received(viewer).last().expect("something came").pt;
        let config = self.world.bots[viewer].rtc.codec_config();
        config.find(|params| *params.pt() == pt).expect("a known type").spec().codec
    }

    fn longest_pause(&self, viewer: usize) -> Option<Duration> {
        self.received(viewer).windows(2).map(|pair| pair[1].at - pair[0].at).max()
    }
}

fn watch(world: &mut World, tag: u8, formats: &[Format]) -> usize {
    let bot = world.bot_of(tag, formats);
    world.offer(bot, &[], 0, 1);
    world.until_connected(bot);
    bot
}

fn leave(world: &mut World, bot: usize) {
    let id = world.bots[bot].id;
    world.shard.remove_peer(world.now, support::ROOM, id);
    world.drain_events();
}

/// One stream to its receiver: numbers without a gap, and time goes on.
fn assert_seamless(received: &[Received]) {
    for pair in received.windows(2) {
        assert_eq!(pair[1].seq, pair[0].seq + 1);
        let ticks = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!(ticks < 90_000, "timestamps go on: {ticks}");
    }
}

#[test]
fn the_answer_names_first_what_everybody_decodes_in_the_order_of_the_offer() {
    let first = |viewers: &[&[Format]], offers: &[Format]| Share::new(viewers, offers).0.codec;
    let reversed = [Format::Av1, Format::Vp9, Format::Vp8];
    assert_eq!(first(&[], &BEST), "VP9");
    assert_eq!(first(&[&BEST, &BEST], &reversed), "AV1");
    assert_eq!(first(&[&BEST, &[Format::Vp9, Format::Vp8]], &reversed), "VP9");
    assert_eq!(first(&[&BEST, &[Format::Vp8]], &BEST), "VP8");
    assert_eq!(first(&[&BEST, &[Format::H264]], &BEST), "VP9", "whom nothing offered would help");
    assert_eq!(first(&[&[Format::Vp9], &[Format::Av1]], &BEST), "VP8", "no codec in common");
}

#[test]
fn a_publisher_that_cannot_be_told_later_is_answered_what_all_have() {
    let mut world = World::new();
    let encoder = world.bot_of(1, &BEST);
    world.bots[encoder].watch = Watch::Nobody;
    let answer = world.offer(encoder, &[Source::Camera], 0, 0);
    assert_eq!(first(&answer, &world.bots[encoder].publications[0].0), "VP8");
}

#[test]
fn one_who_comes_without_the_codec_makes_the_share_fall_back_and_no_picture_stands_still() {
    let (mut share, viewers) = Share::new(&[&BEST], &BEST);
    share.world.shard.set_capture(support::ROOM, true);
    share.run(ms(2_000));
    assert_eq!(share.shown(viewers[0]), Format::Vp9);
    let mid = share.received(viewers[0])[0].mid.clone();

    let plain = watch(&mut share.world, 20, &[Format::Vp8]);
    let came = share.world.elapsed();
    share.run(ms(2_000));
    assert_eq!(share.told, [Codec::Vp8]);
    for viewer in [viewers[0], plain] {
        assert_eq!(share.shown(viewer), Format::Vp8);
        assert_seamless(share.received(viewer));
        assert!(share.longest_pause(viewer) < Some(ms(300)), "{:?}", share.longest_pause(viewer));
    }
    let newcomer = &share.received(plain)[0];
    assert!(newcomer.key && newcomer.at - came < ms(400), "{:?}", newcomer.at - came);
    assert!(share.received(viewers[0]).iter().all(|packet| packet.mid == mid), "in its slot");

    // The capture knows a track by one codec.
    let marks = share.world.taps.0.iter().filter(|tap| !matches!(tap, Tapped::Report(_)));
    let mut captured = Vec::new();
    for tap in marks {
        match tap {
            Tapped::Start(track, Source::Screen, codec) => captured.push((*track, *codec, 0)),
            Tapped::Rtp { track, payload, .. } => {
                let (current, codec, packets) = captured.last_mut().expect("begun");
                assert_eq!(current, track);
                assert!(*packets > 0 || media::rtp::keyframe::starts_decoding(*codec, payload));
                *packets += 1;
            }
            Tapped::End(track) => assert_eq!(captured.last().unwrap().0, *track),
            other => panic!("{other:?}"),
        }
    }
    let codecs: Vec<Codec> = captured.iter().map(|(_, codec, _)| *codec).collect();
    assert_eq!(codecs, [Codec::Vp9, Codec::Vp8]);
    assert!(captured.iter().all(|(_, _, packets)| *packets > 40), "{captured:?}");
    assert_ne!(captured[0].0, captured[1].0);
    let rooms = share.world.shard.counters();
    assert_eq!(rooms.drop_payload_type, 0);
}

#[test]
fn the_better_codec_is_taken_up_again_when_all_have_had_it_for_a_while() {
    let (mut share, viewers) = Share::new(&[&BEST, &[Format::Vp8]], &BEST);
    share.run(ms(1_000));
    assert_eq!(share.shown(viewers[0]), Format::Vp8);
    leave(&mut share.world, viewers[1]);
    share.run(ms(6_000));
    assert!(share.told.is_empty(), "not at once");
    // Another one comes and goes: the time begins anew.
    let other = watch(&mut share.world, 21, &[Format::Vp8]);
    share.run(ms(5_000));
    leave(&mut share.world, other);
    share.run(ms(9_000));
    assert!(share.told.is_empty());
    share.run(ms(2_000));
    assert_eq!((share.told.as_slice(), share.shown(viewers[0])), (&[Codec::Vp9][..], Format::Vp9));
    assert_seamless(share.received(viewers[0]));
    assert!(share.longest_pause(viewers[0]) < Some(ms(300)));
}

#[test]
fn a_packet_of_the_codec_before_that_comes_late_changes_nothing() {
    let (mut share, viewers) = Share::new(&[&BEST], &BEST);
    share.run(ms(1_000));
    // A key frame of the old codec that was on its way for long.
    let pt = share.world.pt(share.sharer, Format::Vp9);
    let late = share.world.bots[share.sharer].senders[0].seq;
    share.world.bots[share.sharer].senders[0].seq += 1;
    watch(&mut share.world, 20, &[Format::Vp8]);
    share.run(ms(1_000));
    assert_eq!(share.shown(viewers[0]), Format::Vp8);
    let bot = &mut share.world.bots[share.sharer];
    let now = std::mem::replace(&mut bot.senders[0].seq, late);
    let key = payload(&[0x88, 0x80, 0x01], bot.tag, 9, 600);
    share.world.send_payload(share.sharer, 0, pt, key, 0, true, None);
    share.world.bots[share.sharer].senders[0].seq = now;
    share.run(ms(500));
    assert_eq!((share.told.as_slice(), share.shown(viewers[0])), (&[Codec::Vp8][..], Format::Vp8));
    assert!(share.world.shard.counters().drop_payload_type > 0);
}
