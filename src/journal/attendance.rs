//! The fold from a journal to presences, and so to the attendance sheet.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::sync::Arc;

use signaling::LeaveReason;

use super::event::{Change, Envelope, Event, Header};
use super::verify::{TRAILER, Tampered, Verified, verify};
use crate::domain::intervals::Span;
use crate::domain::{
    AttendanceReport, ById, EndpointId, PersonId, PersonPresence, Presence, PresenceEnd, Roster,
    SessionPresence, evaluate,
};

/// Kinds of devices kept to be shared.
const MAX_DEVICES: usize = 16;

/// A connection that has not ended yet.
#[derive(Debug, Clone)]
struct Open {
    person: PersonId,
    device: Arc<str>,
    from: i64,
    /// Last moment at which the journal itself proves the connection alive.
    seen: i64,
}

/// Events may be pushed one by one as they happen. Duplicates are ignored, and what comes too early
/// waits for its turn, so the result depends only on the set of events.
#[derive(Debug, Clone)]
pub struct AttendanceFold {
    header: Header,
    roster: Roster,
    next_seq: u64,
    waiting: BTreeMap<u64, Envelope>,
    open: ById<EndpointId, Open>,
    people: ById<PersonId, PersonPresence>,
    /// Every kind of device met so far, once.
    devices: Vec<Arc<str>>,
    on_leave: BTreeSet<PersonId>,
    exempt: BTreeSet<PersonId>,
    declared_open: Option<i64>,
    declared_closed: Option<i64>,
    pauses: Vec<Span>,
    paused_since: Option<i64>,
    wall_zero_us: i64,
    last_mono_us: i64,
}

impl AttendanceFold {
    pub fn new(header: Header) -> Self {
        Self {
            roster: header.roster.clone(),
            wall_zero_us: header.opened_at_us,
            header,
            next_seq: 1,
            waiting: BTreeMap::new(),
            open: ById::default(),
            people: ById::default(),
            devices: Vec::new(),
            on_leave: BTreeSet::new(),
            exempt: BTreeSet::new(),
            declared_open: None,
            declared_closed: None,
            pauses: Vec::new(),
            paused_since: None,
            last_mono_us: 0,
        }
    }

    pub fn push(&mut self, envelope: &Envelope) {
        if envelope.seq < self.next_seq {
            return;
        }
        if envelope.seq > self.next_seq {
            self.waiting.insert(envelope.seq, envelope.clone());
            return;
        }
        self.apply(envelope);
        while let Some(next) = self.waiting.remove(&self.next_seq) {
            self.apply(&next);
        }
    }

    /// Present now, on any device.
    pub fn is_present(&self, person: PersonId) -> bool {
        self.open.values().any(|o| o.person == person)
    }

    /// The sheet so far. `now_mono_us` is the present moment of a running meeting; without it the
    /// last event is the end of what is known.
    pub fn report(&self, now_mono_us: Option<i64>) -> AttendanceReport {
        evaluate(&self.presence(now_mono_us))
    }

    /// The same before evaluation.
    pub fn presence(&self, now_mono_us: Option<i64>) -> SessionPresence {
        let now = now_mono_us.unwrap_or(self.last_mono_us).max(self.last_mono_us);
        let closed = self.declared_closed.is_some();
        let mut people = self.people.clone();
        for (endpoint, open) in in_order(self.open.iter()) {
            // After 散会 nobody is "still here": who has no leave stayed to the end.
            let end = if closed {
                PresenceEnd::Left(LeaveReason::Server)
            } else {
                PresenceEnd::StillHere
            };
            let presence = open.end(*endpoint, now, end, false);
            people.entry(open.person).or_default().presences.push(presence);
        }
        let official =
            self.declared_open.map(|from| Span::new(from, self.declared_closed.unwrap_or(now)));
        let until = self.declared_closed.unwrap_or(now);
        let pauses = self.pauses.iter().copied();
        SessionPresence {
            session_id: self.header.session,
            policy: self.header.policy,
            roster: self.roster.clone(),
            official,
            pauses: pauses.chain(self.paused_since.map(|from| Span::new(from, until))).collect(),
            wall_zero_us: self.wall_zero_us,
            people,
            on_leave: self.on_leave.clone(),
            exempt: self.exempt.clone(),
        }
    }

