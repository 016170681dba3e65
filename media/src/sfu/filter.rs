//! Which frames of the stream that a slot follows are let through: temporal layers, and the
//! spatial layers inside one stream.
//!
//! Going down happens at the next frame. Going up waits for a frame from which the layer can be
//! decoded: one that refers to the base layer only (VP8, VP9), or a switch point (dependency
//! descriptor); where none comes, a key frame has to be asked for.

use super::layer::Layer;
use crate::rtp::dd::{self, Structure};
use crate::rtp::vp8::Descriptor;

/// What a packet says of its frame.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// RTP timestamp.
    pub timestamp: u32,
    /// A decoder can start here.
    pub key: bool,
    pub descriptor: &'a Descriptor,
    pub dependency: Option<(&'a dd::Frame, &'a Structure)>,
}

/// What is in force for one slot.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Highest temporal layer let through, where the codec names them.
    temporal: u8,
    /// Decode target, where dependency descriptors do.
    target: u8,
    /// Frame that the newest packet belongs to, and whether it is let through.
    newest: Option<(u32, Option<u16>)>,
    keep: bool,
}

/// What becomes of the newest packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub keep: bool,
    /// The wanted layer can only be reached by a key frame.
    pub key_frame_wanted: bool,
}

impl Filter {
    /// A new stream begins at a key frame.
    pub fn begin(&mut self, wanted: Layer, structure: Option<&Structure>) {
        *self = Filter {
            temporal: wanted.temporal,
            target: structure.map_or(0, |structure| structure.target_for(wanted)),
            newest: None,
            keep: true,
        };
    }

    /// Decides on the newest packet of the stream; all packets of a frame fare alike.
    pub fn decide(&mut self, frame: &Frame<'_>, wanted: Layer) -> Verdict {
        let id = (frame.timestamp, frame.dependency.map(|(read, _)| read.number));
        if self.newest == Some(id) {
            return Verdict { keep: self.keep, key_frame_wanted: false };
        }
        self.newest = Some(id);
        let mut key_frame_wanted = false;
        match frame.dependency {
            Some((read, structure)) => {
                key_frame_wanted = self.turn(frame.key, read, structure, wanted);
            }
            None => self.step(frame, wanted.temporal),
        }
        self.keep = self.passes(frame);
        Verdict { keep: self.keep, key_frame_wanted }
    }

    /// Does a packet belong to what is in force? For packets that come late.
    pub fn passes(&self, frame: &Frame<'_>) -> bool {
        match frame.dependency {
            Some((read, _)) => read.targets.present >> self.target & 1 != 0,
            None => frame.descriptor.temporal <= self.temporal,
        }
    }

    /// Is this the last packet of its picture that the slot is sent?
    pub fn ends_picture(&self, read: &dd::Frame, structure: &Structure) -> bool {
        structure.spatial_layers() > 1
            && read.end
            && read.layer.spatial == structure.layer(self.target).spatial
    }

    /// One temporal layer at a time: the next is built on the one below.
    fn step(&mut self, frame: &Frame<'_>, wanted: u8) {
        let Descriptor { temporal, sync, .. } = *frame.descriptor;
        if frame.key || wanted < self.temporal {
            self.temporal = wanted;
        } else if sync && temporal == self.temporal + 1 && temporal <= wanted {
            self.temporal = temporal;
        }
    }

    fn turn(&mut self, key: bool, read: &dd::Frame, known: &Structure, wanted: Layer) -> bool {
        let goal = known.target_for(wanted);
        if goal == self.target {
            return false;
        }
        let begins = read.targets.switch >> goal & 1 != 0;
        if begins && (key || self.has_base(read, known)) || known.is_within(goal, self.target) {
            self.target = goal;
            return false;
        }
        let (now, then) = (known.layer(self.target), known.layer(goal));
        if then < now {
            // Until the key frame comes: the least that can be had at once.
            let least = known.target_for(Layer { spatial: now.spatial, temporal: 0 });
            if known.is_within(least, self.target) {
                self.target = least;
            }
        }
        then.spatial != now.spatial
    }

    /// A switch point helps only those who have what it refers to: the slot is sent the layers
    /// below it.
    fn has_base(&self, read: &dd::Frame, known: &Structure) -> bool {
        let now = known.layer(self.target);
        read.layer.spatial <= now.spatial && read.layer.temporal <= now.temporal + 1
    }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
