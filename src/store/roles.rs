//! Who holds which role where.

use super::audit::{self, AuditEntry};
use super::db::{Row, Store, args};
use super::error::StoreError;
use crate::domain::{OrgId, OrgRole, PersonId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleGrant {
    pub person_id: PersonId,
    pub org_id: OrgId,
    pub role: OrgRole,
    /// Reaches down to every organisation below.
    pub inherits: bool,
}

pub struct Roles<'a>(pub(super) &'a Store);

fn grant(row: &Row) -> Result<RoleGrant, StoreError> {
    Ok(RoleGrant {
        person_id: row.id("person_id")?,
        org_id: row.id("org_id")?,
        role: row.word("role", OrgRole::from_id)?,
        inherits: row.flag("inherits")?,
    })
}

impl Roles<'_> {
    /// Again is no error; the last `inherits` counts.
    pub async fn grant(&self, g: &RoleGrant) -> Result<(), StoreError> {
        let sql = "INSERT INTO roles (person_id, org_id, role, inherits) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (person_id, org_id, role) DO UPDATE SET inherits = excluded.inherits";
        let args = args![g.person_id, g.org_id, g.role.id(), g.inherits];
        self.0.execute(sql, args).await.map(drop)
    }

    pub async fn revoke(
        &self,
        person: PersonId,
        org: OrgId,
        role: OrgRole,
    ) -> Result<(), StoreError> {
        let sql = "DELETE FROM roles WHERE person_id = $1 AND org_id = $2 AND role = $3";
        self.0.execute(sql, args![person, org, role.id()]).await.map(drop)
    }

    /// As [`Roles::grant`], in the audit trail.
    pub async fn grant_on_record(&self, g: &RoleGrant, by: &AuditEntry) -> Result<(), StoreError> {
        let sql = "INSERT INTO roles (person_id, org_id, role, inherits) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (person_id, org_id, role) DO UPDATE SET inherits = excluded.inherits";
        let mut tx = self.0.begin().await?;
        tx.execute(sql, args![g.person_id, g.org_id, g.role.id(), g.inherits]).await?;
        audit::write(&mut tx, by).await?;
        tx.commit().await
    }

    /// As [`Roles::revoke`], in the audit trail.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such role.
    pub async fn revoke_on_record(
        &self,
        person: PersonId,
        org: OrgId,
        role: OrgRole,
        by: &AuditEntry,
    ) -> Result<(), StoreError> {
        let sql = "DELETE FROM roles WHERE person_id = $1 AND org_id = $2 AND role = $3";
        let mut tx = self.0.begin().await?;
        if tx.execute(sql, args![person, org, role.id()]).await? == 0 {
            return Err(StoreError::NotFound("role"));
        }
        audit::write(&mut tx, by).await?;
        tx.commit().await
    }

    pub async fn of_person(&self, person: PersonId) -> Result<Vec<RoleGrant>, StoreError> {
        let sql = "SELECT person_id, org_id, role, inherits FROM roles
                   WHERE person_id = $1 ORDER BY org_id, role";
        self.0.all(sql, args![person]).await?.iter().map(grant).collect()
    }

    pub async fn of_org(&self, org: OrgId) -> Result<Vec<RoleGrant>, StoreError> {
        let sql = "SELECT person_id, org_id, role, inherits FROM roles
                   WHERE org_id = $1 ORDER BY person_id, role";
        self.0.all(sql, args![org]).await?.iter().map(grant).collect()
    }
}
