//! The tree of organisations.

use super::db::{Row, Store, args};
use super::error::StoreError;
use crate::domain::{OrgId, OrgKind, OrgNode, OrgTree};

/// An organisation as stored is the node of the tree.
pub type Org = OrgNode;

pub struct Orgs<'a>(pub(super) &'a Store);

fn org(row: &Row) -> Result<Org, StoreError> {
    Ok(Org {
        id: row.id("id")?,
        parent: row.opt_id("parent_id")?,
        kind: row.word("kind", OrgKind::from_id)?,
        name: row.text("name")?,
    })
}

impl Orgs<'_> {
    /// # Errors
    /// [`StoreError::Conflict`] if the id is taken or the parent does not exist.
    pub async fn create(&self, org: &Org) -> Result<(), StoreError> {
        let sql = "INSERT INTO orgs (id, parent_id, kind, name) VALUES ($1, $2, $3, $4)";
        let args = args![org.id, org.parent, org.kind.id(), &org.name];
        self.0.execute(sql, args).await.map(drop)
    }

    pub async fn get(&self, id: OrgId) -> Result<Option<Org>, StoreError> {
        let sql = "SELECT id, parent_id, kind, name FROM orgs WHERE id = $1";
        self.0.first(sql, args![id]).await?.as_ref().map(org).transpose()
    }

    /// The whole tree.
    pub async fn tree(&self) -> Result<OrgTree, StoreError> {
        let rows = self.0.all("SELECT id, parent_id, kind, name FROM orgs", vec![]).await?;
        let nodes = rows.iter().map(org).collect::<Result<Vec<_>, _>>()?;
        OrgTree::new(nodes).map_err(|_| StoreError::Corrupt("tree of organisations"))
    }

    /// `id` and everything below it, nearest first.
    pub async fn subtree(&self, id: OrgId) -> Result<Vec<Org>, StoreError> {
        let sql = "WITH RECURSIVE below (id, depth) AS (
                     SELECT id, 0 FROM orgs WHERE id = $1
                     UNION ALL
                     SELECT o.id, b.depth + 1 FROM orgs o JOIN below b ON o.parent_id = b.id
                     WHERE b.depth < 12)
                   SELECT o.id, o.parent_id, o.kind, o.name
                   FROM orgs o JOIN below b ON b.id = o.id ORDER BY b.depth, o.id";
        self.0.all(sql, args![id]).await?.iter().map(org).collect()
    }

    /// `id` first, then its parent, up to the root.
    pub async fn ancestors_or_self(&self, id: OrgId) -> Result<Vec<Org>, StoreError> {
        let sql = "WITH RECURSIVE above (id, parent_id, depth) AS (
                     SELECT id, parent_id, 0 FROM orgs WHERE id = $1
                     UNION ALL
                     SELECT o.id, o.parent_id, a.depth + 1 FROM orgs o
                     JOIN above a ON o.id = a.parent_id WHERE a.depth < 12)
                   SELECT o.id, o.parent_id, o.kind, o.name
                   FROM orgs o JOIN above a ON a.id = o.id ORDER BY a.depth";
        self.0.all(sql, args![id]).await?.iter().map(org).collect()
    }

    /// Superiors only: siblings and descendants are no ancestors.
    pub async fn is_ancestor_or_self(
        &self,
        above: OrgId,
        below: OrgId,
    ) -> Result<bool, StoreError> {
        Ok(self.ancestors_or_self(below).await?.iter().any(|o| o.id == above))
    }
}
