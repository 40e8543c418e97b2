//! What other threads ask of the workers. What a worker has never leaves its thread, so the question goes there: a function
//! that looks at the worker, and an answer. Must not know what is asked.

use std::{
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::worker::Worker;

/// A worker that takes longer is busy beyond measure, or at its end: it is left out.
const PATIENCE: Duration = Duration::from_secs(2);

/// A question, which sends its own answer.
pub type Ask = Box<dyn FnOnce(&Rc<Worker>) + Send>;

/// The way to every worker.
#[derive(Default)]
pub struct Asks {
    workers: Mutex<Vec<mpsc::UnboundedSender<Ask>>>,
    /// whose turn it is, where one is enough
    turn: AtomicUsize,
}

impl Asks {
    /// One more worker; it runs [`serve`] on what comes out.
    pub fn subscribe(&self) -> mpsc::UnboundedReceiver<Ask> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.workers.lock().push(sender);
        receiver
    }

    /// Asks one worker, another one each time; false when none is left.
    pub fn one(&self, ask: Ask) -> bool {
        let workers = self.workers.lock();
        let turn = self.turn.fetch_add(1, Relaxed);
        let worker = workers.get(turn.checked_rem(workers.len()).unwrap_or_default());
        worker.is_some_and(|worker| worker.send(ask).is_ok())
    }

    /// What each worker answers, but for those that are about to end.
    pub async fn each<T: Send + 'static>(&self, ask: impl Fn(&Rc<Worker>) -> T + Clone + Send + 'static) -> Vec<T> {
        let one = |worker: &mpsc::UnboundedSender<Ask>| {
            let (answer, wait) = oneshot::channel();
            let ask = ask.clone();
            let asked = worker.send(Box::new(move |worker| drop(answer.send(ask(worker)))));
            asked.is_ok().then_some(wait)
        };
        let waits: Vec<_> = self.workers.lock().iter().filter_map(one).collect();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut answers = Vec::with_capacity(waits.len());
        for wait in waits {
            if let Ok(Ok(answer)) = tokio::time::timeout_at(deadline, wait).await {
                answers.push(answer);
            }
        }
        answers
    }
}

/// Answers on a worker's thread, for as long as there is somebody to ask.
pub async fn serve(worker: Rc<Worker>, mut asks: mpsc::UnboundedReceiver<Ask>) {
    while let Some(ask) = asks.recv().await {
        ask(&worker);
    }
}
