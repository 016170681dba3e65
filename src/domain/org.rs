//! The tree of Party organisations.

use std::collections::{BTreeMap, HashMap, HashSet};

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

    /// Whether an organisation of this kind may stand under one of that kind: groups under
    /// branches, everything else under what is neither branch nor group.
    pub const fn may_stand_under(self, parent: Self) -> bool {
        match self {
            Self::Group => parent.is_branch(),
            _ => !parent.is_branch() && !matches!(parent, Self::Group),
        }
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

/// Why an organisation cannot stand there; in words for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    #[error("没有这个组织，请刷新页面")]
    Unknown,
    #[error("上级组织已撤销，请选择其他上级组织")]
    Closed,
    #[error("不能移到自己或自己的下级组织之下")]
    BelowItself,
    #[error("{}不能设在{}之下", .0.word(), .1.word())]
    Kind(OrgKind, OrgKind),
    #[error("组织层级超过{MAX_DEPTH}级，请选择层级更高的上级组织")]
    TooDeep,
}

/// From a moment on (microseconds UTC, 0: since ever) under this parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    pub from_us: i64,
    pub parent: Option<OrgId>,
}

/// What the tree knows of an organisation besides its node.
#[derive(Debug, Clone, Default)]
pub struct OrgExtra {
    /// The short code that people and imports know it by.
    pub code: Option<String>,
    pub closed_us: Option<i64>,
    /// All edges, oldest first, when it ever moved; else empty.
    pub edges: Vec<Edge>,
}

