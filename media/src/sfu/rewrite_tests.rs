//! Random histories of one slot: what a receiver sees of them.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

const NONE: Descriptor = Descriptor {
    key_frame: false,
    start: false,
    picture_id: None,
    tl0_pic_idx: None,
    temporal: 0,
    sync: false,
};

fn id(value: u16) -> PictureId {
    PictureId { at: 2, value: value & 0x7fff, long: true }
}

fn picture(value: u16, tl0: u8) -> Descriptor {
    Descriptor { picture_id: Some(id(value)), tl0_pic_idx: Some((4, tl0)), ..NONE }
}

fn start(input: u64, timestamp: u32, descriptor: &Descriptor) -> Start<'_> {
    Start { input, timestamp, aligned: None, clock_rate: 90_000, descriptor, frame: None }
}

fn pass(slot: &mut Rewriter<char>, now: Instant, input: u64) -> Option<u64> {
    slot.pass(now, input, None, true).map(|place| place.sequence)
}

#[test]
fn a_switch_continues_time_pictures_and_frames() {
    let t0 = crate::testing::origin();
    let mut slot = Rewriter::new(t0, 5, 1000, 64);
    let first = picture(40, 9);
    slot.switch(t0, 'a', &Start { frame: Some(700), ..start(70_000, 500, &first) });
    assert_eq!(slot.pass(t0, 70_000, first.picture_id, true).unwrap().sequence, 6);
    slot.note(t0, 1001, Some(40), Some(9), Some(700));
    let later = t0 + Duration::from_millis(100);
    let second = picture(0x7ffe, 1);
    slot.switch(later, 'b', &Start { frame: Some(3), ..start(66_000, 77, &second) });
    let epoch = *slot.current().unwrap();
    let place = slot.pass(later, 66_000, second.picture_id, true).unwrap();
    assert_eq!(place.sequence, 7);
    assert_eq!(77u32.wrapping_add(epoch.timestamp_offset), 1001 + 9000);
    assert_eq!(0x7ffeu16.wrapping_add(place.picture) & 0x7fff, 41);
    assert_eq!(1u8.wrapping_add(epoch.tl0_offset), 10);
    assert_eq!(3u16.wrapping_add(epoch.frame_offset), 701);
    assert_eq!(pass(&mut slot, later, 65_999), None, "from before the switch");
}

#[test]
fn a_packet_is_sent_again_once_in_a_pause_from_its_own_epoch() {
    let t0 = crate::testing::origin();
    let ms = Duration::from_millis;
    let mut slot = Rewriter::new(t0, 0, 0, 64);
    slot.switch(t0, 'a', &start(65_636, 0, &NONE));
    pass(&mut slot, t0, 65_636);
    slot.switch(t0, 'b', &start(80_000, 0, &NONE));
    pass(&mut slot, t0, 80_000);
    slot.marked(2);
    assert_eq!(slot.resend(t0 + ms(10), 1, ms(50)), None, "just sent");
    let again = slot.resend(t0 + ms(60), 1, ms(50)).unwrap();
    assert_eq!((again.input, again.epoch.source, again.marker), (65_636, 'a', false));
    assert_eq!(slot.resend(t0 + ms(80), 1, ms(50)), None);
    assert_eq!(slot.resend(t0 + ms(80), 3, ms(50)), None, "never sent");
    assert!(slot.resend(t0 + ms(80), 2, ms(50)).unwrap().marker);
}

