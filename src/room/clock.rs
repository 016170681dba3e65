//! The two clocks of a session, and how the monotonic one survives a restart.
//!
//! Durations come from the machine's boot clock, which neither an operator nor NTP can step. When
//! the session opens, its zero is kept as (boot id, microseconds since boot). After a restart of
//! the server on the same boot nothing is guessed; after a boot of the machine the clock goes on
//! from the last journal event by the wall clock, never backwards.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::effect::Now;
use crate::clock::Clock;

/// Where a session's monotonic zero lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    pub boot_id: String,
    /// Microseconds since boot at the session's zero; negative when it opened before this boot.
    pub origin_us: i64,
}

/// The machine's clocks, read once at start and carried on by [`Instant`].
#[derive(Debug, Clone)]
pub struct MachineClock {
    boot_id: String,
    since_boot_us: i64,
    base: Instant,
    wall: Clock,
}

impl MachineClock {
    /// Reads the boot id and uptime of Linux; elsewhere every start counts as a new boot.
    pub fn system(wall: Clock) -> Self {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map(|text| text.trim().to_owned())
            .unwrap_or_else(|_| uuid::Uuid::new_v4().to_string());
        let since_boot_us = std::fs::read_to_string("/proc/uptime")
            .ok()
            .and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok())
            .map_or(0, |seconds| (seconds * 1e6) as i64);
        Self::new(boot_id, since_boot_us, wall)
    }

    pub fn new(boot_id: String, since_boot_us: i64, wall: Clock) -> Self {
        Self { boot_id, since_boot_us, base: tokio::time::Instant::now().into_std(), wall }
    }

    pub fn wall_us(&self) -> i64 {
        self.wall.now_us()
    }

    fn since_boot_us(&self) -> i64 {
        let now = tokio::time::Instant::now().into_std();
        self.since_boot_us + micros(now.saturating_duration_since(self.base))
    }

    /// The clock of a session that has run for `elapsed_us`, and what to keep of it (at opening:
    /// `start(0)`, kept in the session's row).
    pub fn start(&self, elapsed_us: i64) -> (SessionClock, Anchor) {
        let origin_us = self.since_boot_us() - elapsed_us;
        let clock = SessionClock { machine: self.clone(), origin_us };
        (clock, Anchor { boot_id: self.boot_id.clone(), origin_us })
    }

    /// Carries on after a restart. `last` is the time of the last journal event. An anchor comes
    /// back when the machine was booted anew, so that the wall clock had to bridge the boot; it is
    /// to be kept in place of the old one.
    pub fn resume(&self, anchor: Option<&Anchor>, last: Now) -> (SessionClock, Option<Anchor>) {
        let now_us = self.since_boot_us();
        if let Some(anchor) = anchor.filter(|anchor| anchor.boot_id == self.boot_id) {
            // The journal is the later witness if the two should disagree.
            let elapsed_us = (now_us - anchor.origin_us).max(last.mono_us);
            return (self.start(elapsed_us).0, None);
        }
        let elapsed_us = last.mono_us + (self.wall_us() - last.wall_us).max(0);
        let (clock, anchor) = self.start(elapsed_us);
        (clock, Some(anchor))
    }
}

/// Tells the time of one session.
#[derive(Debug, Clone)]
pub struct SessionClock {
    machine: MachineClock,
    origin_us: i64,
}

impl SessionClock {
    pub fn now(&self) -> Now {
        Now {
            wall_us: self.machine.wall_us(),
            mono_us: self.machine.since_boot_us() - self.origin_us,
        }
    }

    /// The session time of an instant of this process.
    pub fn mono_us(&self, at: Instant) -> i64 {
        let since_base = match at.checked_duration_since(self.machine.base) {
            Some(after) => micros(after),
            None => -micros(self.machine.base.duration_since(at)),
        };
        self.machine.since_boot_us + since_base - self.origin_us
    }

    /// The instant at which the session time is `mono_us` (this process' start at the earliest).
    pub fn instant(&self, mono_us: i64) -> Instant {
        let after_base = mono_us + self.origin_us - self.machine.since_boot_us;
        self.machine.base + Duration::from_micros(u64::try_from(after_base).unwrap_or(0))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST: Now = Now { wall_us: 1_000_000_000, mono_us: 60_000_000 };

    fn close(a: i64, b: i64) -> bool {
        (a - b).abs() < 5_000_000
    }

    #[test]
    fn same_boot_counts_by_the_boot_clock_whatever_the_wall_clock_says() {
        let wall = Clock::fixed(LAST.wall_us - 3_600_000_000);
        let machine = MachineClock::new("boot-a".into(), 500_000_000, wall);
        let anchor = Anchor { boot_id: "boot-a".into(), origin_us: 430_000_000 };
        let (clock, new) = machine.resume(Some(&anchor), LAST);
        assert_eq!(new, None);
        assert!(close(clock.now().mono_us, 70_000_000));
    }

    #[test]
    fn new_boot_goes_on_from_the_last_event_by_the_wall_clock() {
        let wall = Clock::fixed(LAST.wall_us + 90_000_000);
        let machine = MachineClock::new("boot-b".into(), 10_000_000, wall);
        let anchor = Anchor { boot_id: "boot-a".into(), origin_us: 430_000_000 };
        let (clock, new) = machine.resume(Some(&anchor), LAST);
        assert!(close(clock.now().mono_us, 150_000_000));
        // The next restart on the new boot goes on from the new anchor, and guesses nothing.
        let (clock, again) = machine.resume(new.as_ref(), LAST);
        assert_eq!(again, None);
        assert!(close(clock.now().mono_us, 150_000_000));
    }

    #[test]
    fn a_wall_clock_set_back_over_a_boot_never_turns_time_back() {
        let wall = Clock::fixed(LAST.wall_us - 90_000_000);
        let machine = MachineClock::new("boot-b".into(), 10_000_000, wall);
        let (clock, _) = machine.resume(None, LAST);
        assert!(clock.now().mono_us >= LAST.mono_us);
        assert!(close(clock.now().mono_us, LAST.mono_us));
    }

    #[test]
    fn instants_and_session_time_agree() {
        let machine = MachineClock::new("boot-a".into(), 500_000_000, Clock::fixed(0));
        let (clock, _) = machine.start(20_000_000);
        let at = clock.instant(25_000_000);
        assert_eq!(clock.mono_us(at), 25_000_000);
    }
}
