//! An HTTP/1.1 connection that is heard out. An upstream may answer and close before it has read the whole request (RFC
//! 9112 section 9.5: "a client ... SHOULD ... monitor for a response"); then writes fail while the answer waits to be
//! read, and hyper would give up at the first failed write. So a write that comes too late is thrown away, and reading
//! says how it ended. An upstream that takes nothing for too long is given up: once it has answered nobody else waits for
//! it, and the client's connection would be held for ever. Enters and leaves: a stream. Must not know what is said on it.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::idle::Idle;

pub(super) struct Hearing<S> {
    stream: S,
    /// the upstream takes no more
    deaf: bool,
    takes: Idle,
}

impl<S> Hearing<S> {
    pub(super) fn new(stream: S, write_timeout: Duration) -> Self {
        Hearing { stream, deaf: false, takes: Idle::new(write_timeout) }
    }

    fn in_time<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.takes.in_time(cx, written, "the upstream takes nothing of what it is sent")
    }

    fn forgive<T>(&mut self, outcome: io::Result<T>, instead: T) -> io::Result<T> {
        outcome.or_else(|error| match error.kind() {
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
                self.deaf = true;
                Ok(instead)
            }
            _ => Err(error),
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Hearing<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Hearing<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        let outcome = ready!(self.in_time(cx, written));
        Poll::Ready(self.forgive(outcome, buf.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = bufs.iter().map(|buf| buf.len()).sum();
        if self.deaf {
            return Poll::Ready(Ok(all));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        let outcome = ready!(self.in_time(cx, written));
        Poll::Ready(self.forgive(outcome, all))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deaf {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        let outcome = ready!(self.in_time(cx, flushed));
        Poll::Ready(self.forgive(outcome, ()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
