//! `journal export|verify`.

use std::fs::File;
use std::io::BufReader;
use std::os::fd::AsFd;
use std::path::PathBuf;

use clap::Subcommand;

use super::user::with;
use super::{Failure, Place, block_on};
use crate::auth::InstallationKey;
use crate::domain::SessionId;
use crate::journal;

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
    /// 校验导出的日志；有误时指出第一处序号，退出码为 1
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
        Journal::Verify { file, key } => verify(&file, key),
    }
}

fn export(place: Place, session: SessionId, output: Option<PathBuf>) -> Result<(), Failure> {
    let keys = place.clone().config().data.keys();
    block_on(with(place, async |store| {
        let signer = InstallationKey::load_or_create(&keys)?;
        let name = output.as_ref().map_or("标准输出".into(), |p| p.display().to_string());
        let unwritable = |e: std::io::Error| Failure::new(format!("{name} 无法写入：{e}"));
        let file = match &output {
            Some(path) => File::create(path),
            None => std::io::stdout().as_fd().try_clone_to_owned().map(File::from),
        };
        let mut file = tokio::fs::File::from_std(file.map_err(unwritable)?);
        store.journal().export(session, &signer, &mut file).await?;
        if output.is_some() {
            file.sync_all().await.map_err(unwritable)?;
        }
        Ok(())
    }))
}

fn verify(path: &PathBuf, key: Option<String>) -> Result<(), Failure> {
    let file = open(path)?;
    match journal::verify(file, key, |_| {}) {
        Ok(verified) => {
            println!("日志完整，链校验通过。");
            println!("  会议      {}", verified.session);
            println!("  事件      {}", verified.events);
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

pub fn open(path: &PathBuf) -> Result<BufReader<File>, Failure> {
    let file = File::open(path);
    let file = file.map_err(|e| Failure::new(format!("{} 无法读取：{e}", path.display())))?;
    Ok(BufReader::new(file))
}
