//! `token whip|whep`: a bearer token for an encoder or a player, printed once and stored nowhere.

use clap::Args;
use uuid::Uuid;

use super::user::with;
use super::{Failure, Place, block_on};
use crate::auth::policy::{Action, Resource, allow};
use crate::auth::sign_in::normal;
use crate::auth::stream_token::{MAX_TTL_S, StreamClaims, StreamKind, StreamTokens};
use crate::clock::Clock;
use crate::domain::SessionId;
use crate::http::caller::{actor_of, facts};
use crate::store::Store;

/// Longest name shown in a room, in characters.
const MAX_NAME: usize = 64;

#[derive(Args)]
pub struct Stream {
    #[command(flatten)]
    place: Place,
    /// 会议编号
    #[arg(long, value_name = "ID")]
    session: SessionId,
    /// 在会场中显示、记入会议日志的名称
    #[arg(long, value_name = "NAME")]
    name: String,
    /// 有效期，如 90s、30m、12h、7d，至多 31d
    #[arg(long, value_name = "TIME", default_value = "12h", value_parser = seconds)]
    ttl: i64,
    /// 签发人的登录名，须有权主持或安排这次会议；不写则为主持人
    #[arg(long, value_name = "LOGIN")]
    by: Option<String>,
    /// 推送的声音和画面不录制
    #[arg(long)]
    no_recording: bool,
}

pub fn run(kind: StreamKind, stream: Stream) -> Result<(), Failure> {
    let keys = stream.place.clone().config().data.keys();
    block_on(with(stream.place.clone(), async |store| {
        let tokens = StreamTokens::load_or_create(&keys)?;
        let name = stream.name.trim();
        if name.is_empty() || name.chars().count() > MAX_NAME {
            return Err(Failure::new("名称须为1至64个字符"));
        }
        let claims = StreamClaims {
            holder: Uuid::now_v7(),
            session: *stream.session.as_uuid(),
            kind,
            name: name.to_owned(),
            issuer: issuer(store, stream.session, stream.by.as_deref()).await?,
            recorded: !stream.no_recording,
        };
        println!("{}", tokens.sign(&claims, Clock::system().now_us(), stream.ttl));
        eprintln!("POST /{}/{}", kind.id(), stream.session);
        Ok(())
    }))
}

/// The account that answers for the token.
async fn issuer(store: &Store, id: SessionId, login: Option<&str>) -> Result<Uuid, Failure> {
    let missing = |what: &str| Failure::new(format!("没有找到{what}"));
    let session = store.sessions().get(id).await?.ok_or_else(|| missing("会议"))?;
    let account = match login {
        Some(login) => store.accounts().by_login(&normal(login)).await?,
        None => store.accounts().by_person(session.chair).await?,
    };
    let account = account.ok_or_else(|| missing("签发人的账号"))?;
    let found = actor_of(store, &account).await?;
    let (person, actor) = found.ok_or_else(|| missing("签发人"))?;
    let on_roster = store.sessions().roster(id).await?.contains(person.id);
    let standing = store.standings().get(id, person.id).await?;
    let facts = facts(&session, on_roster, standing);
    let tree = store.orgs().tree().await?;
    allow(&tree, &actor, Action::Stream, Resource::Session(&facts))
        .map_err(|denied| Failure::new(denied.rule.message()))?;
    Ok(*account.id.as_uuid())
}

/// `90s`, `30m`, `12h`, `7d`; a bare number is seconds.
fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || "写法如 90s、30m、12h、7d".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: i64 = digits.parse().map_err(|_| wrong())?;
    let seconds = number.checked_mul(unit).ok_or_else(wrong)?;
    match (1..=MAX_TTL_S).contains(&seconds) {
        true => Ok(seconds),
        false => Err("有效期须为1秒至31天".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn a_ttl_has_a_unit_and_an_end() {
        for (text, expected) in
            [("90", 90), ("90s", 90), ("30m", 1_800), ("12h", 43_200), ("31d", 2_678_400)]
        {
            assert_eq!(seconds(text), Ok(expected));
        }
        for wrong in ["", "h", "0", "-1h", "1w", "32d", "1.5h", "9223372036854775807d"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
