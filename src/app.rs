//! Composition root: everything is made here, in order, and ended here, in the other order.
//!
//! config → store → journal appender → media → rooms → archive jobs → HTTP; on Ctrl-C or SIGTERM:
//! no new requests, rooms say good-bye (`restarting`), captures are flushed, jobs stop, the
//! journal's queue is written, the store closes.

pub mod doorkeeper;
pub mod opening;
mod orgs;
pub mod rules;
pub mod server;
pub mod sign_in_watch;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;

use crate::archive::MinutesDesk;
use crate::auth::password::{PasswordError, Passwords};
use crate::auth::{
    CheckinKey, InstallationKey, JoinTokens, KeyError, Relays, SignIns, StreamTokens,
};
use crate::clock::Clock;
use crate::config::{Config, DataDirError};
use crate::export::font::FontShelf;
use crate::http::network::Network;
use crate::http::tls::TlsError;
use crate::import::Imports;
use crate::journal::HashAlgorithm;
use crate::room::Registry;
use crate::room::clock::MachineClock;
use crate::room::ports::Ports;
use crate::store::spool::SpoolError;
use crate::store::{JournalAppender, Store, StoreError};
use orgs::OrgCache;
use rules::{RulesBook, RulesStartError};

/// What the parts of the server share.
pub struct App {
    pub config: Config,
    pub clock: Clock,
    pub machine: MachineClock,
    pub store: Store,
    pub sign_ins: SignIns,
    pub join_tokens: Arc<JoinTokens>,
    pub relays: Relays,
    /// Signs what the screens of room sites show.
    pub checkin: CheckinKey,
    pub stream_tokens: StreamTokens,
    pub installation: Arc<InstallationKey>,
    /// Random id of the installation, in every journal's header.
    pub installation_id: String,
    /// What binds the journals opened from now on.
    pub hash_algorithm: HashAlgorithm,
    pub appender: JournalAppender,
    pub rooms: Arc<Registry>,
    pub orgs: OrgCache,
    pub rules: RulesBook,
    pub imports: Imports,
    /// Drafts, signs and seals minutes.
    pub minutes: MinutesDesk,
    /// Fonts of PDF documents, found when first needed.
    pub fonts: FontShelf,
    /// Limits of the connection test.
    pub network: Network,
    ready: AtomicBool,
}

/// The server cannot start; the message is one sentence for the operator.
#[derive(Debug, Error)]
pub enum StartError {
    #[error(transparent)]
    Data(#[from] DataDirError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("数据库无法使用：{0}")]
    Store(#[from] StoreError),
    #[error("本机暂存 data/spool 无法使用：{0}")]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Rules(#[from] RulesStartError),
    #[error("会议日志无法补全：{0}")]
    Mend(String),
    #[error("证书无法使用：{0}")]
    Tls(#[from] TlsError),
    #[error("{}", port_sentence(*.port, .source))]
    Port { port: u16, source: io::Error },
    #[error("音视频端口无法使用：{0}")]
    Media(#[from] media_io::StartError),
    #[error("找不到本程序自身，不能启动合成进程：{0}")]
    Worker(io::Error),
}

fn port_sentence(port: u16, source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            format!("端口 {port} 已被占用：是否已有一个云堂在运行？可用 --port 换一个端口")
        }
        io::ErrorKind::PermissionDenied => format!("没有权限使用端口 {port}，请换 1024 以上的端口"),
        _ => format!("端口 {port} 无法使用：{source}"),
    }
}

/// Opens the database that the configuration names, and brings its schema up to date.
///
/// # Errors
/// [`StoreError::Unavailable`] when it cannot be reached.
pub async fn connect(config: &Config) -> Result<Store, StoreError> {
    match &config.database_url {
        Some(url) => Store::connect(url, config.migration_url.as_deref()).await,
        None => Store::connect_folder(config.data.path()).await,
    }
}

/// Name of the installation's id in the settings.
const INSTALLATION_ID: &str = "installation_id";

/// The installation's random id, made on first use.
///
/// # Errors
/// When the store fails.
pub async fn installation_id(store: &Store) -> Result<String, StoreError> {
    let fresh = uuid::Uuid::new_v4().to_string();
    store.settings().get_or_set(INSTALLATION_ID, &fresh).await
}

/// Name of the chosen hash in the settings.
const HASH_ALGORITHM: &str = "hash_algorithm";

/// What binds journals opened from now on; SHA-256 unless `init --hash` chose otherwise.
///
/// # Errors
/// When the store fails, or holds a name that this version does not know.
pub async fn hash_algorithm(store: &Store) -> Result<HashAlgorithm, StoreError> {
    match store.settings().get(HASH_ALGORITHM).await? {
        None => Ok(HashAlgorithm::default()),
        Some(id) => HashAlgorithm::from_id(&id).ok_or(StoreError::Corrupt("hash_algorithm")),
    }
}

/// Chooses the hash of an installation. Journals that exist keep theirs and stay verifiable.
///
/// # Errors
/// When the store fails.
pub async fn choose_hash(store: &Store, algorithm: HashAlgorithm) -> Result<(), StoreError> {
    store.settings().set(HASH_ALGORITHM, algorithm.id()).await
}

/// Keys of the installation, and what is made of them.
pub struct Secrets {
    pub installation: Arc<InstallationKey>,
    pub relays: Relays,
    pub checkin: CheckinKey,
}

impl App {
    /// Puts the shared parts together. `ports` makes the seams of the rooms.
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn new(
        config: Config,
        clock: Clock,
        store: Store,
        appender: JournalAppender,
        secrets: Secrets,
        ports: Ports,
    ) -> Result<Arc<Self>, StartError> {
        let Secrets { installation, relays, checkin } = secrets;
        let join_tokens = Arc::new(JoinTokens::load_or_create(&config.data.keys())?);
        let stream_tokens = StreamTokens::load_or_create(&config.data.keys())?;
        let installation_id = installation_id(&store).await?;
        let rules = RulesBook::load(&config, &store).await?;
        let hash_algorithm = hash_algorithm(&store).await?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let passwords = Passwords::new(cores.div_ceil(2))?;
        let machine = MachineClock::system(clock.clone());
        Ok(Arc::new(Self {
            sign_ins: SignIns::new(store.clone(), clock.clone(), passwords),
            rooms: Registry::new(ports, machine.clone()),
            orgs: OrgCache::new(clock.clone()),
            rules,
            imports: Imports::new(config.data.imports()),
            minutes: MinutesDesk::new(
                store.clone(),
                appender.clone(),
                installation.clone(),
                installation_id.clone(),
                hash_algorithm,
            ),
            fonts: FontShelf::new(config.cjk_font.clone()),
            network: Network::default(),
            ready: AtomicBool::new(false),
            config,
            clock,
            machine,
            store,
            join_tokens,
            relays,
            checkin,
            stream_tokens,
            installation,
            installation_id,
            hash_algorithm,
            appender,
        }))
    }

    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }
}
