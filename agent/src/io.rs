//! The one type of a client connection as stages hand it on. Enters: a socket, a TLS stream or an upgraded HTTP
//! stream; leaves: [`Io`], which first replays what a stage has read ahead. Must not know what the bytes mean.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A peer that is there, and takes nothing of what waits for it, is given as long as Linux gives one that is gone (tcp(7),
/// TCP_USER_TIMEOUT and tcp_retries2): what is held for it is held that long and no longer.
pub const STALLED: Duration = Duration::from_secs(15 * 60);

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// `Send` only because hyper asks that of whatever can be upgraded; it stays on its worker.
pub struct Io {
    prefix: Bytes,
    stream: Box<dyn Stream>,
    /// what was read since it had to be remembered
    heard: Option<BytesMut>,
}

impl Io {
    pub fn new(stream: impl Stream + 'static) -> Self {
        Io { prefix: Bytes::new(), stream: Box::new(stream), heard: None }
    }

    /// Puts bytes back that were read ahead of a stage: the next read returns them first.
    pub fn unread(&mut self, bytes: Bytes) {
        self.prefix = match self.prefix.is_empty() {
            true => bytes,
            false => [bytes, std::mem::take(&mut self.prefix)].concat().into(),
        };
    }

    /// What is read from here on may be put back.
    pub fn remember(&mut self) {
        self.heard = Some(BytesMut::new());
    }

    pub fn forget(&mut self) {
        self.heard = None;
    }

    /// As it was when it had to be remembered.
    pub fn rewind(&mut self) {
        if let Some(heard) = self.heard.take() {
            self.unread(heard.freeze());
        }
    }

    /// What was put back and nobody has read again.
    pub fn unread_bytes(&self) -> &[u8] {
        &self.prefix
    }

    fn poll_remembered(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (mut heard, before) = (self.heard.take(), buf.filled().len());
        let read = Pin::new(&mut *self).poll_read(cx, buf);
        if let Some(heard) = &mut heard {
            heard.extend_from_slice(&buf.filled()[before..]);
        }
        self.heard = heard;
        read
    }

    /// So much of it is read now.
    pub fn consume(&mut self, count: usize) {
        self.prefix.advance(count);
        if self.prefix.is_empty() {
            self.prefix = Bytes::new();
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.heard.is_some() {
            return self.poll_remembered(cx, buf);
        }
        if self.prefix.is_empty() {
            return Pin::new(&mut *self.stream).poll_read(cx, buf);
        }
        let n = self.prefix.len().min(buf.remaining());
        buf.put_slice(&self.prefix[..n]);
        self.consume(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// One end of a connection, what is read of which somebody else hears too, and cannot hold up.
pub struct Overheard<S, F> {
    stream: S,
    hear: Option<F>,
}

impl<S, F> Overheard<S, F> {
    pub fn new(stream: S, hear: Option<F>) -> Self {
        Overheard { stream, hear }
    }
}

impl<S: AsyncRead + Unpin, F: FnMut(&[u8]) + Unpin> AsyncRead for Overheard<S, F> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        if let Some(hear) = &mut self.hear {
            hear(&into.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin, F: Unpin> AsyncWrite for Overheard<S, F> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
