//! `journal export|verify`.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::fd::AsFd;
use std::path::PathBuf;

use clap::Subcommand;

use super::user::with;
use super::{Failure, Place, block_on};
use crate::auth::InstallationKey;
use crate::domain::{OrgId, SessionId};
use crate::journal;
use crate::journal::daily::{DailyPlace, is_daily, verify_daily};

#[derive(Subcommand)]
pub enum Journal {
    /// 导出一次会议的日志（JSONL，末行有本机签名）
    Export {
        #[command(flatten)]
        place: Place,
        /// 会议编号
        session: SessionId,
        /// 写入的文件；不写则输出到标准输出
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// 导出一个组织的封存链（JSONL，末行有本机签名）
    Daily {
        #[command(flatten)]
        place: Place,
        /// 组织编号
        org: OrgId,
        /// 写入的文件；不写则输出到标准输出
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// 校验导出的日志或封存链；有误时指出第一处序号，退出码为 1
    Verify {
        file: PathBuf,
        /// 已知的本机公钥（64 位十六进制）；写明可识破整份重造的日志
        #[arg(long, value_name = "HEX")]
        key: Option<String>,
    },
}

pub fn run(verb: Journal) -> Result<(), Failure> {
    match verb {
        Journal::Export { place, session, output } => export(place, session, output),
        Journal::Daily { place, org, output } => daily(place, org, output),
        Journal::Verify { file, key } => verify(&file, key),
    }
}

fn export(place: Place, session: SessionId, output: Option<PathBuf>) -> Result<(), Failure> {
    let keys = place.clone().config().data.keys();
    block_on(with(place, async |store| {
        let signer = InstallationKey::load_or_create(&keys)?;
        let mut file = target(output.as_ref())?;
        store.journal().export(session, &signer, &mut file).await?;
        finish(&file, output.as_ref()).await
    }))
}

fn daily(place: Place, org: OrgId, output: Option<PathBuf>) -> Result<(), Failure> {
    let keys = place.clone().config().data.keys();
    block_on(with(place, async |store| {
        let signer = InstallationKey::load_or_create(&keys)?;
        if store.daily().header(org).await?.is_none() {
            return Err(Failure::new("这个组织还没有封存的会议"));
        }
        let mut file = target(output.as_ref())?;
        store.daily().export(org, &signer, &mut file).await?;
        finish(&file, output.as_ref()).await
    }))
}

fn unwritable(path: Option<&PathBuf>, e: &std::io::Error) -> Failure {
    let name = path.map_or("标准输出".into(), |p| p.display().to_string());
    Failure::new(format!("{name} 无法写入：{e}"))
}

fn target(path: Option<&PathBuf>) -> Result<tokio::fs::File, Failure> {
    let file = match path {
        Some(path) => File::create(path),
        None => std::io::stdout().as_fd().try_clone_to_owned().map(File::from),
    };
    file.map(tokio::fs::File::from_std).map_err(|e| unwritable(path, &e))
}

async fn finish(file: &tokio::fs::File, path: Option<&PathBuf>) -> Result<(), Failure> {
    if path.is_some() {
        file.sync_all().await.map_err(|e| unwritable(path, &e))?;
    }
    Ok(())
}

fn verify(path: &PathBuf, key: Option<String>) -> Result<(), Failure> {
    let mut file = open(path)?;
    let begins = file.fill_buf().map_err(|e| Failure::new(format!("无法读取：{e}")))?;
    if is_daily(begins) {
        return verify_chain(file, key.as_deref());
    }
    match journal::verify(file, key, |_| {}) {
        Ok(verified) => {
            println!("日志完整，链校验通过。");
            println!("  会议      {}", verified.session);
            println!("  事件      {}", verified.events);
            println!("  杂凑算法  {}", verified.hash_algorithm.word());
            println!("  末端哈希  {}", verified.head_hash);
            println!("  散会签名  {}", if verified.is_signed() { "有" } else { "无" });
            println!("  本机公钥  {}", verified.installation_key);
            Ok(())
        }
        Err(tampered) => Err(Failure::new(format!(
            "日志校验不通过，第一处有误：{}（{}）",
            tampered.place, tampered.flaw
        ))),
    }
}

fn verify_chain(file: BufReader<File>, key: Option<&str>) -> Result<(), Failure> {
    let verified = verify_daily(file, key).map_err(|tampered| {
        let place = match &tampered.place {
            DailyPlace::Header => "首行".to_owned(),
            DailyPlace::Entry(n, Some(day)) => format!("第{n}条（{day}）"),
            DailyPlace::Entry(n, None) => format!("第{n}条"),
            DailyPlace::Trailer => "末行".to_owned(),
        };
        Failure::new(format!("封存链校验不通过，第一处有误：{place}（{}）", tampered.flaw))
    })?;
    println!("封存链完整，校验通过。");
    println!("  组织      {}", verified.header.org_name);
    println!("  会议      {}", verified.entries);
    println!("  杂凑算法  {}", verified.header.hash_algorithm.word());
    println!("  本机公钥  {}", verified.header.installation_key);
    for (day, sessions, root) in verified.days {
        println!("  {day}  {sessions}次会议  日根 {root}");
    }
    Ok(())
}

pub fn open(path: &PathBuf) -> Result<BufReader<File>, Failure> {
    let file = File::open(path);
    let file = file.map_err(|e| Failure::new(format!("{} 无法读取：{e}", path.display())))?;
    Ok(BufReader::new(file))
}
