//! `serve`: runs until Ctrl-C or SIGTERM.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{Failure, Listening, Place};
use crate::app::server::Server;
use crate::clock::Clock;
use crate::config::interface_addresses;

#[derive(Args)]
pub struct Serve {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    listening: Listening,
    /// 读取 /metrics 所需的令牌；不写则仅限本机读取
    #[arg(long, value_name = "TOKEN", env = "YUNTANG_METRICS_TOKEN", hide_env_values = true)]
    metrics_token: Option<String>,
    /// 本单位的规则文件，覆盖内置规则；启动时检查，有误则不启动
    #[arg(long, value_name = "FILE", env = "YUNTANG_RULES")]
    rules: Option<PathBuf>,
    /// PDF 文件所用的中文字体文件（TTC、OTF 或 TTF）；不写则自动查找
    #[arg(long, value_name = "FILE", env = "YUNTANG_CJK_FONT")]
    cjk_font: Option<std::path::PathBuf>,
    /// TURN 协议测试用的回声地址
    #[arg(long, value_name = "ADDR", hide = true)]
    turn_test_peer: Option<SocketAddr>,
    /// 启动后不打开浏览器
    #[arg(long)]
    no_open: bool,
}

pub fn run(verb: Serve) -> Result<(), Failure> {
    let mut config = verb.place.config();
    config.port = verb.listening.port;
    config.listen = verb.listening.listen;
    config.public_ips = verb.listening.public_ip;
    config.metrics_token = verb.metrics_token.filter(|token| !token.is_empty());
    config.rules = verb.rules;
    config.cjk_font = verb.cjk_font;
    config.turn_test_peer = verb.turn_test_peer;
    config.open_browser = !verb.no_open;
    log_to_stderr();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(format!("无法启动：{e}")))?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())
            .map_err(|e| Failure::new(format!("无法接收系统信号：{e}")))?;
        let server = Server::start(config, Clock::system()).await?;
        if server.app.store.accounts().count().await? == 0 {
            server.stop().await;
            return Err(Failure::new("还没有任何账号，请先运行 yuntang init"));
        }
        greet(&server);
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        println!("正在停止：保存会议记录……");
        server.stop().await;
        println!("已停止。");
        Ok(())
    })
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

fn greet(server: &Server) {
    let port = server.address.port();
    println!("云堂已启动。");
    println!("  本机      http://localhost:{port}");
    for address in interface_addresses().into_iter().filter(|a| !a.is_loopback()) {
        let host = match address {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("[{v6}]"),
        };
        println!("  其他设备  https://{host}:{port}");
    }
    println!("  其他设备首次使用前，请安装本机证书：https://…:{port}/ca.crt");
    if server.app.config.open_browser {
        open_browser(&format!("http://localhost:{port}"));
    }
}

/// Only where there is a desktop; whether it works is not our affair.
fn open_browser(url: &str) {
    let desktop = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|v| std::env::var_os(v).is_some());
    if !desktop {
        return;
    }
    let child = Command::new("xdg-open")
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Ok(mut child) = child {
        // Waited for beside us, so that it does not stay as a zombie.
        std::thread::spawn(move || child.wait());
    }
}
