//! Kinds of meetings: ids of the rules file, their Chinese words, and who is due.
//!
//! Quorum and majorities come with the rules engine; this table holds what a roster needs.

use serde::{Deserialize, Serialize};

/// Version of this table, printed on every report.
pub const RULES_VERSION: u32 = 1;

/// Whose list 应到 is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// All members of the branch.
    Members,
    /// Members of the branch committee.
    Committee,
    /// Members of the Party group.
    Group,
    /// Members of the leading body.
    LeadingBody,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $id:literal, $word:literal, $due:ident;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum MeetingKind { $($(#[$doc])* $kind,)* }

        impl MeetingKind {
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The stable id, e.g. `branch_assembly`.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$kind => $id,)* }
            }

            /// The word a secretary uses, e.g. 支部党员大会.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$kind => $word,)* }
            }

            pub const fn due(self) -> Due {
                match self { $(Self::$kind => Due::$due,)* }
            }

            pub fn from_id(id: &str) -> Option<Self> {
                match id { $($id => Some(Self::$kind),)* _ => None }
            }
        }
    };
}

kinds! {
    BranchAssembly = "branch_assembly", "支部党员大会", Members;
    BranchCommittee = "branch_committee", "支部委员会会议", Committee;
    GroupMeeting = "group_meeting", "党小组会", Group;
    PartyLecture = "party_lecture", "党课", Members;
    ThemeDay = "theme_day", "主题党日", Members;
    OrgLife = "org_life", "组织生活会", Members;
    MemberReview = "member_review", "民主评议党员", Members;
    AdmitProbationary = "admit_probationary", "接收预备党员", Members;
    ConvertProbationary = "convert_probationary", "预备党员转正", Members;
    DisciplineVote = "discipline_vote", "讨论处分或除名", Members;
    Election = "election", "换届选举", Members;
    LeadersLife = "leaders_life", "民主生活会", LeadingBody;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_serialised_form() {
        for kind in MeetingKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.id());
            assert_eq!(MeetingKind::from_id(kind.id()), Some(*kind));
        }
        assert_eq!(MeetingKind::from_id("谈心谈话"), None);
    }
}
