//! The dependency descriptor (AV1 RTP specification, appendix A): which layers a frame belongs to,
//! and for which decode targets it is needed, whatever the codec.
//!
//! A key frame carries the *template structure*; later frames name a template. Only what a
//! forwarder needs is kept: frame differences and chains are read over.

use crate::sfu::layer::{Layer, MAX_SPATIAL};

const MAX_TEMPLATES: usize = 64;
const MAX_TARGETS: usize = 32;
/// Bytes before the part that only some packets have.
const MANDATORY: usize = 3;

/// Indications of one frame, a bit for each decode target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Targets {
    /// The frame is part of the target.
    pub present: u32,
    /// Whoever can decode this frame can decode the target from here on.
    pub switch: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Template {
    layer: Layer,
    targets: Targets,
}

/// The template structure of one stream, until its next key frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    id_offset: u8,
    templates: [Template; MAX_TEMPLATES],
    template_count: usize,
    /// The highest layers in each decode target.
    targets: [Layer; MAX_TARGETS],
    target_count: usize,
    /// Bits of the targets whose frames are all part of this one, too.
    within: [u32; MAX_TARGETS],
    sizes: [(u16, u16); MAX_SPATIAL],
    spatial_count: u8,
}

/// What the descriptor of one packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub start: bool,
    pub end: bool,
    pub number: u16,
    pub layer: Layer,
    pub targets: Targets,
    /// This packet brought a structure.
    pub structure: bool,
}

impl Structure {
    fn empty() -> Structure {
        Structure {
            id_offset: 0,
            templates: [Template::default(); MAX_TEMPLATES],
            template_count: 0,
            targets: [Layer::LOWEST; MAX_TARGETS],
            target_count: 0,
            within: [0; MAX_TARGETS],
            sizes: [(0, 0); MAX_SPATIAL],
            spatial_count: 0,
        }
    }

    /// Spatial layers in the stream, at least one.
    pub fn spatial_layers(&self) -> usize {
        usize::from(self.spatial_count)
    }

    /// Size of the pictures of a spatial layer, 0 when the stream does not say.
    pub fn size(&self, spatial: usize) -> (u16, u16) {
        self.sizes.get(spatial).copied().unwrap_or_default()
    }

    /// The highest layers of a decode target.
    pub fn layer(&self, target: u8) -> Layer {
        self.targets.get(usize::from(target)).copied().unwrap_or_default()
    }

    /// The best decode target within a layer; the least one when none is.
    pub fn target_for(&self, wanted: Layer) -> u8 {
        let all = || self.targets[..self.target_count].iter().zip(0u8..);
        let fits =
            |layer: &Layer| layer.spatial <= wanted.spatial && layer.temporal <= wanted.temporal;
        let best = all().filter(|(layer, _)| fits(layer)).max_by_key(|(layer, _)| **layer);
        best.or_else(|| all().min_by_key(|(layer, _)| **layer)).map_or(0, |(_, at)| at)
    }

    /// Whoever got all frames of `of` has all of `target`, too.
    pub fn is_within(&self, target: u8, of: u8) -> bool {
        self.within.get(usize::from(of)).is_some_and(|within| within >> target & 1 != 0)
    }

    fn finish(&mut self) {
        let templates = &self.templates[..self.template_count];
        let highest = templates.iter().map(|t| t.layer.spatial).max().unwrap_or(0);
        self.spatial_count = (highest + 1).min(MAX_SPATIAL as u8);
        for at in 0..self.target_count {
            let part = templates.iter().filter(|t| t.targets.present >> at & 1 != 0);
            self.targets[at] = part.clone().fold(Layer::LOWEST, |top, t| Layer {
                spatial: top.spatial.max(t.layer.spatial),
                temporal: top.temporal.max(t.layer.temporal),
            });
            let outside = templates.iter().filter(|t| t.targets.present >> at & 1 == 0);
            self.within[at] = !outside.fold(0, |needed, t| needed | t.targets.present);
        }
    }
}

