//! The tree of organisations, with its moves.
//!
//! `parent_id` is the edge that counts now; `org_edges` has every edge there ever was and is never
//! changed. A move in the future is an edge that [`Orgs::apply_due`] puts into force when its time
//! has come.

use std::collections::HashMap;

use super::audit::{self, AuditEntry};
use super::db::{Row, Store, Tx, args};
use super::error::StoreError;
use crate::domain::{Edge, OrgExtra, OrgId, OrgKind, OrgNode, OrgTree};

/// An organisation as stored is the node of the tree.
pub type Org = OrgNode;

pub struct Orgs<'a>(pub(super) &'a Store);

/// Name in the settings of what changes whenever the tree does.
const VERSION: &str = "orgs_version";

fn org(row: &Row) -> Result<Org, StoreError> {
    Ok(Org {
        id: row.id("id")?,
        parent: row.opt_id("parent_id")?,
        kind: row.word("kind", OrgKind::from_id)?,
        name: row.text("name")?,
    })
}

/// The tree is another one from this transaction on.
pub(super) async fn bump(tx: &mut Tx) -> Result<(), StoreError> {
    let sql = "INSERT INTO settings (key, value) VALUES ($1, $2)
               ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    tx.execute(sql, args![VERSION, uuid::Uuid::new_v4().to_string()]).await.map(drop)
}

pub(super) async fn insert(tx: &mut Tx, org: &Org, code: Option<&str>) -> Result<(), StoreError> {
    let sql = "INSERT INTO orgs (id, parent_id, kind, name, code) VALUES ($1, $2, $3, $4, $5)";
    tx.execute(sql, args![org.id, org.parent, org.kind.id(), &org.name, code]).await?;
    let sql = "INSERT INTO org_edges (org_id, from_us, parent_id) VALUES ($1, 0, $2)";
    tx.execute(sql, args![org.id, org.parent]).await.map(drop)
}

/// A move that counts from `from_us` on; put into force at once if that is not after `now_us`.
pub(super) async fn insert_edge(
    tx: &mut Tx,
    id: OrgId,
    parent: OrgId,
    from_us: i64,
    now_us: i64,
) -> Result<(), StoreError> {
    // One move at a time: the row is locked until the end.
    let sql = "UPDATE orgs SET parent_from_us = parent_from_us WHERE id = $1";
    found(tx.execute(sql, args![id]).await?)?;
    let sql = "SELECT MAX(from_us) AS newest FROM org_edges WHERE org_id = $1";
    let newest = tx.first(sql, args![id]).await?.map_or(Ok(0), |row| row.int("newest"))?;
    if from_us <= newest {
        return Err(StoreError::Conflict("a later move is on record".into()));
    }
    let sql = "INSERT INTO org_edges (org_id, from_us, parent_id) VALUES ($1, $2, $3)";
    tx.execute(sql, args![id, from_us, parent]).await?;
    if from_us <= now_us {
        let sql = "UPDATE orgs SET parent_id = $2, parent_from_us = $3 WHERE id = $1";
        tx.execute(sql, args![id, parent, from_us]).await?;
    }
    Ok(())
}

fn found(rows: u64) -> Result<(), StoreError> {
    if rows == 0 { Err(StoreError::NotFound("organisation")) } else { Ok(()) }
}

