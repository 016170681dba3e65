//! `doctor`: what can be checked before a meeting, one line each.

use std::net::{SocketAddr, UdpSocket};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use clap::Args;

use super::{Failure, Listening, Place, block_on};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::http::listener::bind;

/// Below so many bytes a long meeting may not fit.
const LITTLE_SPACE: u64 = 5 << 30;
/// 2025-01-01: a clock before it is plainly wrong.
const EARLIEST_US: i64 = 1_735_689_600_000_000;

#[derive(Args)]
pub struct Doctor {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    listening: Listening,
}

/// `Ok` is fine, `Err` is what to do.
type Finding = Result<String, String>;

pub fn run(verb: Doctor) -> Result<(), Failure> {
    let mut config = verb.place.config();
    config.port = verb.listening.port;
    config.listen = verb.listening.listen;
    block_on(async {
        let findings = [
            ("数据目录", data(&config)),
            ("磁盘空间", space(config.data.path())),
            ("系统时钟", clock()),
            ("TCP 端口", tcp(&config)),
            ("UDP 端口", udp(&config)),
            ("数据库", database(&config).await),
            ("音视频组件", worker()),
        ];
        let mut wrong = 0;
        for (what, finding) in &findings {
            match finding {
                Ok(text) => println!("正常  {what}：{text}"),
                Err(text) => {
                    wrong += 1;
                    println!("注意  {what}：{text}");
                }
            }
        }
        if wrong > 0 { Err(Failure::new(format!("有{wrong}项需要处理。"))) } else { Ok(()) }
    })
}

fn data(config: &Config) -> Finding {
    config.data.prepare().map_err(|e| e.to_string())?;
    Ok(config.data.path().display().to_string())
}

fn space(path: &Path) -> Finding {
    let unknown = || "无法得知剩余空间".to_owned();
    let name = std::ffi::CString::new(path.as_os_str().as_bytes()).map_err(|_| unknown())?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the name is a C string, and the place is as large as the system expects.
    let result = unsafe { libc::statvfs(name.as_ptr(), stat.as_mut_ptr()) };
    if result != 0 {
        return Err(unknown());
    }
    // SAFETY: filled in by the call that succeeded.
    let stat = unsafe { stat.assume_init() };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let text = format!("剩余 {:.1} GB", free as f64 / 1e9);
    if free < LITTLE_SPACE { Err(format!("{text}，录制可能不够用")) } else { Ok(text) }
}

fn clock() -> Finding {
    let now_us = Clock::system().now_us();
    let text = super::session::local(now_us);
    if now_us < EARLIEST_US { Err(format!("{text}，明显不对，请校时")) } else { Ok(text) }
}

fn tcp(config: &Config) -> Finding {
    let listener = bind(config.listen, config.port);
    listener.map_err(|e| format!("{} 不可用（{e}）；服务若已在运行则属正常", config.port))?;
    Ok(format!("{} 可用", config.port))
}

fn udp(config: &Config) -> Finding {
    let listen = config.listen.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into());
    UdpSocket::bind(SocketAddr::new(listen, config.port))
        .map_err(|e| format!("{} 不可用（{e}）；服务若已在运行则属正常", config.port))?;
    Ok(format!("{} 可用", config.port))
}

async fn database(config: &Config) -> Finding {
    let store = app::connect(config).await.map_err(|e| Failure::from(e).to_string())?;
    let answer = store.ping().await.map_err(|e| Failure::from(e).to_string());
    let accounts = store.accounts().count().await.unwrap_or(0);
    store.close().await;
    answer?;
    Ok(format!("{:?}，{accounts}个账号", store.engine()))
}

/// The libraries are linked into this program: that it runs shows that they are there.
fn worker() -> Finding {
    let program = std::env::current_exe().map_err(|e| format!("找不到本程序自身：{e}"))?;
    Ok(format!("已随程序提供（{}）", program.display()))
}
