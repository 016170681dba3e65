//! Streams with layers through a filter: everything that is let through can be decoded.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::rtp::dd;

fn vp8(timestamp: u32, temporal: u8, sync: bool, key: bool) -> (u32, Descriptor) {
    (timestamp, Descriptor { temporal, sync, key_frame: key, ..Descriptor::default() })
}

fn frame((timestamp, descriptor): &(u32, Descriptor)) -> Frame<'_> {
    let (timestamp, key) = (*timestamp, descriptor.key_frame);
    Frame { timestamp, key, descriptor, dependency: None }
}

#[test]
fn temporal_layers_are_dropped_at_the_next_frame_and_taken_up_at_sync_frames() {
    let mut filter = Filter::default();
    filter.begin(Layer::HIGHEST, None);
    let upto = |temporal| Layer { spatial: 0, temporal };
    let mut keep = |one: (u32, Descriptor), wanted| filter.decide(&frame(&one), wanted).keep;
    assert!(keep(vp8(1, 2, false, false), Layer::HIGHEST));
    assert!(keep(vp8(1, 2, false, false), upto(0)), "a frame that has begun is sent whole");
    assert!(!keep(vp8(2, 1, false, false), upto(0)));
    assert!(keep(vp8(3, 0, false, false), upto(0)));
    assert!(!keep(vp8(4, 2, true, false), upto(2)), "its lower layer is not there yet");
    assert!(!keep(vp8(5, 1, false, false), upto(2)), "no sync frame");
    assert!(keep(vp8(6, 1, true, false), upto(2)));
    assert!(!keep(vp8(7, 2, false, false), upto(2)));
    assert!(keep(vp8(8, 2, true, false), upto(2)));
    assert!(keep(vp8(9, 0, false, true), upto(2)));
}

/// Frames of a stream with layers, and what each needs to be decoded: by their numbers.
struct Svc {
    plan: dd::tests::Plan,
    spatial: u8,
    temporal: u8,
    full: bool,
}

struct Sent {
    number: u16,
    timestamp: u32,
    layer: Layer,
    key: bool,
    bytes: Vec<u8>,
    needs: Vec<u16>,
}

impl Svc {
    fn new(spatial: u8, temporal: u8, full: bool) -> Svc {
        let plan = dd::tests::Plan::layers(spatial, temporal, full);
        Svc { plan, spatial, temporal, full }
    }

    /// Pictures with the usual pattern of temporal layers; `keys` are key pictures.
    fn pictures(&self, count: u32, keys: &[u32]) -> Vec<Sent> {
        let mut out: Vec<Sent> = Vec::new();
        for picture in 0..count {
            let key = picture == 0 || keys.contains(&picture);
            let pattern: &[u8] = [&[0][..], &[0, 1], &[0, 2, 1, 2]][usize::from(self.temporal) - 1];
            let since = (0..=picture).rev().find(|p| *p == 0 || keys.contains(p)).unwrap();
            let t = if key { 0 } else { pattern[(picture - since) as usize % pattern.len()] };
            for s in 0..self.spatial {
                let layer = Layer { spatial: s, temporal: t };
                let own = |sent: &&Sent| {
                    sent.layer.spatial == s
                        && sent.layer.temporal < t.max(1)
                        && sent.timestamp >= since
                };
                let mut needs: Vec<u16> = Vec::new();
                if !key {
                    needs.extend(out.iter().rev().find(own).map(|sent| sent.number));
                }
                if s > 0 && (self.full || key) {
                    needs.extend(out.last().map(|sent| sent.number));
                }
                let of_layer = |l: Layer, key| {
                    let per = usize::from(self.temporal) + 1;
                    usize::from(l.spatial) * per + if key { 0 } else { 1 + usize::from(l.temporal) }
                };
                let number = out.len() as u16;
                let bytes = self.plan.write(of_layer(layer, key), number, key && s == 0, None);
                let key = key && s == 0;
                out.push(Sent { number, timestamp: picture, layer, key, bytes, needs });
            }
        }
        out
    }
}

