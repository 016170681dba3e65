//! Live websockets by the sign-in behind them, so that they end with it.
//!
//! A websocket is in here from before its sign-in is checked until its endpoint can no longer be
//! resumed: whichever way an ending overlaps with a hello, one of the two sees the other. Bounded
//! by [`super::MAX_WEBSOCKETS`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Of one sign-in, each websocket by a number of its own.
type Of = HashMap<u64, oneshot::Sender<()>>;

#[derive(Default)]
pub struct LiveLines {
    lines: Mutex<HashMap<String, Of>>,
    next: AtomicU64,
}

impl LiveLines {
    /// `sign_in`: the hash of its cookie. The place is kept until [`Held`] is dropped.
    pub fn hold(self: &Arc<Self>, sign_in: &str) -> Held {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (end, ended) = oneshot::channel();
        self.lock().entry(sign_in.to_owned()).or_default().insert(number, end);
        Held { lines: Arc::clone(self), sign_in: sign_in.to_owned(), number, ended }
    }

    /// Sign-ins with a live websocket.
    pub fn sign_ins(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Ends the websockets of a sign-in.
    pub fn end(&self, sign_in: &str) {
        for (_, end) in self.lock().remove(sign_in).into_iter().flatten() {
            let _ = end.send(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Of>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A websocket's place among the live ones.
pub struct Held {
    lines: Arc<LiveLines>,
    sign_in: String,
    number: u64,
    ended: oneshot::Receiver<()>,
}

impl Held {
    /// Returns when the sign-in was ended; never otherwise. Asked again after it has returned, it
    /// does not return any more.
    pub async fn ended(&mut self) {
        if self.ended.is_terminated() || (&mut self.ended).await.is_err() {
            std::future::pending().await
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut lines = self.lines.lock();
        if let Some(of) = lines.get_mut(&self.sign_in) {
            of.remove(&self.number);
            if of.is_empty() {
                lines.remove(&self.sign_in);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn lines_of_an_ended_sign_in_end_and_others_stay() {
        let lines = Arc::new(LiveLines::default());
        let (mut phone, mut desk) = (lines.hold("a"), lines.hold("a"));
        let mut other = lines.hold("b");
        lines.end("a");
        assert!(phone.ended().now_or_never().is_some());
        assert!(desk.ended().now_or_never().is_some());
        assert!(other.ended().now_or_never().is_none());
        assert_eq!(lines.sign_ins(), ["b"]);
    }

    #[test]
    fn closed_lines_leave_nothing_behind() {
        let lines = Arc::new(LiveLines::default());
        let (first, second) = (lines.hold("a"), lines.hold("a"));
        drop(first);
        assert_eq!(lines.sign_ins(), ["a"]);
        drop(second);
        assert!(lines.is_empty());
    }
}
