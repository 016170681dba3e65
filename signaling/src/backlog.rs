//! What still has to reach one client, and what it may ask for again.
//!
//! Events get their number when they are written, not when they happen: so a slow client whose
//! queue was coalesced still sees numbers that grow by one. Written events are kept until the
//! client says it has seen them, within bounds; with these a dropped line is resumed. All of it
//! belongs to the endpoint, not to the websocket: it is handed from the dead line to the new one.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::frame::encode;
use crate::limits::{OUTGOING_BYTES, OUTGOING_FRAMES, REPLAY_BYTES, REPLAY_EVENTS};
use crate::message::Event;

/// Events of these kinds state a whole value: a newer one makes an unsent older one useless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    Counts,
    Speaker,
    Recording,
}

/// An event written once and shared by all who receive it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    whole: Option<Whole>,
    json: Arc<str>,
}

impl Notice {
    pub fn new(event: &Event) -> Self {
        let whole = match event {
            Event::Counts { .. } => Some(Whole::Counts),
            Event::Speaker { .. } => Some(Whole::Speaker),
            Event::Recording { .. } => Some(Whole::Recording),
            _ => None,
        };
        Self { whole, json: encode(event).into() }
    }

    /// Bytes it takes in a queue.
    pub fn bytes(&self) -> usize {
        self.json.len()
    }

    fn frame(&self, seq: u32) -> String {
        format!(r#"{{"type":"event","seq":{seq},"event":{}}}"#, self.json)
    }
}

#[derive(Debug)]
enum Queued {
    Event(Notice),
    /// Replies and errors: they belong to the websocket and are lost with it.
    Text(String),
}

impl Queued {
    fn bytes(&self) -> usize {
        match self {
            Queued::Event(notice) => notice.bytes(),
            Queued::Text(text) => text.len(),
        }
    }
}

/// The queue is full: the client is too slow, or away too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflow;

/// The last number seen is not within what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotKept;

/// Unsent frames in order, and sent events not yet seen by the client.
#[derive(Debug, Default)]
pub struct Backlog {
    queue: VecDeque<Queued>,
    queue_bytes: usize,
    /// Numbered from `floor + 1`, without gaps.
    sent: VecDeque<Notice>,
    sent_bytes: usize,
    /// Highest number that is no longer kept.
    floor: u32,
    /// How many of `sent`, from the front, still have to be written again after a resume.
    resend_from: Option<usize>,
    overflowed: bool,
}

impl Backlog {
    /// Number of the last event written.
    pub fn last_seq(&self) -> u32 {
        self.floor + self.sent.len() as u32
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.resend_from.is_none()
    }

    /// Frames and bytes waiting.
    pub fn depth(&self) -> (usize, usize) {
        (self.queue.len(), self.queue_bytes)
    }

    /// # Errors
    /// [`Overflow`] when the bound is reached; from then on it cannot be resumed.
    pub fn push_event(&mut self, notice: Notice) -> Result<(), Overflow> {
        if notice.whole.is_some() {
            let stale = self.queue.iter().position(
                |queued| matches!(queued, Queued::Event(old) if old.whole == notice.whole),
            );
            if let Some(removed) = stale.and_then(|at| self.queue.remove(at)) {
                self.queue_bytes -= removed.bytes();
            }
        }
        self.push(Queued::Event(notice))
    }

    pub(crate) fn push_text(&mut self, text: String) -> Result<(), Overflow> {
        self.push(Queued::Text(text))
    }

    fn push(&mut self, queued: Queued) -> Result<(), Overflow> {
        let bytes = self.queue_bytes + queued.bytes();
        if self.overflowed || self.queue.len() >= OUTGOING_FRAMES || bytes > OUTGOING_BYTES {
            self.overflowed = true;
            self.clear();
            return Err(Overflow);
        }
        self.queue_bytes = bytes;
        self.queue.push_back(queued);
        Ok(())
    }

    pub(crate) fn clear(&mut self) {
        self.queue.clear();
        self.queue_bytes = 0;
        self.resend_from = None;
    }

    /// Next frame to write. What a resume asked for comes before everything newer.
    pub(crate) fn pop(&mut self) -> Option<String> {
        if let Some(at) = self.resend_from {
            if let Some(notice) = self.sent.get(at) {
                self.resend_from = Some(at + 1);
                return Some(notice.frame(self.floor + 1 + at as u32));
            }
            self.resend_from = None;
        }
        let queued = self.queue.pop_front()?;
        self.queue_bytes -= queued.bytes();
        Some(match queued {
            Queued::Text(text) => text,
            Queued::Event(notice) => {
                self.sent_bytes += notice.bytes();
                self.sent.push_back(notice.clone());
                let frame = notice.frame(self.last_seq());
                while self.sent.len() > REPLAY_EVENTS || self.sent_bytes > REPLAY_BYTES {
                    self.forget_first();
                }
                frame
            }
        })
    }

