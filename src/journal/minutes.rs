//! The folds from a journal to the minutes: their life, and the facts of their draft.
//!
//! One function per group of events, so that a new group is a new function. What the journal does
//! not hold (titles of the agenda, who was to take the record) comes from the plan of the session.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use signaling::Source;

use super::event::{Actor, Change, Envelope, Event, Header, SignPurpose};
use super::fold_attendance;
use crate::domain::minutes::facts::{Absentee, Attendee, ItemFacts, Speech};
use crate::domain::minutes::{Facts, Life, Step};
use crate::domain::report::{AttendanceMode, LeaveNote};
use crate::domain::{AgendaItem, AttendanceReport, AttendanceStatus, PersonId};

/// What was planned and is in no event.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub agenda: Vec<AgendaItem>,
    pub recorder: Option<String>,
}

/// The step of the minutes' life that an event is, if it is one.
pub fn step_of(event: &Event) -> Option<Step> {
    Some(match event {
        Event::MinutesSaved { version, digest } => {
            Step::Save { version: version.clone(), digest: digest.to_string() }
        }
        Event::MinutesSubmitted { digest, name } => {
            Step::Submit { digest: digest.to_string(), name: name.clone() }
        }
        Event::MinutesReturned { reason, superior } => {
            Step::Return { reason: reason.clone(), superior: *superior }
        }
        Event::MinutesConfirmed { digest, name, objections_until_us } => Step::Confirm {
            digest: digest.to_string(),
            name: name.clone(),
            objections_until_us: *objections_until_us,
        },
        Event::MinutesObjection { id, text } => Step::Object { id: id.clone(), text: text.clone() },
        Event::MinutesAnswer { id, text } => Step::Answer { id: id.clone(), text: text.clone() },
        Event::MinutesSealed { digest } => Step::Seal { digest: digest.to_string() },
        Event::MinutesCorrected { section, old, new, reason } => Step::Correct {
            section: section.clone(),
            old: old.clone(),
            new: new.clone(),
            reason: reason.clone(),
        },
        _ => return None,
    })
}

/// How far the minutes have come.
pub fn fold_life<'a>(events: impl IntoIterator<Item = &'a Envelope>) -> Life {
    let mut life = Life::default();
    for envelope in events {
        if let Some(step) = step_of(&envelope.event) {
            let by = match envelope.actor {
                Actor::System => None,
                Actor::Person(person) => Some(person),
            };
            life.apply(&step, by, envelope.at_us);
        }
    }
    life
}

/// Who presided last: the one who confirms. `None`: nobody ever did.
pub fn last_chair(events: &[Envelope]) -> Option<PersonId> {
    events.iter().rev().find_map(|e| match e.event {
        Event::Chair { person: Some(person), .. } => Some(person),
        _ => None,
    })
}

/// Everything the draft is made of.
pub fn facts(header: &Header, events: &[Envelope], plan: &Plan) -> Facts {
    let report = fold_attendance(header, events);
    let names = Names::of(header, events);
    let line = Line::of(header, events);
    let mut facts = Facts {
        session: header.session,
        kind: header.kind,
        title: header.title.clone(),
        org_name: header.org_name.clone(),
        official: line.official(),
        official_s: report.official.seconds,
        auto_closed: events.iter().any(|e| matches!(e.event, Event::DeclaredClosed { auto: true })),
        sites: sites(events),
        chairs: chairs(events, &names, &line),
        recorder: plan.recorder.clone(),
        totals: report.totals,
        present: Vec::new(),
        absent: Vec::new(),
        exempt: Vec::new(),
        observers: Vec::new(),
        agenda: Vec::new(),
        outside: Vec::new(),
        shown: shown(events, &names, &line),
        resolutions: super::minutes_ballots::resolutions(events),
        recording: recording(events, &line),
        unrecorded: unrecorded(events, &names),
        signed: signed(events),
    };
    people(&report, &mut facts);
    (facts.agenda, facts.outside) = agenda(events, &plan.agenda, &names, &line);
    facts
}

/// Names as they were known to the meeting.
struct Names(HashMap<PersonId, String>);

impl Names {
    fn of(header: &Header, events: &[Envelope]) -> Self {
        let mut names: HashMap<_, _> =
            header.roster.iter().map(|e| (e.person_id, e.name.clone())).collect();
        for envelope in events {
            match &envelope.event {
                Event::Join { person, name, .. } | Event::ObserverEnter { person, name, .. } => {
                    names.entry(*person).or_insert_with(|| name.clone());
                }
                Event::Correction { change: Change::RosterAdd { entry }, .. } => {
                    names.entry(entry.person_id).or_insert_with(|| entry.name.clone());
                }
                _ => {}
            }
        }
        Self(names)
    }