#[test]
fn a_late_packet_of_a_picture_that_was_left_out_is_a_filler() {
    let t0 = crate::testing::origin();
    let mut slot = Rewriter::new(t0, 0, 0, 64);
    slot.switch(t0, 'a', &start(70_000, 0, &picture(1, 0)));
    assert_eq!(slot.pass(t0, 70_000, Some(id(1)), true).unwrap().sequence, 1);
    // 70 001 of picture 1 and 70 002 of picture 2 are missing; 70 003 of picture 2 is left out.
    slot.leave_out(70_003, Some(id(2)));
    let next = slot.pass(t0, 70_004, Some(id(3)), true).unwrap();
    assert_eq!((next.sequence, next.picture), (4, 0x7fff), "picture 3 is sent as 2");
    let late = slot.pass(t0, 70_002, Some(id(2)), false).unwrap();
    assert!(late.filler && late.sequence == 3);
    let late = slot.pass(t0, 70_001, Some(id(1)), true).unwrap();
    assert!(!late.filler && late.sequence == 2 && late.picture == 0);
    assert_eq!(slot.pass(t0, 70_003, Some(id(2)), false), None, "its number is given away");
    let filler = slot.resend(t0 + Duration::from_secs(1), 3, Duration::ZERO).unwrap();
    assert!(filler.filler);
}

#[derive(Debug, Clone)]
enum Step {
    /// A frame of a temporal layer, in so many packets.
    Frame(u8, u8),
    /// Only so many temporal layers are wanted from here on.
    Want(u8),
    Padding,
    Switch(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0u8..3, 1u8..4).prop_map(|(layer, packets)| Step::Frame(layer, packets)),
        2 => (1u8..4).prop_map(Step::Want),
        1 => Just(Step::Padding),
        1 => any::<u16>().prop_map(Step::Switch),
    ];
    proptest::collection::vec(step, 1..200)
}

/// A packet on its way to the slot.
#[derive(Debug, Clone, Copy)]
struct Packet {
    input: u64,
    timestamp: u32,
    picture: u16,
    layer: u8,
    epoch: usize,
    padding: bool,
    first: bool,
}

/// The stream that a publisher sends: each switch is another layer of it, with its own numbers.
fn stream(steps: &[Step]) -> Vec<(Packet, Option<u8>)> {
    let mut out = Vec::new();
    let (mut want, mut epoch) = (None, 0);
    let (mut input, mut timestamp, mut pictures) = (100_000u64, 0u32, 0x7ff0u16);
    let push = |out: &mut Vec<_>, want: &mut Option<u8>, packet| out.push((packet, want.take()));
    let key = Packet {
        input,
        timestamp,
        picture: pictures,
        layer: 0,
        epoch,
        padding: false,
        first: true,
    };
    push(&mut out, &mut want, key);
    for step in steps {
        input += 1;
        match *step {
            Step::Want(layers) => {
                want = Some(layers);
                input -= 1;
            }
            Step::Padding => {
                let padding =
                    Packet { input, timestamp, epoch, padding: true, first: false, ..key };
                push(&mut out, &mut want, padding);
            }
            Step::Frame(layer, packets) => {
                (timestamp, pictures) = (timestamp + 3_000, pictures.wrapping_add(1) & 0x7fff);
                for at in 0..packets {
                    input += u64::from(at != 0);
                    let picture = pictures;
                    let packet = Packet { input, timestamp, picture, layer, epoch, ..key };
                    push(&mut out, &mut want, Packet { first: false, ..packet });
                }
            }
            Step::Switch(to) => {
                epoch += 1;
                (input, pictures) = ((1 << 17) + u64::from(to), to & 0x7fff);
                timestamp = timestamp.wrapping_add(u32::from(to).wrapping_mul(70_001));
                let picture = pictures;
                push(&mut out, &mut want, Packet { input, timestamp, picture, epoch, ..key });
            }
        }
    }
    out
}

struct Seen {
    sequence: u64,
    timestamp: u32,
    picture: u16,
    filler: bool,
    packet: Packet,
}

