//! A body on its way to an upstream. Enters: nothing, bytes, the client's body, or any local stream of frames; leaves:
//! what hyper's client polls. Must not know where a body comes from.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// `!Send`: it stays on its worker.
pub enum Outgoing {
    Empty,
    Full(Option<Bytes>),
    /// straight from the client, when no filter sees it and nothing is captured
    Incoming(Incoming),
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = BodyError>>>),
}

impl Outgoing {
    pub fn stream(body: impl Body<Data = Bytes, Error = BodyError> + 'static) -> Self {
        Outgoing::Stream(Box::pin(body))
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &mut *self {
            Outgoing::Empty => Poll::Ready(None),
            Outgoing::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Outgoing::Incoming(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
            Outgoing::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Outgoing::Empty => true,
            Outgoing::Full(bytes) => bytes.is_none(),
            Outgoing::Incoming(body) => body.is_end_stream(),
            Outgoing::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Outgoing::Empty => SizeHint::with_exact(0),
            Outgoing::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Outgoing::Incoming(body) => body.size_hint(),
            Outgoing::Stream(body) => body.size_hint(),
        }
    }
}
