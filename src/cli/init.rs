//! `init`: everything a server needs before it can serve; again it changes nothing.

use clap::Args;

use super::{Failure, Listening, Place, block_on, demo};
use crate::app::{self, server::certificate_names};
use crate::auth::sign_in::normal;
use crate::auth::{InstallationKey, JoinTokens, StreamTokens, password};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{OrgId, OrgKind, OrgRole};
use crate::http::tls;
use crate::journal::HashAlgorithm;
use crate::store::{Account, Org, Person, RoleGrant, Store, new_id};

#[derive(Args)]
pub struct Init {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    listening: Listening,
    /// 建立演示组织，账号写入 demo.json
    #[arg(long)]
    demo: bool,
    /// 首个组织的名称
    #[arg(long, value_name = "NAME", default_value = "本单位党支部")]
    org: String,
    /// 首个组织的类型：committee 党委、general_branch 党总支、branch 党支部 …
    #[arg(long, value_name = "KIND", default_value = "branch")]
    org_kind: String,
    /// 会议日志和会议记录所用的杂凑算法：sha256 或 sm3；不写则不变（初次为 sha256）
    #[arg(long, value_name = "NAME")]
    hash: Option<String>,
    /// 首个管理员的登录名
    #[arg(long, value_name = "LOGIN", default_value = "admin")]
    admin: String,
}

pub fn run(init: Init) -> Result<(), Failure> {
    let mut config = init.place.clone().config();
    config.port = init.listening.port;
    block_on(async {
        config.data.prepare()?;
        let clock = Clock::system();
        make_keys(&config, &clock)?;
        let hash = init.hash.as_deref().map(hash_of).transpose()?;
        let store = app::connect(&config).await?;
        if let Some(hash) = hash {
            app::choose_hash(&store, hash).await?;
            println!("此后的会议日志用 {}。", hash.word());
        }
        let done = match init.demo {
            true => demo::ensure(&store, &config, &clock).await,
            false => first_administrator(&store, &init).await,
        };
        store.close().await;
        done
    })
}

fn hash_of(id: &str) -> Result<HashAlgorithm, Failure> {
    HashAlgorithm::from_id(id)
        .ok_or_else(|| Failure::new(format!("没有这种杂凑算法：{id}（可用 sha256、sm3）")))
}

/// Keys and certificates; those that exist are kept.
pub fn make_keys(config: &Config, clock: &Clock) -> Result<(), Failure> {
    let keys = config.data.keys();
    InstallationKey::load_or_create(&keys)?;
    JoinTokens::load_or_create(&keys)?;
    StreamTokens::load_or_create(&keys)?;
    let (names, addresses) = certificate_names(config);
    tls::server_config(&keys, &names, &addresses, clock.now_us())?;
    Ok(())
}

async fn first_administrator(store: &Store, init: &Init) -> Result<(), Failure> {
    if store.accounts().count().await? > 0 {
        println!("已经初始化过，原有数据和账号不变。");
        return Ok(());
    }
    let kind = OrgKind::from_id(&init.org_kind)
        .ok_or_else(|| Failure::new(format!("没有这种组织类型：{}", init.org_kind)))?;
    let org = Org { id: new_id(), parent: None, kind, name: init.org.clone() };
    store.orgs().create(&org).await?;
    let password = password::generate()?;
    let admin = NewAccount {
        login: &init.admin,
        name: "系统管理员",
        org: org.id,
        member: None,
        role: OrgRole::Administrator,
        password: &password,
    };
    create_account(store, &admin).await?;
    println!("首个管理员已建立，初始密码只显示这一次，登录后须修改：");
    println!("  登录名  {}", normal(&init.admin));
    println!("  密码    {password}");
    println!("  组织    {}（编号 {}）", org.name, org.id);
    println!("下一步：yuntang user add 添加党员，yuntang serve 启动服务。");
    Ok(())
}

/// A person with a role and an account whose password must be changed.
pub struct NewAccount<'a> {
    pub login: &'a str,
    pub name: &'a str,
    pub org: OrgId,
    pub member: Option<crate::domain::MemberClass>,
    pub role: OrgRole,
    pub password: &'a str,
}

pub async fn create_account(store: &Store, new: &NewAccount<'_>) -> Result<(), Failure> {
    let login = normal(new.login);
    if login.is_empty() || login.chars().any(char::is_whitespace) || login.chars().count() > 64 {
        return Err(Failure::new("登录名须为1至64个字符，不含空格"));
    }
    if store.accounts().by_login(&login).await?.is_some() {
        return Err(Failure::new(format!("登录名 {login} 已被使用")));
    }
    let password_hash = password::hash_now(new.password)?;
    let person = Person {
        id: new_id(),
        name: new.name.to_owned(),
        org_id: new.org,
        group_id: None,
        class: new.member,
        active: true,
    };
    store.persons().create(&person).await?;
    let inherits = matches!(new.role, OrgRole::Observer | OrgRole::Manager);
    let grant = RoleGrant { person_id: person.id, org_id: new.org, role: new.role, inherits };
    store.roles().grant(&grant).await?;
    let account = Account {
        id: new_id(),
        person_id: person.id,
        login,
        password_hash,
        must_change_password: true,
        large_type: false,
    };
    Ok(store.accounts().create(&account).await?)
}
