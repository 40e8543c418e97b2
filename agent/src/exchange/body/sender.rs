//! What comes of a body's sender. Enters: frames; leaves: the same, counted and recorded, unless the sender is silent for too long
//! or breaks off.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use weir_host::Direction;

use super::{BodyStream, Broken};
use crate::record::Outcome;

impl BodyStream {
    /// The next frame: one that was held, or the sender's.
    pub(super) fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Broken>> {
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

    pub(super) fn is_sender_at_end(&self) -> bool {
        self.held.is_none() && self.source.is_end_stream()
    }

    /// The next frame of the sender, counted and captured.
    pub(super) fn poll_sender(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Broken>> {
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
            None => {
                self.live.record(|ledger| ledger.received_ended(self.direction));
                Poll::Ready(Ok(None))
            }
            Some(Err(broken)) => Poll::Ready(Err(self.breaks(broken))),
            Some(Ok(frame)) if self.replaced => Poll::Ready(Ok(Some(frame))),
            Some(Ok(frame)) => {
                // nobody may ask for the end of what has come as long as it was said to be
                let is_last = frame.is_trailers() || self.source.is_end_stream() || self.source.len() == Some(0);
                self.live.record(|ledger| {
                    match (frame.data_ref(), frame.trailers_ref()) {
                        (Some(chunk), _) => ledger.received(self.direction, chunk),
                        (None, Some(trailers)) => ledger.received_trailers(self.direction, trailers),
                        (None, None) => {}
                    }
                    if is_last {
                        ledger.received_ended(self.direction);
                    }
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
}
