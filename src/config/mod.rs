//! What an operator can choose, and where everything lies under the data folder.

mod addresses;
mod data;

pub use addresses::{interface_addresses, machine_name};
pub use data::{DataDir, DataDirError};

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::http::listener::PortTimes;

/// Default TCP port, and first UDP port.
pub const DEFAULT_PORT: u16 = 8443;

/// Slower heads of requests are cut off; a phone on a bad line needs a second or two.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);

/// Everything `serve` needs to know; made from the command line and the environment.
#[derive(Debug, Clone)]
pub struct Config {
    pub data: DataDir,
    /// TCP port; media takes the UDP port of the same number plus the shard index. 0 lets the
    /// system choose (tests).
    pub port: u16,
    /// Address listened on; `None` is every address of the machine, IPv4 and IPv6.
    pub listen: Option<IpAddr>,
    /// Addresses told to browsers for media when the machine is behind NAT, the preferred first;
    /// those of its interfaces are told after them.
    pub public_ips: Vec<IpAddr>,
    /// PostgreSQL; SQLite in the data folder otherwise.
    pub database_url: Option<String>,
    /// PostgreSQL role that may change the schema; `database_url` otherwise.
    pub migration_url: Option<String>,
    /// Rules of this deployment, laid over the built-in ones (docs/RULES.md).
    pub rules: Option<PathBuf>,
    /// An address that our TURN server echoes for, for tests of the protocol only.
    pub turn_test_peer: Option<SocketAddr>,
    /// The head of an HTTP request has so long to arrive.
    pub head_timeout: Duration,
    /// Deadlines of connections that have not yet shown what they are.
    pub port_times: PortTimes,
    /// Program that renders recordings as its verb `worker`; `None` is this program itself.
    pub worker: Option<PathBuf>,
    /// Whoever scrapes `/metrics` shows this; without it only the machine itself may.
    pub metrics_token: Option<String>,
    /// Font of PDF documents; searched for otherwise (`export::font`).
    pub cjk_font: Option<PathBuf>,
    /// Open the start page in the machine's browser once ready.
    pub open_browser: bool,
}

impl Config {
    pub fn new(data: DataDir) -> Self {
        Self {
            data,
            port: DEFAULT_PORT,
            listen: None,
            public_ips: Vec::new(),
            database_url: None,
            migration_url: None,
            rules: None,
            turn_test_peer: None,
            head_timeout: HEAD_TIMEOUT,
            port_times: PortTimes::default(),
            worker: None,
            metrics_token: None,
            cjk_font: None,
            open_browser: false,
        }
    }
}
