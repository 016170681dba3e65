//! The demo organisation as a table. Names are made up.

use crate::domain::OrgRole::{
    Administrator, CommitteeMember, GroupLeader, Member as PartyMember, Observer, Recorder,
    Secretary,
};
use crate::domain::{MemberClass, OrgKind, OrgRole, Post};

pub struct OrgRow {
    pub kind: OrgKind,
    pub name: &'static str,
    pub parent: Option<usize>,
}

pub struct Member {
    /// Login, and stable key in `demo.json`.
    pub key: &'static str,
    pub name: &'static str,
    /// Row of [`ORGS`].
    pub org: usize,
    pub group: Option<usize>,
    pub class: Option<MemberClass>,
    pub large_type: bool,
    /// In the committee of the branch.
    pub seat: Option<Post>,
    /// Organisation, role, reaches down.
    pub roles: &'static [(usize, OrgRole, bool)],
}

const COMMITTEE: usize = 0;
/// The branch of the planned meeting.
pub const BRANCH: usize = 2;
const BRANCH_2: usize = 3;
const OTHER: usize = 8;

const fn org(kind: OrgKind, name: &'static str, parent: Option<usize>) -> OrgRow {
    OrgRow { kind, name, parent }
}

pub const ORGS: &[OrgRow] = &[
    org(OrgKind::Committee, "清河街道党委", None),
    org(OrgKind::GeneralBranch, "清河社区党总支", Some(COMMITTEE)),
    org(OrgKind::Branch, "清河社区第一党支部", Some(1)),
    org(OrgKind::Branch, "清河社区第二党支部", Some(1)),
    org(OrgKind::Group, "第一党小组", Some(BRANCH)),
    org(OrgKind::Group, "第二党小组", Some(BRANCH)),
    org(OrgKind::Group, "第三党小组", Some(BRANCH_2)),
    org(OrgKind::Group, "第四党小组", Some(BRANCH_2)),
    org(OrgKind::Committee, "东湖街道党委", None),
];

const fn person(
    key: &'static str,
    name: &'static str,
    org: usize,
    group: usize,
    roles: &'static [(usize, OrgRole, bool)],
) -> Member {
    let class = Some(MemberClass::Full);
    Member { key, name, org, group: Some(group), class, large_type: false, seat: None, roles }
}

const fn probationary(member: Member) -> Member {
    Member { class: Some(MemberClass::Probationary), ..member }
}

const fn seated(post: Post, member: Member) -> Member {
    Member { seat: Some(post), ..member }
}

/// Of the first branch and of the second.
const ONE: &[(usize, OrgRole, bool)] = &[(BRANCH, PartyMember, false)];
const TWO: &[(usize, OrgRole, bool)] = &[(BRANCH_2, PartyMember, false)];

pub const MEMBERS: &[Member] = &[
    seated(
        Post::Secretary,
        person(
            "secretary",
            "周建华",
            BRANCH,
            4,
            &[(BRANCH, Secretary, false), (BRANCH, PartyMember, false)],
        ),
    ),
    seated(
        Post::Publicity,
        person(
            "recorder",
            "林晓敏",
            BRANCH,
            4,
            &[(BRANCH, Recorder, false), (BRANCH, PartyMember, false)],
        ),
    ),
    seated(
        Post::Organisation,
        person(
            "member1",
            "陈志强",
            BRANCH,
            4,
            &[
                (4, GroupLeader, false),
                (BRANCH, CommitteeMember, false),
                (BRANCH, PartyMember, false),
            ],
        ),
    ),
    person("member2", "吴秀兰", BRANCH, 4, ONE),
    person("member3", "黄海波", BRANCH, 5, ONE),
    // Over sixty: large type from the first sign-in.
    Member { large_type: true, ..person("member4", "郑桂英", BRANCH, 5, ONE) },
    probationary(person("member5", "刘子涵", BRANCH, 5, ONE)),
    person("member6", "孙国平", BRANCH, 5, ONE),
    person(
        "member7",
        "马丽娟",
        BRANCH_2,
        6,
        &[(BRANCH_2, Secretary, false), (BRANCH_2, PartyMember, false)],
    ),
    person("member8", "何永刚", BRANCH_2, 6, TWO),
    person("member9", "谢雨晴", BRANCH_2, 6, TWO),
    probationary(person("member10", "罗文博", BRANCH_2, 7, TWO)),
    person("member11", "韩春梅", BRANCH_2, 7, TWO),
    person("member12", "曹德明", BRANCH_2, 7, TWO),
    Member { group: None, ..person("observer", "高振声", COMMITTEE, 0, OBSERVER) },
    Member {
        group: None,
        class: None,
        ..person("admin", "系统管理员", COMMITTEE, 0, &[(COMMITTEE, Administrator, false)])
    },
    Member { group: None, ..person("outsider", "方远", OTHER, 0, &[(OTHER, Observer, true)]) },
];

const OBSERVER: &[(usize, OrgRole, bool)] = &[(COMMITTEE, Observer, true)];

pub const TITLE: &str = "第四季度支部党员大会";
pub const LECTURE: &str = "党史学习专题党课";
pub const AGENDA: [&str; 3] = ["传达学习上级文件", "通报支部第四季度工作", "讨论明年工作计划"];

/// Row of [`MEMBERS`]; the last one for a key that is not there, which a test excludes.
pub fn index_of(key: &str) -> usize {
    MEMBERS.iter().position(|m| m.key == key).unwrap_or(MEMBERS.len() - 1)
}
