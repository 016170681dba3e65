//! The layers of a track: what they cost, what a viewer can use of them, what is sent.
//!
//! Two questions are kept apart. A viewer's [`View`] gives the *wish*: the highest layer that is
//! of use on their screen ([`Measured::fit`]). The *target* is what they are sent at most; whoever
//! divides the bandwidth sets it (until somebody does, it is the wish). No target: paused.

use std::time::{Duration, Instant};

/// Spatial layers: simulcast streams, or spatial layers inside one stream (SVC).
pub const MAX_SPATIAL: usize = 3;
/// Temporal layers told apart; higher ones count as the highest.
pub const MAX_TEMPORAL: usize = 4;

/// Bitrates are measured over windows of this length.
const WINDOW: Duration = Duration::from_millis(500);
/// A layer that was silent for this long while others went on has been switched off.
pub const SILENT: Duration = Duration::from_millis(600);
/// Longer than the pause between two frames.
const LULL: Duration = Duration::from_millis(200);
/// The picture of a camera whose size nobody knows yet.
const ASSUMED: (u32, u32) = (960, 540);

/// A quality: everything up to this spatial and temporal layer. Ordered by picture size first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Layer {
    pub spatial: u8,
    pub temporal: u8,
}

impl Layer {
    pub const LOWEST: Layer = Layer { spatial: 0, temporal: 0 };
    pub const HIGHEST: Layer =
        Layer { spatial: MAX_SPATIAL as u8 - 1, temporal: MAX_TEMPORAL as u8 - 1 };

    /// Both parts held down to those of `cap`.
    pub fn up_to(self, cap: Layer) -> Layer {
        Layer { spatial: self.spatial.min(cap.spatial), temporal: self.temporal.min(cap.temporal) }
    }
}

/// How a subscriber shows a track, in device pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    pub width: u16,
    pub height: u16,
    /// False: nothing of it is sent.
    pub visible: bool,
    /// Who is served first when not all fits: higher before lower.
    pub priority: u8,
}

impl View {
    /// Of a subscriber that never says what it shows.
    pub const FULL: View = View { width: u16::MAX, height: u16::MAX, visible: true, priority: 0 };
    /// Of a track that a subscriber who does say so has not mentioned yet.
    pub const SMALL: View = View { width: 0, height: 0, visible: true, priority: 0 };
}

/// One spatial layer as it was last seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spatial {
    /// It exists: it was negotiated (simulcast) or announced by the stream (SVC).
    pub exists: bool,
    /// It is arriving.
    pub active: bool,
    /// It fell silent without having been switched off: the publisher's line cannot carry it.
    pub given_up: bool,
    /// Its publisher was told not to send it; what is on its way still comes.
    pub off: bool,
    /// Of its pictures; 0 until one was seen.
    pub width: u16,
    pub height: u16,
    /// Temporal layers seen, at least one.
    pub temporals: u8,
    /// Bits/s of each temporal layer alone; the last figures of a layer that is off.
    pub bitrates: [u32; MAX_TEMPORAL],
}

/// What is known of the layers of one track.
#[derive(Debug, Clone)]
pub struct Measured {
    spatial: [Spatial; MAX_SPATIAL],
    /// Spatial layers build on each other in one stream.
    stacked: bool,
    bytes: [[u32; MAX_TEMPORAL]; MAX_SPATIAL],
    last: [Option<Instant>; MAX_SPATIAL],
    since: Option<Instant>,
}

impl Measured {
    /// Of a track with `streams` simulcast streams, or one.
    pub fn new(streams: usize) -> Measured {
        let mut spatial = [Spatial { temporals: 1, ..Spatial::default() }; MAX_SPATIAL];
        for one in spatial.iter_mut().take(streams.max(1)) {
            one.exists = true;
        }
        Measured {
            spatial,
            stacked: false,
            bytes: Default::default(),
            last: [None; MAX_SPATIAL],
            since: None,
        }
    }

    /// The stream says that it has so many spatial layers inside.
    pub fn stack(&mut self, spatial: usize) {
        self.stacked = spatial > 1;
        for (at, one) in self.spatial.iter_mut().enumerate() {
            one.exists = at < spatial;
        }
    }

    /// Notes a packet of a layer. True when the set of arriving layers changed.
    #[inline]
    pub fn arrived(&mut self, now: Instant, layer: Layer, bytes: usize) -> bool {
        let at = usize::from(layer.spatial).min(MAX_SPATIAL - 1);
        let temporal = usize::from(layer.temporal).min(MAX_TEMPORAL - 1);
        self.bytes[at][temporal] = self.bytes[at][temporal].saturating_add(bytes as u32);
        // A while in which nothing came at all says nothing of single layers.
        let newest = self.last.iter().flatten().max().copied().unwrap_or(now);
        let lull = now.saturating_duration_since(newest);
        if lull > LULL {
            self.last.iter_mut().flatten().for_each(|last| *last += lull);
        }
        self.last[at] = Some(now);
        let one = &mut self.spatial[at];
        one.temporals = one.temporals.max(temporal as u8 + 1);
        let began = !std::mem::replace(&mut one.active, true);
        one.given_up = false;
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= WINDOW {
            self.turn(now, since);
        }
        began | self.silence(now)
    }

