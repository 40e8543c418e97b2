//! One body on its way through the agent, in either direction. Enters: frames of the sender; leaves: the frames that go
//! on, after the filters that take part in it have had them. What no filter sees passes as hyper's own buffers. A chunk
//! is asked for only when one is wanted, so the receiver sets the pace. Must not know heads.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Version};
use http_body::{Body, Frame, SizeHint};
use weir_host::{Direction, Length, Progress, Run};

use super::expect::Gate;
use super::linger;
use super::live::{Live, Stop};
use super::problem::Problem;
use super::source::Source;
use crate::idle::Idle;
use crate::record::Outcome;
use crate::upstream::BodyError;

/// A guest is given this much at once: what it is lent stays small, and in the cache.
const LARGEST_CHUNK: usize = 64 << 10;

/// Why a body does not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("the client's body broke off: {0}")]
    Client(hyper::Error),
    #[error("the upstream's body broke off: {0}")]
    Upstream(hyper::Error),
    #[error("nothing more of the body came from the {who} for {} seconds", limit.as_secs())]
    Idle { who: &'static str, limit: Duration },
    #[error("the exchange was stopped")]
    Stopped,
}

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
}

#[derive(Default)]
struct Held {
    bytes: Bytes,
    trailers: Option<HeaderMap>,
}

impl Held {
    /// One piece, however small those were in which it came.
    fn take(&mut self, chunk: Bytes) {
        if self.bytes.is_empty() {
            self.bytes = chunk;
            return;
        }
        let before = std::mem::take(&mut self.bytes);
        let mut whole = before.try_into_mut().unwrap_or_else(|before| BytesMut::from(&before[..]));
        whole.extend_from_slice(&chunk);
        self.bytes = whole.freeze();
    }
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

    /// Reads up to `most` bytes before their time. True: that is all of it. What was read goes on as it would have, whether
    /// this comes to its end or is dropped.
    pub(super) async fn hold(&mut self, most: usize) -> Result<bool, Broken> {
        while !self.done && !self.is_sender_over() {
            if self.held().len() >= most {
                return Ok(false);
            }
            let Some(frame) = std::future::poll_fn(|cx| self.poll_sender(cx)).await? else {
                self.ended_before_its_time();
                break;
            };
            let held = self.held.get_or_insert_default();
            match frame.into_data() {
                Ok(chunk) => held.take(chunk),
                Err(frame) => held.trailers = frame.into_trailers().ok(),
            }
        }
        Ok(true)
    }

    /// Nothing more comes of what is read ahead: what there is of it goes on from memory.
    fn ended_before_its_time(&mut self) {
        self.source = Source::Local(None);
        if self.is_sender_at_end() {
            (self.ended, self.done) = (true, true);
        }
    }

