//! A stream some of whose first bytes were read already: they are read again first.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::first_bytes::{ENOUGH, Spoken, spoken};

/// See the module.
pub struct Prefixed<S> {
    prefix: Vec<u8>,
    io: S,
}

impl<S> Prefixed<S> {
    pub fn get_ref(&self) -> &S {
        &self.io
    }
}

/// Reads as little as tells what is spoken; `None` when the stream ended before.
///
/// # Errors
/// Of the stream.
pub async fn listen<S: AsyncRead + Unpin>(mut io: S) -> io::Result<Option<(Spoken, Prefixed<S>)>> {
    let mut prefix = Vec::new();
    loop {
        let mut bytes = [0; ENOUGH];
        let wanted = ENOUGH - prefix.len();
        let read = io.read(&mut bytes[..wanted]).await?;
        if read == 0 {
            return Ok(None);
        }
        prefix.extend_from_slice(&bytes[..read]);
        if let Some(spoken) = spoken(&prefix) {
            return Ok(Some((spoken, Prefixed { prefix, io })));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let take = self.prefix.len().min(buf.remaining());
        buf.put_slice(&self.prefix[..take]);
        self.prefix.drain(..take);
        if self.prefix.is_empty() {
            self.prefix = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
