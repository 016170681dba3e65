//! Classes of members and the rights that go with them (`domain.md` §2.1).

pub use signaling::view::MemberClass;

/// 表决权, 选举权 and 被选举权.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    pub vote: bool,
    pub elect: bool,
}

/// Only full members in good standing vote and elect (党章 art. 7; 选举条例 art. 5). The others are
/// counted in 应到 and 实到 all the same.
pub const fn rights_of(class: MemberClass) -> Rights {
    let full = matches!(class, MemberClass::Full);
    Rights { vote: full, elect: full }
}

/// The Chinese word on sheets.
pub const fn class_word(class: MemberClass) -> &'static str {
    match class {
        MemberClass::Full => "正式党员",
        MemberClass::Probationary => "预备党员",
        MemberClass::OnPartyProbation => "留党察看",
        MemberClass::RightsSuspended => "权利中止",
    }
}

/// The stable id in the database and in files.
pub const fn class_id(class: MemberClass) -> &'static str {
    match class {
        MemberClass::Full => "full",
        MemberClass::Probationary => "probationary",
        MemberClass::OnPartyProbation => "on_party_probation",
        MemberClass::RightsSuspended => "rights_suspended",
    }
}

pub fn class_from_id(id: &str) -> Option<MemberClass> {
    [
        MemberClass::Full,
        MemberClass::Probationary,
        MemberClass::OnPartyProbation,
        MemberClass::RightsSuspended,
    ]
    .into_iter()
    .find(|c| class_id(*c) == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probationary_and_punished_members_have_no_vote() {
        assert!(rights_of(MemberClass::Full).vote);
        for class in
            [MemberClass::Probationary, MemberClass::OnPartyProbation, MemberClass::RightsSuspended]
        {
            assert_eq!(rights_of(class), Rights { vote: false, elect: false });
            assert_eq!(class_from_id(class_id(class)), Some(class));
        }
    }
}