/// The whole tree in memory; checked on construction, so walking up always ends.
///
/// It is the tree of now; organisations that moved also know under whom they stood before, so that
/// what happened then stays with those who were responsible then.
#[derive(Debug, Clone, Default)]
pub struct OrgTree {
    nodes: HashMap<OrgId, OrgNode>,
    children: BTreeMap<OrgId, Vec<OrgId>>,
    extras: HashMap<OrgId, OrgExtra>,
    by_code: HashMap<String, OrgId>,
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
        Ok(Self { nodes, children, ..Self::default() })
    }

    /// Adds what is known besides the nodes.
    pub fn with_extras(mut self, extras: HashMap<OrgId, OrgExtra>) -> Self {
        self.by_code = extras.iter().filter_map(|(id, e)| Some((e.code.clone()?, *id))).collect();
        self.extras = extras;
        self
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub fn code(&self, id: OrgId) -> Option<&str> {
        self.extras.get(&id)?.code.as_deref()
    }

    /// By the short code; by the id in text when there is none.
    pub fn by_code(&self, code: &str) -> Option<OrgId> {
        self.by_code.get(code).copied().or_else(|| {
            let id = code.parse().ok()?;
            self.nodes.contains_key(&id).then_some(id)
        })
    }

    pub fn closed_us(&self, id: OrgId) -> Option<i64> {
        self.extras.get(&id)?.closed_us
    }

    /// Its edges, oldest first; empty when it never moved.
    pub fn edges(&self, id: OrgId) -> &[Edge] {
        self.extras.get(&id).map_or(&[], |e| &e.edges)
    }

    pub fn children(&self, id: OrgId) -> &[OrgId] {
        self.children.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Under whom it stood at that moment.
    pub fn parent_at(&self, id: OrgId, at_us: i64) -> Option<OrgId> {
        match self.edges(id) {
            [] => self.nodes.get(&id)?.parent,
            edges => edges.iter().rev().find(|e| e.from_us <= at_us)?.parent,
        }
    }

    /// Whether `above` was a superior of `below` (or is it itself) at that moment.
    pub fn was_ancestor_or_self(&self, above: OrgId, below: OrgId, at_us: i64) -> bool {
        let mut next = self.nodes.contains_key(&below).then_some(below);
        // Edges of different days never stood together: a bound instead of a proof.
        for _ in 0..=MAX_DEPTH {
            match next {
                Some(id) if id == above => return true,
                Some(id) => next = self.parent_at(id, at_us),
                None => return false,
            }
        }
        false
    }

    /// 1 for a root.
    pub fn depth(&self, id: OrgId) -> usize {
        self.ancestors_or_self(id).count()
    }

    /// Levels below and including it; 1 for a leaf, 0 for an unknown id.
    pub fn height(&self, id: OrgId) -> usize {
        let mut level = vec![id];
        let mut height = 0;
        level.retain(|id| self.nodes.contains_key(id));
        while !level.is_empty() && height <= MAX_DEPTH {
            height += 1;
            level = level.iter().flat_map(|id| self.children(*id)).copied().collect();
        }
        height
    }

    /// Whether `id` may stand under `parent` from now on.
    ///
    /// # Errors
    /// Why not.
    pub fn may_move(&self, id: OrgId, parent: OrgId) -> Result<(), MoveError> {
        let node = self.get(id).ok_or(MoveError::Unknown)?;
        let above = self.get(parent).ok_or(MoveError::Unknown)?;
        if self.closed_us(parent).is_some() {
            return Err(MoveError::Closed);
        }
        if self.is_ancestor_or_self(id, parent) {
            return Err(MoveError::BelowItself);
        }
        if !node.kind.may_stand_under(above.kind) {
            return Err(MoveError::Kind(node.kind, above.kind));
        }
        if self.depth(parent) + self.height(id) > MAX_DEPTH {
            return Err(MoveError::TooDeep);
        }
        Ok(())
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

    /// Organisations below `scope` (or it) whose name holds the text or whose code starts with it,
    /// at most `limit`, those whose name starts with it first; of all roots without a scope.
    pub fn search(&self, scope: &[OrgId], text: &str, limit: usize) -> Vec<OrgId> {
        let (mut first, mut then) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        for id in scope.iter().flat_map(|root| self.subtree(*root)) {
            if first.len() >= limit || !seen.insert(id) {
                continue;
            }
            let Some(node) = self.nodes.get(&id) else { continue };
            let code = self.code(id).is_some_and(|code| code.starts_with(text));
            if code || node.name.starts_with(text) {
                first.push(id);
            } else if then.len() < limit && node.name.contains(text) {
                then.push(id);
            }
        }
        first.extend(then);
        first.truncate(limit);
        first
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

    /// R(1) → A(2) → a1(3), a2(4); B(5) → b1(6); a1 moved from A to B at 100.
    fn moved() -> OrgTree {
        let parents = [None, Some(1), Some(5), Some(2), Some(1), Some(5)];
        let tree = OrgTree::new(parents.into_iter().zip(1..).map(|(p, n)| node(n, p))).unwrap();
        let edges = vec![
            Edge { from_us: 0, parent: Some(id(2)) },
            Edge { from_us: 100, parent: Some(id(5)) },
        ];
        let extra = OrgExtra { code: Some("a1".into()), edges, closed_us: None };
        tree.with_extras([(id(3), extra)].into())
    }

    #[test]
    fn what_was_before_a_move_stays_with_the_superiors_of_then() {
        let tree = moved();
        for (above, at_us, was) in
            [(2, 99, true), (2, 100, false), (5, 99, false), (5, 100, true), (1, 99, true)]
        {
            assert_eq!(tree.was_ancestor_or_self(id(above), id(3), at_us), was, "{above} {at_us}");
        }
        assert!(tree.is_ancestor_or_self(id(5), id(3)) && !tree.is_ancestor_or_self(id(2), id(3)));
        assert!(tree.was_ancestor_or_self(id(2), id(4), 50), "never moved");
    }

    #[test]
    fn nothing_stands_below_itself_or_too_deep() {
        let chain = (1..=11)
            .map(|n| OrgNode { kind: OrgKind::Committee, ..node(n, (n > 1).then(|| n - 1)) });
        let pair = [node(20, None), node(21, Some(20))]
            .map(|n| OrgNode { kind: OrgKind::GeneralBranch, ..n });
        let tree = OrgTree::new(chain.chain(pair).chain([node(30, Some(1))])).unwrap();
        assert_eq!(tree.may_move(id(2), id(5)), Err(MoveError::BelowItself));
        assert_eq!(tree.may_move(id(2), id(2)), Err(MoveError::BelowItself));
        assert_eq!(tree.may_move(id(20), id(10)), Ok(()));
        assert_eq!(tree.may_move(id(20), id(11)), Err(MoveError::TooDeep));
        assert_eq!(
            tree.may_move(id(20), id(30)),
            Err(MoveError::Kind(OrgKind::GeneralBranch, OrgKind::Branch))
        );
        assert_eq!((tree.depth(id(11)), tree.height(id(1)), tree.height(id(99))), (11, 11, 0));
    }

    #[test]
    fn organisations_are_found_by_code_and_by_any_part_of_the_name() {
        let mut nodes = vec![node(1, None), node(2, Some(1)), node(3, Some(1))];
        for (node, name) in nodes.iter_mut().zip(["区委", "机关第一支部", "第一支部"]) {
            node.name = name.into();
        }
        let extra = OrgExtra { code: Some("0102".into()), ..OrgExtra::default() };
        let tree = OrgTree::new(nodes).unwrap().with_extras([(id(2), extra)].into());
        assert_eq!(tree.search(&[id(1)], "第一", 10), [id(3), id(2)]);
        assert_eq!(tree.search(&[id(1)], "01", 10), [id(2)]);
        assert_eq!(tree.search(&[id(3)], "机关", 10), []);
        assert_eq!(tree.by_code("0102"), Some(id(2)));
        assert_eq!(tree.by_code(&id(3).to_string()), Some(id(3)));
        assert_eq!(tree.by_code("0103"), None);
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
