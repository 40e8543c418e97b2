//! One body on its way through the agent, in either direction. Enters: frames of the sender; leaves: the frames that go
//! on, after the filters that take part in it have had them. What no filter sees passes as hyper's own buffers. A chunk
//! is asked for only when one is wanted, so the receiver sets the pace. Must not know heads.

mod ahead;
mod broken;
mod filtered;
mod sender;

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use weir_host::{Direction, Length, Run};

use self::ahead::Held;
pub(super) use self::broken::Broken;
use self::filtered::trailers;
use super::expect::Gate;
use super::linger;
use super::live::{Live, Stop};
use super::source::Source;
use crate::idle::Idle;
use crate::record::Outcome;
use crate::upstream::BodyError;

pub struct BodyStream {
    live: Rc<Live>,
    direction: Direction,
    source: Source,
    /// filters take part
    filtered: bool,
    /// of a chunk that is too large to be given at once
    rest: Bytes,
    /// through the chain, and next to go
    queued: Option<Bytes>,
    /// the chain was told that the body ended
    ended: bool,
    /// nothing is left to go
    done: bool,
    /// bytes to go, where that is known
    remaining: Option<u64>,
    idle: Idle,
    gate: Option<Gate>,
    /// what nobody wants of it is read all the same
    lingers: bool,
    /// what is queued goes when the hook goes on that waits at the end
    withheld: bool,
    /// read ahead of its time, for somebody to see
    held: Option<Box<Held>>,
    /// it is not what its sender sent
    replaced: bool,
    /// it did not come at once, with its head
    lasts: bool,
}

impl BodyStream {
    pub(super) fn new(live: &Rc<Live>, direction: Direction, source: Source, limit: Duration) -> Self {
        let ended = source.is_end_stream();
        BodyStream {
            live: Rc::clone(live),
            direction,
            remaining: source.len(),
            source,
            filtered: false,
            rest: Bytes::new(),
            queued: None,
            ended,
            done: ended,
            idle: Idle::new(limit),
            gate: None,
            lingers: false,
            withheld: false,
            held: None,
            replaced: false,
            lasts: false,
        }
    }

    /// A request's. A client that is answered before it has sent its whole body goes on sending for a while, and over
    /// HTTP/1 closing on it then would reset the connection and may lose the answer (RFC 9112 section 9.6).
    pub(super) fn of_client(live: &Rc<Live>, body: Source, version: Version) -> Self {
        let limit = live.tuning.client.body_idle;
        let lingers = version != Version::HTTP_2 && matches!(body, Source::Client(_));
        let mut stream = BodyStream::new(live, Direction::Request, body, limit);
        stream.lingers = lingers;
        stream
    }

    /// The chain takes part in the body, at least as long as its head is held back.
    pub(super) fn through_filters(&mut self) {
        self.filtered = true;
        self.done = false;
        self.live.record(|ledger| ledger.may_change(self.direction));
    }

    /// The head is open: how much is to go is known as well as it will be, and whether filters go on to take part.
    pub(super) fn head_is_open(&mut self, run: &Run) {
        if !run.sees_body(self.direction) {
            self.filtered = false;
            self.done = self.is_sender_at_end();
            return;
        }
        if !self.filtered {
            self.through_filters();
        }
        match run.length(self.direction) {
            Length::AsReceived => {}
            Length::Exact(bytes) => self.remaining = Some(bytes),
            Length::Unknown => self.remaining = None,
        }
        self.done = run.is_drained(self.direction) && trailers(run, self.direction).is_none();
    }

    /// Nothing is read of the sender before the gate opens.
    pub(super) fn behind(&mut self, gate: Gate) {
        self.gate = Some(gate);
    }

    /// Its sender was not asked for a while, so it cannot be blamed for the time.
    pub(super) fn goes_on(&mut self) {
        self.idle.moved();
    }

    /// Bytes to go, where that is known.
    pub(super) fn len(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    /// Nothing of it is left to go.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    fn poll_untouched(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let frame = ready!(self.poll_source(cx)).transpose();
        let last = match &frame {
            None => true,
            Some(Ok(frame)) => frame.is_trailers() || self.is_sender_at_end(),
            Some(Err(_)) => false,
        };
        if self.replaced
            && let Some(Ok(frame)) = &frame
            && let Some(chunk) = frame.data_ref()
        {
            self.live.record(|ledger| ledger.sent(self.direction, chunk));
        }
        if last {
            self.finished();
        }
        Poll::Ready(frame)
    }

    fn finished(&mut self) {
        self.done = true;
        self.live.record(|ledger| ledger.sent_ended(self.direction));
        if self.direction == Direction::Response {
            if self.filtered && self.with_run(|run, _| run.has_closed_events()) {
                let error = "a filter ended the stream of events".to_owned();
                self.live.ends(Outcome::FilterAnswered, Some(error));
            }
            self.live.replied();
        }
    }

    fn stop(&self, stop: Stop) -> Broken {
        self.live.stop(stop);
        Broken::Stopped
    }
}

/// A size with what stands before it.
fn longer(mut hint: SizeHint, by: u64) -> SizeHint {
    if by != 0 {
        let (lower, upper) = (hint.lower() + by, hint.upper().map(|upper| upper + by));
        // the upper bound first: the lower may not pass it
        if let Some(upper) = upper {
            hint.set_upper(upper);
        }
        hint.set_lower(lower);
    }
    hint
}

impl Body for BodyStream {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.done {
            return Poll::Ready(None);
        }
        // the other direction may bring the exchange to an end while this one goes on
        if self.direction == Direction::Response && self.live.poll_stop(cx).is_ready() {
            return Poll::Ready(Some(Err(Broken::Stopped.into())));
        }
        let frame = if self.filtered { self.poll_filtered(cx) } else { self.poll_untouched(cx) };
        if frame.is_pending() && !self.lasts && self.direction == Direction::Response {
            self.lasts = true;
            self.live.lasts();
        }
        frame.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.done
    }

    fn size_hint(&self) -> SizeHint {
        match (self.filtered, self.remaining) {
            (false, _) => longer(self.source.size_hint(), self.held.as_ref().map_or(0, |held| held.bytes.len() as u64)),
            (true, Some(bytes)) => SizeHint::with_exact(bytes),
            (true, None) => SizeHint::default(),
        }
    }
}

impl Drop for BodyStream {
    fn drop(&mut self) {
        if self.direction == Direction::Response {
            self.live.reply_is_out();
        }
        let unread = !self.done && !self.ended && self.gate.is_none();
        // once the agent stops there may be no runtime to read on
        if self.lingers && unread && !self.live.worker.drain.has_begun() {
            linger::discard(std::mem::replace(&mut self.source, Source::Local(None)));
        }
    }
}
