//! A connection, under TLS or not, that ends when nothing moves on it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;

use super::listener::Open;
use super::prefixed::Prefixed;

/// Without a byte in either direction for so long the connection is over. Websockets speak every
/// five seconds; this bounds keep-alive and request heads that never end.
const IDLE: Duration = Duration::from_secs(75);

/// See the module.
pub struct Stream {
    io: Io,
    /// Looked at only when it fires, so that moving bytes do not touch the timer wheel.
    timer: Pin<Box<Sleep>>,
    moved: Instant,
    _open: Open,
}

enum Io {
    Plain(Prefixed<TcpStream>),
    // Boxed: a TLS session is large, and both kinds are moved about.
    Tls(Box<Prefixed<TlsStream<Prefixed<TcpStream>>>>),
}

impl Stream {
    /// `open` is given back when the connection ends.
    pub fn plain(io: Prefixed<TcpStream>, open: Open) -> Self {
        Self::new(Io::Plain(io), open)
    }

    /// `open` is given back when the connection ends.
    pub fn tls(io: Prefixed<TlsStream<Prefixed<TcpStream>>>, open: Open) -> Self {
        Self::new(Io::Tls(Box::new(io)), open)
    }

    fn new(io: Io, open: Open) -> Self {
        Self { io, timer: Box::pin(tokio::time::sleep(IDLE)), moved: Instant::now(), _open: open }
    }

    fn io(&mut self) -> Pin<&mut (dyn Both + '_)> {
        match &mut self.io {
            Io::Plain(io) => Pin::new(io),
            Io::Tls(io) => Pin::new(&mut **io),
        }
    }

    /// Ready when nothing has moved for [`IDLE`].
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let due = self.moved + IDLE;
            if due <= Instant::now() {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.timer.as_mut().reset(due);
        }
    }

    /// Passes the outcome on and notes that something moved, or fails when idle for too long.
    fn note<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.moved = Instant::now();
            return outcome;
        }
        self.poll_idle(cx).map(Err)
    }
}

trait Both: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Both for T {}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let outcome = self.io().poll_read(cx, buf);
        self.note(cx, outcome)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = self.io().poll_write(cx, buf);
        self.note(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = self.io().poll_write_vectored(cx, bufs);
        self.note(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(io) => io.is_write_vectored(),
            Io::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = self.io().poll_flush(cx);
        self.note(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = self.io().poll_shutdown(cx);
        self.note(cx, outcome)
    }
}
