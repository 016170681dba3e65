//! People and where their 组织关系 is.

use super::db::{Row, Store, args};
use super::error::StoreError;
use crate::domain::kind::Due;
use crate::domain::member::{class_from_id, class_id};
use crate::domain::{MeetingKind, MemberClass, OrgId, PersonId, RosterEntry, rights_of};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub id: PersonId,
    pub name: String,
    /// Where they belong (a branch for members).
    pub org_id: OrgId,
    /// 党小组
    pub group_id: Option<OrgId>,
    /// None: no member.
    pub class: Option<MemberClass>,
    /// False: gone; kept for old records.
    pub active: bool,
}

pub struct Persons<'a>(pub(super) &'a Store);

const COLUMNS: &str = "SELECT id, name, org_id, group_id, class, active FROM persons";

fn person(row: &Row) -> Result<Person, StoreError> {
    Ok(Person {
        id: row.id("id")?,
        name: row.text("name")?,
        org_id: row.id("org_id")?,
        group_id: row.opt_id("group_id")?,
        class: match row.opt_text("class")? {
            Some(id) => Some(class_from_id(&id).ok_or(StoreError::Corrupt("class"))?),
            None => None,
        },
        active: row.flag("active")?,
    })
}

impl Persons<'_> {
    /// # Errors
    /// [`StoreError::Conflict`] if the id is taken or an organisation does not exist.
    pub async fn create(&self, p: &Person) -> Result<(), StoreError> {
        let sql = "INSERT INTO persons (id, name, org_id, group_id, class, active)
                   VALUES ($1, $2, $3, $4, $5, $6)";
        let class = p.class.map(class_id);
        let args = args![p.id, &p.name, p.org_id, p.group_id, class, p.active];
        self.0.execute(sql, args).await.map(drop)
    }

    pub async fn get(&self, id: PersonId) -> Result<Option<Person>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = $1"));
        self.0.first(sql, args![id]).await?.as_ref().map(person).transpose()
    }

    /// Active people of one organisation, members or not, oldest id first.
    pub async fn of_org(&self, org: OrgId) -> Result<Vec<Person>, StoreError> {
        let sql = format!("{COLUMNS} WHERE org_id = $1 AND active = 1 ORDER BY id");
        self.0.all(sqlx::AssertSqlSafe(sql), args![org]).await?.iter().map(person).collect()
    }

    /// The roster a meeting of this branch (or of one of its groups) starts from: its active
    /// members with the rights of their class.
    pub async fn roster_of(&self, org: OrgId) -> Result<Vec<RosterEntry>, StoreError> {
        let sql = "SELECT p.id, p.name, p.class, o.name AS org_name, g.name AS group_name
                   FROM persons p JOIN orgs o ON o.id = p.org_id
                   LEFT JOIN orgs g ON g.id = p.group_id
                   WHERE (p.org_id = $1 OR p.group_id = $1)
                     AND p.active = 1 AND p.class IS NOT NULL ORDER BY p.id";
        self.0.all(sql, args![org]).await?.iter().map(entry).collect()
    }

    /// 应到 of a meeting of this kind: all members of the branch, the members of the group, or
    /// those who hold a seat in the committee (or leading body) on that day (`2026-11-22`).
    pub async fn roster_for(
        &self,
        org: OrgId,
        kind: MeetingKind,
        day: &str,
    ) -> Result<Vec<RosterEntry>, StoreError> {
        match kind.due() {
            Due::Members | Due::Group => self.roster_of(org).await,
            Due::Committee | Due::LeadingBody => self.seated_at(org, day).await,
        }
    }

    /// Members with a seat at the organisation on that day, wherever they belong.
    pub async fn seated_at(&self, org: OrgId, day: &str) -> Result<Vec<RosterEntry>, StoreError> {
        let sql = "SELECT p.id, p.name, p.class, o.name AS org_name, g.name AS group_name
                   FROM seats s JOIN persons p ON p.id = s.person_id
                   JOIN orgs o ON o.id = p.org_id LEFT JOIN orgs g ON g.id = p.group_id
                   WHERE s.org_id = $1 AND p.active = 1 AND p.class IS NOT NULL
                     AND (s.from_on IS NULL OR s.from_on <= $2)
                     AND (s.until_on IS NULL OR s.until_on >= $2) ORDER BY p.id";
        self.0.all(sql, args![org, day]).await?.iter().map(entry).collect()
    }
}

fn entry(row: &Row) -> Result<RosterEntry, StoreError> {
    let class = row.word("class", class_from_id)?;
    Ok(RosterEntry {
        person_id: row.id("id")?,
        name: row.text("name")?,
        class,
        org_name: row.text("org_name")?,
        group_name: row.opt_text("group_name")?,
        voter: rights_of(class).vote,
        due: true,
    })
}
