//! Roles in an organisation, and what each brings (`domain.md` §4.5).

use crate::domain::OrgId;

macro_rules! roles {
    ($($role:ident = $id:literal, $word:literal;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum OrgRole { $(#[doc = $word] $role,)* }

        impl OrgRole {
            pub const ALL: &'static [Self] = &[$(Self::$role,)*];

            /// The stable id in the database and on the wire.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$role => $id,)* }
            }

            pub const fn word(self) -> &'static str {
                match self { $(Self::$role => $word,)* }
            }

            pub fn from_id(id: &str) -> Option<Self> {
                match id { $($id => Some(Self::$role),)* _ => None }
            }
        }
    };
}

roles! {
    Member = "member", "党员";
    GroupLeader = "group_leader", "党小组组长";
    Recorder = "recorder", "记录人";
    CommitteeMember = "committee_member", "支部委员";
    Secretary = "secretary", "书记";
    OrgAdmin = "org_admin", "组织管理员";
    Supervisor = "supervisor", "督导员";
    SysAdmin = "sys_admin", "系统管理员";
}

impl OrgRole {
    /// Creates, opens and cancels the meetings of the organisation.
    pub const fn runs_meetings(self) -> bool {
        matches!(self, Self::Secretary | Self::CommitteeMember | Self::OrgAdmin)
    }

    /// Sits in on meetings of the organisation and of everything below it.
    pub const fn observes(self) -> bool {
        matches!(self, Self::Supervisor | Self::OrgAdmin)
    }

    /// Sees the archive of the organisation's meetings and may have it rendered again.
    pub const fn keeps_records(self) -> bool {
        self.runs_meetings() || matches!(self, Self::Recorder)
    }
}

/// A role at an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grant {
    pub org: OrgId,
    pub role: OrgRole,
}