    fn is_sender_over(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.trailers.is_some()) || self.source.is_end_stream()
    }

    /// Its sender was not asked for a while, so it cannot be blamed for the time.
    pub(super) fn goes_on(&mut self) {
        self.idle.moved();
    }

    pub(super) fn held(&self) -> Bytes {
        self.held.as_ref().map(|held| held.bytes.clone()).unwrap_or_default()
    }

    pub(super) fn has_held(&self) -> bool {
        self.held.is_some()
    }

    /// Another body goes in its place, and nothing more of the sender's is wanted.
    pub(super) fn replace(&mut self, source: Source) {
        let before = std::mem::replace(&mut self.source, source);
        if self.lingers && !before.is_end_stream() {
            linger::discard(before);
        }
        (self.held, self.rest) = (None, Bytes::new());
        self.remaining = self.source.len();
        self.ended = self.source.is_end_stream();
        (self.done, self.replaced) = (self.ended, true);
        self.live.record(|ledger| ledger.may_change(self.direction));
    }

    /// Nothing of it is to go, whatever the sender has.
    pub(super) fn drop_content(&mut self) {
        (self.source, self.held, self.rest) = (Source::Local(None), None, Bytes::new());
        (self.remaining, self.ended, self.done) = (Some(0), true, true);
    }

    /// Bytes to go, where that is known.
    pub(super) fn len(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    /// Nothing of it is left to go.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Feeds the chain one step more, whatever comes out of it; or it goes on without, because a filter that reads the body
    /// beside the exchange does.
    pub(super) async fn feed_or_resume(&mut self) -> Result<Progress, Broken> {
        std::future::poll_fn(|cx| match self.live.poll_resume(self.direction, cx) {
            Poll::Ready(progress) => Poll::Ready(Ok(progress)),
            Poll::Pending => self.poll_feed(cx),
        })
        .await
    }

    fn poll_feed(&mut self, cx: &mut Context<'_>) -> Poll<Result<Progress, Broken>> {
        if self.rest.is_empty() {
            match ready!(self.poll_source(cx))? {
                Some(frame) => match frame.into_data() {
                    Ok(chunk) => self.rest = chunk,
                    Err(frame) => return Poll::Ready(Ok(self.end(frame.into_trailers().ok()))),
                },
                None => return Poll::Ready(Ok(self.end(None))),
            }
        }
        let chunk = self.rest.split_to(self.rest.len().min(LARGEST_CHUNK));
        Poll::Ready(Ok(self.with_run(|run, direction| run.chunk(direction, chunk))))
    }

    fn end(&mut self, trailers: Option<HeaderMap>) -> Progress {
        self.ended = true;
        self.with_run(|run, direction| run.end(direction, trailers))
    }

    fn with_run<T>(&self, ask: impl FnOnce(&mut Run, Direction) -> T) -> T {
        self.live.with_run(|run| ask(run, self.direction)).expect("a body passes filters only where there is a run")
    }

    /// The next frame: one that was held, or the sender's.
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Broken>> {
        if let Some(mut held) = self.held.take() {
            if !held.bytes.is_empty() {
                let bytes = std::mem::take(&mut held.bytes);
                self.held = held.trailers.is_some().then_some(held);
                return Poll::Ready(Ok(Some(Frame::data(bytes))));
            }
            if let Some(trailers) = held.trailers {
                return Poll::Ready(Ok(Some(Frame::trailers(trailers))));
            }
        }
        self.poll_sender(cx)
    }

    fn is_sender_at_end(&self) -> bool {
        self.held.is_none() && self.source.is_end_stream()
    }

    /// The next frame of the sender, counted and captured.
    fn poll_sender(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Broken>> {
        if let Some(gate) = &mut self.gate {
            if !ready!(gate.poll_open(cx)) {
                return Poll::Ready(Err(Broken::Stopped));
            }
            self.gate = None;
        }
        let frame = match self.source.poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                ready!(self.idle.poll_expired(cx));
                let who = if self.direction == Direction::Request { "client" } else { "upstream" };
                return Poll::Ready(Err(self.breaks(Broken::Idle { who, limit: self.idle.limit() })));
            }
        };
        self.idle.moved();
        match frame {
            None => Poll::Ready(Ok(None)),
            Some(Err(broken)) => Poll::Ready(Err(self.breaks(broken))),
            Some(Ok(frame)) if self.replaced => Poll::Ready(Ok(Some(frame))),
            Some(Ok(frame)) => {
                self.live.record(|ledger| match (frame.data_ref(), frame.trailers_ref()) {
                    (Some(chunk), _) => ledger.received(self.direction, chunk),
                    (None, Some(trailers)) => ledger.received_trailers(self.direction, trailers),
                    (None, None) => {}
                });
                Poll::Ready(Ok(Some(frame)))
            }
        }
    }

    fn breaks(&mut self, broken: Broken) -> Broken {
        self.lingers = false;
        let outcome = match self.direction {
            Direction::Request => Outcome::ClientGone,
            Direction::Response => Outcome::UpstreamFailed,
        };
        self.live.ends(outcome, Some(broken.to_string()));
        broken
    }

    fn poll_filtered(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            if self.withheld {
                match ready!(self.poll_resume(cx)) {
                    Progress::Answer(answer) => return Poll::Ready(Some(Err(self.stop(answer.into())))),
                    Progress::Waiting => continue,
                    Progress::Held | Progress::Open => self.withheld = false,
                }
            }
            if let Some(chunk) = self.queued.take().or_else(|| self.output()) {
                match self.release(chunk).transpose() {
                    Some(frame) => return Poll::Ready(Some(frame)),
                    None => continue,
                }
            }
            if self.with_run(|run, direction| run.is_drained(direction)) {
                return Poll::Ready(self.finish_filtered().map(Ok));
            }
            if self.direction == Direction::Request && self.with_run(|run, direction| run.is_stopped(direction)) {
                // the response took another course meanwhile: this goes on without the rest of the request
                return Poll::Ready(Some(Err(Broken::Stopped)));
            }
            if let Some(answer) = self.with_run(|run, _| run.answer()) {
                return Poll::Ready(Some(Err(self.stop(answer.into()))));
            }
            if self.with_run(|run, direction| run.is_waiting(direction)) {
                match ready!(self.poll_resume(cx)) {
                    Progress::Answer(answer) => return Poll::Ready(Some(Err(self.stop(answer.into())))),
                    Progress::Waiting | Progress::Held | Progress::Open => continue,
                }
            }
            if self.with_run(|run, direction| run.pauses(direction)) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.ended {
                // neither output nor an answer: the chain has lost the body
                return Poll::Ready(Some(Err(self.stop(Stop::Abort))));
            }
            self.live.listen(self.direction, cx);
            match ready!(self.poll_feed(cx)) {
                Ok(Progress::Answer(answer)) => return Poll::Ready(Some(Err(self.stop(answer.into())))),
                Ok(Progress::Held | Progress::Waiting | Progress::Open) => {}
                Err(broken) => return Poll::Ready(Some(Err(broken))),
            }
        }
    }

    /// Sends a chunk on. Hyper does not ask again once it has as many bytes as it was told, so before the last of them
    /// goes, the filters must have seen the end. None: one of them waits there, and the chunk with it.
    fn release(&mut self, chunk: Bytes) -> Result<Option<Frame<Bytes>>, Broken> {
        self.queued = self.output();
        if self.queued.is_none() && !self.ended && self.rest.is_empty() && self.is_source_at_end() {
            match self.end(None) {
                Progress::Answer(answer) => return Err(self.stop(answer.into())),
                Progress::Waiting => {
                    self.withheld = true;
                    self.queued = Some(chunk);
                    return Ok(None);
                }
                Progress::Held | Progress::Open => {}
            }
            self.queued = self.output();
        }
        if self.queued.is_none()
            && self.with_run(|run, direction| run.is_drained(direction) && trailers(run, direction).is_none())
        {
            self.finished();
        }
        self.live.record(|ledger| ledger.sent(self.direction, &chunk));
        self.remaining = self.remaining.map(|left| left.saturating_sub(chunk.len() as u64));
        Ok(Some(Frame::data(chunk)))
    }

    /// The sender has nothing more, and no hook waits with what it sent before.
    fn is_source_at_end(&self) -> bool {
        self.is_sender_at_end() && !self.with_run(|run, direction| run.is_waiting(direction))
    }

    /// While a hook waits the sender is not asked, so that it cannot be blamed for the time.
    fn poll_resume(&mut self, cx: &mut Context<'_>) -> Poll<Progress> {
        let progress = ready!(self.live.poll_resume(self.direction, cx));
        self.idle.moved();
        Poll::Ready(progress)
    }

    fn output(&self) -> Option<Bytes> {
        self.with_run(|run, direction| std::iter::from_fn(|| run.output(direction)).find(|chunk| !chunk.is_empty()))
    }

    fn finish_filtered(&mut self) -> Option<Frame<Bytes>> {
        if self.done {
            return None;
        }
        self.finished();
        self.with_run(|run, direction| trailers(run, direction).cloned()).map(Frame::trailers)
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

fn trailers(run: &Run, direction: Direction) -> Option<&HeaderMap> {
    match direction {
        Direction::Request => run.exchange().request_trailers.as_ref(),
        Direction::Response => run.exchange().response_trailers.as_ref(),
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

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Self {
        let text = broken.to_string();
        match broken {
            Broken::Client(_) => Stop::Problem(Problem::request_body(text)),
            Broken::Idle { who: "client", .. } => Stop::Problem(Problem::request_silent(text)),
            Broken::Upstream(_) => Stop::Problem(Problem::upstream_protocol(text)),
            Broken::Idle { .. } => Stop::Problem(Problem::upstream_silent(text)),
            Broken::Stopped => Stop::Abort,
        }
    }
}
