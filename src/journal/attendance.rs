//! The fold from a journal to presences, and so to the attendance sheet.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Arc;

use signaling::LeaveReason;

use super::corrections;
use super::event::{Change, Envelope, Event, Header};
use super::sites::Sites;
use super::verify::{TRAILER, Tampered, Verified, verify};
use crate::domain::intervals::Span;
use crate::domain::{
    AttendanceReport, AttendanceStatus, ById, EndpointId, LeaveNote, PersonId, PersonPresence,
    Policy, Presence, PresenceEnd, SessionPresence, evaluate,
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
    next_seq: u64,
    waiting: BTreeMap<u64, Envelope>,
    open: ById<EndpointId, Open>,
    people: ById<PersonId, PersonPresence>,
    /// Every kind of device met so far, once.
    devices: Vec<Arc<str>>,
    sites: Sites,
    on_leave: BTreeMap<PersonId, LeaveNote>,
    /// 点名: asked and answered.
    rollcalls: ById<PersonId, (u32, u32)>,
    /// In order, by their sequence numbers; laid over the record only when it is read.
    corrections: Vec<(u64, Change)>,
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
            wall_zero_us: header.opened_at_us,
            header,
            next_seq: 1,
            waiting: BTreeMap::new(),
            open: ById::default(),
            people: ById::default(),
            devices: Vec::new(),
            sites: Sites::default(),
            on_leave: BTreeMap::new(),
            rollcalls: ById::default(),
            corrections: Vec::new(),
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

    /// Present now, on any device or at a site.
    pub fn is_present(&self, person: PersonId) -> bool {
        self.open.values().any(|o| o.person == person) || self.sites.is_present(person)
    }

    /// The sheet so far. `now_mono_us` is the present moment of a running meeting; without it the
    /// last event is the end of what is known.
    pub fn report(&self, now_mono_us: Option<i64>) -> AttendanceReport {
        let mut report = evaluate(&self.presence(now_mono_us));
        if self.corrections.is_empty() {
            return report;
        }
        let before = evaluate(&self.uncorrected(now_mono_us));
        let was: BTreeMap<PersonId, AttendanceStatus> =
            before.people.iter().map(|row| (row.person_id, row.status)).collect();
        let mut about: BTreeMap<PersonId, Vec<u64>> = BTreeMap::new();
        for (seq, change) in &self.corrections {
            if let Some(person) = change.person() {
                about.entry(person).or_default().push(*seq);
            }
        }
        for row in &mut report.people {
            if let Some(seqs) = about.remove(&row.person_id) {
                row.corrections = seqs;
                row.status_before = was.get(&row.person_id).copied();
            }
        }
        report
    }

    /// The same before evaluation.
    pub fn presence(&self, now_mono_us: Option<i64>) -> SessionPresence {
        let mut presence = self.uncorrected(now_mono_us);
        for (_, change) in &self.corrections {
            corrections::apply(&mut presence, change);
        }
        presence
    }

    /// As the events tell it, without what was corrected.
    fn uncorrected(&self, now_mono_us: Option<i64>) -> SessionPresence {
        let last = self.declared_closed.unwrap_or(self.last_mono_us);
        let now = now_mono_us.filter(|_| self.declared_closed.is_none()).unwrap_or(last).max(last);
        // After 散会 nobody is "still here": who has no leave stayed to the end.
        let end = match self.declared_closed {
            Some(_) => PresenceEnd::Left(LeaveReason::Server),
            None => PresenceEnd::StillHere,
        };
        let mut people = self.people.clone();
        for (endpoint, open) in in_order(self.open.iter()) {
            let presence = open.end(*endpoint, now, end, false);
            people.entry(open.person).or_default().presences.push(presence);
        }
        for (person, presence) in self.sites.presences(now, end) {
            people.entry(person).or_default().presences.push(presence);
        }
        let official =
            self.declared_open.map(|from| Span::new(from, self.declared_closed.unwrap_or(now)));
        let until = self.declared_closed.unwrap_or(now);
        let pauses = self.pauses.iter().copied();
        SessionPresence {
            session_id: self.header.session,
            policy: self.header.policy,
            roster: self.header.roster.clone(),
            official,
            pauses: pauses.chain(self.paused_since.map(|from| Span::new(from, until))).collect(),
            wall_zero_us: self.wall_zero_us,
            people,
            sites: self.sites.names(),
            unconfirmed: self.sites.unconfirmed(),
            rollcalls: self.rollcalls.clone(),
            on_leave: self.on_leave.clone(),
            exempt: std::collections::BTreeSet::new(),
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
                    match self.open.get_mut(endpoint) {
                        Some(open) => open.seen = open.seen.max(mono),
                        None => self.sites.seen(*endpoint, mono),
                    }
                }
            }
            Event::ServerRestart { .. } => {
                for (endpoint, open) in in_order(std::mem::take(&mut self.open)) {
                    let seen = open.seen;
                    self.close(endpoint, open, seen, LeaveReason::Server, true);
                }
                self.sites.restart();
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
            Event::LeaveApproved { person, kind, reason, late, .. } => {
                let note = LeaveNote { kind: kind.clone(), reason: reason.clone(), late: *late };
                self.on_leave.insert(*person, note);
            }
            Event::LeaveDenied { person, .. } => {
                self.on_leave.remove(person);
            }
            Event::SiteEnter { site, endpoint, name, .. } => {
                self.sites.enter(*site, *endpoint, name, mono);
            }
            Event::SiteExit { endpoint, reason, last_frame_mono_us, .. } => {
                self.sites.exit(*endpoint, *reason, (*last_frame_mono_us).min(mono));
            }
            Event::RoomCheckin { person, site, confirmed, .. } => {
                self.sites.check_in(*person, *site, *confirmed, mono);
            }
            Event::RoomCheckout { person, site } => self.sites.check_out(*person, *site, mono),
            Event::CheckinDecided { person, site, accepted } => {
                self.sites.decide(*person, *site, *accepted);
            }
            Event::RollcallOpened { asked, .. } => {
                asked.iter().for_each(|p| self.rollcalls.entry(*p).or_default().0 += 1);
            }
            Event::RollcallAnswered { person, .. } => {
                // Of those who were asked; the room answers nobody twice.
                if let Some((asked, answered)) = self.rollcalls.get_mut(person) {
                    *answered = (*answered + 1).min(*asked);
                }
            }
            Event::Correction { change, .. } => {
                self.corrections.push((envelope.seq, change.clone()));
            }
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
        Presence { endpoint, device: Arc::clone(&self.device), site: None, span, end, inferred }
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

/// The sheet as JSON, as the server and `yuntang attendance` give it out: byte for byte the same
/// for the same journal.
///
/// # Errors
/// None for a report of ours.
pub fn report_text(report: &AttendanceReport) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    Ok(text)
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

/// `yuntang attendance FILE`: verifies, then folds; under another policy than the frozen one if
/// one is given.
pub fn attendance_of_file(
    file: impl BufRead,
    expected_key: Option<String>,
    policy: impl FnOnce(Policy) -> Policy,
) -> Result<AttendanceReport, AttendanceOfFileError> {
    let JournalFile { mut header, events, .. } = read_file(file, expected_key)?;
    header.policy = policy(header.policy);
    Ok(fold_attendance(&header, &events))
}
