//! The chain's end of a wire.

use std::{
    collections::VecDeque,
    task::{Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use wasmtime_wasi_http::WasiBody;

use super::{Answered, Given, Inner, Input, Wire};
use crate::{Direction, Failure, Placeholder, Tag, imports::Extent};

impl Wire {
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
        !input.over && input.wanted.is_some() && input.chunks.is_empty() && input.end.is_none()
    }

    pub(crate) fn push(&self, direction: Direction, chunk: Bytes) {
        self.give(direction, |input| input.chunks.push_back(chunk));
    }

    pub(crate) fn push_end(&self, direction: Direction, trailers: Option<HeaderMap>) {
        let extent = trailers.as_ref().map(Extent::of).unwrap_or_default();
        let mut inner = self.lock();
        inner.trailers = inner.trailers.or(extent);
        drop(inner);
        self.give(direction, |input| input.end = Some(trailers));
    }

    /// The most that the guest was given, whichever way they came.
    pub(crate) fn given_trailers(&self) -> Extent {
        self.lock().trailers
    }

    fn give(&self, direction: Direction, give: impl FnOnce(&mut Input)) {
        let mut inner = self.lock();
        inner.moves();
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
    pub(crate) fn take_back(&self, direction: Direction) -> Option<(VecDeque<Bytes>, Option<HeaderMap>)> {
        let mut inner = self.lock();
        let input = &mut inner.inputs[direction.index()];
        if input.taken {
            return None;
        }
        input.over = true;
        Some((std::mem::take(&mut input.chunks), input.end.take().flatten()))
    }

    /// A body of the guest has more: the chain, which may have turned to something else, is to ask for it again.
    pub(crate) fn has_more(&self, direction: Direction) {
        self.asks_nothing(direction);
        self.notify(direction);
    }

    /// No more of this body comes, and it is not whole: what came is still there to be read.
    pub(crate) fn break_off(&self, direction: Direction) {
        self.give(direction, |input| input.broken = true);
    }

    /// The chain waits for something of this direction.
    pub(crate) fn asks(&self, direction: Direction) {
        self.lock().asks(direction, true);
    }

    /// The chain waits for nothing of this direction.
    pub(crate) fn asks_nothing(&self, direction: Direction) {
        self.lock().asks(direction, false);
    }

    /// What came of its call.
    pub(crate) fn answer(&self, answer: Answered) {
        let mut inner = self.lock();
        inner.moves();
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

    pub(crate) fn response(&self) -> Option<Given> {
        self.ask(Direction::Response, |inner| inner.response.take())
    }

    /// The status of the response that it gave and that nobody has taken.
    pub(crate) fn status(&self) -> Option<StatusCode> {
        Some(self.lock().response.as_ref()?.as_ref().ok()?.status())
    }

    /// It has given its response.
    pub(crate) fn has_response(&self) -> bool {
        self.lock().response.is_some()
    }

    fn ask<T>(&self, direction: Direction, take: impl FnOnce(&mut Inner) -> Option<T>) -> Option<T> {
        let mut inner = self.lock();
        let taken = take(&mut inner);
        inner.asks(direction, taken.is_none());
        taken
    }

    pub(crate) fn failure(&self) -> Option<Failure> {
        self.lock().failure.clone()
    }

    /// What the guest is at.
    pub(crate) fn phase(&self) -> &'static str {
        self.lock().phase
    }

    /// Tags that the guest has set since this was last asked.
    pub(crate) fn said(&self) -> Vec<Tag> {
        std::mem::take(&mut self.lock().said)
    }

    /// Placeholders that the guest was given since this was last asked.
    pub(crate) fn held(&self) -> Vec<Placeholder> {
        std::mem::take(&mut self.lock().held)
    }

    /// Does the guest want a body of its own broken off?
    pub(crate) fn aborts(&self) -> bool {
        self.lock().aborts
    }

    /// Runs `pull` on a body of the guest; if that reads a body of ours, the guest is not between them.
    pub(crate) fn pulling<T>(&self, direction: Direction, pull: impl FnOnce() -> Poll<T>) -> Poll<T> {
        self.lock().inputs[direction.index()].pulled = true;
        let pulled = pull();
        let mut inner = self.lock();
        inner.inputs[direction.index()].pulled = false;
        inner.asks(direction, pulled.is_pending());
        if pulled.is_ready() {
            inner.moves();
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
        // bodies of ours in them hold this wire, and let go of it only outside the lock
        let untaken = (inner.request.take(), inner.response.take());
        let waker = inner.closes.take();
        drop(inner);
        drop(untaken);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
