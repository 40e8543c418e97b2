//! A body on its way from an upstream. Enters: hyper's body and what it holds of the pool; leaves: the frames, and the
//! connection back to the pool once the last one is out. Must not know filters.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::pool::{Lease, Stream};

/// Dropped before its end, it closes its HTTP/1.1 connection, or resets its HTTP/2 stream.
pub struct Received {
    incoming: Incoming,
    holds: Holds,
}

pub(super) enum Holds {
    Nothing,
    Connection(Lease),
    Stream(#[expect(dead_code, reason = "its drop counts")] Stream),
}

impl Received {
    pub(super) fn new(incoming: Incoming, holds: Holds) -> Self {
        let mut body = Received { incoming, holds };
        body.let_go_at_end();
        body
    }

    fn let_go_at_end(&mut self) {
        if self.incoming.is_end_stream() {
            self.let_go();
        }
    }

    fn let_go(&mut self) {
        if let Holds::Connection(lease) = std::mem::replace(&mut self.holds, Holds::Nothing) {
            lease.give_back();
        }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        match &frame {
            None => self.let_go(),
            Some(Ok(_)) => self.let_go_at_end(),
            Some(Err(_)) => self.holds = Holds::Nothing,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
