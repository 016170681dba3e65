//! One import as one transaction of many rows a statement: all of it is there, or nothing.

use sqlx::AssertSqlSafe;

use super::audit::{self, AuditEntry};
use super::db::{Store, Tx, Value, args};
use super::error::StoreError;
use super::members::{self, Member, numbered};
use super::orgs;
use crate::domain::member::class_id;
use crate::domain::{OrgId, OrgNode};

/// What becomes of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgPut {
    pub node: OrgNode,
    pub code: Option<String>,
    pub new: bool,
    /// It stood elsewhere before.
    pub moved: bool,
}

/// What becomes of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberPut {
    pub member: Member,
    pub new: bool,
    pub seat_changed: bool,
    /// 转出 from here: the roles held there end.
    pub left: Option<OrgId>,
}

/// Rows in one statement.
const ROWS: usize = 200;

/// Dropped without [`ImportTx::commit`] it never was.
pub struct ImportTx(Tx);

impl Store {
    /// # Errors
    /// When the store fails.
    pub async fn begin_import(&self) -> Result<ImportTx, StoreError> {
        Ok(ImportTx(self.begin().await?))
    }
}

fn values(columns: usize, rows: usize) -> String {
    let groups: Vec<String> =
        (0..rows).map(|row| format!("({})", numbered(row * columns + 1, columns))).collect();
    groups.join(", ")
}

impl ImportTx {
    /// Parents before children, as they stand in the list. Moves count from `now_us` on.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody else changed what it rests on.
    pub async fn put_orgs(&mut self, puts: &[OrgPut], now_us: i64) -> Result<(), StoreError> {
        let (new, old): (Vec<&OrgPut>, Vec<&OrgPut>) = puts.iter().partition(|put| put.new);
        for some in new.chunks(ROWS) {
            let sql = format!(
                "INSERT INTO orgs (id, parent_id, kind, name, code) VALUES {}",
                values(5, some.len())
            );
            let mut rows = Vec::with_capacity(some.len() * 5);
            let mut edges = Vec::with_capacity(some.len() * 3);
            for put in some {
                let node = &put.node;
                let code = put.code.clone();
                rows.extend(args![node.id, node.parent, node.kind.id(), &node.name, code]);
                edges.extend(args![node.id, 0_i64, node.parent]);
            }
            self.0.execute(AssertSqlSafe(sql), rows).await?;
            let sql = format!(
                "INSERT INTO org_edges (org_id, from_us, parent_id) VALUES {}",
                values(3, some.len())
            );
            self.0.execute(AssertSqlSafe(sql), edges).await?;
        }
        for put in old {
            let node = &put.node;
            let sql = "UPDATE orgs SET name = $2, kind = $3 WHERE id = $1";
            self.0.execute(sql, args![node.id, &node.name, node.kind.id()]).await?;
            if let Some(parent) = node.parent.filter(|_| put.moved) {
                orgs::insert_edge(&mut self.0, node.id, parent, now_us, now_us).await?;
            }
        }
        orgs::bump(&mut self.0).await
    }

    /// # Errors
    /// [`StoreError::Conflict`] when somebody else changed what it rests on.
    pub async fn put_members(&mut self, puts: &[MemberPut]) -> Result<(), StoreError> {
        for put in puts {
            if let Some(left) = put.left {
                members::end_roles(&mut self.0, put.member.id, left).await?;
            }
        }
        for some in puts.chunks(ROWS) {
            let sql = format!(
                "INSERT INTO persons (id, code, name, org_id, group_id, class, phone, active)
                 VALUES {} ON CONFLICT (id) DO UPDATE SET code = excluded.code,
                   name = excluded.name, org_id = excluded.org_id, group_id = excluded.group_id,
                   class = excluded.class, phone = excluded.phone, active = excluded.active",
                values(8, some.len())
            );
            let mut rows = Vec::with_capacity(some.len() * 8);
            for put in some {
                let m = &put.member;
                rows.extend(args![
                    m.id,
                    m.code.clone(),
                    &m.name,
                    m.org_id,
                    m.group_id,
                    m.class.map(class_id),
                    m.phone.clone(),
                    m.active,
                ]);
            }
            self.0.execute(AssertSqlSafe(sql), rows).await?;
            self.put_seats(some).await?;
        }
        Ok(())
    }

    async fn put_seats(&mut self, puts: &[MemberPut]) -> Result<(), StoreError> {
        let gone: Vec<Value> = puts
            .iter()
            .filter(|put| put.seat_changed && !put.new)
            .map(|put| Value::from(put.member.id))
            .collect();
        if !gone.is_empty() {
            let sql = format!(
                "DELETE FROM seats WHERE person_id IN ({}) AND org_id IN (SELECT id FROM orgs
                   WHERE kind IN ('branch', 'joint_branch', 'temporary_branch'))",
                numbered(1, gone.len())
            );
            self.0.execute(AssertSqlSafe(sql), gone).await?;
        }
        let seated: Vec<&Member> =
            puts.iter().filter(|put| put.seat_changed).map(|put| &put.member).collect();
        let mut rows = Vec::new();
        for (m, seat) in seated.iter().filter_map(|m| Some((m, m.seat.as_ref()?))) {
            let days = (seat.from_on.clone(), seat.until_on.clone());
            rows.extend(args![m.id, m.org_id, seat.post.id(), days.0, days.1]);
        }
        if !rows.is_empty() {
            let sql = format!(
                "INSERT INTO seats (person_id, org_id, post, from_on, until_on) VALUES {}",
                values(5, rows.len() / 5)
            );
            self.0.execute(AssertSqlSafe(sql), rows).await?;
        }
        Ok(())
    }

    /// # Errors
    /// When the store fails; then nothing was written.
    pub async fn commit(mut self, by: &AuditEntry) -> Result<(), StoreError> {
        audit::write(&mut self.0, by).await?;
        self.0.commit().await
    }
}
