//! Kept connections of one worker. Enters: connections that are free again; leaves: the one that was free last, which is
//! the least likely to have been closed. Must not know how a connection is made.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hyper::client::conn::{http1, http2};
use tokio::sync::Mutex;

use super::UpstreamFailure;
use super::outgoing::Upward;
use crate::local::Tied;
use crate::target::Target;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    Http1,
    Http2,
}

/// What was agreed on with an upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// version of its TLS, such as `TLS 1.3`
    pub tls: Option<&'static str>,
    /// ALPN of it (RFC 7301), where one was agreed on
    pub alpn: Option<&'static str>,
}

/// How long an upstream is trusted to speak what it spoke, and not to have recovered from a failed probe.
const SPEAKS_FOR: Duration = Duration::from_secs(300);
const FAILED_FOR: Duration = Duration::from_secs(1);
/// Streams of one HTTP/2 connection; more open another. Where the upstream allows fewer, hyper queues.
const STREAMS: usize = 100;

/// Idle HTTP/1.1 connections of one worker, to whatever targets: each holds a socket of a process that has not many.
const IDLE: usize = 1024;

#[derive(Default)]
pub(super) struct Pool {
    targets: RefCell<HashMap<Target, Rc<Entry>>>,
    idle: Rc<Cell<usize>>,
}

/// What is known of one target.
pub(super) struct Entry {
    idle: RefCell<Vec<Idle>>,
    shared: RefCell<Vec<Shared>>,
    /// of these, those that get no more streams
    retired: RefCell<Vec<Shared>>,
    speaks: Cell<Option<(Alpn, Instant)>>,
    failed: RefCell<Option<(UpstreamFailure, Instant)>>,
    /// held while the first connection is made that may turn out to be HTTP/2, so that a burst makes one, not many
    pub(super) dialing: Mutex<()>,
    cap: usize,
    /// of all targets
    all_idle: Rc<Cell<usize>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
    #[expect(dead_code, reason = "its drop counts")]
    counted: Counted,
}

/// One of so many.
struct Counted(Rc<Cell<usize>>);

/// An HTTP/1.1 connection, of one exchange at a time.
pub(super) struct Connection {
    pub(super) sender: http1::SendRequest<Upward>,
    pub(super) address: SocketAddr,
    pub(super) terms: Terms,
}

/// An HTTP/2 connection.
pub(super) struct Shared {
    pub(super) sender: http2::SendRequest<Upward>,
    pub(super) address: SocketAddr,
    terms: Terms,
    streams: Rc<Cell<usize>>,
    since: Cell<Instant>,
    task: Tied,
}

/// One stream of an HTTP/2 connection.
pub(super) struct Stream(Rc<Cell<usize>>);

/// Which connection a stream is of.
pub(super) struct Mark(Rc<Cell<usize>>);

/// A stream to be, and what it is opened with.
pub(super) struct Opened {
    pub(super) sender: http2::SendRequest<Upward>,
    pub(super) address: SocketAddr,
    pub(super) terms: Terms,
    pub(super) stream: Stream,
    /// the connection had served before
    pub(super) reused: bool,
}

/// An HTTP/1.1 connection at work, and the way back.
pub(super) struct Lease {
    pub(super) entry: Rc<Entry>,
    pub(super) connection: Connection,
    /// somebody is logged in on it, or it is likely to be closed: nobody else may have it
    pub(super) is_bound: bool,
}

impl Pool {
    pub(super) fn entry(&self, target: &Target, cap: usize) -> Rc<Entry> {
        self.make_room();
        if let Some(entry) = self.targets.borrow().get(target) {
            return Rc::clone(entry);
        }
        let entry = Rc::new(Entry::new(cap, Rc::clone(&self.idle)));
        self.targets.borrow_mut().insert(target.clone(), Rc::clone(&entry));
        entry
    }

    /// Closes the quarter that has been idle longest, once there are too many.
    fn make_room(&self) {
        if self.idle.get() < IDLE {
            return;
        }
        let targets = self.targets.borrow();
        let mut since: Vec<Instant> = targets
            .values()
            .flat_map(|entry| entry.idle.borrow().iter().map(|idle| idle.since).collect::<Vec<_>>())
            .collect();
        let quarter = since.len() / 4;
        if since.is_empty() {
            return;
        }
        let (_, oldest, _) = since.select_nth_unstable(quarter);
        let oldest = *oldest;
        for entry in targets.values() {
            entry.idle.borrow_mut().retain(|idle| idle.since > oldest);
        }
    }

