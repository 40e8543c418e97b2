//! What the thread that swaps filters asks of the workers: an instance before a filter becomes active, and to let go of
//! those that are active no more. Instances never leave their thread, so the asking is done by message.

use std::{rc::Rc, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use weir_host::{Chain, Filter, Instances, LoadError, Warm};

/// A worker that is this late is not waited for: its first exchange makes the instance.
const PATIENCE: Duration = Duration::from_secs(2);

/// One thing to do.
pub enum Order {
    /// Keep this instance, or make one; the answer says whether there is one now.
    Warm(Arc<Filter>, Option<Box<Warm>>, oneshot::Sender<Result<(), LoadError>>),
    /// Keep instances of these filters only.
    Keep(Arc<Chain>),
}

/// The way to every worker.
#[derive(Default)]
pub struct Orders {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    workers: Vec<mpsc::UnboundedSender<Order>>,
    chain: Arc<Chain>,
}

impl Orders {
    /// One more worker; it runs [`serve_orders`] on what comes out, first of all instances of what is active already.
    pub fn subscribe(&self) -> mpsc::UnboundedReceiver<Order> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut state = self.state.lock();
        for filter in state.chain.filters() {
            // they started once, when they were loaded; should one not start again, its first exchange says so
            let _ = sender.send(Order::Warm(Arc::clone(filter), None, oneshot::channel().0));
        }
        state.workers.push(sender);
        receiver
    }

    /// Every worker makes an instance of the filter.
    ///
    /// # Errors
    /// It does not start on one of them.
    pub async fn warm(&self, filter: &Arc<Filter>) -> Result<(), LoadError> {
        let workers = self.state.lock().workers.len();
        let mut made = make(filter, workers).await?.into_iter();
        let ask = |worker: &mpsc::UnboundedSender<Order>| {
            let (answer, wait) = oneshot::channel();
            worker.send(Order::Warm(Arc::clone(filter), made.next(), answer)).is_ok().then_some(wait)
        };
        let waits: Vec<_> = self.state.lock().workers.iter().filter_map(ask).collect();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        for wait in waits {
            if let Ok(Ok(Err(error))) = tokio::time::timeout_at(deadline, wait).await {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Every worker lets go of instances of filters that are not in the chain.
    pub fn keep(&self, chain: &Arc<Chain>) {
        let mut state = self.state.lock();
        state.chain = Arc::clone(chain);
        state.workers.retain(|worker| worker.send(Order::Keep(Arc::clone(chain))).is_ok());
    }
}

/// Instances for so many workers, made off their threads: some guests take long to start, and exchanges do not wait for that.
async fn make(filter: &Arc<Filter>, workers: usize) -> Result<Vec<Box<Warm>>, LoadError> {
    if !filter.keeps_instances() {
        return Ok(Vec::new());
    }
    let filter = Arc::clone(filter);
    let made = tokio::task::spawn_blocking(move || (0..workers).map(|_| filter.warm().map(Box::new)).collect());
    // were that to end abnormally, each worker makes its own
    made.await.unwrap_or_else(|_| Ok(Vec::new()))
}

/// Carries out orders on a worker's thread, for as long as there is somebody to give them.
pub async fn serve_orders(instances: Rc<Instances>, mut orders: mpsc::UnboundedReceiver<Order>) {
    while let Some(order) = orders.recv().await {
        match order {
            Order::Warm(filter, warm, answer) => {
                if let Some(warm) = warm {
                    instances.adopt(*warm);
                }
                drop(answer.send(instances.prewarm(&filter)));
            }
            Order::Keep(chain) => instances.retire(chain.filters()),
        }
    }
}
