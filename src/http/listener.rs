//! One TCP port: the first byte says whether a connection speaks TLS.
//!
//! 0x16 (a TLS handshake record, RFC 8446 §5.1) goes to rustls. Anything else is plain HTTP, which
//! is served to this machine alone; others get a redirect to `https:`. Looking at the first byte
//! and the handshake happen beside the accept loop, in a bounded number, each with a time limit,
//! so that a client that says nothing holds up nobody.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::redirect::redirect_to_https;
use super::stream::Stream;

/// From accept to the end of the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes at once; a connection beyond that is closed at once.
const MAX_HANDSHAKES: usize = 1024;
/// Open connections at once; the next ones wait in the system's backlog.
const MAX_CONNECTIONS: usize = 20_000;
/// Ready connections not yet taken by the server; handshakes wait for a place.
const READY: usize = 256;
/// When accepting fails for want of file descriptors, others must end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    pub address: SocketAddr,
    pub tls: bool,
}

/// See the module.
pub struct PortListener {
    ready: mpsc::Receiver<(Stream, Peer)>,
    accepting: JoinHandle<()>,
}

impl PortListener {
    /// Accepts on an already bound port.
    pub fn new(tcp: TcpListener, tls: Arc<ServerConfig>) -> Self {
        let (sender, ready) = mpsc::channel(READY);
        let accepting = tokio::spawn(accept_loop(tcp, TlsAcceptor::from(tls), sender));
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

async fn accept_loop(tcp: TcpListener, tls: TlsAcceptor, ready: mpsc::Sender<(Stream, Peer)>) {
    let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = connections.clone().acquire_owned().await else { return };
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
        let Ok(turn) = handshakes.clone().try_acquire_owned() else {
            tracing::debug!("too many handshakes at once; a connection was closed");
            continue;
        };
        let (tls, ready) = (tls.clone(), ready.clone());
        tokio::spawn(async move {
            // Whoever is slow, breaks off or speaks nonsense is simply gone.
            if let Ok(Ok(Some(connection))) =
                timeout(HANDSHAKE_TIMEOUT, greet(stream, address, tls, place)).await
            {
                drop(turn);
                let _ = ready.send(connection).await;
            }
        });
    }
}

/// The connection ready for HTTP; `None` when it was sent elsewhere.
async fn greet(
    stream: TcpStream,
    address: SocketAddr,
    tls: TlsAcceptor,
    place: OwnedSemaphorePermit,
) -> io::Result<Option<(Stream, Peer)>> {
    stream.set_nodelay(true)?;
    let mut first = [0u8; 1];
    if stream.peek(&mut first).await? == 0 {
        return Ok(None);
    }
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    if first[0] == 0x16 {
        let stream = Stream::tls(tls.accept(stream).await?, place);
        return Ok(Some((stream, Peer { address, tls: true })));
    }
    if address.ip().is_loopback() {
        return Ok(Some((Stream::plain(stream, place), Peer { address, tls: false })));
    }
    redirect_to_https(stream).await?;
    Ok(None)
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
