//! Bad networks: audio that stays intact, and repair that never becomes a storm.

mod support;
mod wire;

use std::collections::HashMap;
use std::time::Duration;

use media::api::Source;
use media::rtp::red::Blocks;
use media::rtp::rtcp_write as write;
use media::shard::Limits;
use str0m_netem::{GilbertElliot, NetemConfig, Probability, RandomLoss};
use support::{World, payload};
use wire::Wire;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn link(seed: u64) -> NetemConfig {
    NetemConfig::new().latency(ms(30)).jitter(ms(2)).seed(seed)
}

fn lossy(loss: f32, seed: u64) -> NetemConfig {
    link(seed).loss(RandomLoss::new(Probability::new(loss)))
}

/// A RED payload: the last frame again, then this one.
fn redundant(before: Option<&[u8]>, frame: &[u8], opus: u8) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(before) = before {
        let head = 1 << 31 | u32::from(opus) << 24 | 960 << 10 | before.len() as u32;
        out.extend_from_slice(&head.to_be_bytes());
    }
    out.push(opus);
    out.extend_from_slice(before.unwrap_or_default());
    out.extend_from_slice(frame);
    out
}

fn number(frame: &[u8]) -> u32 {
    u32::from_be_bytes(*frame.last_chunk().unwrap())
}

struct Heard {
    /// Of all frames sent.
    in_time: f64,
    lost: u64,
    /// Retransmissions on the lossy hop.
    again: u64,
}

/// A voice for twenty seconds, over a lossy first or second hop (both ways of it); which frames
/// the listener has within 400 ms.
fn voice(loss: f32, second_hop: bool, red: bool, nack: bool) -> Heard {
    const FRAMES: usize = 1_000;
    let mut world = World::new();
    world.sealed = Some(HashMap::new());
    let a = world.bot_with(1, red, nack);
    world.offer(a, &[Source::Microphone], 0, 0);
    world.until_connected(a);
    let b = world.bot_with(2, red, nack);
    world.offer(b, &[], 1, 0);
    world.until_connected(b);
    world.links(a, link(1), link(2));
    world.links(b, link(3), link(4));
    let opus = world.pt(a, str0m::format::Codec::Opus);
    let red_type = world.bots[a].rtc.codec_config().find(|p| p.red().is_some());
    let red_type = red_type.and_then(|p| p.red());
    let mut sent = Vec::new();
    let mut before: Option<Vec<u8>> = None;
    for at in 0..FRAMES + 50 {
        if at == 50 {
            let bot = if second_hop { b } else { a };
            world.links(bot, lossy(loss, 11), lossy(loss, 12));
        }
        let frame = payload(&[0x78], 1, at as u32, 60);
        sent.push(world.elapsed());
        match red_type {
            Some(red_type) => {
                let packet = redundant(before.as_deref(), &frame, *opus);
                world.send_payload(a, 0, red_type, packet, 960, false, Some(-20));
            }
            None => world.send_payload(a, 0, opus, frame.clone(), 960, false, Some(-20)),
        }
        before = Some(frame);
        world.run(ms(20));
    }
    world.run(ms(500));
    let mut heard: HashMap<u32, Duration> = HashMap::new();
    for packet in &world.bots[b].received {
        let mut note = |frame: &[u8]| {
            let at = heard.entry(number(frame)).or_insert(packet.at);
            *at = packet.at.min(*at);
        };
        match Blocks::parse(&packet.payload).filter(|_| packet.pt != *opus) {
            Some(blocks) => {
                for block in blocks.redundant() {
                    note(&packet.payload[block.range()]);
                }
                note(&packet.payload[blocks.primary()]);
            }
            None => note(&packet.payload),
        }
    }
    let in_time = (50..FRAMES as u32 + 50)
        .filter(|n| heard.get(n).is_some_and(|at| *at - sent[*n as usize] <= ms(400)));
    let in_time = in_time.count() as f64 / FRAMES as f64;
    let media = |tally: &support::Tally| *tally.values().max().unwrap();
    let bot = &world.bots[if second_hop { b } else { a }];
    let (lost, all) = match second_hop {
        true => (media(&bot.sent_down) - media(&bot.came_down), media(&bot.sent_down)),
        false => (media(&bot.sent_up) - media(&bot.came_up), media(&bot.sent_up)),
    };
    // Without RTX, repeats have the SSRC of the stream.
    let again = match second_hop {
        true => world.repeated,
        false => all - (FRAMES + 50) as u64,
    };
    assert_eq!(world.reused, 0, "an SRTP index sealed two contents");
    assert_eq!(again > 0, nack, "{again} retransmissions");
    Heard { in_time, lost, again }
}

