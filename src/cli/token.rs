//! `token`: signs an account in and prints a join token, for bots and for trying things out.
//! `token whip` and `token whep` print the bearer token of an encoder or a player.

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::user::with;
use super::{Failure, Place, block_on, stream_token};
use crate::auth::keys::{hex, random, token_hash};
use crate::auth::policy::{Actor, SessionFacts, session_role};
use crate::auth::sign_in::{ABSOLUTE_US, normal};
use crate::auth::{Grant, JoinClaims, JoinTokens, StreamKind};
use crate::clock::Clock;
use crate::domain::SessionId;
use crate::store::{Store, WebSession};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Token {
    #[command(subcommand)]
    stream: Option<Kind>,
    #[command(flatten)]
    place: Place,
    /// 会议编号
    #[arg(required = true)]
    session: Option<SessionId>,
    /// 登录名
    #[arg(required = true)]
    login: Option<String>,
}

#[derive(Subcommand)]
enum Kind {
    /// 签发推流令牌：编码器用 WHIP 向会议推送声音和画面
    Whip(stream_token::Stream),
    /// 签发播放令牌：播放器用 WHEP 观看会议
    Whep(stream_token::Stream),
}

pub fn run(verb: Token) -> Result<(), Failure> {
    match verb.stream {
        Some(Kind::Whip(stream)) => return stream_token::run(StreamKind::Whip, stream),
        Some(Kind::Whep(stream)) => return stream_token::run(StreamKind::Whep, stream),
        None => {}
    }
    let keys = verb.place.clone().config().data.keys();
    let (Some(session), Some(login)) = (verb.session, verb.login) else {
        return Err(Failure::new("请写明会议编号和登录名"));
    };
    block_on(with(verb.place, async |store| {
        let tokens = JoinTokens::load_or_create(&keys)?;
        let now_us = Clock::system().now_us();
        let claims = claims(store, session, &login, now_us).await?;
        println!("{}", tokens.sign(&claims, now_us).0);
        Ok(())
    }))
}

async fn claims(
    store: &Store,
    id: SessionId,
    login: &str,
    now_us: i64,
) -> Result<JoinClaims, Failure> {
    let missing = |what: &str| Failure::new(format!("没有找到{what}"));
    let account = store.accounts().by_login(&normal(login)).await?;
    let account = account.ok_or_else(|| missing("登录名"))?;
    let person = store.persons().get(account.person_id).await?;
    let person = person.ok_or_else(|| missing("人员"))?;
    let session = store.sessions().get(id).await?.ok_or_else(|| missing("会议"))?;
    let roster = store.sessions().roster(id).await?;
    let grants = store.roles().of_person(person.id).await?;
    let actor = Actor {
        account: account.id,
        person: person.id,
        grants: grants
            .iter()
            .map(|g| Grant { org: g.org_id, role: g.role, inherits: g.inherits })
            .collect(),
        must_change_password: false,
    };
    let facts = SessionFacts {
        org: session.org_id,
        chair: session.chair,
        presiding: None,
        recorder: session.recorder,
        on_roster: roster.contains(person.id),
        at_us: session.opened_us,
        admitted: false,
    };
    let tree = store.orgs().tree().await?;
    let role = session_role(&tree, &actor, &facts)
        .ok_or_else(|| Failure::new("此人不在名册内，所在组织也不是上级，不能进入这次会议"))?;
    let account_session = token_hash(&hex(&random::<32>()?));
    let row =
        WebSession { account_id: account.id, created_us: now_us, expires_us: now_us + ABSOLUTE_US };
    store.web_sessions().create(&account_session, &row).await?;
    let uuid = |id: &Uuid| *id;
    Ok(JoinClaims {
        session: uuid(id.as_uuid()),
        person: uuid(person.id.as_uuid()),
        account: uuid(account.id.as_uuid()),
        account_session,
        role,
        org_name: tree.get(person.org_id).map_or(String::new(), |o| o.name.clone()),
        org_id: uuid(person.org_id.as_uuid()),
        class: roster.get(person.id).map(|e| e.class),
        name: person.name,
        site: None,
    })
}
