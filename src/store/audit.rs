//! Who changed what about organisations, people and roles: append-only, written in the transaction
//! of the change itself, so that there is neither a change without its entry nor the reverse.

use sqlx::AssertSqlSafe;

use super::db::{Row, Store, Tx, args};
use super::error::StoreError;
use super::ids::new_id;
use crate::domain::{AccountId, OrgId, PersonId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    pub at_us: i64,
    pub account: AccountId,
    pub person: PersonId,
    /// A stable word: `org_create`, `member_update`, `import_members`, …
    pub action: String,
    pub org: OrgId,
    /// Whom or what it was about, as an id.
    pub subject: Option<String>,
    /// Old and new values; no phone numbers, no passwords.
    pub detail: serde_json::Value,
}

/// An entry as it is read, with the names of today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    pub id: String,
    pub entry: AuditEntry,
    pub by_name: String,
}

pub struct Audit<'a>(pub(super) &'a Store);

pub(super) async fn write(tx: &mut Tx, e: &AuditEntry) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO audit (id, at_us, account_id, person_id, action, org_id, subject, detail)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let id = new_id::<uuid::Uuid>().to_string();
    let args = args![
        id,
        e.at_us,
        e.account,
        e.person,
        &e.action,
        e.org,
        e.subject.clone(),
        e.detail.to_string(),
    ];
    tx.execute(sql, args).await.map(drop)
}

fn line(row: &Row) -> Result<AuditLine, StoreError> {
    Ok(AuditLine {
        id: row.text("id")?,
        by_name: row.opt_text("by_name")?.unwrap_or_default(),
        entry: AuditEntry {
            at_us: row.int("at_us")?,
            account: row.id("account_id")?,
            person: row.id("person_id")?,
            action: row.text("action")?,
            org: row.id("org_id")?,
            subject: row.opt_text("subject")?,
            detail: row.json("detail")?,
        },
    })
}

impl Audit<'_> {
    /// Of something that changes nothing: an export.
    pub async fn add(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        write(&mut tx, entry).await?;
        tx.commit().await
    }

    /// Changes at one organisation, newest first, older than `before_us`.
    pub async fn of_org(
        &self,
        org: OrgId,
        before_us: i64,
        limit: u32,
    ) -> Result<Vec<AuditLine>, StoreError> {
        let sql = "SELECT a.id, a.at_us, a.account_id, a.person_id, a.action, a.org_id, a.subject,
                     a.detail, p.name AS by_name
                   FROM audit a LEFT JOIN persons p ON p.id = a.person_id
                   WHERE a.org_id = $1 AND a.at_us < $2 ORDER BY a.at_us DESC, a.id DESC LIMIT $3";
        let rows = self.0.all(AssertSqlSafe(sql), args![org, before_us, limit]).await?;
        rows.iter().map(line).collect()
    }
}
