//! Clocks and gauges of this process, read from the kernel.

use std::io;
use std::time::{Duration, Instant};

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec for the length of the call.
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(result, 0, "clock {clock} cannot be read");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// CPU time of all threads of this process, user and system.
pub fn process_cpu() -> Duration {
    read(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Wall time since 1970; what `SO_TIMESTAMPNS` stamps datagrams with.
pub fn wall() -> Duration {
    read(libc::CLOCK_REALTIME)
}

/// Blocks until `at`; returns at once when it has passed.
pub fn wait_until(at: Instant) {
    loop {
        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        let time = libc::timespec {
            tv_sec: left.as_secs() as libc::time_t,
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        // SAFETY: no descriptors, a valid timeout and no signal mask: a precise wait.
        unsafe { libc::ppoll(std::ptr::null_mut(), 0, &time, std::ptr::null()) };
    }
}

/// Resident memory of this process in bytes.
pub fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok())
        .unwrap_or(0);
    // SAFETY: sysconf has no preconditions.
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64
}

/// Keeps this thread, and those that it starts, on these cores.
pub fn stay_on(cores: &[usize]) -> io::Result<()> {
    // SAFETY: an all-zero set is empty; CPU_SET refuses numbers beyond its size by doing nothing.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        cores.iter().for_each(|core| libc::CPU_SET(*core, &mut set));
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
