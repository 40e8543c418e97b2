//! Bodies in a native build, for tests: all there from the beginning, written into memory.

use std::{cell::RefCell, collections::VecDeque, future::Future, pin::Pin, rc::Rc};

use weir_sdk::{CallOutcome, CallRequest, CallResponse, UpstreamError, streaming as sdk};

use crate::{BrokenOff, FetchError, Fields, Gone, Writer as Out};

type Written = Pin<Box<dyn Future<Output = Result<Option<Fields>, BrokenOff>>>>;

type Chunks = Rc<RefCell<VecDeque<Vec<u8>>>>;

pub(crate) struct Body {
    chunks: Chunks,
    trailers: Written,
}

pub(crate) struct Writer(Chunks);

impl Body {
    pub(crate) fn of(chunks: impl IntoIterator<Item = Vec<u8>>, trailers: Option<Fields>) -> Self {
        let chunks: VecDeque<_> = chunks.into_iter().filter(|chunk| !chunk.is_empty()).collect();
        Self { chunks: Rc::new(RefCell::new(chunks)), trailers: Box::pin(async { Ok(trailers) }) }
    }

    /// Everything, and what comes after it.
    pub(crate) async fn whole(self) -> (Vec<u8>, Result<Option<Fields>, BrokenOff>) {
        let trailers = self.trailers.await;
        let written = self.chunks.take().into_iter().flatten().collect();
        (written, trailers)
    }

    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        self.chunks.borrow_mut().pop_front()
    }

    pub(crate) async fn trailers(self) -> Result<Option<Fields>, BrokenOff> {
        self.trailers.await
    }

    pub(crate) fn followed_by(
        self,
        trailers: impl AsyncFnOnce() -> Result<Option<Fields>, BrokenOff> + 'static,
    ) -> Self {
        let written = self.trailers;
        let trailers = Box::pin(async move {
            written.await?;
            trailers().await
        });
        Self { chunks: self.chunks, trailers }
    }

    pub(crate) fn written(write: impl AsyncFnOnce(&mut Out) + 'static) -> Self {
        Self::written_with_trailers(async move |out: &mut Out| {
            write(out).await;
            Ok(None)
        })
    }

    pub(crate) fn written_with_trailers(
        write: impl AsyncFnOnce(&mut Out) -> Result<Option<Fields>, BrokenOff> + 'static,
    ) -> Self {
        let chunks = Chunks::default();
        let mut out = Out(Writer(Rc::clone(&chunks)));
        Self { chunks, trailers: Box::pin(async move { write(&mut out).await }) }
    }
}

impl Writer {
    pub(crate) async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Gone> {
        self.0.borrow_mut().push_back(bytes);
        Ok(())
    }
}

/// What the test says.
pub(crate) async fn send(of: u32, upstream: &str, request: &CallRequest) -> Result<CallResponse, FetchError> {
    match sdk::call(of, upstream, request).map_err(FetchError::NotSent)? {
        CallOutcome::Response(response) => Ok(response),
        CallOutcome::Failed(error) => Err(FetchError::Failed(error)),
        // of a timer, which this is not
        CallOutcome::Elapsed => Err(FetchError::Failed(UpstreamError::Timeout)),
    }
}

/// Time passes at once.
pub(crate) async fn sleep(_: u32) {}
