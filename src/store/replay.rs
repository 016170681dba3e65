//! Puts what a spool holds into the database, in order and once.
//!
//! A commit whose answer was lost may have reached the disk, and a crash in the middle of a replay
//! begins it anew. So nothing is believed but the rows: an event that stands there with the same
//! hash is done, one whose place is free and whose predecessor is the last row is inserted, and
//! one that fits neither is given back, for a person to look at.

use std::collections::HashMap;

use super::books::Books;
use super::error::StoreError;
use super::journal::{EventRow, Head};
use super::spool::{Record, StoredEvent};
use crate::domain::SessionId;
use crate::journal::Digest;

/// Tells the database everything in `records`; gives back what it will not take. Nothing is lost
/// by doing it again.
///
/// # Errors
/// [`StoreError::Unavailable`] when the database is away (again).
pub(super) async fn replay<B: Books>(
    books: &B,
    records: &[Record],
) -> Result<Vec<Record>, StoreError> {
    match attempt(books, records).await {
        Err(error) if !is_outage(&error) => {}
        done => return done,
    }
    // One record spoils the transaction of the others: each alone.
    let mut unfit = Vec::new();
    for record in records {
        let record = std::slice::from_ref(record);
        let mut result = attempt(books, record).await;
        if result.as_ref().is_err_and(|e| !is_outage(e)) {
            // The late end of a commit that was given up may have come between.
            result = attempt(books, record).await;
        }
        match result {
            Ok(more) => unfit.extend(more),
            Err(error) if is_outage(&error) => return Err(error),
            Err(error) => {
                tracing::error!(session = %record[0].session(), %error, "record not replayed");
                unfit.extend_from_slice(record);
            }
        }
    }
    Ok(unfit)
}

pub(super) fn is_outage(e: &StoreError) -> bool {
    matches!(e, StoreError::Unavailable(_))
}

/// What the database has of one session.
struct Known {
    head: Head,
    /// Of the events in question that are there already.
    hashes: HashMap<u64, Digest>,
}

async fn attempt<B: Books>(books: &B, records: &[Record]) -> Result<Vec<Record>, StoreError> {
    let mut known = look(books, records).await?;
    let (mut chat, mut rows, mut unfit) = (Vec::new(), Vec::new(), Vec::new());
    for record in records {
        let Some(of) = known.get_mut(&record.session()) else {
            unfit.push(record.clone());
            continue;
        };
        match record {
            Record::Chat { session, chat: message } => chat.push((*session, message)),
            Record::Event(event) => match of.place(event) {
                Place::Free => rows.push(row(event)),
                Place::Taken => {}
                Place::Wrong => unfit.push(record.clone()),
            },
            Record::State { .. } => {}
        }
    }
    if !(chat.is_empty() && rows.is_empty()) {
        books.commit(&chat, &rows).await.map_err(|failed| failed.error)?;
    }
    for record in records {
        let Record::State { session, state, at_us } = record else { continue };
        match books.advance(*session, *state, *at_us).await {
            Err(error) if is_outage(&error) => return Err(error),
            // It has gone further already.
            Err(error) => tracing::warn!(%session, %error, "state of the session not replayed"),
            Ok(()) => {}
        }
    }
    Ok(unfit)
}

/// Heads of all sessions in `records`, and hashes where they overlap; sessions that were never
/// opened in this database are left out.
async fn look<B: Books>(
    books: &B,
    records: &[Record],
) -> Result<HashMap<SessionId, Known>, StoreError> {
    let mut ranges: HashMap<SessionId, Option<(u64, u64)>> = HashMap::new();
    for record in records {
        let range = ranges.entry(record.session()).or_default();
        if let Record::Event(event) = record {
            let (first, last) = range.unwrap_or((event.seq, event.seq));
            *range = Some((first.min(event.seq), last.max(event.seq)));
        }
    }
    let mut known = HashMap::new();
    for (session, range) in ranges {
        let head = match books.head(session).await {
            Err(StoreError::NotFound(_)) => continue,
            head => head?,
        };
        let hashes = match range {
            Some((first, last)) if first <= head.seq => {
                books.hashes(session, first, last.min(head.seq)).await?.into_iter().collect()
            }
            _ => HashMap::new(),
        };
        known.insert(session, Known { head, hashes });
    }
    Ok(known)
}

enum Place {
    Free,
    /// By the very same event.
    Taken,
    Wrong,
}

impl Known {
    fn place(&mut self, event: &StoredEvent) -> Place {
        if self.hashes.get(&event.seq) == Some(&event.hash) {
            return Place::Taken;
        }
        if event.seq == self.head.seq + 1 && event.prev_hash == self.head.hash {
            self.head = Head { seq: event.seq, hash: event.hash };
            return Place::Free;
        }
        Place::Wrong
    }
}

fn row(event: &StoredEvent) -> EventRow<'_> {
    EventRow {
        session: event.session,
        seq: event.seq,
        at_us: event.at_us,
        mono_us: event.mono_us,
        actor: event.actor,
        event: &event.event,
        prev_hash: event.prev_hash,
        hash: event.hash,
    }
}
