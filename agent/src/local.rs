//! What hyper asks of a runtime, on this worker's thread. Enters: hyper's own tasks; leaves: local tasks, never `Send`.

use std::cell::OnceCell;
use std::future::Future;
use std::rc::Rc;

use tokio::task::AbortHandle;

#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

/// The same, for a connection that may have to be cut off: its first task is the connection itself (hyper's client of
/// HTTP/2), and without it all others end.
#[derive(Clone, Debug, Default)]
pub struct Tied(Rc<OnceCell<AbortHandle>>);

impl Tied {
    /// False, always: it is gone.
    pub fn abort(&self) -> bool {
        if let Some(task) = self.0.get() {
            task.abort();
        }
        false
    }
}

impl<F: Future + 'static> hyper::rt::Executor<F> for Tied {
    fn execute(&self, task: F) {
        let task = tokio::task::spawn_local(async move {
            task.await;
        });
        self.0.get_or_init(|| task.abort_handle());
    }
}

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(async move {
            task.await;
        });
    }
}
