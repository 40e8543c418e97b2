//! A stream whose writes have to go on: who takes nothing for a while is taken for gone. Otherwise an answer that nobody reads
//! would be kept for as long as its reader likes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// Within it, the peer has to take some of what is sent.
pub(super) const STALL: Duration = Duration::from_secs(60);

/// The stream, and until when it may stand still. `held` lasts as long as it does, whatever protocol it becomes.
pub(super) struct Paced<S, H = ()> {
    stream: S,
    _held: H,
    waiting: Option<Pin<Box<Sleep>>>,
    stall: Duration,
}

impl<S, H> Paced<S, H> {
    pub(super) fn new(stream: S, held: H) -> Self {
        Self { stream, _held: held, waiting: None, stall: STALL }
    }

    /// What a write came to; how long it waits is counted from the first that did not go on.
    fn paced<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let stall = self.stall;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(stall)));
        if waiting.deadline() <= Instant::now() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin, H: Unpin> AsyncRead for Paced<S, H> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin, H: Unpin> AsyncWrite for Paced<S, H> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.paced(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.paced(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.paced(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.paced(cx, ended)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn who_takes_some_is_waited_for_and_who_takes_nothing_is_not() {
        let (near, mut far) = tokio::io::duplex(8);
        let mut paced = Paced { stall: Duration::from_secs(3), ..Paced::new(near, ()) };
        let slow = async {
            let mut taken = [0; 8];
            for _ in 0..4 {
                tokio::time::sleep(Duration::from_millis(1200)).await;
                far.read_exact(&mut taken).await.unwrap();
            }
            far
        };
        let (sent, _far) = tokio::join!(paced.write_all(&[1; 32]), slow);
        sent.unwrap();
        assert_eq!(paced.write_all(&[1; 32]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
