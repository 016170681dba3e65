//! The process itself, as Linux tells; what is not told is left out.

use super::names;
use super::text::Text;

pub fn write(text: &mut Text) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| -> Option<u64> {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    if let Some(kib) = field("VmRSS:") {
        text.family(&names::RESIDENT).sample(&[], kib * 1024);
    }
    if let Some(threads) = field("Threads:") {
        text.family(&names::THREADS).sample(&[], threads);
    }
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        let tasks = runtime.metrics().num_alive_tasks();
        text.family(&names::TASKS).sample(&[], tasks as u64);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        text.family(&names::OPEN_FDS).sample(&[], open.count() as u64);
    }
}
