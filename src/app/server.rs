//! Starting and ending a whole server; the command line and the tests do it by the same function.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use media_io::{Media, MediaConfig, TurnConfig};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::sign_in_watch::SignInWatch;
use super::{App, Secrets, StartError, connect, doorkeeper::Door, opening};
use crate::archive::jobs::WorkerCommand;
use crate::archive::{Finisher, Jobs};
use crate::auth::{CheckinKey, InstallationKey, Relays, TurnKey};
use crate::clock::Clock;
use crate::config::{Config, interface_addresses, machine_name};
use crate::http::listener::{PortListener, bind};
use crate::http::serve::serve;
use crate::http::{routes, tls};
use crate::room::ports::Ports;
use crate::store::JournalAppender;
use crate::store::spool::{DiskFile, Found, SPOOL_LIMIT, Spool};
use crate::ws::{LiveLines, Ws};

/// Requests that are still running when the server ends get so long.
const DRAIN: Duration = Duration::from_secs(5);
/// Rooms flush their captures and sign off within this time.
const ROOMS: Duration = Duration::from_secs(35);
/// The last writes of the journal.
const WRITER: Duration = Duration::from_secs(10);
/// What an outage left in the spool is in the database by then.
const REPLAY: Duration = Duration::from_secs(600);
/// Addresses written into answers; a machine with many more (containers) would make them long.
const MAX_ADVERTISED: usize = 16;
/// Expired sign-ins are swept so often.
const SWEEP: Duration = Duration::from_secs(3600);

/// Minutes that are due are sealed so often.
const CLERK: Duration = Duration::from_secs(60);

/// A running server.
pub struct Server {
    pub app: Arc<App>,
    /// The TCP port.
    pub address: SocketAddr,
    /// Its websockets, by sign-in.
    pub lines: Arc<LiveLines>,
    media: Media,
    jobs: Jobs,
    stop: watch::Sender<bool>,
    http: JoinHandle<()>,
    sweep: JoinHandle<()>,
    clerk: JoinHandle<()>,
    watch: JoinHandle<()>,
    writer: JoinHandle<()>,
}

impl Server {
    /// Starts everything in order; ready when it returns.
    ///
    /// # Errors
    /// [`StartError`], in one sentence.
    pub async fn start(config: Config, clock: Clock) -> Result<Self, StartError> {
        config.data.prepare()?;
        let keys = config.data.keys();
        let (names, addresses) = certificate_names(&config);
        let tls = tls::server_config(&keys, &names, &addresses, clock.now_us())?;
        let installation = Arc::new(InstallationKey::load_or_create(&keys)?);
        // Before anything is written: a second server on the same data fails here.
        let tcp = bind(config.listen, config.port)
            .map_err(|source| StartError::Port { port: config.port, source })?;
        let address =
            tcp.local_addr().map_err(|source| StartError::Port { port: config.port, source })?;
        let store = connect(&config).await?;
        let (spool, found) = Spool::open(DiskFile::open(&config.data.spool())?, SPOOL_LIMIT)?;
        if found != Found::default() {
            let (records, torn) = (found.records, found.torn);
            tracing::warn!(records, torn, "records of the last outage are taken from the spool");
        }
        let (appender, writer) =
            JournalAppender::spawn_with_spool(store.clone(), installation.clone(), spool);
        // Before any journal is read.
        appender.settled(REPLAY).await?;
        let turn_key = TurnKey::load_or_create(&keys)?;
        let turn = TurnConfig {
            key: turn_key.bytes(),
            unix_s: u64::try_from(clock.now_us() / 1_000_000).unwrap_or(0),
            echo: config.turn_test_peer,
            limits: media::turn::Limits::default(),
        };
        let media =
            Media::start(MediaConfig { turn: Some(turn), ..media_config(&config, address) })?;
        let relays = Relays::new(media.clone(), &turn_key);
        let checkin = CheckinKey::load_or_create(&keys)?;
        let ports = Ports::of_server(
            media.clone(),
            store.clone(),
            appender.clone(),
            &config.data,
            checkin.clone(),
        );
        let finisher = Finisher::new(store.clone(), appender.clone());
        let secrets = Secrets { installation, relays, checkin };
        let app = App::new(config, clock.clone(), store, appender, secrets, ports).await?;
        let door = Arc::new(Door::new(&app));
        let ws = Ws::new(app.join_tokens.clone(), door, app.rooms.clone(), clock);
        let lines = ws.lines.clone();
        let (stop, stopping) = watch::channel(false);
        let listener = PortListener::new(tcp, tls, media.clone(), app.config.port_times);
        let http = tokio::spawn(serve(
            listener,
            routes::router(app.clone(), ws),
            app.config.head_timeout,
            stopping,
        ));
        let mended = opening::mend(&app).await;
        let running = mended.map_err(|error| StartError::Mend(error.0.message))?;
        app.rooms.reopen(running.iter().map(|s| s.id)).await;
        let worker =
            WorkerCommand::of_server(app.config.worker.as_deref()).map_err(StartError::Worker)?;
        let data = app.config.data.clone();
        let jobs = Jobs::spawn(app.store.clone(), finisher, data, app.clock.clone(), worker);
        let sweep = tokio::spawn(sweep(app.clone()));
        let clerk = tokio::spawn(clerk(app.clone()));
        let watch = tokio::spawn(SignInWatch::new(app.clone(), lines.clone()).run());
        app.set_ready(true);
        Ok(Self { app, address, lines, media, jobs, stop, http, sweep, clerk, watch, writer })
    }

