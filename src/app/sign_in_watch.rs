//! Ties live websockets to the sign-ins behind them, both ways: who is signed out loses the
//! websocket within a second, and who sits in a meeting is not signed out for being idle.

use std::sync::Arc;
use std::time::Duration;

use super::App;
use crate::auth::sign_in::SignInError;
use crate::ws::LiveLines;

/// How soon an ending by another process is noticed; those of this one are noticed at once.
const CHECK: Duration = Duration::from_millis(500);
/// A live websocket says this often that its person is there, microseconds.
pub const KEEP_ALIVE_US: i64 = 5 * 60 * 1_000_000;

pub struct SignInWatch {
    app: Arc<App>,
    lines: Arc<LiveLines>,
    /// The store's mark when it was last read.
    endings: Option<String>,
    kept_alive_us: i64,
}

impl SignInWatch {
    pub fn new(app: Arc<App>, lines: Arc<LiveLines>) -> Self {
        let kept_alive_us = app.clock.now_us();
        Self { app, lines, endings: None, kept_alive_us }
    }

    pub async fn run(mut self) {
        let mut tick = tokio::time::interval(CHECK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = self.app.sign_ins.some_ended() => {}
            }
            let result = self.turn().await;
            if let Err(error) = &result
                && !failing
            {
                tracing::warn!(%error, "sign-ins of live websockets cannot be checked");
            }
            failing = result.is_err();
        }
    }

    /// Once around.
    ///
    /// # Errors
    /// When the store fails; nothing is lost by asking again.
    pub async fn turn(&mut self) -> Result<(), SignInError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let sign_ins = self.app.store.web_sessions();
        let endings = sign_ins.endings().await?;
        if endings != self.endings {
            // Asked before the store: a sign-in of this very moment is not taken for an ended one.
            let live = self.lines.sign_ins();
            let standing = sign_ins.all().await?;
            for ended in live.iter().filter(|sign_in| !standing.contains(*sign_in)) {
                self.lines.end(ended);
            }
            self.endings = endings;
        }
        let now_us = self.app.clock.now_us();
        // Also when the clock was set back.
        if (now_us - self.kept_alive_us).abs() >= KEEP_ALIVE_US {
            self.kept_alive_us = now_us;
            for sign_in in self.lines.sign_ins() {
                self.app.sign_ins.keep_alive(&sign_in).await?;
            }
        }
        Ok(())
    }
}