/// Runs packets through a slot as the forwarder does.
fn through(first: u16, packets: &[(Packet, Option<u8>)]) -> Vec<Seen> {
    let t0 = crate::testing::origin();
    let mut slot = Rewriter::new(t0, first, 77, 512);
    let (mut wanted, mut frame, mut keep) = (3, None, true);
    let mut now = t0;
    let mut seen = Vec::new();
    for (packet, want) in packets {
        wanted = want.unwrap_or(wanted);
        now += Duration::from_millis(3);
        if packet.first && slot.current().is_none_or(|old| old.source != packet.epoch) {
            let descriptor = picture(packet.picture, 0);
            slot.switch(now, packet.epoch, &start(packet.input, packet.timestamp, &descriptor));
        } else if slot.current().is_none_or(|epoch| epoch.source != packet.epoch) {
            continue;
        }
        if packet.padding {
            slot.leave_out(packet.input, None);
            continue;
        }
        let picture_id = Some(id(packet.picture));
        let newest = slot.is_newest(packet.input);
        if newest {
            if frame != Some((packet.epoch, packet.timestamp)) {
                frame = Some((packet.epoch, packet.timestamp));
                keep = packet.layer < wanted;
            }
            if !keep {
                slot.leave_out(packet.input, picture_id);
                continue;
            }
        }
        let wants = newest || packet.layer < wanted;
        let Some(place) = slot.pass(now, packet.input, picture_id, wants) else { continue };
        let epoch = *slot.current().unwrap();
        let timestamp = packet.timestamp.wrapping_add(epoch.timestamp_offset);
        let out = packet.picture.wrapping_add(place.picture) & 0x7fff;
        if !place.filler {
            slot.note(now, timestamp, Some(out), Some(0), None);
        }
        let (sequence, filler) = (place.sequence, place.filler);
        seen.push(Seen { sequence, timestamp, picture: out, filler, packet: *packet });
    }
    seen
}

proptest! {
    /// In order and without loss: no gap of any kind, whatever is left out and switched.
    #[test]
    fn without_loss_a_receiver_sees_one_gapless_stream(first: u16, steps in steps()) {
        let seen = through(first, &stream(&steps));
        for pair in seen.windows(2) {
            let [a, b] = pair else { unreachable!() };
            prop_assert!(!b.filler);
            prop_assert_eq!(b.sequence, a.sequence + 1);
            let same = (a.packet.epoch, a.packet.picture) == (b.packet.epoch, b.packet.picture);
            let next = if same { a.picture } else { (a.picture + 1) & 0x7fff };
            prop_assert_eq!(b.picture, next, "pictures are continuous");
            let ticks = b.timestamp.wrapping_sub(a.timestamp);
            if same {
                prop_assert_eq!(ticks, 0);
            } else {
                prop_assert!(ticks > 0 && ticks < 1 << 31, "time goes on");
            }
        }
    }

    /// With loss and reordering: no number twice, every number stands for one packet, gaps only
    /// where packets were lost, and pictures in the order of their numbers.
    #[test]
    fn with_loss_and_reordering_gaps_are_losses(
        first: u16, steps in steps(), fate in proptest::collection::vec(0u8..40, 600),
    ) {
        let all = stream(&steps);
        let mut arriving = Vec::new();
        let mut lost = HashMap::<usize, u64>::new();
        for (at, (one, fate)) in all.iter().zip(fate.iter().cycle()).enumerate() {
            match fate {
                // The first packet of an epoch always comes: a switch waits for it.
                0 | 1 if !one.0.first => *lost.entry(one.0.epoch).or_default() += 1,
                2..6 if !one.0.first => arriving.push((at + usize::from(*fate) * 2, *one)),
                _ => arriving.push((at, *one)),
            }
        }
        arriving.sort_by_key(|(at, _)| *at);
        let arriving: Vec<_> = arriving.into_iter().map(|(_, one)| one).collect();
        let mut seen = through(first, &arriving);
        let mut used = HashSet::new();
        prop_assert!(seen.iter().all(|one| used.insert(one.sequence)), "a number twice");
        seen.sort_by_key(|one| one.sequence);
        for pair in seen.windows(2) {
            let [a, b] = pair else { unreachable!() };
            let gap = b.sequence - a.sequence - 1;
            let missing: u64 = (a.packet.epoch..=b.packet.epoch).filter_map(|e| lost.get(&e)).sum();
            // What comes too late for its epoch is lost as well.
            let late = arriving.len() - seen.len();
            prop_assert!(gap <= missing + late as u64, "gap {gap}, lost {missing}");
            let behind = b.picture.wrapping_sub(a.picture) & 0x7fff;
            prop_assert!(a.filler || b.filler || behind < 0x4000, "pictures in order");
        }
    }
}
