//! What comes in and goes out beside the work: cancellation, and the lines on stdout.

use crate::error::WorkerError;
use crate::job::{Line, Stage};
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

static CANCELLED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_terminate(_: libc::c_int) {
    CANCELLED.store(true, Ordering::Relaxed);
}

/// SIGTERM and SIGINT ask the work to stop at its next step.
pub fn listen_for_signals() {
    let handler = on_terminate as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: the handler only stores to an atomic, which is async-signal-safe.
    unsafe {
        libc::signal(libc::SIGTERM, handler);
        libc::signal(libc::SIGINT, handler);
    }
}

/// A line "cancel" on stdin does the same. The end of stdin does not.
pub fn listen_on_stdin(mut input: impl BufRead + Send + 'static) {
    std::thread::spawn(move || {
        let mut line = String::new();
        while input.read_line(&mut line).is_ok_and(|n| n > 0) {
            if line.trim() == "cancel" {
                CANCELLED.store(true, Ordering::Relaxed);
                return;
            }
            line.clear();
        }
    });
}

/// Rendering must never compete with a meeting for the processor.
pub fn be_nice() {
    // SAFETY: plain system call on this process; failure leaves the priority as it was.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, 10);
    }
}

struct State {
    stage: Stage,
    permille: u32,
    /// Something was written since the heartbeat looked last.
    spoke: bool,
}

/// Progress and cancellation, as the work sees them.
pub struct Control {
    state: Arc<Mutex<State>>,
    _heartbeat: mpsc::Sender<()>,
}

impl Control {
    /// Starts the heartbeat, which repeats the last progress when the work is silent for long
    /// (the final rewrite of a large file).
    pub fn start() -> Control {
        let state = State { stage: Stage::Tracks, permille: 0, spoke: false };
        let state = Arc::new(Mutex::new(state));
        let (keep, stopped) = mpsc::channel::<()>();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            let mut silent = false;
            while stopped.recv_timeout(Duration::from_millis(400))
                == Err(mpsc::RecvTimeoutError::Timeout)
            {
                let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
                if silent && !state.spoke {
                    write_progress(&state);
                }
                silent = !std::mem::take(&mut state.spoke);
            }
        });
        Control { state, _heartbeat: keep }
    }

    /// To be called at every step of the work.
    pub fn check(&self) -> Result<(), WorkerError> {
        if CANCELLED.load(Ordering::Relaxed) { Err(WorkerError::Cancelled) } else { Ok(()) }
    }

    /// `done` of `total` of a stage that covers `from..to` permille of the job; writes a line when
    /// the number rose.
    pub fn progress(&self, stage: Stage, span: (u32, u32), done: u64, total: u64) {
        let part = done.min(total) as f64 / total.max(1) as f64;
        let permille = span.0 + (f64::from(span.1 - span.0) * part) as u32;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if permille > state.permille || stage != state.stage {
            state.permille = permille.max(state.permille);
            state.stage = stage;
            state.spoke = true;
            write_progress(&state);
        }
    }

    pub fn line(&self, line: &Line) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.spoke = true;
        write_line(line);
    }
}

fn write_progress(state: &State) {
    write_line(&Line::Progress { stage: state.stage, permille: state.permille });
}

/// A reader that went away is no reason to stop: the files still count.
pub fn write_line(line: &Line) {
    if let Ok(mut text) = serde_json::to_string(line) {
        text.push('\n');
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}
