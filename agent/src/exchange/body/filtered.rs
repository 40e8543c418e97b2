//! A body on its way through the chain. Enters: what its sender sent, in chunks that a guest takes; leaves: what the filters make
//! of it, as far as they let it go.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use weir_host::{Direction, Progress, Run};

use super::super::live::Stop;
use super::{BodyStream, Broken};

/// A guest is given this much at once: what it is lent stays small, and in the cache.
const LARGEST_CHUNK: usize = 64 << 10;

impl BodyStream {
    /// Feeds the chain one step more, whatever comes out of it; or it goes on without, because a filter that reads the body
    /// beside the exchange does.
    pub(in crate::exchange) async fn feed_or_resume(&mut self) -> Result<Progress, Broken> {
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

    pub(super) fn with_run<T>(&self, ask: impl FnOnce(&mut Run, Direction) -> T) -> T {
        self.live.with_run(|run| ask(run, self.direction)).expect("a body passes filters only where there is a run")
    }

    pub(super) fn poll_filtered(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
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
}

pub(super) fn trailers(run: &Run, direction: Direction) -> Option<&HeaderMap> {
    match direction {
        Direction::Request => run.exchange().request_trailers.as_ref(),
        Direction::Response => run.exchange().response_trailers.as_ref(),
    }
}