    fn name(&self, person: PersonId) -> String {
        self.0.get(&person).cloned().unwrap_or_else(|| "（姓名不详）".into())
    }
}

/// The meeting's own time: monotonic, shown on the wall clock of 宣布开会.
struct Line {
    zero_us: i64,
    opened: Option<i64>,
    closed: Option<i64>,
}

impl Line {
    fn of(header: &Header, events: &[Envelope]) -> Self {
        let first = |which: fn(&Event) -> bool| events.iter().find(|e| which(&e.event));
        let opened = first(|e| matches!(e, Event::DeclaredOpen));
        let closed = first(|e| matches!(e, Event::DeclaredClosed { .. }));
        Self {
            zero_us: opened.map_or(header.opened_at_us, |e| e.at_us - e.mono_us),
            opened: opened.map(|e| e.mono_us),
            closed: closed.map(|e| e.mono_us),
        }
    }

    fn wall(&self, mono_us: i64) -> i64 {
        self.zero_us + mono_us
    }

    fn official(&self) -> Option<(i64, i64)> {
        Some((self.wall(self.opened?), self.wall(self.closed?)))
    }

    /// The part of a span inside the official time, if any is left.
    fn inside(&self, from: i64, to: i64) -> Option<(i64, i64)> {
        let from = from.max(self.opened?);
        let to = to.min(self.closed.unwrap_or(i64::MAX));
        (from < to).then_some((from, to))
    }

    fn end(&self, events: &[Envelope]) -> i64 {
        self.closed.unwrap_or_else(|| events.last().map_or(0, |e| e.mono_us))
    }
}

/// Hand-overs after 宣布开会, and whoever presided then.
fn chairs(events: &[Envelope], names: &Names, line: &Line) -> Vec<(String, i64)> {
    let mut out: Vec<(PersonId, i64)> = Vec::new();
    for envelope in events {
        let Event::Chair { person: Some(person), .. } = envelope.event else { continue };
        if line.closed.is_some_and(|closed| envelope.mono_us > closed) {
            break;
        }
        let from = envelope.mono_us.max(line.opened.unwrap_or(0));
        // Whoever presided only before 宣布开会 presided over nothing.
        while out.last().is_some_and(|(_, since)| *since == from) {
            out.pop();
        }
        if out.last().is_none_or(|(last, _)| *last != person) {
            out.push((person, from));
        }
    }
    out.into_iter().map(|(person, from)| (names.name(person), line.wall(from))).collect()
}

/// Rooms of the meeting, in the order in which they came in.
fn sites(events: &[Envelope]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for envelope in events {
        if let Event::SiteEnter { name, .. } = &envelope.event
            && !out.contains(name)
        {
            out.push(name.clone());
        }
    }
    out
}

/// 请假（因病：住院），事后补假
fn leave_words(leave: &LeaveNote) -> String {
    let mut out = match (leave.kind.is_empty(), leave.reason.is_empty()) {
        (true, true) => "请假".to_owned(),
        (false, true) => format!("请假（{}）", leave.kind),
        (true, false) => format!("请假（{}）", leave.reason),
        (false, false) => format!("请假（{}：{}）", leave.kind, leave.reason),
    };
    if leave.late {
        out += "，事后补假";
    }
    out
}

fn people(report: &AttendanceReport, facts: &mut Facts) {
    use AttendanceStatus as S;
    for row in &report.people {
        let mode = row.mode.unwrap_or(AttendanceMode::Online);
        let name = row.name.clone();
        match row.status {
            S::Present | S::Late | S::Early | S::LateEarly | S::Partial => {
                let note = if row.status == S::Present { "" } else { row.status.word() };
                facts.present.push(Attendee { name, mode, voter: row.voter, note });
            }
            S::Leave => {
                let reason = row.leave.as_ref().map_or_else(|| "请假".to_owned(), leave_words);
                facts.absent.push(Absentee { name, reason: Some(reason) });
            }
            S::Absent => facts.absent.push(Absentee { name, reason: None }),
            S::Observer => facts.observers.push((name, row.org_name.clone(), mode)),
            S::Exempt => facts.exempt.push(name),
        }
    }
}

