//! `session list`.

use clap::Subcommand;

use super::user::with;
use super::{Failure, Place, block_on};
use crate::domain::OrgId;

/// Sessions of one organisation shown at most.
const LIMIT: u32 = 100;

#[derive(Subcommand)]
pub enum Verb {
    /// 列出会议：编号、状态、时间、组织、名称
    List {
        #[command(flatten)]
        place: Place,
    },
}

pub fn run(verb: Verb) -> Result<(), Failure> {
    let Verb::List { place } = verb;
    block_on(with(place, async |store| {
        let tree = store.orgs().tree().await?;
        let roots: Vec<OrgId> = tree.roots().collect();
        for root in roots {
            for s in store.sessions().of_subtree(root, None, LIMIT).await? {
                let state = serde_json::to_value(s.state).unwrap_or_default();
                let state = state.as_str().unwrap_or_default();
                let when = local(s.planned_start_us);
                println!("{}  {state:<15}  {when}  {}  {}", s.id, s.org_name, s.title);
            }
        }
        Ok(())
    }))
}

/// `2026-11-21 19:00` in the machine's time zone.
pub fn local(at_us: i64) -> String {
    jiff::Timestamp::from_microsecond(at_us)
        .map(|at| at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string())
        .unwrap_or_default()
}
