//! Between one exchange's passage through the chain and the guest that stands in it. The chain gives and takes when it is
//! driven, the guest when it is polled; what neither can take waits here, one chunk in each direction. Must not know
//! wasmtime's stores or how the chain is driven.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use wasmtime_wasi_http::WasiBody;

use super::stretch::Stretch;
use crate::{Direction, Failure, UpstreamError};

/// What came of the call to the next handler.
pub(crate) type Answered = Result<Response<()>, UpstreamError>;

pub(crate) struct Wire {
    inner: Mutex<Inner>,
    pub(super) cpu: Mutex<Stretch>,
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
    response: Option<Result<Response<WasiBody>, String>>,
    responded: bool,
    chain: [Option<Waker>; 2],
    news: [bool; 2],
    /// The chain has asked for something of this direction that is not there yet.
    asked: [bool; 2],
    /// When guest or chain last gave or took something.
    moved: Instant,
    copied: [u64; 2],
}

/// A body on its way into the guest.
#[derive(Default)]
struct Input {
    chunk: Option<Bytes>,
    end: Option<Option<HeaderMap>>,
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
            chain: Default::default(),
            news: [false; 2],
            asked: [false; 2],
            moved: Instant::now(),
            copied: [0; 2],
        };
        Self { inner: Mutex::new(inner), cpu: Mutex::new(Stretch::new(cpu_limit)) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something of this direction is there for the chain.
    pub(crate) fn notify(&self, direction: Direction) {
        let mut inner = self.lock();
        inner.moved = Instant::now();
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

    // What the chain does.

    /// Whom to wake when there is something of this direction.
    pub(crate) fn listen(&self, direction: Direction, waker: &Waker) {
        let mut inner = self.lock();
        let place = &mut inner.chain[direction.index()];
        if place.as_ref().is_none_or(|before| !before.will_wake(waker)) {
            *place = Some(waker.clone());
        }
    }

    pub(crate) fn has_news(&self, direction: Direction) -> bool {
        self.lock().news[direction.index()]
    }

    pub(crate) fn take_news(&self, direction: Direction) -> bool {
        std::mem::take(&mut self.lock().news[direction.index()])
    }

    /// Has the chain to give more of this body?
    pub(crate) fn wants(&self, direction: Direction) -> bool {
        let inner = self.lock();
        let input = &inner.inputs[direction.index()];
        !input.over && input.wanted.is_some() && input.chunk.is_none() && input.end.is_none()
    }

    pub(crate) fn push(&self, direction: Direction, chunk: Bytes) {
        self.give(direction, |input| {
            input.chunk = Some(match input.chunk.take() {
                // more than was asked for: the chain gave what it held back
                Some(before) => [before, chunk].concat().into(),
                None => chunk,
            });
        });
    }

    pub(crate) fn push_end(&self, direction: Direction, trailers: Option<HeaderMap>) {
        self.give(direction, |input| input.end = Some(trailers));
    }

    fn give(&self, direction: Direction, give: impl FnOnce(&mut Input)) {
        let mut inner = self.lock();
        inner.moved = Instant::now();
        // one that failed may have left it all untouched
        let is_lost = inner.failure.is_none() && inner.inputs[direction.index()].over;
        if is_lost {
            return;
        }
        let input = &mut inner.inputs[direction.index()];
        give(input);
        let waker = input.wanted.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// What the guest has taken nothing of, to go on without it. None: it has taken some.
    pub(crate) fn take_back(&self, direction: Direction) -> Option<(Option<Bytes>, Option<HeaderMap>)> {
        let mut inner = self.lock();
        let input = &mut inner.inputs[direction.index()];
        if input.taken {
            return None;
        }
        input.over = true;
        Some((input.chunk.take(), input.end.take().flatten()))
    }

    /// What came of its call.
    pub(crate) fn answer(&self, answer: Answered) {
        let mut inner = self.lock();
        inner.moved = Instant::now();
        inner.answered = true;
        inner.answer = Some(answer);
        let waker = inner.awaits_answer.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn request(&self) -> Option<Request<WasiBody>> {
        self.ask(Direction::Request, |inner| inner.request.take())
    }

    pub(crate) fn response(&self) -> Option<Result<Response<WasiBody>, String>> {
        self.ask(Direction::Response, |inner| inner.response.take())
    }

    /// The status of the response that it gave and that nobody has taken.
    pub(crate) fn status(&self) -> Option<http::StatusCode> {
        Some(self.lock().response.as_ref()?.as_ref().ok()?.status())
    }

    /// It has given its response.
    pub(crate) fn has_response(&self) -> bool {
        self.lock().response.is_some()
    }

    fn ask<T>(&self, direction: Direction, take: impl FnOnce(&mut Inner) -> Option<T>) -> Option<T> {
        let mut inner = self.lock();
        let taken = take(&mut inner);
        inner.asked[direction.index()] = taken.is_none();
        taken
    }

    pub(crate) fn failure(&self) -> Option<Failure> {
        self.lock().failure.clone()
    }

    /// Runs `pull` on a body of the guest; if that reads a body of ours, the guest is not between them.
    pub(crate) fn pulling<T>(&self, direction: Direction, pull: impl FnOnce() -> Poll<T>) -> Poll<T> {
        self.lock().inputs[direction.index()].pulled = true;
        let pulled = pull();
        let mut inner = self.lock();
        inner.inputs[direction.index()].pulled = false;
        inner.asked[direction.index()] = pulled.is_pending();
        if pulled.is_ready() {
            inner.moved = Instant::now();
        }
        pulled
    }

    pub(crate) fn is_spliced(&self, direction: Direction) -> bool {
        self.lock().inputs[direction.index()].is_spliced
    }

    /// Bytes that came out of the guest's memory.
    pub(crate) fn copied_out(&self, bytes: usize) {
        self.lock().copied[1] += bytes as u64;
    }

    pub(crate) fn copied(&self) -> [u64; 2] {
        self.lock().copied
    }

    /// The guest is needed no more.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        let waker = inner.closes.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    // What the guest does.

    pub(crate) fn poll_closed(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if inner.closed {
            return Poll::Ready(());
        }
        if inner.closes.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            inner.closes = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// It calls the next handler. An exchange goes on once.
    pub(super) fn may_call(&self) -> bool {
        let mut inner = self.lock();
        let may = !inner.called && !inner.responded && !inner.closed;
        inner.called |= may;
        may
    }

    pub(super) fn call(&self, request: Request<WasiBody>) {
        self.lock().request = Some(request);
        self.notify(Direction::Request);
    }

    pub(super) fn poll_answer(&self, cx: &Context<'_>) -> Poll<Answered> {
        let mut inner = self.lock();
        match inner.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                inner.awaits_answer = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(super) fn respond(&self, response: Result<Response<WasiBody>, String>) {
        let mut inner = self.lock();
        inner.responded = true;
        inner.response = Some(response);
        drop(inner);
        // whoever waits for the request to go on learns of it, too
        self.notify_both();
    }

    pub(super) fn fail(&self, failure: Failure) {
        self.lock().failure.get_or_insert(failure);
        self.notify_both();
    }

    pub(super) fn poll_input(&self, direction: Direction, cx: &Context<'_>) -> Poll<Option<Result<Bytes, HeaderMap>>> {
        let mut inner = self.lock();
        let input = &mut inner.inputs[direction.index()];
        input.is_spliced = input.pulled;
        if let Some(chunk) = input.chunk.take() {
            input.taken = true;
            let copied = if input.pulled { 0 } else { chunk.len() as u64 };
            inner.copied[0] += copied;
            inner.moved = Instant::now();
            return Poll::Ready(Some(Ok(chunk)));
        }
        if let Some(end) = input.end.take() {
            (input.taken, input.over) = (true, true);
            return Poll::Ready(end.map(Err));
        }
        if input.over {
            return Poll::Ready(None);
        }
        input.wanted = Some(cx.waker().clone());
        let is_spliced = input.pulled;
        drop(inner);
        if !is_spliced {
            self.notify(direction);
        }
        Poll::Pending
    }

    /// Nothing of this body is left, as far as the chain has said.
    pub(super) fn is_at_end(&self, direction: Direction) -> bool {
        let inner = self.lock();
        let input = &inner.inputs[direction.index()];
        input.over || input.chunk.is_none() && input.end.as_ref().is_some_and(Option::is_none)
    }

    /// Whoever read it reads no more.
    pub(super) fn dropped_input(&self, direction: Direction) {
        let mut inner = self.lock();
        let input = &mut inner.inputs[direction.index()];
        input.over = true;
        input.wanted = None;
        drop(inner);
        self.notify(direction);
    }

    /// The chain waits for the guest, the guest for nobody, and so it has been for this long.
    pub(super) fn stalled(&self, limit: Duration) -> bool {
        let inner = self.lock();
        let waits_for_input = inner.inputs.iter().any(|input| input.wanted.is_some() && !input.over);
        let waits_for_answer = inner.called && !inner.answered;
        let is_asked = inner.asked.contains(&true);
        is_asked && !waits_for_input && !waits_for_answer && inner.moved.elapsed() >= limit
    }
}