/// Items with the time each was under discussion and who spoke then; and who spoke otherwise.
fn agenda(
    events: &[Envelope],
    planned: &[AgendaItem],
    names: &Names,
    line: &Line,
) -> (Vec<ItemFacts>, Vec<Speech>) {
    let mut items: Vec<ItemFacts> = planned
        .iter()
        .map(|item| ItemFacts { title: item.title.clone(), ..ItemFacts::default() })
        .collect();
    // Under discussion: (item, from, to) in session time.
    let mut turns: Vec<(usize, i64, i64)> = Vec::new();
    let end = line.end(events);
    for envelope in events {
        if let Event::Agenda { index } = envelope.event {
            if let Some(last) = turns.last_mut() {
                last.2 = envelope.mono_us;
            }
            turns.push((index as usize, envelope.mono_us, end));
        }
    }
    let turns: Vec<(usize, i64, i64)> = turns
        .into_iter()
        .filter_map(|(item, from, to)| {
            let (from, to) = line.inside(from, to)?;
            (item < items.len()).then_some((item, from, to))
        })
        .collect();
    for (item, from, to) in &turns {
        items[*item].spans.push((line.wall(*from), line.wall(*to)));
    }
    let mut spoken: Vec<Spoken> = vec![Spoken::default(); items.len()];
    let mut outside = Spoken::default();
    for envelope in events {
        let Event::Spoke { person, from_mono_us, to_mono_us } = envelope.event else { continue };
        let Some((from, to)) = line.inside(from_mono_us, to_mono_us) else { continue };
        let mut rest = to - from;
        for (item, item_from, item_to) in &turns {
            let shared = to.min(*item_to) - from.max(*item_from);
            if shared > 0 {
                spoken[*item].add(person, shared);
                rest -= shared;
            }
        }
        outside.add(person, rest);
    }
    for (item, spoken) in items.iter_mut().zip(spoken) {
        item.speeches = spoken.speeches(names);
    }
    (items, outside.speeches(names))
}

/// In the order in which people first spoke.
#[derive(Clone, Default)]
struct Spoken(Vec<(PersonId, i64)>);

impl Spoken {
    fn add(&mut self, person: PersonId, us: i64) {
        if us <= 0 {
            return;
        }
        match self.0.iter_mut().find(|(known, _)| *known == person) {
            Some((_, sum)) => *sum += us,
            None => self.0.push((person, us)),
        }
    }

    fn speeches(self, names: &Names) -> Vec<Speech> {
        let one = |(person, us)| Speech { name: names.name(person), seconds: us / 1_000_000 };
        self.0.into_iter().map(one).collect()
    }
}

/// Shared screens, each from when it was on until it was off, its owner left, or 散会.
fn shown(events: &[Envelope], names: &Names, line: &Line) -> Vec<(String, i64, i64)> {
    let (mut open, mut out) = (BTreeMap::new(), Vec::new());
    let mut close = |person: PersonId, from: i64, to: i64| {
        if let Some((from, to)) = line.inside(from, to) {
            out.push((names.name(person), line.wall(from), line.wall(to)));
        }
    };
    for envelope in events {
        match &envelope.event {
            Event::MediaState { person, endpoint, source: Source::Screen, on: true } => {
                open.entry(*endpoint).or_insert((*person, envelope.mono_us));
            }
            Event::MediaState { endpoint, source: Source::Screen, on: false, .. }
            | Event::Leave { endpoint, .. } => {
                if let Some((person, from)) = open.remove(endpoint) {
                    close(person, from, envelope.mono_us);
                }
            }
            _ => {}
        }
    }
    for (_, (person, from)) in open {
        close(person, from, line.end(events));
    }
    out.sort_by_key(|(_, from, _)| *from);
    out
}

fn recording(events: &[Envelope], line: &Line) -> Vec<(i64, Option<i64>)> {
    let mut out: Vec<(i64, Option<i64>)> = Vec::new();
    for envelope in events {
        let at = line.wall(envelope.mono_us);
        let running = out.last().is_some_and(|(_, to)| to.is_none());
        match envelope.event {
            Event::RecordingStart | Event::RecordingResume if !running => out.push((at, None)),
            Event::RecordingPause | Event::RecordingStop { .. } => {
                if let Some((_, to @ None)) = out.last_mut() {
                    *to = Some(at);
                }
            }
            _ => {}
        }
    }
    out
}

fn unrecorded(events: &[Envelope], names: &Names) -> Vec<String> {
    let mut declined = BTreeSet::new();
    for envelope in events {
        if let Event::Consent { person, accepted } = envelope.event {
            if accepted {
                declined.remove(&person);
            } else {
                declined.insert(person);
            }
        }
    }
    declined.into_iter().map(|person| names.name(person)).collect()
}

/// What the signature of 散会 covers.
fn signed(events: &[Envelope]) -> Option<(u64, String)> {
    events.iter().find_map(|e| match e.event {
        Event::HeadSigned { purpose: SignPurpose::Closed, .. } => {
            Some((e.seq - 1, e.prev_hash.to_string()))
        }
        _ => None,
    })
}
