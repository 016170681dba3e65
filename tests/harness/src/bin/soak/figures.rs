//! What is looked at, and how a slope is made of it.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// The server process at one instant.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Sample {
    #[serde(skip)]
    pub at: Duration,
    /// Anonymous resident memory in MB: not the pages of files that the kernel keeps.
    pub memory_mb: f64,
    pub files: u64,
    pub threads: u64,
    /// Tasks of the async runtime that have not ended.
    pub tasks: u64,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory_mb, files, threads, tasks, .. } = self;
        write!(f, "{memory_mb:.1} MB, {files} sockets and files, {threads} threads, {tasks} tasks")
    }
}

/// Least squares over the samples; nothing of fewer than ten.
pub fn slope_mb_per_hour(samples: &[Sample]) -> Option<f64> {
    if samples.len() < 10 {
        return None;
    }
    let count = samples.len() as f64;
    let time = |s: &Sample| s.at.as_secs_f64() / 3_600.0;
    let (mean_t, mean_m) = (
        samples.iter().map(time).sum::<f64>() / count,
        samples.iter().map(|s| s.memory_mb).sum::<f64>() / count,
    );
    let over: f64 = samples.iter().map(|s| (time(s) - mean_t) * (s.memory_mb - mean_m)).sum();
    let under: f64 = samples.iter().map(|s| (time(s) - mean_t).powi(2)).sum();
    (under > 0.0).then(|| over / under)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(slope: f64) -> Vec<Sample> {
        (0..600u32)
            .map(|second| Sample {
                at: Duration::from_secs(second.into()),
                // Noise that goes up and down evenly.
                memory_mb: 50.0 + slope * f64::from(second) / 3_600.0 + f64::from(second % 2),
                files: 1,
                threads: 1,
                tasks: 1,
            })
            .collect()
    }

    #[test]
    fn a_leak_shows_as_its_slope_and_noise_does_not() {
        assert!(slope_mb_per_hour(&line(0.0)).unwrap().abs() < 0.1);
        assert!((slope_mb_per_hour(&line(12.0)).unwrap() - 12.0).abs() < 0.1);
        assert!(slope_mb_per_hour(&line(1.0)[..5]).is_none());
    }
}