impl Orgs<'_> {
    /// # Errors
    /// [`StoreError::Conflict`] if the id is taken or the parent does not exist.
    pub async fn create(&self, org: &Org) -> Result<(), StoreError> {
        self.create_with_code(org, None).await
    }

    /// # Errors
    /// As [`Orgs::create`], and if the code is taken.
    pub async fn create_with_code(&self, org: &Org, code: Option<&str>) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        insert(&mut tx, org, code).await?;
        bump(&mut tx).await?;
        tx.commit().await
    }

    /// A new organisation, on record.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the code is taken or the parent does not exist.
    pub async fn add(
        &self,
        org: &Org,
        code: Option<&str>,
        by: &AuditEntry,
    ) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        insert(&mut tx, org, code).await?;
        audit::write(&mut tx, by).await?;
        bump(&mut tx).await?;
        tx.commit().await
    }

    /// Name, kind and code.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the code is taken.
    pub async fn edit(
        &self,
        org: &Org,
        code: Option<&str>,
        by: &AuditEntry,
    ) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        let sql = "UPDATE orgs SET name = $2, kind = $3, code = $4 WHERE id = $1";
        found(tx.execute(sql, args![org.id, &org.name, org.kind.id(), code]).await?)?;
        audit::write(&mut tx, by).await?;
        bump(&mut tx).await?;
        tx.commit().await
    }

    /// Under another parent from `from_us` on; what was before stays as it was. Whether it may
    /// stand there is [`OrgTree::may_move`]'s to say.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if a move on record is not earlier.
    pub async fn move_to(
        &self,
        id: OrgId,
        parent: OrgId,
        from_us: i64,
        by: &AuditEntry,
    ) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        insert_edge(&mut tx, id, parent, from_us, by.at_us).await?;
        audit::write(&mut tx, by).await?;
        bump(&mut tx).await?;
        tx.commit().await
    }

    /// 撤销: nobody belongs to it any more.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] while it has members or organisations below it.
    pub async fn close(&self, id: OrgId, by: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        let sql = "UPDATE orgs SET closed_us = $2 WHERE id = $1 AND closed_us IS NULL
                   AND NOT EXISTS (SELECT 1 FROM orgs c WHERE c.parent_id = $1
                                   AND c.closed_us IS NULL)
                   AND NOT EXISTS (SELECT 1 FROM persons p WHERE p.org_id = $1 AND p.active = 1)
                   AND NOT EXISTS (SELECT 1 FROM persons p WHERE p.group_id = $1 AND p.active = 1)";
        if tx.execute(sql, args![id, by.at_us]).await? == 0 {
            return Err(StoreError::Conflict("it is not empty, or closed already".into()));
        }
        audit::write(&mut tx, by).await?;
        bump(&mut tx).await?;
        tx.commit().await
    }

    pub async fn get(&self, id: OrgId) -> Result<Option<Org>, StoreError> {
        let sql = "SELECT id, parent_id, kind, name FROM orgs WHERE id = $1";
        self.0.first(sql, args![id]).await?.as_ref().map(org).transpose()
    }

    /// Changes whenever the tree does; empty before its first change.
    pub async fn version(&self) -> Result<String, StoreError> {
        Ok(self.0.settings().get(VERSION).await?.unwrap_or_default())
    }

    /// Puts moves into force whose time has come; true if there was one.
    pub async fn apply_due(&self, now_us: i64) -> Result<bool, StoreError> {
        let due = "SELECT e.org_id, e.parent_id, e.from_us FROM org_edges e
                   JOIN orgs o ON o.id = e.org_id
                   WHERE e.from_us > 0 AND e.from_us <= $1 AND e.from_us > o.parent_from_us
                   ORDER BY e.from_us, e.org_id";
        if self.0.first(due, args![now_us]).await?.is_none() {
            return Ok(false);
        }
        let mut tx = self.0.begin().await?;
        for row in tx.all(due, args![now_us]).await? {
            let (id, from_us): (OrgId, i64) = (row.id("org_id")?, row.int("from_us")?);
            let parent: Option<OrgId> = row.opt_id("parent_id")?;
            // What else moved meanwhile may have put the new parent below it: then it stays, and
            // another edge says so.
            let above = "WITH RECURSIVE above (id, depth) AS (
                           SELECT $1, 0 UNION ALL
                           SELECT o.parent_id, a.depth + 1 FROM orgs o JOIN above a ON o.id = a.id
                           WHERE o.parent_id IS NOT NULL AND a.depth < 12)
                         SELECT 1 AS one FROM above WHERE id = $2";
            let parent_text = parent.map(|p| p.to_string()).unwrap_or_default();
            if tx.first(above, args![parent_text, id]).await?.is_some() {
                tracing::warn!(org = %id, "a planned move would put it below itself and is void");
                let sql = "INSERT INTO org_edges (org_id, from_us, parent_id)
                           SELECT id, $2, parent_id FROM orgs WHERE id = $1";
                tx.execute(sql, args![id, from_us + 1]).await?;
                let sql = "UPDATE orgs SET parent_from_us = $2 WHERE id = $1";
                tx.execute(sql, args![id, from_us + 1]).await?;
                continue;
            }
            let sql = "UPDATE orgs SET parent_id = $2, parent_from_us = $3 WHERE id = $1";
            tx.execute(sql, args![id, parent, from_us]).await?;
        }
        bump(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// When the next planned move comes into force.
    pub async fn next_due_us(&self, now_us: i64) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT MIN(from_us) AS next FROM org_edges WHERE from_us > $1";
        self.0.first(sql, args![now_us]).await?.map_or(Ok(None), |row| row.opt_int("next"))
    }

    /// The whole tree, with codes, closings and moves.
    pub async fn tree(&self) -> Result<OrgTree, StoreError> {
        let sql = "SELECT id, parent_id, kind, name, code, closed_us FROM orgs";
        let rows = self.0.all(sql, vec![]).await?;
        let mut nodes = Vec::with_capacity(rows.len());
        let mut extras: HashMap<OrgId, OrgExtra> = HashMap::new();
        for row in &rows {
            let node = org(row)?;
            let (code, closed_us) = (row.opt_text("code")?, row.opt_int("closed_us")?);
            if code.is_some() || closed_us.is_some() {
                extras.insert(node.id, OrgExtra { code, closed_us, edges: vec![] });
            }
            nodes.push(node);
        }
        // Only of those that ever moved.
        let sql = "SELECT org_id, from_us, parent_id FROM org_edges WHERE org_id IN
                     (SELECT org_id FROM org_edges WHERE from_us > 0) ORDER BY org_id, from_us";
        for row in &self.0.all(sql, vec![]).await? {
            let edge = Edge { from_us: row.int("from_us")?, parent: row.opt_id("parent_id")? };
            extras.entry(row.id("org_id")?).or_default().edges.push(edge);
        }
        let tree = OrgTree::new(nodes);
        Ok(tree.map_err(|_| StoreError::Corrupt("tree of organisations"))?.with_extras(extras))
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
