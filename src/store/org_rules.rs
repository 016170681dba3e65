//! Rules of organisations, laid over those of their superiors.

use super::db::{Row, Store, args};
use super::error::StoreError;
use crate::domain::{OrgId, PersonId};

pub struct OrgRules<'a>(pub(super) &'a Store);

/// What an organisation wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRules {
    pub org: OrgId,
    pub org_name: String,
    /// YAML as in docs/RULES.md.
    pub body: String,
    pub by: PersonId,
    pub at_us: i64,
}

fn own(row: &Row) -> Result<OwnRules, StoreError> {
    Ok(OwnRules {
        org: row.id("org_id")?,
        org_name: row.text("name")?,
        body: row.text("body")?,
        by: row.id("by_person")?,
        at_us: row.int("at_us")?,
    })
}

impl OrgRules<'_> {
    pub async fn get(&self, org: OrgId) -> Result<Option<OwnRules>, StoreError> {
        let sql = "SELECT r.org_id, o.name, r.body, r.by_person, r.at_us
                   FROM org_rules r JOIN orgs o ON o.id = r.org_id WHERE r.org_id = $1";
        self.0.first(sql, args![org]).await?.as_ref().map(own).transpose()
    }

    /// Of the organisation and all above it, the highest first: the order in which they are laid
    /// over each other.
    pub async fn chain(&self, org: OrgId) -> Result<Vec<OwnRules>, StoreError> {
        let sql = "WITH RECURSIVE above (id, parent_id, name, depth) AS (
                     SELECT id, parent_id, name, 0 FROM orgs WHERE id = $1
                     UNION ALL
                     SELECT o.id, o.parent_id, o.name, a.depth + 1 FROM orgs o
                     JOIN above a ON o.id = a.parent_id WHERE a.depth < 12)
                   SELECT r.org_id, a.name, r.body, r.by_person, r.at_us
                   FROM org_rules r JOIN above a ON a.id = r.org_id ORDER BY a.depth DESC";
        self.0.all(sql, args![org]).await?.iter().map(own).collect()
    }

    /// Organisations that have rules of their own.
    pub async fn orgs(&self) -> Result<Vec<OrgId>, StoreError> {
        let rows = self.0.all("SELECT org_id FROM org_rules ORDER BY org_id", vec![]).await?;
        rows.iter().map(|row| row.id("org_id")).collect()
    }

    /// An empty body takes the organisation's own rules away.
    pub async fn put(
        &self,
        org: OrgId,
        body: &str,
        by: PersonId,
        at_us: i64,
    ) -> Result<(), StoreError> {
        if body.trim().is_empty() {
            let sql = "DELETE FROM org_rules WHERE org_id = $1";
            return self.0.execute(sql, args![org]).await.map(drop);
        }
        let sql = "INSERT INTO org_rules (org_id, body, by_person, at_us) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (org_id) DO UPDATE SET body = excluded.body,
                   by_person = excluded.by_person, at_us = excluded.at_us";
        self.0.execute(sql, args![org, body, by, at_us]).await.map(drop)
    }
}
