//! Descriptors written by a writer that follows the specification, and read back.

use proptest::prelude::*;

use super::*;

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    at: usize,
}

impl Writer {
    fn bits(&mut self, value: u32, count: usize) {
        for shift in (0..count).rev() {
            if self.at.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if value >> shift & 1 != 0 {
                *self.bytes.last_mut().unwrap() |= 0x80 >> (self.at % 8);
            }
            self.at += 1;
        }
    }

    fn below(&mut self, value: u32, limit: u32) {
        let width = (u32::BITS - limit.leading_zeros()) as usize;
        let short = (1u32 << width) - limit;
        if value < short {
            self.bits(value, width - 1);
        } else {
            self.bits((value + short) >> 1, width - 1);
            self.bits((value + short) & 1, 1);
        }
    }
}

/// A structure as a test states it: for each template its layer and its indications.
#[derive(Debug, Clone)]
pub struct Plan {
    pub id_offset: u8,
    pub templates: Vec<(Layer, Vec<u8>)>,
    pub differences: Vec<Vec<u8>>,
    pub chains: u32,
    pub sizes: Option<Vec<(u16, u16)>>,
}

impl Plan {
    /// `full`: every layer refers to the one below (LxTy); otherwise only key frames do (LxTy_KEY).
    pub fn layers(spatial: u8, temporal: u8, full: bool) -> Plan {
        let mut templates = Vec::new();
        for s in 0..spatial {
            for t in 0..temporal {
                // First for key frames, then for the others.
                for key in [true, false] {
                    if key && t != 0 {
                        continue;
                    }
                    let mut indications = Vec::new();
                    for target_s in 0..spatial {
                        for target_t in 0..temporal {
                            let below = if full || key { s <= target_s } else { s == target_s };
                            indications.push(match below && t <= target_t {
                                false => 0,
                                true if key => 2,
                                true if t == target_t && t > 0 => 1,
                                true => 3,
                            });
                        }
                    }
                    templates.push((Layer { spatial: s, temporal: t }, indications));
                }
            }
        }
        let differences = vec![vec![]; templates.len()];
        let sizes = (0..spatial).map(|s| (320u16 << s, 180u16 << s)).collect();
        Plan { id_offset: 0, templates, differences, chains: 1, sizes: Some(sizes) }
    }

    fn targets(&self) -> usize {
        self.templates[0].1.len()
    }

    /// The descriptor of a frame of template `index`.
    pub fn write(&self, index: usize, number: u16, structure: bool, own: Option<&[u8]>) -> Vec<u8> {
        let mut out = Writer::default();
        out.bits(0b11, 2);
        out.bits(u32::from((self.id_offset as usize + index) as u8 % 64), 6);
        out.bits(u32::from(number), 16);
        if !structure && own.is_none() {
            return out.bytes;
        }
        out.bits(u32::from(structure), 1);
        out.bits(u32::from(structure), 1);
        out.bits(u32::from(own.is_some()), 1);
        out.bits(0, 2);
        if structure {
            self.write_structure(&mut out);
            out.bits(((1u64 << self.targets()) - 1) as u32, self.targets());
        }
        for indication in own.into_iter().flatten() {
            out.bits(u32::from(*indication), 2);
        }
        out.bytes
    }

    fn write_structure(&self, out: &mut Writer) {
        out.bits(u32::from(self.id_offset), 6);
        out.bits(self.targets() as u32 - 1, 5);
        for (at, (layer, _)) in self.templates.iter().enumerate() {
            out.bits(
                match self.templates.get(at + 1) {
                    None => 3,
                    Some((next, _)) if next.spatial > layer.spatial => 2,
                    Some((next, _)) if next.temporal > layer.temporal => 1,
                    Some(_) => 0,
                },
                2,
            );
        }
        for indication in self.templates.iter().flat_map(|(_, all)| all) {
            out.bits(u32::from(*indication), 2);
        }
        for differences in &self.differences {
            for difference in differences {
                out.bits(1, 1);
                out.bits(u32::from(*difference), 4);
            }
            out.bits(0, 1);
        }
        out.below(self.chains, self.targets() as u32 + 1);
        if self.chains != 0 {
            for at in 0..self.targets() {
                out.below(at as u32 % self.chains, self.chains);
            }
            for at in 0..self.templates.len() * self.chains as usize {
                out.bits(at as u32 % 16, 4);
            }
        }
        out.bits(u32::from(self.sizes.is_some()), 1);
        for (width, height) in self.sizes.iter().flatten() {
            out.bits(u32::from(*width) - 1, 16);
            out.bits(u32::from(*height) - 1, 16);
        }
    }
}

