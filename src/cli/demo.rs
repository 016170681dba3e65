//! `init --demo`: an organisation to try everything with, and `demo.json` with its passwords.
//!
//! Ids are fixed, so that doing it again finds what is there. Passwords are random and live in
//! `demo.json` alone; as long as that file is there, they stay as they are.

mod lecture;
mod table;

use serde::{Deserialize, Serialize};

use super::Failure;
use crate::auth::keys::write_private;
use crate::auth::{StreamKind, password};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{
    AccountId, AgendaItem, MeetingKind, OrgId, PersonId, Policy, Roster, Seat, SessionId,
};
use crate::store::{Account, NewSession, Org, Person, RoleGrant, Store};
pub use lecture::DemoStream;
use table::{MEMBERS, Member, ORGS};

const DEMO_VERSION: u32 = 1;
/// 19:00 in Beijing.
const START_HOUR_UTC_US: i64 = 11 * 3_600_000_000;
const DAY_US: i64 = 86_400_000_000;

/// `demo.json`, the format of which tests rely on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Demo {
    pub version: u32,
    pub base_url: String,
    pub http_url: String,
    pub accounts: Vec<DemoAccount>,
    pub sessions: Vec<DemoSession>,
    /// Into the lecture and out of it; absent in files of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whip: Option<DemoStream>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whep: Option<DemoStream>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct DemoAccount {
    pub key: String,
    pub login: String,
    pub password: String,
    pub name: String,
    pub person_id: PersonId,
    pub org_id: OrgId,
    pub roles: Vec<String>,
}

impl std::fmt::Debug for DemoAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DemoAccount").field("key", &self.key).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DemoSession {
    pub key: String,
    pub id: SessionId,
    pub kind: String,
    pub title: String,
    pub join_url: String,
}

/// The n-th fixed id of a sort: UUIDv8 (RFC 9562 §5.8), so that none is taken for a drawn one.
fn fixed<T: From<uuid::Uuid>>(sort: u128, n: usize) -> T {
    T::from(uuid::Uuid::from_u128(0x8000_8000_0000_0000_0000 | (sort << 32) | n as u128))
}

fn org_id(n: usize) -> OrgId {
    fixed(1, n + 1)
}

fn person_id(n: usize) -> PersonId {
    fixed(2, n + 1)
}

fn account_id(n: usize) -> AccountId {
    fixed(3, n + 1)
}

/// Makes what is missing and writes `demo.json`.
///
/// # Errors
/// When the data is that of a real installation, or cannot be written.
pub async fn ensure(store: &Store, config: &Config, clock: &Clock) -> Result<(), Failure> {
    let there = store.orgs().get(org_id(0)).await?.is_some();
    if !there && store.accounts().count().await? > 0 {
        return Err(Failure::new(
            "数据目录中已有正式数据，不能再建演示组织；请用 --data 指定另一个目录",
        ));
    }
    let before: Option<Demo> = std::fs::read(config.data.demo_json())
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    for (n, org) in ORGS.iter().enumerate() {
        if store.orgs().get(org_id(n)).await?.is_none() {
            let parent = org.parent.map(org_id);
            let org = Org { id: org_id(n), parent, kind: org.kind, name: org.name.into() };
            store.orgs().create_with_code(&org, Some(&format!("QH{:03}", n + 1))).await?;
        }
    }
    let mut accounts = Vec::with_capacity(MEMBERS.len());
    for (n, member) in MEMBERS.iter().enumerate() {
        let kept = before.as_ref().and_then(|d| d.accounts.iter().find(|a| a.key == member.key));
        accounts.push(ensure_account(store, n, member, kept).await?);
    }
    let base_url = format!("https://localhost:{}", config.port);
    let session = ensure_session(store, clock, &base_url).await?;
    let lecture = lecture::ensure(store, config, clock, &base_url).await?;
    let http_url = format!("http://localhost:{}", config.port);
    let stream = |kind, kept: Option<&DemoStream>| {
        lecture::stream(config, clock, &http_url, lecture.id, kind, kept).map(Some)
    };
    let (whip, whep) = before.map_or((None, None), |demo| (demo.whip, demo.whep));
    let demo = Demo {
        version: DEMO_VERSION,
        base_url,
        accounts,
        whip: stream(StreamKind::Whip, whip.as_ref())?,
        whep: stream(StreamKind::Whep, whep.as_ref())?,
        sessions: vec![session, lecture],
        http_url,
    };
    let text = serde_json::to_vec_pretty(&demo)
        .map_err(|e| Failure::new(format!("无法写出 demo.json：{e}")))?;
    write_private(&config.data.demo_json(), &text)?;
    println!("演示组织已就绪，账号和密码见 {}", config.data.demo_json().display());
    Ok(())
}

