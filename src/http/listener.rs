//! One TCP port for everything: HTTPS and websockets, ICE-TCP, TURN over TLS and over TCP.
//!
//! First bytes tell them apart ([`super::first_bytes`]), once on the connection and, under TLS,
//! once more inside it. Plain HTTP is served to this machine alone; others get a redirect to
//! `https:`. All this happens beside the accept loop, in a bounded number, each with a time limit,
//! so that a client that says nothing holds up nobody:
//!
//! | a connection that | has |
//! |---|---|
//! | has not said its first bytes | 10 s |
//! | is in its TLS handshake | 10 s |
//! | has made TLS and not said what it is for | 20 s (browsers open spare ones) |
//! | sends the head of a request | [`super::serve`]'s limit |
//! | speaks ICE-TCP and is not authenticated | 10 s in all |
//! | speaks TURN and has no allocation | 10 s; with one, the time of that |
//! | is open and says nothing | 75 s (HTTP), 60 s (ICE-TCP) |

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use media_io::{IceTcpTimes, Media, TurnTimes};
use rustls::ServerConfig;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::door::{Door, DoorLimits, Place, UnknownPlace};
use super::first_bytes::Spoken;
use super::prefixed::listen;
use super::redirect::redirect_to_https;
use super::stream::Stream;

/// How long a connection has that has not yet shown what it is.
#[derive(Debug, Clone, Copy)]
pub struct PortTimes {
    /// From accept to its first bytes, and from those to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the end of the handshake to the first bytes inside.
    pub first_bytes: Duration,
    pub ice_tcp: IceTcpTimes,
    pub turn: TurnTimes,
}

impl Default for PortTimes {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            first_bytes: Duration::from_secs(20),
            ice_tcp: IceTcpTimes::default(),
            turn: TurnTimes::default(),
        }
    }
}

/// Handshakes at once; a connection beyond that is closed at once.
const MAX_HANDSHAKES: usize = 1024;
/// Open connections at once; the next ones wait in the system's backlog.
const MAX_CONNECTIONS: usize = 20_000;
/// Ready connections not yet taken by the server; handshakes wait for a place.
const READY: usize = 256;
/// When accepting fails for want of file descriptors, others must end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes that the kernel keeps unsent for a stream of media: what waits longer is ours to drop.
const UNSENT: u32 = 32 << 10;

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    pub address: SocketAddr,
    pub tls: bool,
}

/// What an open connection holds until it ends.
pub struct Open {
    _of_all: OwnedSemaphorePermit,
    _of_address: Place,
}

/// See the module.
pub struct PortListener {
    ready: mpsc::Receiver<(Stream, Peer)>,
    accepting: JoinHandle<()>,
}

/// What connections are for.
#[derive(Clone)]
struct Ways {
    tls: TlsAcceptor,
    ready: mpsc::Sender<(Stream, Peer)>,
    media: Media,
    times: PortTimes,
}

impl Ways {
    /// Hands a connection to the server; waits while it has enough to take.
    async fn http(self, stream: Stream, peer: Peer) {
        // No one takes it when the server is stopping.
        let _ = self.ready.send((stream, peer)).await;
    }
}

impl PortListener {
    /// Accepts on an already bound port. Streams of media go to `media` by themselves.
    pub fn new(tcp: TcpListener, tls: Arc<ServerConfig>, media: Media, times: PortTimes) -> Self {
        let (sender, ready) = mpsc::channel(READY);
        let ways = Ways { tls: TlsAcceptor::from(tls), ready: sender, media, times };
        let accepting = tokio::spawn(accept_loop(tcp, ways));
        Self { ready, accepting }
    }

    /// The next connection that is ready for HTTP.
    pub async fn accept(&mut self) -> (Stream, Peer) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // The accept loop ends only with this listener.
            None => std::future::pending().await,
        }
    }
}

impl Drop for PortListener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Binds the port: on the given address, or on all of IPv6 and IPv4, or on IPv4 alone where the
/// machine has no IPv6.
///
/// # Errors
/// The system's reason, `AddrInUse` among them.
pub fn bind(listen: Option<IpAddr>, port: u16) -> io::Result<TcpListener> {
    let socket = match listen {
        Some(address) => bind_one(address, port)?,
        None => match bind_one(Ipv6Addr::UNSPECIFIED.into(), port) {
            Err(e) if e.kind() != io::ErrorKind::AddrInUse => {
                bind_one(Ipv4Addr::UNSPECIFIED.into(), port)?
            }
            other => other?,
        },
    };
    TcpListener::from_std(socket.into())
}