/// Reads the descriptor of one packet with the structure of its stream, which a packet may
/// replace. None: cut short, or of a structure that we do not have.
pub fn parse(bytes: &[u8], known: &mut Option<Box<Structure>>) -> Option<Frame> {
    let head: &[u8; MANDATORY] = bytes.first_chunk()?;
    let mut read = Bits { bytes, at: 8 * MANDATORY };
    let (mut replaces, mut custom_targets, mut active) = (false, false, false);
    if bytes.len() > MANDATORY {
        replaces = read.flag()?;
        active = read.flag()?;
        custom_targets = read.flag()?;
        read.bits(2)?;
    }
    if replaces {
        let structure = known.get_or_insert_with(|| Box::new(Structure::empty()));
        if read_structure(&mut read, structure).is_none() {
            *known = None;
            return None;
        }
    }
    let structure = known.as_deref()?;
    if active {
        read.bits(structure.target_count)?;
    }
    let id = head[0] & 0x3f;
    let index = usize::from((id + 64 - structure.id_offset) % 64);
    let template = structure.templates[..structure.template_count].get(index)?;
    let mut targets = template.targets;
    if custom_targets {
        targets = read_targets(&mut read, structure.target_count)?;
    }
    Some(Frame {
        start: head[0] & 0x80 != 0,
        end: head[0] & 0x40 != 0,
        number: u16::from_be_bytes([head[1], head[2]]),
        layer: template.layer,
        targets,
        structure: replaces,
    })
}

/// The frame number of a descriptor, with `offset` added.
#[inline]
pub fn renumber(bytes: &mut [u8], offset: u16) {
    if let Some([_, high, low]) = bytes.first_chunk_mut() {
        [*high, *low] = u16::from_be_bytes([*high, *low]).wrapping_add(offset).to_be_bytes();
    }
}

fn read_structure(read: &mut Bits<'_>, out: &mut Structure) -> Option<()> {
    *out = Structure::empty();
    out.id_offset = read.bits(6)? as u8;
    out.target_count = read.bits(5)? as usize + 1;
    let mut layer = Layer::LOWEST;
    loop {
        let template = out.templates.get_mut(out.template_count)?;
        template.layer = layer;
        out.template_count += 1;
        match read.bits(2)? {
            0 => {}
            1 => layer.temporal += 1,
            2 => layer = Layer { spatial: layer.spatial + 1, temporal: 0 },
            _ => break,
        }
    }
    for at in 0..out.template_count {
        out.templates[at].targets = read_targets(read, out.target_count)?;
    }
    for _ in 0..out.template_count {
        while read.flag()? {
            read.bits(4)?;
        }
    }
    let chains = read.below(out.target_count as u32 + 1)?;
    if chains != 0 {
        for _ in 0..out.target_count {
            read.below(chains)?;
        }
        for _ in 0..out.template_count * chains as usize {
            read.bits(4)?;
        }
    }
    out.finish();
    if read.flag()? {
        let highest = out.templates[..out.template_count].iter().map(|t| t.layer.spatial).max()?;
        for at in 0..=usize::from(highest) {
            let (width, height) = (read.bits(16)? as u16, read.bits(16)? as u16);
            if let Some(size) = out.sizes.get_mut(at) {
                *size = (width.saturating_add(1), height.saturating_add(1));
            }
        }
    }
    Some(())
}

fn read_targets(read: &mut Bits<'_>, count: usize) -> Option<Targets> {
    let mut targets = Targets::default();
    for at in 0..count {
        // 0 not present, 1 discardable, 2 switch, 3 required
        let indication = read.bits(2)?;
        targets.present |= u32::from(indication != 0) << at;
        targets.switch |= u32::from(indication == 2) << at;
    }
    Some(targets)
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn flag(&mut self) -> Option<bool> {
        let byte = *self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit != 0)
    }

    fn bits(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.flag()?);
        }
        Some(value)
    }

    /// A number below `limit`, as `ns(n)` of the specification writes it.
    fn below(&mut self, limit: u32) -> Option<u32> {
        let width = (u32::BITS - limit.leading_zeros()) as usize;
        let short = (1u32 << width) - limit;
        let value = self.bits(width.checked_sub(1)?)?;
        if value < short {
            return Some(value);
        }
        Some((value << 1) - short + u32::from(self.flag()?))
    }
}

#[cfg(test)]
#[path = "dd_tests.rs"]
pub(crate) mod tests;