#[test]
fn a_voice_stays_intact_at_ten_and_thirty_percent_loss_on_either_hop() {
    println!("loss hop red nack | frames within 400 ms, packets lost, sent again");
    for (loss, wanted) in [(0.1, 0.95), (0.3, 0.9)] {
        for second_hop in [false, true] {
            for (red, nack) in [(true, true), (false, true), (true, false)] {
                let heard = voice(loss, second_hop, red, nack);
                println!(
                    "{:>3} % {:>3} {red:>5} {nack:>5} | {:.1} %, {}, {}",
                    loss * 100.0,
                    if second_hop { 2 } else { 1 },
                    heard.in_time * 100.0,
                    heard.lost,
                    heard.again
                );
                assert!(heard.in_time >= wanted || !nack, "{:.3}", heard.in_time);
                // Requests and answers are lost as well: 1 / (1 − p) answers a loss.
                let most = heard.lost as f64 * 1.5 + 20.0;
                assert!((heard.again as f64) <= most, "{} for {}", heard.again, heard.lost);
            }
        }
    }
}

/// Without redundancy of its own, somebody gets frames that were taken from that of others, and
/// asks for them again: the same packet, byte by byte.
#[test]
fn a_frame_from_redundancy_is_sent_again_as_it_was() {
    let mut world = World::new();
    world.sealed = Some(HashMap::new());
    let a = world.bot(1, true);
    world.offer(a, &[Source::Microphone], 0, 0);
    world.until_connected(a);
    let b = world.bot_with(2, false, true);
    world.offer(b, &[], 1, 0);
    world.until_connected(b);
    let opus = world.pt(a, str0m::format::Codec::Opus);
    let red = world.bots[a].rtc.codec_config().find(|p| p.red().is_some()).unwrap().red().unwrap();
    let mut before: Option<Vec<u8>> = None;
    for at in 0..1_000 {
        if at == 20 {
            world.links(a, lossy(0.2, 1), link(2));
            world.links(b, link(3), lossy(0.2, 4));
        }
        let frame = payload(&[0x78], 1, at, 60);
        let packet = redundant(before.as_deref(), &frame, *opus);
        world.send_payload(a, 0, red, packet, 960, false, Some(-20));
        before = Some(frame);
        world.run(ms(20));
    }
    let recovered = world.shard.counters().red_recovered;
    println!("{recovered} frames from redundancy, {} packets sent again", world.repeated);
    assert!(recovered > 100 && world.repeated > 100);
    assert_eq!(world.reused, 0);
}

/// Media packets sent, of them lost, retransmissions sent.
type Figures = (u64, u64, u64);

/// Of a bot's way up or down, by SSRC.
fn figures(sent: &support::Tally, came: &support::Tally) -> Figures {
    let (media, all) = sent.iter().max_by_key(|(_, n)| **n).unwrap();
    let again = sent.iter().filter(|(ssrc, _)| *ssrc != media).map(|(_, n)| n).sum();
    (*all, all - came.get(media).copied().unwrap_or(0), again)
}

