//! A body on its way to an upstream. Enters: nothing, bytes, the client's body, or any local stream of frames; leaves:
//! what hyper's client polls. Must not know where a body comes from.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

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

/// How far a body has come; only for requests that have one.
pub(super) struct Progress {
    at: Cell<Instant>,
}

impl Progress {
    pub(super) fn at(&self) -> Instant {
        self.at.get()
    }
}

/// The body that connections are made for: an [`Outgoing`] that tells when it moved.
pub(super) struct Upward {
    body: Outgoing,
    progress: Option<Rc<Progress>>,
}

impl Upward {
    pub(super) fn new(body: Outgoing) -> (Self, Option<Rc<Progress>>) {
        let progress = (!body.is_end_stream()).then(|| Rc::new(Progress { at: Cell::new(Instant::now()) }));
        (Upward { body, progress: progress.clone() }, progress)
    }
}

impl Body for Upward {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(progress) = &self.progress {
            progress.at.set(Instant::now());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
