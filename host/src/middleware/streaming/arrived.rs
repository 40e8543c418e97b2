//! A body on its way in: read by the guest through a stream, or by nobody but the chain. Whoever has it, its end is told to
//! whoever asks for the trailers.

use std::{
    any::{Any, TypeId},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::Shared};
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::sync::oneshot;
use wasmtime::{
    StoreContextMut,
    component::{Destination, StreamProducer, StreamResult},
};
use wasmtime_wasi_http::Error;

use crate::{Direction, middleware::InputBody, state::State};

/// How a body ended.
#[derive(Debug, Clone)]
pub(super) enum End {
    Whole(Option<HeaderMap>),
    /// The rest will not come.
    Broken,
    /// Whoever had it wanted no more of it.
    Unread,
}

/// The end of a body, for as many as want to know.
pub(super) type Told = Shared<Pin<Box<dyn Future<Output = End> + Send>>>;

/// A body that came.
pub(super) struct Arrived {
    body: InputBody,
    of: Direction,
    /// Of a chunk that the guest took some of.
    rest: Bytes,
    read: bool,
    tell: Option<oneshot::Sender<End>>,
}

impl Arrived {
    pub(super) fn new(body: InputBody, of: Direction) -> (Self, Told) {
        let (tell, told) = oneshot::channel();
        let told = async { told.await.unwrap_or(End::Unread) };
        let told: Pin<Box<dyn Future<Output = End> + Send>> = Box::pin(told);
        (Self { body, of, rest: Bytes::new(), read: false, tell: Some(tell) }, told.shared())
    }

    /// Nobody has taken anything of it, and this is the way that it came: its length is what was said of it.
    pub(super) fn is_whole(&self, of: Direction) -> bool {
        !self.read && self.of == of
    }

    /// Something of the body waits in `rest`. False: there is no more.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return self.ends(End::Whole(None)),
                Some(Err(_)) => return self.ends(End::Broken),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) => self.rest = chunk,
                    Err(frame) => return self.ends(End::Whole(frame.into_trailers().ok())),
                },
            }
        }
        Poll::Ready(true)
    }

    fn ends(&mut self, end: End) -> Poll<bool> {
        self.tell(end);
        Poll::Ready(false)
    }

    fn tell(&mut self, end: End) {
        if let Some(tell) = self.tell.take() {
            // nobody may want to know
            let _ = tell.send(end);
        }
    }
}

impl Body for Arrived {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.rest)))));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            None => self.tell(End::Whole(None)),
            Some(Err(_)) => self.tell(End::Broken),
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    let trailers = trailers.clone();
                    self.tell(End::Whole(Some(trailers)));
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }
}

impl Drop for Arrived {
    fn drop(&mut self) {
        if self.is_end_stream() {
            self.tell(End::Whole(None));
        }
    }
}

/// What a guest has of a body: whoever takes it out takes the rest of it.
#[derive(Clone)]
pub(super) struct Held(Arc<Mutex<Option<Arrived>>>);

impl Held {
    pub(super) fn new(arrived: Arrived) -> Self {
        Self(Arc::new(Mutex::new(Some(arrived))))
    }

    pub(super) fn take(&self) -> Option<Arrived> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arrived>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StreamProducer<State> for Held {
    type Item = u8;
    type Buffer = Bytes;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, State>,
        mut destination: Destination<'a, u8, Bytes>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut held = self.lock();
        let Some(arrived) = held.as_mut() else { return Poll::Ready(Ok(StreamResult::Dropped)) };
        arrived.read = true;
        match arrived.poll_fill(cx) {
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(false) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Ready(true) => {}
        }
        match destination.remaining(&mut store) {
            // it asks whether there is something
            Some(0) => {}
            Some(room) => {
                let chunk = arrived.rest.split_to(room.min(arrived.rest.len()));
                let mut direct = destination.as_direct(store, chunk.len());
                direct.remaining()[..chunk.len()].copy_from_slice(&chunk);
                direct.mark_written(chunk.len());
            }
            None => destination.set_buffer(std::mem::take(&mut arrived.rest)),
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }

    fn try_into(me: Pin<Box<Self>>, wanted: TypeId) -> Result<Box<dyn Any>, Pin<Box<Self>>> {
        if wanted != TypeId::of::<Self>() {
            return Err(me);
        }
        let me: Box<Self> = Pin::into_inner(me);
        Ok(me)
    }
}
