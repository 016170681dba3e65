//! `rules decide CASE.json`: quorum and outcome of one matter, as JSON.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::Failure;
use crate::domain::rules::{Case, Rules, decide};

/// A case is a page of numbers.
const MAX_CASE: u64 = 1024 * 1024;

#[derive(Subcommand)]
pub enum Verb {
    /// 按规则判断法定人数和表决、选举结果，输出 JSON（格式见 docs/RULES.md）
    Decide(Decide),
}

#[derive(Args)]
pub struct Decide {
    /// 事项文件；“-”表示标准输入
    case: PathBuf,
    /// 本单位的规则文件，覆盖内置规则；可写多次，后写的优先
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
}

pub fn run(verb: Verb) -> Result<(), Failure> {
    let Verb::Decide(verb) = verb;
    let over = verb.rules.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    let over: Vec<&str> = over.iter().map(String::as_str).collect();
    let rules = Rules::load(&over).map_err(|error| Failure::new(error.to_string()))?;
    let text = read(&verb.case)?;
    let case: Case = serde_json::from_str(&text)
        .map_err(|error| Failure::new(format!("事项文件有误：{error}")))?;
    match decide(&rules, &case) {
        Ok(decision) => print(&decision),
        Err(refusal) => {
            let words = refusal.to_string();
            print(&json!({ "refused": &refusal, "words": &words }))?;
            Err(Failure::new(words))
        }
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    let failed =
        |error: std::io::Error| Failure::new(format!("无法读取{}：{error}", file.display()));
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().take(MAX_CASE).read_to_string(&mut text).map_err(failed)?;
    } else {
        let opened = std::fs::File::open(file).map_err(failed)?;
        opened.take(MAX_CASE).read_to_string(&mut text).map_err(failed)?;
    }
    Ok(text)
}

fn print(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(format!("无法输出：{error}")))?;
    println!("{text}");
    Ok(())
}
