//! Guests that run beside the exchange: those of `wasi:http/middleware` and of `weir:filter/stream-filter`. An agent polls them on the exchange's worker; here they have
//! the thread to themselves whenever the exchange waits.

use std::{future::poll_fn, io, task::Poll};

use tokio::runtime::{Builder, Runtime};
use weir_host::{Direction, Run, Task};

/// The guests of one exchange.
pub(crate) struct Guests<'a> {
    runtime: &'a Runtime,
    tasks: Vec<Task>,
}

/// For the timers of guests.
pub(crate) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_time().build()
}

impl<'a> Guests<'a> {
    pub(crate) fn new(runtime: &'a Runtime) -> Self {
        Self { runtime, tasks: Vec::new() }
    }

    /// Lets them work until what waits can go on, one of them calls somebody, or nobody is left to bring that about. A guest that stalls fails in time.
    pub(crate) fn work(&mut self, run: &mut Run, direction: Direction) {
        self.runtime.block_on(poll_fn(|cx| {
            self.tasks.extend(run.take_tasks());
            run.listen(direction, cx.waker());
            self.tasks.retain_mut(|task| task.as_mut().poll(cx).is_pending());
            if run.can_resume(direction) || run.has_calls() || self.tasks.is_empty() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
    }
}
