//! The streams of one HTTP/2 connection, watched: hyper ends a connection neither for having none nor for a client that
//! gives no window, and pings prove only that somebody is there. Enters: streams that begin, move and end; leaves: that
//! the connection is idle, or that the client takes nothing of any of them. Must not know what a stream carries.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::exchange::ReplyBody;
use crate::roster::Busy;
use crate::upstream::BodyError;

/// Streams that a client may reset before they are answered, at once and each second after that. Each has cost an exchange
/// and the client next to nothing (CVE-2023-44487); a page that is left resets as many as it has open.
const RESETS: f64 = 256.0;
const RESETS_A_SECOND: f64 = 16.0;

pub(super) struct Streams {
    open: Cell<usize>,
    /// of these, those that wait for the agent, not for the client
    waiting: Cell<usize>,
    moved: Cell<Instant>,
    /// as of the last
    resets: Cell<(f64, Instant)>,
}

/// One of them, from its request to the end of its reply.
pub(super) struct Stream {
    of: Rc<Streams>,
    waits: bool,
    answered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// no stream for too long: the client is to be told that the connection ends
    Idle,
    /// the client lets everything lie
    Stalled,
    /// it resets more streams than anybody has reason to
    Flood,
}

impl Streams {
    pub(super) fn new() -> Rc<Self> {
        let now = Instant::now();
        let resets = Cell::new((0.0, now));
        Rc::new(Streams { open: Cell::new(0), waiting: Cell::new(0), moved: Cell::new(now), resets })
    }

    /// A request came.
    pub(super) fn begin(self: &Rc<Self>) -> Stream {
        self.open.set(self.open.get() + 1);
        self.waiting.set(self.waiting.get() + 1);
        self.moved.set(Instant::now());
        Stream { of: Rc::clone(self), waits: true, answered: false }
    }

    fn reset(&self, now: Instant) {
        let (count, since) = self.resets.get();
        let forgiven = now.saturating_duration_since(since).as_secs_f64() * RESETS_A_SECOND;
        self.resets.set(((count - forgiven).max(0.0) + 1.0, now));
    }

    fn floods(&self) -> bool {
        self.resets.get().0 > RESETS
    }

    fn look(&self, idle: Duration, write_timeout: Duration) -> Option<Found> {
        let still = self.moved.get().elapsed();
        match (self.open.get(), self.waiting.get()) {
            // What is left of the last replies lies in the codec's buffer.
            (0, _) if still >= idle + write_timeout => Some(Found::Stalled),
            (0, _) if still >= idle => Some(Found::Idle),
            (1.., 0) if still >= write_timeout => Some(Found::Stalled),
            _ => None,
        }
    }
}

impl Stream {
    /// It ends as it should, or by the agent's own will.
    pub(super) fn answered(&mut self) {
        self.answered = true;
    }

    fn now_waits(&mut self, waits: bool) {
        if waits != self.waits {
            let waiting = self.of.waiting.get();
            self.of.waiting.set(if waits { waiting + 1 } else { waiting - 1 });
            self.waits = waits;
        }
        self.of.moved.set(Instant::now());
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.now_waits(false);
        if !self.answered {
            self.of.reset(Instant::now());
        }
        self.of.open.set(self.of.open.get() - 1);
    }
}

/// A reply on its stream.
pub(super) struct Streamed {
    pub(super) body: ReplyBody,
    pub(super) stream: Stream,
    #[expect(dead_code, reason = "its drop counts")]
    pub(super) busy: Option<Busy>,
}

impl Drop for Streamed {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.stream.answered();
        }
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.stream.now_waits(frame.is_pending());
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.stream.answered();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Looks at the streams now and then, so that nothing is to be done when one moves.
pub(super) struct Watch {
    streams: Rc<Streams>,
    idle: Duration,
    write_timeout: Duration,
    next: Pin<Box<Sleep>>,
}

impl Watch {
    pub(super) fn new(streams: &Rc<Streams>, idle: Duration, write_timeout: Duration) -> Self {
        let next = Box::pin(sleep(idle.min(write_timeout)));
        Watch { streams: Rc::clone(streams), idle, write_timeout, next }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Found> {
        if self.streams.floods() {
            return Poll::Ready(Found::Flood);
        }
        loop {
            ready!(self.next.as_mut().poll(cx));
            self.next.as_mut().reset(Instant::now() + self.idle.min(self.write_timeout));
            if let Some(found) = self.streams.look(self.idle, self.write_timeout) {
                return Poll::Ready(found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(10);
    const WRITE: Duration = Duration::from_secs(30);

    fn check(streams: &Streams, seconds: u64, expect: Option<Found>) {
        streams.moved.set(Instant::now() - Duration::from_secs(seconds));
        assert_eq!(streams.look(IDLE, WRITE), expect, "{seconds} s");
    }

    #[test]
    fn only_a_client_that_owes_something_is_given_up() {
        let streams = Streams::new();
        check(&streams, 9, None);
        check(&streams, 11, Some(Found::Idle));
        check(&streams, 41, Some(Found::Stalled));
        let mut slow_upstream = streams.begin();
        check(&streams, 1000, None);
        let mut other = streams.begin();
        other.now_waits(false);
        check(&streams, 1000, None);
        slow_upstream.now_waits(false);
        check(&streams, 29, None);
        check(&streams, 31, Some(Found::Stalled));
        drop((slow_upstream, other));
        check(&streams, 11, Some(Found::Idle));
    }

    #[test]
    fn resets_are_forgiven_with_time() {
        let streams = Streams::new();
        let now = Instant::now();
        for second in 0..100 {
            let at = now + Duration::from_secs(second);
            (0..16).for_each(|_| streams.reset(at));
            assert!(!streams.floods(), "{second}");
        }
        let at = now + Duration::from_secs(200);
        for n in 0..300 {
            assert_eq!(streams.floods(), n > 256, "{n}");
            streams.reset(at);
        }
        let mut answered = Streams::new().begin();
        answered.answered();
        let of = Rc::clone(&answered.of);
        drop(answered);
        assert_eq!(of.resets.get().0, 0.0);
    }
}