/// A camera for `seconds`, with all four ways of the path like `link`; (up, down, missing packets
/// at the viewer, key frames asked for).
fn camera(seconds: u64, link: impl Fn(u64) -> NetemConfig) -> (Figures, Figures, usize, u64) {
    let mut world = World::new();
    let a = world.join(1, &[Source::Camera], 0, 0);
    let b = world.join(2, &[], 0, 1);
    for _ in 0..50 {
        world.send_frame(a, 0, 5, 900);
        world.run(ms(40));
    }
    let began = world.bots[a].senders[0].number;
    world.links(a, link(1), link(2));
    world.links(b, link(3), link(4));
    for _ in 0..25 * seconds {
        world.send_frame(a, 0, 5, 900);
        world.run(ms(40));
    }
    world.run(Duration::from_secs(2));
    let shown: std::collections::HashSet<u32> =
        world.bots[b].received.iter().map(|packet| packet.tag().1).collect();
    let missing = (began..world.bots[a].senders[0].number).filter(|n| !shown.contains(n)).count();
    let up = figures(&world.bots[a].sent_up, &world.bots[a].came_up);
    let down = figures(&world.bots[b].sent_down, &world.bots[b].came_down);
    (up, down, missing, world.shard.counters().plis_out)
}

#[test]
fn reordering_is_not_taken_for_loss() {
    // Every fourth packet overtakes those of the last 60 ms.
    let (up, down, missing, _) =
        camera(30, |seed| NetemConfig::new().latency(ms(60)).reorder_gap(4).seed(seed));
    println!("25 % reordered: up (sent, lost, again) {up:?}, down {down:?}, missing {missing}");
    assert_eq!((up.1, down.1, missing), (0, 0, 0));
    // Until it has learned how late packets come.
    assert!(up.2 <= 60 && down.2 <= 60, "needless retransmissions");
    let (up, down, missing, _) = camera(30, |seed| {
        let loss = RandomLoss::new(Probability::new(0.05));
        NetemConfig::new().latency(ms(60)).reorder_gap(4).loss(loss).seed(seed)
    });
    println!("with 5 % loss: up (sent, lost, again) {up:?}, down {down:?}, missing {missing}");
    assert!(up.1 > 100 && down.1 > 100);
    assert!(up.2 * 2 <= up.1 * 3 + 60 && down.2 * 2 <= down.1 * 3 + 60, "storm");
    assert!(missing <= 5);
}

#[test]
fn jitter_is_not_taken_for_loss() {
    let (up, down, missing, _) =
        camera(30, |seed| NetemConfig::new().latency(ms(200)).jitter(ms(50)).seed(seed));
    println!("200 ms ± 50: up (sent, lost, again) {up:?}, down {down:?}, missing {missing}");
    assert_eq!((up.1, down.1, missing), (0, 0, 0));
    assert!(up.2 <= 100 && down.2 <= 100, "needless retransmissions");
}

#[test]
fn bursts_are_repaired_without_a_storm() {
    // About 25 packets in a row are lost of each 500. One pattern says little: several count.
    const PATTERNS: u64 = 4;
    let (mut sent, mut lost) = (0, 0);
    for pattern in 0..PATTERNS {
        let (up, down, missing, keys) = camera(60, |seed| {
            let bursts = GilbertElliot::new()
                .good_duration(475.0)
                .bad_duration(25.0)
                .loss_in_bad(Probability::ONE);
            link(seed + 100 * pattern).loss(bursts)
        });
        println!("bursts: up {up:?}, down {down:?}, missing {missing}, key frames {keys}");
        assert!(up.1 > 100 && down.1 > 100);
        assert!(up.2 * 2 <= up.1 * 3 && down.2 * 2 <= down.1 * 3, "storm");
        (sent, lost) = (sent + up.0 as usize, lost + missing);
    }
    // What the second burst takes of the answers to the first.
    assert!(lost * 50 <= sent, "{lost} of {sent}");
}

