//! The database answers, and its schema is of this version.

use super::finding::{Finding, Subject, say};
use crate::app;
use crate::cli::Failure;
use crate::config::Config;
use crate::store::StoreError;

const DATABASE: Subject = Subject("database", "数据库", "Database");

pub async fn examine(config: &Config) -> Finding {
    match look(config).await {
        Ok((engine, 0)) => DATABASE.care(
            say(format!("{engine} 可用，还没有账号"), format!("{engine} works; no accounts yet")),
            say("请运行 yuntang init 建立首个管理员", "run yuntang init to make the first one"),
        ),
        Ok((engine, accounts)) => DATABASE.good(say(
            format!("{engine} 可用，表结构为最新，{accounts}个账号"),
            format!("{engine} works, schema up to date, {accounts} accounts"),
        )),
        Err(error) => failed(error),
    }
}

/// Connecting brings the schema up to date, as the start of the server does.
async fn look(config: &Config) -> Result<(String, i64), StoreError> {
    let store = app::connect(config).await?;
    let answer = async {
        store.ping().await?;
        store.accounts().count().await
    };
    let accounts = answer.await;
    let engine = format!("{:?}", store.engine());
    store.close().await;
    Ok((engine, accounts?))
}

fn failed(error: StoreError) -> Finding {
    let advice = match &error {
        StoreError::Unavailable(_) => say(
            "请检查 DATABASE_URL 的地址、账号和密码，以及数据库服务是否已启动",
            "check the address, role and password in DATABASE_URL, and that the database runs",
        ),
        StoreError::Invalid(_) => say(
            "请升级云堂，或改用与本版本相符的数据；DATABASE_URL 须以 postgres: 开头",
            "update Yuntang or use data of this version; DATABASE_URL begins with postgres:",
        ),
        _ => say(
            "请检查数据目录的权限；不要改动数据库，先做备份再联系技术支持",
            "check the data folder's permissions; do not alter the database, back it up first",
        ),
    };
    let text = error.to_string();
    DATABASE.bad(say(Failure::from(error).to_string(), text), advice)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn each_failure_says_what_to_do() {
        for error in [
            StoreError::Unavailable("refused".into()),
            StoreError::Invalid("the database was made by a newer version".into()),
            StoreError::AppendOnly,
        ] {
            let finding = failed(error);
            assert_eq!(finding.level, Level::Bad);
            assert!(finding.advice.is_some());
        }
    }
}
