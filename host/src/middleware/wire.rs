//! Between one exchange's passage through the chain and the guest that stands in it. The chain gives and takes when it is
//! driven, the guest when it is polled; what neither can take waits here, one chunk in each direction. Must not know
//! wasmtime's stores or how the chain is driven.

mod calls;
mod chain;
mod guest;

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::Waker,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use wasmtime_wasi_http::WasiBody;

use super::stretch::Stretch;
use crate::{Direction, Failure, Placeholder, Tag, UpstreamError, imports::Extent};

/// What the guest gives in the end.
pub(crate) type Given = Result<Response<WasiBody>, Ending>;

/// What a guest gives in place of a response.
pub(crate) enum Ending {
    /// Of the standard's codes, in words.
    Error(String),
    /// The exchange is to be closed without an answer.
    Abort,
}

/// What came of the call to the next handler.
pub(crate) type Answered = Result<Response<()>, UpstreamError>;

pub(crate) struct Wire {
    inner: Mutex<Inner>,
    pub(super) cpu: Mutex<Stretch>,
    /// What the guest took so far, in ticks of the clock.
    busy: AtomicU64,
    asked: Mutex<calls::Asked>,
    /// Calls under way, with those that the agent has not come for.
    calls: AtomicUsize,
}

struct Inner {
    /// The exchange is over, or needs the guest no more.
    closed: bool,
    closes: Option<Waker>,
    failure: Option<Failure>,
    inputs: [Input; 2],
    /// The guest has called the next handler.
    called: bool,
    answer: Option<Answered>,
    answered: bool,
    awaits_answer: Option<Waker>,
    request: Option<Request<WasiBody>>,
    response: Option<Given>,
    responded: bool,
    /// What the guest does, for whoever has to say where it failed.
    phase: &'static str,
    /// Tags that the guest has set and the exchange does not have yet.
    said: Vec<Tag>,
    /// Placeholders that it was given and the exchange does not have yet.
    held: Vec<Placeholder>,
    /// A body of the guest is to be broken off, as it wants.
    aborts: bool,
    chain: [Option<Waker>; 2],
    news: [bool; 2],
    /// The chain has asked for something of this direction that is not there yet.
    asked: [bool; 2],
    /// When guest or chain last gave or took something, or a call came to its end.
    moved: Instant,
    /// The same without calls; or since when the chain waits, if that is later.
    gave: Instant,
    /// The longest time that one of its calls may take.
    longest_call: Duration,
    copied: [u64; 2],
    /// The most trailers that the guest was given.
    trailers: Extent,
}

impl Inner {
    /// Something was given or taken.
    fn moves(&mut self) {
        let now = Instant::now();
        (self.moved, self.gave) = (now, now);
    }

    /// Whether the chain waits for something of this direction. A guest that nobody waited for has its time from here on.
    fn asks(&mut self, direction: Direction, asks: bool) {
        if asks && !self.asked.contains(&true) {
            self.gave = Instant::now();
        }
        self.asked[direction.index()] = asks;
    }
}

/// A body on its way into the guest.
#[derive(Default)]
struct Input {
    /// More than one only where the chain held them back before the guest had the head.
    chunks: VecDeque<Bytes>,
    end: Option<Option<HeaderMap>>,
    /// Nothing follows, and there would have been more.
    broken: bool,
    /// The reader has had the end, or went away.
    over: bool,
    /// The reader waits for more.
    wanted: Option<Waker>,
    /// Some of it was taken.
    taken: bool,
    /// The chain itself reads, through a body that the guest handed on unread.
    is_spliced: bool,
    pulled: bool,
}

/// What a reader of a body finds.
pub(in crate::middleware) enum Piece {
    Chunk(Bytes),
    Trailers(HeaderMap),
    /// The rest will not come.
    Broken,
}

impl Wire {
    pub(crate) fn new(cpu_limit: Duration) -> Self {
        let inner = Inner {
            closed: false,
            closes: None,
            failure: None,
            inputs: Default::default(),
            called: false,
            answer: None,
            answered: false,
            awaits_answer: None,
            request: None,
            response: None,
            responded: false,
            phase: "handle",
            said: Vec::new(),
            held: Vec::new(),
            aborts: false,
            chain: Default::default(),
            news: [false; 2],
            asked: [false; 2],
            moved: Instant::now(),
            gave: Instant::now(),
            longest_call: Duration::ZERO,
            copied: [0; 2],
            trailers: Extent::default(),
        };
        Self {
            inner: Mutex::new(inner),
            cpu: Mutex::new(Stretch::new(cpu_limit)),
            busy: AtomicU64::new(0),
            asked: Mutex::default(),
            calls: AtomicUsize::new(0),
        }
    }

    /// The guest has worked for so many ticks of the clock.
    pub(super) fn works(&self, ticks: u64) {
        self.busy.fetch_add(ticks, Relaxed);
    }

    /// All that it has worked so far.
    pub(crate) fn busy(&self) -> u64 {
        self.busy.load(Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something of this direction is there for the chain.
    pub(crate) fn notify(&self, direction: Direction) {
        let mut inner = self.lock();
        inner.moves();
        inner.news[direction.index()] = true;
        let waker = inner.chain[direction.index()].take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn notify_both(&self) {
        self.notify(Direction::Request);
        self.notify(Direction::Response);
    }
}
