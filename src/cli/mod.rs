//! The command line: one file per verb. Everything that goes wrong is one sentence and an exit
//! code: 1 for what failed (also a journal that does not verify), 2 for wrong usage.

mod attendance;
pub mod demo;
mod doctor;
mod fail;
mod init;
mod journal;
mod rules;
mod serve;
mod session;
mod stream_token;
mod token;
mod user;

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, DEFAULT_PORT, DataDir};
pub use fail::Failure;

#[derive(Parser)]
#[command(name = "yuntang", version, about = "云堂：党组织线上会议系统")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// 启动服务
    Serve(serve::Serve),
    /// 建立数据目录、密钥、证书和首个管理员（已有数据不变）
    Init(init::Init),
    /// 检查端口、地址、证书、磁盘、时钟、数据库和音视频组件，逐项说明该怎么办
    Doctor(doctor::Doctor),
    /// 管理账号
    #[command(subcommand)]
    User(user::User),
    /// 签发推流、播放令牌，或某个账号的入会令牌（测试和机器人用）
    Token(token::Token),
    /// 查看会议
    #[command(subcommand)]
    Session(session::Verb),
    /// 导出或校验会议日志
    #[command(subcommand)]
    Journal(journal::Journal),
    /// 按规则判断法定人数和表决结果
    #[command(subcommand)]
    Rules(rules::Verb),
    /// 由导出的会议日志计算考勤表
    Attendance(attendance::Attendance),
    /// 音视频合成进程（由服务自行启动）
    #[command(hide = true)]
    Worker {
        /// 任务文件；“-”表示标准输入的第一行
        job: PathBuf,
    },
}

/// Where the data is and which database.
#[derive(Args, Clone)]
pub struct Place {
    /// 数据目录
    #[arg(long, value_name = "DIR", default_value = "data", env = "YUNTANG_DATA")]
    data: PathBuf,
    /// PostgreSQL 地址；不写则用数据目录中的 SQLite
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// 更改 PostgreSQL 表结构所用的地址
    #[arg(long, value_name = "URL", env = "DATABASE_MIGRATION_URL", hide_env_values = true)]
    database_migration_url: Option<String>,
}

/// Where the server listens.
#[derive(Args, Clone)]
pub struct Listening {
    /// TCP 端口；音视频用同号起的 UDP 端口
    #[arg(long, default_value_t = DEFAULT_PORT)]
    port: u16,
    /// 监听地址；不写则监听本机所有地址
    #[arg(long, value_name = "IP")]
    listen: Option<IpAddr>,
    /// 告知浏览器的公网地址（服务器在 NAT 之后时）；可写多次，IPv4、IPv6 均可
    #[arg(long, value_name = "IP")]
    public_ip: Vec<IpAddr>,
}

impl Place {
    pub fn config(self) -> Config {
        Config {
            database_url: self.database_url.filter(|url| !url.is_empty()),
            migration_url: self.database_migration_url.filter(|url| !url.is_empty()),
            ..Config::new(DataDir::new(self.data))
        }
    }
}

/// The whole program.
pub fn run() -> ExitCode {
    let verb = Cli::parse().verb;
    // SAFETY: called before any thread is started; neither call can fail for these values.
    unsafe {
        // Database, captures and exports are for the operator's eyes alone.
        libc::umask(0o077);
        // A pipe that ends early (`| head`) ends a short verb quietly; a server must live on.
        if !matches!(verb, Verb::Serve(_) | Verb::Worker { .. }) {
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        }
    }
    let result = match verb {
        Verb::Serve(verb) => serve::run(verb),
        Verb::Init(verb) => init::run(verb),
        Verb::Doctor(verb) => doctor::run(verb),
        Verb::User(verb) => user::run(verb),
        Verb::Token(verb) => token::run(verb),
        Verb::Session(verb) => session::run(verb),
        Verb::Journal(verb) => journal::run(verb),
        Verb::Rules(verb) => rules::run(verb),
        Verb::Attendance(verb) => attendance::run(verb),
        Verb::Worker { job } => std::process::exit(media_worker::run(&job)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one short verb.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Failure::new(format!("无法启动：{e}")))?;
    runtime.block_on(work)
}
