//! Algebra of time intervals: union, clipping, subtraction, bridging.
//!
//! A list is *normal* when it is sorted, its spans are not empty and none touches another. All
//! functions return normal lists and accept any.

/// Half open `[from, to)`, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub from: i64,
    pub to: i64,
}

impl Span {
    pub const fn new(from: i64, to: i64) -> Self {
        Self { from, to }
    }

    /// Zero for an inverted span.
    pub const fn len(&self) -> i64 {
        if self.to > self.from { self.to - self.from } else { 0 }
    }

    pub const fn is_empty(&self) -> bool {
        self.to <= self.from
    }
}

/// The set covered by any of `spans`: overlap counts once.
pub fn union(spans: impl IntoIterator<Item = Span>) -> Vec<Span> {
    let mut spans: Vec<Span> = spans.into_iter().filter(|s| !s.is_empty()).collect();
    spans.sort_unstable();
    let mut out: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match out.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => out.push(span),
        }
    }
    out
}

/// What of `spans` lies inside `window`.
pub fn clip(spans: &[Span], window: Span) -> Vec<Span> {
    union(spans.iter().map(|s| Span::new(s.from.max(window.from), s.to.min(window.to))))
}

/// What of `spans` lies outside every span of `holes`.
pub fn subtract(spans: &[Span], holes: &[Span]) -> Vec<Span> {
    let holes = union(holes.iter().copied());
    let mut out = Vec::new();
    for span in union(spans.iter().copied()) {
        let mut from = span.from;
        for hole in holes.iter().filter(|h| h.to > span.from && h.from < span.to) {
            out.push(Span::new(from, hole.from));
            from = hole.to;
        }
        out.push(Span::new(from, span.to));
    }
    union(out)
}

/// Sum of lengths of the union.
pub fn total(spans: &[Span]) -> i64 {
    union(spans.iter().copied()).iter().map(Span::len).sum()
}

/// Closes gaps of at most `longest` in the union of `spans` whose last moment before the gap is
/// one that `may_bridge` accepts (a line that dropped, not a clicked 离开).
pub fn bridge(spans: &[Span], longest: i64, may_bridge: impl Fn(i64) -> bool) -> Vec<Span> {
    let mut out: Vec<Span> = Vec::new();
    for span in union(spans.iter().copied()) {
        match out.last_mut() {
            Some(last) if span.from - last.to <= longest && may_bridge(last.to) => {
                last.to = span.to;
            }
            _ => out.push(span),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The slow truth: a set of unit cells.
    fn cells(spans: &[Span]) -> Vec<bool> {
        let mut cells = vec![false; 64];
        for s in spans {
            for t in s.from.max(0)..s.to.min(64) {
                cells[usize::try_from(t).unwrap()] = true;
            }
        }
        cells
    }

    fn spans() -> impl Strategy<Value = Vec<Span>> {
        prop::collection::vec((0i64..64, 0i64..64).prop_map(|(a, b)| Span::new(a, b)), 0..8)
    }

    fn is_normal(spans: &[Span]) -> bool {
        spans.iter().all(|s| !s.is_empty()) && spans.windows(2).all(|w| w[0].to < w[1].from)
    }

    proptest! {
        #[test]
        fn union_covers_the_same_cells_and_never_exceeds_the_span(a in spans()) {
            let u = union(a.iter().copied());
            prop_assert!(is_normal(&u));
            prop_assert_eq!(cells(&u), cells(&a));
            let real = a.iter().filter(|s| !s.is_empty());
            let hull = real.clone().map(|s| s.to).max().unwrap_or(0)
                - real.clone().map(|s| s.from).min().unwrap_or(0);
            prop_assert!(total(&a) <= hull);
            prop_assert!(total(&a) <= real.map(Span::len).sum());
        }

        #[test]
        fn clip_and_subtract_split_a_set_in_two(a in spans(), from in 0i64..64, to in 0i64..64) {
            let window = Span::new(from, to);
            let (inside, outside) = (clip(&a, window), subtract(&a, &[window]));
            prop_assert!(is_normal(&inside) && is_normal(&outside));
            prop_assert_eq!(total(&inside) + total(&outside), total(&a));
            let both: Vec<Span> = inside.into_iter().chain(outside).collect();
            prop_assert_eq!(cells(&both), cells(&a));
        }

        #[test]
        fn bridging_only_adds_and_no_gap_longer_than_allowed(a in spans(), longest in 0i64..20) {
            let b = bridge(&a, longest, |_| true);
            prop_assert!(is_normal(&b));
            prop_assert!(total(&b) >= total(&a));
            prop_assert!(b.windows(2).all(|w| w[1].from - w[0].to > longest));
            prop_assert_eq!(bridge(&a, longest, |_| false), union(a.iter().copied()));
        }
    }
}
