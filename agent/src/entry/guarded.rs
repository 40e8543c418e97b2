//! A client's connection while HTTP is spoken on it. Enters: a stream; leaves: the same, which breaks when the client has
//! taken nothing for too long of what it is sent (its response, and the upstream's connection with it, would wait for
//! ever), and over HTTP/1 passes no head that was not looked at. Must not know what requests are for.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::head::Limits;
use super::heads::Heads;
use super::notes::Notes;
use crate::config::ClientLimits;
use crate::idle::Idle;
use crate::io::Io;

/// How long a refused client is listened to: with bytes of its left unread, closing would reset the connection and take
/// the answer with it (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);

pub(super) struct Guarded {
    io: Io,
    takes: Idle,
    heads: Option<Heads>,
    lingers: Option<Pin<Box<Sleep>>>,
}

impl Guarded {
    pub(super) fn new(io: Io, write_timeout: Duration) -> Self {
        Guarded { io, takes: Idle::new(write_timeout), heads: None, lingers: None }
    }

    /// Of HTTP/1: its heads are looked at.
    pub(super) fn with_heads(io: Io, limits: &ClientLimits, notes: Arc<Notes>) -> Self {
        let heads = Heads::new(Limits { bytes: limits.head_bytes, fields: limits.headers }, notes);
        Guarded { heads: Some(heads), ..Guarded::new(io, limits.write_timeout) }
    }

    pub(super) fn into_inner(self) -> Io {
        self.io
    }

    fn in_time<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.takes.in_time(cx, written, "the client takes nothing of what it is sent")
    }

    /// What a refused client goes on to say is read and forgotten.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let lingers = self.lingers.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        let mut scratch = [MaybeUninit::uninit(); 4096];
        while lingers.as_mut().poll(cx).is_pending() {
            let mut read = ReadBuf::uninit(&mut scratch);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut read)) {
                Ok(()) if !read.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Guarded { io, heads, .. } = &mut *self;
        match heads {
            Some(heads) => heads.poll_read(io, cx, buf),
            None => Pin::new(io).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        if let Some(heads) = &self.heads {
            heads.wrote(false);
        }
        self.in_time(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        if let Some(heads) = &self.heads {
            heads.wrote(flushed.is_ready());
        }
        self.in_time(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingers.is_none() {
            let ended = Pin::new(&mut self.io).poll_shutdown(cx);
            ready!(self.in_time(cx, ended))?;
        }
        if self.heads.as_ref().is_some_and(Heads::has_refused) {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        if let Some(heads) = &self.heads {
            heads.wrote(false);
        }
        self.in_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