    fn silence(&mut self, now: Instant) -> bool {
        let mut changed = false;
        for (one, last) in self.spatial.iter_mut().zip(self.last) {
            let silent = last.is_none_or(|at| now.saturating_duration_since(at) > SILENT);
            if one.active && silent {
                (one.active, one.given_up) = (false, !one.off);
                changed = true;
            }
        }
        changed
    }

    /// Ends a window: the figures follow at half speed, so that one key frame is no new bitrate.
    fn turn(&mut self, now: Instant, since: Instant) {
        let took = now.saturating_duration_since(since).as_micros().max(1) as u64;
        for (one, bytes) in self.spatial.iter_mut().zip(&mut self.bytes) {
            let total: u32 = bytes.iter().sum();
            if total == 0 {
                continue;
            }
            for (rate, bytes) in one.bitrates.iter_mut().zip(bytes) {
                let measured = (u64::from(*bytes) * 8_000_000 / took).min(u64::from(u32::MAX));
                let next = if *rate == 0 { measured } else { (u64::from(*rate) + measured) / 2 };
                *rate = next as u32;
                *bytes = 0;
            }
        }
        self.since = Some(now);
    }

    /// The publisher was told to send this layer, or to send it no more.
    pub fn switched(&mut self, spatial: u8, on: bool) {
        if let Some(one) = self.spatial.get_mut(usize::from(spatial)) {
            one.off = !on;
            if one.off {
                (one.active, one.given_up) = (false, false);
            }
        }
    }

    /// Notes the size of a layer's pictures. True when it is another than before.
    pub fn sized(&mut self, spatial: u8, width: u16, height: u16) -> bool {
        let Some(one) = self.spatial.get_mut(usize::from(spatial)) else { return false };
        let changed = (one.width, one.height) != (width, height) && width != 0 && height != 0;
        if changed {
            (one.width, one.height) = (width, height);
        }
        changed
    }

    pub fn spatial(&self, layer: u8) -> Spatial {
        self.spatial.get(usize::from(layer)).copied().unwrap_or_default()
    }

    /// Spatial layers build on each other in one stream (SVC).
    pub fn is_stacked(&self) -> bool {
        self.stacked
    }

    /// Bits/s that sending up to `layer` costs, without headers; the last figures known.
    pub fn bitrate(&self, layer: Layer) -> u64 {
        let top = usize::from(layer.spatial).min(MAX_SPATIAL - 1);
        let from = if self.stacked { 0 } else { top };
        let temporal = usize::from(layer.temporal).min(MAX_TEMPORAL - 1);
        let layers = self.spatial[from..=top].iter();
        layers.flat_map(|one| &one.bitrates[..=temporal]).map(|rate| u64::from(*rate)).sum()
    }