    /// Closes what was idle for too long, forgets targets that are not used.
    pub(super) fn sweep(&self, idle_timeout: Duration) {
        let now = Instant::now();
        self.targets.borrow_mut().retain(|_, entry| {
            entry
                .idle
                .borrow_mut()
                .retain(|idle| !idle.connection.sender.is_closed() && now - idle.since < idle_timeout);
            entry.shared.borrow_mut().retain(|shared| {
                if shared.streams.get() > 0 {
                    shared.since.set(now);
                }
                !shared.sender.is_closed() && now - shared.since.get() < idle_timeout
            });
            // What is left on one without streams waits for an upstream that takes nothing.
            entry.retired.borrow_mut().retain(|shared| shared.streams.get() > 0 || shared.task.abort());
            Rc::strong_count(entry) > 1
                || !entry.retired.borrow().is_empty()
                || !entry.idle.borrow().is_empty()
                || !entry.shared.borrow().is_empty()
                || entry.speaks().is_some()
        });
    }
}

impl Entry {
    fn new(cap: usize, all_idle: Rc<Cell<usize>>) -> Self {
        Entry {
            idle: RefCell::default(),
            shared: RefCell::default(),
            retired: RefCell::default(),
            speaks: Cell::new(None),
            failed: RefCell::default(),
            dialing: Mutex::new(()),
            cap,
            all_idle,
        }
    }

    pub(super) fn speaks(&self) -> Option<Alpn> {
        self.speaks.get().filter(|(_, at)| at.elapsed() < SPEAKS_FOR).map(|(alpn, _)| alpn)
    }

    pub(super) fn set_speaks(&self, alpn: Alpn) {
        self.speaks.set(Some((alpn, Instant::now())));
    }

    /// A client that shook hands although the upstream is dead asks again at once; it need not wait as long once more.
    pub(super) fn set_failed(&self, failure: &UpstreamFailure) {
        self.failed.replace(Some((failure.clone(), Instant::now())));
    }

    pub(super) fn failed(&self) -> Option<UpstreamFailure> {
        let failed = self.failed.take().filter(|(_, at)| at.elapsed() < FAILED_FOR)?;
        self.failed.replace(Some(failed.clone()));
        Some(failed.0)
    }

    /// The connection that came back last and is ready: one whose request is still on its way is passed over, since
    /// nobody can say when, or whether, it ends.
    pub(super) fn take(self: &Rc<Self>) -> Option<Lease> {
        let mut idle = self.idle.borrow_mut();
        for at in (0..idle.len()).rev() {
            if idle[at].connection.sender.is_closed() {
                idle.remove(at);
            } else if idle[at].connection.sender.is_ready() {
                let connection = idle.remove(at).connection;
                return Some(Lease::new(self, connection));
            }
        }
        None
    }

    /// One kept connection turned out dead: the others are likely to be so too.
    pub(super) fn forget_idle(&self) {
        self.idle.borrow_mut().clear();
    }

    pub(super) fn share(&self, sender: http2::SendRequest<Upward>, address: SocketAddr, terms: Terms, task: Tied) {
        let since = Cell::new(Instant::now());
        self.shared.borrow_mut().push(Shared { sender, address, terms, streams: Rc::default(), since, task });
    }

    /// A stream of a connection that has room for one.
    pub(super) fn stream(&self, reused: bool) -> Option<Opened> {
        let mut shared = self.shared.borrow_mut();
        shared.retain(|shared| !shared.sender.is_closed());
        let room = |shared: &&Shared| shared.streams.get() < STREAMS;
        shared.iter().find(room).map(|shared| {
            shared.streams.set(shared.streams.get() + 1);
            let stream = Stream(Rc::clone(&shared.streams));
            Opened { sender: shared.sender.clone(), address: shared.address, terms: shared.terms, stream, reused }
        })
    }

    /// The connection of this stream gets no more of them: those that it has go on.
    pub(super) fn retire(&self, stream: &Mark) {
        let mut shared = self.shared.borrow_mut();
        self.retired.borrow_mut().extend(shared.extract_if(.., |shared| Rc::ptr_eq(&shared.streams, &stream.0)));
    }
}

impl Counted {
    fn new(all: &Rc<Cell<usize>>) -> Self {
        all.set(all.get() + 1);
        Counted(Rc::clone(all))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Stream {
    pub(super) fn mark(&self) -> Mark {
        Mark(Rc::clone(&self.0))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Lease {
    pub(super) fn new(entry: &Rc<Entry>, connection: Connection) -> Self {
        Lease { entry: Rc::clone(entry), connection, is_bound: false }
    }

    /// The response is out: whoever comes next may have the connection.
    pub(super) fn give_back(self) {
        let mut idle = self.entry.idle.borrow_mut();
        if !self.is_bound && !self.connection.sender.is_closed() && idle.len() < self.entry.cap {
            let counted = Counted::new(&self.entry.all_idle);
            idle.push(Idle { connection: self.connection, since: Instant::now(), counted });
        }
    }
}