fn plans() -> impl Strategy<Value = Plan> {
    (0u8..64, 1usize..10, 1usize..33, 0u32..5, any::<u64>(), any::<bool>()).prop_map(
        |(id_offset, count, targets, chains, mut seed, sized)| {
            let mut next = |limit: u64| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
                (seed >> 33) % limit
            };
            let mut layer = Layer::LOWEST;
            let mut templates = Vec::new();
            let mut differences = Vec::new();
            for _ in 0..count {
                templates.push((layer, (0..targets).map(|_| next(4) as u8).collect()));
                differences.push((0..next(4)).map(|_| next(16) as u8).collect());
                match next(3) {
                    0 => {}
                    1 => layer.temporal += 1,
                    _ => layer = Layer { spatial: layer.spatial + 1, temporal: 0 },
                }
            }
            let spatial = templates.last().unwrap().0.spatial;
            let sizes = (0..=spatial).map(|_| (1 + next(5000) as u16, 1 + next(5000) as u16));
            let sizes = sized.then(|| sizes.collect());
            Plan { id_offset, templates, differences, chains: chains.min(targets as u32), sizes }
        },
    )
}

fn indications(of: &[u8]) -> Targets {
    let mask = |wanted: fn(u8) -> bool| {
        of.iter().enumerate().filter(|(_, i)| wanted(**i)).fold(0, |all, (at, _)| all | 1 << at)
    };
    Targets { present: mask(|i| i != 0), switch: mask(|i| i == 2) }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(plan in plans(), number: u16, offset: u16, own: bool) {
        let mut known = None;
        let first = parse(&plan.write(0, number, true, None), &mut known).unwrap();
        prop_assert!(first.structure && first.number == number);
        for (index, (layer, own_indications)) in plan.templates.iter().enumerate() {
            let reversed: Vec<u8> = own_indications.iter().rev().copied().collect();
            let custom = own.then_some(reversed.as_slice());
            let mut bytes = plan.write(index, number, false, custom);
            renumber(&mut bytes, offset);
            let read = parse(&bytes, &mut known).unwrap();
            prop_assert_eq!(read.layer, *layer);
            prop_assert_eq!(read.targets, indications(custom.unwrap_or(own_indications)));
            prop_assert_eq!(read.number, number.wrapping_add(offset));
            prop_assert!(read.start && read.end && !read.structure);
        }
        let structure = known.unwrap();
        for (spatial, size) in plan.sizes.iter().flatten().enumerate().take(MAX_SPATIAL) {
            prop_assert_eq!(structure.size(spatial), *size);
        }
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80), more: Vec<u8>) {
        let mut known = None;
        parse(&bytes, &mut known);
        if let Some(frame) = parse(&more, &mut known) {
            let structure = known.unwrap();
            let target = structure.target_for(frame.layer);
            prop_assert!(structure.layer(target).temporal < 64);
        }
    }
}

#[test]
fn a_layer_is_found_as_the_decode_target_that_fits() {
    let plan = Plan::layers(3, 3, true);
    let mut known = None;
    parse(&plan.write(0, 7, true, None), &mut known).unwrap();
    let structure = known.unwrap();
    assert_eq!(structure.spatial_layers(), 3);
    assert_eq!(structure.size(2), (1280, 720));
    for spatial in 0..3 {
        for temporal in 0..3 {
            let layer = Layer { spatial, temporal };
            assert_eq!(structure.layer(structure.target_for(layer)), layer);
        }
    }
    assert_eq!(structure.target_for(Layer::HIGHEST), 8);
    assert!(structure.is_within(0, 8) && structure.is_within(7, 8) && !structure.is_within(8, 7));
}

#[test]
fn only_temporal_layers_can_be_left_at_once_where_spatial_ones_stand_alone() {
    let plan = Plan::layers(3, 2, false);
    let mut known = None;
    parse(&plan.write(0, 7, true, None), &mut known).unwrap();
    let structure = known.unwrap();
    let of = |spatial, temporal| structure.target_for(Layer { spatial, temporal });
    assert!(structure.is_within(of(2, 0), of(2, 1)));
    assert!(!structure.is_within(of(1, 1), of(2, 1)), "its delta frames were not sent");
}

#[test]
fn a_template_of_an_unknown_structure_is_not_read() {
    let plan = Plan::layers(1, 2, true);
    assert_eq!(parse(&plan.write(1, 3, false, None), &mut None), None);
    let mut known = None;
    parse(&plan.write(0, 3, true, None), &mut known).unwrap();
    assert_eq!(parse(&[0x3f, 0, 4], &mut known), None);
    assert!(parse(&plan.write(1, 4, false, None), &mut known).is_some());
}
