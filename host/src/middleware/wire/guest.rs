//! The guest's end of a wire, and whoever watches over it.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use http::Request;
use wasmtime_wasi_http::WasiBody;

use super::{Answered, Given, Piece, Wire};
use crate::{Direction, Failure, Placeholder, Tag};

/// So many times as long as it may do nothing, a guest may make one call after another.
const CALLING: u32 = 10;

impl Wire {
    pub(in crate::middleware) fn poll_closed(&self, cx: &Context<'_>) -> Poll<()> {
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
    pub(in crate::middleware) fn may_call(&self) -> bool {
        let mut inner = self.lock();
        let may = !inner.called && !inner.responded && !inner.closed;
        inner.called |= may;
        may
    }

    pub(in crate::middleware) fn call(&self, request: Request<WasiBody>) {
        let mut inner = self.lock();
        if inner.closed {
            // nobody would take it, and it may hold this wire
            drop(inner);
            return drop(request);
        }
        inner.request = Some(request);
        drop(inner);
        self.notify(Direction::Request);
    }

    pub(in crate::middleware) fn poll_answer(&self, cx: &Context<'_>) -> Poll<Answered> {
        let mut inner = self.lock();
        match inner.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                inner.awaits_answer = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(in crate::middleware) fn respond(&self, response: Given) {
        let mut inner = self.lock();
        inner.responded = true;
        if inner.closed {
            drop(inner);
            return drop(response);
        }
        inner.response = Some(response);
        drop(inner);
        // whoever waits for the request to go on learns of it, too
        self.notify_both();
    }

    pub(in crate::middleware) fn fail(&self, failure: Failure) {
        self.lock().failure.get_or_insert(failure);
        self.notify_both();
    }

    /// It begins with something else.
    pub(in crate::middleware) fn enter(&self, phase: &'static str) {
        self.lock().phase = phase;
    }

    /// A tag that it has set.
    pub(crate) fn say(&self, tag: Tag) {
        let mut inner = self.lock();
        match inner.said.iter_mut().find(|said| said.name == tag.name) {
            Some(said) => *said = tag,
            None => inner.said.push(tag),
        }
    }

    /// A placeholder that it was given.
    pub(crate) fn hold(&self, placeholder: Placeholder) {
        self.lock().held.push(placeholder);
    }

    /// The body that it gives is to be broken off.
    pub(in crate::middleware) fn abort(&self) {
        self.lock().aborts = true;
    }

    pub(in crate::middleware) fn poll_input(&self, direction: Direction, cx: &Context<'_>) -> Poll<Option<Piece>> {
        let mut inner = self.lock();
        let input = &mut inner.inputs[direction.index()];
        input.is_spliced = input.pulled;
        if let Some(chunk) = input.chunks.pop_front() {
            input.taken = true;
            let copied = if input.pulled { 0 } else { chunk.len() as u64 };
            inner.copied[0] += copied;
            inner.moves();
            return Poll::Ready(Some(Piece::Chunk(chunk)));
        }
        if let Some(end) = input.end.take() {
            (input.taken, input.over) = (true, true);
            return Poll::Ready(end.map(Piece::Trailers));
        }
        if input.over {
            return Poll::Ready(None);
        }
        if input.broken {
            return Poll::Ready(Some(Piece::Broken));
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
    pub(in crate::middleware) fn is_at_end(&self, direction: Direction) -> bool {
        let inner = self.lock();
        let input = &inner.inputs[direction.index()];
        input.over || input.chunks.is_empty() && input.end.as_ref().is_some_and(Option::is_none)
    }

    /// Whoever read it reads no more.
    pub(in crate::middleware) fn dropped_input(&self, direction: Direction) {
        let mut inner = self.lock();
        let input = &mut inner.inputs[direction.index()];
        input.over = true;
        input.wanted = None;
        drop(inner);
        self.notify(direction);
    }

    /// The chain waits for the guest, the guest for nobody, and so it has been for too long: why it is given up.
    pub(in crate::middleware) fn stalled(&self, limit: Duration) -> Option<String> {
        let inner = self.lock();
        let waits_for_input = inner.inputs.iter().any(|input| input.wanted.is_some() && !input.over && !input.broken);
        // while its request is still being drawn from it, it is the guest that is waited for
        let waits_for_answer = inner.called && !inner.answered && !inner.asked[Direction::Request.index()];
        let is_asked = inner.asked.contains(&true);
        if !is_asked || waits_for_input || waits_for_answer {
            return None;
        }
        if !self.calls() && inner.moved.elapsed() >= limit {
            return Some(format!("it did nothing for {} ms while the exchange waited for it", limit.as_millis()));
        }
        // each call has its time, which ends by itself: one that began in time is not cut off
        let calling = limit * CALLING;
        (inner.gave.elapsed() >= calling + inner.longest_call).then(|| {
            format!("it did nothing but call servers for {} ms while the exchange waited for it", calling.as_millis())
        })
    }
}
