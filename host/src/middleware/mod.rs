//! Filters whose guests run beside their exchanges: those of the standard world `wasi:http/middleware`, which take a request,
//! hand one on to whatever comes next and give back a response, and those of `weir:filter/stream-filter`. Their engine, apart
//! from that of the other filters: they need concurrency support, which costs every call there. It starts with the first
//! component that needs it.

mod body;
mod drive;
mod standard;
mod streaming;
mod stretch;
mod wire;

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use tokio::runtime::{Builder, Handle, Runtime};
use wasmtime::{Engine, component::Component};
use weir_artifact::Artifact;

pub use self::drive::Task;
pub(crate) use self::{
    body::InputBody,
    drive::start,
    standard::{Compiled, is_agents_own},
    streaming::Compiled as StreamCompiled,
    wire::{Answered, Ending, Wire},
};
use crate::{
    BodyMode, Filter, HostConfig, HostError, LoadFault, Subscription, Tag, World,
    compiled::Compilations,
    engine::{self, Ticker},
    room::Room,
};

/// A component of the standard world has all of every exchange.
const SEES_ALL: Subscription = Subscription {
    request_head: true,
    request_body: BodyMode::Transform,
    request_trailers: true,
    response_head: true,
    response_body: BodyMode::Transform,
    response_trailers: true,
    decoded: false,
    max_buffer: 0,
};

/// What the chain lets a guest have that runs beside the exchange: everything passes where it stands, whatever it asked to be
/// shown.
pub(crate) fn reach(asked: Subscription) -> Subscription {
    Subscription { decoded: asked.decoded, ..SEES_ALL }
}

/// Tags that an exchange has when its response comes.
#[derive(Clone)]
pub(crate) struct Tags(pub(crate) Vec<Tag>);

/// What all middleware of one agent shares.
pub(crate) struct Tier {
    engine: Engine,
    standard: standard::Workshop,
    streaming: streaming::Workshop,
    room: Arc<Room>,
    compilations: Compilations<Compiled>,
    stream_compilations: Compilations<StreamCompiled>,
    _ticker: Ticker,
}

/// None as long as no filter needs it.
pub(crate) struct Lazy {
    config: HostConfig,
    tier: OnceLock<Tier>,
    starting: Mutex<()>,
}

impl Lazy {
    pub(crate) fn new(config: HostConfig) -> Self {
        Self { config, tier: OnceLock::new(), starting: Mutex::new(()) }
    }

    /// Starts it the first time.
    pub(crate) fn start(&self) -> Result<&Tier, LoadFault> {
        let _one_at_a_time = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tier) = self.tier.get() {
            return Ok(tier);
        }
        let tier = Tier::start(&self.config).map_err(|error| LoadFault::Instantiate(error.to_string()))?;
        Ok(self.tier.get_or_init(|| tier))
    }

    /// The engine of a filter that was loaded by it.
    pub(crate) fn started(&self) -> &Tier {
        self.tier.get().expect("middleware is compiled before anything is made of it")
    }
}

impl Tier {
    fn start(config: &HostConfig) -> Result<Self, HostError> {
        let engine = engine::start_concurrent(config)?;
        let ticker = Ticker::start(&engine)?;
        let wrong = |error: wasmtime::Error| HostError::Engine(format!("{error:#}"));
        Ok(Self {
            standard: standard::Workshop::open(&engine).map_err(wrong)?,
            streaming: streaming::Workshop::open(&engine).map_err(wrong)?,
            room: Room::new(engine::concurrent_room(config.workers)),
            compilations: Compilations::default(),
            stream_compilations: Compilations::default(),
            _ticker: ticker,
            engine,
        })
    }

    /// Compiles a component of the standard world, unless a live generation has done so.
    pub(crate) fn compile(&self, artifact: &Artifact) -> Result<Arc<Compiled>, LoadFault> {
        self.compilations.of(artifact, || self.standard.compile(&self.component(artifact)?).map_err(misfit))
    }

    /// Compiles a component of the world `stream-filter`, unless a live generation has done so.
    pub(crate) fn compile_stream(&self, artifact: &Artifact) -> Result<Arc<StreamCompiled>, LoadFault> {
        self.stream_compilations.of(artifact, || self.streaming.compile(&self.component(artifact)?).map_err(misfit))
    }

    fn component(&self, artifact: &Artifact) -> Result<Component, LoadFault> {
        Component::from_binary(&self.engine, artifact.component())
            .map_err(|error| LoadFault::Compile(format!("{error:#}")))
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn room(&self) -> &Arc<Room> {
        &self.room
    }
}

fn misfit(error: wasmtime::Error) -> LoadFault {
    LoadFault::Link(format!("{error:#}"))
}

/// Does it start at all, and does its configuration suit it? Then what it wants to see.
pub(crate) fn try_out(filter: &Arc<Filter>) -> Result<Subscription, LoadFault> {
    let limit = Duration::from_millis(filter.publication().limits.startup_ms.into());
    let waits = || LoadFault::Instantiate(format!("it waited for {} ms, for nothing that comes", limit.as_millis()));
    if filter.world() == World::StreamFilter {
        return now(limit, streaming::trial(filter)).unwrap_or_else(|| Err(waits()));
    }
    if !filter.takes_no_config() {
        let message = "a component of wasi:http/middleware takes no configuration: leave it out".to_owned();
        return Err(LoadFault::Config { problems: vec![crate::Problem { pointer: String::new(), message }] });
    }
    now(limit, standard::trial(filter)).unwrap_or_else(|| Err(waits())).map(|()| SEES_ALL)
}

/// Between two looks at what waits.
const LOOK: Duration = Duration::from_millis(1);

/// Runs what waits for nothing but its own slices of CPU time. None: it has waited for so long for something else. What it works
/// meanwhile does not count, however busy the machine is.
fn now<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    // Who begins to wait for a clock needs timers, which a command that loads a filter does not have.
    let timers = Handle::try_current().err().and_then(|_| Builder::new_current_thread().enable_time().build().ok());
    let _entered = timers.as_ref().map(Runtime::enter);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut future = pin!(future);
    let mut waited = Duration::ZERO;
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(done);
        }
        if woken.0.swap(false, Relaxed) {
            continue;
        }
        if waited >= limit {
            return None;
        }
        std::thread::sleep(LOOK);
        waited += LOOK;
    }
}

/// Whether there is reason to look again.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};

    use super::*;

    #[test]
    fn what_waits_for_nothing_that_comes_is_given_up() {
        let limit = Duration::from_millis(5);
        assert_eq!(now(limit, pending::<()>()), None);
        assert_eq!(now(limit, async { tokio::time::sleep(Duration::from_secs(3600)).await }), None);
        // slices of its own time are no wait
        let mut slices = 0;
        let sliced = poll_fn(|cx| {
            slices += 1;
            cx.waker().wake_by_ref();
            if slices < 1000 { Poll::Pending } else { Poll::Ready(slices) }
        });
        assert_eq!(now(Duration::ZERO, sliced), Some(1000));
    }
}
