//! Who is connected to a worker. Enters: sockets as they are accepted; leaves: the same, watched, what is known of each, and
//! its end where somebody wants it. Each worker has its own, so nobody waits for the lock. Must not know who asks.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use parking_lot::Mutex;
use slab::Slab;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use uuid::Uuid;

/// The clients of one worker.
#[derive(Clone, Default)]
pub struct Roster(Arc<Mutex<Slab<Arc<Card>>>>);

/// What is known of one.
pub struct Card {
    /// UUIDv7, so they sort as the clients came
    pub id: Uuid,
    pub client: SocketAddr,
    pub since: SystemTime,
    /// open as long as the card is in the roster
    socket: RawFd,
    received: AtomicU64,
    sent: AtomicU64,
}

impl Roster {
    /// From now to its end the client stands here.
    pub fn watch(&self, stream: TcpStream, client: SocketAddr) -> Watched {
        let card = Arc::new(Card {
            id: crate::ids::new(),
            client,
            since: SystemTime::now(),
            socket: stream.as_raw_fd(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        });
        let key = self.0.lock().insert(Arc::clone(&card));
        Watched { stream, roster: self.clone(), card, key }
    }

    /// Those that fit, in no order.
    pub fn cards(&self, fits: impl Fn(&Card) -> bool) -> Vec<Arc<Card>> {
        self.0.lock().iter().map(|(_, card)| card).filter(|card| fits(card)).map(Arc::clone).collect()
    }

    /// Ends the sockets of those that fit, both ways, whoever reads or writes them; and counts them.
    pub fn close(&self, fits: impl Fn(&Card) -> bool) -> usize {
        let cards = self.0.lock();
        let ends = cards.iter().filter(|(_, card)| fits(card)).filter(|(_, card)| card.shut());
        ends.count()
    }
}

impl Card {
    /// Bytes of the socket, TLS included: received, and sent.
    pub fn bytes(&self) -> (u64, u64) {
        (self.received.load(Relaxed), self.sent.load(Relaxed))
    }

    fn shut(&self) -> bool {
        // SAFETY: only for cards that are in the roster, whose lock is held: `Watched` takes its own out before the socket
        // is closed.
        let socket = unsafe { BorrowedFd::borrow_raw(self.socket) };
        // One that the client has closed already is not there to be closed.
        SockRef::from(&socket).shutdown(std::net::Shutdown::Both).is_ok()
    }
}

/// A client's socket; it leaves the roster when it is dropped.
pub struct Watched {
    stream: TcpStream,
    roster: Roster,
    card: Arc<Card>,
    key: usize,
}

impl Watched {
    pub fn card(&self) -> &Arc<Card> {
        &self.card
    }

    fn sent(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let count = ready!(written)?;
        add(&self.card.sent, count);
        Poll::Ready(Ok(count))
    }
}

/// One worker alone writes it: a load and a store are enough.
fn add(counter: &AtomicU64, count: usize) {
    counter.store(counter.load(Relaxed).wrapping_add(count as u64), Relaxed);
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.roster.0.lock().try_remove(self.key);
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        add(&self.card.received, buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.sent(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.sent(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