#[test]
fn after_two_dark_seconds_a_key_frame_comes_and_no_flood() {
    let mut world = World::new();
    let a = world.bot_with(1, false, true);
    world.offer(a, &[Source::Microphone, Source::Camera], 0, 0);
    world.until_connected(a);
    let b = world.bot_with(2, false, true);
    world.offer(b, &[], 1, 1);
    world.until_connected(b);
    world.links(a, link(1), link(2));
    world.links(b, link(3), link(4));
    world.talk(Duration::from_secs(4));
    for dark in [a, b] {
        world.links(dark, lossy(1.0, 5), lossy(1.0, 6));
        world.talk(Duration::from_secs(2));
        let before = *world.shard.counters();
        let returned = world.elapsed();
        world.links(dark, link(7), link(8));
        world.talk(ms(200));
        if dark == b {
            // As a browser does that cannot decode what comes.
            let video = world.bots[b].received.iter().rev().find(|r| r.payload.len() > 200);
            let ssrc = video.unwrap().ssrc;
            world.ask_key_frame(b, ssrc);
        }
        world.talk(ms(2_800));
        let after = *world.shard.counters();
        let received = &world.bots[b].received;
        let first = |video: bool| {
            let is = |r: &&support::Received| (r.payload.len() > 200) == video && r.at > returned;
            // Pictures from a key frame on.
            received.iter().filter(is).find(|r| !video || r.key).map(|r| r.at - returned)
        };
        let (audio, video) = (first(false).unwrap(), first(true).unwrap());
        let asked = after.nacks_out - before.nacks_out;
        let again = after.rtx_sent - before.rtx_sent;
        let keys = after.plis_out - before.plis_out;
        println!(
            "back: audio {audio:?}, key frame {video:?}; {asked} asked, {again} again, {keys} PLI"
        );
        assert!(audio <= ms(300) && video <= ms(1_000));
        // Two seconds are 350 packets.
        assert!(asked <= 120 && again <= 300, "flood");
        assert!((1..=6).contains(&keys));
    }
}

#[test]
fn one_who_asks_again_and_again_gets_a_share_and_spoils_nothing() {
    let mut wire = Wire::new(Limits::default());
    let camera = wire.join(&[Source::Camera], 0, 0);
    let hostile = wire.join(&[], 0, 1);
    let honest = wire.join(&[], 0, 1);
    wire.connect();
    wire.members[hostile].listens = true;
    let slot = *wire.members[hostile].slots.values().next().unwrap();
    let mut newest = 0u64;
    for round in 0..1_000u64 {
        if round % 8 == 0 {
            wire.show(camera, 3, round == 0);
        }
        wire.step(ms(5));
        if let Some(packet) = wire.members[hostile].heard.last() {
            newest = u64::from(packet.seq) + 65_536;
        }
        // All of the last second, and a picture loss, two hundred times a second.
        let numbers: Vec<u64> = (newest.saturating_sub(80)..=newest).collect();
        let mut rtcp = Vec::new();
        write::receiver_report(&mut rtcp, 1, &[]);
        write::nack(&mut rtcp, 1, slot, &numbers);
        write::pli(&mut rtcp, 1, slot);
        wire.control(hostile, &rtcp);
    }
    let bytes = |member: usize| wire.members[member].came.values().map(|(_, n)| n).sum::<u64>();
    let counters = *wire.shard.counters();
    println!(
        "hostile got {} bytes, honest {}; {} NACKed, {} sent again, {} refused; {} PLI in, {} out",
        bytes(hostile),
        bytes(honest),
        counters.nacks_in,
        counters.rtx_sent,
        counters.drop_resend_refused,
        counters.plis_in,
        counters.plis_out
    );
    assert!(counters.nacks_in > 70_000);
    let extra = bytes(hostile) - bytes(honest);
    assert!(extra <= bytes(honest) * 6 / 10 + 140_000, "{extra} extra");
    assert!(counters.drop_resend_refused > 0);
    // Five seconds: its burst, one a second, and the key frame that both wait for at first.
    assert!(counters.plis_out <= 12, "{} key frames asked for", counters.plis_out);
}