    fn apply(&mut self, envelope: &Envelope) {
        self.next_seq = envelope.seq + 1;
        let mono = envelope.mono_us;
        self.last_mono_us = self.last_mono_us.max(mono);
        match &envelope.event {
            Event::SessionOpened => self.wall_zero_us = envelope.at_us - mono,
            Event::Join { person, endpoint, device, name, org_name, .. }
            | Event::ObserverEnter { person, endpoint, device, name, org_name } => {
                let known = self.people.entry(*person).or_default();
                known.name.clone_from(name);
                known.org_name.clone_from(org_name);
                self.arrive(*person, *endpoint, device, mono);
            }
            Event::Rejoin { person, endpoint, device } => {
                self.arrive(*person, *endpoint, device, mono);
            }
            Event::Leave { endpoint, reason, last_frame_mono_us, .. }
            | Event::ObserverExit { endpoint, reason, last_frame_mono_us, .. } => {
                if let Some(open) = self.open.remove(endpoint) {
                    let at = (*last_frame_mono_us).min(mono);
                    self.close(*endpoint, open, at, *reason, false);
                }
            }
            Event::Checkpoint { present } => {
                for endpoint in present {
                    if let Some(open) = self.open.get_mut(endpoint) {
                        open.seen = open.seen.max(mono);
                    }
                }
            }
            Event::ServerRestart { .. } => {
                for (endpoint, open) in in_order(std::mem::take(&mut self.open)) {
                    let seen = open.seen;
                    self.close(endpoint, open, seen, LeaveReason::Server, true);
                }
            }
            Event::DeclaredOpen if self.declared_open.is_none() => {
                self.declared_open = Some(mono);
                // The clock was checked before this moment: what the sheet shows hangs on it.
                self.wall_zero_us = envelope.at_us - mono;
            }
            Event::DeclaredClosed { .. } if self.declared_closed.is_none() => {
                self.declared_closed = Some(mono);
                if let Some(from) = self.paused_since.take() {
                    self.pauses.push(Span::new(from, mono));
                }
            }
            Event::Paused if self.declared_closed.is_none() => {
                self.paused_since.get_or_insert(mono);
            }
            Event::Resumed => {
                if let Some(from) = self.paused_since.take() {
                    self.pauses.push(Span::new(from, mono));
                }
            }
            Event::LeaveApproved { person, .. } => {
                self.on_leave.insert(*person);
            }
            Event::Correction { change, .. } => match change {
                Change::RosterAdd { entry } => self.roster.put(entry.clone()),
                Change::RosterRemove { person } => self.roster.remove(*person),
                Change::Exempt { person } => {
                    self.exempt.insert(*person);
                }
            },
            Event::MediaState { endpoint, .. } => {
                if let Some(open) = self.open.get_mut(endpoint) {
                    open.seen = open.seen.max(mono);
                }
            }
            _ => {}
        }
    }

    fn arrive(&mut self, person: PersonId, endpoint: EndpointId, device: &str, mono: i64) {
        let device = self.device(device);
        self.open.entry(endpoint).or_insert(Open { person, device, from: mono, seen: mono });
    }

    fn device(&mut self, kind: &str) -> Arc<str> {
        if let Some(known) = self.devices.iter().find(|known| &***known == kind) {
            return Arc::clone(known);
        }
        let new: Arc<str> = kind.into();
        // A journal of ours names a few; another's may name any number.
        if self.devices.len() < MAX_DEVICES {
            self.devices.push(Arc::clone(&new));
        }
        new
    }

    fn close(
        &mut self,
        endpoint: EndpointId,
        open: Open,
        at: i64,
        reason: LeaveReason,
        inferred: bool,
    ) {
        let presence = open.end(endpoint, at, PresenceEnd::Left(reason), inferred);
        self.people.entry(open.person).or_default().presences.push(presence);
    }
}

impl Open {
    fn end(&self, endpoint: EndpointId, at: i64, end: PresenceEnd, inferred: bool) -> Presence {
        let span = Span::new(self.from, at.max(self.from));
        Presence { endpoint, device: Arc::clone(&self.device), span, end, inferred }
    }
}

/// By endpoint: the same journal gives the same list.
fn in_order<K: Ord, V>(open: impl IntoIterator<Item = (K, V)>) -> Vec<(K, V)> {
    let mut open: Vec<(K, V)> = open.into_iter().collect();
    open.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    open
}

/// The sheet of a whole journal.
pub fn fold_attendance<'a>(
    header: &Header,
    events: impl IntoIterator<Item = &'a Envelope>,
) -> AttendanceReport {
    let mut fold = AttendanceFold::new(header.clone());
    events.into_iter().for_each(|e| fold.push(e));
    fold.report(None)
}

#[derive(Debug, thiserror::Error)]
pub enum AttendanceOfFileError {
    #[error(transparent)]
    Tampered(#[from] Tampered),
    #[error("line {line} is intact but not understood: {source}")]
    NotUnderstood { line: u64, source: serde_json::Error },
}

/// What an exported file holds, verified and decoded.
#[derive(Debug, Clone)]
pub struct JournalFile {
    pub verified: Verified,
    pub header: Header,
    pub events: Vec<Envelope>,
}

/// Verifies and decodes an exported file.
pub fn read_file(
    file: impl BufRead,
    expected_key: Option<String>,
) -> Result<JournalFile, AttendanceOfFileError> {
    let (mut header, mut events, mut line, mut wrong) = (None, Vec::new(), 0, None);
    let mut parse = |text: &str| -> Result<(), serde_json::Error> {
        if header.is_none() {
            header = Some(serde_json::from_str::<Header>(text)?);
        } else if !text.starts_with(TRAILER) {
            events.push(serde_json::from_str::<Envelope>(text)?);
        }
        Ok(())
    };
    let verified = verify(file, expected_key, |text| {
        if wrong.is_none() {
            wrong = parse(text).err().map(|e| (line, e));
        }
        line += 1;
    })?;
    let not_understood = |(line, source)| AttendanceOfFileError::NotUnderstood { line, source };
    if let Some(wrong) = wrong {
        return Err(not_understood(wrong));
    }
    let header =
        header.ok_or_else(|| not_understood((0, serde::de::Error::custom("no header"))))?;
    Ok(JournalFile { verified, header, events })
}

/// `yuntang attendance FILE`: verifies, then folds.
pub fn attendance_of_file(
    file: impl BufRead,
    expected_key: Option<String>,
) -> Result<AttendanceReport, AttendanceOfFileError> {
    let JournalFile { header, events, .. } = read_file(file, expected_key)?;
    Ok(fold_attendance(&header, &events))
}
