//! Connection quality in three grades, with hysteresis: a grade changes when the figures stay on
//! the other side of a threshold, so that nobody's mark flickers.

use std::time::Duration;

/// 好, 一般, 差; the order is from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    Good,
    Fair,
    Poor,
}

impl Grade {
    pub const ALL: [Grade; 3] = [Grade::Good, Grade::Fair, Grade::Poor];

    pub const fn name(self) -> &'static str {
        match self {
            Grade::Good => "good",
            Grade::Fair => "fair",
            Grade::Poor => "poor",
        }
    }
}

/// What a grade is made of: one peer over one interval, the worse of both directions.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figures {
    pub rtt: Option<Duration>,
    /// Share of packets lost before repair, 0–1.
    pub loss: f32,
    pub jitter: Duration,
    /// Share of the interval in which a camera stood still though its packets came to us, 0–1.
    pub frozen: f32,
    /// It publishes something that is switched on, and nothing of it came at all.
    pub silent: bool,
}

/// Beyond these talk begins to suffer, and suffers badly. ITU-T G.114: 150 ms one way is fine,
/// over 400 ms is not; Opus with in-band FEC hides single losses of a few per cent; NetEQ holds
/// some 100 ms of jitter with audible delay.
const FAIR: Limits = Limits { rtt_ms: 250.0, loss: 0.03, jitter_ms: 50.0, frozen: 0.1 };
const POOR: Limits = Limits { rtt_ms: 450.0, loss: 0.10, jitter_ms: 120.0, frozen: 0.4 };
/// To get better the figures must fall below this share of the threshold.
const MARGIN: f32 = 0.75;
/// Intervals in a row until a worse, or a better, grade is believed.
const WORSE_AFTER: u8 = 2;
const BETTER_AFTER: u8 = 3;

struct Limits {
    rtt_ms: f32,
    loss: f32,
    jitter_ms: f32,
    frozen: f32,
}

impl Limits {
    fn exceeded(&self, figures: &Figures, scale: f32) -> bool {
        let ms = |duration: Duration| duration.as_secs_f32() * 1_000.0;
        figures.rtt.is_some_and(|rtt| ms(rtt) > self.rtt_ms * scale)
            || figures.loss > self.loss * scale
            || ms(figures.jitter) > self.jitter_ms * scale
            || figures.frozen > self.frozen * scale
    }
}

impl Figures {
    fn grade(&self, scale: f32) -> Grade {
        if self.silent || POOR.exceeded(self, scale) {
            Grade::Poor
        } else if FAIR.exceeded(self, scale) {
            Grade::Fair
        } else {
            Grade::Good
        }
    }
}

/// The grade of one peer over time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Grader {
    grade: Option<Grade>,
    worse: u8,
    better: u8,
}

impl Grader {
    /// Takes the figures of one more interval.
    pub fn take(&mut self, figures: &Figures) -> Grade {
        let plain = figures.grade(1.0);
        let strict = figures.grade(MARGIN);
        let Some(grade) = self.grade else { return *self.grade.insert(plain) };
        self.worse = if plain > grade { self.worse + 1 } else { 0 };
        self.better = if strict < grade { self.better + 1 } else { 0 };
        let next = if self.worse >= WORSE_AFTER {
            plain
        } else if self.better >= BETTER_AFTER {
            strict
        } else {
            return grade;
        };
        *self = Grader { grade: Some(next), worse: 0, better: 0 };
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lossy(loss: f32) -> Figures {
        Figures { loss, ..Figures::default() }
    }

    fn grades(losses: &[f32]) -> Vec<Grade> {
        let mut grader = Grader::default();
        losses.iter().map(|loss| grader.take(&lossy(*loss))).collect()
    }

    #[test]
    fn each_figure_alone_decides_at_its_threshold() {
        let ms = Duration::from_millis;
        let of = |figures: Figures| Grader::default().take(&figures);
        for (fair, poor) in [
            (
                Figures { rtt: Some(ms(251)), ..Figures::default() },
                Figures { rtt: Some(ms(451)), ..Figures::default() },
            ),
            (lossy(0.031), lossy(0.101)),
            (
                Figures { jitter: ms(51), ..Figures::default() },
                Figures { jitter: ms(121), ..Figures::default() },
            ),
            (
                Figures { frozen: 0.11, ..Figures::default() },
                Figures { frozen: 0.41, ..Figures::default() },
            ),
        ] {
            assert_eq!((of(fair), of(poor)), (Grade::Fair, Grade::Poor), "{fair:?} {poor:?}");
        }
        let edge =
            Figures { rtt: Some(ms(250)), loss: 0.03, jitter: ms(50), frozen: 0.1, ..lossy(0.03) };
        assert_eq!(of(edge), Grade::Good, "the threshold itself is fine");
        assert_eq!(of(Figures { silent: true, ..Figures::default() }), Grade::Poor);
    }

    #[test]
    fn one_bad_interval_is_forgiven_and_two_are_not() {
        use Grade::{Good, Poor};
        assert_eq!(grades(&[0.0, 0.5, 0.0, 0.5, 0.5]), [Good, Good, Good, Good, Poor]);
    }

    #[test]
    fn getting_better_takes_three_intervals_well_below_the_threshold() {
        use Grade::{Fair, Good};
        assert_eq!(grades(&[0.05, 0.0, 0.0, 0.0]), [Fair, Fair, Fair, Good]);
        // 2.5 % is below 3 %, but not well below.
        assert_eq!(grades(&[0.05, 0.025, 0.025, 0.025, 0.025]), [Fair; 5]);
    }

    proptest! {
        /// Whatever comes, a grade that changed stays for two intervals at least.
        #[test]
        fn a_grade_never_flickers(losses in proptest::collection::vec(0f32..0.2, 3..100)) {
            let grades = grades(&losses);
            let changes: Vec<usize> =
                (1..grades.len()).filter(|at| grades[*at] != grades[at - 1]).collect();
            for pair in changes.windows(2) {
                prop_assert!(pair[1] - pair[0] >= usize::from(WORSE_AFTER));
            }
        }
    }
}
