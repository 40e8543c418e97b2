//! What hyper asks of a runtime, on this worker's thread. Enters: hyper's own tasks; leaves: local tasks, never `Send`.

use std::future::Future;

#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(async move {
            task.await;
        });
    }
}
