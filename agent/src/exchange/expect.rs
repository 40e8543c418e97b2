//! `Expect: 100-continue`, end to end (RFC 9110 section 10.1.1). Enters: the upstream's 100, or its silence; leaves:
//! leave to read the client's body, upon which hyper tells the client to go on. An upstream that refuses by the head
//! alone thus spares the client its upload; after such an answer the body is never read. Must not know filters.
//!
//! Other interim responses (102, 103) end here: hyper's server cannot send them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use http::{Request, StatusCode};
use tokio::time::Sleep;

/// An upstream may know nothing of 100 (Continue), so nobody waits for it for ever: this long is what clients wait.
const PATIENCE: Duration = Duration::from_secs(1);

/// Holds the request body back until the upstream wants it.
pub(super) struct Gate {
    leave: Arc<Leave>,
    patience: Pin<Box<Sleep>>,
}

const WAITS: u8 = 0;
const OPEN: u8 = 1;
/// The final response came first: what the client sends next is no body.
const CLOSED: u8 = 2;
/// and the response is out, so that nothing needs the upstream's connection any more
const OVER: u8 = 3;

/// Leave to read the client's body. `Send` and `Sync` only because hyper asks that of its callback.
#[derive(Default)]
pub(super) struct Leave {
    state: AtomicU8,
    waker: AtomicWaker,
}

impl Leave {
    fn change(&self, from: u8, to: u8) -> bool {
        let changed = self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if changed {
            self.waker.wake();
        }
        changed
    }

    /// A final response is there. True where the gate never opened: then it stays closed for good, and the client has to
    /// be told that its connection ends, since it may send its body all the same, or another request in place of it.
    pub(super) fn close(&self) -> bool {
        self.change(WAITS, CLOSED)
    }

    /// That response is out.
    pub(super) fn end(&self) {
        self.change(CLOSED, OVER);
    }
}

impl Gate {
    /// A gate that the upstream's 100 to this request opens.
    pub(super) fn new() -> Self {
        Gate { leave: Arc::default(), patience: Box::pin(tokio::time::sleep(PATIENCE)) }
    }

    pub(super) fn leave(&self) -> Arc<Leave> {
        Arc::clone(&self.leave)
    }

    pub(super) fn listen<B>(&self, request: &mut Request<B>) {
        let leave = self.leave();
        hyper::ext::on_informational(request, move |response| {
            if response.status() == StatusCode::CONTINUE {
                leave.change(WAITS, OPEN);
            }
        });
    }

    /// False: it never will be open.
    pub(super) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.leave.waker.register(cx.waker());
        match self.leave.state.load(Ordering::Acquire) {
            OPEN => Poll::Ready(true),
            CLOSED => Poll::Pending,
            OVER => Poll::Ready(false),
            _ => {
                ready!(self.patience.as_mut().poll(cx));
                self.leave.change(WAITS, OPEN);
                Poll::Ready(true)
            }
        }
    }
}
