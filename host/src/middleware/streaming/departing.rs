//! A body on its way out: one that came in, or what the guest writes; and then its trailers.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName};
use http_body::{Body, Frame};
use tokio::sync::{mpsc, oneshot};
use wasmtime::{
    StoreContextMut,
    component::{FutureConsumer, Source, StreamConsumer, StreamResult},
};
use wasmtime_wasi_http::Error;

use super::{
    arrived::{Arrived, End, Told},
    duct::{Reader, Writer},
};
use crate::{
    FailureKind, Filter,
    imports::{HEAD_BYTES, HEAD_LINES},
    middleware::Wire,
    state::State,
};

/// Field lines as the guest has them, or that it breaks off.
pub(super) type Lines = Result<Option<Vec<(String, String)>>, ()>;

/// One chunk out of a guest.
const CHUNK: usize = 64 << 10;

/// A body on its way out.
pub(super) struct Departing {
    pub(super) content: Content,
    pub(super) tail: Tail,
    pub(super) filter: Arc<Filter>,
    pub(super) wire: Arc<Wire>,
    /// Something of it is still to come from the guest.
    pub(super) _made: Option<mpsc::Sender<()>>,
}

/// Where the bytes come from.
pub(super) enum Content {
    Nothing,
    Arrived(Arrived),
    Made(Reader),
}

/// What comes after them.
pub(super) enum Tail {
    Nothing,
    AsItCame(Told),
    Made(oneshot::Receiver<Lines>),
}

type Polled = Poll<Option<Result<Frame<Bytes>, Error>>>;

impl Departing {
    fn poll_content(&mut self, cx: &mut Context<'_>) -> Polled {
        match &mut self.content {
            Content::Nothing => return Poll::Ready(None),
            Content::Arrived(arrived) => match ready!(Pin::new(arrived).poll_frame(cx)) {
                Some(Ok(frame)) if frame.is_data() => return Poll::Ready(Some(Ok(frame))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                // the trailers it has told, too
                Some(Ok(_)) | None => {}
            },
            Content::Made(reader) => {
                if let Some(chunk) = ready!(reader.poll_chunk(cx)) {
                    return Poll::Ready(Some(Ok(Frame::data(chunk))));
                }
                if self.wire.failure().is_some() {
                    return broken();
                }
            }
        }
        self.content = Content::Nothing;
        Poll::Ready(None)
    }

    fn poll_tail(&mut self, cx: &mut Context<'_>) -> Polled {
        let trailers = match &mut self.tail {
            Tail::Nothing => None,
            Tail::AsItCame(told) => match ready!(told.poll_unpin(cx)) {
                End::Whole(trailers) => trailers,
                End::Unread => None,
                End::Broken => return broken(),
            },
            Tail::Made(told) => match ready!(told.poll_unpin(cx)) {
                Ok(Ok(None)) => None,
                Ok(Ok(Some(lines))) => match fields(lines) {
                    Some(trailers) => Some(trailers),
                    None => {
                        let reason = "it gives trailers that are no valid fields".to_owned();
                        self.wire.fail(self.filter.failure(self.wire.phase(), FailureKind::Contract, reason));
                        return broken();
                    }
                },
                Ok(Err(())) => {
                    self.wire.abort();
                    return broken();
                }
                // it went without a word
                Err(_) => return broken(),
            },
        };
        self.tail = Tail::Nothing;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }
}

fn broken() -> Polled {
    Poll::Ready(Some(Err(Error::ConnectionTerminated)))
}

/// None: they are no fields, or more than there may be.
fn fields(lines: Vec<(String, String)>) -> Option<HeaderMap> {
    let bytes: usize = lines.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > HEAD_BYTES || lines.len() > HEAD_LINES {
        return None;
    }
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        fields.try_append(name, crate::imports::parse_value(&value).ok()?).ok()?;
    }
    Some(fields)
}

impl Body for Departing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        match ready!(self.poll_content(cx)) {
            Some(frame) => Poll::Ready(Some(frame)),
            None => self.poll_tail(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        let is_through = match &self.content {
            Content::Nothing => true,
            Content::Arrived(arrived) => arrived.is_end_stream(),
            Content::Made(_) => false,
        };
        // one that came tells that there are no trailers when it goes
        is_through && !matches!(self.tail, Tail::Made(_)) && !self.has_trailers()
    }
}

impl Departing {
    /// They are known already, and there are some.
    fn has_trailers(&self) -> bool {
        let Tail::AsItCame(told) = &self.tail else { return false };
        match &self.content {
            Content::Nothing => !matches!(told.peek(), Some(End::Whole(None) | End::Unread)),
            Content::Arrived(_) | Content::Made(_) => false,
        }
    }
}

/// Takes what a guest writes, as there is room for it.
pub(super) struct Taking(pub(super) Writer);

impl StreamConsumer<State> for Taking {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<State>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        match self.0.poll_room(cx) {
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
            Poll::Ready(false) => Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Ready(true) => {
                let mut source = source.as_direct(store);
                let written = source.remaining();
                let chunk = Bytes::copy_from_slice(&written[..written.len().min(CHUNK)]);
                source.mark_read(chunk.len());
                if !chunk.is_empty() {
                    self.0.put(chunk);
                }
                Poll::Ready(Ok(StreamResult::Completed))
            }
        }
    }
}

/// Takes the trailers of a guest.
pub(super) struct TakingLines(pub(super) Option<oneshot::Sender<Lines>>);

impl FutureConsumer<State> for TakingLines {
    type Item = Lines;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<State>,
        mut source: Source<'_, Lines>,
        _: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut lines = None;
        source.read(store, &mut lines)?;
        if let (Some(lines), Some(tell)) = (lines, self.0.take()) {
            // whoever asked may have gone
            let _ = tell.send(lines);
        }
        Poll::Ready(Ok(()))
    }
}