    /// The layers that arrive now, lowest first.
    pub fn arriving(&self) -> impl DoubleEndedIterator<Item = Layer> + '_ {
        let active = (0..MAX_SPATIAL as u8).filter(|at| self.spatial(*at).active);
        active.flat_map(|spatial| {
            (0..self.spatial(spatial).temporals).map(move |temporal| Layer { spatial, temporal })
        })
    }

    /// The highest spatial layer that there is, arriving or not.
    pub fn top(&self) -> u8 {
        self.spatial.iter().rposition(|one| one.exists).unwrap_or(0) as u8
    }

    /// Size of a layer's pictures; each layer is taken for half of the next where none was seen.
    pub fn size(&self, spatial: u8) -> (u32, u32) {
        let known = |at: u8| {
            let one = self.spatial(at);
            (one.width != 0).then_some((u32::from(one.width), u32::from(one.height)))
        };
        let scaled = |(width, height): (u32, u32), from: u8| {
            if from > spatial {
                (width >> (from - spatial), height >> (from - spatial))
            } else {
                (width << (spatial - from), height << (spatial - from))
            }
        };
        let nearest = (0..MAX_SPATIAL as u8)
            .filter_map(|at| Some((at, known(at)?)))
            .min_by_key(|(at, _)| at.abs_diff(spatial));
        match nearest {
            Some((at, size)) => scaled(size, at),
            None => scaled(ASSUMED, self.top()),
        }
    }

    /// The lowest layer that looks sharp in a view: its pictures are stretched by less than a
    /// third. None when the view is not visible.
    pub fn fit(&self, view: &View) -> Option<Layer> {
        if !view.visible {
            return None;
        }
        let sharp = |spatial: &u8| {
            let (width, height) = self.size(*spatial);
            // Shown whole, the picture touches the nearer pair of edges.
            let wide = u64::from(view.width) * 3 < u64::from(width) * 4;
            let high = u64::from(view.height) * 3 < u64::from(height) * 4;
            wide || high
        };
        let top = self.top();
        let exists = |spatial: &u8| self.spatial(*spatial).exists;
        let spatial = (0..=top).filter(exists).find(sharp).unwrap_or(top);
        Some(Layer { spatial, temporal: Layer::HIGHEST.temporal })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(width: u16, height: u16) -> View {
        View { width, height, visible: true, priority: 0 }
    }

    /// Three simulcast layers of a camera of 960 × 540.
    fn camera() -> Measured {
        let mut measured = Measured::new(3);
        measured.sized(2, 960, 540);
        measured
    }

    #[test]
    fn a_view_gets_the_lowest_layer_that_looks_sharp_in_it() {
        let spatial = |view: View| camera().fit(&view).map(|layer| layer.spatial);
        assert_eq!(spatial(shown(160, 90)), Some(0));
        assert_eq!(spatial(shown(319, 179)), Some(0), "stretched by less than a third");
        assert_eq!(spatial(shown(480, 270)), Some(1));
        assert_eq!(spatial(shown(1280, 720)), Some(2));
        assert_eq!(spatial(View::FULL), Some(2));
        assert_eq!(spatial(View::SMALL), Some(0));
        assert_eq!(spatial(View { visible: false, ..View::FULL }), None);
        assert_eq!(spatial(shown(2000, 120)), Some(0), "the picture is as high as the strip");
    }

    #[test]
    fn bitrates_add_up_over_temporal_layers_and_over_stacked_ones() {
        let t0 = crate::testing::origin();
        let mut measured = Measured::new(3);
        for step in 0..200u64 {
            let now = t0 + Duration::from_millis(step * 10);
            for spatial in 0..2u8 {
                let layer = Layer { spatial, temporal: (step % 2) as u8 };
                measured.arrived(now, layer, 125 * (1 + usize::from(spatial)));
            }
        }
        let rate = |measured: &Measured, spatial, temporal| {
            (measured.bitrate(Layer { spatial, temporal }) + 2_500) / 5_000 * 5_000
        };
        assert_eq!(rate(&measured, 0, 0), 50_000);
        assert_eq!(rate(&measured, 0, 3), 100_000);
        assert_eq!(rate(&measured, 1, 3), 200_000);
        let all: Vec<_> = measured.arriving().map(|l| (l.spatial, l.temporal)).collect();
        assert_eq!(all, [(0, 0), (0, 1), (1, 0), (1, 1)]);
        measured.stack(2);
        assert_eq!(rate(&measured, 1, 3), 300_000);
    }

    #[test]
    fn a_layer_that_was_switched_off_is_not_given_up_though_some_of_it_still_comes() {
        let t0 = crate::testing::origin();
        let at = |ms| t0 + Duration::from_millis(ms);
        let fall = |off: bool| {
            let mut measured = Measured::new(2);
            for ms in 0..30 {
                if ms == 5 && off {
                    measured.switched(1, false);
                }
                measured.arrived(at(ms * 40), Layer::LOWEST, 9);
                if ms < 8 {
                    measured.arrived(at(ms * 40), Layer { spatial: 1, temporal: 0 }, 9);
                }
            }
            assert!(!measured.spatial(1).active);
            measured.spatial(1).given_up
        };
        assert_eq!((fall(true), fall(false)), (false, true));
    }

    #[test]
    fn a_layer_that_falls_silent_while_others_go_on_is_off() {
        let t0 = crate::testing::origin();
        let mut measured = Measured::new(2);
        let at = |ms| t0 + Duration::from_millis(ms);
        assert!(measured.arrived(at(0), Layer { spatial: 0, temporal: 0 }, 9));
        assert!(measured.arrived(at(1), Layer { spatial: 1, temporal: 0 }, 9));
        for ms in 1..7 {
            assert!(!measured.arrived(at(ms * 100), Layer::LOWEST, 9));
        }
        assert!(measured.arrived(at(700), Layer::LOWEST, 9));
        assert!(!measured.spatial(1).active && measured.spatial(0).active);
        measured.arrived(at(750), Layer { spatial: 1, temporal: 0 }, 9);
        assert!(!measured.arrived(at(9_000), Layer::LOWEST, 9), "nothing came of either");
    }

    proptest! {
        /// A larger tile never gets a smaller picture.
        #[test]
        fn fit_grows_with_the_view(
            sizes in proptest::collection::vec((1u16..2000, 1u16..2000), 0..3),
            (w, h) in (0u16..3000, 0u16..3000), (more_w, more_h) in (0u16..1000, 0u16..1000),
        ) {
            let mut measured = Measured::new(3);
            let mut sizes = sizes;
            sizes.sort();
            for (at, (width, height)) in sizes.iter().enumerate() {
                measured.sized(at as u8, *width, *height);
            }
            let small = measured.fit(&shown(w, h)).unwrap();
            let large = measured.fit(&shown(w + more_w, h + more_h)).unwrap();
            prop_assert!(small <= large);
        }
    }
}
