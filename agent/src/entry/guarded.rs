//! A client's connection while HTTP is spoken on it. Enters: a stream; leaves: the same, which breaks when the client has
//! taken nothing for too long of what it is sent (its response, and the upstream's connection with it, would wait for
//! ever), and over HTTP/1 tells which heads are to be refused. Must not know what requests are for.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::{Fault, Framing};
use crate::exchange::idle::Idle;
use crate::io::Io;

pub(super) struct Guarded {
    io: Io,
    takes: Idle,
    heads: Option<Heads>,
}

struct Heads {
    framing: Framing,
    notes: Arc<Notes>,
}

/// What the connection and the service of its requests tell each other. Atomic only because hyper asks `Send` of both.
/// Heads are counted from 1.
#[derive(Default)]
pub(super) struct Notes {
    /// the head in the upper bits, the fault in the lowest eight
    refused: AtomicU64,
    /// the head in the upper bits, whether the protocol changes in the lowest
    answered: AtomicU64,
    waker: AtomicWaker,
}

impl Notes {
    pub(super) fn refusal(&self, head: u64) -> Option<Fault> {
        let refused = self.refused.load(Ordering::Acquire);
        let fault =
            [Fault::BothFramings, Fault::BareLineFeed].into_iter().find(|fault| *fault as u64 == refused & 0xff);
        fault.filter(|_| refused >> 8 == head)
    }

    /// To be told of a CONNECT, and of a request with `Upgrade`.
    pub(super) fn answered(&self, head: u64, switched: bool) {
        self.answered.store(head << 1 | u64::from(switched), Ordering::Release);
        self.waker.wake();
    }
}

impl Heads {
    /// Whether it is still open what the bytes are that come next.
    fn waits(&mut self, cx: &Context<'_>) -> bool {
        let Some(head) = self.framing.asks() else { return false };
        self.notes.waker.register(cx.waker());
        let answered = self.notes.answered.load(Ordering::Acquire);
        if answered >> 1 != head {
            return true;
        }
        self.framing.answered(answered & 1 == 1);
        false
    }

    fn follow(&mut self, read: &[u8]) -> usize {
        let passed = self.framing.follow(read);
        if let Some((head, fault)) = self.framing.refused() {
            self.notes.refused.store(head << 8 | fault as u64, Ordering::Release);
        }
        passed
    }
}

impl Guarded {
    pub(super) fn new(io: Io, write_timeout: Duration) -> Self {
        Guarded { io, takes: Idle::new(write_timeout), heads: None }
    }

    /// Of HTTP/1: its heads are looked at.
    pub(super) fn with_heads(io: Io, write_timeout: Duration, notes: Arc<Notes>) -> Self {
        let heads = Some(Heads { framing: Framing::default(), notes });
        Guarded { heads, ..Guarded::new(io, write_timeout) }
    }

    pub(super) fn into_inner(self) -> Io {
        self.io
    }

    fn in_time<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.takes.moved();
            return written;
        }
        ready!(self.takes.poll_expired(cx));
        Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "the client takes nothing of what it is sent")))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Guarded { io, heads, .. } = &mut *self;
        let Some(heads) = heads else { return Pin::new(io).poll_read(cx, buf) };
        if heads.waits(cx) && io.has_unread() {
            return Poll::Pending;
        }
        loop {
            let before = buf.filled().len();
            ready!(Pin::new(&mut *io).poll_read(cx, buf))?;
            let read = &buf.filled()[before..];
            let passed = heads.follow(read);
            if passed == read.len() {
                return Poll::Ready(Ok(()));
            }
            // What follows a head that is refused is read, so that the answer gets through, and forgotten.
            if heads.framing.refused().is_none() {
                io.unread(Bytes::copy_from_slice(&read[passed..]));
            }
            buf.set_filled(before + passed);
            match passed {
                0 if heads.framing.refused().is_none() => return Poll::Pending,
                0 => {}
                _ => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.in_time(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.in_time(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.io).poll_shutdown(cx);
        self.in_time(cx, ended)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.in_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