    /// Ends everything in order.
    pub async fn stop(self) {
        let Self { app, media, jobs, stop, mut http, sweep, clerk, watch, writer, .. } = self;
        app.set_ready(false);
        sweep.abort();
        clerk.abort();
        watch.abort();
        let _ = stop.send(true);
        if tokio::time::timeout(ROOMS, app.rooms.stop()).await.is_err() {
            tracing::error!("rooms did not end in time");
        }
        if tokio::time::timeout(DRAIN, &mut http).await.is_err() {
            http.abort();
        }
        jobs.stop().await;
        media.shutdown().await;
        let store = app.store.clone();
        // The writer ends when the last handle to its queue is gone.
        drop(app);
        if tokio::time::timeout(WRITER, writer).await.is_err() {
            tracing::error!("the journal's writer did not end in time");
        }
        store.close().await;
    }
}

/// Seals minutes whose objection days are over.
async fn clerk(app: Arc<App>) {
    let mut tick = tokio::time::interval(CLERK);
    loop {
        tick.tick().await;
        loop {
            match app.minutes.seal_due(app.clock.now_us()).await {
                Ok((_, true)) => {}
                Ok((_, false)) => break,
                Err(error) => {
                    tracing::warn!(%error, "minutes that are due were not sealed");
                    break;
                }
            }
        }
    }
}

async fn sweep(app: Arc<App>) {
    let mut tick = tokio::time::interval(SWEEP);
    loop {
        tick.tick().await;
        if let Err(error) = app.store.web_sessions().delete_expired(app.clock.now_us()).await {
            tracing::warn!(%error, "expired sign-ins were not swept");
        }
    }
}

/// Names and addresses that the certificate is made for.
pub fn certificate_names(config: &Config) -> (Vec<String>, Vec<IpAddr>) {
    let names = std::iter::once("localhost".to_owned()).chain(machine_name()).collect();
    let mut addresses = interface_addresses();
    addresses.extend(&config.public_ips);
    addresses.extend(config.listen.filter(|address| !address.is_unspecified()));
    addresses.sort_unstable();
    addresses.dedup();
    (names, addresses)
}

/// One shard a core, up to four; the UDP port of each is the TCP port plus its index.
pub fn media_config(config: &Config, tcp: SocketAddr) -> MediaConfig {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let shards = u16::try_from(cores.clamp(1, 4)).unwrap_or(1);
    let listen = config.listen.unwrap_or_else(any_address);
    let port = |shard: u16| if config.port == 0 { 0 } else { config.port.saturating_add(shard) };
    let udp = (0..shards).map(|shard| SocketAddr::new(listen, port(shard))).collect();
    let advertised = match config.listen.filter(|address| !address.is_unspecified()) {
        Some(only) => vec![only],
        // IPv6 loopback is no candidate that a browser tries; IPv4's is for tests and `localhost`.
        None => interface_addresses()
            .into_iter()
            .filter(|address| *address != IpAddr::from(Ipv6Addr::LOCALHOST))
            .collect(),
    };
    let mut told = config.public_ips.clone();
    told.extend(advertised);
    let mut seen = HashSet::new();
    told.retain(|address| seen.insert(*address));
    told.truncate(MAX_ADVERTISED);
    MediaConfig { tcp_port: Some(tcp.port()), ..MediaConfig::new(udp, told) }
}

/// `[::]` takes IPv4 too; some machines have no IPv6 at all.
fn any_address() -> IpAddr {
    match std::net::UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)) {
        Ok(_) => Ipv6Addr::UNSPECIFIED.into(),
        Err(_) => Ipv4Addr::UNSPECIFIED.into(),
    }
}
