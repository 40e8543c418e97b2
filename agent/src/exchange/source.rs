//! Where a body comes from. Enters: a client's, an upstream's or a filter's bytes; leaves: their frames, with who broke off.
//! Must not know what becomes of them.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::body::Broken;
use crate::upstream::Received;

pub(super) enum Source {
    Client(Incoming),
    Upstream(Received),
    Local(Option<Bytes>),
    /// with trailers behind it, which are there until they have gone
    Trailed(Option<Bytes>, Option<HeaderMap>),
}

impl Source {
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self {
            Source::Client(body) => Pin::new(body).poll_frame(cx).map_err(Broken::Client),
            Source::Upstream(body) => Pin::new(body).poll_frame(cx).map_err(Broken::Upstream),
            Source::Local(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Source::Trailed(bytes, trailers) => {
                let data = bytes.take().map(Frame::data);
                Poll::Ready(data.or_else(|| trailers.take().map(Frame::trailers)).map(Ok))
            }
        }
    }

    /// Of the whole, before any of it was read.
    pub(super) fn len(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    pub(super) fn is_end_stream(&self) -> bool {
        match self {
            Source::Client(body) => body.is_end_stream(),
            Source::Upstream(body) => body.is_end_stream(),
            Source::Local(bytes) => bytes.is_none(),
            Source::Trailed(bytes, trailers) => bytes.is_none() && trailers.is_none(),
        }
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Source::Client(body) => body.size_hint(),
            Source::Upstream(body) => body.size_hint(),
            Source::Local(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            // over HTTP/1.1 only a chunked body has trailers (RFC 9112 section 7.1.2)
            Source::Trailed(..) => SizeHint::default(),
        }
    }
}
