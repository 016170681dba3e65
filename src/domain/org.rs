//! The tree of Party organisations.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::ids::OrgId;

/// Deepest tree that is accepted (`domain.md` §4.5).
pub const MAX_DEPTH: usize = 12;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($kind:ident = $id:literal, $word:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $(#[doc = $word] $kind,)* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The stable id in the database and in answers.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$kind => $id,)* }
            }

            /// The Chinese word.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$kind => $word,)* }
            }

            pub fn from_id(id: &str) -> Option<Self> {
                match id { $($id => Some(Self::$kind),)* _ => None }
            }
        }
    };
}

words! {
    OrgKind {
        Committee = "committee", "党委";
        WorkCommittee = "work_committee", "党工委";
        GeneralBranch = "general_branch", "党总支";
        Branch = "branch", "党支部";
        JointBranch = "joint_branch", "联合党支部";
        TemporaryBranch = "temporary_branch", "临时党支部";
        Group = "group", "党小组";
    }
}

words! {
    /// Standing of a person in an organisation (`domain.md` §4.5); what it allows is decided by
    /// `auth`'s one policy function.
    OrgRole {
        Member = "member", "党员";
        GroupLeader = "group_leader", "党小组组长";
        Recorder = "recorder", "记录人";
        Secretary = "secretary", "书记";
        CommitteeMember = "committee_member", "委员";
        Manager = "manager", "党组织管理员";
        Observer = "observer", "督导员";
        Administrator = "administrator", "系统管理员";
    }
}

impl OrgKind {
    /// Whether members belong here and meetings of a branch are held here.
    pub const fn is_branch(self) -> bool {
        matches!(self, Self::Branch | Self::JointBranch | Self::TemporaryBranch)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgNode {
    pub id: OrgId,
    pub parent: Option<OrgId>,
    pub kind: OrgKind,
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrgTreeError {
    #[error("{0} names a parent that does not exist")]
    MissingParent(OrgId),
    #[error("{0} is its own ancestor or lies deeper than {MAX_DEPTH}")]
    CycleOrTooDeep(OrgId),
}

/// The whole tree in memory; checked on construction, so walking up always ends.
#[derive(Debug, Clone, Default)]
pub struct OrgTree {
    nodes: HashMap<OrgId, OrgNode>,
    children: BTreeMap<OrgId, Vec<OrgId>>,
}

impl OrgTree {
    pub fn new(nodes: impl IntoIterator<Item = OrgNode>) -> Result<Self, OrgTreeError> {
        let nodes: HashMap<OrgId, OrgNode> = nodes.into_iter().map(|n| (n.id, n)).collect();
        let mut children: BTreeMap<OrgId, Vec<OrgId>> = BTreeMap::new();
        for node in nodes.values() {
            let mut above = node.parent;
            let mut depth = 1;
            while let Some(id) = above {
                depth += 1;
                if depth > MAX_DEPTH || id == node.id {
                    return Err(OrgTreeError::CycleOrTooDeep(node.id));
                }
                above = nodes.get(&id).ok_or(OrgTreeError::MissingParent(node.id))?.parent;
            }
            if let Some(parent) = node.parent {
                children.entry(parent).or_default().push(node.id);
            }
        }
        children.values_mut().for_each(|ids| ids.sort_unstable());
        Ok(Self { nodes, children })
    }

    pub fn get(&self, id: OrgId) -> Option<&OrgNode> {
        self.nodes.get(&id)
    }

    /// `id` first, then its parent, up to the root; empty for an unknown id.
    pub fn ancestors_or_self(&self, id: OrgId) -> impl Iterator<Item = &OrgNode> {
        std::iter::successors(self.nodes.get(&id), |n| n.parent.and_then(|p| self.nodes.get(&p)))
    }

    /// Superiors see downwards only: siblings and descendants never.
    pub fn is_ancestor_or_self(&self, above: OrgId, below: OrgId) -> bool {
        self.ancestors_or_self(below).any(|n| n.id == above)
    }

    /// Organisations without a superior here, in order of their ids.
    pub fn roots(&self) -> impl Iterator<Item = OrgId> {
        let mut roots: Vec<OrgId> =
            self.nodes.values().filter(|n| n.parent.is_none()).map(|n| n.id).collect();
        roots.sort_unstable();
        roots.into_iter()
    }

    /// `id` and everything below it, parents before children.
    pub fn subtree(&self, id: OrgId) -> Vec<OrgId> {
        let mut out = Vec::new();
        let mut queue: Vec<OrgId> = self.nodes.get(&id).map(|n| n.id).into_iter().collect();
        while let Some(next) = queue.pop() {
            out.push(next);
            queue.extend(self.children.get(&next).into_iter().flatten().rev());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> OrgId {
        uuid::Uuid::from_u128(n).into()
    }

    fn node(n: u128, parent: Option<u128>) -> OrgNode {
        OrgNode { id: id(n), parent: parent.map(id), kind: OrgKind::Branch, name: n.to_string() }
    }

    #[test]
    fn a_superior_reaches_down_and_nobody_reaches_sideways_or_up() {
        // R(1) → A(2) → a1(3), a2(4); B(5) → b1(6)
        let parents = [None, Some(1), Some(2), Some(2), Some(1), Some(5)];
        let nodes = parents.into_iter().zip(1..).map(|(parent, n)| node(n, parent));
        let tree = OrgTree::new(nodes).unwrap();
        assert_eq!(tree.subtree(id(2)), [id(2), id(3), id(4)]);
        for (below, seen) in [(3, true), (4, true), (2, true), (6, false), (1, false)] {
            assert_eq!(tree.is_ancestor_or_self(id(2), id(below)), seen, "{below}");
        }
        assert!(!tree.is_ancestor_or_self(id(99), id(99)));
    }

    #[test]
    fn cycles_and_orphans_are_refused() {
        assert_eq!(
            OrgTree::new([node(1, Some(2))]).unwrap_err(),
            OrgTreeError::MissingParent(id(1))
        );
        assert!(matches!(
            OrgTree::new([node(1, Some(2)), node(2, Some(1))]),
            Err(OrgTreeError::CycleOrTooDeep(_))
        ));
    }
}
