//! What a guest writes, on its way to the chain: one chunk, and whoever waits for the other end.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

#[derive(Default)]
struct Inner {
    chunk: Option<Bytes>,
    /// One of the ends is gone.
    closed: bool,
    waiting: Option<Waker>,
}

/// The end that takes chunks in.
pub(super) struct Writer(Arc<Mutex<Inner>>);

/// The end that gives them.
pub(super) struct Reader(Arc<Mutex<Inner>>);

pub(super) fn duct() -> (Writer, Reader) {
    let inner = Arc::<Mutex<Inner>>::default();
    (Writer(Arc::clone(&inner)), Reader(inner))
}

impl Writer {
    /// Room for a chunk: false when nobody reads.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<bool> {
        let mut inner = lock(&self.0);
        if inner.closed {
            return Poll::Ready(false);
        }
        if inner.chunk.is_none() {
            return Poll::Ready(true);
        }
        inner.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    /// To be called when there is room.
    pub(super) fn put(&self, chunk: Bytes) {
        let mut inner = lock(&self.0);
        inner.chunk = Some(chunk);
        wake(inner);
    }
}

impl Reader {
    /// The next chunk; none when there will be no more.
    pub(super) fn poll_chunk(&self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        let mut inner = lock(&self.0);
        if let Some(chunk) = inner.chunk.take() {
            wake(inner);
            return Poll::Ready(Some(chunk));
        }
        if inner.closed {
            return Poll::Ready(None);
        }
        inner.waiting = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        close(&self.0);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        close(&self.0);
    }
}

fn close(inner: &Mutex<Inner>) {
    let mut inner = lock(inner);
    inner.closed = true;
    wake(inner);
}

/// There is never more than one who waits: a full duct has only its writer wait, an empty one its reader.
fn wake(mut inner: MutexGuard<'_, Inner>) {
    let waiting = inner.waiting.take();
    drop(inner);
    if let Some(waiting) = waiting {
        waiting.wake();
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_after_the_writer_went() {
        let cx = Context::from_waker(Waker::noop());
        let (writer, reader) = duct();
        assert!(reader.poll_chunk(&cx).is_pending());
        assert_eq!(writer.poll_room(&cx), Poll::Ready(true));
        writer.put(Bytes::from_static(b"a"));
        assert!(writer.poll_room(&cx).is_pending(), "one chunk, no more");
        drop(writer);
        assert_eq!(reader.poll_chunk(&cx), Poll::Ready(Some(Bytes::from_static(b"a"))));
        assert_eq!(reader.poll_chunk(&cx), Poll::Ready(None));
    }

    #[test]
    fn nobody_writes_for_nobody() {
        let cx = Context::from_waker(Waker::noop());
        let (writer, reader) = duct();
        drop(reader);
        assert_eq!(writer.poll_room(&cx), Poll::Ready(false));
    }
}
