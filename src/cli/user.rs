//! `user add|passwd|list`.

use clap::Subcommand;

use super::init::{NewAccount, create_account};
use super::{Failure, Place, block_on};
use crate::app;
use crate::auth::password;
use crate::auth::sign_in::normal;
use crate::domain::{MemberClass, OrgId, OrgRole, OrgTree};
use crate::store::Store;

#[derive(Subcommand)]
pub enum User {
    /// 添加人员和账号，显示初始密码
    Add {
        #[command(flatten)]
        place: Place,
        /// 登录名
        login: String,
        /// 姓名
        #[arg(long)]
        name: String,
        /// 组织编号；只有一个组织时可不写
        #[arg(long, value_name = "ID")]
        org: Option<OrgId>,
        /// member secretary committee_member recorder group_leader manager observer administrator
        #[arg(long, default_value = "member")]
        role: String,
        /// 党员类别：full probationary on_party_probation rights_suspended none
        #[arg(long, default_value = "full")]
        class: String,
    },
    /// 重设密码，显示新的初始密码，并在所有设备上退出登录
    Passwd {
        #[command(flatten)]
        place: Place,
        /// 登录名
        login: String,
    },
    /// 列出人员和账号
    List {
        #[command(flatten)]
        place: Place,
    },
}

pub fn run(verb: User) -> Result<(), Failure> {
    match verb {
        User::Add { place, login, name, org, role, class } => {
            block_on(with(place, async |store| {
                let role = OrgRole::from_id(&role)
                    .ok_or_else(|| Failure::new(format!("没有这种角色：{role}")))?;
                let member = match class.as_str() {
                    "none" => None,
                    // An administrator keeps the system and is no member of the branch by that.
                    _ if role == OrgRole::Administrator => None,
                    id => Some(class_of(id)?),
                };
                let org = which_org(&store.orgs().tree().await?, org)?;
                let password = password::generate()?;
                let new = NewAccount {
                    login: &login,
                    name: &name,
                    org,
                    member,
                    role,
                    password: &password,
                };
                create_account(store, &new).await?;
                println!("{}  {password}", normal(&login));
                Ok(())
            }))
        }
        User::Passwd { place, login } => block_on(with(place, async |store| {
            let account = store.accounts().by_login(&normal(&login)).await?;
            let account = account.ok_or_else(|| Failure::new(format!("没有登录名 {login}")))?;
            let password = password::generate()?;
            let hash = password::hash_now(&password)?;
            store.accounts().set_password(account.id, &hash, true).await?;
            store.web_sessions().revoke_all(account.id).await?;
            println!("{}  {password}", account.login);
            Ok(())
        })),
        User::List { place } => block_on(with(place, list)),
    }
}

fn class_of(id: &str) -> Result<MemberClass, Failure> {
    crate::domain::member::class_from_id(id)
        .ok_or_else(|| Failure::new(format!("没有这种党员类别：{id}")))
}

fn which_org(tree: &OrgTree, asked: Option<OrgId>) -> Result<OrgId, Failure> {
    if let Some(id) = asked {
        return tree.get(id).map(|org| org.id).ok_or_else(|| Failure::new("没有这个组织编号"));
    }
    let mut roots = tree.roots();
    match (roots.next(), roots.next()) {
        (Some(only), None) if tree.subtree(only).len() == 1 => Ok(only),
        (None, _) => Err(Failure::new("还没有组织，请先运行 yuntang init")),
        _ => Err(Failure::new("有多个组织，请用 --org 写明组织编号（yuntang user list 可查）")),
    }
}

async fn list(store: &Store) -> Result<(), Failure> {
    let tree = store.orgs().tree().await?;
    let roots: Vec<OrgId> = tree.roots().collect();
    for org in roots.into_iter().flat_map(|root| tree.subtree(root)) {
        let name = tree.get(org).map_or("", |o| o.name.as_str());
        println!("{name}（{org}）");
        for person in store.persons().of_org(org).await? {
            let roles = store.roles().of_person(person.id).await?;
            let roles: Vec<&str> = roles.iter().map(|g| g.role.word()).collect();
            let login = store.accounts().by_person(person.id).await?.map(|a| a.login);
            println!(
                "  {}  {}  {}",
                person.name,
                login.as_deref().unwrap_or("（无账号）"),
                roles.join("、")
            );
        }
    }
    Ok(())
}

/// Opens the database for one piece of work.
pub async fn with<T>(
    place: Place,
    work: impl AsyncFnOnce(&Store) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let config = place.config();
    if config.database_url.is_none() && !config.data.database().exists() {
        return Err(Failure::new(format!(
            "{} 中没有数据，请先运行 yuntang init",
            config.data.path().display()
        )));
    }
    let store = app::connect(&config).await?;
    let done = work(&store).await;
    store.close().await;
    done
}