fn bind_one(address: IpAddr, port: u16) -> io::Result<Socket> {
    let domain = if address.is_ipv6() { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if address == IpAddr::from(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for the connections of the process before.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(address, port).into())?;
    socket.listen(1024)?;
    Ok(socket)
}

async fn accept_loop(tcp: TcpListener, ways: Ways) {
    let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let door = Door::new(DoorLimits::default());
    loop {
        let Ok(of_all) = connections.clone().acquire_owned().await else { return };
        let (stream, address) = match tcp.accept().await {
            Ok(accepted) => accepted,
            Err(e) => {
                if !is_of_one_connection(&e) {
                    tracing::warn!(error = %e, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
                continue;
            }
        };
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let Some((of_address, unknown)) = door.enter(address.ip()) else {
            tracing::debug!("too many connections of one address; one was closed");
            continue;
        };
        let Ok(handshake) = handshakes.clone().try_acquire_owned() else {
            tracing::debug!("too many handshakes at once; a connection was closed");
            continue;
        };
        let open = Open { _of_all: of_all, _of_address: of_address };
        let ways = ways.clone();
        tokio::spawn(async move {
            // Whoever is slow, breaks off or speaks nonsense is simply gone.
            let _ = greet(stream, address, ways, Held { open, unknown, handshake }).await;
        });
    }
}

/// What a connection holds that has not yet shown what it is.
struct Held {
    open: Open,
    unknown: UnknownPlace,
    handshake: OwnedSemaphorePermit,
}

/// Brings a connection to where it belongs, and serves it there unless it is HTTP.
async fn greet(stream: TcpStream, address: SocketAddr, ways: Ways, held: Held) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let Held { open, unknown, handshake } = held;
    let PortTimes { handshake: soon, first_bytes, ice_tcp, .. } = ways.times;
    let Some((spoken, stream)) = timeout(soon, listen(stream)).await?? else {
        return Ok(());
    };
    match spoken {
        Spoken::Tls => {
            let accepted = timeout(soon, ways.tls.accept(stream)).await??;
            drop(handshake);
            let Some((inside, stream)) = timeout(first_bytes, listen(accepted)).await?? else {
                return Ok(());
            };
            match inside {
                Spoken::Http => {
                    ways.http(Stream::tls(stream, open), Peer { address, tls: true }).await;
                }
                Spoken::Turn => {
                    limit_unsent(stream.get_ref().get_ref().0.get_ref());
                    serve_turn(stream, address, &ways, unknown).await;
                    drop(open);
                }
                // Nothing else makes sense under TLS.
                Spoken::Tls | Spoken::IceTcp | Spoken::Unknown => {}
            }
        }
        Spoken::Http if address.ip().is_loopback() => {
            drop(handshake);
            ways.http(Stream::plain(stream, open), Peer { address, tls: false }).await;
        }
        Spoken::Http => timeout(soon, redirect_to_https(stream)).await??,
        Spoken::IceTcp => {
            drop(handshake);
            limit_unsent(stream.get_ref());
            let end = ways.media.serve_ice_tcp(stream, address, ice_tcp, unknown).await;
            tracing::debug!(?end, "an ICE-TCP connection ended");
            drop(open);
        }
        Spoken::Turn => {
            drop(handshake);
            limit_unsent(stream.get_ref());
            serve_turn(stream, address, &ways, unknown).await;
            drop(open);
        }
        Spoken::Unknown => {}
    }
    Ok(())
}

async fn serve_turn(
    stream: impl AsyncRead + AsyncWrite,
    address: SocketAddr,
    ways: &Ways,
    unknown: UnknownPlace,
) {
    let end = ways.media.serve_turn(stream, address, ways.times.turn, unknown).await;
    tracing::debug!(?end, "a TURN connection ended");
}

/// Not needed to work: without it the kernel holds seconds of old media for a slow peer.
fn limit_unsent(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(UNSENT);
}

/// Errors of `accept` that concern the one connection that was about to be accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
