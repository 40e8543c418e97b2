//! A connection that is in. Of one without a certificate reads and writes end when its time is over, or when it has to make way.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::transport::server::{Connected, TcpConnectInfo, TlsConnectInfo};

use crate::{room::Place, seats::Seat};

/// Of a stranger's time: to its first word, and to its end, joining taking a moment.
const WORD: Duration = Duration::from_secs(5);
const STAY: Duration = Duration::from_secs(30);

/// One connection.
pub(in crate::grpc) struct Guest {
    stream: TlsStream<TcpStream>,
    who: Who,
}

enum Who {
    Agent(#[allow(dead_code, reason = "it is held")] Seat),
    Stranger(Stranger),
}

struct Stranger {
    _place: Place,
    left: Pin<Box<WaitForCancellationFutureOwned>>,
    until: Pin<Box<Sleep>>,
    /// From its first word on.
    ends: Instant,
    has_spoken: bool,
}

impl Guest {
    pub(super) fn agent(stream: TlsStream<TcpStream>, seat: Seat) -> Self {
        Self { stream, who: Who::Agent(seat) }
    }

    pub(super) fn stranger(stream: TlsStream<TcpStream>, place: Place) -> Self {
        let now = Instant::now();
        let left = Box::pin(place.left().clone().cancelled_owned());
        let until = Box::pin(sleep_until(now + WORD));
        Self {
            stream,
            who: Who::Stranger(Stranger { _place: place, left, until, ends: now + STAY, has_spoken: false }),
        }
    }

    /// May it stay?
    fn stays(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Who::Stranger(stranger) = &mut self.who else { return Ok(()) };
        if stranger.until.as_mut().poll(cx).is_ready() || stranger.left.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    fn spoke(&mut self) {
        if let Who::Stranger(stranger) = &mut self.who
            && !std::mem::replace(&mut stranger.has_spoken, true)
        {
            stranger.until.as_mut().reset(stranger.ends);
        }
    }
}

impl Connected for Guest {
    type ConnectInfo = TlsConnectInfo<TcpConnectInfo>;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Guest {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stays(cx)?;
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.spoke();
            // Its time is another now: whoever waits next is to be woken by that.
            self.stays(cx)?;
        }
        read
    }
}

impl AsyncWrite for Guest {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stays(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stays(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stays(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stays(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
