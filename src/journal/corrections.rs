//! What corrections make of the record. The record itself stays: both sheets can be computed.

use signaling::LeaveReason;
use uuid::Uuid;

use super::event::Change;
use crate::domain::intervals::{Span, subtract};
use crate::domain::{EndpointId, LeaveNote, PersonId, Presence, PresenceEnd, SessionPresence};

/// Lays one correction over what is known so far.
pub(super) fn apply(session: &mut SessionPresence, change: &Change) {
    match change {
        Change::RosterAdd { entry } => session.roster.put(entry.clone()),
        Change::RosterRemove { person } => session.roster.remove(*person),
        Change::Exempt { person } => {
            session.exempt.insert(*person);
        }
        Change::Include { person } => {
            session.exempt.remove(person);
        }
        Change::WasPresent { person, from_mono_us, to_mono_us, site } => {
            let presence = Presence {
                endpoint: EndpointId::from(Uuid::nil()),
                device: if site.is_some() { "site" } else { "correction" }.into(),
                site: *site,
                span: Span::new(*from_mono_us, *to_mono_us),
                end: PresenceEnd::Left(LeaveReason::User),
                inferred: false,
            };
            session.people.entry(*person).or_default().presences.push(presence);
        }
        Change::WasAbsent { person, from_mono_us, to_mono_us } => {
            cut(session, *person, Span::new(*from_mono_us, *to_mono_us));
        }
        Change::OnLeave { person, kind, reason } => {
            let note = LeaveNote { kind: kind.clone(), reason: reason.clone(), late: true };
            session.on_leave.insert(*person, note);
        }
        Change::NotOnLeave { person } => {
            session.on_leave.remove(person);
        }
        Change::Unknown => {}
    }
}

/// Takes a span out of a person's presences; what ends at the cut is not bridged over it.
fn cut(session: &mut SessionPresence, person: PersonId, hole: Span) {
    let Some(known) = session.people.get_mut(&person) else { return };
    let mut kept = Vec::with_capacity(known.presences.len());
    for presence in std::mem::take(&mut known.presences) {
        if presence.span.is_empty() {
            // Somebody who has only just come.
            kept.push(presence);
            continue;
        }
        for span in subtract(&[presence.span], &[hole]) {
            let whole = span.to == presence.span.to;
            let end = if whole { presence.end } else { PresenceEnd::Left(LeaveReason::Kick) };
            let inferred = presence.inferred && whole;
            kept.push(Presence { span, end, inferred, ..presence.clone() });
        }
    }
    known.presences = kept;
}