    /// The client has seen everything up to `seq`.
    pub(crate) fn seen(&mut self, seq: u32) {
        while self.floor < seq && !self.sent.is_empty() {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some(notice) = self.sent.pop_front() {
            self.sent_bytes -= notice.bytes();
            self.floor += 1;
            self.resend_from = self.resend_from.map(|at| at.saturating_sub(1));
        }
    }

    /// The line is dead: replies of that line are dropped, events wait on.
    pub(crate) fn detach(&mut self) {
        self.queue.retain(|queued| matches!(queued, Queued::Event(_)));
        self.queue_bytes = self.queue.iter().map(Queued::bytes).sum();
        self.resend_from = None;
    }

    /// Whether everything after `last_seq` can still be given.
    pub fn can_resume(&self, last_seq: u32) -> bool {
        !self.overflowed && (self.floor..=self.last_seq()).contains(&last_seq)
    }

    /// Writes everything after `last_seq` again, then what is queued.
    ///
    /// # Errors
    /// [`NotKept`] as [`Backlog::can_resume`] says.
    pub fn resume(&mut self, last_seq: u32) -> Result<(), NotKept> {
        if !self.can_resume(last_seq) {
            return Err(NotKept);
        }
        self.seen(last_seq);
        self.resend_from = (!self.sent.is_empty()).then_some(0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Counts;

    fn agenda(index: u32) -> Notice {
        Notice::new(&Event::Agenda { index })
    }

    fn speaker(name: &str) -> Notice {
        Notice::new(&Event::Speaker { participant: Some(name.into()) })
    }

    fn drain(backlog: &mut Backlog) -> Vec<String> {
        std::iter::from_fn(|| backlog.pop()).collect()
    }

    #[test]
    fn newest_speaker_replaces_an_unsent_one_and_numbers_stay_gapless() {
        let mut backlog = Backlog::default();
        for notice in [speaker("a"), agenda(1), speaker("b"), speaker("c")] {
            backlog.push_event(notice).unwrap();
        }
        assert_eq!(
            drain(&mut backlog),
            [
                r#"{"type":"event","seq":1,"event":{"kind":"agenda","index":1}}"#,
                r#"{"type":"event","seq":2,"event":{"kind":"speaker","participant":"c"}}"#,
            ]
        );
    }

    #[test]
    fn counts_do_not_push_out_speakers() {
        let mut backlog = Backlog::default();
        backlog.push_event(speaker("a")).unwrap();
        backlog.push_event(Notice::new(&Event::Counts { counts: Counts::default() })).unwrap();
        assert_eq!(drain(&mut backlog).len(), 2);
    }

    #[test]
    fn resume_gives_what_was_missed_under_the_same_numbers() {
        let mut backlog = Backlog::default();
        for index in 0..4 {
            backlog.push_event(agenda(index)).unwrap();
        }
        let first = drain(&mut backlog);
        backlog.detach();
        backlog.push_event(agenda(4)).unwrap();
        backlog.resume(2).unwrap();
        let again = drain(&mut backlog);
        assert_eq!(again[..2], first[2..]);
        assert_eq!(again[2], r#"{"type":"event","seq":5,"event":{"kind":"agenda","index":4}}"#);
        assert_eq!(again.len(), 3);
    }

    #[test]
    fn what_the_client_has_seen_is_forgotten_and_cannot_be_asked_for() {
        let mut backlog = Backlog::default();
        for index in 0..4 {
            backlog.push_event(agenda(index)).unwrap();
        }
        drain(&mut backlog);
        backlog.seen(3);
        assert!(!backlog.can_resume(2));
        assert!(backlog.can_resume(3));
        assert!(backlog.can_resume(4));
        assert!(!backlog.can_resume(5));
    }

    #[test]
    fn queue_beyond_its_bound_overflows_and_is_not_resumed() {
        let mut backlog = Backlog::default();
        let pushed = (0..).take_while(|&index| backlog.push_event(agenda(index)).is_ok()).count();
        assert_eq!(pushed, OUTGOING_FRAMES);
        assert!(!backlog.can_resume(0));
        assert_eq!(backlog.push_event(agenda(0)), Err(Overflow));
        assert!(backlog.is_empty());
    }
}
