//! Runs the guest of one exchange: a store of its own, from the request to the end of the exchange. What comes of it goes
//! over the wire. A task of the worker's: it is polled beside the exchange that it serves, and never blocks it.

use std::{
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::Request;
use wasmtime::Store;

use super::{InputBody, Wire, standard, streaming};
use crate::{
    Exchange, Failure, FailureKind, Filter, clock, filter::Code, instance, room::Place, state::Memory, stats::Tally,
};

/// Runs one guest. Dropped, it takes the guest with it; done, the guest is gone.
pub type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Tasks, streams and futures that a guest may have at once.
const TASKS: usize = 10_000;

/// What an answer may need beside its payload: fields, lengths, the guest's own slack.
const HOSTCALL_SLACK: usize = 256 << 10;

pub(super) const START: &str = "instantiate";

/// It has more tasks than [`TASKS`].
#[derive(Debug, thiserror::Error)]
#[error("it has more than {TASKS} tasks, streams and futures at once")]
pub(crate) struct TooManyTasks;

/// A guest for one exchange.
pub(crate) fn start(
    filter: &Arc<Filter>,
    wire: &Arc<Wire>,
    request: Request<InputBody>,
    exchange: &Exchange,
    place: Place,
) -> Task {
    filter.stats().instance_made();
    filter.stats().exchange();
    let account = Account { filter: Arc::clone(filter), wire: Arc::clone(wire), _place: place };
    let limit = Duration::from_millis(filter.publication().limits.stall_ms.into());
    let (of, to) = (Arc::clone(filter), Arc::clone(wire));
    let guest: Guest = match filter.code() {
        Code::Streaming(_) => Box::pin(streaming::serve(of, to, streaming::copy(exchange, request))),
        Code::Events(_) | Code::Middleware(_) => Box::pin(standard::serve(of, to, request)),
    };
    Box::pin(Driven { guest: Some(guest), watch: None, limit, account })
}

type Guest = Pin<Box<dyn Future<Output = ()>>>;

/// The guest, its time and its end.
struct Driven {
    guest: Option<Guest>,
    /// Looks now and then whether it still moves.
    watch: Option<Pin<Box<tokio::time::Sleep>>>,
    limit: Duration,
    account: Account,
}

impl Future for Driven {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.account.wire.poll_closed(cx).is_ready() {
            this.guest = None;
            return Poll::Ready(());
        }
        let Some(guest) = &mut this.guest else { return Poll::Ready(()) };
        let polled = this.account.timed(|| guest.as_mut().poll(cx));
        // behind its turn: on a busy machine it may have had none for as long as it may do nothing
        if polled.is_ready() || this.has_stalled(cx) {
            this.guest = None;
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Driven {
    fn has_stalled(&mut self, cx: &mut Context<'_>) -> bool {
        let (wire, limit) = (Arc::clone(&self.account.wire), self.limit);
        let pause = (limit / 4).max(Duration::from_millis(10));
        let watch = self.watch.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
        while watch.as_mut().poll(cx).is_ready() {
            let stalled = wire.stalled(limit);
            if let Some(reason) = stalled.filter(|_| !stretch(&wire).goes_on()) {
                wire.fail(self.account.filter.failure(wire.phase(), FailureKind::Stalled, reason));
                return true;
            }
            watch.as_mut().reset(tokio::time::Instant::now() + pause);
        }
        false
    }
}

/// What it costs.
struct Account {
    filter: Arc<Filter>,
    wire: Arc<Wire>,
    _place: Place,
}

impl Account {
    fn timed<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        stretch(&self.wire).enter();
        let begin = clock::ticks();
        let polled = poll();
        self.wire.works(clock::ticks().saturating_sub(begin));
        stretch(&self.wire).leave();
        polled
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let [bytes_in, bytes_out] = self.wire.copied();
        let mut tally = Tally::default();
        (tally.bytes_in, tally.bytes_out) = (bytes_in, bytes_out);
        tally.called(self.wire.busy());
        let stats = self.filter.stats();
        stats.add(tally);
        stats.instance_gone();
    }
}

fn stretch(wire: &Wire) -> std::sync::MutexGuard<'_, super::stretch::Stretch> {
    wire.cpu.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bounds of a store in which such a guest runs.
pub(super) fn bound<T: Send + 'static>(
    store: &mut Store<T>,
    filter: &Filter,
    wire: &Arc<Wire>,
    memory: impl Fn(&mut T) -> &mut Memory + Send + Sync + 'static,
) {
    store.limiter(move |data| memory(data));
    store.set_epoch_deadline(1);
    store.set_hostcall_fuel(2 * filter.publication().limits.answer_bytes as usize + HOSTCALL_SLACK);
    let wire = Arc::clone(wire);
    store.epoch_deadline_callback(move |mut store| {
        if store.concurrent_state_table_size() > TASKS {
            return Err(TooManyTasks.into());
        }
        Ok(stretch(&wire).tick(clock::thread_cpu())?)
    });
}

/// Why it failed.
pub(super) fn explain(filter: &Filter, memory: &Memory, phase: &'static str, error: &wasmtime::Error) -> Failure {
    if let Some(breach) = error.downcast_ref::<TooManyTasks>() {
        return filter.failure(phase, FailureKind::Contract, breach.to_string());
    }
    let (kind, reason) = instance::explain(error, memory);
    let kind = if phase == START && kind == FailureKind::Trap { FailureKind::Instantiate } else { kind };
    filter.failure(phase, kind, reason)
}
