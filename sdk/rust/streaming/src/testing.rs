//! Bodies for tests of what a filter makes of them.
//!
//! ```
//! use weir_streaming::{Body, testing};
//!
//! let mut body = testing::body(["one ", "two"], None);
//! let doubled = Body::written(async move |out| {
//!     while let Some(chunk) = body.chunk().await {
//!         out.write(chunk.repeat(2)).await?;
//!     }
//!     Ok(())
//! });
//! assert_eq!(testing::whole(doubled).0, b"one one twotwo");
//! ```

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use weir_sdk::LocalResponse;

use crate::{Body, BrokenOff, Fields, Reply, native};

/// A body that came in these chunks.
pub fn body(chunks: impl IntoIterator<Item = impl Into<Vec<u8>>>, trailers: Option<Fields>) -> Body {
    Body(native::Body::of(chunks.into_iter().map(Into::into), trailers))
}

/// All that a filter writes, and the trailers that it gives.
pub fn whole(body: Body) -> (Vec<u8>, Result<Option<Fields>, BrokenOff>) {
    now(body.0.whole())
}

/// Head and body of an answer; without a body of its own, that of the head counts.
pub fn parts(reply: Reply) -> (LocalResponse, Option<Body>) {
    (reply.head, reply.body)
}

/// What a hook comes to. Nothing waits in a native build: bodies are there, and time passes at once.
///
/// # Panics
/// It waits for something else.
#[allow(clippy::panic, reason = "a test that waits for ever says why")]
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it waits for something that no agent gives"),
    }
}
