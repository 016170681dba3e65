//! Members as an organisation keeps them: lists and searches that stay quick with 1.4 million of
//! them, changes that stand in the audit trail, seats.

use sqlx::AssertSqlSafe;

use super::audit::{self, AuditEntry};
use super::db::{Row, Store, Value, args};
use super::error::StoreError;
use crate::domain::member::{class_from_id, class_id};
use crate::domain::{MemberClass, OrgId, OrgTree, PersonId, Post, Seat};

#[derive(Clone, PartialEq, Eq)]
pub struct Member {
    pub id: PersonId,
    /// The number people know them by; unique in the installation.
    pub code: Option<String>,
    pub name: String,
    pub org_id: OrgId,
    /// 党小组
    pub group_id: Option<OrgId>,
    /// None: no member (an administrator from outside).
    pub class: Option<MemberClass>,
    pub phone: Option<String>,
    pub active: bool,
    /// In the committee of their own organisation.
    pub seat: Option<Seat>,
}

impl std::fmt::Debug for Member {
    /// Neither name nor phone: this may end up in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What is asked of a list.
#[derive(Debug, Clone, Default)]
pub struct MemberFilter {
    /// Start of a name or of a code; empty: everybody.
    pub prefix: String,
    /// Those who left too.
    pub inactive: bool,
    /// The last of the page before: name and id.
    pub after: Option<(String, String)>,
    pub limit: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberPage {
    pub items: Vec<Member>,
    /// Where the next page goes on; None: that was all.
    pub next: Option<(String, String)>,
}

pub struct Members<'a>(pub(super) &'a Store);

/// Without the end of the first part, so that a join order can be forced.
const COLUMNS: &str = "p.id, p.code, p.name, p.org_id, p.group_id, p.class, p.phone, p.active,
    s.post, s.from_on, s.until_on";
const SEAT: &str = "LEFT JOIN seats s ON s.person_id = p.id AND s.org_id = p.org_id";

/// Subtrees up to here are read organisation by organisation; in larger ones there is somebody on
/// nearly every page of the list by names.
const FEW_ORGS: usize = 1_000;
/// Rows of the list by names that one search looks at, at most.
const LOOKED_AT: u32 = 20_000;
/// Organisations and codes named in one statement.
pub(super) const NAMED: usize = 500;

pub(super) fn member(row: &Row) -> Result<Member, StoreError> {
    let seat = match row.opt_text("post")? {
        Some(post) => Some(Seat {
            post: Post::from_id(&post).ok_or(StoreError::Corrupt("post"))?,
            from_on: row.opt_text("from_on")?,
            until_on: row.opt_text("until_on")?,
        }),
        None => None,
    };
    Ok(Member {
        id: row.id("id")?,
        code: row.opt_text("code")?,
        name: row.text("name")?,
        org_id: row.id("org_id")?,
        group_id: row.opt_id("group_id")?,
        class: match row.opt_text("class")? {
            Some(id) => Some(class_from_id(&id).ok_or(StoreError::Corrupt("class"))?),
            None => None,
        },
        phone: row.opt_text("phone")?,
        active: row.flag("active")?,
        seat,
    })
}

/// The first text after all that start with this one, in the order of bytes.
pub(super) fn after_prefix(prefix: &str) -> String {
    format!("{prefix}{}", char::MAX)
}

/// `$from, $from + 1, …`
pub(super) fn numbered(from: usize, count: usize) -> String {
    let all: Vec<String> = (from..from + count).map(|n| format!("${n}")).collect();
    all.join(", ")
}

impl Members<'_> {
    pub async fn get(&self, id: PersonId) -> Result<Option<Member>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM persons p {SEAT} WHERE p.id = $1");
        self.0.first(AssertSqlSafe(sql), args![id]).await?.as_ref().map(member).transpose()
    }

    /// By codes, or by ids in text where there is no code; at most [`NAMED`].
    pub async fn by_codes(&self, codes: &[&str]) -> Result<Vec<Member>, StoreError> {
        let named = numbered(1, codes.len());
        let texts = || codes.iter().map(|code| Value::from(*code)).collect::<Vec<_>>();
        let sql = format!("SELECT {COLUMNS} FROM persons p {SEAT} WHERE p.code IN ({named})");
        let mut rows = self.0.all(AssertSqlSafe(sql), texts()).await?;
        let ids: Vec<Value> = codes
            .iter()
            .filter(|code| code.parse::<PersonId>().is_ok())
            .map(|code| Value::from(*code))
            .collect();
        if !ids.is_empty() {
            let named = numbered(1, ids.len());
            let sql = format!(
                "SELECT {COLUMNS} FROM persons p {SEAT} WHERE p.id IN ({named}) AND p.code IS NULL"
            );
            rows.extend(self.0.all(AssertSqlSafe(sql), ids).await?);
        }
        rows.iter().map(member).collect()
    }

    /// One page of the members of an organisation (or group), by name.
    pub async fn of_org(&self, org: OrgId, f: &MemberFilter) -> Result<MemberPage, StoreError> {
        let (name, id) = after(f);
        let sql = format!(
            "SELECT {COLUMNS} FROM persons p {SEAT}
             WHERE p.{{column}} = $1 AND (p.name > $2 OR (p.name = $2 AND p.id > $3)) AND p.name >= $4
               AND p.name < $5 AND p.active >= $6 ORDER BY p.name, p.id LIMIT $7"
        );
        let end = after_prefix(&f.prefix);
        let least = i64::from(!f.inactive);
        let mut found = Vec::new();
        // Two indexes, two questions: an OR over both would read neither in order.
        for column in ["org_id", "group_id"] {
            let sql = sql.replace("{column}", column);
            let args = args![org, &name, &id, lower(f), &end, least, f.limit + 1];
            found.extend(self.0.all(AssertSqlSafe(sql), args).await?);
        }
        let mut items = found.iter().map(member).collect::<Result<Vec<_>, _>>()?;
        if f.after.is_none() {
            let more = self.with_code_prefix(f).await?;
            items.extend(more.into_iter().filter(|m| m.org_id == org || m.group_id == Some(org)));
        }
        Ok(page(items, f.limit))
    }

    /// One page of the members of an organisation and everything below it, by name.
    ///
    /// `tree` is the one of now; what is not below `org` in it is left out here and not after.
    pub async fn of_subtree(
        &self,
        tree: &OrgTree,
        org: OrgId,
        f: &MemberFilter,
    ) -> Result<MemberPage, StoreError> {
        let orgs = tree.subtree(org);
        let mut items = if f.after.is_none() { self.with_code_prefix(f).await? } else { vec![] };
        items.retain(|m| tree.is_ancestor_or_self(org, m.org_id));
        let (rest, next) = if orgs.len() <= FEW_ORGS {
            (self.of_few(&orgs, f).await?, None)
        } else {
            self.of_many(tree, org, f).await?
        };
        items.extend(rest);
        let mut page = page(items, f.limit);
        page.next = page.next.or(next);
        Ok(page)
    }

    async fn of_few(&self, orgs: &[OrgId], f: &MemberFilter) -> Result<Vec<Member>, StoreError> {
        let (name, id) = after(f);
        let mut found = Vec::new();
        for some in orgs.chunks(NAMED) {
            let named = numbered(7, some.len());
            let sql = format!(
                "SELECT {COLUMNS} FROM persons p {SEAT}
                 WHERE p.org_id IN ({named}) AND (p.name > $1 OR (p.name = $1 AND p.id > $2))
                   AND p.name >= $3 AND p.name < $4 AND p.active >= $5
                 ORDER BY p.name, p.id LIMIT $6"
            );
            let end = after_prefix(&f.prefix);
            let least = i64::from(!f.inactive);
            let mut args = args![&name, &id, lower(f), end, least, f.limit + 1];
            args.extend(some.iter().map(|org| Value::from(*org)));
            let rows = self.0.all(AssertSqlSafe(sql), args).await?;
            found.extend(rows.iter().map(member).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(found)
    }

    /// Goes along the names and keeps who is below; stops when it has looked at enough, and says
    /// where to go on.
    async fn of_many(
        &self,
        tree: &OrgTree,
        org: OrgId,
        f: &MemberFilter,
    ) -> Result<(Vec<Member>, Option<(String, String)>), StoreError> {
        let (mut name, mut id) = after(f);
        let end = after_prefix(&f.prefix);
        let least = i64::from(!f.inactive);
        let sql = format!(
            "SELECT {COLUMNS} FROM persons p {SEAT}
             WHERE (p.name > $1 OR (p.name = $1 AND p.id > $2)) AND p.name >= $3 AND p.name < $4
               AND p.active >= $5 ORDER BY p.name, p.id LIMIT $6"
        );
        let (mut kept, mut looked, mut step) = (Vec::new(), 0, f.limit + 1);
        loop {
            let from = if name > f.prefix { &name } else { &f.prefix };
            let args = args![&name, &id, from, &end, least, step];
            let rows = self.0.all(AssertSqlSafe(sql.clone()), args).await?;
            let all = u32::try_from(rows.len()).unwrap_or(u32::MAX) < step;
            for row in &rows {
                let one = member(row)?;
                (name, id) = (one.name.clone(), one.id.to_string());
                if tree.is_ancestor_or_self(org, one.org_id) {
                    kept.push(one);
                }
            }
            looked += step;
            if all || kept.len() > f.limit as usize {
                return Ok((kept, None));
            }
            if looked >= LOOKED_AT {
                return Ok((kept, Some((name, id))));
            }
            step = (step * 4).min(2_000);
        }
    }

    /// Those whose code starts with the text: few, as codes are.
    async fn with_code_prefix(&self, f: &MemberFilter) -> Result<Vec<Member>, StoreError> {
        if f.prefix.is_empty() || !f.prefix.is_ascii() {
            return Ok(vec![]);
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM persons p {SEAT}
             WHERE p.code >= $1 AND p.code < $2 AND p.active >= $3 ORDER BY p.code LIMIT $4"
        );
        let least = i64::from(!f.inactive);
        let args = args![&f.prefix, after_prefix(&f.prefix), least, 2_000_i64];
        self.0.all(AssertSqlSafe(sql), args).await?.iter().map(member).collect()
    }

    /// Members of some organisations, for an export: by organisation and code.
    pub async fn of_orgs(&self, orgs: &[OrgId]) -> Result<Vec<Member>, StoreError> {
        let mut found = Vec::new();
        for some in orgs.chunks(NAMED) {
            let named = numbered(1, some.len());
            let sql = format!(
                "SELECT {COLUMNS} FROM persons p {SEAT} WHERE p.org_id IN ({named})
                   AND p.class IS NOT NULL ORDER BY p.org_id, p.id"
            );
            let args = some.iter().map(|org| Value::from(*org)).collect();
            let rows = self.0.all(AssertSqlSafe(sql), args).await?;
            found.extend(rows.iter().map(member).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(found)
    }

    /// Active members, full members among them, and seats that are held on that day; of one
    /// organisation. What [`has_committee`](crate::domain::has_committee) asks for.
    pub async fn counts(&self, org: OrgId, day: &str) -> Result<(u32, u32, u32), StoreError> {
        let sql = "SELECT
            (SELECT COUNT(*) FROM persons WHERE org_id = $1 AND active = 1 AND class IS NOT NULL)
              + (SELECT COUNT(*) FROM persons WHERE group_id = $1 AND active = 1
                 AND class IS NOT NULL) AS members,
            (SELECT COUNT(*) FROM persons WHERE org_id = $1 AND active = 1 AND class = 'full')
              AS voters,
            (SELECT COUNT(*) FROM seats s JOIN persons p ON p.id = s.person_id
               WHERE s.org_id = $1 AND p.active = 1 AND (s.from_on IS NULL OR s.from_on <= $2)
               AND (s.until_on IS NULL OR s.until_on >= $2)) AS seats";
        let row = self.0.first(sql, args![org, day]).await?.ok_or(StoreError::NotFound("count"))?;
        Ok((row.uint("members")?, row.uint("voters")?, row.uint("seats")?))
    }

    /// Active people with a class in the whole installation, or in some organisations.
    pub async fn count_in(&self, orgs: &[OrgId]) -> Result<u64, StoreError> {
        let mut count = 0;
        for some in orgs.chunks(NAMED) {
            let named = numbered(1, some.len());
            let sql = format!(
                "SELECT COUNT(*) AS n FROM persons WHERE org_id IN ({named}) AND active = 1
                   AND class IS NOT NULL"
            );
            let args = some.iter().map(|org| Value::from(*org)).collect();
            let row = self.0.first(AssertSqlSafe(sql), args).await?;
            count += row.map_or(Ok(0), |row| row.int("n"))?;
        }
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Adds or changes a person, with the seat in their own organisation.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the code is taken or an organisation does not exist.
    pub async fn put(&self, m: &Member, by: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        let sql = "SELECT org_id FROM persons WHERE id = $1";
        let before = tx.first(sql, args![m.id]).await?.map(|row| row.id("org_id")).transpose()?;
        if let Some(left) = before.filter(|org| *org != m.org_id || !m.active) {
            end_roles(&mut tx, m.id, left).await?;
        }
        let sql = "INSERT INTO persons (id, code, name, org_id, group_id, class, phone, active)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                   ON CONFLICT (id) DO UPDATE SET code = excluded.code, name = excluded.name,
                     org_id = excluded.org_id, group_id = excluded.group_id,
                     class = excluded.class, phone = excluded.phone, active = excluded.active";
        let args = args![
            m.id,
            m.code.clone(),
            &m.name,
            m.org_id,
            m.group_id,
            m.class.map(class_id),
            m.phone.clone(),
            m.active,
        ];
        tx.execute(sql, args).await?;
        // A seat is in the branch one belongs to; in leading bodies above one may belong elsewhere.
        let sql = "DELETE FROM seats WHERE person_id = $1 AND (org_id = $2 OR org_id IN
                     (SELECT id FROM orgs WHERE kind IN
                        ('branch', 'joint_branch', 'temporary_branch')))";
        tx.execute(sql, args![m.id, m.org_id]).await?;
        if let Some(seat) = &m.seat {
            insert_seat(&mut tx, m.id, m.org_id, seat).await?;
        }
        audit::write(&mut tx, by).await?;
        tx.commit().await
    }

    /// Number and seat of a person that was just made.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the code is taken.
    pub async fn complete(
        &self,
        person: PersonId,
        code: Option<&str>,
        seat: Option<&Seat>,
    ) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        let sql = "UPDATE persons SET code = $2 WHERE id = $1";
        tx.execute(sql, args![person, code]).await?;
        if let Some(seat) = seat {
            let row = tx.first("SELECT org_id FROM persons WHERE id = $1", args![person]).await?;
            let org = row.ok_or(StoreError::NotFound("person"))?.id("org_id")?;
            insert_seat(&mut tx, person, org, seat).await?;
        }
        tx.commit().await
    }

    /// A seat in the leading body of an organisation, or none any more.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if person or organisation does not exist.
    pub async fn seat(
        &self,
        person: PersonId,
        org: OrgId,
        seat: Option<&Seat>,
        by: &AuditEntry,
    ) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        let sql = "DELETE FROM seats WHERE person_id = $1 AND org_id = $2";
        tx.execute(sql, args![person, org]).await?;
        if let Some(seat) = seat {
            insert_seat(&mut tx, person, org, seat).await?;
        }
        audit::write(&mut tx, by).await?;
        tx.commit().await
    }

    /// Who sits in the committee or leading body, with their terms, past and future ones too.
    pub async fn seats_of(&self, org: OrgId) -> Result<Vec<(PersonId, String, Seat)>, StoreError> {
        let sql = "SELECT s.person_id, p.name, s.post, s.from_on, s.until_on
                   FROM seats s JOIN persons p ON p.id = s.person_id
                   WHERE s.org_id = $1 AND p.active = 1 ORDER BY p.id";
        let mut seats = Vec::new();
        for row in &self.0.all(sql, args![org]).await? {
            let seat = Seat {
                post: row.word("post", Post::from_id)?,
                from_on: row.opt_text("from_on")?,
                until_on: row.opt_text("until_on")?,
            };
            seats.push((row.id("person_id")?, row.text("name")?, seat));
        }
        seats.sort_by_key(|(_, _, seat)| seat.post);
        Ok(seats)
    }
}

/// Roles in a branch and its groups end when its member leaves it.
pub(super) async fn end_roles(
    tx: &mut super::db::Tx,
    person: PersonId,
    org: OrgId,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM roles WHERE person_id = $1 AND org_id IN
                 (SELECT id FROM orgs WHERE (id = $2 OR parent_id = $2) AND kind IN
                    ('branch', 'joint_branch', 'temporary_branch', 'group'))";
    tx.execute(sql, args![person, org]).await.map(drop)
}

async fn insert_seat(
    tx: &mut super::db::Tx,
    person: PersonId,
    org: OrgId,
    seat: &Seat,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO seats (person_id, org_id, post, from_on, until_on)
               VALUES ($1, $2, $3, $4, $5)";
    let days = (seat.from_on.clone(), seat.until_on.clone());
    tx.execute(sql, args![person, org, seat.post.id(), days.0, days.1]).await.map(drop)
}

/// Where an index starts to be read: the start of the prefix, or of the page.
fn lower(f: &MemberFilter) -> String {
    let after = f.after.as_ref().map_or("", |(name, _)| name);
    if after > f.prefix.as_str() { after.to_owned() } else { f.prefix.clone() }
}

/// Before the first row when there was no page before.
fn after(f: &MemberFilter) -> (String, String) {
    f.after.clone().unwrap_or_default()
}

fn page(mut items: Vec<Member>, limit: u32) -> MemberPage {
    items.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    items.dedup_by_key(|m| m.id);
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = items.last().filter(|_| more).map(|m| (m.name.clone(), m.id.to_string()));
    MemberPage { items, next }
}