async fn ensure_account(
    store: &Store,
    n: usize,
    member: &Member,
    kept: Option<&DemoAccount>,
) -> Result<DemoAccount, Failure> {
    if store.persons().get(person_id(n)).await?.is_none() {
        let person = Person {
            id: person_id(n),
            name: member.name.into(),
            org_id: org_id(member.org),
            group_id: member.group.map(org_id),
            class: member.class,
            active: true,
        };
        store.persons().create(&person).await?;
        let code = member.class.map(|_| format!("D{:03}", n + 1));
        let seat = member.seat.map(|post| Seat { post, from_on: None, until_on: None });
        store.members().complete(person.id, code.as_deref(), seat.as_ref()).await?;
    }
    for (org, role, inherits) in member.roles {
        let grant = RoleGrant {
            person_id: person_id(n),
            org_id: org_id(*org),
            role: *role,
            inherits: *inherits,
        };
        store.roles().grant(&grant).await?;
    }
    let account = store.accounts().get(account_id(n)).await?;
    let password = match (&account, kept) {
        (Some(_), Some(kept)) => kept.password.clone(),
        _ => password::generate()?,
    };
    match &account {
        None => {
            let account = Account {
                id: account_id(n),
                person_id: person_id(n),
                login: member.key.into(),
                password_hash: password::hash_now(&password)?,
                must_change_password: false,
                large_type: member.large_type,
            };
            store.accounts().create(&account).await?;
        }
        // The file with the passwords was lost: new ones, or nobody could sign in.
        Some(account) if kept.is_none() => {
            let hash = password::hash_now(&password)?;
            store.accounts().set_password(account.id, &hash, false).await?;
        }
        Some(_) => {}
    }
    Ok(DemoAccount {
        key: member.key.into(),
        login: member.key.into(),
        password,
        name: member.name.into(),
        person_id: person_id(n),
        org_id: org_id(member.org),
        roles: member.roles.iter().map(|(_, role, _)| role.id().to_owned()).collect(),
    })
}

/// One planned assembly of the first branch, tomorrow evening.
async fn ensure_session(
    store: &Store,
    clock: &Clock,
    base_url: &str,
) -> Result<DemoSession, Failure> {
    let id: SessionId = fixed(4, 1);
    if store.sessions().get(id).await?.is_none() {
        let now_us = clock.now_us();
        let session = NewSession {
            id,
            org_id: org_id(table::BRANCH),
            kind: MeetingKind::BranchAssembly,
            title: table::TITLE.into(),
            planned_start_us: (now_us / DAY_US + 1) * DAY_US + START_HOUR_UTC_US,
            duration_min: 90,
            agenda: table::AGENDA.map(|title| AgendaItem { title: title.into() }).to_vec(),
            chair: person_id(table::index_of("secretary")),
            recorder: Some(person_id(table::index_of("recorder"))),
            policy: Policy::default(),
            roster: Roster(store.persons().roster_of(org_id(table::BRANCH)).await?),
            created_us: now_us,
        };
        store.sessions().create(&session).await?;
    }
    Ok(DemoSession {
        key: "assembly".into(),
        id,
        kind: MeetingKind::BranchAssembly.id().into(),
        title: table::TITLE.into(),
        join_url: format!("{base_url}/s/{id}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{MemberClass, OrgKind, OrgRole};

    #[test]
    fn the_table_is_the_organisation_that_was_promised() {
        let kinds: Vec<OrgKind> = ORGS.iter().map(|o| o.kind).collect();
        let count = |kind| kinds.iter().filter(|k| **k == kind).count();
        assert_eq!((count(OrgKind::GeneralBranch), count(OrgKind::Branch)), (1, 2));
        assert!(count(OrgKind::Group) >= 2);
        let in_branches: Vec<&Member> =
            MEMBERS.iter().filter(|m| ORGS[m.org].kind == OrgKind::Branch).collect();
        assert_eq!(in_branches.len(), 14);
        let probationary =
            in_branches.iter().filter(|m| m.class == Some(MemberClass::Probationary));
        assert_eq!(probationary.count(), 2);
        assert_eq!(MEMBERS.iter().filter(|m| m.large_type).count(), 1);
        for member in &in_branches {
            let group = member.group.expect("every member is in a group");
            assert_eq!(ORGS[group].parent, Some(member.org));
        }
        for key in ["secretary", "recorder", "member1", "observer", "outsider", "admin"] {
            assert_eq!(MEMBERS[table::index_of(key)].key, key);
        }
        let admin = &MEMBERS[table::index_of("admin")];
        assert!(admin.class.is_none() && admin.roles.iter().all(|r| r.1 == OrgRole::Administrator));
    }

    #[test]
    fn fixed_ids_sort_in_the_order_of_the_table() {
        assert!(person_id(0) < person_id(1) && person_id(8) < person_id(9));
        assert_eq!(person_id(0).as_uuid().get_version_num(), 8);
    }
}
