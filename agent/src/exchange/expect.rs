//! `Expect: 100-continue`, end to end (RFC 9110 section 10.1.1). Enters: the upstream's 100, or its silence; leaves:
//! leave to read the client's body, upon which hyper tells the client to go on. An upstream that refuses by the head
//! alone thus spares the client its upload. Must not know filters.
//!
//! Other interim responses (102, 103) end here: hyper's server cannot send them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use http::{Request, StatusCode};
use tokio::time::Sleep;

/// An upstream may know nothing of 100 (Continue), so nobody waits for it for ever: this long is what clients wait.
const PATIENCE: Duration = Duration::from_secs(1);

/// Holds the request body back until the upstream wants it.
pub(super) struct Gate {
    opened: Arc<Opened>,
    patience: Pin<Box<Sleep>>,
}

/// `Send` and `Sync` only because hyper asks that of its callback.
#[derive(Default)]
struct Opened {
    open: AtomicBool,
    waker: AtomicWaker,
}

impl Gate {
    /// A gate that the upstream's 100 to this request opens.
    pub(super) fn new() -> Self {
        Gate { opened: Arc::default(), patience: Box::pin(tokio::time::sleep(PATIENCE)) }
    }

    pub(super) fn listen<B>(&self, request: &mut Request<B>) {
        let opened = Arc::clone(&self.opened);
        hyper::ext::on_informational(request, move |response| {
            if response.status() == StatusCode::CONTINUE {
                opened.open.store(true, Ordering::Release);
                opened.waker.wake();
            }
        });
    }

    pub(super) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.opened.waker.register(cx.waker());
        if self.opened.open.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        self.patience.as_mut().poll(cx)
    }
}
