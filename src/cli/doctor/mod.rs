//! `doctor`: what can be checked before a meeting, one line each: what works, what does not, and
//! what to do about it. Exit code 1 when something would keep a meeting from working.

mod database;
mod finding;
mod machine;
mod network;
mod storage;
mod worker;

use clap::{Args, ValueEnum};

use super::{Failure, Listening, Place, block_on};
use crate::clock::Clock;
use crate::config::Config;
use finding::{Finding, Level};

#[derive(Args)]
pub struct Doctor {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    listening: Listening,
    /// 以 JSON 输出，供脚本使用
    #[arg(long)]
    json: bool,
    /// 输出的语言
    #[arg(long, value_enum, default_value_t = Language::Zh)]
    lang: Language,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    Zh,
    En,
}

pub fn run(verb: Doctor) -> Result<(), Failure> {
    let mut config = verb.place.config();
    config.port = verb.listening.port;
    config.listen = verb.listening.listen;
    config.public_ips = verb.listening.public_ip;
    let findings = block_on(async { Ok(examine(&config, &Clock::system()).await) })?;
    if verb.json {
        println!("{}", finding::json(&findings));
    } else {
        print!("{}", finding::text(&findings, verb.lang));
    }
    match findings.iter().filter(|one| one.level == Level::Bad).count() {
        0 => Ok(()),
        wrong if verb.lang == Language::En => {
            Err(Failure::new(format!("{wrong} to be put right.")))
        }
        wrong => Err(Failure::new(format!("有{wrong}项需要处理。"))),
    }
}

/// Everything that is looked at, in the order in which it is told.
async fn examine(config: &Config, clock: &Clock) -> Vec<Finding> {
    let mut findings = storage::examine(config);
    findings.push(database::examine(config).await);
    findings.extend(network::examine(config));
    findings.extend(machine::examine(clock));
    findings.push(network::certificate(config, clock));
    findings.push(worker::examine());
    findings
}