/// What a filter lets through, with wishes that change at pictures; panics on what cannot be
/// decoded. Returns the layers sent for each picture.
fn run(svc: &Svc, sent: &[Sent], wishes: &[(u32, Layer)]) -> Vec<(u32, Layer)> {
    let (mut known, mut filter, mut got) = (None, Filter::default(), HashSet::new());
    let (descriptor, mut out) = (Descriptor::default(), Vec::new());
    for one in sent {
        let read = dd::parse(&one.bytes, &mut known).unwrap();
        let structure = known.as_deref().unwrap();
        let wanted = wishes.iter().rev().find(|(from, _)| *from <= one.timestamp).unwrap().1;
        if one.number == 0 {
            filter.begin(wanted, Some(structure));
        }
        let (timestamp, key) = (one.timestamp, one.key);
        let dependency = Some((&read, structure));
        let frame = Frame { timestamp, key, descriptor: &descriptor, dependency };
        if !filter.decide(&frame, wanted).keep {
            continue;
        }
        for need in &one.needs {
            assert!(got.contains(need), "L{}T{} frame {}", svc.spatial, svc.temporal, one.number);
        }
        got.insert(one.number);
        out.push((one.timestamp, one.layer));
    }
    out
}

fn top(out: &[(u32, Layer)], picture: u32) -> Option<u8> {
    out.iter().filter(|(at, _)| *at == picture).map(|(_, layer)| layer.spatial).max()
}

#[test]
fn spatial_layers_inside_a_stream_go_down_at_once_and_up_at_a_key_frame() {
    let svc = Svc::new(3, 1, true);
    let low = Layer { spatial: 0, temporal: 3 };
    let sent = svc.pictures(40, &[30]);
    let out = run(&svc, &sent, &[(0, Layer::HIGHEST), (10, low), (20, Layer::HIGHEST)]);
    let tops: Vec<_> = (0..40).map(|picture| top(&out, picture).unwrap()).collect();
    assert!(tops[..10].iter().all(|top| *top == 2));
    assert!(tops[10..30].iter().all(|top| *top == 0));
    assert!(tops[30..].iter().all(|top| *top == 2));
}

#[test]
fn a_higher_layer_asks_for_a_key_frame_only_when_it_needs_one() {
    let svc = Svc::new(2, 2, true);
    let sent = svc.pictures(9, &[]);
    let (mut known, mut filter) = (None, Filter::default());
    let descriptor = Descriptor::default();
    let mut asked = Vec::new();
    for one in &sent {
        let read = dd::parse(&one.bytes, &mut known).unwrap();
        let structure = known.as_deref().unwrap();
        let small = Layer { spatial: 0, temporal: 0 };
        if one.number == 0 {
            filter.begin(small, Some(structure));
        }
        let wanted = match one.timestamp {
            0..3 => small,
            3..6 => Layer { spatial: 0, temporal: 1 },
            _ => Layer::HIGHEST,
        };
        let (timestamp, key) = (one.timestamp, one.key);
        let dependency = Some((&read, structure));
        let frame = Frame { timestamp, key, descriptor: &descriptor, dependency };
        if filter.decide(&frame, wanted).key_frame_wanted {
            asked.push(one.timestamp);
        }
    }
    assert!(asked.first().is_some_and(|at| *at == 6), "{asked:?}");
}

proptest! {
    /// Whatever is wished when, all frames that are let through can be decoded, and a wish that
    /// lasts is fulfilled by the next key frame.
    #[test]
    fn all_that_is_let_through_can_be_decoded(
        (spatial, temporal, full) in (1u8..4, 1u8..4, any::<bool>()),
        wishes in proptest::collection::vec((0u32..80, 0u8..3, 0u8..3), 0..12),
        keys in proptest::collection::vec(1u32..80, 0..4),
    ) {
        let svc = Svc::new(spatial, temporal, full);
        let mut all = vec![(0, Layer::HIGHEST)];
        all.extend(wishes.into_iter().map(|(at, spatial, temporal)| (at, Layer { spatial, temporal })));
        all.sort_by_key(|(at, _)| *at);
        let mut keys = keys;
        keys.push(80);
        let out = run(&svc, &svc.pictures(90, &keys), &all);
        let wanted = all.last().unwrap().1;
        for picture in 80..90 {
            prop_assert!(top(&out, picture).is_none_or(|top| top == wanted.spatial.min(spatial - 1)));
        }
        prop_assert_eq!(top(&out, 80), Some(wanted.spatial.min(spatial - 1)));
    }
}
