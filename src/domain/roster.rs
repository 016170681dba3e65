//! 名册: who is due, frozen when the session opens.

use serde::{Deserialize, Serialize};
use signaling::view::Counts;

use super::ids::PersonId;
use super::member::MemberClass;

/// One person as they stood at opening; later changes of name, class or branch do not reach here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterEntry {
    pub person_id: PersonId,
    pub name: String,
    pub class: MemberClass,
    pub org_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_name: Option<String>,
    /// 有表决权, decided at freezing from class and standing.
    pub voter: bool,
    /// In 应到; false is 不计入 (an exemption by rule, never leave).
    pub due: bool,
}

/// At most one entry a person.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roster(pub Vec<RosterEntry>);

impl Roster {
    pub fn get(&self, person: PersonId) -> Option<&RosterEntry> {
        self.0.iter().find(|e| e.person_id == person)
    }

    pub fn contains(&self, person: PersonId) -> bool {
        self.get(person).is_some()
    }

    /// Adds or replaces, keeping the order of the list.
    pub fn put(&mut self, entry: RosterEntry) {
        match self.0.iter_mut().find(|e| e.person_id == entry.person_id) {
            Some(old) => *old = entry,
            None => self.0.push(entry),
        }
    }

    pub fn remove(&mut self, person: PersonId) {
        self.0.retain(|e| e.person_id != person);
    }

    pub fn iter(&self) -> std::slice::Iter<'_, RosterEntry> {
        self.0.iter()
    }
}

/// 应到/实到/请假/缺席 of this moment. `present` says whether a person has a live connection or is
/// checked in at a site, `exempt` whether a
/// correction took them out of 应到; `observers` is the number of persons who sit in. Every person counts
/// once, on however many devices; leave never makes 应到 smaller. The quorum is the rules' to say.
pub fn live_counts(
    roster: &Roster,
    present: impl Fn(PersonId) -> bool,
    on_leave: impl Fn(PersonId) -> bool,
    exempt: impl Fn(PersonId) -> bool,
    observers: usize,
) -> Counts {
    let mut counts =
        Counts { observers: u32::try_from(observers).unwrap_or(u32::MAX), ..Counts::default() };
    for entry in roster.iter().filter(|e| e.due && !exempt(e.person_id)) {
        let here = present(entry.person_id);
        let leave = !here && on_leave(entry.person_id);
        let (here, voter) = (u32::from(here), u32::from(entry.voter));
        counts.due += 1;
        counts.present += here;
        counts.leave += u32::from(leave);
        counts.absent += 1 - here - u32::from(leave);
        counts.due_voters += voter;
        counts.present_voters += here * voter;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v7_probationary_members_count_as_heads_and_never_as_voters() {
        let entry = |n: u128, class| RosterEntry {
            person_id: uuid::Uuid::from_u128(n).into(),
            name: String::new(),
            class,
            org_name: String::new(),
            group_name: None,
            voter: crate::domain::rights_of(class).vote,
            due: true,
        };
        let roster = Roster(
            (0..16)
                .map(|n| entry(n, MemberClass::Full))
                .chain((16..20).map(|n| entry(n, MemberClass::Probationary)))
                .collect(),
        );
        let here = |p: PersonId| {
            let n = p.as_uuid().as_u128();
            !(9..16).contains(&n)
        };
        let away = |p: PersonId| p.as_uuid().as_u128() == 9;
        assert_eq!(
            live_counts(&roster, here, away, |_| false, 2),
            Counts {
                due: 20,
                present: 13,
                due_voters: 16,
                present_voters: 9,
                leave: 1,
                absent: 6,
                observers: 2,
                quorum: None,
            }
        );
    }

    #[test]
    fn v24_leave_does_not_change_the_denominators() {
        let entry = |n: u128| RosterEntry {
            person_id: uuid::Uuid::from_u128(n).into(),
            name: String::new(),
            class: MemberClass::Full,
            org_name: String::new(),
            group_name: None,
            voter: true,
            due: true,
        };
        let roster = Roster((0..20).map(entry).collect());
        let away = |p: PersonId| p.as_uuid().as_u128() == 7;
        let counts = live_counts(&roster, |p| !away(p), away, |_| false, 0);
        assert_eq!((counts.due, counts.present, counts.leave, counts.absent), (20, 19, 1, 0));
        assert_eq!((counts.due_voters, counts.present_voters), (20, 19));
        // Who is on leave and comes after all is present.
        let counts = live_counts(&roster, |_| true, away, |_| false, 0);
        assert_eq!((counts.present, counts.leave), (20, 0));
    }
}
