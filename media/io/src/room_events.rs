//! A room's events on their way to the one who opened it.

use std::collections::VecDeque;

use media::api::Event;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

/// Events that fit in the channel before any is kept back.
pub(crate) const CHANNEL: usize = 256;
/// Events kept back before the room is given up.
const BACKLOG: usize = 4_096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Done,
    /// Some wait for the reader: try again soon.
    Waiting,
    /// The reader has gone: whoever opened the room is done with it.
    Gone,
    /// The reader is there and has read nothing for too long.
    Unread,
}

/// Bounded, ordered, and never loses a state: what a newer event makes obsolete is merged.
#[derive(Debug)]
pub(crate) struct RoomEvents {
    channel: Sender<Event>,
    backlog: VecDeque<Event>,
    merged: u64,
}

impl RoomEvents {
    pub fn new(channel: Sender<Event>) -> Self {
        Self { channel, backlog: VecDeque::new(), merged: 0 }
    }

    /// Events merged since the last call.
    pub fn take_merged(&mut self) -> u64 {
        std::mem::take(&mut self.merged)
    }

    pub fn push(&mut self, event: Event) -> Delivery {
        if let Some(old) = self.backlog.iter().position(|old| replaces(&event, old)) {
            self.backlog.remove(old);
            self.merged += 1;
        }
        self.backlog.push_back(event);
        self.deliver()
    }

    pub fn deliver(&mut self) -> Delivery {
        while let Some(event) = self.backlog.pop_front() {
            match self.channel.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.backlog.push_front(event);
                    let unread = self.backlog.len() > BACKLOG;
                    return if unread { Delivery::Unread } else { Delivery::Waiting };
                }
                Err(TrySendError::Closed(_)) => return Delivery::Gone,
            }
        }
        if self.channel.is_closed() { Delivery::Gone } else { Delivery::Done }
    }
}

/// Whether `new` makes `old` obsolete.
fn replaces(new: &Event, old: &Event) -> bool {
    match (new, old) {
        (Event::Speaker { .. }, Event::Speaker { .. }) => true,
        (Event::Slots { peer: new, .. }, Event::Slots { peer: old, .. })
        | (Event::Assignments { peer: new, .. }, Event::Assignments { peer: old, .. }) => {
            new == old
        }
        (
            Event::PublishLayers { peer: new, source: of_new, .. },
            Event::PublishLayers { peer: old, source: of_old, .. },
        )
        | (
            Event::PublishCodec { peer: new, source: of_new, .. },
            Event::PublishCodec { peer: old, source: of_old, .. },
        ) => (new, of_new) == (old, of_old),
        (
            Event::TrackPaused { peer: new, owner: of_new, source: what_new, .. },
            Event::TrackPaused { peer: old, owner: of_old, source: what_old, .. },
        ) => (new, of_new, what_new) == (old, of_old, what_old),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::api::{PeerId, RoomId};
    use tokio::sync::mpsc::channel;

    const ROOM: RoomId = RoomId(1);

    fn connected(peer: u128) -> Event {
        Event::PeerConnected { room: ROOM, peer: PeerId(peer) }
    }

    fn speaker(peer: u128) -> Event {
        Event::Speaker { room: ROOM, peer: Some(PeerId(peer)) }
    }

    #[test]
    fn states_wait_for_a_slow_reader_and_come_in_order() {
        let (sender, mut reader) = channel(1);
        let mut events = RoomEvents::new(sender);
        assert_eq!(events.push(connected(1)), Delivery::Done);
        assert_eq!(events.push(connected(2)), Delivery::Waiting);
        assert_eq!(events.push(connected(3)), Delivery::Waiting);
        let mut read = Vec::new();
        while let Ok(event) = reader.try_recv() {
            read.push(event);
            events.deliver();
        }
        assert_eq!(read, [connected(1), connected(2), connected(3)]);
        assert_eq!(events.deliver(), Delivery::Done);
    }

    #[test]
    fn of_speakers_that_wait_only_the_last_counts() {
        let (sender, mut reader) = channel(1);
        let mut events = RoomEvents::new(sender);
        for event in [connected(1), speaker(1), connected(2), speaker(2)] {
            events.push(event);
        }
        let mut read = Vec::new();
        while let Ok(event) = reader.try_recv() {
            read.push(event);
            events.deliver();
        }
        assert_eq!(read, [connected(1), connected(2), speaker(2)]);
        assert_eq!(events.take_merged(), 1);
    }

    #[test]
    fn nobody_reading_is_found_out() {
        let (sender, reader) = channel(1);
        let mut events = RoomEvents::new(sender);
        let unread = (0..=BACKLOG as u128 + 1)
            .map(|peer| events.push(connected(peer)))
            .find(|&delivery| delivery == Delivery::Unread);
        assert_eq!(unread, Some(Delivery::Unread));
        drop(reader);
    }

    #[test]
    fn reader_that_has_gone_is_told_from_one_that_does_not_read() {
        let (sender, reader) = channel(1);
        let mut events = RoomEvents::new(sender);
        assert_eq!(events.push(connected(1)), Delivery::Done);
        drop(reader);
        assert_eq!(events.deliver(), Delivery::Gone);
        assert_eq!(events.push(connected(2)), Delivery::Gone);
    }
}
