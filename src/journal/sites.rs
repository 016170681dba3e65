//! Rooms with many people before one device: who was there is who was checked in while the room's
//! device was connected (`domain.md` §3.3, point 4).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use signaling::LeaveReason;

use crate::domain::intervals::Span;
use crate::domain::{EndpointId, PersonId, Presence, PresenceEnd, SiteId};

#[derive(Debug, Clone, Default)]
struct Site {
    name: String,
    /// Ended connections, in the order in which they ended.
    connected: Vec<Connected>,
}

#[derive(Debug, Clone, Copy)]
struct Connected {
    endpoint: EndpointId,
    span: Span,
    end: PresenceEnd,
    inferred: bool,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    site: SiteId,
    from: i64,
    seen: i64,
}

#[derive(Debug, Clone, Copy)]
struct Checkin {
    site: SiteId,
    from: i64,
    /// None: to the end of what is known.
    to: Option<i64>,
    confirmed: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Sites {
    sites: BTreeMap<SiteId, Site>,
    open: BTreeMap<EndpointId, Open>,
    /// In order of time; only the last of a person can be open.
    checkins: BTreeMap<PersonId, Vec<Checkin>>,
}

impl Sites {
    pub fn enter(&mut self, site: SiteId, endpoint: EndpointId, name: &str, mono: i64) {
        self.sites.entry(site).or_default().name = name.to_owned();
        self.open.entry(endpoint).or_insert(Open { site, from: mono, seen: mono });
    }

    pub fn exit(&mut self, endpoint: EndpointId, reason: LeaveReason, at: i64) {
        if let Some(open) = self.open.remove(&endpoint) {
            self.close(endpoint, open, at, reason, false);
        }
    }

    /// The journal proves the connection alive.
    pub fn seen(&mut self, endpoint: EndpointId, mono: i64) {
        if let Some(open) = self.open.get_mut(&endpoint) {
            open.seen = open.seen.max(mono);
        }
    }

    /// All connections ended when they were seen last; who is checked in stays so.
    pub fn restart(&mut self) {
        for (endpoint, open) in std::mem::take(&mut self.open) {
            self.close(endpoint, open, open.seen, LeaveReason::Server, true);
        }
    }

    fn close(
        &mut self,
        endpoint: EndpointId,
        open: Open,
        at: i64,
        reason: LeaveReason,
        inferred: bool,
    ) {
        let span = Span::new(open.from, at.max(open.from));
        let end = PresenceEnd::Left(reason);
        let connected = Connected { endpoint, span, end, inferred };
        self.sites.entry(open.site).or_default().connected.push(connected);
    }

    pub fn check_in(&mut self, person: PersonId, site: SiteId, confirmed: bool, mono: i64) {
        let checkins = self.checkins.entry(person).or_default();
        match checkins.last_mut().filter(|last| last.to.is_none()) {
            Some(last) if last.site == site => {
                // Scanned after the recorder had ticked the list: no more to be confirmed.
                last.confirmed |= confirmed;
                return;
            }
            Some(last) => last.to = Some(mono),
            None => {}
        }
        checkins.push(Checkin { site, from: mono, to: None, confirmed });
    }

    pub fn check_out(&mut self, person: PersonId, site: SiteId, mono: i64) {
        let last = self.checkins.get_mut(&person).and_then(|c| c.last_mut());
        if let Some(last) = last.filter(|c| c.site == site && c.to.is_none()) {
            last.to = Some(mono);
        }
    }

    pub fn decide(&mut self, person: PersonId, site: SiteId, accepted: bool) {
        let Some(checkins) = self.checkins.get_mut(&person) else { return };
        let waiting = |c: &Checkin| c.site == site && !c.confirmed;
        let Some(at) = checkins.iter().rposition(waiting) else { return };
        if accepted {
            checkins[at].confirmed = true;
        } else {
            checkins.remove(at);
        }
    }

    pub fn names(&self) -> BTreeMap<SiteId, String> {
        self.sites.iter().map(|(id, site)| (*id, site.name.clone())).collect()
    }

    /// Whose check-in waits for the chair.
    pub fn unconfirmed(&self) -> BTreeSet<PersonId> {
        let waits = |checkins: &Vec<Checkin>| checkins.iter().any(|c| !c.confirmed);
        self.checkins.iter().filter(|(_, c)| waits(c)).map(|(person, _)| *person).collect()
    }

    /// Checked in now, at a site that is connected now.
    pub fn is_present(&self, person: PersonId) -> bool {
        let last = self.checkins.get(&person).and_then(|c| c.last());
        last.is_some_and(|c| {
            c.to.is_none() && c.confirmed && self.open.values().any(|o| o.site == c.site)
        })
    }

    /// What the check-ins come to: the time of each within the connections of its site.
    pub fn presences(&self, now: i64, open_end: PresenceEnd) -> Vec<(PersonId, Presence)> {
        let mut connections: BTreeMap<SiteId, Vec<Connected>> =
            self.sites.iter().map(|(id, site)| (*id, site.connected.clone())).collect();
        for (endpoint, open) in &self.open {
            let span = Span::new(open.from, now.max(open.from));
            let connected = Connected { endpoint: *endpoint, span, end: open_end, inferred: false };
            connections.entry(open.site).or_default().push(connected);
        }
        let (device, mut out) = (Arc::<str>::from("site"), Vec::new());
        for (person, checkins) in &self.checkins {
            for checkin in checkins.iter().filter(|c| c.confirmed) {
                let to = checkin.to.unwrap_or(i64::MAX);
                for connected in connections.get(&checkin.site).into_iter().flatten() {
                    let span =
                        Span::new(connected.span.from.max(checkin.from), connected.span.to.min(to));
                    let still = connected.end == PresenceEnd::StillHere && checkin.to.is_none();
                    if span.is_empty() && !still {
                        continue;
                    }
                    // Who checked out went by choice, and that is never bridged.
                    let own = connected.span.to > to;
                    let presence = Presence {
                        endpoint: connected.endpoint,
                        device: Arc::clone(&device),
                        site: Some(checkin.site),
                        span: Span::new(span.from, span.to.max(span.from)),
                        end: if own { PresenceEnd::Left(LeaveReason::User) } else { connected.end },
                        inferred: connected.inferred && !own,
                    };
                    out.push((*person, presence));
                }
            }
        }
        out
    }
}
