//! The wall clock, injected: tests set it, nothing pure reads it.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Microseconds UTC. Cloning shares the clock.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still until [`Clock::advance`].
    pub fn fixed(now_us: i64) -> Self {
        Self(Some(Arc::new(AtomicI64::new(now_us))))
    }

    pub fn now_us(&self) -> i64 {
        match &self.0 {
            Some(fixed) => fixed.load(Ordering::SeqCst),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .ok()
                .and_then(|d| i64::try_from(d.as_micros()).ok())
                .unwrap_or(0),
        }
    }

    /// Microseconds that pass evenly, since some moment of this process: no step of the wall clock
    /// reaches them. Of a fixed clock the same as [`Clock::now_us`].
    pub fn mono_us(&self) -> i64 {
        match &self.0 {
            Some(fixed) => fixed.load(Ordering::SeqCst),
            None => i64::try_from(start().elapsed().as_micros()).unwrap_or(i64::MAX),
        }
    }

    /// Moves a fixed clock; the system's clock moves by itself.
    pub fn advance(&self, by_us: i64) {
        if let Some(fixed) = &self.0 {
            fixed.fetch_add(by_us, Ordering::SeqCst);
        }
    }
}

fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// The day in China at that moment, `2026-11-22`: the calendar of terms and duties.
pub fn local_day(us: i64) -> String {
    // No daylight saving time since 1991.
    const OFFSET_US: i64 = 8 * 3_600_000_000;
    let local = jiff::Timestamp::from_microsecond(us.saturating_add(OFFSET_US));
    local.map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%d").to_string())
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Clock::fixed" } else { "Clock::system" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_changes_at_midnight_in_china() {
        let midnight = 1_795_276_800_000_000;
        assert_eq!(local_day(midnight), "2026-11-22");
        assert_eq!(local_day(midnight - 1), "2026-11-21");
    }
}
