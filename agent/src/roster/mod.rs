//! Who is connected to a worker. Enters: sockets as they are accepted; leaves: the same, watched, what is known of each, and
//! its end where somebody wants it. Each worker has its own, so nobody waits for the lock. Must not know who asks.

mod card;
mod told;

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use slab::Slab;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub use self::card::{At, Busy, Card, Reached, Seen, Tls, cut};
pub use self::told::{MOST, Page, page};
use crate::record::ConnectionRecord;
use crate::room::Seat;
use crate::worker::Shared;

/// Between two looks whether a client has left.
const LOOK: Duration = Duration::from_millis(500);

/// The clients of one worker.
#[derive(Clone, Default)]
pub struct Roster(Arc<Mutex<Slab<Entry>>>);

struct Entry {
    card: Arc<Card>,
    /// open as long as the entry is in the roster
    socket: RawFd,
}

/// What ends with a client's socket, whoever has it last: one that speaks WebSocket outlives the task that accepted it.
pub struct Ends {
    shared: Arc<Shared>,
    // before it is told: whoever hears that a client has left may come in its place
    #[expect(dead_code, reason = "its drop makes room for another client")]
    seat: Seat,
    #[expect(dead_code, reason = "its drop tells")]
    record: ConnectionRecord,
}

impl Ends {
    /// A client is connected.
    pub fn new(shared: &Arc<Shared>, record: ConnectionRecord, seat: Seat) -> Self {
        shared.stats.connection_opened();
        Ends { shared: Arc::clone(shared), seat, record }
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.shared.stats.connection_closed();
    }
}

impl Roster {
    /// From now to its end the client stands here.
    pub fn watch(&self, stream: TcpStream, card: Arc<Card>, ends: Ends) -> Watched {
        let entry = Entry { card: Arc::clone(&card), socket: stream.as_raw_fd() };
        let key = self.0.lock().insert(entry);
        Watched { stream, roster: self.clone(), card, key, ends }
    }

    /// Of those that fit the first so many, in the order they came, and how many fit.
    pub fn seen(&self, most: usize, fits: impl Fn(&Card) -> bool) -> (Vec<Seen>, usize) {
        let entries = self.0.lock();
        let mut cards: Vec<&Card> = entries.iter().map(|(_, entry)| &*entry.card).filter(|card| fits(card)).collect();
        let all = cards.len();
        if all > most {
            cards.select_nth_unstable_by_key(most, |card| card.id);
            cards.truncate(most);
        }
        cards.sort_unstable_by_key(|card| card.id);
        (cards.into_iter().map(Card::seen).collect(), all)
    }

    pub fn count(&self, fits: impl Fn(&Card) -> bool) -> usize {
        self.0.lock().iter().filter(|(_, entry)| fits(&entry.card)).count()
    }

    /// When this client has closed its end, found within half a second, although bytes of it may be unread: whoever reads learns of
    /// the end only behind them. Where more is unread than the window of its connection has room for, its end comes behind that
    /// too, so somebody has to read on. Never, where it is no client of this worker.
    pub fn left(&self, client: SocketAddr) -> impl Future<Output = ()> + use<> {
        let entries = self.0.lock();
        let found = entries.iter().find(|(_, entry)| entry.card.client == client);
        let place = found.map(|(key, entry)| Place { roster: self.clone(), key, card: Arc::clone(&entry.card) });
        drop(entries);
        async move {
            let Some(place) = place else { return std::future::pending().await };
            while !place.is_left() {
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    /// Ends the sockets of those that fit, both ways, whoever reads or writes them; and counts them.
    pub fn close(&self, fits: impl Fn(&Card) -> bool) -> usize {
        let entries = self.0.lock();
        let ends = entries.iter().filter(|(_, entry)| fits(&entry.card)).filter(|(_, entry)| entry.shut());
        ends.count()
    }
}

/// Where a client stands in the roster.
struct Place {
    roster: Roster,
    key: usize,
    card: Arc<Card>,
}

impl Place {
    /// It has closed its end, or is not there any more.
    fn is_left(&self) -> bool {
        let entries = self.roster.0.lock();
        match entries.get(self.key) {
            Some(entry) if Arc::ptr_eq(&entry.card, &self.card) => entry.is_closed_by_client(),
            _ => true,
        }
    }
}

impl Entry {
    /// Only for entries that are in the roster, whose lock is held: `Watched` takes its own out before the socket is closed.
    fn is_closed_by_client(&self) -> bool {
        let mut asked = libc::pollfd { fd: self.socket, events: libc::POLLRDHUP, revents: 0 };
        // SAFETY: one entry, which lives as long as the call; it waits for nothing.
        let found = unsafe { libc::poll(&raw mut asked, 1, 0) };
        found > 0 && asked.revents & (libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR) != 0
    }

    fn shut(&self) -> bool {
        // SAFETY: only for entries that are in the roster, whose lock is held: `Watched` takes its own out before the socket
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
    #[expect(dead_code, reason = "after the socket")]
    ends: Ends,
}

impl Watched {
    fn sent(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let count = ready!(written)?;
        self.card.has_sent(count);
        Poll::Ready(Ok(count))
    }
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
        self.card.has_received(buf.filled().len() - before);
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
