//! Runs the guest of one exchange: a store of its own, from the request to the end of the exchange. What comes of it goes
//! over the wire. A task of the worker's: it is polled beside the exchange that it serves, and never blocks it.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::Request;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi_http::p3::bindings::Service;

use super::{
    InputBody, Wire,
    data::{self, Data},
};
use crate::{Failure, FailureKind, Filter, LoadFault, clock, instance, room::Place, state::Cpu, stats::Tally};

/// Runs one guest. Dropped, it takes the guest with it.
pub type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Tasks, streams and futures that a guest may have at once.
const TASKS: usize = 10_000;

/// What an answer may need beside its payload: fields, lengths, the guest's own slack.
const HOSTCALL_SLACK: usize = 256 << 10;

const START: &str = "instantiate";
const HANDLE: &str = "handle";

/// It has more tasks than [`TASKS`].
#[derive(Debug, thiserror::Error)]
#[error("it has more than {TASKS} tasks, streams and futures at once")]
pub(crate) struct TooManyTasks;

/// A guest for one exchange.
pub(crate) fn start(filter: &Arc<Filter>, wire: &Arc<Wire>, request: Request<InputBody>, place: Place) -> Task {
    filter.stats().instance_made();
    filter.stats().exchange();
    let account = Account { filter: Arc::clone(filter), wire: Arc::clone(wire), busy: 0, _place: place };
    let limit = Duration::from_millis(filter.publication().limits.stall_ms.into());
    Box::pin(Driven {
        guest: Some(Box::pin(serve(Arc::clone(filter), Arc::clone(wire), request))),
        watch: None,
        limit,
        account,
    })
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
        if this.account.wire.poll_closed(cx).is_ready() || this.has_stalled(cx) {
            this.guest = None;
            return Poll::Ready(());
        }
        let Some(guest) = &mut this.guest else { return Poll::Ready(()) };
        let polled = this.account.timed(|| guest.as_mut().poll(cx));
        if polled.is_ready() {
            this.guest = None;
        }
        polled
    }
}

impl Driven {
    fn has_stalled(&mut self, cx: &mut Context<'_>) -> bool {
        let (wire, limit) = (Arc::clone(&self.account.wire), self.limit);
        let pause = (limit / 4).max(Duration::from_millis(10));
        let watch = self.watch.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
        while watch.as_mut().poll(cx).is_ready() {
            if wire.stalled(limit) && !stretch(&wire).goes_on() {
                let reason = format!("it did nothing for {} ms while the exchange waited for it", limit.as_millis());
                wire.fail(self.account.filter.failure(HANDLE, FailureKind::Stalled, reason));
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
    busy: u64,
    _place: Place,
}

impl Account {
    fn timed<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        stretch(&self.wire).enter();
        let begin = clock::ticks();
        let polled = poll();
        self.busy += clock::ticks().saturating_sub(begin);
        stretch(&self.wire).leave();
        polled
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let [bytes_in, bytes_out] = self.wire.copied();
        let mut tally = Tally::default();
        (tally.bytes_in, tally.bytes_out) = (bytes_in, bytes_out);
        tally.called(self.busy);
        let stats = self.filter.stats();
        stats.add(tally);
        stats.instance_gone();
    }
}

fn stretch(wire: &Wire) -> std::sync::MutexGuard<'_, super::stretch::Stretch> {
    wire.cpu.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every end of it is told over the wire, and before the store goes: what goes with it tells the chain nothing.
async fn serve(filter: Arc<Filter>, wire: Arc<Wire>, request: Request<InputBody>) {
    let mut store = store(&filter, &wire);
    store.epoch_deadline_callback(|mut store| {
        if store.concurrent_state_table_size() > TASKS {
            return Err(TooManyTasks.into());
        }
        let wire = Arc::clone(&store.data().wire);
        Ok(stretch(&wire).tick(clock::thread_cpu())?)
    });
    let service = match filter.middleware().service.instantiate_async(&mut store).await {
        Ok(service) => service,
        Err(error) => return wire.fail(explain(&filter, &store, START, &error)),
    };
    let served = store.run_concurrent(async |accessor| handle(accessor, &service, request, &wire).await).await;
    if let Err(error) = served.flatten() {
        wire.fail(explain(&filter, &store, HANDLE, &error));
    }
}

async fn handle(
    accessor: &wasmtime::component::Accessor<Data>,
    service: &Service,
    request: Request<InputBody>,
    wire: &Wire,
) -> wasmtime::Result<()> {
    let request = data::incoming(accessor, request);
    match service.handle(accessor, request).await? {
        Ok(response) => wire.respond(Ok(data::outgoing(accessor, response)?)),
        Err(code) => wire.respond(Err(format!("{code:?}"))),
    }
    // the bodies go on, and what the guest has begun beside them
    poll_fn(|cx| wire.poll_closed(cx)).await;
    Ok(())
}

fn store(filter: &Arc<Filter>, wire: &Arc<Wire>) -> Store<Data> {
    let limits = &filter.publication().limits;
    let mut store = Store::new(filter.host().concurrent_engine(), Data::new(filter, Arc::clone(wire)));
    store.limiter(|data| &mut data.memory);
    store.set_epoch_deadline(1);
    store.set_hostcall_fuel(2 * limits.answer_bytes as usize + HOSTCALL_SLACK);
    store
}

fn explain(filter: &Filter, store: &Store<Data>, phase: &'static str, error: &wasmtime::Error) -> Failure {
    if let Some(breach) = error.downcast_ref::<TooManyTasks>() {
        return filter.failure(phase, FailureKind::Contract, breach.to_string());
    }
    let (kind, reason) = instance::explain(error, &store.data().memory);
    let kind = if phase == START && kind == FailureKind::Trap { FailureKind::Instantiate } else { kind };
    filter.failure(phase, kind, reason)
}

/// A start that serves nobody: does it come up within its limits?
pub(super) struct Trial;

impl Trial {
    pub(super) async fn of(filter: &Arc<Filter>) -> Result<(), LoadFault> {
        let limits = &filter.publication().limits;
        let mut cpu = Cpu { limit: Duration::from_millis(limits.startup_ms.into()), since: None };
        let wire = Arc::new(Wire::new(cpu.limit));
        let mut store = store(filter, &wire);
        store.epoch_deadline_callback(move |_| cpu.tick().map(|_| UpdateDeadline::Continue(1)).map_err(Into::into));
        let started = filter.middleware().service.instantiate_async(&mut store).await;
        let fault = |error| LoadFault::Instantiate(instance::explain(&error, &store.data().memory).1);
        started.map(drop).map_err(fault)
    }
}
